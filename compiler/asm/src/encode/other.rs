//! Operands that are in none of the usual places, ModRM, VEX.vvvv, the opcode and the last bytes.

use crate::assembler::Assembler;
use crate::expression::Failed;
use crate::form::Form;
use crate::kinds::{KINDS, Slot};

/// What [`crate::form::Roles::other`] stands for.
#[derive(Clone, Copy, Default)]
pub(super) struct Other {
    /// The byte that holds a register, and perhaps a small immediate.
    pub(super) is4: Option<u8>,
    /// The operand that is a bare address.
    pub(super) moffs: Option<usize>,
    /// Segment number + 1 of a string instruction's source, and bits of its addresses; 0 for none.
    pub(super) string_segment: u8,
    pub(super) string_address: u8,
    /// Operand and bytes.
    pub(super) second_immediate: Option<(u8, u8)>,
}

impl Assembler<'_> {
    /// The operands that are in none of the usual places.
    #[cold]
    pub(super) fn other_roles(&mut self, form: &'static Form) -> Result<Other, Failed> {
        let mut other = Other::default();
        for i in 0..self.insn.count {
            let op = &self.insn.ops[i];
            match KINDS[form.ops[i] as usize].slot {
                Slot::Is4 => *other.is4.get_or_insert(0) |= op.reg << 4,
                Slot::Imm4 => *other.is4.get_or_insert(0) |= op.value as u8 & 15,
                Slot::Imm(width) if i != form.roles.immediate as usize => {
                    other.second_immediate = Some((i as u8, width))
                }
                Slot::Moffs => other.moffs = Some(i),
                Slot::StringSource => {
                    if other.string_address != 0 && other.string_address != op.addr {
                        return self.string_address_mismatch();
                    }
                    other.string_segment = op.seg;
                    other.string_address = op.addr;
                }
                Slot::StringDest => {
                    if op.seg > 1 {
                        return self.string_destination_segment(i);
                    }
                    if other.string_address != 0 && other.string_address != op.addr {
                        return self.string_address_mismatch();
                    }
                    other.string_address = op.addr;
                }
                _ => {}
            }
        }
        Ok(other)
    }
}
