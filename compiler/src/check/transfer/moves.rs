//! Instructions that move values about unchanged: after the generic writes these say what was moved.

use super::super::effects;
use super::super::flow::{Next, Node};
use super::super::registers::{Cell, DWORD, QWORD, WORD};
use super::super::state::{Content, State, Value};
use super::Machine;
use crate::arch::Arch;
use iced_x86::{Instruction, Mnemonic, OpKind, Register};

impl Machine {
    /// What the instruction moved.
    pub(super) fn precise(&self, node: &Node, before: &State, state: &mut State) {
        let instruction = &node.instruction;
        let word = self.word();
        let pushed = i64::from(instruction.stack_pointer_increment());
        if pushed != 0 && instruction.mnemonic() != Mnemonic::Enter {
            let moved = self.plus(before.get(Cell::SP).value, pushed);
            state.set(Cell::SP, Content::any(self.full()));
            self.set_value(state, Cell::SP, moved);
        }
        let top = before.stack_pointer();
        match instruction.mnemonic() {
            Mnemonic::Push if pushed == -word => {
                if let (Some(top), Some(content)) = (top, self.operand(instruction, 0, before)) {
                    state.store(top - word, word, content);
                }
            }
            Mnemonic::Pop if pushed == word => {
                let content = top.map_or(Content::any(self.full()), |top| before.load(top, word, self.full()));
                if let Some((cell, _)) = Cell::of(instruction.op0_register()) {
                    state.set(cell, Content { defined: content.defined & cell.lanes(self.arch), ..content });
                }
            }
            Mnemonic::Pushad => {
                const ORDER: [Register; 8] = [
                    Register::EAX,
                    Register::ECX,
                    Register::EDX,
                    Register::EBX,
                    Register::ESP,
                    Register::EBP,
                    Register::ESI,
                    Register::EDI,
                ];
                for (index, register) in ORDER.into_iter().enumerate() {
                    if let (Some(top), Some((cell, _))) = (top, Cell::of(register)) {
                        state.store(top - 4 * (index as i64 + 1), 4, before.get(cell));
                    }
                }
            }
            Mnemonic::Popad => {
                const ORDER: [Register; 8] = [
                    Register::EDI,
                    Register::ESI,
                    Register::EBP,
                    Register::ESP,
                    Register::EBX,
                    Register::EDX,
                    Register::ECX,
                    Register::EAX,
                ];
                for (index, register) in ORDER.into_iter().enumerate() {
                    // The slot of the stack pointer is skipped.
                    if let (Some(top), Some((cell, _))) =
                        (top, Cell::of(register).filter(|&(cell, _)| cell != Cell::SP))
                    {
                        state.set(cell, before.load(top + 4 * index as i64, 4, DWORD));
                    }
                }
            }
            Mnemonic::Call => {
                if let (Some(top), [Next::Enter(_)]) = (top, &node.next[..]) {
                    let content = Content { value: Value::Code(node.end()), defined: self.full() };
                    state.store(top - word, word, content);
                }
            }
            Mnemonic::Leave => {
                let (frame, _) = Cell::of(Register::RBP).expect("a general register has a cell");
                let pointer = before.get(frame).value;
                let saved = match pointer {
                    Value::Stack(offset) => before.load(offset, word, self.full()),
                    _ => Content::any(self.full()),
                };
                state.set(frame, saved);
                let moved = self.plus(pointer, word);
                self.set_value(state, Cell::SP, moved);
            }
            Mnemonic::Enter => {
                let (frame, _) = Cell::of(Register::RBP).expect("a general register has a cell");
                if let Some(top) = top {
                    state.store(top - word, word, before.get(frame));
                    state.set(frame, Content { value: Value::Stack(top - word), defined: self.full() });
                }
                let moved = self.plus(before.get(Cell::SP).value, pushed);
                self.set_value(state, Cell::SP, moved);
            }
            Mnemonic::Mov => self.precise_move(instruction, before, state),
            Mnemonic::Xchg => {
                let cells = (Cell::of(instruction.op0_register()), Cell::of(instruction.op1_register()));
                if let (Some((one, lanes)), Some((other, other_lanes))) = cells {
                    if lanes == self.full() {
                        state.set(one, before.get(other));
                        state.set(other, before.get(one));
                    } else {
                        self.copy_part(state, one, lanes, other_lanes, before.get(other), before);
                        self.copy_part(state, other, other_lanes, lanes, before.get(one), before);
                    }
                } else if let (None, Some((cell, lanes))) = cells
                    && let Some(offset) = self.stack_operand(instruction, before)
                    && lanes == self.full()
                {
                    let loaded = before.load(offset, word, lanes);
                    state.store(offset, word, before.get(cell));
                    state.set(cell, loaded);
                }
            }
            Mnemonic::Lea if instruction.is_ip_rel_memory_operand() => {
                if let (Some((cell, _)), Some(place)) = (Cell::of(instruction.op0_register()), node.own_address) {
                    self.set_value(state, cell, Value::Code(place));
                }
            }
            Mnemonic::Lea => {
                if let Some((cell, lanes)) = Cell::of(instruction.op0_register())
                    && lanes == self.full()
                    && instruction.memory_index() == Register::None
                    && let Some((base, _)) = Cell::of(instruction.memory_base())
                {
                    let displacement = self.signed(instruction.memory_displacement64());
                    let moved = self.plus(before.get(base).value, displacement);
                    self.set_value(state, cell, moved);
                }
            }
            Mnemonic::Add | Mnemonic::Sub | Mnemonic::And => {
                if let Some((cell, lanes)) = Cell::of(instruction.op0_register())
                    && lanes == self.full()
                    && let Some(amount) = effects::immediate(instruction, word as usize)
                {
                    let value = before.get(cell).value;
                    let moved = match (instruction.mnemonic(), value) {
                        (Mnemonic::Add, _) => self.plus(value, amount),
                        (Mnemonic::Sub, _) => self.plus(value, amount.wrapping_neg()),
                        // A mask with its top bits set only takes low bits away.
                        (_, Value::Stack(offset) | Value::StackBelow(offset)) if amount < 0 => {
                            Value::StackBelow(offset)
                        }
                        _ => Value::Any,
                    };
                    self.set_value(state, cell, moved);
                }
            }
            Mnemonic::Inc | Mnemonic::Dec => {
                if let Some((cell, lanes)) = Cell::of(instruction.op0_register())
                    && lanes == self.full()
                {
                    let step = if instruction.mnemonic() == Mnemonic::Inc { 1 } else { -1 };
                    let moved = self.plus(before.get(cell).value, step);
                    self.set_value(state, cell, moved);
                }
            }
            _ => {}
        }
    }

