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
