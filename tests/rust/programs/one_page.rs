//! A program without a library whose sites stand before and behind all other code, the patcher included: all of it is
//! writable and not executable for a moment.

#![no_std]
#![no_main]

include!(concat!(env!("PV_OUT"), "/shapes.rs"));

use core::arch::{global_asm, naked_asm};
use pvc_runtime::{Features, Options, user};
use shapes::{OPS, SET, features};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}

fn exit(status: i32) -> ! {
    // SAFETY: exit_group.
    unsafe { core::arch::asm!("syscall", in("rax") 231, in("rdi") status, options(noreturn)) }
}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static shapes_counter: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_external(value: usize) -> usize {
    value
}

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_plain(value: usize) -> usize {
    value
}

// What the compiler may call, in place of a C library.
global_asm!(
    ".globl memcpy, memset, memcmp, bcmp, memmove, rust_eh_personality",
    "rust_eh_personality: ud2", // named by the unwind tables of core
    "memcpy: mov %rdi, %rax",
    "mov %rdx, %rcx",
    "rep movsb",
    "ret",
    "memmove: mov %rdi, %rax",
    "mov %rdx, %rcx",
    "cmp %rsi, %rdi",
    "jbe 2f",
    "lea -1(%rdi,%rdx), %rdi",
    "lea -1(%rsi,%rdx), %rsi",
    "std",
    "2: rep movsb",
    "cld",
    "ret",
    "memset: mov %rdi, %r8",
    "mov %esi, %eax",
    "mov %rdx, %rcx",
    "rep stosb",
    "mov %r8, %rax",
    "ret",
    "bcmp:",
    "memcmp: mov %rdx, %rcx",
    "xor %eax, %eax",
    "cmp %eax, %eax",
    "repe cmpsb",
    "je 3f",
    "movzbl -1(%rdi), %eax",
    "movzbl -1(%rsi), %ecx",
    "sub %ecx, %eax",
    "3: ret",
    options(att_syntax)
);

/// The first and the last code of the program: the linker sorts sections by name.
#[unsafe(naked)]
#[unsafe(link_section = ".text.000_first")]
extern "sysv64" fn first(a: usize, b: usize) -> usize {
    naked_asm!("push %rbp", shapes::sites::plain_add_call_mem!(), "pop %rbp", "ret", pv_ops = sym OPS, options(att_syntax))
}

/// Somewhere between, so that no gap is wide enough to split the stretch.
#[unsafe(naked)]
extern "sysv64" fn middle(a: usize, b: usize) -> usize {
    naked_asm!("push %rbp", shapes::sites::plain_add_call_mem!(), "pop %rbp", "ret", pv_ops = sym OPS, options(att_syntax))
}

#[unsafe(naked)]
#[unsafe(link_section = ".text.zzz_last")]
extern "sysv64" fn last(a: usize, b: usize) -> usize {
    naked_asm!("push %rbp", shapes::sites::plain_add_call_mem!(), "pop %rbp", "ret", pv_ops = sym OPS, options(att_syntax))
}

/// More of them among the functions of the runtime and of `core`, by the names that the compiler gives their sections.
macro_rules! between {
    ($($name:ident $section:literal),*) => { $(
        #[unsafe(naked)]
        #[unsafe(link_section = $section)]
        extern "sysv64" fn $name(a: usize, b: usize) -> usize {
            naked_asm!("push %rbp", shapes::sites::plain_add_call_mem!(), "pop %rbp", "ret", pv_ops = sym OPS, options(att_syntax))
        }
    )* };
}

between!(m1 ".text._ZN11pvc_runtime5", m2 ".text._ZN2", m3 ".text._ZN4core3", m4 ".text._ZN4core4", m5 ".text._ZN5");

extern "sysv64" fn poisoned(_: usize, _: usize) -> usize {
    exit(102)
}

#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!("xor %ebp, %ebp", "and $-16, %rsp", "call {main}", "ud2", main = sym main, options(att_syntax))
}

extern "C" fn main() -> ! {
    let (from, to) = (first as *const () as usize, last as *const () as usize);
    let patcher = user::patch_as as *const () as usize;
    if !(from < patcher && patcher < to && from < main as *const () as usize) {
        exit(1); // the linker did not sort
    }
    let mut places = [first, middle, m1, m2, m3, m4, m5, last].map(|site| site as *const () as usize);
    places.sort_unstable();
    if places.windows(2).any(|pair| pair[1] - pair[0] > 15 * 4096) {
        exit(2); // so far apart that there would be several stretches
    }
    if first(2, 3) != 5 || middle(2, 3) != 5 || last(2, 3) != 5 {
        exit(3);
    }
    // SAFETY: one thread; so below.
    match unsafe { user::patch_as(&SET, features::FAST, Options::default()) } {
        // One stretch, cut in two by the page of the leaf if that lies inside.
        Ok(report) if report.rows == 8 && report.runs <= 2 => {}
        Ok(_) => exit(4),
        Err(error) => exit(100 + error.errno),
    }
    OPS.plain_add.install(poisoned);
    if first(2, 3) != 6 || middle(2, 3) != 6 || last(2, 3) != 6 {
        exit(5);
    }
    // SAFETY: as above.
    if unsafe { user::unpatch(&SET) }.is_err() {
        exit(6);
    }
    let _ = Features::NONE;
    exit(0)
}
