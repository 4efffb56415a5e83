//! Moves of vector and mask registers: to the stack or another register, and back.

use super::super::registers::{Cell, QWORD};
use super::super::state::{Content, State, Value};
use super::Machine;
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

/// Whether the instruction moves whole vector or mask registers and nothing else.
pub(super) fn moves(instruction: &Instruction) -> bool {
    let plain = matches!(
        instruction.mnemonic(),
        Mnemonic::Movups
            | Mnemonic::Movupd
            | Mnemonic::Movaps
            | Mnemonic::Movapd
            | Mnemonic::Movdqu
            | Mnemonic::Movdqa
            | Mnemonic::Vmovups
            | Mnemonic::Vmovupd
            | Mnemonic::Vmovaps
            | Mnemonic::Vmovapd
            | Mnemonic::Vmovdqu
            | Mnemonic::Vmovdqa
            | Mnemonic::Vmovdqu8
            | Mnemonic::Vmovdqu16
            | Mnemonic::Vmovdqu32
            | Mnemonic::Vmovdqu64
            | Mnemonic::Vmovdqa32
            | Mnemonic::Vmovdqa64
            | Mnemonic::Kmovq
    );
    let held = |index| {
        let register: Register = instruction.op_register(index);
        instruction.op_kind(index) == OpKind::Memory || register.is_vector_register() || register.is_k()
    };
    plain && instruction.op_mask() == Register::None && (0..instruction.op_count()).all(held)
}

impl Machine {
    /// What a move of vector registers leaves in its target.
    pub(super) fn move_vector(&self, instruction: &Instruction, before: &State, state: &mut State) {
        let to = Cell::of(instruction.op0_register());
        let from = Cell::of(instruction.op1_register());
        match (to, from) {
            (Some((to, lanes)), Some((from, _))) => state.restore(to, lanes, before.part(from, lanes)),
            (Some((to, lanes)), None) => {
                if let Some(offset) = self.stack_operand(instruction, before) {
                    let len = i64::from(instruction.op0_register().size() as u32);
                    state.restore(to, lanes, before.load(offset, len, QWORD));
                }
            }
            (None, Some((from, lanes))) => {
                if let Some(offset) = self.stack_operand(instruction, before) {
                    let len = i64::from(instruction.op1_register().size() as u32);
                    state.store(offset, len, before.part(from, lanes));
                }
            }
            (None, None) => {}
        }
    }
}

impl State {
    /// What some lanes of a vector register hold. The content counts as defined as a whole or not at all.
    fn part(&self, cell: Cell, lanes: u8) -> Content {
        let content = self.get(cell);
        let value = match content.value {
            Value::Lanes(of, saved) if saved & lanes == lanes => Value::Lanes(of, lanes),
            _ if self.kept_lanes(cell) & lanes == lanes => Value::Lanes(cell, lanes),
            _ => Value::Any,
        };
        Content { value, defined: if content.defined & lanes == lanes { QWORD } else { 0 } }
    }
}
