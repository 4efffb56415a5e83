//! The handler of SIGTRAP: a thread that runs into a breakpoint of a batch waits for its end and executes the site again.
//! Everything in here is async-signal-safe: system calls made directly, atomics, reads.

use super::shared::{Shared, shared};
use super::sys::{self, SA_NODEFER, SA_ONSTACK, SA_RESETHAND, SA_RESTART, SA_RESTORER, SA_SIGINFO, SIGTRAP, Sigaction};
use crate::live::{Progress, Waiter, handle};
use core::arch::naked_asm;
use core::sync::atomic::Ordering::SeqCst;

/// `si_code` of a trap that an instruction raised: `int3` among them.
const SI_KERNEL: i32 = 0x80;
/// Offsets in the kernel's `struct ucontext` (arch/x86/include/uapi/asm/sigcontext.h): the instruction pointer, and the
/// signals that were blocked before.
const RIP: usize = 168;
const BLOCKED: usize = 296;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;

/// Makes SIGTRAP ours, if it is not yet. An error number if it cannot be: EBUSY if somebody installed a handler over ours.
pub(crate) fn install() -> Result<(), i32> {
    const EBUSY: i32 = 16;
    let shared = shared();
    let current = sys::signal_action(SIGTRAP, None)?;
    match shared.handler.load(SeqCst) {
        // SAFETY: (88) the lock is held, and no handler of ours can run before `handler` is set.
        0 => unsafe { *shared.former.get() = current },
        ours if ours != current.handler => return Err(EBUSY),
        ours if code_at(ours) == Some(shared.handler_code.load(SeqCst)) => return Ok(()),
        _ => {} // it has left, with its shared object; what it was installed over is still known
    }
    let entry = on_trap as *const () as usize;
    let action = Sigaction {
        handler: entry,
        // A thread with a small stack may have another one for signals. No signal is blocked meanwhile, not even SIGTRAP:
        // handlers that run on top of this one may reach a site, too, and the next batch must not take a thread that is
        // still in here for one that blocks SIGTRAP.
        flags: SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_RESTORER | SA_NODEFER,
        restorer: restorer as *const () as usize,
        mask: 0,
    };
    shared.handler_code.store(code_at(entry).unwrap_or(0), SeqCst);
    shared.handler.store(entry, SeqCst);
    sys::signal_action(SIGTRAP, Some(&action)).map(|_| ()).inspect_err(|_| shared.handler.store(0, SeqCst))
}

/// The first bytes of a handler, if there are any.
fn code_at(handler: usize) -> Option<u64> {
    let code = core::ptr::with_exposed_provenance::<u64>(handler);
    // SAFETY: (160) readable, as has been asked.
    sys::is_readable(handler).then(|| unsafe { code.read_unaligned() })
}

/// How a handler returns to the kernel, as in every C library.
#[unsafe(naked)]
unsafe extern "C" fn restorer() {
    naked_asm!("mov $15, %eax", "syscall", options(att_syntax)) // rt_sigreturn
}

impl Waiter for Shared {
    fn progress(&self) -> Progress {
        Self::progress(self)
    }

    fn in_batch(&self, address: usize) -> bool {
        Self::in_batch(self, address)
    }

    fn byte(&self, address: usize) -> u8 {
        let text = core::ptr::with_exposed_provenance::<u8>(address);
        // SAFETY: (89) the CPU has just executed this byte; volatile because the patcher changes it.
        unsafe { text.read_volatile() }
    }

    fn wait(&self, progress: Progress) {
        if self.is_forked() {
            self.adopt();
        } else {
            Self::wait(self, progress);
        }
    }
}

/// # Safety
///
/// Called by the kernel for SIGTRAP, with SA_SIGINFO.
unsafe extern "C" fn on_trap(signal: i32, info: *const i32, context: *mut u8) {
    // SAFETY: (90) siginfo begins with si_signo, si_errno, si_code; the context is a `struct ucontext`.
    let (code, pointer) = unsafe { (info.add(2).read(), context.add(RIP).cast::<usize>()) };
    if code == SI_KERNEL {
        // SAFETY: (91) as (90). `int3` leaves the address behind it.
        let address = unsafe { pointer.read() }.wrapping_sub(1);
        if handle(shared(), address) {
            shared().trapped.fetch_add(1, SeqCst);
            // SAFETY: (92) as (90): the thread goes on with the instruction that stands there now.
            unsafe { pointer.write(address) };
            return;
        }
    }
    // SAFETY: (93) the caller's promise.
    unsafe { chain(signal, info, context, code == SI_KERNEL) }
}

/// Hands a trap that is not ours to the handler that was there before.
unsafe fn chain(signal: i32, info: *const i32, context: *mut u8, is_breakpoint: bool) {
    let former = shared().former.get();
    // SAFETY: (94) `install` wrote it before this handler could run.
    let action = unsafe { *former };
    if action.handler == SIG_IGN && !is_breakpoint {
        return;
    }
    if action.handler == SIG_DFL || action.handler == SIG_IGN {
        // What would have happened without us (the kernel does not let a thread ignore its own trap): the process ends, by
        // the same breakpoint where there is one, so that the core file shows it.
        let default =
            Sigaction { handler: SIG_DFL, flags: SA_RESTORER, restorer: restorer as *const () as usize, mask: 0 };
        let _ = sys::signal_action(SIGTRAP, Some(&default));
        if is_breakpoint {
            // SAFETY: (95) as (90).
            unsafe {
                let pointer = context.add(RIP).cast::<usize>();
                pointer.write(pointer.read().wrapping_sub(1));
            }
        } else {
            sys::raise(SIGTRAP);
        }
        return;
    }
    if action.flags & SA_RESETHAND != 0 {
        // SAFETY: (96) two threads that trap at once both write the same.
        unsafe { (*former).handler = SIG_DFL };
    }
    // SAFETY: (97) as (90). The former handler runs with the signals blocked that it asked for.
    let mut blocked = unsafe { context.add(BLOCKED).cast::<u64>().read() } | action.mask;
    if action.flags & SA_NODEFER == 0 {
        blocked |= 1 << (SIGTRAP - 1);
    }
    sys::block_signals(blocked);
    if action.flags & SA_SIGINFO != 0 {
        // SAFETY: (98) the program installed it as a handler of this kind.
        let handler: unsafe extern "C" fn(i32, *const i32, *mut u8) = unsafe { core::mem::transmute(action.handler) };
        // SAFETY: (99) as the kernel would have called it.
        unsafe { handler(signal, info, context) };
    } else {
        // SAFETY: (100) as (98).
        let handler: unsafe extern "C" fn(i32) = unsafe { core::mem::transmute(action.handler) };
        // SAFETY: (101) as (99).
        unsafe { handler(signal) };
    }
}
