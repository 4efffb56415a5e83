//! One instruction: from the state before it to the state after it, and what it does on the way.

use super::effects::{self, ARITHMETIC, Memory, SYSTEM};
use super::flow::{Next, Node};
use super::registers::{Cell, DWORD, QWORD, WORD};
use super::state::{Content, State, Value};
use crate::arch::Arch;
use crate::model::Abi;
use iced_x86::{
    FlowControl, Instruction, InstructionInfo, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register,
    RflagsBits, UsedMemory,
};

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
        self.flags(instruction, &before, state, report);
        self.x87(instruction, used, state);
        if let Some(how) = node.facts.and_then(|facts| facts.barrier) {
            report(Event::Barrier(how));
        }
        self.precise(node, &before, state);
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

    /// What memory it touches. Returns whether it stores outside the stack.
    fn memory(
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
    fn signed(&self, value: u64) -> i64 {
        match self.arch {
            Arch::X86_64 => value as i64,
            Arch::I386 => i64::from(value as i32),
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
            if address || !(copied || constant || ignored) {
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

    fn flags(&self, instruction: &Instruction, before: &State, state: &mut State, report: &mut dyn FnMut(Event)) {
        let flags = effects::flags(instruction);
        let undefined = flags.reads & (ARITHMETIC | SYSTEM) & !before.defined_flags;
        if undefined != 0 {
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

    fn x87(&self, instruction: &Instruction, used: &InstructionInfo, state: &mut State) {
        let increment = instruction.fpu_stack_increment_info();
        state.x87_depth = (state.x87_depth + increment.increment()).clamp(-8, 8);
        if effects::uses_x87(instruction, used) {
            state.write(Cell::FPU, 1);
        }
        if matches!(instruction.mnemonic(), Mnemonic::Fninit | Mnemonic::Finit | Mnemonic::Emms | Mnemonic::Femms) {
            state.x87_depth = 0;
        }
    }

    /// Instructions that move values about unchanged: after the generic writes these say what was moved.
    fn precise(&self, node: &Node, before: &State, state: &mut State) {
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
            Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq if pushed == -word => {
                if let Some(top) = top {
                    let content = Content { value: Value::Flags(before.kept_flags), defined: self.full() };
                    state.store(top - word, word, content);
                }
            }
            Mnemonic::Popf | Mnemonic::Popfd | Mnemonic::Popfq if pushed == word => {
                let content = top.map_or(Content::any(0), |top| before.load(top, word, self.full()));
                if let Value::Flags(kept) = content.value {
                    state.kept_flags = kept;
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
                    // 16 bits go over; a segment register keeps its value only through push and pop.
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

    /// The distance of a memory operand from the entry stack pointer, if it is on the stack.
    fn stack_operand(&self, instruction: &Instruction, before: &State) -> Option<i64> {
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

    /// An address plus a constant.
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
