//! PV0506: what rows read.

use super::*;

#[test]
fn a_register_is_an_input_or_was_set() {
    fails(KERNEL, "op a() -> word {\n x86_64 { lea 1(%rbx), %rax }\n}", &["PV0506 lea 1(%rbx), %rax"]);
    passes(KERNEL, "op a(x: word in rbx) -> word {\n x86_64 { lea 1(%rbx), %rax }\n}");
    passes(KERNEL, "op a() -> word {\n clobbers rcx\n x86_64 { mov $1, %ecx; lea 1(%rcx), %rax }\n}");
    // An address is used even by a move.
    fails(KERNEL, "op a() -> word {\n clobbers memory\n x86_64 { mov (%rbx), %rax }\n}", &["PV0506 mov (%rbx), %rax"]);
    // So is what is stored for others to see.
    fails(KERNEL, "op a(p: ptr) {\n clobbers memory\n x86_64 { mov %rbx, ({p}) }\n}", &["PV0506 mov %rbx, ({p})"]);
    // Saving it is no use of it.
    passes(KERNEL, "op a() {\n x86_64 { push %rbx; pop %rbx }\n}");
}

#[test]
fn parts_count_apart() {
    fails(
        KERNEL,
        "op a() -> word {\n clobbers flags\n x86_64 { mov $1, %al; add $1, %eax }\n}",
        &["PV0506 add $1, %eax"],
    );
    passes(KERNEL, "op a() -> bool {\n clobbers flags\n x86_64 { mov $1, %al; add $1, %al }\n}");
    // A 32-bit write clears the upper half.
    passes(KERNEL, "op a() -> word {\n clobbers flags\n x86_64 { mov $1, %eax; add $1, %rax }\n}");
}

#[test]
fn idioms_that_set_a_constant_read_nothing() {
    for asm in ["xor %eax, %eax", "sub %eax, %eax", "or $-1, %eax", "and $0, %eax", "xor %rax, %rax"] {
        passes(KERNEL, &format!("op a() -> word {{\n clobbers flags\n x86_64 {{ {asm} }}\n}}"));
    }
    // sbb spreads the carry flag, which has to come from somewhere.
    fails(KERNEL, "op a() -> word {\n clobbers flags\n x86_64 { sbb %eax, %eax }\n}", &["PV0506 sbb %eax, %eax"]);
    passes(KERNEL, "op a(x: word) -> word {\n clobbers flags\n x86_64 { cmp $1, {x}; sbb %eax, %eax }\n}");
}

#[test]
fn cpuid_needs_its_subleaf_for_some_leaves_only() {
    let ops = |asm: &str| format!("op a() {{\n clobbers rax, rbx, rcx, rdx\n x86_64 {{ {asm} }}\n}}");
    passes(KERNEL, &ops("mov $1, %eax; cpuid"));
    fails(KERNEL, &ops("cpuid"), &["PV0506 cpuid"]);
}

#[test]
fn a_flag_was_set_by_something() {
    fails(KERNEL, "op a() -> bool {\n x86_64 { setc %al }\n}", &["PV0506 setc %al"]);
    passes(KERNEL, "op a(x: word) -> bool {\n clobbers flags\n x86_64 { bt $3, {x}; setc %al }\n}");
    // mul leaves ZF undefined.
    fails(
        KERNEL,
        "op a(x: word in rax, y: word in rdx) -> bool {\n clobbers flags, rdx\n x86_64 { test %rax, %rax; mul %rdx; setz %al }\n}",
        &["PV0506 setz %al"],
    );
    // A shift by CL may leave them as they were.
    fails(
        KERNEL,
        "op a(n: word in rcx) -> bool {\n clobbers flags\n x86_64 { mov $1, %eax; shl %cl, %eax; setz %al }\n}",
        &["PV0506 setz %al"],
    );
    passes(KERNEL, "op a() -> bool {\n clobbers flags\n x86_64 { mov $1, %eax; shl $2, %eax; setz %al }\n}");
    // pushf and lahf only carry what is there, and string instructions may rely on a clear DF.
    passes(KERNEL, "op a() -> word {\n x86_64 { pushf; pop %rax }\n}");
    passes(
        KERNEL,
        "op a(d: ptr in rdi, s: ptr in rsi, n: word in rcx) {\n clobbers rdi, rsi, rcx, memory\n x86_64 { rep movsb }\n}",
    );
}

