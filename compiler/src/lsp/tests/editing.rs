//! Changes that the server offers: completion, fixes, rewrites, renames, formatting.

use super::*;

/// Applies the edits of one document, last first.
fn apply(text: &str, edits: &Value) -> String {
    let offset = |position: &Value| {
        let line = position["line"].as_u64().unwrap() as usize;
        let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
        (start + position["character"].as_u64().unwrap() as usize).min(text.len())
    };
    let mut edits: Vec<(usize, usize, &str)> = edits
        .as_array()
        .expect("edits")
        .iter()
        .map(|edit| (offset(&edit["range"]["start"]), offset(&edit["range"]["end"]), edit["newText"].as_str().unwrap()))
        .collect();
    edits.sort();
    let mut text = text.to_owned();
    for (start, end, new) in edits.into_iter().rev() {
        text.replace_range(start..end, new);
    }
    text
}

fn labels(before: &str) -> Vec<String> {
    let mut client = Client::plain();
    client.open(URI, before);
    let line = before.matches('\n').count();
    let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1);
    let at = json!({ "textDocument": { "uri": URI }, "position": { "line": line, "character": column } });
    let list = client.result("textDocument/completion", at);
    client.finish();
    list["items"].as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn completion_knows_the_place() {
    let set = "patchset demo {\n    arch x86_64, i386\n}\nfeature xenpv\n";
    let op = format!("{set}op a(flags: word) {{\n    ");
    let branch = format!("{set}branch b = true {{\n    ");
    for (text, wanted, unwanted) in [
        (format!("{set}\n"), "feature", "clobbers"),
        ("patchset demo {\n    ".to_owned(), "baseline", "clobbers"),
        ("patchset demo {\n    arch ".to_owned(), "i386", "kernel"),
        ("patchset demo {\n    abi ".to_owned(), "kernel", "att"),
        (op.clone(), "clobbers", "baseline"),
        (op.clone(), "x86_64", "word"),
        (format!("{op}clobbers "), "caller_saved", "site"),
        (format!("{op}clobbers r"), "rax", "barrier"),
        (format!("{op}site "), "jmp.stub", "rax"),
        (format!("{op}site ca"), "call.mem", "jmp.mem"),
        (format!("{op}allow(PV"), "PV0504", "PV0401"),
        (format!("{op}x86_64 when "), "xenpv", "word"),
        (format!("{op}x86_64 when xenpv && avx"), "avx2", "xenpv"),
        (format!("{op}x86_64 {{ pushf"), "pushfq", "cli"),
        (format!("{op}i386 {{ pushf"), "pushfl", "pushfq"),
        (format!("{op}x86_64, i386 {{ nop; pushf"), "pushf", "pushfq"),
        (format!("{op}x86_64 {{ push {{"), "flags", "rax"),
        (format!("{op}x86_64 {{ mov %r"), "rax", "eax"),
        (format!("{op}i386 {{ mov %e"), "eax", "rax"),
        (format!("{op}x86_64 {{ movl $1, %"), "eax", "rax"),
        (format!("{op}x86_64 {{ paddb %"), "xmm0", "rax"),
        (format!("{op}x86_64 {{ movups 8(%"), "rdi", "xmm0"),
        (format!("{op}x86_64, i386 {{ mov %"), "eax", "rax"),
        (format!("{op}x86_64 when xenpv {{ nop }} "), "", "avx"),
        (format!("{op}x86_64 {{ nop }}\n}}\n"), "feature", "word"),
        (format!("{set}branch b = "), "false", "op"),
        (format!("{set}branch b = true\n"), "op", "true"),
        (branch.clone(), "live", "clobbers"),
        (format!("{branch}arch "), "i386", "live"),
        (format!("{branch}live\n}}\n"), "op", "live"),
        (format!("{set}op a(x: "), "word", "rax"),
        (format!("{set}op a(x: u32 in "), "ecx", "word"),
    ] {
        let found = labels(&text);
        assert!(
            wanted.is_empty() || found.iter().any(|label| label == wanted),
            "{text:?}: {wanted} is not in {found:?}"
        );
        assert!(!found.iter().any(|label| label == unwanted), "{text:?}: {unwanted} is in {found:?}");
    }
}

