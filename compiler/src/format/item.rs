//! From the items of a file to lines.

use super::asm::{Body, body};
use super::layout::{Content, Line, Row, width};
use super::signature::{self, Entry, Part};
use super::{FormatOptions, WIDTH};
use crate::syntax::{PvParser, Rule, condition_text, split};
use pest::Parser;
use pest::iterators::Pair;

/// Columns of one level.
const INDENT: usize = 4;
/// The widest head of a row whose condition stays on its line.
const HEAD: usize = 100;

/// A token without parts.
#[derive(Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) rule: Rule,
    pub(super) text: &'a str,
    /// Offsets in the piece of the file that was parsed.
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The tokens below a pair.
pub(super) fn leaves<'a>(pair: Pair<'a, Rule>, into: &mut Vec<Leaf<'a>>) {
    let span = pair.as_span();
    let leaf = Leaf { rule: pair.as_rule(), text: pair.as_str(), start: span.start(), end: span.end() };
    let mut inner = pair.into_inner().peekable();
    if inner.peek().is_none() || leaf.rule == Rule::string {
        return into.extend((leaf.rule != Rule::blank).then_some(leaf));
    }
    inner.for_each(|part| leaves(part, into));
}

/// Tokens on one line, with the spaces that the language's own examples have.
pub(super) fn joined(leaves: &[Leaf<'_>]) -> String {
    let mut text = String::new();
    let mut before = None;
    for leaf in leaves {
        let tight = match (before, leaf.rule) {
            (None | Some(Rule::lparen), _) => true,
            (_, Rule::comma | Rule::semi | Rule::colon | Rule::rparen) => true,
            (Some(before), Rule::lparen) => before != Rule::arrow,
            _ => false,
        };
        if !tight {
            text.push(' ');
        }
        text.push_str(leaf.text);
        before = Some(leaf.rule);
    }
    text
}

/// The lines of a file that has no syntax error.
pub(super) fn lines(text: &str, options: &FormatOptions) -> Vec<Line> {
    let mut printer = Printer { text, options, lines: Vec::new(), base: 0, end: 0, block: 0, spaced: false };
    for (index, piece) in split::split(text).enumerate() {
        printer.base = piece.start;
        printer.piece(&text[piece], index == 0);
    }
    printer.lines
}

/// Collects lines in the order of the source.
struct Printer<'a> {
    text: &'a str,
    options: &'a FormatOptions,
    lines: Vec<Line>,
    /// Offset of the piece that is being printed.
    base: usize,
    /// Offset behind the last token that was printed.
    end: usize,
    /// The block that lines are put into.
    block: usize,
    /// Whether what comes next has a blank line above it, whatever the source has.
    spaced: bool,
}

