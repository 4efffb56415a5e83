//! Vector state around calls in user space.

#[cfg(target_arch = "x86_64")]
use core::arch::naked_asm;
#[cfg(target_arch = "x86_64")]
use core::sync::atomic::AtomicU32;

/// `asm!` that also clobbers all vector, mask, x87, MMX and tile registers: what a call to a compiled function does to
/// them under the System V ABI, whether or not it may touch the general registers.
#[doc(hidden)]
#[macro_export]
macro_rules! vector_asm {
    (options($($option:ident),*), $($operands:tt)*) => {
        ::core::arch::asm!(
            $($operands)*
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            out("xmm16") _, out("xmm17") _, out("xmm18") _, out("xmm19") _,
            out("xmm20") _, out("xmm21") _, out("xmm22") _, out("xmm23") _,
            out("xmm24") _, out("xmm25") _, out("xmm26") _, out("xmm27") _,
            out("xmm28") _, out("xmm29") _, out("xmm30") _, out("xmm31") _,
            out("k0") _, out("k1") _, out("k2") _, out("k3") _, out("k4") _, out("k5") _, out("k6") _, out("k7") _,
            out("mm0") _, out("mm1") _, out("mm2") _, out("mm3") _,
            out("mm4") _, out("mm5") _, out("mm6") _, out("mm7") _,
            out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
            out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options($($option),*)
        )
    };
}

/// Bytes that [`save_area`] found out, or 0.
#[cfg(target_arch = "x86_64")]
static SAVE_AREA: AtomicU32 = AtomicU32::new(0);

/// Bytes that saving all vector state takes: 512 for FXSAVE where the operating system does not offer XSAVE, else what CPUID
/// says for the state enabled in XCR0. Returned in eax; destroys nothing but rax and the flags, so that thunks may ask.
#[doc(hidden)]
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
pub unsafe extern "sysv64" fn save_area() -> u32 {
    naked_asm!(
        "endbr64",
        "mov {area}(%rip), %eax",
        "test %eax, %eax",
        "jz 2f",
        "ret",
        "2: push %rbx",
        "push %rcx",
        "push %rdx",
        "mov $1, %eax",
        "xor %ecx, %ecx",
        "cpuid",
        "mov $512, %eax",
        "bt $27, %ecx", // OSXSAVE
        "jnc 3f",
        "mov $0xd, %eax",
        "xor %ecx, %ecx",
        "cpuid", // ebx: size for the state that XCR0 enables now (SDM volume 1, 13.2)
        "mov %ebx, %eax",
        "3: pop %rdx",
        "pop %rcx",
        "pop %rbx",
        "mov %eax, {area}(%rip)",
        "ret",
        area = sym SAVE_AREA,
        options(att_syntax)
    )
}
