//! System calls that fail in the middle of a batch: the text is old or new, never a mix, and its pages are as they were.

use crate::child;
use crate::table::{self, ONE, TWO};
use pvc_runtime::table::SITE_LIVE;
use pvc_runtime::user::live::{Patcher, View};
use pvc_runtime::{Error, Options, Report, Status, Step, Way, user};
use std::sync::Mutex;

/// The batch that suffers.
#[derive(Clone, Copy, Debug)]
enum Batch {
    /// At start, from text as compiled or from patched text, and by which way.
    Start { patched: bool, way: Way },
    /// While threads run.
    Live(View),
    /// The same by a patcher that has its files.
    Again(View),
}

impl Batch {
    /// What must be there before.
    fn prepare(self) {
        match self {
            Self::Start { patched: false, .. } => {}
            _ => crate::start(),
        }
    }

    /// In the process that suffers: files are opened when nothing fails yet.
    fn warm_up(self) {
        if let Self::Again(view) = self {
            for features in [ONE, TWO] {
                crate::patchers::patch(&mut PATCHER.lock().unwrap(), features, view).expect("works when nothing fails");
            }
        }
    }

    /// Leaves one way to write.
    fn forbid_other_ways(self) {
        const PR_SET_MDWE: libc::c_int = 65;
        if matches!(self, Self::Start { way: Way::ProcMem, .. }) {
            // SAFETY: concerns this process only.
            assert_eq!(unsafe { libc::prctl(PR_SET_MDWE, 1usize, 0usize, 0usize, 0usize) }, 0);
        }
    }

    /// To the other numbers than those that the sites hold.
    fn patch(self) -> Result<Report, Error> {
        match self {
            // SAFETY: one thread.
            Self::Start { patched: false, .. } => unsafe { user::patch_as(&table::SET, TWO, Options::default()) },
            // SAFETY: as above.
            Self::Start { .. } => unsafe { user::patch_as(&table::SET, ONE, Options::default()) },
            Self::Live(view) => crate::live_as(ONE, view),
            Self::Again(view) => crate::patchers::patch(&mut PATCHER.lock().unwrap(), ONE, view),
        }
    }

    /// The numbers before and after.
    fn numbers(self) -> (u64, u64) {
        match self {
            Self::Start { patched: false, .. } => (table::FIRST, table::SECOND),
            _ => (table::SECOND, table::FIRST),
        }
    }
}

static PATCHER: Mutex<Patcher> = Mutex::new(Patcher::new());

/// What a tracer does to a system call of a batch.
enum Verdict {
    /// Nothing.
    Pass,
    /// It fails.
    Fail,
    /// It writes this many bytes only.
    Short(u64),
}

/// Between two calls of getppid the child patches.
const MARK: i64 = libc::SYS_getppid;

fn mark() {
    // SAFETY: no arguments.
    unsafe { libc::syscall(MARK) };
}

/// A batch in a traced child, whose system calls are judged by their numbers and registers. It must leave the text old or new.
fn run(batch: Batch, judge: impl FnMut(usize, &Registers) -> Verdict, what: &str) {
    let child = child::fork(|| {
        // SAFETY: of this process.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
        }
        batch.forbid_other_ways();
        patch_once(batch);
    });
    let status = trace(child, judge);
    assert_eq!(status, 0, "{batch:?}, {what}: status {status:#x}");
}

/// The batch, and what must hold after it.
fn patch_once(batch: Batch) {
    batch.warm_up();
    let (old, (before, after)) = (table::text(), batch.numbers());
    mark();
    let result = batch.patch();
    mark();
    let new = table::text();
    match result {
        Ok(_) => crate::assert_all(after),
        Err(error) => {
            assert_eq!(error.status, Status::Refused, "{error}");
            assert!(old == new, "{error}: the text is neither old nor new");
            crate::assert_all(before);
        }
    }
    crate::maps::assert_protection();
    batch.patch().expect("works when nothing fails");
    crate::assert_all(after);
    crate::maps::assert_protection();
}

type Registers = libc::user_regs_struct;

/// Runs the child to its end and judges its system calls between the marks. Its status.
fn trace(child: i32, mut judge: impl FnMut(usize, &Registers) -> Verdict) -> i32 {
    let (mut inside, mut entry, mut calls) = (false, true, 0);
    // What is to be put right when the call returns.
    let (mut verdict, mut count) = (Verdict::Pass, 0);
    loop {
        let mut status = 0;
        // SAFETY: a traced child of this process; so for all calls below.
        unsafe { libc::waitpid(child, &mut status, 0) };
        if !libc::WIFSTOPPED(status) {
            return status;
        }
        let mut signal = 0;
        match libc::WSTOPSIG(status) {
            libc::SIGSTOP => {
                let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL;
                // SAFETY: see above.
                unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, child, 0, options) };
            }
            stop if stop == libc::SIGTRAP | 0x80 => {
                // SAFETY: plain numbers.
                let mut registers: Registers = unsafe { std::mem::zeroed() };
                // SAFETY: see above.
                unsafe { libc::ptrace(libc::PTRACE_GETREGS, child, 0, &mut registers) };
                if entry {
                    verdict = Verdict::Pass;
                    if registers.orig_rax as i64 == MARK {
                        inside = !inside;
                    } else if inside {
                        verdict = judge(calls, &registers);
                        count = registers.rdx;
                        calls += 1;
                    }
                }
                match verdict {
                    Verdict::Pass => {}
                    Verdict::Fail if entry => registers.orig_rax = u64::MAX, // no such call; the answer is set below
                    Verdict::Fail => registers.rax = -i64::from(libc::ENOMEM) as u64,
                    Verdict::Short(bytes) if entry => registers.rdx = bytes,
                    Verdict::Short(_) => registers.rdx = count, // system calls keep it
                }
                // SAFETY: see above.
                unsafe { libc::ptrace(libc::PTRACE_SETREGS, child, 0, &registers) };
                entry = !entry;
            }
            other => signal = other,
        }
        // SAFETY: see above.
        unsafe { libc::ptrace(libc::PTRACE_SYSCALL, child, 0, signal) };
    }
}

