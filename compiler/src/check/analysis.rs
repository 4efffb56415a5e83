//! The data-flow over a row: from the state on entry to the states in which control leaves it.

use super::effects::{self, ARITHMETIC, CONTROL, Memory, SYSTEM};
use super::flow::{Graph, Next, Node};
use super::registers::Cell;
use super::state::{Content, State, Value};
use super::transfer::{Event, Machine};
use crate::arch::Arch;
use crate::model::Abi;
use iced_x86::{InstructionInfoFactory, Mnemonic, Register};
use std::collections::{BTreeMap, BTreeSet};

/// What a row does, taken together.
#[derive(Clone, Default, Debug)]
pub(super) struct Summary {
    /// What each instruction does that the contract has to allow, by its offset; each event once.
    pub(super) events: BTreeMap<u32, Vec<Event>>,
    /// The ways out.
    pub(super) exits: Vec<Exit>,
    /// Registers that instructions write, restored or not, with the offset of the first one.
    pub(super) written: BTreeMap<Cell, u32>,
    /// Registers whose entry value instructions use.
    pub(super) read: BTreeSet<Cell>,
    /// Flags that instructions write or undefine, each with the offset of the first one.
    pub(super) flags_written: BTreeMap<u32, u32>,
    /// Flags that instructions leave undefined.
    pub(super) flags_undefined: u32,
    /// Flags whose entry value instructions look at.
    pub(super) flags_read: u32,
    /// Bytes of its own stack that it uses.
    pub(super) stack: i64,
    /// Whether an instruction needs privilege.
    pub(super) privileged: bool,
}

/// A way out of a row.
#[derive(Clone, Debug)]
pub(super) struct Exit {
    /// Offset of the instruction that leaves; `None` for a row without instructions.
    pub(super) from: Option<u32>,
    /// How.
    pub(super) how: Leaving,
    /// The state then.
    pub(super) state: State,
}

/// How control leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Leaving {
    /// By running on.
    End,
    /// By a return instruction.
    Return,
    /// By a jump elsewhere.
    Away,
}

/// Runs the data-flow over `graph` from the state `entry`.
pub(super) fn analyse(graph: &Graph, arch: Arch, abi: Abi, entry: State) -> Summary {
    let machine = Machine { arch, abi };
    let mut info = InstructionInfoFactory::new();
    if graph.nodes.is_empty() {
        let exits = vec![Exit { from: None, how: Leaving::End, state: entry }];
        return Summary { exits, ..Summary::default() };
    }
    // Boxed: most rows have a node or two, and a node of the map has room for eleven states of two kilobytes.
    let mut states: BTreeMap<u32, Box<State>> = BTreeMap::from([(0, Box::new(entry))]);
    let mut todo = BTreeSet::from([0]);
    while let Some(offset) = todo.pop_first() {
        let Some(node) = graph.nodes.get(&offset) else { continue };
        let before = states[&offset].clone();
        let mut state = before.clone();
        machine.step(&mut info, node, &mut state, &mut |_| {});
        for (next, state) in successors(node, graph, arch, &before, &state) {
            let (Next::To(target) | Next::Enter(target)) = next else { continue };
            match states.get_mut(&target) {
                Some(known) => {
                    if known.join(&state) {
                        todo.insert(target);
                    }
                }
                None => {
                    states.insert(target, Box::new(state));
                    todo.insert(target);
                }
            }
        }
    }
    let mut summary = Summary::default();
    for (&offset, before) in &states {
        if let Some(node) = graph.nodes.get(&offset) {
            summary.visit(node, graph, machine, &mut info, before);
        }
    }
    summary
}

/// Where control goes from a node, and with which state.
fn successors(node: &Node, graph: &Graph, arch: Arch, before: &State, after: &State) -> Vec<(Next, State)> {
    let follow = |(index, &next): (usize, &Next)| match next {
        // A return to a call in the patchlet itself, or to an address of it.
        Next::Return => match return_address(arch, before) {
            Some(offset) if offset == graph.end => (Next::End, returned(node, arch, before, after)),
            Some(offset) if graph.nodes.contains_key(&offset) => {
                (Next::To(offset), returned(node, arch, before, after))
            }
            _ => (next, after.clone()),
        },
        // An aborted transaction: all is as it was but EAX, which tells why (SDM XBEGIN).
        Next::To(_) if node.instruction.mnemonic() == Mnemonic::Xbegin && index == 1 => {
            let mut state = before.clone();
            let (accumulator, lanes) = Cell::of(Register::RAX).expect("a general register has a cell");
            state.write(accumulator, lanes);
            (next, state)
        }
        _ => (next, after.clone()),
    };
    node.next.iter().enumerate().map(follow).collect()
}

