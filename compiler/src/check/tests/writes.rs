//! PV0501 to PV0504, PV0507, PV0509: what rows write.

use super::*;

#[test]
fn a_written_register_is_declared() {
    fails(KERNEL, "op a() {\n x86_64 { mov $1, %ebx }\n}", &["PV0501 mov $1, %ebx"]);
    passes(KERNEL, "op a() {\n clobbers rbx\n x86_64 { mov $1, %ebx }\n}");
    // A part of it is the register too.
    fails(KERNEL, "op a() {\n x86_64 { mov $1, %bh }\n}", &["PV0501 mov $1, %bh"]);
    // A result is an output, a parameter is not.
    passes(KERNEL, "op a() -> word {\n x86_64 { mov $1, %eax }\n}");
    fails(KERNEL, "op a(x: word) {\n x86_64 { mov $1, %edi }\n}", &["PV0501 mov $1, %edi"]);
}

#[test]
fn one_finding_lists_all_that_a_row_writes() {
    let text = words(KERNEL, "op a() {\n x86_64 { xor %eax, %eax; mov $2, %edx }\n}");
    assert!(text.contains("`a` clobbers rax, rdx and flags"), "{text}");
    assert!(text.contains("writes rax and flags"), "{text}");
    assert!(text.contains("\nwrites rdx"), "{text}");
}

#[test]
fn the_fix_declares_it_where_it_belongs() {
    let fixed = mends(KERNEL, "op a() {\n    x86_64 { xor %eax, %eax }\n}", &["PV0501"]);
    assert_eq!(fixed, "op a() {\n    clobbers rax, flags\n    x86_64 { xor %eax, %eax }\n}");
    let fixed = mends(KERNEL, "op a() { x86_64 { cli } }", &["PV0502"]);
    assert_eq!(fixed, "op a() {\n    clobbers barrier\n    x86_64 { cli } }");
    let fixed = mends(KERNEL, "op a() {\n clobbers none\n x86_64 { mov $1, %eax }\n}", &["PV0501"]);
    assert_eq!(fixed, "op a() {\n clobbers rax\n x86_64 { mov $1, %eax }\n}");
    let fixed = mends(BOTH, "op a() {\n clobbers flags\n x86_64, i386 { xor %ebx, %ebx }\n}", &["PV0501", "PV0501"]);
    assert_eq!(fixed, "op a() {\n clobbers flags; i386: ebx; x86_64: rbx\n x86_64, i386 { xor %ebx, %ebx }\n}");
}

#[test]
fn undefined_flags_are_written_too() {
    let text = words(KERNEL, "op a() -> word {\n x86_64 { mov %cr3, %rax }\n}");
    assert!(text.contains("leaves CF, PF, AF, ZF, SF, OF undefined"), "{text}");
    passes(KERNEL, "op a() -> word {\n clobbers flags\n x86_64 { mov %cr3, %rax }\n}");
    // A shift by zero keeps the flags, one by CL may not.
    passes(KERNEL, "op a(x: word) -> word {\n x86_64 { mov {x}, %rax; shl $0, %rax }\n}");
    fails(
        KERNEL,
        "op a(x: word, n: word in rcx) -> word {\n x86_64 { mov {x}, %rax; shl %cl, %rax }\n}",
        &["PV0501 shl %cl, %rax"],
    );
}

