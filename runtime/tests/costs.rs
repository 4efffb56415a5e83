//! What patching at start may cost, in system calls and page faults, however many sites there are (times are for the
//! benchmarks), and that a child which is made meanwhile can patch, too.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod child;
mod many;

use many::{Arena, Fixture, fill, text};
use pvc_runtime::{Features, Options, user};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// One at a time: a child that is made shares the pages of its parent, which then takes faults to write to them.
static ALONE: Mutex<()> = Mutex::new(());

/// System calls of a traced child of this thread that `count` counts, from its first stop to its end.
fn system_calls(child: i32, count: impl Fn(i64) -> bool) -> usize {
    let (mut calls, mut entry) = (0, true);
    loop {
        let mut status = 0;
        // SAFETY: a traced child of this thread; so for all calls below.
        assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
        if !libc::WIFSTOPPED(status) {
            assert_eq!(status, 0, "the child failed");
            return calls;
        }
        if libc::WSTOPSIG(status) == libc::SIGTRAP | 0x80 {
            // SAFETY: plain numbers.
            let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
            // SAFETY: see above.
            unsafe { libc::ptrace(libc::PTRACE_GETREGS, child, 0, &mut registers) };
            calls += usize::from(entry && count(registers.orig_rax as i64));
            entry = !entry;
        } else {
            let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
            // SAFETY: see above.
            unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, child, 0, options) };
        }
        // SAFETY: see above.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, child, 0, 0) };
    }
}

/// Of the Rust runtime at start, and then back: all that the child does after it stopped.
fn of_rust(sites: usize) -> usize {
    let (file, len) = text(sites, 17);
    let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
    fill(&arena, sites, 17);
    let mut fixture = Fixture::new();
    let set = fixture.set(&arena, sites);
    let child = child::fork(|| {
        // SAFETY: of this process, which has one thread; nothing runs the text.
        let report = unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
            user::patch_as(&set, Features::NONE, Options::default())
        };
        assert_eq!(report.unwrap().rows, sites);
    });
    system_calls(child, |_| true)
}

fn c_program() -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("costs-c");
    let mut build = Command::new("gcc");
    build.args(["-std=gnu11", "-O2", "-pthread", "-I"]).arg(root.join("c"));
    build.args([root.join("benches/many.c"), root.join("c/pvc.c")]).arg("-o").arg(&program);
    let built = build.output().unwrap_or_else(|error| panic!("gcc: {error}; tests/run installs what the tests need"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

/// Of the C runtime: what a round of the benchmark's program takes to change the protection of text, its reference included.
#[allow(clippy::zombie_processes, reason = "`system_calls` waits for the child")]
fn of_c(program: &Path, sites: usize) -> usize {
    let mut command = Command::new(program);
    command.args(["start", &sites.to_string(), "17", "1"]).stdout(std::process::Stdio::null());
    // SAFETY: one system call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            Ok(())
        });
    }
    let child = command.spawn().unwrap();
    let counted = [libc::SYS_madvise, libc::SYS_pwrite64, libc::SYS_rt_sigprocmask, libc::SYS_membarrier];
    system_calls(child.id() as i32, |number| counted.contains(&number))
}

/// At most three for the one stretch of pages (here two pages, and 830), and a few.
#[test]
fn system_calls_do_not_grow_with_the_sites() {
    let _alone = ALONE.lock();
    let (few, many) = (of_rust(300), of_rust(200_000));
    assert!(few == many && many <= 3 + 20, "{few} system calls for 300 sites, {many} for 200000");
    let program = c_program();
    let (few, many) = (of_c(&program, 300), of_c(&program, 200_000));
    assert_eq!(few, many, "the C runtime");
}

fn page_faults() -> i64 {
    // SAFETY: plain numbers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is writable.
    assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) }, 0);
    usage.ru_minflt
}

/// Pages that are private already are not faulted in again. (`many.c` holds the same against the C runtime.)
#[test]
fn patching_again_takes_no_page_faults() {
    let _alone = ALONE.lock();
    const SITES: usize = 200_000;
    let (file, len) = text(SITES, 17);
    let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
    fill(&arena, SITES, 17);
    let mut fixture = Fixture::new();
    let set = fixture.set(&arena, SITES);
    // SAFETY: nothing runs the text, and no other test knows it.
    let round = || unsafe {
        user::patch_as(&set, Features::NONE, Options::default()).unwrap();
        user::unpatch(&set).unwrap();
    };
    round();
    let before = page_faults();
    round();
    let faults = page_faults() - before;
    assert!(faults < 20, "{faults} page faults on {} private pages", len / 4096);
    let program = Command::new(c_program()).args(["start", "200000", "17", "1"]).output().unwrap();
    assert!(program.status.success(), "{}: {}", program.status, String::from_utf8_lossy(&program.stderr));
}

/// The lock that such a child inherits is most often taken, by a thread that it has not.
#[test]
fn children_do_not_wait_for_their_parents_lock() {
    let _alone = ALONE.lock();
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    const SITES: usize = 2000;
    let stop = AtomicBool::new(false);
    let failed = std::thread::scope(|scope| {
        scope.spawn(|| {
            let (file, len) = text(SITES, 17);
            let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
            fill(&arena, SITES, 17);
            let mut fixture = Fixture::new();
            let set = fixture.set(&arena, SITES);
            while !stop.load(Relaxed) {
                // SAFETY: nothing runs the text, and no other test knows it.
                unsafe {
                    user::patch_as(&set, Features::NONE, Options::default()).unwrap();
                    user::unpatch(&set).unwrap();
                }
            }
        });
        // Made here: a child finds the locks of the allocator as they happen to be.
        let (file, len) = text(300, 17);
        let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
        fill(&arena, 300, 17);
        let mut fixture = Fixture::new();
        let set = fixture.set(&arena, 300);
        let mut statuses = (0..50).map(|_| {
            let child = child::fork(|| {
                // SAFETY: nothing runs the text, and no other test knows it.
                let report = unsafe { user::patch_as(&set, Features::NONE, Options::default()) }.unwrap();
                assert_eq!(report.rows, 300);
            });
            child::wait(child, Duration::from_secs(20))
        });
        let failed = statuses.find(|&status| status != 0);
        stop.store(true, Relaxed);
        failed
    });
    assert_eq!(failed, None, "a child");
    let program = Command::new(c_program()).args(["forks", "2000", "17", "50"]).output().unwrap();
    assert!(program.status.success(), "{}: {}", program.status, String::from_utf8_lossy(&program.stderr));
}
