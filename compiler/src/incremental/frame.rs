//! What all ops of a set have in common, and the compilation of one op in it.
//!
//! File 0 of such a compilation is the text of the op; file N is the Nth part of the frame. Part 1 is empty and stands
//! for the start of the root file.

use super::basis::{Basis, Change};
use super::piece::Piece;
use super::{Origin, Placed};
use crate::check::{self, Checked};
use crate::compile::analyse;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::{AssembledRow, Unit};
use crate::source::{FileId, SourceMap, Span};
use crate::syntax::ast::{Ast, Branch, ClauseKind, Item, Op, Returns, Word};
use crate::syntax::{Parsed, Reader};
use crate::{assemble, resolve};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

const OP: FileId = FileId(0);
/// The file of a finding that only says that there are others.
const ELSEWHERE: FileId = FileId(u32::MAX);

/// Of how many frames the findings about an op are kept: what is typed is often taken back.
const KEPT: usize = 3;

/// The items that are no ops.
pub(super) struct Frame {
    /// Tells this frame from all others.
    number: u64,
    /// What ops read of it.
    basis: Rc<Basis>,
    /// What is other than in earlier frames.
    changes: RefCell<Vec<(Rc<Basis>, Rc<Change>)>>,
    /// The texts of its parts.
    parts: Vec<String>,
    ast: Ast,
    sources: SourceMap,
    /// What is found in a set without ops.
    alone: Vec<Diagnostic>,
}

/// What the phases after parsing found in one op.
#[derive(Debug)]
pub(super) struct OpFindings {
    pub(super) list: Vec<Diagnostic>,
    /// The declared features that the op uses; `None` if it might use any.
    uses: Option<BTreeSet<String>>,
    /// The CPU features that its rows need.
    pub(super) needs: BTreeSet<String>,
    /// Whether a finding points into the frame.
    points_out: bool,
}

impl OpFindings {
    fn new(list: Vec<Diagnostic>, uses: Option<BTreeSet<String>>, needs: BTreeSet<String>) -> Self {
        let out = |span: Span| span.file != OP;
        let points_out = list.iter().any(|found| {
            out(found.primary.span)
                || found.secondary.iter().any(|label| out(label.span))
                || found.fix.as_ref().is_some_and(|fix| out(fix.span))
        });
        Self { list, uses, needs, points_out }
    }

    /// Keeps the features that this op does not use either.
    pub(super) fn retain_unused(&self, unused: &mut BTreeSet<String>) {
        match &self.uses {
            Some(mine) => unused.retain(|feature| !mine.contains(feature)),
            None => unused.clear(),
        }
    }
}

/// What was found in an op, and in which frame.
#[derive(Debug)]
pub(super) struct Known {
    frame: u64,
    basis: Rc<Basis>,
    found: Rc<OpFindings>,
}

/// What the phases made of one op. Spans count from the start of its [`Piece`].
#[derive(Debug)]
pub struct Detail {
    /// The op as it is assembled, alone in its set.
    pub assembled: Unit<AssembledRow>,
    /// The op as it was checked; `None` if a row has no code or does not fit.
    pub checked: Option<Checked>,
    /// The text of the op (file 0) and of what is around it.
    pub sources: SourceMap,
}

impl Frame {
    /// The texts of the parts of the frame that stands among `items`, and their places.
    pub(super) fn parts(items: &[Placed]) -> (Vec<String>, Vec<Origin>) {
        let mut texts = vec![String::new()];
        let mut places = vec![Origin { file: FileId(0), base: 0 }];
        for item in items {
            if item.piece.item().is_none() || item.piece.stands_alone() {
                continue;
            }
            // What is said about it does not depend on the comments above it, which are edited more often.
            let comments = comments_len(&item.piece.text);
            texts.push(item.piece.text[comments..].to_owned());
            places.push(Origin { file: item.file, base: item.range.start + comments });
        }
        (texts, places)
    }