#[test]
fn what_is_put_back_is_kept() {
    passes(KERNEL, "op a() {\n x86_64 { push %rbx; mov $1, %ebx; pop %rbx }\n}");
    passes(KERNEL, "op a() {\n clobbers rcx\n x86_64 { mov %rbx, %rcx; mov $1, %ebx; mov %rcx, %rbx }\n}");
    passes(KERNEL, "op a() {\n clobbers rcx\n x86_64 { xchg %rbx, %rcx; xchg %rcx, %rbx; mov $1, %ecx }\n}");
    passes(KERNEL, "op a() {\n x86_64 { push %rbx; push %r12; mov $1, %ebx; mov $1, %r12d; pop %r12; pop %rbx }\n}");
    // In the wrong order, or from another slot, it is not.
    fails(
        KERNEL,
        "op a() {\n x86_64 { push %rbx; push %r12; mov $1, %ebx; mov $1, %r12d; pop %rbx; pop %r12 }\n}",
        &["PV0501 mov $1, %ebx"],
    );
    fails(
        KERNEL,
        "op a() {\n x86_64 { push %rbx; mov $1, %ebx; movb $1, 3(%rsp); pop %rbx }\n}",
        &["PV0501 mov $1, %ebx"],
    );
    // On one of two ways only.
    fails(
        KERNEL,
        "op a(x: word) {\n clobbers flags\n x86_64 { push %rbx; test {x}, {x}; jz 1f; mov $1, %ebx; 1: pop %rcx; mov %rcx, %rbx }\n}",
        &["PV0501 pop %rcx"],
    );
    // The frame pointer way.
    passes(
        KERNEL,
        "op a() {\n clobbers flags\n x86_64 { push %rbp; mov %rsp, %rbp; and $-16, %rsp; push %rdi; leave }\n}",
    );
    passes(KERNEL, "op a() {\n x86_64 { enter $16, $0; movq $0, -8(%rbp); leave }\n}");
    passes(I386, "op a() {\n i386 { pusha; mov $1, %eax; mov $2, %ebx; popa }\n}");
}

#[test]
fn flags_that_are_put_back_are_kept() {
    passes(KERNEL, "op a() {\n clobbers barrier\n preserves flags\n x86_64 { pushf; cli; popf }\n}");
    fails(
        KERNEL,
        "op a() {\n clobbers barrier\n preserves flags\n x86_64 { pushf; orl $1, (%rsp); popf }\n}",
        &["PV0509 orl $1, (%rsp)"],
    );
}

#[test]
fn a_promise_to_keep_flags_is_held() {
    fails(KERNEL, "op a() -> word {\n preserves flags\n x86_64 { xor %eax, %eax }\n}", &["PV0509 xor %eax, %eax"]);
    passes(KERNEL, "op a() -> word {\n preserves flags\n x86_64 { mov $0, %eax }\n}");
}

#[test]
fn vector_state_belongs_to_calls_in_user_space_only() {
    let ops = "op a() {\n x86_64 { pxor %xmm0, %xmm0 }\n}";
    passes(USER, ops);
    fails(KERNEL, ops, &["PV0501 pxor %xmm0, %xmm0"]);
    passes(KERNEL, "op a() {\n clobbers xmm0\n x86_64 { pxor %xmm0, %xmm0 }\n}");
    fails(USER, "op a() {\n preserves vector\n x86_64 { pxor %xmm0, %xmm0 }\n}", &["PV0509 pxor %xmm0, %xmm0"]);
}

#[test]
fn segment_registers_are_registers() {
    fails(KERNEL, "op a(x: word) {\n x86_64 { mov %edi, %gs }\n}", &["PV0501 mov %edi, %gs"]);
    passes(KERNEL, "op a(x: word) {\n clobbers gs\n x86_64 { mov %edi, %gs }\n}");
    passes(KERNEL, "op a(x: word) {\n x86_64 { push %gs; mov %edi, %gs; pop %gs }\n}");
}

#[test]
fn the_direction_flag_is_given_back() {
    fails(KERNEL, "op a() {\n x86_64 { std }\n}", &["PV0501 std"]);
    passes(KERNEL, "op a() {\n x86_64 { std; cld }\n}");
    passes(KERNEL, "op a() {\n clobbers df\n x86_64 { std }\n}");
}

