//! Random edits with requests in between: the server lives, answers each request, and its findings are never old.
//!
//! `PVC_LSP_EDITS` is the number of edits; a campaign has a million.

use super::*;
use crate::source::MemoryLoader;

const REQUESTS: [&str; 13] = [
    "textDocument/hover",
    "textDocument/completion",
    "textDocument/definition",
    "textDocument/documentHighlight",
    "textDocument/prepareRename",
    "textDocument/documentSymbol",
    "textDocument/foldingRange",
    "textDocument/semanticTokens/full",
    "textDocument/codeLens",
    "textDocument/inlayHint",
    "textDocument/codeAction",
    "textDocument/formatting",
    "textDocument/diagnostic",
];

const PIECES: [&str; 22] = [
    "{",
    "}",
    "\n",
    "op x() {\n",
    "feature f\n",
    "//",
    "rax",
    "flags, ",
    "= 90",
    " when avx ",
    "identity ",
    "\"",
    "(",
    ",",
    "\u{1f600}",
    "{flags}",
    "%",
    "x86_64 { nop }\n",
    "include \"x.pv\"\n",
    "branch b = true\n",
    "patchset p {",
    "\r\n",
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// The UTF-16 position of an offset.
fn place(text: &str, offset: usize) -> Value {
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    json!({ "line": before.matches('\n').count(), "character": before[start..].encode_utf16().count() })
}

fn boundary(text: &str, mut at: usize) -> usize {
    // Not between the two bytes of a line end either: a position there is the one before it.
    while !text.is_char_boundary(at) || (at > 0 && text[..at].ends_with('\r') && text[at..].starts_with('\n')) {
        at -= 1;
    }
    at
}

#[test]
fn random_edits_and_requests() {
    let edits = std::env::var("PVC_LSP_EDITS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut client = Client::plain();
    client.open(URI, SET);
    let mut text = SET.to_owned();
    let mut asked = Vec::new();
    for version in 2..edits + 2 {
        let start = boundary(&text, random.below(text.len() + 1));
        let (end, new) = match random.below(12) {
            0 => (text.len(), ""),
            1..=4 => (boundary(&text, (start + random.below(9)).min(text.len())).max(start), ""),
            _ => (start, PIECES[random.below(PIECES.len())]),
        };
        let range = json!({ "start": place(&text, start), "end": place(&text, end) });
        client.change(URI, version, range, new);
        text.replace_range(start..end, new);
        let at = place(&text, boundary(&text, random.below(text.len() + 1)));
        let method = REQUESTS[random.below(REQUESTS.len())];
        let params = json!({ "textDocument": { "uri": URI }, "position": at, "newName": "x", "range": whole(),
            "context": { "diagnostics": [], "triggerKind": 1 }, "options": { "tabSize": 4, "insertSpaces": true } });
        asked.push((method, client.ask(method, params)));
        if version % 5 == 0 {
            for (method, id) in asked.drain(..) {
                if let Err(error) = client.answer(&id) {
                    panic!("{method} of version {version}: {error:?}\n{text}");
                }
            }
            let found = client.last_findings(URI, version);
            let files = MemoryLoader::from_iter([("/sets/demo.pv", text.clone())]);
            let whole = crate::compile("/sets/demo.pv", &files);
            let codes = |code: &Value| code.as_str().unwrap_or_default().to_owned();
            let found: Vec<String> = found.iter().map(|found| codes(&found["code"])).collect();
            let wanted: Vec<String> = whole.diagnostics.list().iter().map(|found| found.code.to_string()).collect();
            assert_eq!(found, wanted, "version {version} of\n{text}");
        }
        if version % 40 == 0 {
            text = SET.to_owned();
            client.replace(URI, version, &text);
            assert!(client.last_findings(URI, version).is_empty());
        }
    }
    client.abandon();
}
