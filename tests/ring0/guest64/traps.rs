//! Interrupts and faults: which of them a check expects, and that nothing else comes.

use crate::console::fail;
use crate::cpu::{self, KERNEL_CODE, KERNEL_DATA, VECTOR_SELF, VECTOR_SYNC};
use crate::{crossmod, user};
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

core::arch::global_asm!(include_str!("traps.S"), options(att_syntax));

/// What the stubs push, upwards from the stack pointer.
#[repr(C)]
pub(crate) struct Frame {
    registers: [u64; 15],
    pub(crate) vector: u64,
    pub(crate) error: u64,
    pub(crate) rip: u64,
    pub(crate) cs: u64,
    pub(crate) flags: u64,
    pub(crate) rsp: u64,
    pub(crate) ss: u64,
}

impl Frame {
    /// Goes on in the kernel at `rip` with this stack.
    pub(crate) fn continue_at(&mut self, rip: u64, rsp: u64) {
        (self.rip, self.rsp, self.cs, self.ss, self.flags) = (rip, rsp, KERNEL_CODE, KERNEL_DATA, 2);
    }
}

const BREAKPOINT: u64 = 3;
pub(crate) const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

unsafe extern "C" {
    fn read_byte(address: usize) -> u32;
    fn write_byte(address: usize) -> u32;
    fn touch_faulted();
}

static TOUCHING: AtomicBool = AtomicBool::new(false);

/// Whether reading the byte at `address` is a page fault.
pub(crate) fn faults_when_read(address: usize) -> bool {
    touch(read_byte, address)
}

/// Whether writing it is. Its value stays.
pub(crate) fn faults_when_written(address: usize) -> bool {
    touch(write_byte, address)
}

fn touch(access: unsafe extern "C" fn(usize) -> u32, address: usize) -> bool {
    TOUCHING.store(true, SeqCst);
    // SAFETY: (40) neither changes memory, and the handler turns a fault into a result.
    let faulted = unsafe { access(address) } != 0;
    TOUCHING.store(false, SeqCst);
    faulted
}

/// Interrupts that this CPU sent to itself and that arrived.
pub(crate) static ARRIVED: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
extern "C" fn trap(frame: &mut Frame) {
    match frame.vector {
        vector if vector == u64::from(VECTOR_SELF) => {
            ARRIVED.fetch_add(1, SeqCst);
            cpu::end_of_interrupt();
        }
        vector if vector == u64::from(VECTOR_SYNC) => {
            crossmod::acknowledge();
            cpu::end_of_interrupt();
        }
        BREAKPOINT if frame.cs == KERNEL_CODE && crossmod::breakpoint(frame.rip as usize - 1) => frame.rip -= 1,
        _ if frame.cs & 3 == 3 => user::faulted(frame),
        PAGE_FAULT if TOUCHING.swap(false, SeqCst) => frame.rip = touch_faulted as *const () as u64,
        vector => {
            let address: u64;
            // SAFETY: (41) reads the address of the last fault.
            unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack)) };
            let Frame { rip, cs, error, .. } = *frame;
            fail(format_args!("exception {vector}, error {error:#x}, at {cs:#x}:{rip:#x}, cr2 {address:#x}"))
        }
    }
}
