//! One instruction: from the state before it to the state after it, and what it does on the way.

mod flags;
mod memory;
mod moves;
mod vector;

use super::effects::{self, ARITHMETIC, Memory};
use super::flow::{Next, Node};
use super::registers::Cell;
use super::state::{Content, State, Value};
use crate::arch::Arch;
use crate::model::Abi;
use iced_x86::{FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, Register};

/// What an instruction does that the contract has to allow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Event {
    /// Reads lanes of a register that hold nothing.
    UndefinedRegister(Cell),
    /// Depends on flags that hold nothing.
    UndefinedFlags(u32),
    /// Reads stack memory that nothing was put into.
    UndefinedStack,
    /// Touches memory that is not its own stack.
    Memory(Memory),
    /// Orders the memory accesses of others: how.
    Barrier(&'static str),
    /// Writes these bytes of the stack, as distances from the entry stack pointer. Negative is the row's own.
    StackWrite(i64, i64),
    /// Reads these bytes of the stack.
    StackRead(i64, i64),
    /// Accesses stack memory below the stack pointer, by that many bytes.
    BelowStackPointer(i64),
}

/// Executes instructions on states.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    /// The mode.
    pub(super) arch: Arch,
    /// What functions that it calls may do.
    pub(super) abi: Abi,
}

impl Machine {
    /// Bytes of a general register, and of a stack slot.
    fn word(&self) -> i64 {
        i64::from(self.arch.bits() / 8)
    }

    fn full(&self) -> u8 {
        Cell::SP.lanes(self.arch)
    }

    /// Executes the instruction of `node` on `state`; `info` is where iced-x86 keeps its scratch space.
    pub(super) fn step(
        self,
        info: &mut InstructionInfoFactory,
        node: &Node,
        state: &mut State,
        report: &mut dyn FnMut(Event),
    ) {
        let instruction = &node.instruction;
        let before = state.clone();
        let used = info.info(instruction);
        let stored = self.memory(node, used, &before, state, report);
        self.reads(node, used, copies(instruction) && !stored, &before, report);
        self.generic_writes(node, used, state);
        self.flags(node, &before, state, report);
        self.x87(instruction, used, state);
        if let Some(how) = node.facts.and_then(|facts| facts.barrier)
            && !self.pops_what_is(instruction, &before)
        {
            report(Event::Barrier(how));
        }
        self.precise(node, &before, state);
        self.save_flags(instruction, &before, state);
        if vector::moves(instruction) {
            self.move_vector(instruction, &before, state);
        }
        if is_call(node) {
            self.call(state, report);
        }
        state.drop_below_stack_pointer(self.red_zone());
    }

    /// Bytes below the stack pointer that nobody else writes.
    pub(super) fn red_zone(&self) -> i64 {
        match self.abi {
            Abi::Kernel => 0,
            Abi::User => i64::from(self.arch.table().red_zone),
        }
    }

    /// What registers it depends on.
    fn reads(&self, node: &Node, used: &InstructionInfo, copied: bool, before: &State, report: &mut dyn FnMut(Event)) {
        let (instruction, facts) = (&node.instruction, node.facts);
        let constant = effects::sets_constant(instruction);
        for register in used.used_registers() {
            if !effects::reads(register.access()) {
                continue;
            }
            let Some((cell, lanes)) = Cell::of(register.register()) else { continue };
            let lanes = lanes & cell.lanes(self.arch);
            if before.get(cell).defined & lanes == lanes || cell == Cell::FPU {
                continue;
            }
            // The registers of a memory operand are used even if the rest is a mere copy.
            let address = used.used_memory().iter().any(|access| {
                [access.base(), access.index()]
                    .into_iter()
                    .any(|part| Cell::of(part).is_some_and(|(used, _)| used == cell))
            });
            let ignored = facts.is_some_and(|facts| {
                facts.ignores.iter().any(|name| effects::cells(name).contains(&cell))
                    || (facts.merges && !cell.is_general())
            });
            if address || !(copied || constant || ignored || flags::restores_overflow(instruction, before)) {
                report(Event::UndefinedRegister(cell));
            }
        }
    }

