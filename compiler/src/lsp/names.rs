//! The words of an item and what each stands for, read off the tree that the parser made.

use crate::incremental::{Content, Piece};
use crate::resolve::{AsmPiece, asm_pieces};
use crate::source::{FileId, Span};
use crate::syntax::ast::{
    Branch, BranchClause, BranchClauseKind, Clause, ClauseKind, Group, Item, Op, Param, Patchset, Returns, Row,
    SetClause, SetClauseKind, SiteKind, Word,
};
use pvc_asm::Syntax;

/// What a word stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Kind {
    Keyword,
    Set,
    Op,
    Branch,
    /// A feature where it is declared.
    Feature,
    /// A feature that a condition or a baseline names.
    FeatureUse,
    Operand,
    /// `{name}` in asm, braces included.
    Role,
    Type,
    Arch,
    Value,
    Level,
    Site,
    Clobber,
    /// A register after `in`.
    Place,
    Code,
    Text,
    Symbol,
    Bytes,
    Mnemonic,
    Directive,
    Register,
    Label,
    Path,
}

/// A word at its place in the piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Name {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) span: Span,
}

/// The words of a piece in order. `syntax` is that of its asm.
pub(super) fn of_piece(piece: &Piece, syntax: Syntax) -> Vec<Name> {
    let mut names = Names { text: &piece.text, syntax, list: Vec::new() };
    match &piece.content {
        Content::Preamble => {}
        Content::Include(path) => {
            names.keyword_before("include", path.span.start);
            names.word(Kind::Path, path);
        }
        Content::Item(item) | Content::Misplaced(item) => names.item(item),
    }
    names.list.sort_by_key(|name| (name.span.start, name.span.end));
    names.list
}

/// The syntax that the set among `items` chooses.
pub(super) fn syntax<'a>(items: impl IntoIterator<Item = &'a Item>) -> Syntax {
    let sets = items.into_iter().filter_map(|item| match item {
        Item::Patchset(set) => Some(set),
        _ => None,
    });
    let intel = sets.flat_map(|set| &set.clauses).any(|clause| match &clause.kind {
        SetClauseKind::Syntax(word) => word.text == "intel",
        _ => false,
    });
    if intel { Syntax::Intel } else { Syntax::Att }
}

struct Names<'a> {
    text: &'a str,
    syntax: Syntax,
    list: Vec<Name>,
}

impl Names<'_> {
    fn add(&mut self, kind: Kind, start: usize, end: usize) {
        if let Some(text) = self.text.get(start..end).filter(|text| !text.is_empty()) {
            let span = Span::new(FileId(0), start..end);
            self.list.push(Name { kind, text: text.to_owned(), span });
        }
    }

    fn word(&mut self, kind: Kind, word: &Word) {
        self.add(kind, word.span.start as usize, word.span.end as usize);
    }

    fn words(&mut self, kind: Kind, words: &[Word]) {
        for word in words {
            self.word(kind, word);
        }
    }

    /// The keyword that a span begins with.
    fn keyword(&mut self, span: Span) {
        let start = span.start as usize;
        let rest = self.text.get(start..).unwrap_or_default();
        self.add(Kind::Keyword, start, start + word_len(rest));
    }

    /// The last `keyword` before `end`.
    fn keyword_before(&mut self, keyword: &str, end: u32) {
        if let Some(at) = self.text.get(..end as usize).and_then(|before| before.rfind(keyword)) {
            self.add(Kind::Keyword, at, at + keyword.len());
        }
    }

    fn item(&mut self, item: &Item) {
        match item {
            Item::Patchset(set) => self.patchset(set),
            Item::Feature(feature) => {
                self.keyword_before("feature", feature.name.span.start);
                self.word(Kind::Feature, &feature.name);
            }
            Item::Op(op) => self.op(op),
            Item::Branch(branch) => self.branch(branch),
            Item::Bad(_) => {}
        }
    }

    fn patchset(&mut self, set: &Patchset) {
        self.keyword_before("patchset", set.name.span.start);
        self.word(Kind::Set, &set.name);
        for SetClause { kind, span } in &set.clauses {
            self.keyword(*span);
            match kind {
                SetClauseKind::Arch(words) => self.words(Kind::Arch, words),
                SetClauseKind::Abi(word) | SetClauseKind::Syntax(word) => self.word(Kind::Value, word),
                SetClauseKind::Baseline(words) => {
                    for word in words {
                        let level = crate::arch::LEVELS.get(&word.text).is_some();
                        self.word(if level { Kind::Level } else { Kind::FeatureUse }, word);
                    }
                }
                SetClauseKind::Site(groups) => self.sites(groups),
            }
        }
    }

    fn branch(&mut self, branch: &Branch) {
        self.keyword_before("branch", branch.name.span.start);
        self.word(Kind::Branch, &branch.name);
        for BranchClause { kind, span } in &branch.clauses {
            self.keyword(*span);
            match kind {
                BranchClauseKind::Arch(words) => self.words(Kind::Arch, words),
                BranchClauseKind::Live => {}
            }
        }
    }

    fn op(&mut self, op: &Op) {
        self.keyword(op.span);
        self.word(Kind::Op, &op.name);
        if let Some(signature) = &op.signature {
            let results = match &signature.returns {
                Returns::Values(results) => results.as_slice(),
                Returns::Never(_) => &[],
            };
            for param in signature.params.iter().chain(results) {
                self.param(param);
            }
        }
        for clause in &op.clauses {
            self.clause(clause);
        }
    }

    fn param(&mut self, param: &Param) {
        if let Some(name) = &param.name {
            self.word(Kind::Operand, name);
        }
        self.word(Kind::Type, &param.ty);
        if let Some(place) = &param.place {
            self.keyword_before("in", place.span.start);
            self.word(Kind::Place, place);
        }
    }

    fn sites(&mut self, groups: &[Group<SiteKind>]) {
        for group in groups {
            self.words(Kind::Arch, &group.arches);
            for kind in &group.items {
                self.word(Kind::Site, &kind.name);
            }
        }
    }

    fn clause(&mut self, clause: &Clause) {
        if let ClauseKind::Row(row) = &clause.kind {
            return self.row(row);
        }
        self.keyword(clause.span);
        match &clause.kind {
            ClauseKind::Clobbers(groups) => {
                for group in groups {
                    self.words(Kind::Arch, &group.arches);
                    self.words(Kind::Clobber, &group.items);
                }
            }
            ClauseKind::Preserves(words) => self.words(Kind::Clobber, words),
            ClauseKind::Site(groups) => self.sites(groups),
            ClauseKind::Default(symbol) => self.word(Kind::Symbol, symbol),
            ClauseKind::Allow { code, reason } => {
                self.word(Kind::Code, code);
                self.word(Kind::Text, reason);
            }
            _ => {}
        }
    }

    fn row(&mut self, row: &Row) {
        self.words(Kind::Arch, &row.arches);
        if let Some(when) = &row.when {
            self.keyword_before("when", when.span.start);
            let start = when.span.start as usize;
            for (at, len) in features(&when.text) {
                self.add(Kind::FeatureUse, start + at, start + at + len);
            }
        }
        if let Some(identity) = row.identity {
            self.keyword(identity);
        }
        self.asm(row.asm);
        if let Some(bytes) = &row.bytes {
            self.word(Kind::Bytes, bytes);
        }
    }

    fn asm(&mut self, body: Span) {
        let base = body.start as usize;
        let Some(source) = self.text.get(body.range()) else { return };
        let mut scanner = Scanner { at_start: true };
        for piece in asm_pieces(source) {
            match piece {
                AsmPiece::Code(start, end) => {
                    for (kind, range) in scanner.scan(&source[start..end], self.syntax) {
                        self.add(kind, base + start + range.start, base + start + range.end);
                    }
                }
                AsmPiece::Line(_) => scanner.at_start = true,
                AsmPiece::Gap(_) => {}
                AsmPiece::Braces(start, end) => {
                    let inner = source[start + 1..end - 1].trim();
                    if word_len(inner) == inner.len() && !inner.is_empty() && !crate::resolve::is_decorator(inner) {
                        self.add(Kind::Role, base + start, base + end);
                    }
                }
            }
        }
    }
}