#[test]
fn instructions_that_order_memory_need_barrier() {
    for asm in ["cli", "sti", "wbinvd", "invlpg (%rdi)", "mfence", "mov %rdi, %cr0", "swapgs", "stac", "hlt"] {
        let baseline = "patchset t {\n arch x86_64\n abi kernel\n baseline x86_64_v4\n site call.mem\n}\n";
        let when = if asm == "stac" { "when smap " } else { "" };
        let partial = if asm == "stac" { "partial\n site call.mem\n" } else { "" };
        let ops =
            |clobbers: &str| format!("op a(x: word) {{\n {partial}clobbers {clobbers}\n x86_64 {when}{{ {asm} }}\n}}");
        fails(baseline, &ops("flags, memory"), &[&format!("PV0502 {asm}")]);
        fails(baseline, &ops("caller_saved"), &[&format!("PV0502 {asm}")]);
        passes(baseline, &ops("flags, barrier"));
    }
    // A locked no-op is a fence, wherever on the stack it is done.
    for asm in ["lock addl $0, -4(%rsp)", "lock orq $0, (%rsp)"] {
        let ops = |clobbers: &str| format!("op a() {{\n clobbers {clobbers}\n x86_64 {{ {asm} }}\n}}");
        fails(KERNEL, &ops("flags"), &[&format!("PV0502 {asm}")]);
        passes(KERNEL, &ops("flags, barrier"));
    }
    // Where no compiler is involved nothing can be moved.
    passes(KERNEL, "op a() {\n nocall\n x86_64 { swapgs }\n}");
    passes(KERNEL, "op a() -> ! {\n site jmp.mem\n x86_64 { swapgs; sysretq }\n}");
}

#[test]
fn memory_that_is_no_operand_is_declared() {
    let store = |clobbers: &str| format!("op a(x: ptr) {{\n clobbers {clobbers}\n x86_64 {{ movb $0, ({{x}}) }}\n}}");
    fails(KERNEL, &store("none"), &["PV0503 movb $0, ({x})"]);
    passes(KERNEL, &store("memory"));
    passes(KERNEL, &store("barrier"));
    passes(KERNEL, &store("caller_saved"));
    fails(KERNEL, "op a() -> word {\n x86_64 { mov %gs:8, %rax }\n}", &["PV0503 mov %gs:8, %rax"]);
    // Its own stack is not memory in this sense, nor is an address that is only computed or hinted at.
    passes(KERNEL, "op a(x: ptr) -> word {\n x86_64 { push {x}; pop %rax }\n}");
    passes(KERNEL, "op a(x: ptr) -> word {\n x86_64 { lea 8({x}), %rax }\n}");
    passes(KERNEL, "op a(x: ptr) {\n x86_64 { prefetcht0 ({x}) }\n}");
    passes(KERNEL, "op a(x: ptr) {\n x86_64 { nopl 8({x}) }\n}");
}

#[test]
fn a_clobber_that_nothing_needs_is_named() {
    let fixed = mends(KERNEL, "op a() {\n clobbers rdx, flags, rcx\n x86_64 { xor %ecx, %ecx }\n}", &["PV0504"]);
    assert_eq!(fixed, "op a() {\n clobbers flags, rcx\n x86_64 { xor %ecx, %ecx }\n}");
    let fixed = mends(KERNEL, "op a() {\n clobbers rdx\n x86_64 { pause }\n}", &["PV0504"]);
    assert_eq!(fixed, "op a() {\n x86_64 { pause }\n}");
    // One row on the arch that needs it is enough, and another arch does not count.
    passes(KERNEL, "feature f\nop a() {\n clobbers rdx\n x86_64 when f { mov $1, %edx }\n x86_64 { pause }\n}");
    fails(
        BOTH,
        "op a() {\n clobbers x86_64: rdx; i386: edx\n x86_64 { mov $1, %edx }\n i386 { pause }\n}",
        &["PV0504 edx"],
    );
    // One word may stand for two arches.
    passes(BOTH, "op a() {\n clobbers df\n x86_64 { std }\n i386 { pause }\n}");
    fails(BOTH, "op a() {\n clobbers df\n x86_64 { pause }\n i386 { pause }\n}", &["PV0504 df"]);
    // These may be there for the backends.
    passes(KERNEL, "op a() {\n clobbers flags, barrier, memory\n x86_64 { pause }\n}");
    passes(KERNEL, "op a() {\n clobbers caller_saved\n x86_64 { pause }\n}");
    fails(KERNEL, "op a() {\n clobbers ac\n x86_64 { pause }\n}", &["PV0504 ac"]);
}