#[test]
fn after_an_op_that_does_not_come_back_every_register_is_an_input() {
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { swapgs; sysretq }\n}");
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { jmp *%rax }\n}");
}

#[test]
fn vector_lanes_count_apart() {
    let set = "patchset t {\n arch x86_64\n abi user\n baseline x86_64_v3\n site inline\n}\n";
    let ops = |asm: &str| format!("op a(x: word) -> u32 {{\n x86_64 {{ {asm} }}\n}}");
    passes(set, &ops("movd %edi, %xmm0; paddd %xmm0, %xmm0; movd %xmm0, %eax"));
    fails(set, &ops("movd %edi, %xmm0; paddd %xmm1, %xmm0; movd %xmm0, %eax"), &["PV0506 paddd %xmm1, %xmm0"]);
    fails(
        set,
        &ops("movd %edi, %xmm0; vpaddd %ymm0, %ymm0, %ymm0; vmovd %xmm0, %eax"),
        &["PV0506 vpaddd %ymm0, %ymm0, %ymm0"],
    );
    // cvtsi2sd keeps the upper half of a register that nobody cares for.
    passes(set, &ops("cvtsi2sd %rdi, %xmm0; cvttsd2si %xmm0, %eax"));
    passes(set, &ops("vcvtsi2sd %rdi, %xmm0, %xmm0; vcvttsd2si %xmm0, %eax; vzeroupper"));
}

#[test]
fn a_constant_made_of_a_register_reads_nothing() {
    for asm in ["cmp %rax, %rax", "pcmpeqd %xmm1, %xmm1", "pcmpgtb %xmm1, %xmm1"] {
        passes(USER, &format!("op a() {{\n clobbers flags\n x86_64 {{ {asm} }}\n}}"));
    }
    let avx = "op a() {\n clobbers flags\n partial\n site nop(8)\n x86_64 when WHEN { ASM }\n}";
    for (when, asm, findings) in [
        ("avx", "vpcmpeqd %xmm1, %xmm1, %xmm2", 0),
        ("avx", "vpcmpeqd %xmm1, %xmm3, %xmm2", 1),
        ("avx512f", "vpternlogd $0xff, %zmm1, %zmm1, %zmm1", 0),
        ("avx512f", "vpternlogd $0xfe, %zmm1, %zmm1, %zmm1", 1),
    ] {
        assert_eq!(findings_of(avx, when, asm), findings, "{asm}");
    }
}

fn findings_of(ops: &str, when: &str, asm: &str) -> usize {
    findings(USER, &ops.replace("WHEN", when).replace("ASM", asm)).len()
}

#[test]
fn parts_of_registers_stay_undefined_when_they_are_exchanged() {
    let ops = "op a() -> word {\n clobbers rbx\n x86_64 { ASM }\n}";
    passes(KERNEL, &ops.replace("ASM", "mov $1, %eax; mov $2, %bl; xchg %al, %bl"));
    let asm = "mov $1, %eax; xchg %al, %bl";
    fails(KERNEL, &ops.replace("ASM", asm), &[&format!("PV0507 {asm}")]);
}

#[test]
fn what_is_wrong_on_both_arches_is_told_once() {
    fails(BOTH, "op a() -> word {\n x86_64, i386 { nop }\n}", &["PV0507 nop"]);
    fails(BOTH, "op a(x: word) -> word {\n x86_64, i386 { mov $1, %eax; ret }\n}", &["PV0702 ret"]);
    // Each arch has its own name for what is to be declared.
    let both = "op a() {\n x86_64, i386 { mov $1, %ebx }\n}";
    fails(BOTH, both, &["PV0501 mov $1, %ebx", "PV0501 mov $1, %ebx"]);
}
