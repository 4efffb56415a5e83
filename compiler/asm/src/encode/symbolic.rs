//! The fields of an instruction whose value is a symbol's: left for the layout.

use crate::Mode;
use crate::assembler::Assembler;
use crate::fixups::FixupKind;
use crate::layout::Pending;

/// A field with a symbol.
#[derive(Clone, Copy, Default)]
pub(super) struct Field {
    /// Its place in the instruction.
    pub(super) at: u8,
    pub(super) width: u8,
    pub(super) pc_relative: bool,
    /// Its 32 bits are extended with their sign.
    pub(super) signed: bool,
    /// The operand whose value it holds.
    pub(super) operand: u8,
}

/// The fields of one instruction: displacement and two immediates at most.
#[derive(Default)]
pub(super) struct Fields {
    all: [Field; 3],
    count: usize,
}

impl Fields {
    pub(super) fn add(&mut self, field: Field) {
        if let Some(slot) = self.all.get_mut(self.count) {
            *slot = field;
            self.count += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Field> {
        self.all.iter().take(self.count)
    }
}

impl Assembler<'_> {
    /// Leaves a field of the instruction at `offset`, which has `len` bytes, open.
    pub(super) fn leave_field(&mut self, offset: usize, len: usize, field: &Field) {
        let op = &self.insn.ops[field.operand as usize];
        let mut value = self.values[op.expr as usize - 1];
        if self.object != Mode::Bits64 && value.modifier == 0 && value.sub == 0 && self.symbols.is_got(value.add) {
            // The linker gives the distance from the field; code means the one from the instruction.
            value.constant += i64::from(field.at);
        }
        let kind = match (field.width, field.pc_relative) {
            (1, false) => FixupKind::Abs8,
            (1, true) => FixupKind::PcRel8,
            (2, false) => FixupKind::Abs16,
            (2, true) => FixupKind::PcRel16,
            (8, false) => FixupKind::Abs64,
            (_, true) => FixupKind::PcRel32,
            (_, false) if field.signed => FixupKind::Abs32Signed,
            (_, false) => FixupKind::Abs32,
        };
        let place = offset as u32 + u32::from(field.at);
        self.pending.push(Pending {
            offset: place,
            mark: self.marks.len() as u32,
            width: field.width,
            kind,
            value,
            // The CPU counts from the end of the instruction, the relocation from the field.
            tail: (len as u8) - field.at,
            start: op.start,
            end: op.end,
        });
        let at = place as usize;
        self.out[at..at + field.width as usize].fill(0);
    }
}
