//! Semantic tokens.

use super::names::{self, Kind};
use super::workspace::View;
use gen_lsp_types::{Range, SemanticToken, SemanticTokens};

/// The legend: types that editors have colours for.
pub(super) const TYPES: [&str; 14] = [
    "keyword",
    "namespace",
    "function",
    "variable",
    "parameter",
    "type",
    "enumMember",
    "string",
    "number",
    "macro",
    "regexp",
    "property",
    "decorator",
    "label",
];

/// The legend: modifiers.
pub(super) const MODIFIERS: [&str; 2] = ["declaration", "readonly"];

/// The type of a word in the legend, and its modifiers as bits.
fn legend(kind: Kind) -> (&'static str, u32) {
    match kind {
        Kind::Keyword => ("keyword", 0),
        Kind::Set => ("namespace", 1),
        Kind::Op | Kind::Branch => ("function", 1),
        Kind::Feature => ("variable", 1 | 2),
        Kind::FeatureUse | Kind::Level => ("variable", 2),
        Kind::Operand => ("parameter", 1),
        Kind::Role => ("parameter", 0),
        Kind::Type => ("type", 0),
        Kind::Arch | Kind::Value | Kind::Site | Kind::Clobber => ("enumMember", 0),
        Kind::Place | Kind::Register => ("property", 0),
        Kind::Code => ("decorator", 0),
        Kind::Text | Kind::Path => ("string", 0),
        Kind::Symbol => ("function", 0),
        Kind::Bytes => ("number", 0),
        Kind::Mnemonic => ("macro", 0),
        Kind::Directive => ("regexp", 0),
        Kind::Label => ("label", 1),
    }
}

/// The words of a document, or of a range of it.
pub(super) fn tokens(view: &View<'_>, range: Option<Range>) -> SemanticTokens {
    let text = view.text();
    let (start, end) = match range {
        Some(range) => (text.offset(range.start), text.offset(range.end)),
        None => (0, text.file.text.len()),
    };
    let syntax = view.syntax();
    let mut data = Vec::new();
    let (mut last_line, mut last_column) = (0, 0);
    let items = view.analysis.items_of(view.file);
    for item in items.filter(|item| item.range.start <= end && start <= item.range.end) {
        for name in names::of_piece(&item.piece, syntax) {
            let span = item.span(name.span);
            if (span.end as usize) < start || end < span.start as usize {
                continue;
            }
            let (kind, modifiers) = legend(name.kind);
            let token_type = TYPES.iter().position(|known| *known == kind).unwrap_or(0) as u32;
            // A list of bytes may run over several lines, a token may not.
            let mut offset = span.start as usize;
            for line in name.text.split_inclusive('\n') {
                let shown = line.trim_end();
                let blank = shown.len() - shown.trim_start().len();
                if !shown.trim().is_empty() {
                    let at = text.position(offset + blank);
                    let delta_line = at.line - last_line;
                    let delta_start = if delta_line == 0 { at.character - last_column } else { at.character };
                    let length = view.encoding.len(&shown[blank..]);
                    data.push(SemanticToken {
                        delta_line,
                        delta_start,
                        length,
                        token_type,
                        token_modifiers_bitset: modifiers,
                    });
                    (last_line, last_column) = (at.line, at.character);
                }
                offset += line.len();
            }
        }
    }
    SemanticTokens { result_id: None, data }
}
