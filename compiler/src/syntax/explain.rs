//! Messages for text that no rule could read.
//!
//! The piece is parsed once more with the strict rule of its keyword; where that fails furthest is the place of the
//! mistake, and what would have been accepted there makes the message. Common mistakes get one of their own.

use super::ast::Word;
use super::braces::unclosed;
use super::grammar::{STRING, name as rule_name};
use super::read::Reader;
use super::{PvParser, Rule};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::Span;
use crate::suggest::nearest;
use pest::Parser;
use pest::error::{ErrorVariant, InputLocation};
use pest::iterators::Pair;
use std::ops::Range;

/// In which block a clause stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    Patchset,
    Op,
    Branch,
}

impl Block {
    /// Its clauses: keyword and strict rule.
    fn clauses(self) -> &'static [(&'static str, Rule)] {
        match self {
            Self::Patchset => &[
                ("arch", Rule::only_arch),
                ("abi", Rule::only_abi),
                ("baseline", Rule::only_baseline),
                ("syntax", Rule::only_syntax),
                ("site", Rule::only_site),
            ],
            Self::Op => &[
                ("clobbers", Rule::only_clobbers),
                ("preserves", Rule::only_preserves),
                ("site", Rule::only_site),
                ("default", Rule::only_default),
                ("allow", Rule::only_allow),
                ("live", Rule::only_live),
                ("nocall", Rule::only_nocall),
                ("partial", Rule::only_partial),
            ],
            Self::Branch => &[("arch", Rule::only_arch), ("live", Rule::only_live)],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Patchset => "a patchset block",
            Self::Op => "an op",
            Self::Branch => "a branch",
        }
    }
}

/// What could be read of a broken op line.
pub(super) struct BadSignature {
    pub(super) name: Option<Word>,
    /// Whether the brace after it is likely to begin the op's body.
    pub(super) body_follows: bool,
}

impl Reader {
    fn at(self, start: usize, end: usize) -> Span {
        Span::new(self.file, self.base + start..self.base + end)
    }

    /// Parses the `range` of a piece with a strict rule, and reports where that fails. Returns the offset of the
    /// mistake in the range.
    fn strictly(self, rule: Rule, piece: &str, range: Range<usize>, diagnostics: &mut Diagnostics) -> Option<usize> {
        let error = PvParser::parse(rule, &piece[range.clone()]).err()?;
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let expected = match error.variant {
            ErrorVariant::ParsingError { positives, .. } => list(&positives),
            ErrorVariant::CustomError { message } => message,
        };
        let text = &piece[range.start..];
        // What is wrong is the next word, not the space before it.
        let at = at + text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len();
        let (found_text, len) = found(&text[at..]);
        let place = range.start + at..range.start + at + len;
        let found = |message: String| Diagnostic::new(Code::SYNTAX, self.at(place.start, place.end), message);
        let diagnostic = if expected.is_empty() {
            found(format!("nothing follows `{}`", last_word(&text[..at])))
        } else if text[at..].starts_with('"') && expected.ends_with(STRING) {
            found("this string is not closed on its line".to_owned()).label("no `\"` follows")
        } else {
            found(format!("expected {expected}, found {found_text}")).label(format!("expected {expected}"))
        };
        diagnostics.push(hint(diagnostic, text, at));
        Some(at)
    }

    /// Reports an item that has no readable shape at all. Returns the name of the op if it is one.
    pub(super) fn explain_item(self, text: &str, diagnostics: &mut Diagnostics) -> Option<Word> {
        let start = item_keyword(text);
        let keyword = first_word(&text[start..]);
        let rule = match keyword {
            "patchset" => Rule::only_patchset,
            "feature" => Rule::only_feature,
            "include" => Rule::only_include,
            "branch" => Rule::only_branch,
            _ => Rule::only_op_head,
        };
        if self.strictly(rule, text, 0..text.len(), diagnostics).is_none() {
            let span = self.at(start, start + keyword.len());
            diagnostics.push(Diagnostic::new(Code::SYNTAX, span, format!("this `{keyword}` cannot be read")));
        }
        let name = text[start..].strip_prefix("op").or(text[start..].strip_prefix("branch"))?.trim_start();
        let from = text.len() - name.len();
        let len = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(name.len());
        (len > 0).then(|| Word { text: name[..len].to_owned(), span: self.at(from, from + len) })
    }