#[test]
fn a_result_is_set_on_every_way() {
    fails(KERNEL, "op a() -> word {\n x86_64 { pause }\n}", &["PV0507 pause"]);
    fails(
        KERNEL,
        "op a(x: word) -> word {\n clobbers flags\n x86_64 { test {x}, {x}; jz 1f; mov $1, %eax; 1: }\n}",
        &["PV0507 test {x}, {x}; jz 1f; mov $1, %eax; 1:"],
    );
    // As wide as its type.
    fails(KERNEL, "op a() -> word {\n x86_64 { mov $1, %al }\n}", &["PV0507 mov $1, %al"]);
    passes(KERNEL, "op a() -> bool {\n x86_64 { mov $1, %al }\n}");
    passes(KERNEL, "op a() -> u32 {\n x86_64 { mov $1, %eax }\n}");
    fails(I386, "op a() -> u64 {\n i386 { mov $1, %eax }\n}", &["PV0507 mov $1, %eax"]);
    passes(I386, "op a() -> u64 {\n i386 { rdtsc }\n}");
    // Garbage that is moved is still garbage.
    fails(KERNEL, "op a() -> word {\n x86_64 { mov %rbx, %rax }\n}", &["PV0507 mov %rbx, %rax"]);
    // On i386 the argument sits where the result goes.
    passes(I386, "op a(x: word) -> word {\n i386 { pause }\n}");
    // A conditional move is one way of two.
    fails(
        KERNEL,
        "op a(x: word) -> word {\n clobbers flags\n x86_64 { test {x}, {x}; cmovz {x}, %rax }\n}",
        &["PV0507 test {x}, {x}; cmovz {x}, %rax"],
    );
    passes(KERNEL, "op a(x: word) -> word {\n clobbers flags\n x86_64 { bsf {x}, %rax }\n}");
    // rdsspq leaves the register alone where there are no shadow stacks.
    fails(KERNEL, "op a() -> word {\n x86_64 { rdsspq %rax }\n}", &["PV0507 rdsspq %rax"]);
    passes(KERNEL, "op a() -> word {\n clobbers flags\n x86_64 { xor %eax, %eax; rdsspq %rax }\n}");
}

#[test]
fn calls_destroy_what_the_abi_lets_them() {
    fails(KERNEL, "op a() {\n clobbers barrier\n x86_64 { call f }\n}", &["PV0501 call f"]);
    passes(KERNEL, "op a() {\n clobbers caller_saved\n x86_64 { call f }\n}");
    let text = words(KERNEL, "op a() {\n clobbers memory\n x86_64 { call f }\n}");
    assert!(text.contains("rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11 and flags"), "{text}");
}

#[test]
fn system_calls_write_what_no_operand_shows() {
    let text = words(USER, "op a(nr: word in rax) {\n clobbers barrier\n x86_64 { syscall }\n}");
    assert!(text.contains("clobbers rax, rcx and r11,"), "{text}");
    passes(USER, "op a(nr: word in rax) -> word {\n clobbers rcx, r11, barrier\n x86_64 { syscall }\n}");
}

#[test]
fn the_disassembly_reads_as_kernels_write_it() {
    let shown = |ops: &str| {
        let (_, compilation) = compiled(KERNEL, ops);
        let checked = compilation.checked.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics.list()));
        checked.unit().ops[0].contracts[0].rows[0].disassembly.clone()
    };
    let ops = |asm: &str| format!("op a(x: ptr) -> word {{\n clobbers caller_saved, barrier\n x86_64 {{ {asm} }}\n}}");
    assert_eq!(shown(&ops("pushf; pop %rax")), "pushf; pop %rax");
    assert_eq!(shown(&ops("mov %cr3, %rax")), "mov %cr3,%rax");
    assert_eq!(shown(&ops("movb $0, ({x}); mov $1, %eax")), "movb $0,(%rdi); mov $1,%eax");
    assert_eq!(shown(&ops("call f")), "call f");
    assert_eq!(shown(&ops("mov sym+8(%rip), %rax")), "mov sym+8(%rip),%rax");
    assert_eq!(shown(&ops("mov $sym, %rax")), "mov $sym,%rax");
    assert_eq!(shown(&ops("movl $1, sym(%rip); mov $1, %eax")), "movl $1,sym(%rip); mov $1,%eax");
    assert_eq!(
        shown(&ops("1: dec {x}; jnz 1b; mov $1, %eax").replace("caller_saved", "rdi, flags")),
        "dec %rdi; jne .-3; mov $1,%eax"
    );
    assert_eq!(shown(&ops("jmp 1f; .byte 0x0f, 0x04; 1: mov $1, %eax")), "jmp .+4; .byte 0x0f, 0x04; mov $1,%eax");
}

