//! PV0603: CPU features.

use super::*;

#[test]
fn a_feature_is_guaranteed() {
    let serialize = |when: &str| {
        format!("op a() {{\n partial\n site call.mem\n clobbers barrier\n x86_64 {when}{{ serialize }}\n}}")
    };
    fails(KERNEL, &serialize("").replace(" partial\n site call.mem\n", ""), &["PV0603 serialize"]);
    passes(KERNEL, &serialize("when serialize "));
    fails(KERNEL, &serialize("when fsgsbase "), &["PV0603 serialize"]);
    fails(KERNEL, &serialize("when !serialize "), &["PV0603 serialize"]);
    passes(KERNEL, &serialize("when serialize && fsgsbase "));
    // Every way for the condition to hold counts.
    fails(KERNEL, &serialize("when serialize || fsgsbase "), &["PV0603 serialize"]);
    passes(KERNEL, &serialize("when serialize && (fsgsbase || invpcid) "));
}

#[test]
fn features_imply_others() {
    let ops = |when: &str| {
        format!("op a() {{\n partial\n site call.mem\n x86_64 when {when} {{ vpxor %ymm0, %ymm0, %ymm0 }}\n}}")
    };
    passes(USER, &ops("avx2"));
    passes(USER, &ops("avx512f"));
    fails(USER, &ops("avx"), &["PV0603 vpxor %ymm0, %ymm0, %ymm0"]);
}

#[test]
fn the_baseline_guarantees() {
    let v3 = KERNEL.replace("x86_64_v1", "x86_64_v3");
    let ops = "op a(x: word) -> word {\n clobbers flags\n x86_64 { lzcnt {x}, %rax }\n}";
    fails(KERNEL, ops, &["PV0603 lzcnt {x}, %rax"]);
    passes(&v3, ops);
    // Every 64-bit CPU has these.
    passes(KERNEL, "op a(x: word in rcx) -> (lo: u32 in eax, hi: u32 in edx) {\n x86_64 { rdmsr }\n}");
    passes(KERNEL, "op a() {\n x86_64 { endbr64 }\n}");
    passes(KERNEL, "op a() {\n x86_64 { pause }\n}");
    passes(
        KERNEL,
        "op a(x: word) -> word {\n clobbers flags\n x86_64 { mov $0, %eax; test {x}, {x}; cmovz {x}, %rax }\n}",
    );
    // An old i386 has not.
    let i486 = "patchset t {\n arch i386\n abi kernel\n baseline i486\n site call.mem\n}\n";
    fails(i486, "op a() -> u64 {\n i386 { rdtsc }\n}", &["PV0603 rdtsc"]);
    fails(
        i486,
        "op a(x: word) -> word {\n clobbers flags\n i386 { test {x}, {x}; cmovz {x}, %eax }\n}",
        &["PV0603 cmovz {x}, %eax"],
    );
}

#[test]
fn instructions_that_older_cpus_misread_say_so() {
    let text = words(KERNEL, "op a(x: word) -> word {\n clobbers flags\n x86_64 { lzcnt {x}, %rax }\n}");
    assert!(text.contains("bsr"), "{text}");
    let text = words(KERNEL, "op a(x: word) -> word {\n clobbers flags\n x86_64 { tzcnt {x}, %rax }\n}");
    assert!(text.contains("bsf"), "{text}");
    assert!(text.contains("bmi1"), "{text}");
}

#[test]
fn the_fix_is_the_condition() {
    let fixed = only(KERNEL, "op a() {\n clobbers barrier\n x86_64 { serialize }\n}").fix.expect("a fix");
    assert_eq!(fixed.text, "when serialize ");
    let ops = "feature f\nfeature g\nop a() {\n partial\n site call.mem\n clobbers barrier\n x86_64 when f || g { serialize }\n}";
    let fixed = mends(KERNEL, ops, &["PV0603"]);
    assert!(fixed.contains("x86_64 when (f || g) && serialize { serialize }"), "{fixed}");
}

#[test]
fn rows_that_cpus_choose_order_alike() {
    let i586 = &I386.replace("x86_64_v1", "i586");
    let op = |fence: &str, other: &str| {
        format!("op a() {{\n clobbers flags, barrier\n i386 when sse2 {{ {fence} }}\n i386 {{ {other} }}\n}}")
    };
    fails(i586, &op("mfence", "nop"), &["PV0511 nop"]);
    fails(i586, &op("lfence", "nop"), &["PV0511 nop"]);
    fails(i586, &op("mfence", "cld"), &["PV0511 cld"]);
    for same in ["lock addl $0, (%esp)", "lock incl (%esp)", "call f"] {
        let found = findings(i586, &op("mfence", same));
        assert!(!found.iter().any(|found| found.starts_with("PV0511")), "{found:?}");
    }
    passes(i586, &op("mfence", "lock addl $0, (%esp)"));
    // Stores that go around the caches need their fence; plain ones do not.
    let copy = "op a(p: ptr, x: word) {\n clobbers memory, barrier\n i386 when sse2 { movnti {x}, ({p}); sfence }\n i386 { mov {x}, ({p}) }\n}";
    passes(i586, copy);
    // A declared feature is the author's own decision.
    passes(
        i586,
        "feature up\nop a() {\n clobbers flags, barrier\n i386 when up { nop }\n i386 { lock addl $0, (%esp) }\n}",
    );
    // Not every barrier for the compiler is one of the CPU.
    passes(KERNEL, "op a() {\n clobbers barrier\n x86_64 when smap { stac }\n x86_64 { nop }\n}");
    fails(
        KERNEL,
        "op a() {\n clobbers barrier\n x86_64 when serialize { serialize }\n x86_64 { mfence }\n}",
        &["PV0511 mfence"],
    );
}

#[test]
fn other_names_of_features_mean_the_same() {
    let op =
        |when: &str| format!("op a(x: word) -> r: word {{\n clobbers flags\n{when} x86_64 {{ mov {{x}}, {{r}} }}\n}}");
    passes(KERNEL, &op(" x86_64 when abm { lzcnt {x}, {r} }\n"));
    let twice = " x86_64 when abm { lzcnt {x}, {r} }\n x86_64 when lzcnt { lzcnt {x}, {r} }\n";
    fails(KERNEL, &op(twice), &["PV0601 lzcnt"]);
    passes(
        &KERNEL.replace("x86_64_v1", "x86_64_v1, bmi"),
        "op a(x: word) -> r: word {\n clobbers flags\n x86_64 { tzcnt {x}, {r} }\n}",
    );
}

#[test]
fn an_identity_row_returns_its_argument() {
    let op =
        |clobbers: &str, asm: &str| format!("op a(x: word) -> r: word {{\n{clobbers} x86_64 identity {{ {asm} }}\n}}");
    passes(KERNEL, &op("", "mov {x}, {r}"));
    passes(KERNEL, &op("", "push {x}; pop {r}"));
    fails(KERNEL, &op("", "lea 1({x}), {r}"), &["PV0206 lea 1({x}), {r}"]);
    fails(KERNEL, &op("", "mov %edi, %eax"), &["PV0206 mov %edi, %eax"]);
    fails(KERNEL, &op(" clobbers flags\n", "mov {x}, {r}; test {x}, {x}"), &["PV0206 mov {x}, {r}; test {x}, {x}"]);
    fails(KERNEL, &op(" clobbers rcx\n", "mov {x}, %rcx; mov {x}, {r}"), &["PV0206 mov {x}, %rcx; mov {x}, {r}"]);
}
