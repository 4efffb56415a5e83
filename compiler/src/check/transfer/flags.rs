//! The flags, the control registers that behave like them, and the ways in which they are saved and brought back.

use super::super::effects::{self, ARITHMETIC, CONTROL, SYSTEM};
use super::super::flow::Node;
use super::super::registers::{BYTE, Cell};
use super::super::state::{Content, State, Value};
use super::{Event, Machine};
use crate::model::{FPCW, MXCSR};
use iced_x86::{Instruction, Mnemonic, Register, RflagsBits};

/// The flags that `lahf` and `sahf` carry.
const LOW: u32 = RflagsBits::SF | RflagsBits::ZF | RflagsBits::AF | RflagsBits::PF | RflagsBits::CF;
/// The flags whose change concerns memory accesses: interrupts, and SMAP's override.
const GUARDS: u32 = RflagsBits::IF | RflagsBits::AC;

impl Machine {
    /// What the instruction reads and writes of them.
    pub(super) fn flags(&self, node: &Node, before: &State, state: &mut State, report: &mut dyn FnMut(Event)) {
        let instruction = &node.instruction;
        let flags = effects::flags(instruction, node.facts);
        let undefined = flags.reads & (ARITHMETIC | SYSTEM) & !before.defined_flags;
        if undefined != 0 && !saves_overflow(instruction, before) {
            report(Event::UndefinedFlags(undefined));
        }
        let changed = flags.writes | flags.undefines;
        state.kept_flags &= !changed;
        state.defined_flags &= !flags.undefines;
        if !flags.maybe {
            state.defined_flags |= flags.writes;
        }
        if instruction.rflags_set() & RflagsBits::DF != 0 {
            state.direction_set = true;
        } else if changed & RflagsBits::DF != 0 {
            state.direction_set = false;
        }
    }

    /// Whether the instruction is a `popf` that gives interrupts and SMAP's override back as they are: it orders nothing.
    pub(super) fn pops_what_is(&self, instruction: &Instruction, before: &State) -> bool {
        let popf = matches!(instruction.mnemonic(), Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq);
        let saved = before.stack_pointer().map(|top| before.load(top, self.word(), self.full()).value);
        let Some(Value::Flags(kept)) = saved else { return false };
        popf && i64::from(instruction.stack_pointer_increment()) == self.word()
            && kept & before.kept_flags & GUARDS == GUARDS
    }

    /// What saves flags and control registers unchanged, and brings them back.
    pub(super) fn save_flags(&self, instruction: &Instruction, before: &State, state: &mut State) {
        let word = self.word();
        let pushed = i64::from(instruction.stack_pointer_increment());
        let top = before.stack_pointer();
        match instruction.mnemonic() {
            Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq if pushed == -word => {
                if let Some(top) = top {
                    let content = Content { value: Value::Flags(before.kept_flags), defined: self.full() };
                    state.store(top - word, word, content);
                }
            }
            Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq if pushed == word => {
                let content = top.map_or(Content::any(0), |top| before.load(top, word, self.full()));
                if let Value::Flags(kept) = content.value {
                    state.kept_flags = kept & !CONTROL | before.kept_flags & CONTROL;
                }
            }
            Mnemonic::Lahf => {
                let (accumulator, _) = accumulator();
                let overflow = matches!(before.get(accumulator).value, Value::SavedFlags { overflow: true, .. });
                self.set_value(state, accumulator, Value::SavedFlags { low: before.kept_flags & LOW, overflow });
            }
            Mnemonic::Sahf => {
                if let Value::SavedFlags { low, .. } = before.get(accumulator().0).value {
                    state.kept_flags |= low;
                }
            }
            Mnemonic::Seto => {
                if let Some((cell, BYTE)) = Cell::of(instruction.op0_register()) {
                    let low = match before.get(cell).value {
                        Value::SavedFlags { low, .. } => low,
                        _ => 0,
                    };
                    let overflow = before.kept_flags & RflagsBits::OF != 0;
                    self.set_value(state, cell, Value::SavedFlags { low, overflow });
                    if saves_overflow(instruction, before) {
                        let mut content = state.get(cell);
                        content.defined &= !BYTE;
                        state.set(cell, content);
                    }
                }
            }
            _ if restores_overflow(instruction, before) => state.kept_flags |= RflagsBits::OF,
            Mnemonic::Stmxcsr | Mnemonic::Vstmxcsr => self.save_control(instruction, MXCSR, 4, before, state),
            Mnemonic::Fnstcw | Mnemonic::Fstcw => self.save_control(instruction, FPCW, 2, before, state),
            Mnemonic::Ldmxcsr | Mnemonic::Vldmxcsr => self.load_control(instruction, MXCSR, 4, before, state),
            Mnemonic::Fldcw => self.load_control(instruction, FPCW, 2, before, state),
            _ => {}
        }
    }

    fn save_control(&self, instruction: &Instruction, which: u32, len: i64, before: &State, state: &mut State) {
        if let Some(offset) = self.stack_operand(instruction, before) {
            let value = if before.kept_flags & which != 0 { Value::Control(which) } else { Value::Any };
            state.store(offset, len, Content { value, defined: self.full() });
        }
    }

    fn load_control(&self, instruction: &Instruction, which: u32, len: i64, before: &State, state: &mut State) {
        let saved = self.stack_operand(instruction, before).map(|offset| before.load(offset, len, 0).value);
        if saved == Some(Value::Control(which)) {
            state.kept_flags |= which;
        }
    }
}

fn accumulator() -> (Cell, u8) {
    Cell::of(Register::RAX).expect("a general register has a cell")
}

/// Whether it is a `seto` that can only be meant to keep OF for later: nothing has set it yet.
fn saves_overflow(instruction: &Instruction, before: &State) -> bool {
    instruction.mnemonic() == Mnemonic::Seto
        && Cell::of(instruction.op0_register()).is_some_and(|(_, lanes)| lanes == BYTE)
        && before.kept_flags & !before.defined_flags & RflagsBits::OF != 0
}

/// Whether it turns what `seto` kept in a register into OF again: 1 and 127 overflow as signed bytes, 0 and 127 do not.
pub(super) fn restores_overflow(instruction: &Instruction, before: &State) -> bool {
    let overflows = match instruction.mnemonic() {
        Mnemonic::Add => Some(127),
        Mnemonic::Sub | Mnemonic::Cmp => Some(-127),
        _ => None,
    };
    let kept = Cell::of(instruction.op0_register()).filter(|&(_, lanes)| lanes == BYTE).map(|(cell, _)| cell);
    overflows.is_some()
        && effects::immediate(instruction, 1) == overflows
        && kept.is_some_and(|cell| matches!(before.get(cell).value, Value::SavedFlags { overflow: true, .. }))
}
