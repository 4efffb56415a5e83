//! SIGTRAP: whose breakpoint is it, and who gets the others.

use crate::child;
use crate::table::{self, TWO};
use pvc_runtime::user::live;
use pvc_runtime::{Status, Step};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

static SEEN: AtomicUsize = AtomicUsize::new(0);
static AT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn former(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    SEEN.fetch_add(1, SeqCst);
    // SAFETY: the kernel's own; SI_KERNEL, and the instruction behind the breakpoint.
    unsafe {
        assert_eq!((*info).si_signo, libc::SIGTRAP);
        let registers = &(*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        AT.store(registers[libc::REG_RIP as usize] as usize, SeqCst);
        let mut blocked = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_BLOCK, std::ptr::null(), &mut blocked);
        assert_eq!(libc::sigismember(&blocked, libc::SIGTRAP), 1);
        assert_eq!(libc::sigismember(&blocked, libc::SIGUSR1), 1, "in the mask of the handler");
        assert_eq!(libc::sigismember(&blocked, libc::SIGUSR2), 0);
    }
}

fn batch() {
    table::SLOTS.0[2].store(table::backend_call as *mut (), SeqCst);
    crate::live(TWO).unwrap();
}

fn install(handler: usize) {
    // SAFETY: a handler with this signature.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaddset(&mut action.sa_mask, libc::SIGUSR1);
        assert_eq!(libc::sigaction(libc::SIGTRAP, &action, std::ptr::null_mut()), 0);
    }
}

core::arch::global_asm!(".globl live_test_trap, live_test_behind", "live_test_trap: int3", "live_test_behind: ret");

unsafe extern "C" {
    /// A breakpoint of somebody else's.
    #[link_name = "live_test_trap"]
    safe fn breakpoint();
    static live_test_behind: u8;
}

pub(crate) fn chain_to_a_handler() {
    crate::start();
    install(former as *const () as usize);
    batch();
    breakpoint();
    assert_eq!((SEEN.load(SeqCst), AT.load(SeqCst)), (1, (&raw const live_test_behind).addr()));
    // SAFETY: to this process.
    unsafe { libc::raise(libc::SIGTRAP) };
    assert_eq!(SEEN.load(SeqCst), 2, "a signal that is no breakpoint");
    assert_eq!(live::breakpoints(), 0);
}

pub(crate) fn without_a_handler_the_process_ends() {
    crate::start();
    batch();
    for by_instruction in [true, false] {
        let status = child::run(|| {
            if by_instruction {
                breakpoint();
            } else {
                // SAFETY: to this process.
                unsafe { libc::raise(libc::SIGTRAP) };
            }
        });
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGTRAP, "{status:#x}");
    }
}

pub(crate) fn a_thread_that_blocks_them_is_found() {
    crate::start();
    let before = table::text();
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: of this thread alone.
            unsafe {
                let mut traps = std::mem::zeroed();
                libc::sigaddset(&mut traps, libc::SIGTRAP);
                libc::pthread_sigmask(libc::SIG_BLOCK, &traps, std::ptr::null_mut());
                AT.store(libc::gettid() as usize, SeqCst);
            }
            barrier.wait();
            barrier.wait();
        });
        barrier.wait();
        table::SLOTS.0[2].store(table::backend_call as *mut (), SeqCst);
        let error = crate::live(TWO).unwrap_err();
        assert_eq!((error.status, error.step, error.address), (Status::Refused, Step::TrapBlocked, AT.load(SeqCst)));
        assert_eq!(table::text(), before);
        barrier.wait();
    });
    crate::live(TWO).unwrap();
}

pub(crate) fn a_handler_over_ours_is_refused() {
    crate::start();
    batch();
    install(former as *const () as usize);
    table::SLOTS.0[2].store(table::default_call as *mut (), SeqCst);
    let error = crate::live(TWO).unwrap_err();
    assert_eq!((error.status, error.step), (Status::Refused, Step::TrapHandler));
    assert_eq!(table::via_call(), 4);
}
