//! Completion: what the language, the compiler's tables and the set have for the place where the cursor stands.
//!
//! While one types, the item around the cursor rarely parses, so the place is told from the text before it.

use super::mnemonics::sentence;
use super::names::{PREFIXES, word_len};
use super::registers::{self, Allowed};
use super::words;
use super::workspace::View;
use crate::arch::{Arch, FEATURES, LEVELS};
use crate::diagnostics::{CODES, Severity};
use crate::resolve::{AsmPiece, asm_pieces};
use crate::source::Span;
use crate::syntax::ast::Item;
use gen_lsp_types::{
    CompletionItem, CompletionItemKind, CompletionItemTextEdit, CompletionList, Documentation, Position, TextEdit,
};
use pvc_asm::{Mode, Syntax};
use std::collections::BTreeSet;

/// The most items that are sent; the client asks again when more letters are typed.
const MAX_ITEMS: usize = 300;

/// What can be written at a position.
pub(super) fn complete(view: &View<'_>, position: Position) -> CompletionList {
    let at = view.offset(position);
    let file = view.analysis.sources.file(view.file);
    let start = view.analysis.item_at(view.file, at).map_or(0, |item| item.range.start);
    let before = &file.text[start..at];
    let typed = typed_len(before);
    let (head, prefix) = before.split_at(before.len() - typed);
    let line = head.rsplit('\n').next().unwrap_or_default();
    let mut list = Candidates { prefix: prefix.to_ascii_lowercase(), items: Vec::new(), more: false };
    if !line.trim_start().starts_with("//") || place(head).asm.is_some() {
        candidates(view, head, line, &mut list);
    }
    let span = Span { file: view.file, start: (at - typed) as u32, end: at as u32 };
    let range = view.range(span);
    for item in &mut list.items {
        let new_text = item.insert_text.take().unwrap_or_else(|| item.label.clone());
        item.text_edit = Some(CompletionItemTextEdit::TextEdit(TextEdit { range, new_text }));
    }
    CompletionList { is_incomplete: list.more, items: list.items, ..CompletionList::new(false, None, None, Vec::new()) }
}

/// The length of the name that a text ends in.
fn typed_len(before: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    before.len() - before.trim_end_matches(is_part).len()
}

/// What is offered so far.
struct Candidates {
    prefix: String,
    items: Vec<CompletionItem>,
    more: bool,
}

impl Candidates {
    fn add(&mut self, label: &str, kind: CompletionItemKind, about: &str) {
        if !label.to_ascii_lowercase().starts_with(&self.prefix) {
            return;
        }
        if self.items.len() >= MAX_ITEMS {
            self.more = true;
            return;
        }
        let documentation = Some(about).filter(|about| !about.is_empty());
        self.items.push(CompletionItem {
            label: label.to_owned(),
            kind: Some(kind),
            documentation: documentation.map(|about| Documentation::String(about.to_owned())),
            ..CompletionItem::default()
        });
    }

    fn words(&mut self, table: &[(&str, &str)], kind: CompletionItemKind) {
        for (word, about) in table {
            self.add(word, kind, about);
        }
    }
}

/// In which block a text breaks off.
struct Place<'a> {
    /// Braces that are open.
    depth: usize,
    /// The asm body that is open.
    asm: Option<&'a str>,
    /// A block was closed: the item may be over.
    closed: bool,
}

/// Where a text that begins at an item breaks off.
fn place(text: &str) -> Place<'_> {
    let mut depth = 0_usize;
    let mut closed = false;
    let mut body = 0;
    let mut at = 0;
    let bytes = text.as_bytes();
    while at < bytes.len() {
        match bytes[at] {
            b'/' if depth < 2 && bytes[at..].starts_with(b"//") => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            b'"' if depth < 2 => at += text[at + 1..].find(['"', '\n']).map_or(0, |len| len + 1),
            b'{' if depth < 2 => {
                depth += 1;
                body = at + 1;
                if depth == 2 {
                    // The body up to its own brace, as the compiler cuts it.
                    let Some(len) = body_len(&text[body..]) else { break };
                    at = body + len;
                    depth = 1;
                }
            }
            b'}' => {
                depth = depth.saturating_sub(1);
                closed = true;
            }
            _ => {}
        }
        at += 1;
    }
    Place { depth, asm: (depth == 2).then(|| &text[body..]), closed }
}

/// The length of an asm body that is closed.
fn body_len(text: &str) -> Option<usize> {
    for piece in asm_pieces(text) {
        if let AsmPiece::Code(start, end) = piece
            && let Some(close) = text[start..end].find('}')
        {
            return Some(start + close);
        }
    }
    None
}

