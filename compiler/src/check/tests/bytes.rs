//! 03xx: assembly, and the bytes beside a row.

use super::*;

#[test]
fn the_bytes_are_those_of_the_asm() {
    passes(KERNEL, "op a() -> r: word {\n x86_64 { pushf; pop {r} } = 9c 58\n}");
    let ops = "op a() -> word {\n x86_64 { pushf; pop %rax } = 9c 5b\n}";
    let text = words(KERNEL, ops);
    assert!(text.contains("the asm is 9c 58 (pushf; pop %rax)"), "{text}");
    assert!(text.contains("the bytes are 9c 5b (pushf; pop %rbx)"), "{text}");
    assert_eq!(mends(KERNEL, ops, &["PV0303"]), "op a() -> word {\n x86_64 { pushf; pop %rax } = 9c 58\n}");
    mends(KERNEL, "op a() -> word {\n x86_64 { pushf; pop %rax } = 9c\n}", &["PV0303"]);
}

#[test]
fn question_marks_stand_for_fixups() {
    let ops = |bytes: &str| format!("op a() {{\n clobbers caller_saved\n x86_64 {{ call f }} = {bytes}\n}}");
    passes(KERNEL, &ops("e8 ?? ?? ?? ??"));
    mends(KERNEL, &ops("e8 00 00 00 00"), &["PV0303"]);
    mends(KERNEL, &ops("?? ?? ?? ?? ??"), &["PV0303"]);
    mends(KERNEL, &ops("e9 ?? ?? ?? ??"), &["PV0303"]);
}

#[test]
fn one_group_for_two_arches_needs_equal_code() {
    passes(BOTH, "op a(x: word) {\n clobbers flags, barrier\n x86_64, i386 { push {x}; popf } = 57 9d | 50 9d\n}");
    let ops = "op a(x: word) {\n clobbers flags, barrier\n x86_64, i386 { push {x}; popf } = 57 9d\n}";
    let fixed = mends(BOTH, ops, &["PV0303"]);
    assert!(fixed.contains("= 57 9d | 50 9d"), "{fixed}");
    mends(BOTH, "op a() {\n clobbers barrier\n x86_64, i386 { cli } = fb\n}", &["PV0303"]);
}

#[test]
fn what_the_assembler_refuses_is_shown_where_it_stands() {
    fails(KERNEL, "op a() {\n x86_64 { xro %eax, %eax }\n}", &["PV0301 xro"]);
    let ops = "op a(x: word) -> word {\n clobbers flags\n x86_64 { mov {x}, %rax; add %bad, {x} }\n}";
    let found = findings(KERNEL, ops);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("PV0301 ") && "add %bad, {x}".contains(&found[0][7..]), "{found:?}");
    // On both arches it is one mistake.
    fails(BOTH, "op a() {\n x86_64, i386 { xro %eax, %eax }\n}", &["PV0301 xro"]);
    let (_, compilation) = compiled(BOTH, "op a() {\n x86_64, i386 { xro %eax, %eax }\n}");
    assert_eq!(compilation.diagnostics.errors(), 1);
    // What one arch lacks is said of that arch.
    let text = words(BOTH, "op a() {\n clobbers barrier\n x86_64, i386 { swapgs }\n}");
    assert!(text.contains("this is so on i386"), "{text}");
    // Warnings of GNU as are errors here.
    let found = findings(KERNEL, "op a(x: ptr) {\n clobbers memory\n x86_64 { mov $0, ({x}) }\n}");
    assert!(found.len() == 1 && found[0].starts_with("PV0302"), "{found:?}");
}

#[test]
fn fixups_are_what_the_patcher_can_fill_in() {
    let four = ["lea f(%rip), %rax"; 4].join("; ");
    let ops = |asm: &str| format!("op a() -> word {{\n x86_64 {{ {asm} }}\n}}");
    passes(KERNEL, &ops(&four));
    fails(KERNEL, &ops(&format!("{four}; lea g(%rip), %rax")), &["PV0304 g(%rip)"]);
    fails(
        KERNEL,
        "op a() -> word {\n clobbers memory\n x86_64 { mov f@GOTPCREL(%rip), %rax }\n}",
        &["PV0304 f@GOTPCREL(%rip)"],
    );
}
