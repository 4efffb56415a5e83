//! Direct branches: to labels, symbols and absolute addresses.

use crate::ItemKind;
use crate::Mode;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups::FixupKind;
use crate::form::Form;
use crate::kinds::{KINDS, Slot};
use crate::layout::What;
use crate::prefixes::{BND, hint};
use crate::symbols::{Definition, Value};

impl Assembler<'_> {
    /// A direct branch to the target in operand 0.
    pub(crate) fn branch(&mut self, short: Option<&'static Form>, near: Option<&'static Form>) -> Result<(), Failed> {
        self.mentions += 1;
        let op = self.insn.ops[0];
        let value = if op.expr != 0 { self.values[op.expr as usize - 1] } else { Value::constant(op.value) };
        let prefixes = self.insn.prefixes;
        let begin = self.out.len();
        let any = short.or(near);
        let Some(first) = any else {
            return self.fail(Diagnostic::error(
                ErrorKind::OperandForm,
                op.span(),
                "this instruction takes no branch target",
            ));
        };
        // Jcc takes branch hints (2E, 3E), everything takes `bnd`; GNU as drops other segments with a warning.
        let conditional = short.is_some_and(|form| form.opcode >> 4 == 7);
        let segment = prefixes.segment != 0 && !(conditional && matches!(prefixes.segment, 0x2e | 0x3e));
        let bound = prefixes.rep_word == BND && near.unwrap_or(first).flags & Form::BND != 0;
        if prefixes.lock || prefixes.rep != 0 && !bound || prefixes.notrack || segment {
            let span = self.prefix_span();
            return self.fail(Diagnostic::error(ErrorKind::Prefix, span, "a direct branch cannot carry this prefix"));
        }
        let wrong = if self.mode == Mode::Bits16 { hint::DISP32 } else { hint::DISP16 };
        if self.insn.hints & (hint::VEX | hint::EVEX | wrong) != 0 {
            let span = self.prefix_span();
            return self.fail(Diagnostic::error(ErrorKind::Prefix, span, "a branch has no such encoding"));
        }
        let mode_bits = self.mode.bits() as u8;
        let mut width = near.map_or(1, |form| match KINDS[form.ops[0] as usize].slot {
            Slot::Rel(width) => width,
            _ => 4,
        });
        let data = near.unwrap_or(first).needs_data_prefix(self.mode);
        if prefixes.address && first.asz == 0 {
            let span = self.prefix_span();
            return self.fail(Diagnostic::error(ErrorKind::Prefix, span, "a direct branch has no address size"));
        }
        // REX.W outweighs 66.
        if prefixes.data && prefixes.rex & 8 == 0 {
            width = if width == 1 { 1 } else { 6 - width };
        }
        if prefixes.segment != 0 {
            self.out.push(prefixes.segment);
        }
        if prefixes.address || first.asz != 0 && first.asz != mode_bits {
            self.out.push(0x67);
        }
        if prefixes.data || data {
            self.out.push(0x66);
        }
        if prefixes.rep != 0 {
            self.out.push(prefixes.rep);
        }
        if self.insn.hints & hint::REX != 0 && mode_bits != 64 {
            return self.fail(Diagnostic::error(ErrorKind::WrongMode, op.span(), "`{rex}` needs 64-bit mode"));
        }
        if prefixes.rex != 0 {
            self.out.push(prefixes.rex);
        } else if self.insn.hints & hint::REX != 0 {
            self.out.push(0x40);
        }
        let (start, end) = (op.start, op.end);
        let forced_near = self.insn.hints & (hint::DISP16 | hint::DISP32) != 0;
        let short = if forced_near && near.is_some() { None } else { short };
        match (short, near) {
            (Some(form), None) => {
                if value.is_constant() && value.constant as i8 as i64 != value.constant {
                    return self.fail(
                        Diagnostic::error(
                            ErrorKind::ImmediateRange,
                            op.span(),
                            "this branch has an 8-bit displacement",
                        )
                        .label("an absolute address does not fit"),
                    );
                }
                self.out.push(form.opcode);
                self.push_field(1, FixupKind::PcRel8, value, 1, start..end);
            }
            (None, Some(form)) => {
                self.near_opcode(form);
                let kind = self.near_kind(form, width);
                self.push_field(width, kind, value, width, start..end);
            }
            (Some(short), Some(near)) => {
                // A label behind us with nothing of open length between is at a known distance.
                if let Some(distance) = self.known_distance(value) {
                    let distance = distance - 2;
                    if distance as i8 as i64 == distance {
                        self.out.push(short.opcode);
                        self.out.push(distance as u8);
                        self.item(begin, self.insn.start, ItemKind::Instruction);
                        return Ok(());
                    }
                }
                let (bytes, len) = near_bytes(near);
                self.item(begin, self.insn.start, ItemKind::Instruction);
                if op.expr == 0 {
                    self.values.push(value);
                }
                let value = if op.expr == 0 { self.values.len() as u32 } else { op.expr } - 1;
                self.mark(What::Jump { short: short.opcode, near: bytes, near_len: len, width, value, start, end });
                return Ok(());
            }
            (None, None) => {}
        }
        self.item(begin, self.insn.start, ItemKind::Instruction);
        Ok(())
    }

    /// Distance from here to a label, if nothing between is of open length.
    fn known_distance(&self, value: Value) -> Option<i64> {
        if value.add == 0 || value.sub != 0 || value.modifier != 0 {
            return None;
        }
        let Definition::Label(place) = self.symbols.all[value.add as usize - 1].definition else { return None };
        let here = self.here();
        (place.mark == here.mark).then(|| i64::from(place.offset) + value.constant - i64::from(here.offset))
    }

    fn near_opcode(&mut self, form: &Form) {
        let (bytes, len) = near_bytes(form);
        self.out.extend_from_slice(&bytes[..len as usize]);
    }

    fn near_kind(&self, form: &Form, width: u8) -> FixupKind {
        let transaction = form.flags & Form::TWO != 0;
        match width {
            2 => FixupKind::PcRel16,
            _ if self.object == Mode::Bits64 && !transaction => FixupKind::Plt32,
            _ => FixupKind::PcRel32,
        }
    }
}

/// Opcode bytes of a near branch.
fn near_bytes(form: &Form) -> ([u8; 2], u8) {
    if form.flags & Form::TWO != 0 {
        ([form.opcode, form.second], 2)
    } else if form.map == 1 {
        ([0x0f, form.opcode], 2)
    } else {
        ([form.opcode, 0], 1)
    }
}
