//! What memory an instruction touches, and whose it is.

use super::super::effects::{self, Memory};
use super::super::flow::Node;
use super::super::registers::{Cell, QWORD};
use super::super::state::{Content, State, Value};
use super::{Event, Machine, copies};
use crate::arch::Arch;
use iced_x86::{Instruction, InstructionInfo, OpKind, Register, UsedMemory};

/// Where a memory operand lies.
enum Place {
    /// At that distance from the entry stack pointer.
    Stack(i64),
    /// On the stack, at most at that distance; `None`: anywhere.
    StackBelow(Option<i64>),
    /// Elsewhere.
    Other,
}

impl Machine {
    /// What memory it touches. Returns whether it stores outside the stack.
    pub(super) fn memory(
        &self,
        node: &Node,
        used: &InstructionInfo,
        before: &State,
        state: &mut State,
        report: &mut dyn FnMut(Event),
    ) -> bool {
        let (instruction, facts) = (&node.instruction, node.facts);
        if effects::is_fence(instruction) {
            report(Event::Barrier("orders loads and stores"));
            return false;
        }
        match facts.and_then(|facts| facts.memory) {
            Some(Memory::None) => return false,
            Some(memory) => report(Event::Memory(memory)),
            None => {}
        }
        // An access below the stack pointer is judged by where the pointer is afterwards if that is lower: a push.
        let floor = match instruction.stack_pointer_increment() {
            pushed if pushed < 0 => before.stack_pointer().map(|offset| offset + i64::from(pushed)),
            _ => before.stack_pointer(),
        };
        let mut other = (false, false);
        for access in used.used_memory() {
            let reads = effects::reads(access.access());
            let writes = effects::writes(access.access());
            if !reads && !writes {
                continue;
            }
            let len = i64::try_from(access.memory_size().size()).unwrap_or(0);
            match self.place(access, before) {
                Place::Stack(offset) => {
                    if let Some(below) = floor.map(|floor| floor - offset).filter(|&below| below > 0) {
                        report(Event::BelowStackPointer(below));
                    }
                    if reads {
                        report(Event::StackRead(offset, offset + len));
                        if !copies(instruction) && before.load(offset, len, QWORD).defined == 0 {
                            report(Event::UndefinedStack);
                        }
                    }
                    if writes {
                        report(Event::StackWrite(offset, offset + len));
                        match len {
                            // A string instruction, or an area whose length a register tells.
                            0 => state.forget_below(i64::MAX),
                            _ => state.store(offset, len, Content::any(QWORD)),
                        }
                    }
                }
                Place::StackBelow(bound) => {
                    let end = bound.map(|bound| bound.saturating_add(len));
                    if writes {
                        // The lowest byte is not known: as far as is known, the row's own.
                        let end = end.unwrap_or(i64::MIN);
                        report(Event::StackWrite(end, end));
                        state.forget_below(if bound.is_some() { end } else { i64::MAX });
                    }
                }
                Place::Other => {
                    other.0 |= reads;
                    other.1 |= writes;
                }
            }
        }
        match other {
            (false, false) => {}
            (true, false) => report(Event::Memory(Memory::Read)),
            (false, true) => report(Event::Memory(Memory::Write)),
            (true, true) => report(Event::Memory(Memory::Both)),
        }
        other.1
    }

    fn place(&self, access: &UsedMemory, before: &State) -> Place {
        if matches!(access.segment(), Register::FS | Register::GS) {
            return Place::Other;
        }
        let displacement = self.signed(access.displacement());
        let value = |register| Cell::of(register).map(|(cell, _)| before.get(cell).value);
        match (value(access.base()), value(access.index())) {
            (Some(Value::Stack(offset)), None) => Place::Stack(offset.saturating_add(displacement)),
            (Some(Value::StackBelow(bound)), None) => Place::StackBelow(Some(bound.saturating_add(displacement))),
            (Some(Value::Stack(_) | Value::StackBelow(_)), _) | (_, Some(Value::Stack(_) | Value::StackBelow(_))) => {
                Place::StackBelow(None)
            }
            _ => Place::Other,
        }
    }

    /// A displacement or immediate of the arch's width as a signed number.
    pub(super) fn signed(&self, value: u64) -> i64 {
        match self.arch {
            Arch::X86_64 => value as i64,
            Arch::I386 => i64::from(value as i32),
        }
    }

    /// The distance of a memory operand from the entry stack pointer, if it is on the stack.
    pub(super) fn stack_operand(&self, instruction: &Instruction, before: &State) -> Option<i64> {
        let has_memory = (0..instruction.op_count()).any(|index| instruction.op_kind(index) == OpKind::Memory);
        if !has_memory
            || instruction.memory_index() != Register::None
            || matches!(instruction.segment_prefix(), Register::FS | Register::GS)
        {
            return None;
        }
        let (base, _) = Cell::of(instruction.memory_base())?;
        match before.get(base).value {
            Value::Stack(offset) => Some(offset + self.signed(instruction.memory_displacement64())),
            _ => None,
        }
    }
}
