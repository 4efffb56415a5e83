//! Static branches, where ops have their place in the output.

use super::{pvc, root, stderr, stdout};
use serde_json::{Value, json};

#[test]
fn json_has_every_branch_and_what_its_sites_hold() {
    let output = pvc(&root(), &["compile", "patchsets/userspace.pv", "--emit", "json=-"]);
    let document: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let branches = document["branches"].as_array().unwrap();
    let branch = branches.iter().find(|branch| branch["name"] == "trace.enabled").unwrap();
    assert_eq!((&branch["ident"], &branch["initial"]), (&json!("trace_enabled"), &json!(false)));
    assert_eq!((&branch["live"], &branch["arches"]), (&json!(true), &json!(["x86_64", "i386"])));
    let sites = json!([
        { "len": 2, "nop": "6690", "jump": "eb??" },
        { "len": 5, "nop": "0f1f440000", "jump": "e9????????" },
    ]);
    assert_eq!(branch["sites"], sites);
}

#[test]
fn there_is_nothing_to_infer() {
    let output = pvc(&root(), &["infer", "patchsets/userspace.pv", "trace.enabled"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`trace.enabled` is a static branch"), "{}", stderr(&output));
}

#[test]
fn a_set_of_branches_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("set.pv"), "patchset net { arch x86_64 }\nbranch a.b = false\n").unwrap();
    let text = stdout(&pvc(dir.path(), &["show", "set.pv"]));
    assert!(
        text.starts_with("net: 0 ops, 0 rows, 1 branch on x86_64, abi kernel\n\nbranch a.b = false on x86_64\n"),
        "{text}"
    );
}
