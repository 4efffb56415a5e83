//! A leaf function with variables in its frame and a site in a loop of 10^7, unpatched, with a backend that dirties
//! 4 KiB of stack, insists on alignment and ruins vector registers; and a double that lives across a narrow op.

include!(concat!(env!("PV_OUT"), "/shapes.rs"));

use core::arch::naked_asm;
use shapes::{OPS, backends, word};

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static shapes_counter: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_external(value: usize) -> usize {
    value
}

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_plain(value: usize) -> usize {
    value
}

/// a + b, after it has overwritten the 4 KiB below its frame and everything that a call may destroy.
#[unsafe(naked)]
extern "sysv64" fn dirty(a: usize, b: usize) -> usize {
    naked_asm!(
        "lea 8(%rsp), %rax",
        "test $15, %al", // aligned to 16 at the call (psABI 3.2.2)
        "jz 2f",
        "ud2",
        "2: lea (%rdi,%rsi), %rdx",
        "lea -4096(%rsp), %rdi",
        "mov $512, %ecx",
        "mov $-1, %rax",
        "rep stosq",
        "mov %rdx, %rax",
        "xor %ecx, %ecx",
        "xor %edx, %edx",
        "xor %esi, %esi",
        "xor %r8d, %r8d",
        "xor %r9d, %r9d",
        "xor %r10d, %r10d",
        "xor %r11d, %r11d",
        "pcmpeqd %xmm0, %xmm0",
        "pcmpeqd %xmm1, %xmm1",
        "pcmpeqd %xmm2, %xmm2",
        "pcmpeqd %xmm7, %xmm7",
        "pcmpeqd %xmm8, %xmm8",
        "pcmpeqd %xmm15, %xmm15",
        "ret",
        options(att_syntax)
    )
}

struct Dirty;
impl backends::WordAddBackend for Dirty {
    extern "sysv64" fn call(a: usize, b: usize) -> usize {
        dirty(a, b)
    }
}

const ROUNDS: usize = 10_000_000;

/// A narrow op: what is in registers stays there.
#[inline(never)]
fn narrow_leaf(seed: usize) -> (usize, f64) {
    let (a, b, c, d, e) = (seed, seed + 1, seed + 2, seed + 3, seed + 4);
    let mut double = seed as f64 + 0.25;
    let mut area = [0usize; 12];
    let mut sum = 0;
    for round in 0..ROUNDS {
        area[round % 12] = round;
        sum = word::add(sum, 1);
        double += 0.5;
    }
    (sum + a + b + c + d + e + area.iter().sum::<usize>(), double)
}

/// An op that a plain function stands behind.
#[inline(never)]
fn plain_leaf(seed: usize) -> (usize, f64) {
    let mut double = seed as f64 + 0.25;
    let mut area = [0usize; 12];
    let mut sum = 0;
    for round in 0..ROUNDS {
        area[round % 12] = round;
        sum = shapes::plain::add(sum, 1);
        double += 0.5;
    }
    (sum + area.iter().sum::<usize>(), double)
}

fn main() {
    OPS.word_add.install(backends::WordAdd::of::<Dirty>());
    OPS.plain_add.install(dirty);
    let last_twelve: usize = (ROUNDS - 12..ROUNDS).sum();
    let doubled = ROUNDS as f64 * 0.5;
    assert_eq!(narrow_leaf(3), (ROUNDS + 25 + last_twelve, doubled + 3.25));
    assert_eq!(plain_leaf(3), (ROUNDS + last_twelve, doubled + 3.25));
}
