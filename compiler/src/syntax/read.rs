//! From the pairs that pest found in one item to the item.

use super::ast::{
    Branch, BranchClause, BranchClauseKind, Clause, ClauseKind, Feature, Group, Item, Op, Param, Patchset, Returns,
    Row, SetClause, SetClauseKind, Signature, SiteKind, Word,
};
use super::{PvParser, Rule};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span};
use pest::Parser;
use pest::iterators::Pair;

/// What a piece of a file is.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    /// An item.
    Item(Item),
    /// `include "PATH"`
    Include(Word),
}

/// Reads one piece of a file: knows where in the file it stands.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) file: FileId,
    /// Offset of the piece in the file.
    pub(crate) base: usize,
}

impl Reader {
    /// What stands before the first item: the `//!` lines.
    pub(crate) fn preamble(self, text: &str, diagnostics: &mut Diagnostics) -> Vec<String> {
        let mut docs = Vec::new();
        // The rule ends in a rest that takes anything.
        for pair in PvParser::parse(Rule::preamble, text).into_iter().flatten().flat_map(Pair::into_inner) {
            match pair.as_rule() {
                Rule::inner_doc => docs.push(doc_text(pair.as_str(), "//!")),
                Rule::rest => self.explain_rest(&pair, diagnostics),
                _ => {}
            }
        }
        docs
    }

    /// The item in `text`, which begins with its docs and its keyword.
    pub(crate) fn item(self, text: &str, diagnostics: &mut Diagnostics) -> Parsed {
        let pairs = match PvParser::parse(Rule::item, text) {
            Ok(pairs) => pairs,
            Err(_) => return Parsed::Item(Item::Bad(self.explain_item(text, diagnostics))),
        };
        let mut docs = Vec::new();
        let mut parsed = Parsed::Item(Item::Bad(None));
        let mut first_doc = None;
        for pair in pairs.flat_map(Pair::into_inner) {
            match pair.as_rule() {
                Rule::doc => {
                    first_doc = first_doc.or(Some(self.span(&pair)));
                    docs.push(doc_text(pair.as_str(), "///"));
                }
                Rule::patchset => {
                    let set = self.patchset(pair, std::mem::take(&mut docs), diagnostics);
                    parsed = Parsed::Item(Item::Patchset(set));
                }
                Rule::feature => {
                    let docs = std::mem::take(&mut docs);
                    if let Some(name) = self.words(pair).into_iter().next() {
                        parsed = Parsed::Item(Item::Feature(Feature { docs, name }));
                    }
                }
                Rule::include => {
                    if let Some(span) = first_doc {
                        diagnostics.push(
                            Diagnostic::new(Code::SYNTAX, span, "a doc comment stands above an `include`")
                                .label("documents nothing")
                                .help("write `//` for a remark"),
                        );
                    }
                    let path = pair.into_inner().find(|part| part.as_rule() == Rule::string);
                    if let Some(path) = path {
                        parsed = Parsed::Include(self.string(path));
                    }
                }
                Rule::op => {
                    let op = self.op(pair, std::mem::take(&mut docs), diagnostics);
                    parsed = Parsed::Item(op);
                }
                Rule::branch => parsed = Parsed::Item(self.branch(pair, std::mem::take(&mut docs), diagnostics)),
                // What follows an item that broke off is a part of it.
                Rule::rest if matches!(parsed, Parsed::Item(Item::Bad(_))) => {}
                Rule::rest => self.explain_rest(&pair, diagnostics),
                _ => {}
            }
        }
        parsed
    }

    /// The span of a pair.
    pub(super) fn span(self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(self.file, self.base + span.start()..self.base + span.end())
    }