    /// Reports an item whose block goes on to the end of its text.
    pub(super) fn explain_unclosed(self, piece: &str, diagnostics: &mut Diagnostics) {
        let start = item_keyword(piece);
        let keyword = first_word(&piece[start..]);
        let open = unclosed(piece).unwrap_or(start);
        let message = format!("a brace of this `{keyword}` is never closed");
        let found = Diagnostic::new(Code::SYNTAX, self.at(open, open + 1), message).label("no `}` belongs to this one");
        let line = piece[open..].lines().next().unwrap_or_default();
        let comment = line.find('#').or(line.find("//")).filter(|&comment| line[comment..].contains('}'));
        diagnostics.push(match comment {
            Some(_) => found.help("the comment on this line hides the `}` after it"),
            None => found,
        });
    }

    /// Reports an op line that is not one. `pair` is all text between `op` and the first brace.
    pub(super) fn explain_signature(self, pair: &Pair<'_, Rule>, diagnostics: &mut Diagnostics) -> BadSignature {
        let text = pair.as_str();
        let offset = pair.as_span().start();
        let len = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '.').unwrap_or(text.len());
        let name = (len > 0).then(|| Word { text: text[..len].to_owned(), span: self.at(offset, offset + len) });
        let range = offset..offset + text.len();
        let mistake = self.strictly(Rule::only_signature, pair.get_input(), range, diagnostics);
        // If lines follow the mistake, the brace that was found is that of a row: the op's own is missing.
        let body_follows = mistake.is_some_and(|at| !text[at..].trim_end().contains('\n'));
        BadSignature { name, body_follows }
    }

    /// Reports a clause that is none.
    pub(super) fn explain_clause(self, pair: &Pair<'_, Rule>, block: Block, diagnostics: &mut Diagnostics) {
        if diagnostics.left_out() > 0 {
            // Nobody will see it, and a file of nothing but such clauses has many: it is only counted.
            return diagnostics.push(Diagnostic::new(Code::SYNTAX, self.span(pair), String::new()));
        }
        let text = pair.as_str().trim_end();
        let offset = pair.as_span().start();
        let word = first_word(text);
        let (piece, range) = (pair.get_input(), offset..offset + text.len());
        if let Some((_, rule)) = block.clauses().iter().find(|(keyword, _)| *keyword == word) {
            self.strictly(*rule, piece, range, diagnostics);
            return;
        }
        let is_arch = crate::arch::Arch::ALL.iter().any(|arch| arch.name() == word) || word == "x86";
        let looks_like_row = block == Block::Op && text.contains('{') && !word.is_empty();
        if block == Block::Op && is_arch {
            if self.strictly(Rule::only_row, piece, range, diagnostics).is_none() {
                let (found, len) = found(text);
                let span = self.at(offset, offset + len);
                diagnostics.push(Diagnostic::new(
                    Code::SYNTAX,
                    span,
                    format!("found {found} where a row was expected"),
                ));
            }
            return;
        }
        let (found, len) = found(text);
        let span = self.at(offset, offset + len);
        let mut diagnostic =
            Diagnostic::new(Code::SYNTAX, span, format!("{found} begins no clause of {}", block.name()));
        let keywords = block.clauses().iter().map(|(keyword, _)| *keyword);
        let candidates = keywords.clone().chain(["x86_64", "i386", "x86"].into_iter().filter(|_| block == Block::Op));
        if let Some(near) = nearest(word, candidates) {
            diagnostic = near.offer(diagnostic, span);
        } else if looks_like_row && self.strictly(Rule::only_row, piece, range, diagnostics).is_some() {
            return;
        } else {
            let all: Vec<_> = keywords.map(|keyword| format!("`{keyword}`")).collect();
            diagnostic = diagnostic.note(format!("{} has the clauses {}", block.name(), all.join(", ")));
            if block == Block::Op {
                diagnostic = diagnostic.note("a row begins with its arches: `x86_64, i386 { ... }`");
            }
        }
        diagnostics.push(diagnostic);
    }

    /// Reports text between items.
    pub(super) fn explain_rest(self, pair: &Pair<'_, Rule>, diagnostics: &mut Diagnostics) {
        let text = pair.as_str();
        let mut at = 0;
        while at < text.len() && diagnostics.left_out() == 0 {
            let skipped = text[at..].len() - text[at..].trim_start().len();
            at += skipped;
            let line = &text[at..];
            if line.is_empty() {
                return;
            }
            if !line.starts_with("//") || line.starts_with("//!") || is_doc(line) {
                let offset = pair.as_span().start() + at;
                let (found, len) = found(line);
                // Of a comment the whole line is meant.
                let len = if line.starts_with("//") { line.lines().next().map_or(len, str::len) } else { len };
                let span = self.at(offset, offset + len);
                diagnostics.push(rest_diagnostic(line, &found, span));
            }
            at += extent(line);
        }
    }
}

