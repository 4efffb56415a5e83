//! `pvc diff`.

use super::{pvc, root, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::process::Output;

const OLD: &str = "patchset demo { arch x86_64, i386 }\n\nfeature fast\n\n\
    op one(value: word) -> result: word {\n    x86            { mov {value}, {result} }\n}\n\n\
    op two() {\n    clobbers barrier\n    x86 when fast  { cli; nop }\n    x86            { cli }\n}\n\n\
    op three() {\n    clobbers flags\n    x86_64         { xor %eax, %eax; test %eax, %eax }\n}\n\n\
    branch b = false\n";

fn diff(old: &str, new: &str, args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    // Sound sets, but for what a test is about.
    let sound = |text: &str| {
        text.replace("clobbers flags\n    x86_64", "clobbers rax, flags\n    x86_64").replace("; i386: eax; ", "; ")
    };
    fs::write(dir.path().join("old.pv"), sound(old)).unwrap();
    fs::write(dir.path().join("new.pv"), sound(new)).unwrap();
    pvc(dir.path(), &[&["diff", "old.pv", "new.pv"], args].concat())
}

/// The lines of the differences but for the contract, which has a hash.
fn differences(new: &str) -> Vec<String> {
    let output = diff(OLD, new, &[]);
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    let text = stdout(&output);
    let text = text.split("contract\n! pv_demo_contract_").next().unwrap().to_owned();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_same_meaning_is_no_difference() {
    for new in [
        OLD.to_owned(),
        OLD.replace("{ cli; nop }", "{\n        cli   # off\n        nop\n    } = fa 90 // why"),
        OLD.replace("op two", "// A comment.\n\n/// Docs.\nop two"),
        OLD.replace("when fast", "when !!fast").replace("xor %eax, %eax", "xorl %eax,%eax"),
    ] {
        let output = diff(OLD, &new, &[]);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""), "{}", stderr(&output));
        let json: Value = serde_json::from_slice(&diff(OLD, &new, &["--json"]).stdout).unwrap();
        assert_eq!((&json["changes"], &json["old_contract"]), (&serde_json::json!([]), &json["new_contract"]));
    }
}

#[test]
fn rows_differ_without_the_contract() {
    let lines = differences(&OLD.replace("{ cli; nop }", "{ cli; pause }"));
    assert_eq!(
        lines,
        [
            "op two",
            "  x86_64 row (fast) bytes: fa 90 (cli; nop) -> fa f3 90 (cli; pause)",
            "  x86_64 row (fast) length: 2 -> 3",
            "  x86_64 row (fast) slack: 4 -> 3",
            "  i386 row (fast) bytes: fa 90 (cli; nop) -> fa f3 90 (cli; pause)",
            "  i386 row (fast) length: 2 -> 3",
            "  i386 row (fast) slack: 4 -> 3",
        ]
    );
    let lines = differences(&OLD.replace("    x86 when fast  { cli; nop }\n", "").replace("feature fast\n", ""));
    assert!(lines.contains(&"feature fast".to_owned()) && lines.contains(&"  removed".to_owned()), "{lines:?}");
    assert!(lines.contains(&"  i386 row (fast) removed: was fa 90 (cli; nop)".to_owned()), "{lines:?}");
}

#[test]
fn what_objects_depend_on_is_marked() {
    for (new, marked) in [
        (
            OLD.replace("    clobbers barrier\n", "    clobbers flags, barrier\n"),
            "! x86_64 clobbers: barrier -> flags, barrier",
        ),
        (
            OLD.replace("op one(value: word)", "op one(value: ptr)"),
            "! signature: (value: word) -> result: word -> (value: ptr) -> result: word",
        ),
        (
            OLD.replace("op two() {\n", "op two() {\n    site call.rel, call.mem\n"),
            "! i386 sites: call.mem 6 -> call.rel 5, call.mem 6",
        ),
        (OLD.replace("op two() {\n", "op two() {\n    preserves vector\n"), "! clauses: preserves vector"),
        (OLD.replace("op three", "op new.name"), "! renamed: three -> new.name"),
        (OLD.replace("op one(", "op zero() { x86 { nop } }\nop one("), "! id: 2 -> 3"),
        (format!("{OLD}op four() {{ x86 {{ nop }} }}\n"), "! added: id 3"),
        (OLD.replace("branch b = false", "branch b = true"), "! value: false on x86_64, i386 -> true on x86_64, i386"),
    ] {
        let lines = differences(&new);
        assert!(lines.contains(&marked.to_owned()), "no `{marked}` in {lines:#?}");
        let output = diff(OLD, &new, &[]);
        assert!(stdout(&output).contains("have to be compiled again"), "{}", stdout(&output));
        let json: Value = serde_json::from_slice(&diff(OLD, &new, &["--json"]).stdout).unwrap();
        assert_ne!(json["old_contract"], json["new_contract"]);
        assert!(json["changes"].as_array().unwrap().iter().any(|change| change["contract"] == true));
    }
}

#[test]
fn the_mark_and_the_contract_symbol_agree() {
    for new in
        [OLD.replace("{ cli; nop }", "{ nop; cli }"), OLD.replace("op two() {\n", "op two() {\n    default outside\n")]
    {
        let json: Value = serde_json::from_slice(&diff(OLD, &new, &["--json"]).stdout).unwrap();
        assert_eq!(json["old_contract"], json["new_contract"], "{json}");
        assert!(json["changes"].as_array().unwrap().iter().all(|change| change["contract"] == false), "{json}");
    }
}

#[test]
fn shipped_sets_and_trouble() {
    let same = pvc(&root(), &["diff", "patchsets/x86_64.pv", "patchsets/x86_64.pv"]);
    assert_eq!((same.status.code(), stdout(&same).as_str()), (Some(0), ""));
    let other = pvc(&root(), &["diff", "patchsets/linux-4.1.pv", "patchsets/linux-4.2.pv"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stdout(&other).contains("! name: native41 -> native42"), "{}", stdout(&other));
    assert_eq!(pvc(&root(), &["diff", "patchsets/x86_64.pv", "missing.pv"]).status.code(), Some(2));
    assert_eq!(diff(OLD, "op a() {", &[]).status.code(), Some(2));
}
