//! The life of a connection: start, cancellation, panics, mistakes of the client, findings, end.

use super::*;

#[test]
fn starts_and_ends_in_order() {
    let mut client = Client::connect();
    assert_eq!(client.request("textDocument/hover", json!({})).unwrap_err().0, -32002);
    client.notify("textDocument/didOpen", json!({}));
    let params = json!({ "processId": null, "rootUri": null, "capabilities": {} });
    let started = client.request("initialize", params.clone()).unwrap();
    assert_eq!(started["serverInfo"]["name"], "pvc");
    assert_eq!(client.request("initialize", params).unwrap_err().0, -32600);
    assert_eq!(client.request("no/such/method", json!({})).unwrap_err().0, -32601);
    assert_eq!(client.request("textDocument/hover", json!({ "textDocument": 1 })).unwrap_err().0, -32602);
    client.notify("textDocument/didOpen", json!({ "textDocument": 1 }));
    assert!(client.told("window/logMessage")["message"].as_str().unwrap().contains("didOpen"));
    client.notify("$/unknown", json!({}));
    client.finish();
}

#[test]
fn a_panic_is_an_answer() {
    let mut client = Client::plain();
    assert!(client.open(URI, SET).is_empty());
    let (code, message) = client.request("pvc/panic", json!({})).unwrap_err();
    assert_eq!(code, -32603);
    assert!(message.contains("as the test wants it"), "{message}");
    assert!(client.told("window/logMessage")["message"].as_str().unwrap().contains("pvc/panic"));
    assert!(client.result("textDocument/hover", at(SET, "cli", 0)).is_object());
    client.finish();
}

#[test]
fn a_cancelled_request_is_not_worked_on() {
    let mut client = Client::plain();
    assert!(client.open(URI, SET).is_empty());
    // The server sees the cancellation with the request only if it is busy meanwhile: give it a large text first.
    let large = SET.to_owned() + &"\nop a() {\n    x86_64 { nop }\n}\n".repeat(3000);
    client.replace(URI, 2, &large);
    client.notify(
        "textDocument/didChange",
        json!({ "textDocument": { "uri": URI, "version": 3 }, "contentChanges": [] }),
    );
    let early = client.ask("textDocument/hover", at(SET, "cli", 0));
    let id = client.ask("textDocument/documentSymbol", document());
    client.notify("$/cancelRequest", json!({ "id": 3 }));
    let answer = client.answer(&id);
    assert!(client.answer(&early).is_ok());
    // If the server was fast enough the answer is there; what must not be is neither.
    if let Err((code, _)) = answer {
        assert_eq!(code, -32800);
    }
    client.abandon();
}

#[test]
fn positions_are_what_was_agreed_on() {
    for (offered, chosen) in [
        (json!(["utf-8", "utf-16"]), "utf-8"),
        (json!(["utf-32", "utf-8"]), "utf-32"),
        (json!(["other"]), "utf-16"),
        (Value::Null, "utf-16"),
    ] {
        let mut client = Client::start(json!({ "general": { "positionEncodings": offered } }), Value::Null);
        assert_eq!(client.capabilities["positionEncoding"], chosen);
        let text = SET.replace("= fa 90", "= fa 91");
        // An emoji before the bytes moves them by what the encoding says.
        let text = text.replace("{ cli; nop } =", "{ cli; nop /*\u{1f600}*/ } =");
        let found = client.open(URI, &text);
        let line = text.lines().position(|line| line.contains("fa 91")).unwrap();
        let before = text.lines().nth(line).unwrap().split("fa 91").next().unwrap();
        let column = match chosen {
            "utf-8" => before.len(),
            "utf-32" => before.chars().count(),
            _ => before.encode_utf16().count(),
        };
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["code"], "PV0303");
        assert_eq!(found[0]["range"]["start"], json!({ "line": line, "character": column }), "{chosen}");
        client.finish();
    }
}