    pub(super) fn new(parts: Vec<String>, before: Option<&Self>) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let mut sources = SourceMap::default();
        sources.add(String::new(), String::new());
        let start = Span::new(FileId(1), 0..0);
        let mut ast = Ast { docs: Vec::new(), items: Vec::new(), start };
        for part in &parts {
            let file = sources.add(String::new(), part.clone());
            if part.is_empty() {
                continue;
            }
            // What the parser has to say was said about the piece.
            if let Parsed::Item(item) = (Reader { file, base: 0 }).item(part, &mut Diagnostics::default()) {
                ast.items.push(item);
            }
        }
        let mut diagnostics = Diagnostics::default();
        let checked = analyse(&ast, &sources, &mut diagnostics);
        let alone = diagnostics.list().to_vec();
        let set = checked.as_ref().map(|checked| &checked.unit().set);
        let basis = Basis::new(&ast, &sources, set, diagnostics.has_errors());
        let same = before.filter(|before| *before.basis == basis).map(|before| Rc::clone(&before.basis));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let basis = same.unwrap_or_else(|| Rc::new(basis));
        Self { number, basis, changes: RefCell::default(), parts, ast, sources, alone }
    }

    pub(super) fn is_of(&self, parts: &[String]) -> bool {
        self.parts == parts
    }

    /// The declared features, as long as no op is looked at.
    pub(super) fn unused(&self) -> impl Iterator<Item = String> + '_ {
        self.unused_features().map(|found| self.sources.text(found.primary.span).to_owned())
    }

    fn unused_features(&self) -> impl Iterator<Item = &Diagnostic> {
        self.alone.iter().filter(|found| found.code == Code::UNUSED_FEATURE)
    }

    /// The findings about declared features that none uses.
    pub(super) fn unused_findings<'a>(&'a self, unused: &'a BTreeSet<String>) -> impl Iterator<Item = &'a Diagnostic> {
        self.unused_features().filter(|found| unused.contains(self.sources.text(found.primary.span)))
    }

    /// What the phases after parsing find in an op.
    pub(super) fn findings(&mut self, piece: &Piece) -> Rc<OpFindings> {
        let mut known = piece.known.borrow_mut();
        if let Some(at) = known.iter().position(|known| self.still_holds(known, piece)) {
            known[..=at].rotate_right(1);
            let known = &mut known[0];
            (known.frame, known.basis) = (self.number, Rc::clone(&self.basis));
            return Rc::clone(&known.found);
        }
        let found = Rc::new(self.run(piece, None));
        known.insert(0, Known { frame: self.number, basis: Rc::clone(&self.basis), found: Rc::clone(&found) });
        known.truncate(KEPT);
        found
    }

    /// Whether what was found in another frame is what would be found in this one.
    fn still_holds(&self, known: &Known, piece: &Piece) -> bool {
        if known.found.points_out && known.frame != self.number {
            return false;
        }
        if Rc::ptr_eq(&known.basis, &self.basis) {
            return true;
        }
        let mut changes = self.changes.borrow_mut();
        let change =
            changes.iter().find(|(basis, _)| Rc::ptr_eq(basis, &known.basis)).map(|(_, change)| Rc::clone(change));
        let change = change.unwrap_or_else(|| {
            let change = Rc::new(Change::between(&known.basis, &self.basis));
            changes.push((Rc::clone(&known.basis), Rc::clone(&change)));
            change
        });
        !change.concerns(piece, &known.found)
    }

    /// What resolving finds in an op that cannot be assembled because another has its name.
    pub(super) fn resolve_findings(&mut self, piece: &Piece) -> Option<OpFindings> {
        let name = match piece.item()? {
            Item::Op(op) => &op.name,
            Item::Branch(branch) => &branch.name,
            _ => return None,
        };
        let mut found = self.run(piece, Some(name));
        found.list.retain(|found| found.primary.span != name.span);
        Some(found)
    }

    fn run(&mut self, piece: &Piece, taken: Option<&Word>) -> OpFindings {
        #[cfg(test)]
        RUNS.with(|runs| runs.set(runs.get() + 1));
        let Some(item @ (Item::Op(_) | Item::Branch(_))) = piece.item() else {
            return OpFindings::new(Vec::new(), None, BTreeSet::new());
        };
        let mut diagnostics = Diagnostics::default();
        let (set, sources) = self.with(piece, item, taken);
        let checked = analyse(set.ast, sources, &mut diagnostics);
        drop(set);
        let ops = checked.iter().flat_map(|checked| &checked.unit().ops);
        let rows = ops.flat_map(|op| &op.contracts).flat_map(|contract| &contract.rows);
        let needs = rows.flat_map(|row| &row.effects.features).cloned().collect();
        // No word about features may mean that all are used, or that nothing can be said: the same to us.
        let mut uses = self.basis.features.clone();
        let mut list = Vec::new();
        for found in diagnostics.list() {
            if found.code == Code::UNUSED_FEATURE {
                uses.remove(self.sources.text(found.primary.span));
            } else if found.primary.span.file == OP || !self.alone.contains(found) {
                list.push(found.clone());
            }
        }
        // What could not be read may use any feature, those of a later frame too.
        let damaged = matches!(item, Item::Op(op) if op.damaged);
        OpFindings::new(list, Some(uses).filter(|_| !damaged), needs)
    }

    /// The set with one op.
    fn with<'a>(&'a mut self, piece: &Piece, item: &Item, taken: Option<&Word>) -> (OneOp<'a>, &'a SourceMap) {
        self.sources.replace(OP, piece.text.clone());
        let len = self.ast.items.len();
        self.ast.items.extend(taken.map(|name| Item::Bad(Some(name.clone()))));
        self.ast.items.push(item.clone());
        (OneOp { ast: &mut self.ast, len }, &self.sources)
    }

    /// What the phases make of an op.
    pub(super) fn detail(&mut self, piece: &Piece) -> Option<Detail> {
        let item @ Item::Op(_) = piece.item()? else { return None };
        let mut diagnostics = Diagnostics::default();
        let (set, sources) = self.with(piece, item, None);
        let resolved = resolve::resolve(set.ast, sources, &mut diagnostics)?;
        let assembled = assemble::assemble(resolved, sources, &mut diagnostics);
        let checked = check::check(assembled.clone(), sources, &mut diagnostics);
        Some(Detail { assembled, checked, sources: sources.clone() })
    }

    /// What ops have to do with each other, and the findings about the frame; `broken` if the parser found errors.
    pub(super) fn across(&self, items: &[Placed], broken: bool) -> Across {
        let first_item = self.parts.len() as u32 + 1;
        let ops = || items.iter().filter_map(|item| item.piece.item());
        let identity = ops().any(|item| matches!(item, Item::Op(op) if has_identity(op)));
        let mut ast = self.ast.clone();
        let mut sources = self.sources.clone();
        let mut idents = HashSet::new();
        let mut doubles = BTreeSet::new();
        for (index, placed) in items.iter().enumerate() {
            // Item N is file `first_item + N`, so that a finding tells its item.
            let file = FileId(first_item + index as u32);
            let mut text = String::new();
            let mut add = |name: &Word| {
                if !idents.insert(name.text.replace('.', "_")) {
                    doubles.insert(index);
                }
                Word { text: name.text.clone(), span: Span { file, ..name.span } }
            };
            match placed.piece.item() {
                Some(Item::Op(op)) if identity && (has_identity(op) || maps_one_to_one(op)) => {
                    add(&op.name);
                    text.clone_from(&placed.piece.text);
                    if let Parsed::Item(item) = (Reader { file, base: 0 }).item(&text, &mut Diagnostics::default()) {
                        ast.items.push(item);
                    }
                }
                Some(Item::Op(op)) => ast.items.push(Item::Op(name_only(op, add(&op.name)))),
                Some(Item::Branch(branch)) => {
                    let name = add(&branch.name);
                    ast.items.push(Item::Branch(Branch {
                        docs: Vec::new(),
                        name,
                        clauses: Vec::new(),
                        ..branch.clone()
                    }));
                }
                Some(Item::Bad(name)) => ast.items.push(Item::Bad(name.as_ref().map(add))),
                _ => {}
            }
            sources.add(String::new(), text);
        }
        let mut diagnostics = Diagnostics::default();
        let elsewhere = Diagnostic::new(Code::SYNTAX, Span::new(ELSEWHERE, 0..0), "");
        if broken {
            diagnostics.push(elsewhere.clone());
        }
        analyse(&ast, &sources, &mut diagnostics);
        let list = diagnostics.list().iter().filter(|found| **found != elsewhere).cloned().collect();
        Across { list, doubles, first_item }
    }
}