    /// What registers it writes, with values of which nothing is known.
    fn generic_writes(&self, node: &Node, used: &InstructionInfo, state: &mut State) {
        // Only bsf and bsr leave a register alone without reading it; their users rule that case out (SDM BSF: the
        // result is undefined then).
        let scan = matches!(node.instruction.mnemonic(), Mnemonic::Bsf | Mnemonic::Bsr);
        let maybe = node.facts.is_some_and(|facts| facts.maybe);
        for register in used.used_registers() {
            if effects::writes(register.access())
                && let Some((cell, lanes)) = Cell::of(register.register())
            {
                let defines = !maybe && (scan || register.access() != OpAccess::CondWrite);
                state.write(cell, if defines { lanes & cell.lanes(self.arch) } else { 0 });
            }
        }
        for name in node.facts.map_or(&[][..], |facts| facts.writes) {
            for cell in effects::cells(name) {
                state.write(cell, cell.lanes(self.arch));
            }
        }
    }

    fn x87(&self, instruction: &Instruction, used: &InstructionInfo, state: &mut State) {
        let increment = instruction.fpu_stack_increment_info();
        state.x87_depth = (state.x87_depth + increment.increment()).clamp(-8, 8);
        if effects::uses_x87(instruction, used) {
            state.write(Cell::FPU, 1);
        }
        state.mmx |= used.used_registers().iter().any(|used| used.register().is_mm());
        match instruction.mnemonic() {
            Mnemonic::Fninit | Mnemonic::Finit | Mnemonic::Emms | Mnemonic::Femms => {
                state.x87_depth = 0;
                state.mmx = false;
            }
            // The area says which registers are in use.
            Mnemonic::Frstor | Mnemonic::Fxrstor | Mnemonic::Fxrstor64 | Mnemonic::Xrstor | Mnemonic::Xrstor64 => {
                state.mmx = false;
            }
            _ => {}
        }
    }

    fn plus(&self, value: Value, amount: i64) -> Value {
        match value {
            Value::Stack(offset) => Value::Stack(offset.saturating_add(amount)),
            // Upwards it may pass the bound that is known.
            Value::StackBelow(bound) => Value::StackBelow(bound.saturating_add(amount)),
            _ if amount == 0 => value,
            _ => Value::Any,
        }
    }

    fn set_value(&self, state: &mut State, cell: Cell, value: Value) {
        let defined = state.get(cell).defined;
        state.set(cell, Content { value, defined });
    }

    /// What a function of the ABI does: a call of something outside the patchlet.
    fn call(&self, state: &mut State, report: &mut dyn FnMut(Event)) {
        let table = self.arch.table();
        for &register in table.caller_saved {
            if let Some((cell, _)) = Cell::of(register) {
                let result = table.results.contains(&register);
                state.set(cell, Content::any(if result { cell.lanes(self.arch) } else { 0 }));
            }
        }
        if self.abi == Abi::User {
            for cell in Cell::all().filter(|cell| cell.is_vector_state()) {
                state.set(cell, Content::any(0));
            }
            for register in [Register::XMM0, Register::XMM1] {
                if let Some((cell, lanes)) = Cell::of(register) {
                    state.write(cell, lanes);
                }
            }
        }
        state.kept_flags &= !ARITHMETIC;
        state.defined_flags &= !ARITHMETIC;
        // The callee has popped the return address.
        if let Value::Stack(offset) = state.get(Cell::SP).value {
            self.set_value(state, Cell::SP, Value::Stack(offset + self.word()));
        } else if let Value::StackBelow(bound) = state.get(Cell::SP).value {
            self.set_value(state, Cell::SP, Value::StackBelow(bound + self.word()));
        }
        report(Event::Memory(Memory::Both));
    }
}

/// Whether it calls a function outside the patchlet.
fn is_call(node: &Node) -> bool {
    let instruction = &node.instruction;
    instruction.mnemonic() == Mnemonic::Call
        && matches!(instruction.flow_control(), FlowControl::Call | FlowControl::IndirectCall)
        && !matches!(node.next[..], [Next::Enter(_)])
}

/// Whether it only moves its operands: an undefined one is then not used yet.
fn copies(instruction: &Instruction) -> bool {
    if vector::moves(instruction) {
        return true;
    }
    matches!(
        instruction.mnemonic(),
        Mnemonic::Mov
            | Mnemonic::Push
            | Mnemonic::Pop
            | Mnemonic::Xchg
            | Mnemonic::Pushad
            | Mnemonic::Popad
            | Mnemonic::Enter
            | Mnemonic::Leave
    ) && instruction.op_count() <= 2
        && (0..instruction.op_count()).all(|index| {
            let register = instruction.op_register(index);
            register == Register::None || register.is_gpr() || register.is_segment_register()
        })
}
