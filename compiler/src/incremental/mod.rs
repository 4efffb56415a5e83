//! Compiles a set again and again while it is edited: what was found out about an op is kept until its text changes.
//!
//! A file is cut into items before it is parsed, and what the phases say of an op depends on its own text and on what
//! is no op: the `patchset` block and the features, here the frame. So each op is compiled alone in that frame,
//! once, by the same phases as ever, and again only if something of the frame changed that it reads (`basis`). What ops have to do with each other (their names, the identity row, features that
//! none uses) is found out by one more run over the names of all ops.
//!
//! The findings are those of [`compile`](crate::compile), which a test holds against them.

mod basis;
mod frame;
mod piece;
#[cfg(test)]
mod tests;

pub use frame::Detail;
pub use piece::{Content, Piece};

use crate::diagnostics::{Code, Diagnostic, Diagnostics, Label};
use crate::source::{FileId, Loader, SourceMap, Span};
use crate::syntax;
use frame::Frame;
use piece::{Collector, Pieces};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

/// What is kept from one compilation of a set to the next.
#[derive(Default)]
pub struct Session {
    pieces: Pieces,
    frame: Option<Frame>,
}

/// A set as it stands: its files, its items, its findings.
#[derive(Debug)]
pub struct Analysis {
    /// The files that were read, the root first.
    pub sources: SourceMap,
    /// The items of all files, in the order in which they were read.
    pub items: Vec<Placed>,
    /// All findings in the order of the source.
    pub diagnostics: Diagnostics,
    frame_places: Vec<Origin>,
}

/// An item at its place.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The file.
    pub file: FileId,
    /// Where it stands in the file, with the comments above it.
    pub range: Range<usize>,
    /// What it is. Spans in it count from the start of `range`.
    pub piece: Rc<Piece>,
}

impl Placed {
    /// The span in the file of a span in the piece.
    #[must_use]
    pub fn span(&self, inner: Span) -> Span {
        Origin { file: self.file, base: self.range.start }.span(inner)
    }
}

/// Where a text that was compiled alone stands.
#[derive(Clone, Copy, Debug)]
struct Origin {
    file: FileId,
    base: usize,
}

impl Origin {
    fn span(self, inner: Span) -> Span {
        let base = self.base as u32;
        Span { file: self.file, start: inner.start + base, end: inner.end + base }
    }
}

/// A finding with its spans moved.
fn moved(found: &Diagnostic, to: impl Fn(Span) -> Span) -> Diagnostic {
    let mut found = found.clone();
    let label = |label: &mut Label| label.span = to(label.span);
    label(&mut found.primary);
    found.secondary.iter_mut().for_each(label);
    if let Some(fix) = &mut found.fix {
        fix.span = to(fix.span);
    }
    found
}

impl Session {
    /// Compiles the file at `path` and what it includes.
    pub fn analyse(&mut self, path: &str, loader: &dyn Loader) -> Analysis {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let mut collector = Collector::new(std::mem::take(&mut self.pieces));
        syntax::walk(path, loader, &mut sources, &mut diagnostics, &mut collector);
        let (pieces, items) = collector.finish();
        self.pieces = pieces;
        for found in items.iter().flat_map(piece::findings) {
            diagnostics.push(found);
        }
        let (frame, frame_places) = Frame::parts(&items);
        if self.frame.as_ref().is_none_or(|old| !old.is_of(&frame)) {
            self.frame = Some(Frame::new(frame, self.frame.as_ref()));
        }
        let mut analysis = Analysis { sources, items, diagnostics, frame_places };
        if let Some(frame) = &mut self.frame {
            analysis.add_findings(frame);
        }
        analysis.diagnostics.sort();
        analysis
    }

    /// What the phases made of the op of an item; `None` if that is no op that could be read.
    pub fn detail(&mut self, item: &Placed) -> Option<Detail> {
        self.frame.as_mut()?.detail(&item.piece)
    }
}

impl Analysis {
    /// The item in whose text an offset stands.
    #[must_use]
    pub fn item_at(&self, file: FileId, offset: usize) -> Option<&Placed> {
        self.items.iter().rfind(|item| item.file == file && item.range.start <= offset)
    }

    /// The items of a file.
    pub fn items_of(&self, file: FileId) -> impl Iterator<Item = &Placed> {
        self.items.iter().filter(move |item| item.file == file)
    }

    /// The file of a path.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<FileId> {
        self.sources.files().find(|(_, file)| file.path == path).map(|(id, _)| id)
    }

    fn add_findings(&mut self, frame: &mut Frame) {
        let mut unused: BTreeSet<String> = frame.unused().collect();
        // Resolving tells a mistake in the frame once, whatever ops it shows in.
        let mut told = BTreeSet::new();
        let mut again = |found: &Diagnostic| found.code == Code::CONTRACT && !told.insert(found.primary.span);
        let across = frame.across(&self.items, self.diagnostics.has_errors());
        for (index, item) in self.items.iter().enumerate().filter(|(_, item)| item.piece.stands_alone()) {
            let found = frame.findings(&item.piece);
            found.retain_unused(&mut unused);
            let double = across.doubles.contains(&index).then(|| frame.resolve_findings(&item.piece)).flatten();
            let own = Origin { file: item.file, base: item.range.start };
            for found in &double.as_ref().unwrap_or(&found).list {
                if found.primary.span.file != FileId(0) && again(found) {
                    continue;
                }
                self.diagnostics.push(moved(found, |span| place(span, own, &self.frame_places)));
            }
        }
        let nowhere = Origin { file: FileId(0), base: 0 };
        for found in &across.list {
            if across.item(found.primary.span.file).is_none() && again(found) {
                continue;
            }
            self.diagnostics.push(moved(found, |span| match across.item(span.file) {
                Some(index) => self.items[index].span(span),
                None => place(span, nowhere, &self.frame_places),
            }));
        }
        for found in frame.unused_findings(&unused) {
            self.diagnostics.push(moved(found, |span| place(span, nowhere, &self.frame_places)));
        }
        // After an error a later phase may not have come to look for what an `allow` silences.
        if self.diagnostics.has_errors() {
            self.diagnostics.retain(|found| found.code != Code::UNUSED_ALLOW);
        }
    }
}

/// The place of a span of a compilation of one op: in the op itself, or in a part of the frame.
fn place(span: Span, own: Origin, frame: &[Origin]) -> Span {
    match span.file.0.checked_sub(1) {
        None => own.span(span),
        Some(part) => frame.get(part as usize).map_or(span, |origin| origin.span(span)),
    }
}