impl Printer<'_> {
    fn piece(&mut self, text: &str, preamble: bool) {
        let rule = if preamble { Rule::preamble } else { Rule::item };
        let Ok(pairs) = PvParser::parse(rule, text) else { return };
        let parts: Vec<Pair<'_, Rule>> = pairs.flat_map(Pair::into_inner).collect();
        let large = |part: &Pair<'_, Rule>| match part.as_rule() {
            Rule::feature | Rule::include => false,
            Rule::branch => opens(part),
            _ => true,
        };
        let comment = |part: &Pair<'_, Rule>| matches!(part.as_rule(), Rule::comment | Rule::doc | Rule::inner_doc);
        let item = parts.iter().find(|part| !comment(part) && part.as_rule() != Rule::EOI);
        self.spaced |= item.is_some_and(large);
        for part in parts {
            let is_comment = comment(&part);
            match part.as_rule() {
                Rule::EOI => {}
                _ if is_comment => self.comment(&part, 0),
                Rule::patchset => self.patchset(part),
                Rule::op => self.op(part),
                Rule::branch if opens(&part) => self.branch(part),
                Rule::feature | Rule::include | Rule::branch => {
                    let (start, end) = self.place(&part);
                    let mut tokens = Vec::new();
                    leaves(part, &mut tokens);
                    self.push(start, end, 0, Content::Text(joined(&tokens)));
                    self.spaced = false;
                }
                // An item that this module does not know keeps its layout.
                _ => {
                    let (start, end) = self.place(&part);
                    self.push(start, end, 0, Content::Text(part.as_str().trim_end().to_owned()));
                    self.spaced = true;
                }
            }
        }
        self.spaced |= preamble && !self.lines.is_empty();
    }

    /// Where a pair stands in the file.
    fn place(&self, pair: &Pair<'_, Rule>) -> (usize, usize) {
        let span = pair.as_span();
        (self.base + span.start(), self.base + span.end())
    }

    /// Adds a line for what stands between two offsets.
    fn push(&mut self, start: usize, end: usize, indent: usize, content: Content) {
        let blank = self.text[self.end..start].matches('\n').nth(1).is_some() || self.spaced;
        let blank = blank && !self.lines.is_empty();
        if blank && indent == 0 {
            self.block += 1;
        }
        self.lines.push(Line { blank, indent, block: self.block, content, comment: None });
        self.end = end;
        self.spaced = false;
    }

    /// Adds a line that has no blank line above.
    fn tight(&mut self, end: usize, indent: usize, content: Content) {
        self.end = end;
        self.push(end, end, indent, content);
    }

    /// A comment beside the line that stands before it, or on its own.
    fn comment(&mut self, pair: &Pair<'_, Rule>, indent: usize) {
        let (start, end) = self.place(pair);
        let text = comment_text(pair.as_rule(), pair.as_str());
        let beside = !self.text[self.end..start].contains('\n') && self.end > 0;
        let free = |line: &&mut Line| {
            let comment = matches!(&line.content, Content::Text(text) if text.starts_with("//"));
            beside && !comment && line.comment.is_none()
        };
        match self.lines.last_mut().filter(free) {
            Some(line) => {
                // An opening or closing brace is no cell of a table.
                match &mut line.content {
                    Content::Text(brace) if brace.ends_with(['{', '}']) => *brace += &format!(" {text}"),
                    _ => line.comment = Some(text),
                }
                self.end = end;
            }
            None => self.push(start, end, indent, Content::Text(text)),
        }
    }

    /// What ends a line: nothing, or the comment beside it.
    fn line_end(&mut self, pair: &Pair<'_, Rule>) {
        let (start, _) = self.place(pair);
        let comment = pair.as_str().trim();
        if comment.is_empty() {
            return;
        }
        self.end = start + pair.as_str().trim_end().len();
        if let Some(line) = self.lines.last_mut() {
            line.comment = Some(comment.to_owned());
        }
    }

    fn patchset(&mut self, pair: Pair<'_, Rule>) {
        let (start, end) = self.place(&pair);
        let source = pair.as_str();
        let parts: Vec<Pair<'_, Rule>> = pair.into_inner().collect();
        let name = parts.iter().find(|part| part.as_rule() == Rule::ident).map_or("", |name| name.as_str());
        let clauses = || parts.iter().filter(|part| is_clause(part.as_rule()));
        let flat = !source.contains('\n') && !source.contains("//") && clauses().count() <= 1;
        if flat {
            let clause = clauses().next().map(|clause| format!(" {} ", clause_text(clause.clone()).join(" ")));
            let text = format!("patchset {name} {{{}}}", clause.unwrap_or_default());
            self.push(start, end, 0, Content::Text(text));
            self.spaced = true;
            return;
        }
        let open = parts.iter().find(|part| part.as_rule() == Rule::open).map_or(end, |open| self.place(open).1);
        self.push(start, open, 0, Content::Text(format!("patchset {name} {{")));
        self.block += 1;
        for part in &parts {
            let (start, end) = self.place(part);
            match part.as_rule() {
                // Between the name and its brace.
                Rule::comment if end < open => {
                    self.tight(open, INDENT, Content::Text(part.as_str().trim_end().to_owned()));
                }
                Rule::comment => self.block_comment(part, open),
                Rule::line_end => self.line_end(part),
                rule if is_clause(rule) => {
                    let [keyword, rest] = clause_text(part.clone());
                    self.in_block(start, end, open, Content::Clause(keyword, rest));
                }
                _ => {}
            }
        }
        self.close(end);
    }

    /// A branch with a block.
    fn branch(&mut self, pair: Pair<'_, Rule>) {
        let (start, end) = self.place(&pair);
        let parts: Vec<Pair<'_, Rule>> = pair.into_inner().collect();
        let open = parts.iter().find(|part| part.as_rule() == Rule::open).map_or(end, |open| self.place(open).1);
        let mut head = Vec::new();
        let mut hoisted = Vec::new();
        for part in parts {
            let (_, to) = self.place(&part);
            match part.as_rule() {
                Rule::comment if to < open => hoisted.push(part.as_str().trim_end().to_owned()),
                _ if to < open => leaves(part, &mut head),
                Rule::open => {
                    self.push(start, open, 0, Content::Text(joined(&head) + " {"));
                    self.block += 1;
                    for comment in hoisted.drain(..) {
                        self.tight(open, INDENT, Content::Text(comment));
                    }
                }
                Rule::comment => self.block_comment(&part, open),
                Rule::line_end => self.line_end(&part),
                Rule::close => {}
                _ => self.clause(part, open),
            }
        }
        self.close(end);
    }

    /// A clause whose tokens are aligned with nothing.
    fn clause(&mut self, pair: Pair<'_, Rule>, open: usize) {
        let (start, end) = self.place(&pair);
        let mut tokens = Vec::new();
        leaves(pair, &mut tokens);
        self.in_block(start, end, open, Content::Text(joined(&tokens)));
    }

    fn op(&mut self, pair: Pair<'_, Rule>) {
        let (start, end) = self.place(&pair);
        let parts: Vec<Pair<'_, Rule>> = pair.into_inner().collect();
        let open = parts.iter().find(|part| part.as_rule() == Rule::open).map_or(end, |open| self.place(open).1);
        let mut hoisted = Vec::new();
        for part in &parts {
            let (_, to) = self.place(part);
            match part.as_rule() {
                Rule::signature => hoisted = self.signature(part, start, open),
                // Between the head and its brace.
                Rule::comment if to < open => hoisted.push(part.as_str().trim_end().to_owned()),
                Rule::open => {
                    self.end = open;
                    self.block += 1;
                    for comment in hoisted.drain(..) {
                        self.tight(open, INDENT, Content::Text(comment));
                    }
                }
                Rule::comment => self.block_comment(part, open),
                Rule::line_end => self.line_end(part),
                Rule::row => self.row(part, open),
                Rule::close | Rule::kw_op | Rule::blank => {}
                _ => self.clause(part.clone(), open),
            }
        }
        self.close(end);
    }

    /// The head of an op, to its brace; returns the comments in it that have no place there.
    fn signature(&mut self, pair: &Pair<'_, Rule>, start: usize, open: usize) -> Vec<String> {
        let mut tokens = Vec::new();
        leaves(pair.clone(), &mut tokens);
        let (parts, comments) = signature::parts(&self.text[self.base..], &tokens);
        let mut line = "op ".to_owned();
        let mut first = true;
        // The first line takes the blank line of the op; the others follow tightly.
        let mut flush = |printer: &mut Self, text: String| {
            if std::mem::take(&mut first) {
                printer.push(start, open, 0, Content::Text(text));
            } else {
                printer.tight(open, 0, Content::Text(text));
            }
        };
        for part in parts {
            match part {
                Part::Text(text) => line += &text,
                Part::List(list) if !list.broken => line += &signature::flat(&list),
                Part::List(list) => {
                    flush(self, std::mem::take(&mut line) + "(");
                    self.block += 1;
                    for Entry { above, text, beside } in list.entries {
                        for comment in above {
                            self.tight(open, INDENT, Content::Text(comment));
                        }
                        self.tight(open, INDENT, Content::Text(text + ","));
                        if let Some(last) = self.lines.last_mut() {
                            last.comment = beside;
                        }
                    }
                    for comment in list.tail {
                        self.tight(open, INDENT, Content::Text(comment));
                    }
                    self.block += 1;
                    line = ")".to_owned();
                }
            }
        }
        flush(self, line + " {");
        comments
    }

    fn row(&mut self, pair: &Pair<'_, Rule>, open: usize) {
        let (start, end) = self.place(pair);
        let mut arches = Vec::new();
        let mut condition = String::new();
        let mut identity = "";
        let mut asm = Body::Line(String::new());
        let mut bytes = Vec::new();
        for part in pair.clone().into_inner() {
            match part.as_rule() {
                Rule::ident => arches.push(part.as_str()),
                Rule::when => {
                    let text = part.into_inner().find(|part| part.as_rule() == Rule::condition_text);
                    condition = text.map(|text| condition_text(text.as_str())).unwrap_or_default();
                }
                Rule::kw_identity => identity = "identity",
                Rule::asm => {
                    let text = part.as_str();
                    asm = body(text.get(1..text.len() - 1).unwrap_or_default());
                }
                Rule::bytes => bytes = groups(part.as_str()),
                // Between the row's head and its brace: goes above the row.
                Rule::comment => {
                    let text = part.as_str().trim_end().to_owned();
                    self.in_block(start, start, open, Content::Text(text));
                }
                _ => {}
            }
        }
        if let Some(fresh) = self.options.bytes.get(&(start as u32)) {
            bytes = groups(fresh);
        }
        let arches = arches.join(", ");
        let head = INDENT + width(&arches) + " when ".len() + width(&condition) + 1 + identity.len();
        let lines = if head > HEAD { broken_condition(&condition) } else { Vec::new() };
        if let [first, middle @ .., last] = &lines[..]
            && lines.len() > 1
        {
            let column = INDENT + width(&arches) + " when ".len();
            self.in_block(start, end, open, Content::Text(format!("{arches} when {first}")));
            for line in middle {
                self.tight(end, column, Content::Text(line.clone()));
            }
            self.body(end, column, vec![last.clone(), identity.to_owned()], asm, &bytes);
            return;
        }
        let when = if condition.is_empty() { condition } else { format!("when {condition}") };
        let condition =
            [when.as_str(), identity].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        match asm {
            Body::Line(asm) => {
                let row = Row { arches, condition, asm, bytes };
                self.in_block(start, end, open, Content::Row(row));
            }
            Body::Lines(_) => {
                self.in_block(start, start, open, Content::Text(String::new()));
                let blank = self.lines.pop().is_some_and(|line| line.blank);
                let at = self.lines.len();
                self.body(end, INDENT, vec![arches, condition], asm, &bytes);
                self.lines[at].blank = blank;
            }
        }
    }

    /// The end of a row that takes several lines: what stands before its brace, the body, the bytes.
    fn body(&mut self, end: usize, indent: usize, head: Vec<String>, asm: Body, bytes: &[String]) {
        let mut head = head;
        head.retain(|part| !part.is_empty());
        let bytes = if bytes.is_empty() { String::new() } else { format!(" = {}", bytes.join(" | ")) };
        match asm {
            Body::Line(asm) => {
                self.tight(end, indent, Content::Text(format!("{} {asm}{bytes}", head.join(" "))));
            }
            Body::Lines(lines) => {
                self.tight(end, indent, Content::Text(format!("{} {{", head.join(" "))));
                let mut blank = false;
                for line in lines {
                    if line.is_empty() {
                        blank = true;
                        continue;
                    }
                    self.tight(end, 2 * INDENT, Content::Text(line));
                    if let Some(last) = self.lines.last_mut() {
                        last.blank = std::mem::take(&mut blank);
                    }
                }
                self.tight(end, INDENT, Content::Text(format!("}}{bytes}")));
            }
        }
    }

    /// Adds a line to a block; the first one has no blank line above.
    fn in_block(&mut self, start: usize, end: usize, open: usize, content: Content) {
        let first = self.end == open;
        self.push(start, end, INDENT, content);
        if let Some(line) = self.lines.last_mut().filter(|_| first) {
            line.blank = false;
        }
    }

    fn block_comment(&mut self, pair: &Pair<'_, Rule>, open: usize) {
        let first = self.end == open;
        let count = self.lines.len();
        self.comment(pair, INDENT);
        if let Some(line) = self.lines.get_mut(count).filter(|_| first) {
            line.blank = false;
        }
    }

    /// The brace that ends a block.
    fn close(&mut self, end: usize) {
        self.block += 1;
        self.tight(end, 0, Content::Text("}".to_owned()));
        self.block += 1;
        self.spaced = true;
    }
}