#[test]
fn findings_say_all_there_is() {
    let mut client = Client::plain();
    let text = SET.replace("clobbers barrier\n    x86_64, i386 {", "clobbers rcx, barrier\n    x86_64, i386 {");
    let text = text.replace("op irq.save()", "op irq.disable()");
    let found = client.open(URI, &text);
    let duplicate = found.iter().find(|found| found["code"] == "PV0202").expect("the name stands twice");
    assert_eq!(duplicate["severity"], 1);
    assert_eq!(duplicate["source"], "pvc");
    assert_eq!(duplicate["relatedInformation"][0]["location"]["range"], range(&text, "irq.disable", 0));
    let page = duplicate["codeDescription"]["href"].as_str().expect("a page");
    let path = page.strip_prefix("file://").expect("a file");
    assert!(std::fs::read_to_string(path).expect("it is there").contains("PV0202"));

    let text = SET.replace("clobbers barrier\n    x86_64, i386 {", "clobbers rcx, barrier\n    x86_64, i386 {");
    client.replace(URI, 2, &text.replace("x86_64, i386 { pushf", "x86_64 { pushf"));
    let found = client.findings(URI, 2);
    let needless = found.iter().find(|found| found["code"] == "PV0504").expect("rcx is not needed");
    assert_eq!((needless["tags"].clone(), needless["severity"].clone()), (json!([1]), json!(2)));
    client.finish();
}

#[test]
fn findings_follow_each_change() {
    let mut client = Client::plain();
    assert!(client.open(URI, SET).is_empty());
    client.change(URI, 2, range(SET, "fa 90", 0), "fa");
    let found = client.findings(URI, 2);
    assert_eq!((found.len(), &found[0]["code"]), (1, &json!("PV0303")));
    let mut short = range(SET, "fa", 0);
    client.change(URI, 3, short.take(), "fa 90");
    assert!(client.findings(URI, 3).is_empty());
    client.notify("textDocument/didClose", document());
    // The file is not on disk either: what was pushed is taken back.
    let gone = client.told("textDocument/publishDiagnostics");
    assert_eq!((gone["uri"].clone(), gone["diagnostics"].clone()), (json!(URI), json!([])));
    client.finish();
}

#[test]
fn findings_can_be_pulled() {
    let mut client = Client::start(
        json!({ "textDocument": { "diagnostic": {} }, "workspace": { "diagnostics": { "refreshSupport": true } } }),
        Value::Null,
    );
    let document = json!({ "uri": URI, "languageId": "pv", "version": 1, "text": SET.replace("fa 90", "fa") });
    client.notify("textDocument/didOpen", json!({ "textDocument": document }));
    let pulled = client.result("textDocument/diagnostic", super::document());
    assert_eq!(pulled["kind"], "full");
    assert_eq!(pulled["items"][0]["code"], "PV0303");
    let id = pulled["resultId"].clone();
    let mut again = super::document();
    again["previousResultId"] = id.clone();
    assert_eq!(client.result("textDocument/diagnostic", again)["kind"], "unchanged");
    let all = client.result("workspace/diagnostic", json!({ "previousResultIds": [] }));
    assert_eq!(all["items"][0]["resultId"], id);
    assert_eq!(all["items"][0]["uri"], URI);
    client.finish();
}

#[test]
fn findings_of_included_files_come_along() {
    let dir = tempfile::tempdir().unwrap();
    let uri = |name: &str| crate::lsp::uri::of_path(dir.path().join(name).to_str().unwrap()).as_ref().to_owned();
    let root = "patchset demo { arch x86_64 }\ninclude \"common.pv\"\n";
    std::fs::write(dir.path().join("common.pv"), "op a() {\n    x86_64 { cli }\n}\n").unwrap();
    std::fs::write(
        dir.path().join("other.pv"),
        "patchset other { arch x86_64 }\nop b() {\n    x86_64 { nop } = 91\n}\n",
    )
    .unwrap();
    let mut client =
        Client::in_folder(&uri(""), json!({ "textDocument": { "diagnostic": { "relatedDocumentSupport": true } } }));
    let document = json!({ "uri": uri("root.pv"), "languageId": "pv", "version": 1, "text": root });
    client.notify("textDocument/didOpen", json!({ "textDocument": document }));
    let root = json!({ "textDocument": { "uri": uri("root.pv") } });
    let pulled = client.result("textDocument/diagnostic", root.clone());
    assert_eq!(pulled["items"], json!([]));
    let included = &pulled["relatedDocuments"][uri("common.pv")];
    assert_eq!((&included["kind"], &included["items"][0]["code"]), (&json!("full"), &json!("PV0502")));
    let mut again = root;
    again["previousResultId"] = pulled["resultId"].clone();
    let again = client.result("textDocument/diagnostic", again);
    assert_eq!((&again["kind"], &again["relatedDocuments"]), (&json!("unchanged"), &pulled["relatedDocuments"]));
    // A set of the folder that nobody opened.
    let all = client.result("workspace/diagnostic", json!({ "previousResultIds": [] }));
    let other = all["items"].as_array().unwrap().iter().find(|report| report["uri"] == uri("other.pv"));
    assert_eq!(other.expect("a report")["items"][0]["code"], "PV0303");
    let symbols = client.result("workspace/symbol", json!({ "query": "b" }));
    assert_eq!((&symbols[0]["name"], &symbols[0]["location"]["uri"]), (&json!("b"), &json!(uri("other.pv"))));
    std::fs::remove_file(dir.path().join("other.pv")).unwrap();
    let change = json!({ "changes": [{ "uri": uri("other.pv"), "type": 3 }] });
    client.notify("workspace/didChangeWatchedFiles", change);
    let all = client.result("workspace/diagnostic", json!({ "previousResultIds": [] }));
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all}");
    client.finish();
}

