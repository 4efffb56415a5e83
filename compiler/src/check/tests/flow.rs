//! 07xx: where control goes, and what bytes mean where.

use super::*;

#[test]
fn branches_stay_inside() {
    fails(KERNEL, "op a() {\n x86_64 { jmp .+100 }\n}", &["PV0701 jmp .+100"]);
    fails(KERNEL, "op a() {\n x86_64 { .byte 0xeb, 0xf0 }\n}", &["PV0701 .byte 0xeb, 0xf0"]);
    fails(KERNEL, "op a() {\n x86_64 { jmp 1f; 1: jmp f }\n}", &["PV0701 jmp f"]);
    passes(KERNEL, "op a() {\n x86_64 { jmp 1f; 1: pause }\n}");
    passes(KERNEL, "op a(n: word in rcx) {\n clobbers rcx, flags\n x86_64 { 1: dec %rcx; jnz 1b }\n}");
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { jmp f }\n}");
}

#[test]
fn branches_hit_instructions() {
    fails(
        KERNEL,
        "op a() -> word {\n x86_64 { .byte 0xeb, 0x01; mov $0x90909090, %eax }\n}",
        &["PV0701 .byte 0xeb, 0x01"],
    );
}

#[test]
fn an_inlined_row_does_not_return() {
    let text = words(KERNEL, "op a() {\n x86_64 { ret }\n}");
    assert!(text.contains("leave the `ret` out"), "{text}");
    fails(KERNEL, "op a(ip: word in rcx, flags: word in r11) {\n x86_64 { sysretq }\n}", &["PV0702 sysretq"]);
    fails(I386, "op a() {\n i386 { iret }\n}", &["PV0702 iret"]);
}

#[test]
fn a_kernel_returns_through_its_thunk() {
    fails(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { ret }\n}", &["PV0702 ret"]);
    fails(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { .byte 0xf3, 0xc3 }\n}", &["PV0702 .byte 0xf3, 0xc3"]);
    fails(KERNEL, "op a(f: ptr) -> ! {\n site jmp.mem\n x86_64 { push {f}; ret }\n}", &["PV0702 ret"]);
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { jmp __x86_return_thunk }\n}");
    passes(USER, "op a() -> ! {\n site jmp.rel\n x86_64 { ret }\n}");
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { ret; int3 }\n}");
    // A retpoline ends in one on purpose.
    let retpoline = "call 1f; 2: pause; lfence; jmp 2b; 1: mov {f}, (%rsp); ret";
    passes(KERNEL, &format!("op a(f: ptr) -> ! {{\n x86_64 {{ {retpoline} }}\n}}"));
}

#[test]
fn an_interrupt_return_to_its_own_end_is_no_way_out() {
    let sync = "mov %ss, %eax; push %rax; lea 8(%rsp), %rax; push %rax; pushf; mov %cs, %eax; push %rax; \
                lea 1f(%rip), %rax; push %rax; iretq; 1:";
    passes(KERNEL, &format!("op a() {{\n clobbers rax\n x86_64 {{ {sync} }}\n}}"));
    let leaks = sync.replace("lea 8(%rsp), %rax", "lea 16(%rsp), %rax");
    let found = findings(KERNEL, &format!("op a() {{\n clobbers rax\n x86_64 {{ {leaks} }}\n}}"));
    assert_eq!(found, ["PV0505 iretq"]);
    // A call that returns to the end of the row gives back what was done on the way.
    let called = "jmp 2f; 1: mov $1, %ebx; ret; 2: call 1b";
    fails(KERNEL, &format!("op a() {{\n x86_64 {{ {called} }}\n}}"), &["PV0501 mov $1, %ebx"]);
}

#[test]
fn an_op_that_does_not_come_back_does_not() {
    fails(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { swapgs }\n}", &["PV0703 swapgs"]);
    fails(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { test %eax, %eax; jz 1f; ud2; 1: }\n}", &["PV0703 jz 1f"]);
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { 1: hlt; jmp 1b }\n}");
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { ud2 }\n}");
}

#[test]
fn nothing_can_be_aligned() {
    fails(KERNEL, "op a() {\n x86_64 { nop; .p2align 3 }\n}", &["PV0704 .p2align 3"]);
    fails(KERNEL, "op a() {\n x86_64 { nop; .balign 4, 0x90; nop }\n}", &["PV0704 .balign 4, 0x90"]);
    passes(KERNEL, "op a() {\n x86_64 { nop; .skip 3, 0x90 }\n}");
}

#[test]
fn addresses_do_not_depend_on_the_place() {
    fails(
        KERNEL,
        "op a() -> word {\n clobbers memory\n x86_64 { mov 0x1000(%rip), %rax }\n}",
        &["PV0704 mov 0x1000(%rip), %rax"],
    );
    passes(KERNEL, "op a() -> word {\n clobbers memory\n x86_64 { mov sym(%rip), %rax }\n}");
    // An address in the row itself moves with it.
    passes(KERNEL, "op a() -> word {\n x86_64 { lea 1f(%rip), %rax; 1: pause }\n}");
}

#[test]
fn calls_of_its_own_come_back_where_they_should() {
    let ops = |asm: &str| format!("op a() -> word {{\n clobbers flags\n x86_64 {{ {asm} }}\n}}");
    passes(KERNEL, &ops("call 1f; 1: pop %rax"));
    passes(KERNEL, &ops("call 1f; jmp 2f; 1: mov $1, %eax; ret; 2: pause"));
    // A return to an address that was overwritten goes anywhere.
    fails(KERNEL, &ops("call 1f; jmp 2f; 1: mov $1, %eax; mov %rax, (%rsp); ret; 2: pause"), &["PV0702 ret"]);
}

#[test]
fn control_meets_instructions_only() {
    fails(KERNEL, "op a() {\n x86_64 { .byte 0x0f, 0x04 }\n}", &["PV0706 .byte 0x0f, 0x04"]);
    // A prefix belongs to what follows it.
    passes(KERNEL, "op a() {\n clobbers caller_saved\n x86_64 { .byte 0x2e; call f }\n}");
    // Data that is jumped over need not be code.
    passes(KERNEL, "op a() {\n x86_64 { jmp 1f; .byte 0x0f, 0x04; 1: pause }\n}");
}

#[test]
fn shared_bytes_are_the_same_on_both_arches() {
    passes(BOTH, "op a() {\n clobbers barrier\n x86_64, i386 { cli } = fa\n}");
    passes(BOTH, "op a() -> word {\n x86_64, i386 { .byte 0x9c, 0x58 }\n}");
    // A prefix there, an instruction of its own here.
    let (_, compilation) = compiled(BOTH, "op a() {\n clobbers flags\n x86_64, i386 { .byte 0x48, 0x90 }\n}");
    let found = compilation.diagnostics.list().iter().find(|found| found.code == crate::diagnostics::Code::MODES);
    let notes = found.expect("the difference is found").notes.join("; ");
    assert!(notes.contains("i386: dec %eax; nop"), "{notes}");
}

#[test]
fn a_live_op_is_one_instruction_in_every_state() {
    fails(
        KERNEL,
        "op a() -> word {\n live\n clobbers flags\n x86_64 { xor %eax, %eax; inc %eax }\n}",
        &["PV0707 xor %eax, %eax; inc %eax"],
    );
    passes(KERNEL, "op a() -> word {\n live\n clobbers flags\n x86_64 { xor %eax, %eax }\n}");
}
