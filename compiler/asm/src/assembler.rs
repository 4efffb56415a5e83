//! The state of one block.

use crate::diagnostic::{Diagnostic, ErrorKind, Severity};
use crate::expression::Failed;
use crate::layout::{Mark, Pending};
use crate::lexer::Cursor;
use crate::operand::Operand;
use crate::prefixes::Prefixes;
use crate::symbols::{Place, Symbols, Value};
use crate::{Assembly, Item, ItemKind, Items, Mode, Options, Syntax};
use std::ops::Range;

/// Most diagnostics that are kept of one block.
const MAX_DIAGNOSTICS: usize = 1000;
/// Longest text, so that spans fit 32 bits.
const MAX_TEXT: usize = 1 << 30;

/// The instruction being read.
pub(crate) struct Instruction {
    /// Operands, at most five; in Intel order once parsed. The sixth stays empty ([`crate::form::Roles::NONE`]).
    pub(crate) ops: [Operand; 8],
    pub(crate) count: usize,
    pub(crate) prefixes: Prefixes,
    /// Pseudo-prefixes.
    pub(crate) hints: u16,
    /// Opmask register; 0 for none.
    pub(crate) mask: u8,
    pub(crate) zero: bool,
    /// 0 none, 1 to 4 {rn,rd,ru,rz-sae}, 5 {sae}.
    pub(crate) rounding: u8,
    /// Operands before the rounding decorator.
    pub(crate) rounding_at: usize,
    /// It was written without a comma (Intel syntax).
    pub(crate) rounding_glued: bool,
    /// Operands before the one with the mask or the zeroing.
    pub(crate) mask_at: u8,
    /// Some decorator or size was written, so that the fast match does not do.
    pub(crate) decorated: bool,
    /// Some operand is an immediate.
    pub(crate) immediates: bool,
    /// Start of the statement with its prefixes.
    pub(crate) start: u32,
    /// The mnemonic.
    pub(crate) name: Range<u32>,
}

/// Assembles one block.
pub(crate) struct Assembler<'t> {
    pub(crate) source: &'t str,
    pub(crate) cur: Cursor<'t>,
    pub(crate) mode: Mode,
    pub(crate) syntax: Syntax,
    /// Mode at the start: it decides whether fields hold their addends (ELF32 REL) or not (ELF64 RELA).
    pub(crate) object: Mode,
    /// Intel syntax with `%` before registers.
    pub(crate) intel_prefix: bool,
    pub(crate) out: Vec<u8>,
    pub(crate) items: Items,
    pub(crate) pending: Vec<Pending>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) values: Vec<Value>,
    pub(crate) symbols: Symbols<'t>,
    pub(crate) insn: Instruction,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) errors: usize,
    pub(crate) want_items: bool,
    /// Only the messages of errors are wanted, no advice that must be searched for.
    pub(crate) brief: bool,
    /// Symbols mentioned and branches made so far.
    pub(crate) mentions: usize,
    /// Shapes that were seen before, see `quick/mod.rs`.
    pub(crate) shapes: Box<[crate::quick::Shape]>,
}

impl Mode {
    /// 16, 32 or 64.
    pub fn bits(self) -> u32 {
        match self {
            Mode::Bits16 => 16,
            Mode::Bits32 => 32,
            Mode::Bits64 => 64,
        }
    }
}

