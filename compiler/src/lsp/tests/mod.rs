//! The server in this process, spoken to as an editor would. Each message that it sends is asked for by a test: one that
//! is left over fails it.

mod client;
mod editing;
mod life;
mod navigation;
mod random;

use client::Client;
use serde_json::{Value, json};

const URI: &str = "file:///sets/demo.pv";

/// A set with something of each kind, and no finding.
const SET: &str = "\
//! A set.

patchset demo {
    arch     x86_64, i386
    baseline x86_64_v1
}

/// Xen.
feature xenpv

/// Disable interrupts.
op irq.disable() {
    clobbers barrier
    x86_64, i386 when !xenpv { cli; nop } = fa 90
    x86_64, i386             { cli }
}

/// Read the flags.
op irq.save() -> flags: word {
    clobbers barrier
    x86_64, i386 { pushf; pop {flags} } = 9c 58
}
";

/// The position of the `nth` place (from 0) where `needle` stands, as UTF-16; the texts here are ASCII.
fn position(text: &str, needle: &str, nth: usize) -> Value {
    let (at, _) = text.match_indices(needle).nth(nth).unwrap_or_else(|| panic!("`{needle}` stands there"));
    let line = text[..at].matches('\n').count();
    let column = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    json!({ "line": line, "character": column })
}

fn at(text: &str, needle: &str, nth: usize) -> Value {
    json!({ "textDocument": { "uri": URI }, "position": position(text, needle, nth) })
}

/// The range from the start of `needle` to its end.
fn range(text: &str, needle: &str, nth: usize) -> Value {
    let start = position(text, needle, nth);
    let mut end = start.clone();
    end["character"] = json!(start["character"].as_u64().unwrap_or(0) as usize + needle.len());
    json!({ "start": start, "end": end })
}

fn whole() -> Value {
    json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9999, "character": 0 } })
}

fn document() -> Value {
    json!({ "textDocument": { "uri": URI } })
}