/// A comment without the white space at its end, a doc comment with a space behind its mark.
fn comment_text(rule: Rule, text: &str) -> String {
    let text = text.trim_end();
    if !matches!(rule, Rule::doc | Rule::inner_doc) {
        return text.to_owned();
    }
    let (mark, rest) = text.split_at("///".len());
    match rest {
        "" => mark.to_owned(),
        rest if rest.starts_with(' ') => text.to_owned(),
        rest => format!("{mark} {rest}"),
    }
}

fn is_clause(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::kw_patchset | Rule::blank | Rule::ident | Rule::open | Rule::close | Rule::comment | Rule::line_end
    )
}

/// Whether an item has a block.
fn opens(item: &Pair<'_, Rule>) -> bool {
    item.clone().into_inner().any(|part| part.as_rule() == Rule::open)
}

/// The keyword of a clause and the rest.
fn clause_text(pair: Pair<'_, Rule>) -> [String; 2] {
    let mut tokens = Vec::new();
    leaves(pair, &mut tokens);
    let (keyword, rest) = tokens.split_first().map_or(("", &[][..]), |(keyword, rest)| (keyword.text, rest));
    [keyword.to_owned(), joined(rest)]
}

/// The groups of a list of bytes.
fn groups(text: &str) -> Vec<String> {
    let byte = |token: &str| match token.len() {
        2 => token.to_ascii_lowercase(),
        _ => token.to_owned(),
    };
    text.split('|').map(|group| group.split_whitespace().map(byte).collect::<Vec<_>>().join(" ")).collect()
}

/// A condition that is too long for a line: broken behind its weakest operators, `||` or else `&&`.
fn broken_condition(text: &str) -> Vec<String> {
    for operator in [" || ", " && "] {
        let mut lines = Vec::new();
        let mut depth = 0;
        let mut start = 0;
        for (at, letter) in text.char_indices() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                ' ' if depth == 0 && text[at..].starts_with(operator) => {
                    let end = at + operator.len();
                    lines.push(text[start..end].trim_end().to_owned());
                    start = end;
                }
                _ => {}
            }
        }
        if !lines.is_empty() {
            lines.push(text[start..].to_owned());
            return packed(lines);
        }
    }
    vec![text.to_owned()]
}

/// As many pieces on a line as fit.
fn packed(pieces: Vec<String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(&piece) <= WIDTH / 2 => {
                line.push(' ');
                line.push_str(&piece);
            }
            _ => lines.push(piece),
        }
    }
    lines
}