#[test]
fn fixes_of_findings_are_actions() {
    let mut client = Client::plain();
    let text = SET.replacen("    clobbers barrier\n", "", 1).replace("fa 90", "fa 91");
    let mut now = text.clone();
    let mut found = client.open(URI, &text);
    let mut version = 1;
    // One after the other, as a user would.
    while let Some(first) = found.first() {
        let params = json!({ "textDocument": { "uri": URI }, "range": first["range"],
            "context": { "diagnostics": [first], "only": ["quickfix"] } });
        let actions = client.result("textDocument/codeAction", params);
        let action = actions.as_array().unwrap().iter().find(|action| action["diagnostics"][0] == *first);
        let action = action.unwrap_or_else(|| panic!("a fix of {first}: {actions}"));
        assert_eq!(action["kind"], "quickfix");
        now = apply(&now, &action["edit"]["changes"][URI]);
        version += 1;
        client.replace(URI, version, &now);
        found = client.findings(URI, version);
        assert!(version < 9, "{now}");
    }
    assert!(now.contains("clobbers barrier\n    x86_64, i386 when") && now.contains("= fa 90"), "{now}");

    client.replace(URI, version + 1, &text);
    client.findings(URI, version + 1);
    let params = json!({ "textDocument": { "uri": URI }, "range": whole(),
        "context": { "diagnostics": [], "only": ["source.fixAll"] } });
    let actions = client.result("textDocument/codeAction", params);
    assert_eq!(actions[0]["kind"], "source.fixAll");
    assert_eq!(apply(&text, &actions[0]["edit"]["changes"][URI]), now);
    client.finish();
}

#[test]
fn rows_can_be_rewritten() {
    let mut client = Client::plain();
    client.open(URI, SET);
    let params = |needle, nth| {
        json!({ "textDocument": { "uri": URI }, "range": range(SET, needle, nth),
            "context": { "diagnostics": [], "only": ["refactor"] } })
    };
    let actions = client.result("textDocument/codeAction", params("{ cli }", 0));
    let titles: Vec<_> = actions.as_array().unwrap().iter().map(|action| action["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["write the bytes: `fa`", "write a row for each arch"]);
    assert!(apply(SET, &actions[0]["edit"]["changes"][URI]).contains("{ cli } = fa\n}"));
    let split = apply(SET, &client.result("textDocument/codeAction", params("fa 90", 0))[0]["edit"]["changes"][URI]);
    assert!(
        split.contains("    x86_64 when !xenpv { cli; nop } = fa 90\n    i386 when !xenpv { cli; nop } = fa 90\n"),
        "{split}"
    );
    client.replace(URI, 2, &split);
    assert!(client.last_findings(URI, 2).is_empty());
    client.finish();
}

#[test]
fn renames_reach_every_use() {
    let mut client = Client::plain();
    client.open(URI, SET);
    for (needle, nth, new, gone) in [
        ("xenpv", 1, "xen_guest", "xenpv"),
        ("flags}", 0, "eflags", "{flags}"),
        ("irq.save", 0, "cpu.irq.save", " irq.save"),
    ] {
        assert!(client.result("textDocument/prepareRename", at(SET, needle, nth)).is_object(), "{needle}");
        let mut params = at(SET, needle, nth);
        params["newName"] = json!(new);
        let edit = client.result("textDocument/rename", params);
        let renamed = apply(SET, &edit["changes"][URI]);
        assert!(!renamed.contains(gone) && renamed.contains(new), "{renamed}");
        let files = crate::source::MemoryLoader::from_iter([("x.pv", renamed.clone())]);
        assert!(crate::compile("x.pv", &files).checked.is_some(), "{renamed}");
    }
    assert_eq!(client.result("textDocument/prepareRename", at(SET, "pushf", 0)), Value::Null);
    for (needle, new, why) in
        [("xenpv", "a b", "no name"), ("xenpv", "avx", "already"), ("irq.save", "irq.disable", "already")]
    {
        let mut params = at(SET, needle, 0);
        params["newName"] = json!(new);
        let (code, message) = client.request("textDocument/rename", params).unwrap_err();
        assert_eq!(code, -32803);
        assert!(message.contains(why), "{message}");
    }
    client.finish();
}

#[test]
fn formatting_is_that_of_the_command() {
    let mut client = Client::plain();
    let text = SET.replace("    clobbers barrier", "  clobbers   barrier").replace("{ cli }", "{cli}");
    client.open(URI, &text);
    let edits = client.result(
        "textDocument/formatting",
        json!({ "textDocument": { "uri": URI },
        "options": { "tabSize": 4, "insertSpaces": true } }),
    );
    let wanted = crate::format(&text, &crate::FormatOptions::default()).unwrap();
    assert_eq!(apply(&text, &edits), wanted);
    // Only the first op.
    let edits = client.result(
        "textDocument/rangeFormatting",
        json!({ "textDocument": { "uri": URI },
        "range": range(&text, "{cli}", 0), "options": { "tabSize": 4, "insertSpaces": true } }),
    );
    let part = apply(&text, &edits);
    assert!(part.contains("  clobbers   barrier") && !part.contains("{cli}"), "{part}");
    // What cannot be read stays as it is.
    client.replace(URI, 2, "patchset demo {");
    client.last_findings(URI, 2);
    let nothing = client.result(
        "textDocument/formatting",
        json!({ "textDocument": { "uri": URI },
        "options": { "tabSize": 4, "insertSpaces": true } }),
    );
    assert_eq!(nothing, Value::Null);
    client.finish();
}