impl<'t> Assembler<'t> {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            source: "",
            cur: Cursor { text: b"", pos: 0 },
            mode: options.mode,
            syntax: options.syntax,
            object: options.mode,
            intel_prefix: false,
            out: Vec::new(),
            items: Items::default(),
            pending: Vec::new(),
            marks: Vec::new(),
            values: Vec::new(),
            symbols: Symbols::default(),
            insn: Instruction {
                ops: [Operand::EMPTY; 8],
                count: 0,
                prefixes: Prefixes::default(),
                hints: 0,
                mask: 0,
                zero: false,
                rounding: 0,
                rounding_at: 0,
                rounding_glued: false,
                mask_at: 0,
                decorated: false,
                immediates: false,
                start: 0,
                name: 0..0,
            },
            diagnostics: Vec::new(),
            errors: 0,
            want_items: true,
            brief: false,
            mentions: 0,
            shapes: Box::default(),
        }
    }

    /// Reads all statements.
    pub(crate) fn run(&mut self, text: &'t str) {
        if text.len() > MAX_TEXT {
            self.report(Diagnostic::error(ErrorKind::Limit, 0..0, "the text is longer than 1 GiB"));
            return;
        }
        self.source = text;
        self.cur = Cursor { text: text.as_bytes(), pos: 0 };
        if self.want_items {
            // Room for text of short lines: what is not touched costs nothing, what grows is copied.
            self.out.reserve(text.len() / 3);
            self.items.reserve(text.len() / 14 + 1);
        }
        self.remember_shapes(text.len());
        self.statements(text.len());
    }

    /// Reads the statements of one line of `text`.
    pub(crate) fn run_line(&mut self, text: &'t str, line: Range<usize>) {
        if text.len() > MAX_TEXT {
            return self.run(text.get(line).unwrap_or(""));
        }
        self.source = text;
        self.cur = Cursor { text: text.as_bytes(), pos: line.start };
        self.statements(line.end);
    }

    /// Reads the statements that start before `end`.
    fn statements(&mut self, end: usize) {
        while self.cur.pos < end {
            if !self.quick() && !self.quick_branch() && self.statement().is_err() {
                self.cur.skip_statement();
            }
            self.cur.eat(b'\n');
        }
    }

    /// The text of a range; empty if it is none.
    pub(crate) fn str(&self, start: usize, end: usize) -> &'t str {
        self.source.get(start..end).unwrap_or("")
    }

    #[cold]
    pub(crate) fn report(&mut self, mut diagnostic: Diagnostic) {
        let boundary = |mut at: usize| {
            at = at.min(self.source.len());
            while !self.source.is_char_boundary(at) {
                at += 1;
            }
            at
        };
        diagnostic.span = boundary(diagnostic.span.start)..boundary(diagnostic.span.end.max(diagnostic.span.start));
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Reports an error and fails.
    #[cold]
    pub(crate) fn fail<T>(&mut self, diagnostic: Diagnostic) -> Result<T, Failed> {
        self.report(diagnostic);
        Err(Failed)
    }

    /// The place of the next byte.
    pub(crate) fn here(&self) -> Place {
        Place { offset: self.out.len() as u32, mark: self.marks.len() as u32 }
    }

    /// Notes that the bytes from `offset` on came from the text from `start` on.
    #[inline]
    pub(crate) fn item(&mut self, offset: usize, start: u32, kind: ItemKind) {
        if self.want_items {
            // A comment may bring a newline.
            let text = self.cur.text.get(start as usize..self.cur.pos).unwrap_or(&[]);
            self.items.over_lines |= text.contains(&b'\n');
            self.push_item(offset, start, kind);
        }
    }

    /// The same for an instruction that stands on one line.
    #[inline]
    pub(crate) fn line_item(&mut self, offset: usize, start: u32) {
        self.push_item(offset, start, ItemKind::Instruction);
    }

    #[inline]
    fn push_item(&mut self, offset: usize, start: u32, kind: ItemKind) {
        if self.want_items {
            self.items.push(Item {
                offset: offset as u32,
                len: (self.out.len() - offset) as u32,
                start,
                end: self.cur.pos as u32,
                kind,
            });
        }
    }

    /// What was assembled.
    pub(crate) fn finish(mut self) -> Result<Assembly, Vec<Diagnostic>> {
        let mut assembly = Assembly::default();
        self.lay_out(&mut assembly);
        if self.errors != 0 {
            self.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
            return Err(self.diagnostics);
        }
        assembly.warnings = self.diagnostics;
        Ok(assembly)
    }

    /// The same assembler, emptied, for a text of another lifetime.
    pub(crate) fn recycled<'n>(mut self) -> Assembler<'n> {
        let options = Options { mode: self.object, syntax: self.syntax };
        self.reset(options);
        let Assembler { out, items, pending, marks, values, diagnostics, want_items, brief, shapes, .. } = self;
        Assembler {
            out,
            items,
            pending,
            marks,
            values,
            diagnostics,
            want_items,
            brief,
            shapes,
            ..Assembler::new(options)
        }
    }

    /// Whether nothing but instructions of their own has been read since the last reset.
    #[inline]
    pub(crate) fn is_pristine(&self) -> bool {
        self.mentions == 0 && self.errors == 0 && self.diagnostics.is_empty()
    }

    /// Makes ready for another block with the same allocations.
    pub(crate) fn reset(&mut self, options: Options) {
        self.mode = options.mode;
        self.object = options.mode;
        self.syntax = options.syntax;
        self.intel_prefix = false;
        self.out.clear();
        self.items.clear();
        self.pending.clear();
        self.marks.clear();
        self.values.clear();
        if !self.symbols.is_empty() {
            self.symbols.clear();
        }
        self.diagnostics.clear();
        self.errors = 0;
        self.mentions = 0;
    }
}