fn candidates(view: &View<'_>, head: &str, line: &str, list: &mut Candidates) {
    let Place { depth, asm, closed } = place(head);
    if let Some(body) = asm {
        return in_asm(view, head, body, list);
    }
    let words: Vec<&str> =
        line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let item = item_keyword(head);
    let one_line = matches!(item, "" | "feature" | "include" | "branch");
    match (depth, words.as_slice()) {
        (0, []) if closed || one_line => list.words(words::ITEMS, CompletionItemKind::Keyword),
        (0, _) if closed => {}
        (0, _) if item == "op" && !head.trim_end().ends_with("op") => signature(head, line, list),
        (0, ["include", ..]) => files(view, list),
        (0, ["branch", ..]) if line.contains('=') => list.words(words::TRUTHS, CompletionItemKind::EnumMember),
        (0, _) => {}
        (_, []) if item == "patchset" => list.words(words::SET_CLAUSES, CompletionItemKind::Keyword),
        (_, [clause, ..]) if item == "patchset" => set_clause(clause, list),
        (_, []) if item == "branch" => list.words(words::BRANCH_CLAUSES, CompletionItemKind::Keyword),
        (_, ["arch", ..]) if item == "branch" => list.words(words::ARCHES, CompletionItemKind::EnumMember),
        (_, _) if item == "branch" => {}
        (_, []) => {
            list.words(words::OP_CLAUSES, CompletionItemKind::Keyword);
            list.words(words::ARCHES, CompletionItemKind::EnumMember);
        }
        (_, [clause, ..]) => op_clause(view, clause, line, list),
    }
}

/// The keyword of the item that a text begins with.
fn item_keyword(text: &str) -> &str {
    let is_code = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with("//")
    };
    let line = text.lines().find(is_code).unwrap_or_default().trim_start();
    &line[..word_len(line)]
}

fn signature(head: &str, line: &str, list: &mut Candidates) {
    let end = head.trim_end();
    if end.ends_with(" in") || line.trim_end().ends_with(" in") {
        registers(&Arch::ALL, list);
    } else if end.ends_with([':', '>']) || end.ends_with("-> (") {
        list.words(words::TYPES, CompletionItemKind::TypeParameter);
    } else if head.ends_with(' ') {
        list.add("in", CompletionItemKind::Keyword, "");
    }
}

fn files(view: &View<'_>, list: &mut Candidates) {
    let own = &view.analysis.sources.file(view.file).path;
    let Some(folder) = std::path::Path::new(own).parent() else { return };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(".pv") && !own.ends_with(name.as_str())) {
        list.add(name, CompletionItemKind::File, "");
    }
}

fn set_clause(clause: &str, list: &mut Candidates) {
    match clause {
        "arch" => list.words(words::ARCHES, CompletionItemKind::EnumMember),
        "abi" => list.words(&words::VALUES[..2], CompletionItemKind::EnumMember),
        "syntax" => list.words(&words::VALUES[2..], CompletionItemKind::EnumMember),
        "site" => list.words(words::SITES, CompletionItemKind::EnumMember),
        "baseline" => {
            for level in LEVELS.keys() {
                list.add(level, CompletionItemKind::EnumMember, "");
            }
            for feature in FEATURES.keys() {
                list.add(feature, CompletionItemKind::Constant, "CPU feature");
            }
        }
        _ => {}
    }
}

fn op_clause(view: &View<'_>, clause: &str, line: &str, list: &mut Candidates) {
    match clause {
        "clobbers" => {
            list.words(&words::CLOBBERS[..words::CLOBBERS.len() - 1], CompletionItemKind::EnumMember);
            list.words(&words::ARCHES[..2], CompletionItemKind::EnumMember);
            registers(&arches(line), list);
        }
        "preserves" => {
            list.add("flags", CompletionItemKind::EnumMember, "The arithmetic flags.");
            list.add("vector", CompletionItemKind::EnumMember, "Vector, mask and x87 state.");
        }
        "site" => list.words(words::SITES, CompletionItemKind::EnumMember),
        "allow" if !line.contains(',') => {
            for code in CODES.iter().filter(|info| info.severity == Severity::Warning) {
                list.add(&code.code.to_string(), CompletionItemKind::Constant, code.title);
            }
        }
        "x86_64" | "i386" | "x86" if line.contains('}') => {}
        "x86_64" | "i386" | "x86" if line.contains("when ") => {
            for item in view.items() {
                if let Item::Feature(feature) = item {
                    list.add(&feature.name.text, CompletionItemKind::Constant, &feature.docs.join("\n"));
                }
            }
            for feature in FEATURES.keys() {
                list.add(feature, CompletionItemKind::Constant, "CPU feature");
            }
        }
        "x86_64" | "i386" | "x86" if line.trim_end().ends_with(',') => {
            list.words(words::ARCHES, CompletionItemKind::EnumMember);
        }
        "x86_64" | "i386" | "x86" if !line.contains('=') => {
            list.words(&words::ROW_WORDS[..2], CompletionItemKind::Keyword);
        }
        _ => {}
    }
}

