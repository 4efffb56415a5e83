//! What is shown and where one can go.

use super::*;

fn hover(client: &mut Client, needle: &str, nth: usize) -> String {
    let shown = client.result("textDocument/hover", at(SET, needle, nth));
    shown["contents"]["value"].as_str().unwrap_or_else(|| panic!("{needle}: {shown}")).to_owned()
}

#[test]
fn hover_tells_what_the_compiler_knows() {
    let mut client = Client::plain();
    client.open(URI, SET);
    for (needle, nth, facts) in [
        ("= fa 90", 0, &["fa 90", "2/6 bytes, slack 4", "cli; nop", "privileged", "barrier"][..]),
        ("pushf", 0, &["**pushf** on x86_64", "Pushes the flags register.", "PUSHF", "reads the flags", "encoding"]),
        ("{flags}", 0, &["operand `flags`", "x86_64: result in rax", "i386: result in eax"]),
        ("flags: word", 0, &["operand `flags`"]),
        ("word", 0, &["`word`"]),
        (
            "irq.save",
            0,
            &[
                "Read the flags.",
                "unsigned long pv_demo_irq_save(void);",
                "fn save()",
                "call.mem (6 bytes); clobbers barrier",
            ],
        ),
        ("xenpv", 0, &["feature `xenpv`", "Xen."]),
        ("xenpv", 1, &["feature `xenpv`", "Xen."]),
        ("barrier", 0, &["Orders"]),
        ("clobbers", 0, &["may destroy"]),
        ("when", 0, &["condition"]),
        ("x86_64_v1", 0, &["sse2"]),
        ("i386", 1, &["32-bit"]),
    ] {
        let text = hover(&mut client, needle, nth);
        for fact in facts {
            assert!(text.contains(fact), "{needle}: `{fact}` is not in\n{text}");
        }
    }
    assert_eq!(client.result("textDocument/hover", at(SET, "//! A set", 0)), Value::Null);
    client.finish();
}

#[test]
fn hover_of_a_row_that_is_too_long() {
    let text = SET.replace("{ cli; nop } = fa 90", "{ cli; movabs $1, %rax } ").replace(", i386", "");
    let mut client = Client::plain();
    assert!(!client.open(URI, &text).is_empty());
    let shown = client.result("textDocument/hover", at(&text, "{ cli; movabs", 0));
    assert!(shown["contents"]["value"].as_str().unwrap().contains("5 too long"), "{shown}");
    client.finish();
}

