//! Ring 3: the way there leads through the patch site of `cpu.usergs_sysret64`, the way back through one of `cpu.swapgs`.

use crate::console::fail;
use crate::cpu::{Shared, gs_word};
use crate::paravirt;
use crate::traps::Frame;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

core::arch::global_asm!(
    ".text",
    // ring3_enter(function in rdi, argument in rsi): calls the function at ring 3.
    ".globl ring3_enter, ring3_left, ring3_done, compatibility_entry, swap_gs, sysret_site",
    "ring3_enter:",
    "push %rbx",
    "push %rbp",
    "push %r12",
    "push %r13",
    "push %r14",
    "push %r15",
    "mov %rsp, {kernel_stack}(%rip)",
    "mov %rdi, %rax",
    "mov %rsi, %rdi",
    "lea {user_stack} + 16384(%rip), %rsp",
    "lea ring3_start(%rip), %rcx",
    "mov $2, %r11d",
    "sysret_site:",
    paravirt::sites::cpu_usergs_sysret64_jmp_mem!(),
    "ud2",
    // Ring 3 from here...
    "ring3_start:",
    "call *%rax",
    "mov %rax, %rdi",
    "mov %gs:0, %rsi",
    "mov %cs, %edx",
    "syscall",
    // ...to here: the entry of SYSCALL, with the user's stack and GS base still in place.
    "ring3_done:",
    paravirt::sites::cpu_swapgs_inline!(),
    "mov %rdi, {value}(%rip)",
    "mov %rsi, {gs}(%rip)",
    "mov %rdx, {cs}(%rip)",
    "mov {kernel_stack}(%rip), %rsp",
    "ring3_left:",
    "pop %r15",
    "pop %r14",
    "pop %r13",
    "pop %r12",
    "pop %rbp",
    "pop %rbx",
    "ret",
    // SYSCALL from 32-bit code: sysret without REX.W went there.
    "compatibility_entry:",
    "mov {kernel_stack}(%rip), %rsp",
    "and $-16, %rsp",
    "call {compatibility}",
    "ud2",
    "swap_gs:",
    paravirt::sites::cpu_swapgs_inline!(),
    "ret",
    pv_ops = sym paravirt::OPS,
    kernel_stack = sym KERNEL_STACK,
    user_stack = sym USER_STACK,
    value = sym VALUE,
    gs = sym GS,
    cs = sym CS,
    compatibility = sym compatibility,
    options(att_syntax)
);

unsafe extern "C" {
    fn ring3_enter(function: usize, argument: usize);
    fn ring3_left();
    fn sysret_site();
    /// One `cpu.swapgs` site.
    pub(crate) fn swap_gs();
}

/// Where the `cpu.usergs_sysret64` site is.
pub(crate) fn sysret_site_address() -> usize {
    sysret_site as *const () as usize
}

// All of these belong to CPU 0, which alone goes to ring 3.
static KERNEL_STACK: AtomicU64 = AtomicU64::new(0);
static USER_STACK: Shared<[u8; 16384]> = Shared::new([0; 16384]);
static VALUE: AtomicU64 = AtomicU64::new(0);
static GS: AtomicU64 = AtomicU64::new(0);
static CS: AtomicU64 = AtomicU64::new(0);
static FAULT: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// How a function at ring 3 ended.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It returned.
    Returned {
        /// What.
        value: u64,
        /// The word at its GS base.
        gs: u64,
        /// Its code segment.
        cs: u64,
    },
    /// It did something that its privilege does not allow.
    Fault {
        /// Vector of the exception.
        vector: u64,
        /// Address of the instruction.
        rip: u64,
        /// The word at its GS base.
        gs: u64,
    },
}

/// Calls a function at ring 3, interrupts off.
pub(crate) fn run(function: usize, argument: usize) -> Outcome {
    FAULT[0].store(u64::MAX, SeqCst);
    let before = gs_word();
    // SAFETY: (50) `function` has one argument at most and runs on a stack of its own.
    unsafe { ring3_enter(function, argument) };
    if gs_word() != before {
        fail(format_args!("the GS base after ring 3 is not the kernel's"));
    }
    match FAULT[0].load(SeqCst) {
        u64::MAX => Outcome::Returned { value: VALUE.load(SeqCst), gs: GS.load(SeqCst), cs: CS.load(SeqCst) },
        vector => Outcome::Fault { vector, rip: FAULT[1].load(SeqCst), gs: FAULT[2].load(SeqCst) },
    }
}

/// The exception handler's part: back to [`run`]. The stub has exchanged the GS bases.
pub(crate) fn faulted(frame: &mut Frame) {
    // SAFETY: (51) twice, so nothing is changed.
    let gs = unsafe {
        core::arch::asm!("swapgs", options(nostack));
        let word = gs_word();
        core::arch::asm!("swapgs", options(nostack));
        word
    };
    for (place, value) in FAULT.iter().zip([frame.vector, frame.rip, gs]) {
        place.store(value, SeqCst);
    }
    frame.continue_at(ring3_left as *const () as u64, KERNEL_STACK.load(SeqCst));
}

extern "C" fn compatibility() -> ! {
    fail(format_args!("ring 3 runs in 32-bit mode"))
}
