//! A row, phase by phase.

#[cfg(doc)]
use super::Unit;
use crate::source::{FileId, Span};
use iced_x86::Instruction;

/// One row on one arch, resolved.
#[derive(Clone, Debug)]
pub struct ResolvedRow {
    /// The row in the source; a row of two arches gives two of these with the same span.
    pub span: Span,
    /// Its file.
    pub file: FileId,
    /// Its 1-based line.
    pub line: u32,
    /// Its condition; `None`: always.
    pub when: Option<When>,
    /// Whether it stands for "returns its argument".
    pub identity: bool,
    /// Its assembly.
    pub asm: Asm,
    /// The bytes written beside it for this arch.
    pub expected: Option<Expected>,
}

/// A condition.
#[derive(Clone, Debug)]
pub struct When {
    /// As written, with the usual spaces.
    pub text: String,
    /// Disjunctive normal form over [`Unit::features`]: it holds if any term does. Never empty.
    pub terms: Vec<Term>,
    /// Where the condition stands.
    pub span: Span,
}

/// A conjunction of features and negated features.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Term {
    /// Features that must be there.
    pub all: u64,
    /// Features that must not.
    pub none: u64,
}

/// An asm body.
#[derive(Clone, Debug)]
pub struct Asm {
    /// The text for the assembler: roles replaced by registers (`pushf; pop %rax`).
    pub text: String,
    /// Where each piece of `text` comes from: (offset in text, offset in the file), ascending. Between two entries
    /// text and file run in step; inside a replaced role each byte has an entry, to the start of the role.
    pub map: Vec<(u32, u32)>,
    /// The body in the source, without its braces.
    pub span: Span,
}

impl Asm {
    /// The span in the source of a byte range of `text`.
    #[must_use]
    pub fn source_span(&self, range: std::ops::Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        let end = self.source_end(range.end).max(start);
        Span { file: self.span.file, start, end }
    }

    /// The offset in the source at which a range that ends at `offset` ends: past the role if that is inside one.
    fn source_end(&self, offset: usize) -> u32 {
        let after = self.map.partition_point(|&(text, _)| text as usize <= offset);
        let (before, rest) = self.map.split_at(after);
        match before {
            [.., (_, role), (at, last)] if role == last && *at as usize == offset => {
                rest.iter().find(|(_, source)| source != last).map_or(self.span.end, |&(_, source)| source)
            }
            _ => self.source_offset(offset),
        }
    }

    fn source_offset(&self, offset: usize) -> u32 {
        let after = self.map.partition_point(|&(text, _)| text as usize <= offset);
        let next = self.map.get(after).map_or(self.span.end, |&(_, source)| source);
        match after.checked_sub(1).map(|before| self.map[before]) {
            Some((text, source)) => (source + (offset as u32 - text)).min(next),
            None => self.span.start,
        }
    }
}

/// The bytes beside a row.
#[derive(Clone, Debug)]
pub struct Expected {
    /// One entry a byte; `None` for `??`.
    pub bytes: Vec<Option<u8>>,
    /// The group in the source.
    pub span: Span,
}

/// A row with its code.
#[derive(Clone, Debug)]
pub struct AssembledRow {
    /// What it was assembled from.
    pub row: ResolvedRow,
    /// Its code; `None` if it is poisoned.
    pub code: Option<Code>,
}

/// Machine code of a row.
#[derive(Clone, Debug)]
pub struct Code {
    /// The bytes; fields of fixups hold zero.
    pub bytes: Vec<u8>,
    /// The instructions and data directives, in order.
    pub items: Vec<CodeItem>,
    /// The fields that the patcher fills in.
    pub fixups: Vec<pvc_asm::Fixup>,
}

/// One instruction or data directive of a row.
#[derive(Clone, Debug)]
pub struct CodeItem {
    /// Offset of its first byte.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
    /// Where it stands.
    pub span: Span,
    /// The instructions that the CPU finds there: one for an instruction, any number for `.byte` and the like; an
    /// invalid one ends the list. Decoded at address `offset`.
    pub instructions: Vec<Instruction>,
}