#[test]
fn hints_show_length_and_bytes() {
    let hints = |options: Value| {
        let mut client = Client::start(json!({}), options);
        client.open(URI, SET);
        let hints =
            client.result("textDocument/inlayHint", json!({ "textDocument": { "uri": URI }, "range": whole() }));
        client.finish();
        let hints = hints.as_array().unwrap().clone();
        hints.into_iter().map(|hint| hint["label"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(hints(Value::Null), ["2/6 bytes", "1/6 bytes", "2/6 bytes"]);
    assert_eq!(
        hints(json!({ "inlayHints": { "bytes": true, "length": false } })),
        ["= fa"],
        "only the row that has none beside it"
    );
}

#[test]
fn settings_can_change() {
    let mut client = Client::start(json!({ "workspace": { "inlayHint": { "refreshSupport": true } } }), Value::Null);
    client.open(URI, SET);
    client.notify("workspace/didChangeConfiguration", json!({ "settings": {} }));
    let off = json!({ "settings": { "pvc": { "inlayHints": { "length": false }, "codeLens": false } } });
    client.notify("workspace/didChangeConfiguration", off);
    client.asked("workspace/inlayHint/refresh");
    let params = json!({ "textDocument": { "uri": URI }, "range": whole() });
    assert_eq!(client.result("textDocument/inlayHint", params), json!([]));
    assert_eq!(client.result("textDocument/codeLens", document()), Value::Null);
    client.finish();
}

#[test]
fn names_lead_to_each_other() {
    let mut client = Client::plain();
    client.open(URI, SET);
    let declared = client.result("textDocument/definition", at(SET, "xenpv", 1));
    assert_eq!(declared, json!({ "uri": URI, "range": range(SET, "xenpv", 0) }));
    let role = client.result("textDocument/definition", at(SET, "flags}", 0));
    assert_eq!(role["range"], range(SET, "flags", 1));
    let mut params = at(SET, "xenpv", 0);
    params["context"] = json!({ "includeDeclaration": true });
    assert_eq!(client.result("textDocument/references", params.clone()).as_array().unwrap().len(), 2);
    params["context"] = json!({ "includeDeclaration": false });
    assert_eq!(client.result("textDocument/references", params)[0]["range"], range(SET, "xenpv", 1));
    let lights = client.result("textDocument/documentHighlight", at(SET, "flags}", 0));
    assert_eq!(lights[0], json!({ "range": range(SET, "flags", 1), "kind": 3 }));
    assert_eq!(lights[1], json!({ "range": range(SET, "flags", 2), "kind": 2 }));
    client.finish();
}

#[test]
fn symbols_folds_and_selections() {
    let mut client = Client::plain();
    client.open(URI, SET);
    let symbols = client.result("textDocument/documentSymbol", document());
    let names: Vec<_> = symbols.as_array().unwrap().iter().map(|symbol| symbol["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["demo", "xenpv", "irq.disable", "irq.save"]);
    assert_eq!(symbols[2]["children"][0]["name"], "x86_64, i386 when !xenpv");
    let found = client.result("workspace/symbol", json!({ "query": "iqs" }));
    assert_eq!(found.as_array().unwrap().len(), 2, "letters in order: {found}");
    let folds = client.result("textDocument/foldingRange", document());
    assert!(folds.as_array().unwrap().contains(&json!({ "startLine": 11, "endLine": 15 })), "{folds}");
    let positions = json!({ "textDocument": { "uri": URI }, "positions": [position(SET, "nop", 0)] });
    let mut selection = client.result("textDocument/selectionRange", positions)[0].take();
    let mut texts = Vec::new();
    while selection.is_object() {
        texts.push(selection["range"].clone());
        selection = selection["parent"].take();
    }
    assert_eq!(texts[0], range(SET, "nop", 0));
    assert!(texts.len() >= 5, "word, asm, row, op, file: {texts:?}");
    client.finish();
}

#[test]
fn tokens_are_the_words_of_the_text() {
    let mut client = Client::plain();
    client.open(URI, SET);
    let tokens = client.result("textDocument/semanticTokens/full", document());
    let types = client.capabilities["semanticTokensProvider"]["legend"]["tokenTypes"].clone();
    let (mut line, mut column) = (0, 0);
    let mut shown = Vec::new();
    let numbers: Vec<usize> = tokens["data"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    for token in numbers.chunks(5) {
        column = if token[0] == 0 { column + token[1] } else { token[1] };
        line += token[0];
        let text = &SET.lines().nth(line).unwrap()[column..column + token[2]];
        shown.push(format!("{text} {}", types[token[3]].as_str().unwrap()));
    }
    for wanted in [
        "patchset keyword",
        "irq.disable function",
        "cli macro",
        "{flags} parameter",
        "fa 90 number",
        "x86_64 enumMember",
    ] {
        assert!(shown.iter().any(|found| found == wanted), "{wanted}: {shown:?}");
    }
    let part = json!({ "textDocument": { "uri": URI }, "range": range(SET, "feature xenpv", 0) });
    let part = client.result("textDocument/semanticTokens/range", part);
    assert_eq!(part["data"].as_array().unwrap().len(), 10);
    client.finish();
}

#[test]
fn lenses_show_code() {
    let mut client = Client::start(json!({ "window": { "showDocument": { "support": true } } }), Value::Null);
    client.open(URI, SET);
    let lenses = client.result("textDocument/codeLens", document());
    assert_eq!(lenses.as_array().unwrap().len(), 4);
    for (lens, fact) in [(&lenses[0], "cli"), (&lenses[1], "pv_demo_irq_disable")] {
        let shown = client.result("workspace/executeCommand", lens["command"].clone());
        assert!(shown["text"].as_str().unwrap().contains(fact), "{shown}");
        let page = client.asked("window/showDocument")["uri"].as_str().unwrap().to_owned();
        let text = std::fs::read_to_string(page.strip_prefix("file://").unwrap()).expect("it is a file");
        assert_eq!(text, shown["text"]);
    }
    let wrong = json!({ "command": "pvc.showDisassembly", "arguments": [URI, "no.such"] });
    assert_eq!(client.request("workspace/executeCommand", wrong).unwrap_err().0, -32803);
    client.finish();
}

#[test]
fn hover_of_branches_and_prefixes() {
    let text = format!(
        "{SET}\n/// Traced.\nbranch trace.on = true {{\n    arch i386\n    live\n}}\n\nop a(p: ptr) {{\n    clobbers flags, memory\n    x86_64 {{ lock incl ({{p}}) }}\n}}\n"
    );
    let mut client = Client::plain();
    client.open(URI, &text);
    for (needle, nth, facts) in [
        (
            "trace.on",
            0,
            &["Traced.", "true until", "on i386", "live", "bool pv_demo_branch_trace_on(void);", "demo::trace::on()"][..],
        ),
        ("live", 0, &["other CPUs run through"]),
        ("lock", 0, &["prefix `lock`", "one atomic step"]),
        ("incl", 0, &["Adds one", "flags"]),
        ("demo", 0, &["patch set `demo`"]),
    ] {
        let shown = client.result("textDocument/hover", at(&text, needle, nth));
        let shown = shown["contents"]["value"].as_str().unwrap_or_default();
        assert!(facts.iter().all(|fact| shown.contains(fact)), "{needle}: {shown}");
    }
    client.finish();
}