    fn word(self, pair: &Pair<'_, Rule>) -> Word {
        Word { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    /// A pair's text without the white space at its end.
    fn trimmed(self, pair: &Pair<'_, Rule>) -> Word {
        let mut word = self.word(pair);
        word.text.truncate(word.text.trim_end().len());
        word.span.end = word.span.start + word.text.len() as u32;
        word
    }

    /// The words of a list; commas and keywords are passed over.
    fn words(self, pair: Pair<'_, Rule>) -> Vec<Word> {
        pair.into_inner()
            .filter(|part| matches!(part.as_rule(), Rule::ident | Rule::word))
            .map(|part| self.word(&part))
            .collect()
    }

    fn string(self, pair: Pair<'_, Rule>) -> Word {
        let span = self.span(&pair);
        pair.into_inner()
            .find(|part| part.as_rule() == Rule::string_text)
            .map_or(Word { text: String::new(), span }, |text| self.word(&text))
    }

    fn patchset(self, pair: Pair<'_, Rule>, docs: Vec<String>, diagnostics: &mut Diagnostics) -> Patchset {
        let mut name = Word { text: String::new(), span: self.span(&pair) };
        let mut clauses = Vec::new();
        let open_end = self.open_end(&pair, diagnostics);
        for part in pair.into_inner() {
            let span = self.span(&part);
            let one = |part: Pair<'_, Rule>| self.words(part).into_iter().next();
            let kind = match part.as_rule() {
                Rule::ident => {
                    name = self.word(&part);
                    None
                }
                Rule::arch_clause => Some(SetClauseKind::Arch(self.words(part))),
                Rule::abi_clause => one(part).map(SetClauseKind::Abi),
                Rule::baseline_clause => Some(SetClauseKind::Baseline(self.words(part))),
                Rule::syntax_clause => one(part).map(SetClauseKind::Syntax),
                Rule::site_clause => Some(SetClauseKind::Site(self.site(part))),
                Rule::bad_clause => {
                    if Some(part.as_span().end()) != open_end {
                        self.explain_clause(&part, super::explain::Block::Patchset, diagnostics);
                    }
                    None
                }
                _ => None,
            };
            clauses.extend(kind.map(|kind| SetClause { kind, span }));
        }
        Patchset { docs, name, clauses }
    }

    /// Reports a block that is never closed; returns where it breaks off. A clause that ends there was broken by it.
    fn open_end(self, block: &Pair<'_, Rule>, diagnostics: &mut Diagnostics) -> Option<usize> {
        if !block.clone().into_inner().any(|part| part.as_rule() == Rule::unclosed) {
            return None;
        }
        self.explain_unclosed(block.get_input(), diagnostics);
        Some(block.get_input().len())
    }

    fn branch(self, pair: Pair<'_, Rule>, docs: Vec<String>, diagnostics: &mut Diagnostics) -> Item {
        let mut name = None;
        let mut initial = false;
        let mut clauses = Vec::new();
        let open_end = self.open_end(&pair, diagnostics);
        for part in pair.into_inner() {
            let span = self.span(&part);
            let kind = match part.as_rule() {
                Rule::dotted => {
                    name = Some(self.word(&part));
                    None
                }
                Rule::truth => {
                    initial = part.as_str() == "true";
                    None
                }
                Rule::arch_clause => Some(BranchClauseKind::Arch(self.words(part))),
                Rule::live => Some(BranchClauseKind::Live),
                Rule::bad_clause => {
                    if Some(part.as_span().end()) != open_end {
                        self.explain_clause(&part, super::explain::Block::Branch, diagnostics);
                    }
                    None
                }
                _ => None,
            };
            clauses.extend(kind.map(|kind| BranchClause { kind, span }));
        }
        match name {
            Some(name) => Item::Branch(Branch { docs, name, initial, clauses }),
            None => Item::Bad(None),
        }
    }

    fn op(self, pair: Pair<'_, Rule>, docs: Vec<String>, diagnostics: &mut Diagnostics) -> Item {
        let whole = self.span(&pair);
        let mut name = None;
        let mut signature = None;
        let mut open = whole;
        let mut clauses = Vec::new();
        let open_end = self.open_end(&pair, diagnostics);
        let mut damaged = open_end.is_some();
        for part in pair.into_inner() {
            let span = self.span(&part);
            let kind = match part.as_rule() {
                Rule::signature => {
                    let (found, what) = self.signature(part);
                    name = found;
                    signature = Some(what);
                    None
                }
                Rule::bad_signature => {
                    let end = self.explain_signature(&part, diagnostics);
                    name = end.name;
                    if !end.body_follows {
                        return Item::Bad(name);
                    }
                    None
                }
                Rule::open => {
                    open = span;
                    None
                }
                Rule::doc => {
                    diagnostics.push(
                        Diagnostic::new(Code::SYNTAX, span, "a doc comment stands inside an op")
                            .label("documents nothing")
                            .help("write `//` for a remark, or move it above the `op` line"),
                    );
                    None
                }
                Rule::bad_clause => {
                    damaged = true;
                    if Some(part.as_span().end()) != open_end {
                        self.explain_clause(&part, super::explain::Block::Op, diagnostics);
                    }
                    None
                }
                _ => self.clause(part),
            };
            clauses.extend(kind.map(|kind| Clause { kind, span }));
        }
        match name {
            Some(name) => Item::Op(Op { docs, name, span: whole, signature, open, clauses, damaged }),
            None => Item::Bad(None),
        }
    }

    fn clause(self, pair: Pair<'_, Rule>) -> Option<ClauseKind> {
        Some(match pair.as_rule() {
            Rule::clobbers => ClauseKind::Clobbers(
                pair.into_inner()
                    .filter(|part| part.as_rule() == Rule::clobber_group)
                    .map(|group| self.group(group, |part| (part.as_rule() == Rule::word).then(|| self.word(&part))))
                    .collect(),
            ),
            Rule::preserves => ClauseKind::Preserves(self.words(pair)),
            Rule::site_clause => ClauseKind::Site(self.site(pair)),
            Rule::default => ClauseKind::Default(self.words(pair).into_iter().next()?),
            Rule::allow => {
                let mut parts = pair.into_inner();
                let code = parts.find(|part| part.as_rule() == Rule::ident)?;
                let reason = parts.find(|part| part.as_rule() == Rule::string)?;
                ClauseKind::Allow { code: self.word(&code), reason: self.string(reason) }
            }
            Rule::live => ClauseKind::Live,
            Rule::nocall => ClauseKind::Nocall,
            Rule::partial => ClauseKind::Partial,
            Rule::row => ClauseKind::Row(self.row(pair)),
            _ => return None,
        })
    }

    fn row(self, pair: Pair<'_, Rule>) -> Row {
        let asm = self.span(&pair);
        let mut row = Row { arches: Vec::new(), when: None, identity: None, asm, bytes: None };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => row.arches.push(self.word(&part)),
                Rule::when => {
                    let text = part.into_inner().find(|part| part.as_rule() == Rule::condition_text);
                    row.when = text.map(|text| self.trimmed(&text));
                }
                Rule::kw_identity => row.identity = Some(self.span(&part)),
                Rule::asm => {
                    // Between the braces, which the rule has at both ends.
                    row.asm = self.span(&part);
                    row.asm.start += 1;
                    row.asm.end -= 1;
                }
                Rule::bytes => row.bytes = Some(self.trimmed(&part)),
                _ => {}
            }
        }
        row
    }