#[test]
fn effects_are_told_in_one_line() {
    assert_eq!(
        effects(KERNEL, "op a(x: word) -> bool {\n clobbers flags\n x86_64 { bt $3, {x}; setc %al }\n}"),
        "reads rdi; writes rax, flags CF; undefines PF AF SF OF"
    );
    assert_eq!(
        effects(KERNEL, "op a() -> word {\n x86_64 { pushf; pop %rax }\n}"),
        "reads flags CF PF AF ZF SF IF DF OF AC; writes rax; stack 8"
    );
    assert_eq!(
        effects(KERNEL, "op a(x: word) {\n clobbers flags, barrier\n x86_64 { mov {x}, %cr3 }\n}"),
        "reads rdi; undefines CF PF AF ZF SF OF; barrier; privileged"
    );
    assert_eq!(effects(KERNEL, "op a() {\n x86_64 { pause }\n}"), "nothing");
}

#[test]
fn mmx_instructions_change_the_x87_stack() {
    // It only reads the register, and marks all eight as in use nevertheless.
    let ops = "op a() -> u32 {\n x86_64 { movd %mm0, %eax; emms }\n}";
    fails(KERNEL, ops, &["PV0501 movd %mm0, %eax"]);
    fails(KERNEL, "op a() {\n x86_64 { ffree %st(0) }\n}", &["PV0501 ffree %st(0)"]);
}

#[test]
fn flags_that_are_saved_and_brought_back_are_kept() {
    let v2 = &KERNEL.replace("x86_64_v1", "x86_64_v2");
    let ops = |clobbers: &str, asm: &str| {
        format!("op a(p: ptr) {{\n preserves flags\n clobbers {clobbers}\n x86_64 {{ {asm} }}\n}}")
    };
    passes(v2, &ops("rax, memory", "lahf; seto %al; incl ({p}); add $0x7f, %al; sahf"));
    passes(v2, &ops("rax, memory", "seto %al; lahf; incl ({p}); cmp $-127, %al; sahf"));
    passes(v2, &ops("rax, rcx, memory", "lahf; seto %cl; incl ({p}); sub $-127, %cl; sahf"));
    passes(v2, &ops("rax, memory", "lahf; mov $1, %al; shll %al, ({p}); sahf").replace("shll %al", "movb %al"));
    // OF is not among what sahf brings back.
    fails(v2, &ops("rax, memory", "lahf; incl ({p}); sahf"), &["PV0509 incl ({p})"]);
    // 126 overflows in no case; AL was written; the flags were changed before.
    fails(
        v2,
        &ops("rax, memory", "lahf; seto %al; incl ({p}); add $0x7e, %al; sahf"),
        &["PV0509 incl ({p})", "PV0506 add $0x7e, %al"],
    );
    fails(
        v2,
        &ops("rax, memory", "lahf; seto %al; incl ({p}); mov $0, %al; add $0x7f, %al; sahf"),
        &["PV0509 incl ({p})"],
    );
    fails(v2, &ops("rax, memory", "incl ({p}); lahf; seto %al; add $0x7f, %al; sahf"), &["PV0509 incl ({p})"]);
    // What seto kept is no value to use.
    fails(KERNEL, "op a() -> r: bool {\n x86_64 { seto {r} }\n}", &["PV0506 seto {r}"]);
}

#[test]
fn a_popf_of_what_was_pushed_orders_nothing() {
    passes(KERNEL, "op a(n: word) -> r: word {\n x86_64 { mov {n}, {r}; pushf; add $5, {r}; popf }\n}");
    fails(KERNEL, "op a() {\n x86_64 { pushf; cli; popf }\n}", &["PV0502 cli"]);
    fails(KERNEL, "op a(f: word) {\n clobbers flags\n x86_64 { push {f}; popf }\n}", &["PV0502 popf"]);
}