/// The features that a condition names: offset and length.
fn features(condition: &str) -> Vec<(usize, usize)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = condition[at..].find(is_part).map(|start| at + start) {
        let len = condition[start..].find(|c| !is_part(c)).unwrap_or(condition.len() - start);
        found.push((start, len));
        at = start + len;
    }
    found
}

/// The length of the name at the start of a text.
pub(super) fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Words that stand before a mnemonic.
pub(super) const PREFIXES: [&str; 16] = [
    "lock", "rep", "repe", "repz", "repne", "repnz", "data16", "data32", "addr16", "addr32", "xacquire", "xrelease",
    "bnd", "notrack", "rex64", "cs",
];

/// Finds mnemonics, registers and labels in asm text.
struct Scanner {
    /// Whether an instruction may begin here.
    at_start: bool,
}

impl Scanner {
    fn scan(&mut self, text: &str, syntax: Syntax) -> Vec<(Kind, std::ops::Range<usize>)> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
        let mut found = Vec::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let len = text[at..].find(|c| !is_part(c)).unwrap_or(text.len() - at);
            let word = &text[at..at + len];
            match c {
                ';' => self.at_start = true,
                '%' => {
                    let name = &text[at + 1..];
                    let len = name.find(|c| !is_part(c)).unwrap_or(name.len());
                    found.push((Kind::Register, at..at + 1 + len));
                    at += 1 + len;
                    self.at_start = false;
                    continue;
                }
                '"' => {
                    let len = text[at + 1..].find(['"', '\n']).map_or(text.len() - at, |len| len + 2);
                    at = (at + len).min(text.len());
                    continue;
                }
                // A number or an immediate is no name.
                '$' | '0'..='9' if !self.at_start => {}
                _ if len == 0 => {}
                _ if self.at_start && text[at + len..].starts_with(':') => {
                    found.push((Kind::Label, at..at + len));
                    at += len + 1;
                    continue;
                }
                _ if self.at_start => {
                    let kind = if word.starts_with('.') { Kind::Directive } else { Kind::Mnemonic };
                    found.push((kind, at..at + len));
                    self.at_start = PREFIXES.contains(&word);
                }
                _ if syntax == Syntax::Intel && pvc_asm::is_register(word, pvc_asm::Mode::Bits64) => {
                    found.push((Kind::Register, at..at + len));
                }
                _ => {}
            }
            at += len.max(c.len_utf8());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asm_words() {
        let mut scanner = Scanner { at_start: true };
        let text = "1: lock; rep movsb; mov $5,%rax; jmp 1b; .byte 1";
        let found: Vec<_> = scanner.scan(text, Syntax::Att).into_iter().map(|(kind, at)| (kind, &text[at])).collect();
        assert_eq!(
            found,
            [
                (Kind::Label, "1"),
                (Kind::Mnemonic, "lock"),
                (Kind::Mnemonic, "rep"),
                (Kind::Mnemonic, "movsb"),
                (Kind::Mnemonic, "mov"),
                (Kind::Register, "%rax"),
                (Kind::Mnemonic, "jmp"),
                (Kind::Directive, ".byte"),
            ]
        );
    }
}