    /// `mov`: whole registers keep their value, parts keep being undefined.
    fn precise_move(&self, instruction: &Instruction, before: &State, state: &mut State) {
        let word = self.word();
        let to = Cell::of(instruction.op0_register());
        let from = Cell::of(instruction.op1_register());
        match (to, from) {
            (Some((to, lanes)), Some((from, from_lanes))) => {
                let source = before.get(from);
                if lanes == self.full() && from_lanes == lanes && to.is_general() && from.is_general() {
                    state.set(to, source);
                } else if to.is_segment() || from.is_segment() {
                    self.move_selector(state, (to, lanes), (from, source));
                } else {
                    self.copy_part(state, to, lanes, from_lanes, source, before);
                }
            }
            (Some((to, lanes)), None) if lanes == self.full() => {
                if let Some(offset) = self.stack_operand(instruction, before) {
                    state.set(to, before.load(offset, word, lanes));
                }
            }
            (None, Some((from, lanes))) if lanes == self.full() && from.is_general() => {
                if let Some(offset) = self.stack_operand(instruction, before) {
                    state.store(offset, word, before.get(from));
                }
            }
            (None, Some((from, lanes))) if from.is_general() => {
                if let Some(offset) = self.stack_operand(instruction, before) {
                    let width = i64::from(instruction.op1_register().size() as u32);
                    let whole = before.get(from).defined & lanes == lanes;
                    let content = Content { value: Value::Any, defined: if whole { QWORD } else { 0 } };
                    state.store(offset, width, content);
                }
            }
            _ => {}
        }
    }

    /// A selector can be kept in a general register. In 64-bit mode loading one into FS or GS changes their base, which no
    /// selector tells.
    fn move_selector(&self, state: &mut State, (to, lanes): (Cell, u8), (from, source): (Cell, Content)) {
        let has_base =
            |cell: Cell| self.arch == Arch::X86_64 && matches!(cell.register(self.arch), Register::FS | Register::GS);
        let saved = from.is_segment() && lanes & DWORD == DWORD && !has_base(from);
        let restored = to.is_segment() && source.value == Value::Entry(to);
        if saved || restored {
            self.set_value(state, to, source.value);
        }
    }

    /// A move of a part of a register: the part is defined as its source was.
    fn copy_part(&self, state: &mut State, to: Cell, lanes: u8, from_lanes: u8, source: Content, before: &State) {
        let whole = source.defined & from_lanes == from_lanes;
        let old = before.get(to).defined;
        let defined = match lanes {
            // The upper half is zeroed.
            DWORD if self.arch == Arch::X86_64 => source.defined & DWORD | (QWORD & !DWORD),
            WORD => old & !WORD | source.defined & WORD,
            _ if whole => old | lanes,
            _ => old & !lanes,
        };
        state.set(to, Content { value: Value::Any, defined });
    }

    /// The content of operand 0 of a push.
    fn operand(&self, instruction: &Instruction, index: u32, before: &State) -> Option<Content> {
        match instruction.op_kind(index) {
            OpKind::Register => Cell::of(instruction.op_register(index)).map(|(cell, _)| before.get(cell)),
            OpKind::Memory => {
                self.stack_operand(instruction, before).map(|offset| before.load(offset, self.word(), self.full()))
            }
            _ => None,
        }
    }
}