fn is_doc(line: &str) -> bool {
    line.starts_with("///") && !line.starts_with("////")
}

/// The finding for text that begins no item.
fn rest_diagnostic(line: &str, found: &str, span: Span) -> Diagnostic {
    if line.starts_with("//!") {
        return Diagnostic::new(Code::SYNTAX, span, "a `//!` comment stands after the first item")
            .label("must stand at the top of the file")
            .help("write `///` to document the next item, `//` for a remark");
    }
    if is_doc(line) {
        return Diagnostic::new(Code::SYNTAX, span, "a doc comment documents nothing")
            .label("no item follows directly")
            .help("write `//` for a remark");
    }
    if line.starts_with('}') {
        return Diagnostic::new(Code::SYNTAX, span, "this `}` closes nothing").label("no brace is open here").fix(
            "remove it",
            span,
            "",
        );
    }
    let word = first_word(line);
    if super::split::ITEM_KEYWORDS.contains(&word) {
        return Diagnostic::new(Code::SYNTAX, span, format!("`{word}` does not begin its line"))
            .label("an item begins on a line of its own");
    }
    let items = super::split::ITEM_KEYWORDS;
    let diagnostic = Diagnostic::new(Code::SYNTAX, span, format!("{found} begins no item"));
    match nearest(word, items) {
        Some(near) => near.offer(diagnostic, span),
        None if line.starts_with('#') => diagnostic.help("outside of asm a comment begins with `//`"),
        None => diagnostic.note("the items are `patchset`, `feature`, `op`, `branch` and `include`"),
    }
}

/// How far a piece of unreadable text goes: to the end of its line, or to the brace that closes what it opens there.
fn extent(text: &str) -> usize {
    let mut depth = 0_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return at + 1,
            b'}' => depth -= 1,
            b'\n' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Where the keyword of an item stands, after the comments above it.
fn item_keyword(text: &str) -> usize {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start();
        if !content.is_empty() && !content.starts_with("//") {
            return at + line.len() - content.len();
        }
        at += line.len();
    }
    0
}