#[test]
fn vector_registers_can_be_saved_on_the_stack() {
    let copy = |save: &str, restore: &str| {
        format!(
            "op a(p: ptr, q: ptr) {{\n clobbers memory\n x86_64 {{ lea -32(%rsp), %rsp; {save}; movups ({{p}}), %xmm0; \
             movups %xmm0, ({{q}}); {restore}; lea 32(%rsp), %rsp }}\n}}"
        )
    };
    passes(KERNEL, &copy("movups %xmm0, (%rsp)", "movups (%rsp), %xmm0"));
    passes(KERNEL, &copy("movdqu %xmm0, 16(%rsp)", "movaps 16(%rsp), %xmm0"));
    fails(KERNEL, &copy("movups %xmm0, (%rsp)", "nop"), &["PV0501 movups ({p}), %xmm0"]);
    fails(KERNEL, &copy("movups %xmm0, (%rsp)", "movups 8(%rsp), %xmm0"), &["PV0501 movups ({p}), %xmm0"]);
    fails(KERNEL, &copy("movups %xmm1, (%rsp)", "movups (%rsp), %xmm0"), &["PV0501 movups ({p}), %xmm0"]);
    // A VEX load zeroes the rest of the register, and a store of XMM0 does not save it.
    let v3 = &KERNEL.replace("x86_64_v1", "x86_64_v3");
    fails(v3, &copy("vmovups %xmm0, (%rsp)", "vmovups (%rsp), %xmm0"), &["PV0501 movups ({p}), %xmm0"]);
    // In user space a promise can be kept that way.
    let kept = copy("movups %xmm0, (%rsp)", "movups (%rsp), %xmm0")
        .replace("-32(", "-160(")
        .replace("32(%rsp), %rsp }", "160(%rsp), %rsp }");
    passes(USER, &kept.replace("clobbers memory", "preserves vector\n clobbers memory"));
}

#[test]
fn rounding_and_traps_are_the_callers() {
    let with =
        |clobbers: &str, asm: &str| format!("op a(p: ptr) {{\n clobbers memory{clobbers}\n x86_64 {{ {asm} }}\n}}");
    fails(USER, &with("", "ldmxcsr ({p})"), &["PV0501 ldmxcsr ({p})"]);
    fails(USER, &with("", "fldcw ({p})"), &["PV0501 fldcw ({p})"]);
    fails(USER, &with("", "fninit"), &["PV0501 fninit"]);
    passes(USER, &with(", mxcsr", "ldmxcsr ({p})"));
    passes(USER, &with(", fpcw", "fldcw ({p})"));
    // The x87 state is more than its control word, and no leave to change that alone.
    passes(KERNEL, &with(", st0", "fninit"));
    fails(KERNEL, &with(", st0", "fldl ({p}); fstpl ({p}); fldcw ({p})"), &["PV0501 fldcw ({p})"]);
    let around = "lea -136(%rsp), %rsp; stmxcsr (%rsp); ldmxcsr ({p}); ldmxcsr (%rsp); lea 136(%rsp), %rsp";
    passes(USER, &with("", around));
    fails(USER, &with("", &around.replace("; ldmxcsr (%rsp)", "")), &["PV0501 ldmxcsr ({p})"]);
    passes(USER, &with("", "lea -136(%rsp), %rsp; fnstcw (%rsp); fldcw ({p}); fldcw (%rsp); lea 136(%rsp), %rsp"));
    fails(USER, &with(", mxcsr", "nop"), &["PV0504 mxcsr"]);
}

#[test]
fn selectors_can_be_kept_in_general_registers() {
    let around = |segment: &str| {
        format!(
            "op a(s: u16) {{\n clobbers rcx\n x86_64 {{ mov %{segment}, %ecx; mov {{s}}, %{segment}; mov %ecx, %{segment} }}\n}}"
        )
    };
    passes(KERNEL, &around("es"));
    // The base of GS is more than its selector tells.
    fails(KERNEL, &around("gs"), &["PV0501 mov {s}, %gs"]);
}
