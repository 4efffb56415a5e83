//! Common statements by a short way.
//!
//! Nine of ten statements are a mnemonic with registers, constants and addresses whose displacement is a constant: no
//! prefix, decorator, segment, symbol or branch target. How such a statement is written depends, but for the low bits of
//! its registers' numbers and for its constants, on its mnemonic and the kinds of its operands alone. That is its shape.
//! Each shape is planned once, with the general way's choice of the form (`matcher.rs`), and remembered; its next
//! statement is read, looked up and written at once. What is not like that is left untouched for the general way
//! (`att.rs` or `intel.rs`, `matcher.rs`, `encode.rs`). A test holds the two against each other.

mod branch;
mod operands;
mod plan;
mod reader;
#[cfg(test)]
mod tests;

use crate::assembler::Assembler;
use crate::encode::buffer::ROOM;
use crate::form::Form;
use crate::kinds;
use crate::operand::{self, IP_REG, Operand};
use crate::registers;
use crate::table::{self, List};
use crate::{Mode, Syntax};
use operands::{BASE, IMMEDIATE, INDEX, IP_BASE, MEMORY, Operands};
use plan::Plan;
use reader::Reader;

/// Shapes that are remembered of a text of so many bytes; a short one is done before a memory pays.
fn shapes_of(text: usize) -> usize {
    match text {
        0..0x800 => 0,
        0x800..0x1_0000 => 1 << 9,
        _ => 1 << 12,
    }
}

/// What the plan of a statement depends on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    mnemonic: [u64; 2],
    /// The kinds of the operands, what else is written with them, mode and syntax; not 0.
    operands: u64,
}

impl Key {
    /// A slot of a table whose length is a power of two.
    #[inline(always)]
    fn slot(&self, length: usize) -> usize {
        let [first, second] = self.mnemonic;
        let mixed = first ^ second.rotate_left(32) ^ self.operands.rotate_left(23);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize & length.saturating_sub(1)
    }
}

/// A shape and its plan, on a cache line of their own.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Shape {
    key: Key,
    plan: Plan,
}

impl Shape {
    const NONE: Self = Self { key: Key { mnemonic: [0; 2], operands: 0 }, plan: Plan::NONE };
}

/// The statement at the reader, whose syntax is AT&T's or Intel's: its mnemonic and operands, with the reader moved to its
/// end. None if there is something unusual in it. `wrap`: constants have 32 bits.
#[inline(always)]
fn read<const ATT: bool>(reader: &mut Reader<'_>, mode: Mode, wrap: bool) -> Option<([u64; 2], Operands)> {
    let mnemonic = reader.mnemonic()?;
    let mut operands = Operands::new();
    if matches!(reader.peek(), b' ' | b'\t') {
        reader.blanks();
        if !reader.at_end() {
            if ATT {
                operands.read_att(reader, mode, wrap)?;
            } else {
                operands.read_intel(reader, mode, wrap)?;
            }
        }
    } else if !reader.at_end() {
        return None;
    }
    Some((mnemonic, operands))
}

