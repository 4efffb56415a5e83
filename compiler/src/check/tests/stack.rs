//! PV0505, PV0508: the stack.

use super::*;

#[test]
fn the_stack_pointer_is_given_back() {
    fails(KERNEL, "op a(x: word) {\n x86_64 { push {x} }\n}", &["PV0505 push {x}"]);
    fails(
        KERNEL,
        "op a() -> word {\n x86_64 { pushf; pop %rax; lea -8(%rsp), %rsp }\n}",
        &["PV0505 lea -8(%rsp), %rsp"],
    );
    passes(KERNEL, "op a() {\n clobbers flags\n x86_64 { sub $24, %rsp; movq $0, 16(%rsp); add $24, %rsp }\n}");
    fails(KERNEL, "op a() {\n clobbers flags\n x86_64 { and $-16, %rsp }\n}", &["PV0505 and $-16, %rsp"]);
    // Popping what the caller pushed is for ops that do not come back.
    let text = words(KERNEL, "op a() {\n clobbers flags\n x86_64 { add $8, %rsp }\n}");
    assert!(text.contains("rsp ends 8 bytes higher than it began"), "{text}");
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { add $8, %rsp; iretq }\n}");
    // ... and that are jumped to, not called.
    fails(KERNEL, "op a() -> ! {\n site call.mem\n x86_64 { iretq }\n}", &["PV0508 iretq"]);
    fails(KERNEL, "op a() -> ! {\n x86_64 { iretq }\n}", &["PV0508 iretq"]);
    passes(KERNEL, "op a() -> ! {\n nocall\n x86_64 { iretq }\n}");
}

#[test]
fn the_frame_around_the_site_is_not_touched() {
    fails(KERNEL, "op a() -> word {\n x86_64 { mov 8(%rsp), %rax }\n}", &["PV0508 mov 8(%rsp), %rax"]);
    fails(KERNEL, "op a(x: word) {\n x86_64 { mov {x}, (%rsp) }\n}", &["PV0508 mov {x}, (%rsp)"]);
    fails(KERNEL, "op a() -> word {\n clobbers flags\n x86_64 { pop %rax; push %rax }\n}", &["PV0508 pop %rax"]);
}

#[test]
fn nothing_lies_below_the_stack_pointer() {
    let ops = "op a(x: word) -> word {\n x86_64 { mov {x}, -8(%rsp); mov -8(%rsp), %rax }\n}";
    fails(KERNEL, ops, &["PV0508 mov {x}, -8(%rsp)"]);
    // In user space that is the red zone of the function around.
    fails(USER, ops, &["PV0508 mov {x}, -8(%rsp)"]);
    // What was pushed and popped may be gone.
    fails(
        KERNEL,
        "op a(x: word) -> word {\n clobbers rcx\n x86_64 { push {x}; pop %rcx; mov -8(%rsp), %rax }\n}",
        &["PV0508 mov -8(%rsp), %rax"],
    );
}

#[test]
fn the_red_zone_is_stepped_over() {
    let ops = |asm: &str| format!("op a() -> word {{\n x86_64 {{ {asm} }}\n}}");
    fails(USER, &ops("pushf; pop %rax"), &["PV0508 pushf"]);
    passes(KERNEL, &ops("pushf; pop %rax"));
    passes(USER, &ops("lea -128(%rsp), %rsp; pushf; pop %rax; lea 128(%rsp), %rsp"));
    fails(USER, &ops("lea -120(%rsp), %rsp; pushf; pop %rax; lea 120(%rsp), %rsp"), &["PV0508 pushf"]);
    // i386 has none.
    let i386 = "patchset t {\n arch i386\n abi user\n}\n";
    passes(i386, "op a() -> word {\n i386 { pushf; pop %eax }\n}");
    // A call site has the call's own return address there.
    passes(USER, "op a() -> word {\n site call.mem\n x86_64 { pushf; pop %rax }\n}");
}

#[test]
fn nocall_sites_have_no_stack() {
    let ops = |asm: &str| format!("op a() -> word {{\n nocall\n x86_64 {{ {asm} }}\n}}");
    fails(KERNEL, &ops("pushf; pop %rax"), &["PV0508 pushf"]);
    passes(KERNEL, &ops("mov $1, %eax"));
}

#[test]
fn stack_memory_was_written_before() {
    fails(
        KERNEL,
        "op a() -> word {\n clobbers flags\n x86_64 { sub $8, %rsp; mov (%rsp), %rax; add $8, %rsp }\n}",
        &["PV0507 sub $8, %rsp; mov (%rsp), %rax; add $8, %rsp"],
    );
    fails(
        KERNEL,
        "op a() -> word {\n clobbers flags\n x86_64 { sub $8, %rsp; mov $1, %eax; add (%rsp), %rax; add $8, %rsp }\n}",
        &["PV0506 add (%rsp), %rax"],
    );
}

#[test]
fn the_x87_stack_is_given_back() {
    fails(USER, "op a() {\n x86_64 { fldz }\n}", &["PV0505 fldz"]);
    passes(USER, "op a() {\n x86_64 { fldz; fstp %st(0) }\n}");
    fails(KERNEL, "op a() {\n x86_64 { fldz; fstp %st(0) }\n}", &["PV0501 fldz"]);
    passes(KERNEL, "op a() {\n clobbers st0\n x86_64 { fldz; fstp %st(0) }\n}");
}

#[test]
fn mmx_instructions_end_in_emms() {
    let sum =
        |last: &str| format!("op a(x: word) -> r: word {{\n x86_64 {{ movq {{x}}, %mm0; movq %mm0, {{r}}{last} }}\n}}");
    passes(USER, &sum("; emms"));
    fails(USER, &sum(""), &["PV0505 movq %mm0, {r}"]);
}
