//! The bytes beside a row.

use super::Context;
use crate::diagnostics::{Code, Diagnostic};
use crate::model::Expected;
use crate::source::Span;
use crate::syntax::ast::Word;

/// The most bytes of a group: no site is longer.
const MAX_BYTES: usize = 64;

/// The groups of a list of bytes; `None` if one makes no sense, which has been reported.
pub(super) fn resolve(context: &mut Context<'_>, word: &Word) -> Option<Vec<Expected>> {
    let mut good = true;
    let mut groups = Vec::new();
    let mut at = 0;
    for text in word.text.split('|') {
        let span = trimmed(word.span, at, text);
        at += text.len() + 1;
        match group(context, text, span) {
            Some(bytes) => groups.push(Expected { bytes, span }),
            None => good = false,
        }
    }
    good.then_some(groups)
}

/// The span of `text`, which stands at `offset` of `whole`, without the white space around it.
fn trimmed(whole: Span, offset: usize, text: &str) -> Span {
    let start = offset + text.len() - text.trim_start().len();
    let start = whole.start + start as u32;
    Span { file: whole.file, start, end: start + text.trim().len() as u32 }
}

fn group(context: &mut Context<'_>, text: &str, span: Span) -> Option<Vec<Option<u8>>> {
    let mut bytes = Vec::new();
    let mut at = span.start;
    let text = text.trim();
    if text.is_empty() {
        context.report(
            Diagnostic::new(Code::SYNTAX, span, "a group of bytes is empty")
                .label("expected bytes in hex")
                .help("`= 57 9d | 50 9d` has a group for each arch of the row, in their order"),
        );
        return None;
    }
    for token in text.split(|c: char| c.is_ascii_whitespace()) {
        let place = Span { file: span.file, start: at, end: at + token.len() as u32 };
        at = place.end + 1;
        if token.is_empty() {
            continue;
        }
        let Some(byte) = byte(token) else {
            context.report(explain(token, place));
            return None;
        };
        bytes.push(byte);
    }
    if bytes.len() > MAX_BYTES {
        context.limit(span, format!("a row has at most {MAX_BYTES} bytes, this group has {}", bytes.len()));
        return None;
    }
    Some(bytes)
}

/// Two hex digits, or `??`.
fn byte(token: &str) -> Option<Option<u8>> {
    match token {
        "??" => Some(None),
        _ if token.len() == 2 && token.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u8::from_str_radix(token, 16).ok().map(Some)
        }
        _ => None,
    }
}

/// The finding for what is no byte.
fn explain(token: &str, span: Span) -> Diagnostic {
    let shown: String = token.chars().take(40).collect();
    let found = Diagnostic::new(Code::SYNTAX, span, format!("`{shown}` is no byte"))
        .label("expected two hex digits, or `??` for a byte of a fixup");
    let digits: String = token.split(',').filter(|part| !part.is_empty()).map(bare).collect();
    let hex = digits.len().is_multiple_of(2) && digits.len() <= 2 * MAX_BYTES && !digits.is_empty();
    if hex && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let pairs: Vec<&str> = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]).collect();
        return found.fix("write bytes without marks", span, pairs.join(" "));
    }
    if token.starts_with('#') || token.starts_with(';') {
        return found.help("outside of asm a comment begins with `//`");
    }
    found
}

/// A number without the marks of C or of assemblers.
fn bare(part: &str) -> &str {
    let part = part.strip_prefix("0x").or(part.strip_prefix("0X")).or(part.strip_prefix("\\x")).unwrap_or(part);
    part.strip_suffix(['h', 'H']).unwrap_or(part)
}
