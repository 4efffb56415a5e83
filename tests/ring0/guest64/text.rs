//! The text ports of the guest: how the runtime's core writes kernel text.

use crate::cpu::serialize;
use core::arch::asm;
use pvc_runtime::Text;

unsafe extern "C" {
    static text_start: u8;
    static text_end: u8;
}

/// The guest's text, which its page tables make read-only.
pub(crate) fn text() -> core::ops::Range<usize> {
    (&raw const text_start).addr()..(&raw const text_end).addr()
}

/// A number over all of the text, to see whether any byte of it changed (FNV-1a).
pub(crate) fn digest() -> u64 {
    text().fold(0xcbf2_9ce4_8422_2325, |digest: u64, address| {
        // SAFETY: (60) mapped; volatile because the patcher changes it.
        let byte = unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() };
        (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Whether a site may be written: the error number is EFAULT.
pub(crate) fn admit(address: usize, len: usize) -> Result<(), i32> {
    let text = text();
    if address >= text.start && len <= text.end - text.start && address <= text.end - len { Ok(()) } else { Err(14) }
}

/// Lets this CPU write read-only pages while `write` runs (CR0.WP clear, interrupts off).
pub(crate) fn unprotected(write: impl FnOnce()) {
    const WP: u64 = 1 << 16;
    let (control, flags): (u64, u64);
    // SAFETY: (61) CR0 and the flags are put back below; what is written in between is the caller's business.
    unsafe {
        asm!("pushfq", "pop {}", "cli", out(reg) flags);
        asm!("mov {}, cr0", out(reg) control, options(nostack));
        asm!("mov cr0, {}", in(reg) control & !WP, options(nostack));
        write();
        asm!("mov cr0, {}", in(reg) control, options(nostack));
        asm!("push {}", "popfq", in(reg) flags);
    }
}

/// Stores bytes one after the other, as any simple `memcpy` may.
pub(crate) fn store(address: usize, bytes: &[u8]) {
    for (offset, byte) in bytes.iter().enumerate() {
        let place = core::ptr::with_exposed_provenance_mut::<u8>(address + offset);
        // SAFETY: (62) inside the text (`admit`), and writable (`unprotected`).
        unsafe { place.write_volatile(*byte) }
    }
}

/// Boot-time patching: one CPU runs, and none of its code that is being written.
pub(crate) struct BootText;

impl Text for BootText {
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32> {
        admit(address, len)
    }

    fn write(&mut self, address: usize, bytes: &[u8]) {
        unprotected(|| store(address, bytes));
    }

    fn finish(&mut self) {
        serialize();
    }
}