    fn site(self, pair: Pair<'_, Rule>) -> Vec<Group<SiteKind>> {
        let kind = |part: Pair<'_, Rule>| {
            if part.as_rule() != Rule::site_kind {
                return None;
            }
            let span = self.span(&part);
            let mut name = Word { text: String::new(), span };
            let mut len = None;
            for part in part.into_inner() {
                match part.as_rule() {
                    Rule::dotted => name = self.word(&part),
                    Rule::number => len = Some(self.word(&part)),
                    _ => {}
                }
            }
            Some(SiteKind { name, len, span })
        };
        pair.into_inner()
            .filter(|part| part.as_rule() == Rule::site_group)
            .map(|group| self.group(group, kind))
            .collect()
    }

    fn group<T>(self, pair: Pair<'_, Rule>, item: impl Fn(Pair<'_, Rule>) -> Option<T>) -> Group<T> {
        let mut group = Group { arches: Vec::new(), items: Vec::new() };
        for part in pair.into_inner() {
            if part.as_rule() == Rule::for_arches {
                group.arches = self.words(part);
            } else {
                group.items.extend(item(part));
            }
        }
        group
    }

    /// The op's name and its signature.
    fn signature(self, pair: Pair<'_, Rule>) -> (Option<Word>, Signature) {
        let mut span = self.span(&pair);
        let mut name = None;
        let mut params = Vec::new();
        let mut returns = Returns::Values(Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::dotted => name = Some(self.word(&part)),
                Rule::lparen => span.start = self.span(&part).start,
                Rule::param => params.extend(self.param(part)),
                Rule::returns => {
                    let whole = self.span(&part);
                    let mut results = Vec::new();
                    let mut never = false;
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::never => never = true,
                            Rule::param | Rule::bare_result => results.extend(self.param(part)),
                            _ => {}
                        }
                    }
                    returns = if never { Returns::Never(whole) } else { Returns::Values(results) };
                }
                _ => {}
            }
        }
        (name, Signature { params, returns, span })
    }

    /// `NAME: TYPE [in REG]`, or without the name.
    fn param(self, pair: Pair<'_, Rule>) -> Option<Param> {
        let span = self.span(&pair);
        let named = pair.as_rule() == Rule::param;
        let mut words = Vec::new();
        let mut place = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::ident => words.push(self.word(&part)),
                Rule::place => place = self.words(part).into_iter().next(),
                _ => {}
            }
        }
        let ty = words.pop()?;
        let name = if named { words.pop() } else { None };
        Some(Param { name, ty, place, span })
    }
}

/// The text of a doc comment line without its mark and the one space after it.
fn doc_text(line: &str, mark: &str) -> String {
    let text = line.strip_prefix(mark).unwrap_or(line).trim_end();
    text.strip_prefix(' ').unwrap_or(text).to_owned()
}
