//! What is known of the machine at one point of a row: which registers, flags and stack bytes still hold what they held
//! on entry, and which hold anything that an instruction may rely on.

use super::effects::{ARITHMETIC, CONTROL, SYSTEM};
use super::registers::{BYTE, CELLS, Cell, SECOND, VECTOR};
use crate::arch::Arch;
use iced_x86::RflagsBits;

/// What is known of the contents of a register or of a stack slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// What that register held on entry.
    Entry(Cell),
    /// The stack pointer on entry plus this.
    Stack(i64),
    /// At most the stack pointer on entry plus this, after an alignment.
    StackBelow(i64),
    /// The flags register; these flags are as they were on entry.
    Flags(u32),
    /// The address of an instruction of the row, or of its end.
    Code(u32),
    /// These lanes of that vector register as they were on entry.
    Lanes(Cell, u8),
    /// What `lahf` puts into the second byte, these flags as they were on entry, and `seto` into the first.
    SavedFlags { low: u32, overflow: bool },
    /// That control register, a bit of the flags here, as it was on entry.
    Control(u32),
    /// Nothing.
    Any,
}

/// A value and the lanes of it that something has been put into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Content {
    pub(super) value: Value,
    pub(super) defined: u8,
}

/// Stack memory that was written in one go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Slot {
    /// Distance of its first byte from the stack pointer on entry.
    offset: i64,
    len: i64,
    content: Content,
}

/// The state at one point.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct State {
    cells: [Content; CELLS],
    /// Lanes of each register that hold what they held on entry.
    kept: [u8; CELLS],
    slots: Vec<Slot>,
    /// Flags, and control registers, that are as on entry.
    pub(super) kept_flags: u32,
    /// Flags that an instruction may rely on.
    pub(super) defined_flags: u32,
    /// Whether DF may have been set.
    pub(super) direction_set: bool,
    /// How far the x87 stack was pushed (negative) or popped.
    pub(super) x87_depth: i32,
    /// Whether MMX instructions have marked the x87 registers as in use.
    pub(super) mmx: bool,
}

impl State {
    /// The state on entry. `inputs` are the cells with an argument; with `all` every register is one.
    pub(super) fn entry(arch: Arch, inputs: &[Cell], all: bool) -> Self {
        let mut cells = [Content { value: Value::Any, defined: 0 }; CELLS];
        for cell in Cell::all() {
            let defined = all || inputs.contains(&cell) || cell == Cell::SP || cell.is_segment();
            cells[cell.index()] =
                Content { value: Value::Entry(cell), defined: if defined { cell.lanes(arch) } else { 0 } };
        }
        cells[Cell::SP.index()].value = Value::Stack(0);
        Self {
            cells,
            kept: [u8::MAX; CELLS],
            slots: Vec::new(),
            kept_flags: ARITHMETIC | SYSTEM | CONTROL,
            // The ABI has DF clear; the other system flags always mean something. UIF is user interrupts' IF.
            defined_flags: SYSTEM | RflagsBits::UIF | if all { ARITHMETIC } else { 0 },
            direction_set: false,
            x87_depth: 0,
            mmx: false,
        }
    }

    /// The content of a register.
    pub(super) fn get(&self, cell: Cell) -> Content {
        self.cells[cell.index()]
    }

    /// Replaces the content of a register.
    pub(super) fn set(&mut self, cell: Cell, content: Content) {
        self.cells[cell.index()] = content;
        self.kept[cell.index()] = if content.value == Value::Entry(cell) { u8::MAX } else { 0 };
    }

    /// The lanes of a register that hold what they held on entry.
    pub(super) fn kept_lanes(&self, cell: Cell) -> u8 {
        self.kept[cell.index()]
    }

    /// Puts what was moved into lanes of a register, which were written just before.
    pub(super) fn restore(&mut self, cell: Cell, lanes: u8, moved: Content) {
        let content = &mut self.cells[cell.index()];
        content.value = moved.value;
        if moved.defined == 0 {
            content.defined &= !lanes;
        }
        if moved.value == Value::Lanes(cell, lanes) {
            self.kept[cell.index()] |= lanes;
            if self.kept[cell.index()] & VECTOR == VECTOR {
                content.value = Value::Entry(cell);
            }
        }
    }

    /// Writes lanes of a register with something unknown.
    pub(super) fn write(&mut self, cell: Cell, lanes: u8) {
        let content = &mut self.cells[cell.index()];
        content.value = match content.value {
            Value::SavedFlags { low, overflow } => Value::SavedFlags {
                low: if lanes & SECOND == 0 { low } else { 0 },
                overflow: overflow && lanes & BYTE == 0,
            },
            _ => Value::Any,
        };
        content.defined |= lanes;
        self.kept[cell.index()] &= !lanes;
    }

    /// Whether a register still, or again, holds what it held on entry.
    pub(super) fn keeps(&self, cell: Cell) -> bool {
        let value = self.get(cell).value;
        value == Value::Entry(cell) || (cell == Cell::SP && value == Value::Stack(0))
    }

    /// The distance of the stack pointer from its entry value, if known.
    pub(super) fn stack_pointer(&self) -> Option<i64> {
        match self.get(Cell::SP).value {
            Value::Stack(offset) => Some(offset),
            _ => None,
        }
    }

