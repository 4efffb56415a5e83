//! What the guest says: lines on QEMU's debug console, and an exit code.

use core::arch::asm;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// QEMU exits with `(PASSED << 1) | 1`.
const PASSED: u8 = 0x10;
const FAILED: u8 = 0x11;

static CHECKS: AtomicU32 = AtomicU32::new(0);
static FAILURES: AtomicU32 = AtomicU32::new(0);

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: (1) port e9 is the debug console and has no effect on memory.
            unsafe { asm!("out 0xe9, al", in("al") byte, options(nomem, nostack, preserves_flags)) }
        }
        Ok(())
    }
}

/// Says one line.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    // The console never fails.
    let _ = Console.write_fmt(format_args!("{line}\n"));
}

/// Counts and reports one check.
pub(crate) fn check(holds: bool, phase: &str, name: fmt::Arguments<'_>) {
    CHECKS.fetch_add(1, Relaxed);
    if holds {
        say(format_args!("ok {phase} {name}"));
    } else {
        FAILURES.fetch_add(1, Relaxed);
        say(format_args!("FAIL {phase} {name}"));
    }
}

/// Whether no check has failed so far.
pub(crate) fn all_held() -> bool {
    FAILURES.load(Relaxed) == 0
}

/// Ends the run because something happened that none of the checks expects.
pub(crate) fn fail(what: fmt::Arguments<'_>) -> ! {
    say(format_args!("FAIL {what}"));
    exit(FAILED)
}

/// Ends the run with the verdict.
pub(crate) fn finish() -> ! {
    let (checks, failures) = (CHECKS.load(Relaxed), FAILURES.load(Relaxed));
    say(format_args!("done: {checks} checks, {failures} failed"));
    exit(if failures == 0 && checks > 0 { PASSED } else { FAILED })
}

fn exit(code: u8) -> ! {
    loop {
        // SAFETY: (2) port f4 is QEMU's exit device; should it be missing, the CPU stops here until the time-out.
        unsafe { asm!("out 0xf4, al", "cli", "hlt", in("al") code, options(nomem, nostack)) }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    fail(format_args!("panic: {info}"))
}