fn last_word(text: &str) -> &str {
    let text = text.trim_end();
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    &text[text.trim_end_matches(is_letter).len()..]
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// What stands at the start of `text`, in words, and how many bytes of it to underline.
fn found(text: &str) -> (String, usize) {
    let word = first_word(text);
    if !word.is_empty() {
        let shown: String = word.chars().take(40).collect();
        return (format!("`{shown}`"), word.len());
    }
    match text.chars().next() {
        None => ("the end of the text".to_owned(), 0),
        Some('\n' | '\r') => ("the end of the line".to_owned(), 0),
        Some(' ' | '\t') => ("a space".to_owned(), 1),
        Some('\u{a0}') => ("a no-break space (U+00A0)".to_owned(), 2),
        Some(c) if c.is_ascii_graphic() => {
            let two = ["->", "&&", "||", "=>", "==", "//"].into_iter().find(|two| text.starts_with(two));
            let shown = two.unwrap_or(&text[..1]);
            (format!("`{shown}`"), shown.len())
        }
        Some(c) if c.is_alphanumeric() => (format!("`{c}` (U+{:04X})", c as u32), c.len_utf8()),
        Some(c) => (format!("the character U+{:04X}", c as u32), c.len_utf8()),
    }
}

/// "`,`, `in` or `)`".
fn list(rules: &[Rule]) -> String {
    let mut names: Vec<_> = rules.iter().filter_map(|rule| rule_name(*rule)).collect();
    names.sort_unstable();
    names.dedup();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

/// The clauses that are lists.
const LISTS: [&str; 5] = ["arch", "baseline", "clobbers", "preserves", "site"];

/// Adds advice for a mistake that is made often.
fn hint(diagnostic: Diagnostic, text: &str, at: usize) -> Diagnostic {
    let (before, after) = (text[..at].trim_end(), &text[at..]);
    let span = diagnostic.primary.span;
    if after.starts_with('#') {
        return diagnostic.help("outside of asm a comment begins with `//`");
    }
    if is_doc(after) {
        return diagnostic.help("a doc comment stands above the item that it documents; write `//` for a remark");
    }
    if before.ends_with(',') && (after.is_empty() || after.starts_with(['\n', '\r'])) {
        let comma = Span { start: span.start - (at - before.len()) as u32 - 1, ..span };
        let comma = Span { end: comma.start + 1, ..comma };
        return diagnostic.help("a list does not run on over the end of its line").fix("remove the comma", comma, "");
    }
    if let Some(register) = after.strip_prefix('%').map(first_word).filter(|name| !name.is_empty()) {
        let whole = Span { end: span.start + 1 + register.len() as u32, ..span };
        return diagnostic.help("outside of asm registers are named without `%`").fix(
            format!("write `{register}`"),
            whole,
            register,
        );
    }
    if diagnostic.message.starts_with(&format!("expected {STRING}")) && before.ends_with("include") {
        let path = after.lines().next().unwrap_or_default().trim();
        let whole = Span { end: span.start + path.len() as u32, ..span };
        return diagnostic.fix("put it in quotes", whole, format!("\"{path}\""));
    }
    if before.ends_with(';') && (after.is_empty() || after.starts_with(['\n', '\r', '}'])) {
        let end = span.start - (at - before.len()) as u32;
        let semicolon = Span { start: end - 1, end, ..span };
        return diagnostic.help("a `;` stands between the parts of a list").fix("remove the `;`", semicolon, "");
    }
    let expects = |what: &str| diagnostic.message.split(", found ").next().unwrap_or_default().contains(what);
    if expects("`{`") && crate::arch::Arch::ALL.iter().any(|arch| text.starts_with(arch.name())) {
        if after.starts_with('=') {
            return diagnostic.help("the bytes stand behind the asm: `{ cli } = fa`");
        }
        if after.starts_with(':') {
            return diagnostic.help("a row has no colon").fix("remove it", Span { end: span.start + 1, ..span }, "");
        }
        return diagnostic.help("a row is ARCH [when CONDITION] { ASM } [= BYTES]");
    }
    if after.starts_with(';') && expects("`=`") {
        return diagnostic.help("a row ends with its line").fix("remove the `;`", span, "");
    }
    if before.ends_with("x86") && after.starts_with("-64") {
        let name = Span { start: span.start - 3, end: span.start + 3, ..span };
        return diagnostic.fix("write `x86_64`", name, "x86_64");
    }
    if expects("`(`") && after.starts_with('{') {
        let help = "an op has its parameters in parentheses, also if there are none";
        return diagnostic.help(help).fix("write `()`", Span { end: span.start, ..span }, "() ");
    }
    if expects("`,`") && LISTS.contains(&first_word(text)) && !first_word(after).is_empty() {
        let end = Span { start: span.start - (at - before.len()) as u32, ..span };
        return diagnostic.guess("put a comma between the two", Span { end: end.start, ..end }, ",");
    }
    if after.starts_with('*') {
        return diagnostic.help("a pointer is of type `ptr`");
    }
    if after.starts_with("=>") {
        return diagnostic.fix("write `->`", span, "->");
    }
    if !after.is_ascii() && after.chars().next().is_some_and(|c| !c.is_ascii()) {
        return diagnostic.help("names and keywords are ASCII");
    }
    diagnostic
}
