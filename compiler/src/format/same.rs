//! What of a text the formatter must keep.

use super::RowBytes;
use super::item::{Leaf, leaves};
use crate::syntax::{PvParser, Rule, condition_text, split};
use pest::Parser;

/// The tokens of a text in order and its comments, without what layout may change: white space, a comma behind the last
/// item of a list, the case of bytes. `bytes` replaces those of the rows that it names.
pub(super) fn fingerprint(text: &str, bytes: &RowBytes) -> (Vec<String>, Vec<String>) {
    let mut tokens: Vec<String> = Vec::new();
    let mut comments = Vec::new();
    for (index, piece) in split::split(text).enumerate() {
        let base = piece.start;
        let rule = if index == 0 { Rule::preamble } else { Rule::item };
        let mut all = Vec::new();
        PvParser::parse(rule, &text[piece]).into_iter().flatten().for_each(|pair| leaves(pair, &mut all));
        let mut fresh: Option<&String> = None;
        for (at, leaf) in all.iter().enumerate() {
            if let Some(found) = bytes.get(&((base + leaf.start) as u32)) {
                fresh = Some(found);
            }
            let has_bytes = all.get(at + 1).is_some_and(|next| next.rule == Rule::equals);
            match leaf.rule {
                Rule::EOI => {}
                Rule::comma if all.get(at + 1).is_some_and(|next| closes(&all[at + 1..], next)) => {}
                Rule::comment | Rule::line_end => {
                    let comment = leaf.text.trim();
                    comments.extend((!comment.is_empty()).then(|| comment.to_owned()));
                }
                Rule::bytes => {
                    let written = fresh.take().map_or(leaf.text, String::as_str);
                    tokens.push(written.to_ascii_lowercase().split_whitespace().collect());
                }
                Rule::close if fresh.is_some() && !has_bytes => {
                    let written = fresh.take().map(String::as_str).unwrap_or_default();
                    tokens.extend(["}".into(), "=".into(), written.split_whitespace().collect()]);
                }
                Rule::condition_text => tokens.push(condition_text(leaf.text)),
                Rule::asm_text => tokens.extend(leaf.text.lines().map(|line| line.trim().to_owned())),
                Rule::doc | Rule::inner_doc => tokens.push(doc(leaf.text)),
                _ => tokens.push(leaf.text.to_owned()),
            }
        }
    }
    tokens.retain(|token| !token.is_empty());
    comments.sort();
    (tokens, comments)
}

/// Whether the list ends at `next`, with nothing but comments before its parenthesis.
fn closes(rest: &[Leaf<'_>], next: &Leaf<'_>) -> bool {
    let end = rest.iter().find(|leaf| leaf.rule != Rule::comment).unwrap_or(next);
    end.rule == Rule::rparen
}

/// A doc comment without the space behind its mark.
fn doc(text: &str) -> String {
    let (mark, rest) = text.trim_end().split_at("///".len());
    format!("{mark}{}", rest.strip_prefix(' ').unwrap_or(rest))
}