/// The state behind a return. What an interrupt return takes from its frame are the flags and, in 64-bit mode always,
/// the stack (SDM IRET).
fn returned(node: &Node, arch: Arch, before: &State, after: &State) -> State {
    let mut state = after.clone();
    if !matches!(node.instruction.mnemonic(), Mnemonic::Iretd | Mnemonic::Iretq) {
        return state;
    }
    let word = i64::from(arch.bits() / 8);
    let frame = before.stack_pointer().unwrap_or(i64::MIN);
    let field = |index: i64| before.load(frame.saturating_add(index * word), word, Cell::SP.lanes(arch));
    if let Value::Flags(kept) = field(2).value {
        state.kept_flags = kept & !CONTROL | before.kept_flags & CONTROL;
    }
    let (stack_segment, _) = Cell::of(Register::SS).expect("a segment register has a cell");
    let pointer = match arch {
        Arch::X86_64 => {
            state.set(stack_segment, field(4));
            field(3)
        }
        Arch::I386 => Content { value: Value::Stack(frame.saturating_add(3 * word)), defined: Cell::SP.lanes(arch) },
    };
    state.set(Cell::SP, pointer);
    state
}

/// The offset in the row that a return instruction would go to, if a call of the row pushed it.
fn return_address(arch: Arch, before: &State) -> Option<u32> {
    let top = before.stack_pointer()?;
    match before.load(top, i64::from(arch.bits() / 8), 0).value {
        Value::Code(offset) => Some(offset),
        _ => None,
    }
}

impl Summary {
    /// Takes in an instruction that control reaches with the state `before`.
    fn visit(
        &mut self,
        node: &Node,
        graph: &Graph,
        machine: Machine,
        info: &mut InstructionInfoFactory,
        before: &State,
    ) {
        let offset = node.offset();
        let instruction = &node.instruction;
        let mut events: Vec<Event> = Vec::new();
        let mut after = before.clone();
        machine.step(info, node, &mut after, &mut |event| {
            if !events.contains(&event) {
                events.push(event);
            }
        });
        for event in &events {
            if let Event::StackWrite(low, _) = *event {
                self.stack = self.stack.max(-low.clamp(i64::from(i32::MIN), 0));
            }
        }
        self.registers(node, info, before, &after);
        let flags = effects::flags(instruction, node.facts);
        for bit in (0..32).map(|shift| 1 << shift).filter(|bit| (flags.writes | flags.undefines) & bit != 0) {
            self.flags_written.entry(bit).or_insert(offset);
        }
        self.flags_undefined |= flags.undefines & ARITHMETIC;
        self.flags_read |= instruction.rflags_read() & (ARITHMETIC | SYSTEM) & before.kept_flags;
        self.privileged |= instruction.is_privileged();
        if !events.is_empty() {
            self.events.insert(offset, events);
        }
        for (next, state) in successors(node, graph, machine.arch, before, &after) {
            let how = match next {
                Next::To(_) | Next::Enter(_) => continue,
                Next::End => Leaving::End,
                Next::Return => Leaving::Return,
                Next::Away => Leaving::Away,
            };
            self.exits.push(Exit { from: Some(offset), how, state });
        }
    }

    fn registers(&mut self, node: &Node, info: &mut InstructionInfoFactory, before: &State, after: &State) {
        for cell in Cell::all() {
            // The stack pointer moves with every push; what counts is where it ends.
            if cell != Cell::SP && before.get(cell).value != after.get(cell).value {
                self.written.entry(cell).or_insert(node.offset());
            }
        }
        for used in info.info(&node.instruction).used_registers() {
            if effects::reads(used.access())
                && let Some((cell, _)) = Cell::of(used.register())
                && before.get(cell).value == Value::Entry(cell)
                && !cell.is_segment()
            {
                self.read.insert(cell);
            }
        }
    }

    /// What it does to memory outside its stack.
    pub(super) fn memory(&self) -> Memory {
        let all = || {
            self.events.values().flatten().filter_map(|event| match event {
                Event::Memory(memory) => Some(*memory),
                _ => None,
            })
        };
        match (all().any(Memory::reads), all().any(Memory::writes)) {
            (false, false) => Memory::None,
            (true, false) => Memory::Read,
            (false, true) => Memory::Write,
            (true, true) => Memory::Both,
        }
    }

    /// Whether an instruction orders memory accesses.
    pub(super) fn barrier(&self) -> bool {
        self.events.values().flatten().any(|event| matches!(event, Event::Barrier(_)))
    }
}