/// In a child of its own for each batch: text as compiled is there once.
fn in_child(batch: Batch, case: impl FnOnce(Batch)) {
    let status = child::run(|| {
        batch.prepare();
        case(batch);
    });
    assert_eq!(status, 0, "{batch:?}");
}

pub(crate) fn every_system_call() {
    let start = |way| [false, true].map(|patched| Batch::Start { patched, way });
    let batches = [
        start(Way::Protect),
        start(Way::ProcMem),
        [View::Memory, View::Window].map(Batch::Live),
        [View::Memory, View::Window].map(Batch::Again),
    ];
    for batch in batches.concat() {
        in_child(batch, |batch| {
            let fails = |number| {
                let mut hit = false;
                let judge = |call, _: &Registers| {
                    hit |= call == number;
                    if call == number { Verdict::Fail } else { Verdict::Pass }
                };
                run(batch, judge, &format!("call {number} fails"));
                hit
            };
            let calls = (0..).take_while(|&number| fails(number)).count();
            println!("{batch:?}: {calls} system calls, each failed once");
            assert!(calls > 5);
        });
    }
}

/// A write of a batch: its number among the system calls, its first address, its length.
type Write = (usize, usize, usize);

fn writes_of(batch: Batch) -> Vec<Write> {
    let mut writes = Vec::new();
    let judge = |number, registers: &Registers| {
        if registers.orig_rax as i64 == libc::SYS_pwrite64 {
            writes.push((number, registers.r10 as usize, registers.rdx as usize));
        }
        Verdict::Pass
    };
    run(batch, judge, "nothing fails");
    writes
}

/// After each number of bytes that ends before, in or right behind a site. (What is between sites does not change: to end there is
/// to end behind the site before.)
fn ends(&(_, start, len): &Write) -> impl Iterator<Item = usize> {
    let sites = table::SET.sites().iter().map(|site| match site.kind & !SITE_LIVE {
        table::STUBBED => site.anchor() - table::STUBBED_LEN..=site.anchor(),
        _ => site.anchor()..=site.anchor() + usize::from(site.len),
    });
    let ends = sites.flatten().filter_map(|end| end.checked_sub(start)).filter(|&end| end < len);
    let mut ends: Vec<usize> = ends.collect();
    ends.push(0);
    ends.sort_unstable();
    ends.dedup();
    ends.into_iter()
}

/// Every write ends after each number of bytes, and the next system call fails. That takes a minute: after every fifth number,
/// unless `PVC_FAULTS=all`.
pub(crate) fn every_byte() {
    let step = if std::env::var("PVC_FAULTS").is_ok_and(|wanted| wanted == "all") { 1 } else { 5 };
    let start = |patched| Batch::Start { patched, way: Way::ProcMem };
    for batch in [Batch::Live(View::Memory), Batch::Again(View::Memory), start(false), start(true)] {
        in_child(batch, |batch| {
            let mut cuts = 0;
            for write in writes_of(batch) {
                for end in ends(&write).step_by(step) {
                    let judge = |call: usize, _: &Registers| match call.checked_sub(write.0) {
                        Some(0) if end > 0 => Verdict::Short(end as u64),
                        Some(0) => Verdict::Fail,
                        Some(1) if end > 0 => Verdict::Fail,
                        _ => Verdict::Pass,
                    };
                    run(batch, judge, &format!("{write:x?} ends after {end} bytes"));
                    cuts += 1;
                }
            }
            println!("{batch:?}: {cuts} times a write ended early");
            assert!(cuts > 900 / step, "the sites have a thousand bytes");
        });
    }
}

/// Three times all CPUs serialize, however many sites a batch has.
pub(crate) fn three_barriers() {
    for view in [View::Memory, View::Window] {
        in_child(Batch::Live(view), |batch| {
            let mut barriers = 0;
            let judge = |_, registers: &Registers| {
                const PRIVATE_EXPEDITED_SYNC_CORE: u64 = 1 << 5;
                let is_call = registers.orig_rax as i64 == libc::SYS_membarrier;
                barriers += usize::from(is_call && registers.rdi == PRIVATE_EXPEDITED_SYNC_CORE);
                Verdict::Pass
            };
            run(batch, judge, "nothing fails");
            assert_eq!(barriers, 3, "{batch:?}");
        });
    }
}

/// Without membarrier there is no live patching, and nothing is touched.
pub(crate) fn no_barrier() {
    crate::start();
    let before = table::text();
    let statement = |code: u32, k| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: libc::SYS_membarrier as u32,
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: concerns this process only.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program), 0);
    }
    table::SLOTS.0[2].store(table::backend_call as *mut (), std::sync::atomic::Ordering::SeqCst);
    let error = crate::live(TWO).unwrap_err();
    assert_eq!((error.status, error.step, error.errno), (Status::Refused, Step::Register, libc::ENOSYS));
    assert_eq!(table::text(), before);
}