/// The arches that a line names; both if it names none.
fn arches(line: &str) -> Vec<Arch> {
    let named: Vec<Arch> = Arch::ALL.into_iter().filter(|arch| line.contains(arch.name())).collect();
    if named.is_empty() { Arch::ALL.to_vec() } else { named }
}

/// The registers of any of some arches.
fn registers(arches: &[Arch], list: &mut Candidates) {
    let names: BTreeSet<String> = arches.iter().flat_map(|arch| pvc_asm::register_names(arch.mode())).collect();
    for name in names {
        list.add(&name, CompletionItemKind::Variable, "");
    }
}

/// The registers that exist on all arches of a row and that the instruction can name where `statement` breaks off.
fn operands(arches: &[Arch], statement: &str, list: &mut Candidates) {
    let modes: Vec<Mode> = arches.iter().map(|arch| arch.mode()).collect();
    let address = statement.rfind(['(', '[']).is_some_and(|open| !statement[open..].contains([')', ']']));
    let mnemonic = statement.split_whitespace().find(|word| !PREFIXES.contains(word)).unwrap_or_default();
    let vector_index = mnemonic.contains("gather") || mnemonic.contains("scatter");
    let allowed = if address && !vector_index { Allowed::in_address(&modes) } else { Allowed::by(mnemonic, &modes) };
    for name in registers::in_modes(&modes).iter().filter(|name| allowed.allows(name)) {
        list.add(name, CompletionItemKind::Variable, "");
    }
}

/// In an asm body: roles behind `{`, registers behind `%`, mnemonics where an instruction begins.
fn in_asm(view: &View<'_>, head: &str, body: &str, list: &mut Candidates) {
    let row = head[..head.len() - body.len()].rsplit('\n').next().unwrap_or_default();
    let arches = arches(row);
    let syntax = view.syntax();
    if body.ends_with('{') {
        return roles(head, "", "}", list);
    }
    let statement = body.rsplit([';', '\n']).next().unwrap_or_default();
    let statement = statement.rsplit(": ").next().unwrap_or_default();
    if body.ends_with('%') {
        return operands(&arches, statement.trim_end_matches('%'), list);
    }
    let starts = statement.split_whitespace().all(|word| PREFIXES.contains(&word));
    if starts {
        mnemonics(&arches, syntax, list);
    } else {
        roles(head, "{", "}", list);
        if syntax == Syntax::Intel {
            operands(&arches, statement, list);
        }
    }
}

/// Mnemonics that exist in the modes of all arches.
fn mnemonics(arches: &[Arch], syntax: Syntax, list: &mut Candidates) {
    let modes: Vec<Mode> = arches.iter().map(|arch| arch.mode()).collect();
    let Some((first, rest)) = modes.split_first() else { return };
    let prefix = list.prefix.clone();
    for name in pvc_asm::mnemonics(*first, syntax) {
        if name.starts_with(&prefix) && rest.iter().all(|mode| pvc_asm::is_mnemonic(&name, *mode, syntax)) {
            list.add(&name, CompletionItemKind::Function, &sentence(&name).unwrap_or_default());
        }
    }
    for prefix in PREFIXES {
        list.add(prefix, CompletionItemKind::Keyword, &sentence(prefix).unwrap_or_default());
    }
}

/// The operands of the op whose text this is: the names before colons in its signature.
fn roles(head: &str, open: &str, close: &str, list: &mut Candidates) {
    let signature = head.split('{').next().unwrap_or_default();
    let signature = signature.split_once('(').map_or("", |(_, rest)| rest);
    for part in signature.split([',', '(', '>']) {
        let Some((name, _)) = part.split_once(':') else { continue };
        let name = name.trim();
        if !name.is_empty() && word_len(name) == name.len() {
            let before = list.items.len();
            list.add(name, CompletionItemKind::Variable, "operand of this op");
            if let Some(item) = list.items.get_mut(before) {
                item.insert_text = Some(format!("{open}{name}{close}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{place, typed_len};

    #[test]
    fn names_end_a_text() {
        assert_eq!(typed_len("site call.m"), 6);
        assert_eq!(typed_len("\u{1f600}ra"), 2);
        assert_eq!(typed_len("\u{1f600}"), 0);
    }

    #[test]
    fn places() {
        assert_eq!(place("op a(").depth, 0);
        assert_eq!(place("op a() { // {\n  ").depth, 1);
        assert_eq!(place("op a() {\n x86 { cli; ").asm, Some(" cli; "));
        assert_eq!(place("op a() {\n x86 { mov {x}, %").asm, Some(" mov {x}, %"));
        assert_eq!(place("op a() {\n x86 { pop {").asm, Some(" pop {"));
        assert!(place("op a() {\n x86 { cli } = fa\n ").asm.is_none());
        assert_eq!(place("op a() {\n x86 { cli } = fa\n }\n").depth, 0);
    }
}