impl Assembler<'_> {
    /// Makes room for the shapes of a text of `length` bytes.
    pub(crate) fn remember_shapes(&mut self, length: usize) {
        let count = shapes_of(length);
        if self.shapes.len() < count {
            self.shapes = vec![Shape::NONE; count].into_boxed_slice();
        }
    }

    /// The statement at the cursor, moved to its end, if it is one for the short way; nothing happens otherwise.
    #[inline]
    pub(crate) fn quick(&mut self) -> bool {
        let offset = self.out.len();
        let Some((start, length)) = self.quick_in_room() else { return false };
        self.out.truncate(offset + length);
        self.line_item(offset, start as u32);
        true
    }

    /// [`Assembler::quick`] for a statement alone: its bytes are the first of `out`, whose length is [`ROOM`] then. Gives
    /// their number.
    #[inline]
    pub(crate) fn quick_alone(&mut self) -> Option<usize> {
        self.out.clear();
        self.quick_in_room().map(|(_, length)| length)
    }

    /// Writes the statement at the cursor into [`ROOM`] more bytes of the output and moves behind it; gives the place of
    /// the statement and the number of its bytes.
    #[inline]
    fn quick_in_room(&mut self) -> Option<(usize, usize)> {
        match self.syntax {
            Syntax::Att => self.quick_in::<true>(),
            Syntax::Intel => self.quick_in::<false>(),
        }
    }

    #[inline(never)]
    fn quick_in<const ATT: bool>(&mut self) -> Option<(usize, usize)> {
        let mut reader = Reader { rest: self.cur.text.get(self.cur.pos..)? };
        reader.blanks();
        let start = self.cur.text.len() - reader.rest.len();
        let (mnemonic, operands) = read::<ATT>(&mut reader, self.mode, self.object != Mode::Bits64)?;
        let key = Key { mnemonic, operands: u64::from(operands.kinds) | self.context(&operands) << 32 };
        let slot = key.slot(self.shapes.len());
        let slot = match self.shapes.get(slot) {
            Some(shape) if shape.key == key => slot,
            _ => self.other_shape::<ATT>(key, start, slot)?,
        };
        let plan = &self.shapes.get(slot)?.plan;
        if plan.is_none() {
            return None;
        }
        self.out.extend_from_slice(&[0; ROOM]);
        let length = plan.write(&operands, self.out.last_chunk_mut::<ROOM>()?);
        self.cur.pos = self.cur.text.len() - reader.rest.len();
        Some((start, length))
    }

    /// Where the shape of the statement at `start` is in the memory of shapes, if it is not in its first place, `slot`. There
    /// is a second one, for what the first one held before. (The statement is read once more: were its operands handed
    /// over, they would be kept in memory for all statements.)
    #[inline(never)]
    fn other_shape<const ATT: bool>(&mut self, key: Key, start: usize, slot: usize) -> Option<usize> {
        if self.shapes.is_empty() {
            self.shapes = Box::new([Shape::NONE]);
        }
        let second = slot ^ 1;
        if self.shapes.get(second).is_some_and(|shape| shape.key == key) {
            return Some(second);
        }
        let mut reader = Reader { rest: self.cur.text.get(start..)? };
        let (mnemonic, operands) = read::<ATT>(&mut reader, self.mode, self.object != Mode::Bits64)?;
        let plan = self.plan(mnemonic, operands).unwrap_or(Plan::NONE);
        if second < self.shapes.len() {
            self.shapes[second] = self.shapes[slot];
        }
        self.shapes[slot] = Shape { key, plan };
        Some(slot)
    }

    /// What the plan depends on beside the mnemonic and the kinds of the operands; not 0.
    #[inline(always)]
    fn context(&self, operands: &Operands) -> u64 {
        let dialect = 1 | (self.mode as u64) << 1 | (self.syntax as u64) << 3 | u64::from(self.intel_prefix) << 4;
        u64::from(operands.size) | u64::from(operands.star) << 7 | dialect << 8
    }

    /// Asks the general way for the form; none if the statement has to go that way.
    fn plan(&mut self, [first, second]: [u64; 2], mut operands: Operands) -> Option<Plan> {
        let name = table::lookup(&[first, second, 0])?;
        let list_index = name.list(self.mode, self.syntax);
        if name.special != 0 || name.immediate >= 0 || list_index == 0 {
            return None;
        }
        let list = List::at(list_index);
        let count = operands.count;
        // The last operand of the text is lowest; it is Intel's first in AT&T syntax.
        let att = self.syntax == Syntax::Att;
        let place = |operand: usize| if att { operand } else { count - 1 - operand };
        let kinds_of_all = operands.kinds;
        let kind = |operand: usize| (kinds_of_all >> (8 * place(operand))) as u8;
        let odd = match self.syntax {
            Syntax::Att => {
                let branch = count == 1 && list.flags & List::BRANCH != 0;
                branch != operands.star || list.flags & List::NO_REVERSE != 0 && count > 1
            }
            // Pushes, interrupts and branch targets: the list may be another.
            Syntax::Intel => count != 0 && kind(0) >= IMMEDIATE || self.intel_prefix,
        };
        // 16-bit code has addresses and a size of its own.
        let short = self.mode == Mode::Bits16 && operands.has_memory;
        if odd || short || list.flags & List::MOVABS != 0 && operands.has_memory {
            return None;
        }
        let mut read = [Operand::EMPTY; 4];
        for (i, op) in read.iter_mut().enumerate().take(count) {
            *op = self.operand_of(kind(i), operands.size)?;
        }
        if operands.has_immediate {
            let size = self.size_of_immediate(list.size(), &read[..count], operands.size)?;
            let (value, classes) = operand::immediate_classes(operands.immediate, size);
            operands.immediate = value;
            for op in read.iter_mut().take(count).filter(|op| op.classes & kinds::IMM != 0) {
                op.classes = classes;
            }
        }
        let (form, confusable) = self.form_of(list, &read[..count], operands.size)?;
        let open = operands.has_memory && operands.size == 0;
        if confusable && open || form.flags & Form::PLAIN == 0 {
            return None;
        }
        if operands.has_memory {
            // What string instructions take is memory, too: the answer must not depend on the register.
            for op in read.iter_mut().filter(|op| op.is_memory()) {
                op.classes |= kinds::MEM_BX | kinds::MEM_SI | kinds::MEM_DI;
            }
            let (other, _) = self.form_of(list, &read[..count], operands.size)?;
            if !std::ptr::eq(form, other) {
                return None;
            }
        }
        Plan::new(form, &self.insn, &operands, self.mode, place)
    }

    /// An operand of this kind.
    fn operand_of(&self, kind: u8, size: u16) -> Option<Operand> {
        if kind >= IMMEDIATE {
            return Some(Operand { classes: kinds::IMM, ..Operand::EMPTY });
        }
        if kind >= MEMORY {
            let base = kind & (IP_BASE | BASE);
            // The instruction pointer and the registers from 8 on.
            let long = base & 1 != 0 || kind & INDEX << 1 != 0;
            if long && self.mode != Mode::Bits64 {
                return None;
            }
            let base = if base == IP_BASE { IP_REG } else { 0 };
            return Some(Operand { classes: operand::address_classes(base, false), size, ..Operand::EMPTY });
        }
        let register = registers::of_group(kind)?;
        register.is_plain(self.mode).then_some(Operand {
            classes: register.classes,
            reg: register.number & !7,
            reg_flags: register.flags,
            bits: register.bits,
            ..Operand::EMPTY
        })
    }

    /// The size of the operation, where it says how the immediate is read; see `matcher.rs`.
    fn size_of_immediate(&self, named: u8, operands: &[Operand], written: u16) -> Option<u8> {
        if named != 0 {
            return Some(named);
        }
        let bits = operands.iter().map(|op| op.bits).find(|&bits| bits != 0);
        let no_register = operands.iter().all(|op| op.classes & !(kinds::ANY_MEM | kinds::IMM) == 0);
        Some(match (bits, written) {
            (Some(8), _) => 1,
            (Some(16), _) => 2,
            (Some(32), _) => 3,
            (Some(64), _) => 4,
            // 16-bit code has a size of its own.
            _ if self.mode == Mode::Bits16 => return None,
            (_, 1) if no_register => 1,
            (_, 2) if no_register => 2,
            (_, 4) if no_register => 3,
            (_, 8) if no_register => 4,
            _ => 0,
        })
    }

    /// The form that the general way finds, and whether it can be taken for another.
    fn form_of(&mut self, list: &List, operands: &[Operand], size: u16) -> Option<(&'static Form, bool)> {
        let insn = &mut self.insn;
        insn.count = operands.len();
        insn.hints = 0;
        insn.mask = 0;
        insn.zero = false;
        insn.rounding = 0;
        insn.decorated = size != 0;
        insn.ops[..operands.len()].copy_from_slice(operands);
        self.find(list).map(|found| (found.form(), found.is_confusable()))
    }
}
