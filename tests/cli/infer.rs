//! `pvc infer`.

use super::{pvc, root, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn infer(dir: &Path, args: &[&str]) -> String {
    let output = pvc(dir, &[&["infer"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_piece_of_asm() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        infer(dir.path(), &["--arch", "x86_64", "--asm", "rdtsc; shl $32,%rdx; or %rdx,%rax"]),
        "// asm:1, x86_64, 9 bytes, smallest site inline (9): writes rax, rdx, flags CF PF ZF SF; undefines AF OF\n\
         op asm() {\n    clobbers rax, rdx, flags\n    \
         x86_64         { rdtsc; shl $32,%rdx; or %rdx,%rax } = 0f 31 48 c1 e2 20 48 09 d0\n}\n"
    );
    let text = infer(dir.path(), &["--syntax", "intel", "--arch", "i386", "--asm", "std\nmovsb # }\nserialize"]);
    assert!(text.contains("    clobbers esi, edi, df, barrier\n    i386 when serialize {\n        std\n"), "{text}");
    for (asm, clobbers) in [("ldmxcsr (%rdi)", "mxcsr, memory"), ("fldcw (%rdi)", "fpcw, memory"), ("fninit", "st0")] {
        let text = infer(dir.path(), &["--asm", asm]);
        assert!(text.contains(&format!("    clobbers {clobbers}\n")), "{text}");
    }
    let text = infer(dir.path(), &["--asm", "vpaddd %ymm0, %ymm1, %ymm2"]);
    assert!(text.contains("    clobbers xmm2\n    x86_64 when avx2 {"), "{text}");
    let text = infer(dir.path(), &["--asm", "vpaddd %ymm0, %ymm1, %ymm2", "--abi", "user"]);
    assert!(!text.contains("clobbers"), "a call destroys vector registers anyway: {text}");

    let json: Value = serde_json::from_str(&infer(dir.path(), &["--json", "--asm", "popcnt (%rdi), %rax"])).unwrap();
    let row = &json[0];
    assert_eq!(row["clobbers"], serde_json::json!(["rax", "flags", "memory"]));
    assert_eq!((&row["bytes"], &row["len"]), (&"f3480fb807".into(), &5.into()));
    assert_eq!((&row["missing_features"][0], &row["smallest_site"]), (&"popcnt".into(), &"call.rel".into()));
    assert_eq!(row["effects"]["reads"], serde_json::json!(["rdi"]));

    let bad = pvc(dir.path(), &["infer", "--asm", "bogus"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(stderr(&bad).contains("PV0301"), "{}", stderr(&bad));
    for args in [&["infer"][..], &["infer", "--asm", "nop", "--arch", "i8086"], &["infer", "missing.pv"]] {
        assert_eq!(pvc(dir.path(), args).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn wrong_claims_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let set = "patchset demo { arch x86_64, i386 }\n\
        op time.stamp(keep: word) -> low: word { // how\n  clobbers cc, rsi\n  x86 when fsgsbase { rdtscp } = 90 // that\n  \
        x86 when avx || sse4_2 { popcnt {keep}, {low} }\n}\nop other() { x86 { nop } }\n";
    fs::write(dir.path().join("set.pv"), set).unwrap();
    let text = infer(dir.path(), &["set.pv", "time.stamp"]);
    let op = &text[text.find("op time").unwrap()..];
    let expected = "op time.stamp(keep: word) -> low: word { // how\n    \
        clobbers x86_64: rcx, rdx; i386: ecx, edx; flags\n    \
        x86 when fsgsbase && rdtscp { rdtscp }           = 0f 01 f9    // that\n    \
        x86 when (avx || sse4_2) && popcnt { popcnt {keep}, {low} } = f3 48 0f b8 c7 | f3 0f b8 c0\n}\n";
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(op), words(expected), "{op}");
    let unknown = pvc(dir.path(), &["infer", "set.pv", "time.stanp"]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// What is inferred is enough, and nothing in it can go.
#[test]
fn shipped_sets_pass_with_what_is_inferred_and_with_nothing_less() {
    let dir = tempfile::tempdir().unwrap();
    let check = |text: &str| {
        fs::write(dir.path().join("set.pv"), text).unwrap();
        let output = pvc(dir.path(), &["check", "-A", "warnings", "set.pv"]);
        (output.status.success(), stderr(&output))
    };
    let mut dropped = 0;
    for name in ["x86_64.pv", "userspace.pv"] {
        let source = fs::read_to_string(root().join("patchsets").join(name)).unwrap();
        let head = &source[..source.find("\n}\n").unwrap() + 3];
        let ops = infer(&root(), &[&format!("patchsets/{name}")]);
        let (good, found) = check(&format!("{head}{ops}"));
        assert!(good, "{name}: {found}");
        for (at, line) in ops.match_indices("    clobbers ").map(|(at, _)| (at, ops[at..].lines().next().unwrap())) {
            let words: Vec<&str> = line.trim().trim_start_matches("clobbers ").split([',', ';', ':']).collect();
            for word in words.iter().map(|word| word.trim()).filter(|word| !["x86_64", "i386"].contains(word)) {
                let shorter = without(line, word);
                let (good, _) = check(&format!("{head}{}{shorter}{}", &ops[..at], &ops[at + line.len()..]));
                assert!(!good, "{name}: `{word}` can go from `{line}`");
                dropped += 1;
            }
        }
    }
    assert!(dropped >= 25, "{dropped} clobbers were dropped");
}

/// A clause without one of its words.
fn without(line: &str, word: &str) -> String {
    let groups = line.trim().trim_start_matches("clobbers ").split(';').filter_map(|group| {
        let (arch, list) = group.split_once(':').map_or(("", group), |(arch, list)| (arch.trim(), list));
        let kept: Vec<&str> = list.split(',').map(str::trim).filter(|other| *other != word).collect();
        let prefix = if arch.is_empty() { String::new() } else { format!("{arch}: ") };
        (!kept.is_empty()).then(|| format!("{prefix}{}", kept.join(", ")))
    });
    let groups: Vec<String> = groups.collect();
    if groups.is_empty() { String::new() } else { format!("    clobbers {}", groups.join("; ")) }
}