/// What ops have to do with each other.
pub(super) struct Across {
    pub(super) list: Vec<Diagnostic>,
    /// The items whose name an earlier one has.
    pub(super) doubles: BTreeSet<usize>,
    first_item: u32,
}

impl Across {
    /// The item that a file of these findings stands for; `None` for the frame.
    pub(super) fn item(&self, file: FileId) -> Option<usize> {
        file.0.checked_sub(self.first_item).map(|index| index as usize)
    }
}

/// The set while it has one op more; that goes when this is dropped.
struct OneOp<'a> {
    ast: &'a mut Ast,
    len: usize,
}

impl Drop for OneOp<'_> {
    fn drop(&mut self) {
        self.ast.items.truncate(self.len);
    }
}

fn rows(op: &Op) -> impl Iterator<Item = &crate::syntax::ast::Row> {
    op.clauses.iter().filter_map(|clause| match &clause.kind {
        ClauseKind::Row(row) => Some(row),
        _ => None,
    })
}

fn has_identity(op: &Op) -> bool {
    rows(op).any(|row| row.identity.is_some())
}

/// Whether the identity row may be written to its sites.
fn maps_one_to_one(op: &Op) -> bool {
    op.signature.as_ref().is_some_and(|signature| {
        signature.params.len() == 1 && matches!(&signature.returns, Returns::Values(results) if results.len() == 1)
    })
}

/// An op of which nothing but the name is looked at.
fn name_only(op: &Op, name: Word) -> Op {
    Op {
        docs: Vec::new(),
        span: Span { file: name.span.file, ..op.span },
        open: Span { file: name.span.file, ..op.open },
        name,
        signature: None,
        clauses: Vec::new(),
        damaged: true,
    }
}

/// The length of the comments and empty lines at the start of an item.
fn comments_len(text: &str) -> usize {
    let is_comment = |line: &&str| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with("//")
    };
    text.split_inclusive('\n').take_while(is_comment).map(str::len).sum()
}

#[cfg(test)]
thread_local! {
    static RUNS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many ops this thread has compiled.
#[cfg(test)]
pub(super) fn runs() -> usize {
    RUNS.with(std::cell::Cell::get)
}