    /// Stores into the stack.
    pub(super) fn store(&mut self, offset: i64, len: i64, content: Content) {
        self.forget(offset, len);
        self.slots.push(Slot { offset, len, content });
        self.slots.sort_by_key(|slot| slot.offset);
    }

    /// Loads from the stack: what a store of exactly these bytes put there; else unknown, and defined only if every
    /// byte was stored (or lies above the entry stack pointer). Below the stack pointer the access is the mistake, not
    /// what is found there.
    pub(super) fn load(&self, offset: i64, len: i64, lanes: u8) -> Content {
        if let Some(slot) = self.slots.iter().find(|slot| slot.offset == offset && slot.len == len) {
            return slot.content;
        }
        if self.stack_pointer().is_some_and(|pointer| offset < pointer) {
            return Content::any(lanes);
        }
        let end = offset.saturating_add(len).min(0);
        let covered =
            (offset..end).all(|byte| self.slots.iter().any(|slot| slot.content.defined != 0 && slot.covers(byte)));
        Content { value: Value::Any, defined: if covered { lanes } else { 0 } }
    }

    /// Forgets what these bytes of the stack hold; they count as written.
    pub(super) fn forget(&mut self, offset: i64, len: i64) {
        for slot in &mut self.slots {
            if slot.offset < offset + len && offset < slot.offset + slot.len {
                slot.content.value = Value::Any;
            }
        }
        // A slot that is covered whole goes away, so that the list stays as short as the stack is deep.
        self.slots.retain(|slot| !(offset <= slot.offset && slot.offset + slot.len <= offset + len));
    }

    /// Forgets everything on the stack below `bound`.
    pub(super) fn forget_below(&mut self, bound: i64) {
        for slot in &mut self.slots {
            if slot.offset < bound {
                slot.content.value = Value::Any;
            }
        }
    }

    /// Drops the slots below the stack pointer: an interrupt may have overwritten them.
    pub(super) fn drop_below_stack_pointer(&mut self, spared: i64) {
        if let Some(offset) = self.stack_pointer() {
            self.slots.retain(|slot| slot.offset + spared >= offset);
        }
    }

    /// What holds whether control came with this state or with the other. Returns whether this one changed.
    pub(super) fn join(&mut self, other: &Self) -> bool {
        let before = self.clone();
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine = mine.join(*theirs);
        }
        for (mine, theirs) in self.kept.iter_mut().zip(&other.kept) {
            *mine &= theirs;
        }
        self.slots.retain_mut(|slot| {
            let theirs = other.slots.iter().find(|their| their.offset == slot.offset && their.len == slot.len);
            if let Some(theirs) = theirs {
                slot.content = slot.content.join(theirs.content);
            }
            theirs.is_some()
        });
        self.kept_flags &= other.kept_flags;
        self.defined_flags &= other.defined_flags;
        self.direction_set |= other.direction_set;
        self.x87_depth = self.x87_depth.max(other.x87_depth);
        self.mmx |= other.mmx;
        *self != before
    }
}

impl Content {
    /// Something unknown that may be relied on.
    pub(super) fn any(lanes: u8) -> Self {
        Self { value: Value::Any, defined: lanes }
    }

    fn join(self, other: Self) -> Self {
        let value = if self.value == other.value { self.value } else { Value::Any };
        Self { value, defined: self.defined & other.defined }
    }
}

impl Slot {
    fn covers(&self, byte: i64) -> bool {
        (self.offset..self.offset + self.len).contains(&byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::registers::QWORD;
    use iced_x86::Register;

    fn cell(register: Register) -> Cell {
        Cell::of(register).unwrap().0
    }

    fn entry() -> State {
        State::entry(Arch::X86_64, &[cell(Register::RDI)], false)
    }

    #[test]
    fn a_slot_gives_back_what_was_stored() {
        let mut state = entry();
        state.set(Cell::SP, Content { value: Value::Stack(-8), defined: QWORD });
        let saved = state.get(cell(Register::RBX));
        state.store(-8, 8, saved);
        assert_eq!(state.load(-8, 8, QWORD), saved);
        // A part of it is unknown, and undefined because RBX is.
        assert_eq!(state.load(-8, 4, QWORD), Content { value: Value::Any, defined: 0 });
        state.forget(-4, 4);
        assert_eq!(state.load(-8, 8, QWORD).value, Value::Any);
    }

    #[test]
    fn stack_bytes_that_nothing_wrote_are_undefined() {
        let mut state = entry();
        state.set(Cell::SP, Content { value: Value::Stack(-8), defined: QWORD });
        assert_eq!(state.load(-8, 8, QWORD).defined, 0);
        assert_eq!(state.load(0, 8, QWORD).defined, QWORD);
        state.store(-8, 4, Content::any(QWORD));
        assert_eq!(state.load(-8, 8, QWORD).defined, 0);
        state.store(-4, 4, Content::any(QWORD));
        assert_eq!(state.load(-8, 8, QWORD).defined, QWORD);
    }

    #[test]
    fn a_join_keeps_what_both_have() {
        let (rbx, rdi) = (cell(Register::RBX), cell(Register::RDI));
        let mut one = entry();
        let mut other = entry();
        other.write(rbx, QWORD);
        other.kept_flags = 0;
        assert!(one.join(&other));
        assert!(!one.keeps(rbx) && one.keeps(rdi));
        assert_eq!(one.get(rbx).defined, 0);
        assert_eq!(one.kept_flags, 0);
        assert!(!one.join(&other));
    }
}
