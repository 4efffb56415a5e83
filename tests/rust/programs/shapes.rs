//! Every shape of op: called unpatched, patched, with backends, and put back. Fails by panic or by a signal.

include!(concat!(env!("PV_OUT"), "/shapes.rs"));

use pvc_runtime::{Features, Options, Report, user};
use shapes::{OPS, SET, backends, features, maybe, narrow, plain, quiet, regs, same, tick, word};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

mod entry_code {
    //! Sites of ops that have no wrapper.

    use super::shapes::{OPS, sites, table};
    use core::arch::{global_asm, naked_asm};

    #[unsafe(naked)]
    pub extern "sysv64" fn leave() -> u8 {
        naked_asm!(sites::entry_leave_jmp_mem!(), pv_ops = sym OPS, options(att_syntax))
    }

    #[unsafe(naked)]
    pub extern "sysv64" fn leave_rel() -> u8 {
        naked_asm!(sites::entry_leave_jmp_rel!(), pv_call = sym table::call_entry_leave, options(att_syntax))
    }

    global_asm!(
        ".globl shapes_bare, shapes_bare_nop",
        "shapes_bare:",
        sites::entry_bare_inline!(),
        "ret",
        "shapes_bare_nop: mov $0, %al",
        sites::entry_bare_nop_3!(),
        "ret",
        options(att_syntax)
    );

    unsafe extern "sysv64" {
        #[link_name = "shapes_bare"]
        pub safe fn bare() -> u8;
        #[link_name = "shapes_bare_nop"]
        pub safe fn bare_nop() -> u8;
    }
}

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static shapes_counter: AtomicU32 = AtomicU32::new(0);

static EXTERNAL: AtomicUsize = AtomicUsize::new(0);

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_external(value: usize) -> usize {
    EXTERNAL.fetch_add(1, Ordering::Relaxed);
    value + 1000
}

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_plain(value: usize) -> usize {
    EXTERNAL.fetch_add(1, Ordering::Relaxed);
    value + 2000
}

fn patch(features: Features) -> Report {
    // SAFETY: one thread, and backends keep their contracts.
    unsafe { user::patch_as(&SET, features, Options::default()) }.expect("patches")
}

#[inline(never)]
fn externals() -> [usize; 2] {
    [maybe::external(5), maybe::plain(5)]
}

