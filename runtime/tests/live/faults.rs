//! System calls that fail in the middle of a batch: the text is old or new, never a mix, and its pages are as they were.

use crate::child;
use crate::table::{self, ONE, TWO};
use pvc_runtime::user::{self, live::View};
use pvc_runtime::{Error, Options, Report, Status, Step, Way};

/// The batch that suffers.
#[derive(Clone, Copy, Debug)]
enum Batch {
    /// At start, from text as compiled or from patched text, and by which way.
    Start { patched: bool, way: Way },
    /// While threads run.
    Live(View),
}

impl Batch {
    /// What must be there before.
    fn prepare(self) {
        match self {
            Self::Start { patched: false, .. } => {}
            _ => crate::start(),
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

/// What a tracer does to one system call of a batch.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It fails.
    Fail,
    /// It writes this many bytes only, and the next call fails.
    Short(u64),
}

/// Between two calls of getppid the child patches.
const MARK: i64 = libc::SYS_getppid;

fn mark() {
    // SAFETY: no arguments.
    unsafe { libc::syscall(MARK) };
}

/// A batch in a traced child. It must leave the text old or new. Whether the child got to system call `number` (and if it had
/// that many bytes to write).
fn with_fault(batch: Batch, number: usize, fault: Fault) -> bool {
    let child = child::fork(|| {
        // SAFETY: of this process.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
        }
        batch.forbid_other_ways();
        patch_once(batch);
    });
    let (hit, status) = trace(child, number, fault);
    assert_eq!(status, 0, "{batch:?}, call {number}, {fault:?}: status {status:#x}");
    hit
}

/// The batch, and what must hold after it.
fn patch_once(batch: Batch) {
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
    crate::assert_text_protection();
    batch.patch().expect("works when nothing fails");
    crate::assert_all(after);
    crate::assert_text_protection();
}

/// Runs the child to its end; system call `number` after the mark gets the fault. Whether it did, and the child's status.
fn trace(child: i32, number: usize, fault: Fault) -> (bool, i32) {
    let (mut inside, mut entry, mut calls, mut hit, mut fail_next) = (false, true, 0, false, false);
    let mut wanted = None;
    loop {
        let mut status = 0;
        // SAFETY: a traced child of this process; so for all calls below.
        unsafe { libc::waitpid(child, &mut status, 0) };
        if !libc::WIFSTOPPED(status) {
            return (hit, status);
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
                let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
                // SAFETY: see above.
                unsafe { libc::ptrace(libc::PTRACE_GETREGS, child, 0, &mut registers) };
                if entry {
                    if registers.orig_rax as i64 == MARK {
                        inside = !inside;
                    } else if inside {
                        let write = registers.orig_rax as i64 == libc::SYS_pwrite64;
                        let fails = match fault {
                            _ if fail_next => true,
                            Fault::Fail => calls == number,
                            Fault::Short(bytes) => {
                                if calls == number && write && bytes < registers.rdx {
                                    wanted = Some(registers.rdx);
                                    (registers.rdx, hit, fail_next) = (bytes, true, true);
                                    bytes == 0
                                } else {
                                    false
                                }
                            }
                        };
                        if fails {
                            registers.orig_rax = u64::MAX; // no such call; the answer is set below
                            hit = true;
                            if calls > number || matches!(fault, Fault::Fail) {
                                fail_next = false;
                            }
                        }
                        calls += 1;
                        // SAFETY: see above.
                        unsafe { libc::ptrace(libc::PTRACE_SETREGS, child, 0, &registers) };
                    }
                } else if registers.orig_rax == u64::MAX || wanted.is_some() {
                    if registers.orig_rax == u64::MAX {
                        registers.rax = -i64::from(libc::ENOMEM) as u64;
                    }
                    registers.rdx = wanted.take().unwrap_or(registers.rdx); // system calls keep it
                    // SAFETY: see above.
                    unsafe { libc::ptrace(libc::PTRACE_SETREGS, child, 0, &registers) };
                }
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
    let batches = [start(Way::Protect), start(Way::ProcMem), [View::Memory, View::Window].map(Batch::Live)];
    for batch in batches.concat() {
        in_child(batch, |batch| {
            let calls = (0..).take_while(|&number| with_fault(batch, number, Fault::Fail)).count();
            println!("{batch:?}: {calls} system calls, each failed once");
            assert!(calls > 5);
        });
    }
}

pub(crate) fn every_byte() {
    let start = |patched| Batch::Start { patched, way: Way::ProcMem };
    for (batch, most, least) in [(Batch::Live(View::Memory), 50, 90), (start(false), 30, 30), (start(true), 30, 30)] {
        in_child(batch, |batch| {
            let mut writes = 0;
            for number in 0..most {
                // Every byte of the first sites, then a prime step: the windows are long.
                let bytes = (0..30u64).chain((0..5).map(|step| 31 + step * 2003));
                writes += bytes.take_while(|&bytes| with_fault(batch, number, Fault::Short(bytes))).count();
            }
            println!("{batch:?}: {writes} writes cut short, then failed");
            assert!(writes > least);
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
