//! Bugs that shipped, each as the patch set that has it and the one that has it mended.

use super::*;

/// Linux 2777cae2b19d: a patchlet longer than its site was silently left out, and the length returned as if it had been
/// written.
#[test]
fn patchlet_longer_than_its_site() {
    let ops = "op cpu.usergs_sysret64() -> ! {\n site KIND\n x86_64 { swapgs; sysretq }\n}";
    fails(KERNEL, &ops.replace("KIND", "jmp.rel"), &["PV0401 swapgs; sysretq"]);
    passes(KERNEL, &ops.replace("KIND", "jmp.mem"));
}

/// Linux 11e86dc7f274: a site shorter than a call was left as an indirect call.
#[test]
fn site_shorter_than_a_call() {
    fails(KERNEL, "op a() {\n site nop(3)\n x86_64 { pause }\n}", &["PV0402 nop(3)"]);
}

/// Linux 1cd5f059d956: five bytes that are one `xor` in 64-bit mode are `dec %ax` and `xor` in 32-bit mode.
#[test]
fn bytes_of_the_other_mode() {
    let ops = "op return0() -> u32 {\n clobbers flags\n site call.rel\n x86_64, i386 { .byte BYTES }\n}";
    fails(
        BOTH,
        &ops.replace("BYTES", "0x66, 0x66, 0x48, 0x31, 0xc0"),
        &["PV0506 .byte 0x66, 0x66, 0x48, 0x31, 0xc0", "PV0705 .byte 0x66, 0x66, 0x48, 0x31, 0xc0"],
    );
    passes(BOTH, &ops.replace("BYTES", "0x2e, 0x2e, 0x2e, 0x31, 0xc0"));
}

/// Linux 8eb8fe67e2c8 (riscv): hex that encoded another instruction than the comment beside it said.
#[test]
fn bytes_that_are_not_the_instruction() {
    mends(KERNEL, "op a() -> word {\n clobbers flags\n x86_64 { mov %cr2, %rax } = 0f 20 d8\n}", &["PV0303"]);
}

/// Linux 2e2e5143d486: VERW behind POPF ruined the ZF that the caller was to get.
#[test]
fn verw_ruins_zf() {
    let ops = "op clear_cpu_buffers() {\n CLAUSE\n clobbers memory\n site inline\n x86_64 { verw sel(%rip) }\n}";
    fails(KERNEL, &ops.replace(" CLAUSE\n", ""), &["PV0501 verw sel(%rip)"]);
    fails(KERNEL, &ops.replace("CLAUSE", "preserves flags"), &["PV0509 verw sel(%rip)"]);
    passes(KERNEL, &ops.replace(" CLAUSE\n", "").replace("clobbers memory", "clobbers flags, memory"));
}

/// Linux 270a69c4485d and Xen's alternative.c: displacements that were copied without being adjusted.
#[test]
fn relative_address_without_a_fixup() {
    let ops = "op a() {\n site inline\n clobbers flags, memory\n x86_64 { ASM }\n}";
    fails(KERNEL, &ops.replace("ASM", "verw 0x1234(%rip)"), &["PV0704 verw 0x1234(%rip)"]);
    passes(KERNEL, &ops.replace("ASM", "verw sel(%rip)"));
}

/// Linux ecc606103837: a CALL from asm that declared nothing of what a call destroys.
#[test]
fn call_without_its_clobbers() {
    fails(KERNEL, "op a() {\n clobbers memory\n x86_64 { call f }\n}", &["PV0501 call f"]);
    passes(KERNEL, "op a() {\n clobbers caller_saved\n x86_64 { call f }\n}");
}

/// Linux 2e1f8e55f9e0: an operand that hid that memory is read.
#[test]
fn memory_read_that_nobody_declared() {
    let ops = "op a() -> word {\n clobbers LIST\n site call.abs\n x86_64 { mov slot(%rip), %rax }\n}";
    fails(KERNEL, &ops.replace("LIST", "none"), &["PV0503 mov slot(%rip), %rax"]);
    passes(KERNEL, &ops.replace("LIST", "memory"));
}

/// Linux fe83f5eae432: a stub that grew past its slot.
#[test]
fn stub_that_outgrew_its_slot() {
    let ops = "op a() -> ! {\n site jmp.rel\n x86_64 { ASM }\n}";
    passes(KERNEL, &ops.replace("ASM", "setc %al; ret"));
    fails(KERNEL, &ops.replace("ASM", "nop; setc %al; ret; int3"), &["PV0401 nop; setc %al; ret; int3"]);
}

/// Linux "x86/xen: Fix initialisation in hypercall_page after rethunk": open-coded returns in patched code.
#[test]
fn open_coded_return() {
    fails(KERNEL, "op a() {\n x86_64 { .byte 0xc3 }\n}", &["PV0702 .byte 0xc3"]);
}

/// Linux "x86/xen: fix xen_hypercall_hvm() to not clobber %rbx": cpuid in a stub that had to keep it.
#[test]
fn callee_saved_register_destroyed() {
    let ops = "op hypercall(nr: word in rax) -> word in rax {\n clobbers LIST\n site inline\n x86_64 { ASM }\n}";
    let cpuid = "cpuid";
    fails(KERNEL, &ops.replace("LIST", "caller_saved").replace("ASM", cpuid), &["PV0501 cpuid"]);
    passes(KERNEL, &ops.replace("LIST", "caller_saved").replace("ASM", "push %rbx; cpuid; pop %rbx"));
}

/// Linux 14e4ec9c3e91: FSRM was taken to imply ERMS.
#[test]
fn a_feature_that_does_not_imply_another() {
    let ops = "op a(p: ptr) {\n partial\n site call.mem\n clobbers barrier\n x86_64 when WHEN { clflushopt (%rdi) }\n}";
    fails(KERNEL, &ops.replace("WHEN", "clwb"), &["PV0603 clflushopt (%rdi)"]);
    passes(KERNEL, &ops.replace("WHEN", "clflushopt"));
}

/// GNU as 2.40 drops the prefix of `cs call foo`: the length is part of the contract.
#[test]
fn length_that_depends_on_the_assembler() {
    let ops = "op a() {\n clobbers caller_saved\n x86_64 { .byte 0x2e; call f } = BYTES\n}";
    passes(KERNEL, &ops.replace("BYTES", "2e e8 ?? ?? ?? ??"));
    fails(KERNEL, &ops.replace("BYTES", "e8 ?? ?? ?? ??"), &["PV0303 e8 ?? ?? ?? ??"]);
}