#[test]
fn changes_on_disk_are_asked_for() {
    let capabilities = json!({ "workspace": { "didChangeWatchedFiles": { "dynamicRegistration": true } } });
    let mut client = Client::start(capabilities, Value::Null);
    let asked = client.asked("client/registerCapability");
    assert_eq!(asked["registrations"][0]["method"], "workspace/didChangeWatchedFiles");
    client.finish();
}

#[test]
fn an_included_document_belongs_to_the_set_around_it() {
    let dir = tempfile::tempdir().unwrap();
    let uri = |name: &str| crate::lsp::uri::of_path(dir.path().join(name).to_str().unwrap()).as_ref().to_owned();
    let root = "patchset demo { arch x86_64 }\ninclude \"common.pv\"\nop a() {\n    x86_64 when xenpv { nop }\n    x86_64 { nop }\n}\n";
    std::fs::write(dir.path().join("root.pv"), root).unwrap();
    std::fs::write(dir.path().join("common.pv"), "feature xenpv\n").unwrap();
    let mut client = Client::plain();
    // Found on disk: alone the document would be no set, and the feature unused.
    assert_eq!(client.open(&uri("common.pv"), "feature xenpv\n"), Vec::<Value>::new());
    // Not saved, and seen by the set that includes it; that one is not open.
    client.replace(&uri("common.pv"), 2, "feature xen\n");
    assert_eq!(client.findings(&uri("common.pv"), 2).len(), 0);
    let of_root = client.told("textDocument/publishDiagnostics");
    assert_eq!(of_root["uri"], uri("root.pv"));
    assert_eq!(of_root["diagnostics"][0]["code"], "PV0201");
    // Opened, mended in the buffer, and both are clean.
    assert_eq!(client.open(&uri("root.pv"), root).len(), 1);
    client.replace(&uri("root.pv"), 2, &root.replace("xenpv", "xen"));
    assert_eq!(client.findings(&uri("root.pv"), 2), Vec::<Value>::new());
    let here = json!({ "textDocument": { "uri": uri("root.pv") }, "position": position(root, "xenpv", 0) });
    let declared = client.result("textDocument/definition", here);
    assert_eq!(declared["uri"], uri("common.pv"));
    let include = json!({ "textDocument": { "uri": uri("root.pv") }, "position": position(root, "common", 0) });
    assert_eq!(client.result("textDocument/definition", include)["uri"], uri("common.pv"));
    client.finish();
}

#[test]
fn a_file_that_changes_on_disk_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let uri = |name: &str| crate::lsp::uri::of_path(dir.path().join(name).to_str().unwrap()).as_ref().to_owned();
    std::fs::write(dir.path().join("common.pv"), "feature xenpv\n").unwrap();
    let root = "patchset demo { arch x86_64 }\ninclude \"common.pv\"\nop a() {\n    x86_64 when xenpv { nop }\n    x86_64 { nop }\n}\n";
    let mut client = Client::plain();
    assert_eq!(client.open(&uri("root.pv"), root), Vec::<Value>::new());
    std::fs::write(dir.path().join("common.pv"), "// nothing here any more\n").unwrap();
    let change = json!({ "changes": [{ "uri": uri("common.pv"), "type": 2 }] });
    client.notify("workspace/didChangeWatchedFiles", change);
    assert_eq!(client.findings(&uri("root.pv"), 1)[0]["code"], "PV0201");
    // Nobody tells this time; the next request finds out.
    std::fs::write(dir.path().join("common.pv"), "feature xenpv\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    client.result("textDocument/documentSymbol", json!({ "textDocument": { "uri": uri("root.pv") } }));
    assert_eq!(client.findings(&uri("root.pv"), 1), Vec::<Value>::new());
    client.finish();
}
