//! The pieces of the files, parsed once each.

use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::source::FileId;
use crate::syntax::ast::{Item, Word};
use crate::syntax::{Parsed, Place, Reader, Visitor, misplaced};
use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use super::frame::Known;
use super::{Origin, Placed, moved};

/// The text of an item and what is known of it alone.
#[derive(Debug)]
pub struct Piece {
    /// The text, the comments above the item included.
    pub text: String,
    /// What it says.
    pub content: Content,
    /// What the parser found; spans count from the start of the text.
    pub(super) findings: Vec<Diagnostic>,
    /// What the later phases found in it in the last few frames, the last one first.
    pub(super) known: RefCell<Vec<Known>>,
}

/// What a piece says.
#[derive(Debug)]
pub enum Content {
    /// What stands before the first item.
    Preamble,
    /// An item.
    Item(Item),
    /// `include "PATH"`
    Include(Word),
    /// A patch set in an included file, which is passed over.
    Misplaced(Item),
}

impl Piece {
    fn parse(text: &str, item: bool, in_root: bool) -> Self {
        let reader = Reader { file: FileId(0), base: 0 };
        let mut diagnostics = Diagnostics::default();
        let content = if !item {
            reader.preamble(text, &mut diagnostics);
            Content::Preamble
        } else {
            match reader.item(text, &mut diagnostics) {
                Parsed::Include(path) => Content::Include(path),
                Parsed::Item(Item::Patchset(set)) if !in_root => {
                    diagnostics.push(misplaced(set.name.span));
                    Content::Misplaced(Item::Patchset(set))
                }
                Parsed::Item(item) => Content::Item(item),
            }
        };
        let findings = diagnostics.list().to_vec();
        Self { text: text.to_owned(), content, findings, known: RefCell::default() }
    }

    /// Its item.
    #[must_use]
    pub fn item(&self) -> Option<&Item> {
        match &self.content {
            Content::Item(item) => Some(item),
            Content::Preamble | Content::Include(_) | Content::Misplaced(_) => None,
        }
    }

    /// Whether it is compiled alone in the frame: an op, a branch, or an item that could not be read.
    pub(super) fn stands_alone(&self) -> bool {
        matches!(self.item(), Some(Item::Op(_) | Item::Branch(_) | Item::Bad(_)))
    }
}

/// What tells one piece from another: its text, and in which kind of place it stands.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    text: &'a str,
    item: bool,
    in_root: bool,
}

/// The pieces of the last compilation.
#[derive(Default)]
pub(super) struct Pieces(HashSet<Kept>);

struct Kept {
    piece: Rc<Piece>,
    item: bool,
    in_root: bool,
}

/// A key that is owned or borrowed.
trait AsKey {
    fn key(&self) -> Key<'_>;
}

impl AsKey for Kept {
    fn key(&self) -> Key<'_> {
        Key { text: &self.piece.text, item: self.item, in_root: self.in_root }
    }
}

impl AsKey for Key<'_> {
    fn key(&self) -> Key<'_> {
        Key { text: self.text, item: self.item, in_root: self.in_root }
    }
}

impl<'a> Borrow<dyn AsKey + 'a> for Kept {
    fn borrow(&self) -> &(dyn AsKey + 'a) {
        self
    }
}

impl PartialEq for dyn AsKey + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for dyn AsKey + '_ {}

impl Hash for dyn AsKey + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialEq for Kept {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Kept {}

impl Hash for Kept {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Collects the pieces of a walk over the files; those of the last walk are not parsed again.
pub(super) struct Collector {
    old: Pieces,
    new: Pieces,
    items: Vec<Placed>,
}

impl Collector {
    pub(super) fn new(old: Pieces) -> Self {
        let new = Pieces(HashSet::with_capacity(old.0.len()));
        Self { old, new, items: Vec::new() }
    }

    /// The pieces that are in use, and the items.
    pub(super) fn finish(self) -> (Pieces, Vec<Placed>) {
        (self.new, self.items)
    }

    fn piece(&mut self, place: Place<'_>, item: bool) -> Rc<Piece> {
        let Place { text, in_root, reader } = place;
        let key: &dyn AsKey = &Key { text, item, in_root };
        let known = self.new.0.get(key).or_else(|| self.old.0.get(key)).map(|kept| Rc::clone(&kept.piece));
        let piece = known.unwrap_or_else(|| Rc::new(Piece::parse(text, item, in_root)));
        self.new.0.insert(Kept { piece: Rc::clone(&piece), item, in_root });
        let range = reader.base..reader.base + text.len();
        self.items.push(Placed { file: reader.file, range, piece: Rc::clone(&piece) });
        piece
    }
}

impl Visitor for Collector {
    fn preamble(&mut self, place: Place<'_>, _: &mut Diagnostics) {
        self.piece(place, false);
    }

    fn item(&mut self, place: Place<'_>, _: &mut Diagnostics) -> Option<Word> {
        let origin = Origin { file: place.reader.file, base: place.reader.base };
        match &self.piece(place, true).content {
            Content::Include(path) => Some(Word { text: path.text.clone(), span: origin.span(path.span) }),
            _ => None,
        }
    }
}

/// The findings of the parser in a piece, at its place.
pub(super) fn findings(item: &Placed) -> impl Iterator<Item = Diagnostic> + '_ {
    item.piece.findings.iter().map(|found| moved(found, |span| item.span(span)))
}