/// All results that do not depend on the features.
#[inline(never)]
fn steady() {
    assert_eq!(narrow::byte(0xa5), 0xa5);
    assert_eq!(narrow::half(0xbeef), 0xbeef);
    assert!(narrow::flag(1) && narrow::flag(u32::MAX) && !narrow::flag(0));
    assert_eq!(narrow::extended(std::hint::black_box(u64::MAX) as u32), 0xffff_ffff);
    let identity = regs::cpuid(0, 0);
    let vendor = [identity.b, identity.d, identity.c].map(u32::to_le_bytes).concat();
    assert!(vendor.iter().all(u8::is_ascii_graphic), "{:?} is no vendor", vendor);
    assert_eq!(regs::odd(30, 12), 42);
    let many = regs::many(100);
    assert_eq!((many.w, many.x, many.y, many.v, many.b), (100, 101, 102, 103, 104));
    regs::ruin_rbx();
    assert_eq!(quiet::both(9), 10);
    assert_eq!(quiet::flags(9), 10);
    let value = 77usize;
    // SAFETY: the pointer is to a value that lives.
    assert_eq!(unsafe { plain::peek((&raw const value).cast_mut().cast()) }, 77);
    assert_eq!(same::word(123), 123);
    assert_eq!(shapes::r#type::r#match(4), 5);
    tick::rel();
    assert_eq!(entry_code::leave(), 7);
    assert_eq!(entry_code::leave_rel(), 7);
    assert_eq!(entry_code::bare(), 3);
}

#[inline(never)]
fn sums() -> [usize; 2] {
    [word::add(2, 3), plain::add(20, 30)]
}

#[inline(never)]
fn tick_nop() {
    // SAFETY: counting is all that it does.
    unsafe { tick::nop() }
}

extern "sysv64" fn poisoned() {
    std::process::abort()
}

/// Nothing may go through the ops structure any more.
fn poison() {
    let words = &raw const OPS as *mut *const ();
    for index in 0..size_of_val(&OPS) / size_of::<*const ()>() {
        // SAFETY: the structure is made of atomic code pointers, and one thread runs.
        unsafe { words.add(index).write_volatile(poisoned as *const ()) };
    }
}

/// What the slots held at the start.
fn defaults() -> Vec<*const ()> {
    let words = &raw const OPS as *const *const ();
    // SAFETY: as above.
    (0..size_of_val(&OPS) / size_of::<*const ()>()).map(|index| unsafe { words.add(index).read_volatile() }).collect()
}

fn restore(slots: &[*const ()]) {
    let words = &raw const OPS as *mut *const ();
    for (index, slot) in slots.iter().enumerate() {
        // SAFETY: as above.
        unsafe { words.add(index).write_volatile(*slot) };
    }
}

struct Backend;

/// Uses vector registers and the stack, insists on alignment, and ruins what a call may, as compiled code does.
fn work(value: usize) -> usize {
    let area: [f64; 64] = std::array::from_fn(|index| std::hint::black_box(index as f64 + value as f64));
    let on_stack = std::hint::black_box([0u128; 8]);
    assert_eq!((&raw const on_stack) as usize % 16, 0, "the stack is not aligned");
    std::hint::black_box(area.iter().sum::<f64>());
    // SAFETY: a declared clobber, as compiled code may have it anywhere.
    unsafe {
        core::arch::asm!(
            "xorps xmm7, xmm7",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor edi, edi",
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            clobber_abi("sysv64"),
        );
    }
    CALLS.fetch_add(1, Ordering::Relaxed);
    value
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

impl backends::WordAddBackend for Backend {
    extern "sysv64" fn call(a: usize, b: usize) -> usize {
        work(a + b + 100)
    }
}
impl backends::NarrowByteBackend for Backend {
    extern "sysv64" fn call(value: u8) -> u8 {
        work(usize::from(value)) as u8
    }
}
impl backends::NarrowFlagBackend for Backend {
    extern "sysv64" fn call(value: u32) -> bool {
        work(0);
        value != 0
    }
}
impl backends::RegsCpuidBackend for Backend {
    extern "sysv64" fn call(leaf: u32, sub: u32) -> regs::Cpuid {
        work(0);
        regs::Cpuid { a: leaf + 1, b: sub + 2, c: 0xcccc_cccc, d: 0xdddd_dddd }
    }
}
impl backends::RegsOddBackend for Backend {
    extern "sysv64" fn call(a: usize, b: usize) -> usize {
        work(a * 1000 + b)
    }
}
impl backends::RegsManyBackend for Backend {
    extern "sysv64" fn call(a: usize) -> regs::Many {
        work(0);
        regs::Many { w: a, x: 0x11, y: 0x2222_2222_2222, v: 0x3333, b: 0x4444_4444_4444 }
    }
}
impl backends::QuietBothBackend for Backend {
    extern "sysv64" fn call(value: usize) -> usize {
        work(value + 50)
    }
}
impl backends::QuietFlagsBackend for Backend {
    extern "sysv64" fn call(value: usize) -> usize {
        work(value + 60)
    }
}

extern "sysv64" fn plain_add(a: usize, b: usize) -> usize {
    work(a * b)
}

#[inline(never)]
fn through_backends() {
    CALLS.store(0, Ordering::Relaxed);
    assert_eq!(sums(), [105, 600]);
    assert_eq!(narrow::byte(0xa5), 0xa5);
    assert!(narrow::flag(8) && !narrow::flag(0));
    let answer = regs::cpuid(7, 9);
    assert_eq!((answer.a, answer.b, answer.c, answer.d), (8, 11, 0xcccc_cccc, 0xdddd_dddd));
    assert_eq!(regs::odd(4, 2), 4002);
    assert_eq!(quiet::both(1), 51);
    assert_eq!(quiet::flags(1), 61);
    assert_eq!(CALLS.load(Ordering::Relaxed), 9);
}

#[inline(never)]
fn many_through_backend() {
    let many = regs::many(5);
    assert_eq!((many.w, many.x, many.y, many.v, many.b), (5, 0x11, 0x2222_2222_2222, 0x3333, 0x4444_4444_4444));
}

/// `quiet.both` keeps flags and vector registers through a call of compiled code, `quiet.flags` the flags.
fn quiet_is_kept() {
    const PATTERN: u64 = 0x1234_5678_9abc_def0;
    for flags in [0u64, 0x8d5, 0x801, 0x44] {
        let (kept, vector): (u64, u64);
        // SAFETY: sets flags and a vector register, runs a site by its text, reads them again.
        unsafe {
            core::arch::asm!(
                "movq {pattern}, %xmm7",
                "push {flags}",
                "popf",
                shapes::sites::quiet_both_call_mem!(),
                "pushf",
                "pop {kept}",
                "movq %xmm7, {vector}",
                pattern = in(reg) PATTERN,
                flags = in(reg) flags | 2,
                vector = lateout(reg) vector,
                kept = lateout(reg) kept,
                pv_ops = sym OPS,
                in("rdi") 1usize,
                out("rax") _,
                out("xmm7") _,
                options(att_syntax),
            );
        }
        assert_eq!(kept & 0x8d5, flags & 0x8d5, "the arithmetic flags were not kept");
        assert_eq!(vector, PATTERN, "a vector register was not kept");
    }
}

/// A thunk gives back every register that its op does not clobber.
fn registers_are_kept() {
    let (mut c, mut d, mut si, mut di, mut r8, mut r9, mut r10, mut r11) = (1, 2, 3, 4usize, 5, 6, 7, 8);
    // SAFETY: runs a site by its text; what it may destroy is declared.
    unsafe {
        core::arch::asm!(
            shapes::sites::quiet_both_call_mem!(),
            pv_ops = sym OPS,
            out("rax") _,
            inlateout("rcx") c,
            inlateout("rdx") d,
            inlateout("rsi") si,
            inlateout("rdi") di,
            inlateout("r8") r8,
            inlateout("r9") r9,
            inlateout("r10") r10,
            inlateout("r11") r11,
            options(att_syntax),
        );
    }
    assert_eq!((c, d, si, di), (1, 2, 3, 4));
    assert_eq!((r8, r9, r10, r11), (5, 6, 7, 8));
}

fn main() {
    let slots = defaults();
    steady();
    assert_eq!(sums(), [5, 50]);
    assert_eq!(externals(), [1005, 2005]);
    assert_eq!(EXTERNAL.load(Ordering::Relaxed), 2);
    tick_nop();
    assert_eq!(shapes_counter.load(Ordering::Relaxed), 0, "a nop site does nothing yet");
    assert_eq!(entry_code::bare_nop(), 0);

    // Patched: no call goes through the ops structure.
    let report = patch(features::FAST);
    assert_eq!((report.calls, report.originals, report.rows), (0, 0, report.sites), "{}", report);
    poison();
    steady();
    assert_eq!(sums(), [6, 51]);
    assert_eq!(externals(), [6, 6]);
    assert_eq!(maybe::not(1), 2);
    tick_nop();
    assert_eq!(shapes_counter.load(Ordering::Relaxed), 1);
    assert_eq!(entry_code::bare_nop(), 3);
    restore(&slots);

    // Without the feature the external defaults are called directly.
    EXTERNAL.store(0, Ordering::Relaxed);
    let report = patch(Features::NONE);
    assert!(report.calls >= 3, "{}", report);
    poison();
    assert_eq!(sums(), [5, 50]);
    assert_eq!(externals(), [1005, 2005]);
    assert_eq!(EXTERNAL.load(Ordering::Relaxed), 2);
    steady();
    restore(&slots);

    // Backends: through the slots, then directly.
    OPS.word_add.install(backends::WordAdd::of::<Backend>());
    OPS.narrow_byte.install(backends::NarrowByte::of::<Backend>());
    OPS.narrow_flag.install(backends::NarrowFlag::of::<Backend>());
    OPS.regs_cpuid.install(backends::RegsCpuid::of::<Backend>());
    OPS.regs_odd.install(backends::RegsOdd::of::<Backend>());
    OPS.regs_many.install(backends::RegsMany::of::<Backend>());
    OPS.quiet_both.install(backends::QuietBoth::of::<Backend>());
    OPS.quiet_flags.install(backends::QuietFlags::of::<Backend>());
    OPS.plain_add.install(plain_add);
    quiet_is_kept();
    registers_are_kept();
    patch(Features::NONE);
    poison();
    through_backends();
    many_through_backend();
    quiet_is_kept();
    registers_are_kept();
    restore(&slots);

    // The set's own no-op and identity functions.
    // SAFETY: they keep every contract of their shape.
    unsafe {
        OPS.tick_rel.install_address(shapes::nop as *const _);
        OPS.same_word.install_address(shapes::identity as *const _);
        OPS.maybe_not.install_address(shapes::identity as *const _);
    }
    let report = patch(features::FAST);
    assert!(report.nops >= 1 && report.calls == 0, "{}", report);
    poison();
    tick::rel();
    assert_eq!((same::word(8), maybe::not(8)), (8, 8));
    restore(&slots);

    // SAFETY: one thread.
    let report = unsafe { user::unpatch(&SET) }.expect("unpatches");
    assert_eq!(report.originals, report.sites);
    steady();
    assert_eq!(sums(), [5, 50]);
    OPS.plain_add.install(plain_add);
    assert_eq!(sums(), [5, 600]);
}
