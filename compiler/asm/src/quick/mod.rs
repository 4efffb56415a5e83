//! Common statements by a short way.
//!
//! Nine of ten statements are a mnemonic with registers, constants and addresses whose displacement is a constant: no
//! prefix, decorator, segment, symbol or branch target. Such a statement is read out of a window of the text into a small
//! record, looked up by the shape of its operands and written at once. What is not like that is left untouched for the
//! general way (`att.rs` or `intel.rs`, `matcher.rs`, `encode.rs`), which also finds the form of every shape that is seen
//! for the first time. A test holds the two against each other.

mod operands;
mod reader;
#[cfg(test)]
mod tests;

use crate::address;
use crate::assembler::Assembler;
use crate::encode::{Buffer, ROOM, loses_bits};
use crate::form::{Encoding, Form};
use crate::kinds::Classes;
use crate::operand::{self, NO_REG, Operand};
use crate::registers::Register;
use crate::table::{self, List};
use crate::{ItemKind, Mode, Syntax};
use operands::Operands;
use reader::Reader;

/// Bytes of text that are looked at; a common statement is shorter.
const WINDOW: usize = 128;
/// Shapes that are remembered of a text of so many bytes; a short one is done before a memory pays.
fn shapes_of(text: usize) -> usize {
    match text {
        0..0x800 => 0,
        0x800..0x1_0000 => 1 << 9,
        _ => 1 << 11,
    }
}

/// The form that a mnemonic with these operands takes; none if it is not one for the short way.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// What else it depends on; 0 in an empty slot.
    tag: u64,
    classes: [Classes; 4],
    form: Option<&'static Form>,
}

impl Assembler<'_> {
    /// Makes room for the shapes of a text of `length` bytes.
    pub(crate) fn remember_shapes(&mut self, length: usize) {
        let count = shapes_of(length);
        if self.shapes.len() < count {
            let empty = Shape { tag: 0, classes: [0; 4], form: None };
            self.shapes = vec![empty; count].into_boxed_slice();
        }
    }

    /// The statement at the cursor, moved to its end, if it is one for the short way; nothing happens otherwise.
    #[inline]
    pub(crate) fn quick(&mut self) -> bool {
        let Some(rest) = self.cur.text.get(self.cur.pos..) else { return false };
        let done = match rest.first_chunk::<WINDOW>() {
            Some(text) => self.quick_in(Reader { text, at: 0, end: None }),
            None => {
                let mut text = [0; WINDOW];
                text[..rest.len()].copy_from_slice(rest);
                self.quick_in(Reader { text: &text, at: 0, end: Some(rest.len()) })
            }
        };
        done.is_some()
    }

    #[inline]
    fn quick_in(&mut self, mut reader: Reader<'_>) -> Option<()> {
        reader.blanks();
        let start = self.cur.pos + reader.at;
        let name = table::lookup(&reader.mnemonic()?)?;
        let column = self.column();
        let list_index = name.lists[column];
        if name.special != 0 || name.immediate >= 0 || list_index == 0 {
            return None;
        }
        let list = List::at(list_index);
        let mut operands = Operands::new();
        if reader.eat(b' ') || reader.eat(b'\t') {
            reader.blanks();
        } else if !reader.at_end() {
            return None;
        }
        if !reader.at_end() {
            match self.syntax {
                Syntax::Att => operands.read_att(&mut reader, self.mode)?,
                Syntax::Intel => operands.read_intel(&mut reader, self.mode)?,
            }
        }
        let odd = match self.syntax {
            Syntax::Att => {
                let branch = operands.count == 1 && list.flags & List::BRANCH != 0;
                branch != operands.star || list.flags & List::NO_REVERSE != 0 && operands.count > 1
            }
            // Pushes, interrupts and branch targets: the list may be another.
            Syntax::Intel => operands.immediate_at == 1 || self.intel_prefix,
        };
        if odd || list.flags & List::MOVABS != 0 && operands.memory_at != 0 {
            return None;
        }
        self.classify(&mut operands, list)?;
        let form = self.form_of_shape(list_index, &operands)?;
        let offset = self.out.len();
        self.out.extend_from_slice(&[0; ROOM]);
        let bytes = self.out.last_chunk_mut::<ROOM>()?;
        let length = write(form, &operands, self.mode, Buffer { bytes, len: 0 });
        self.out.truncate(offset + length.unwrap_or(0));
        length?;
        self.cur.pos += reader.at;
        self.item(offset, start as u32, ItemKind::Instruction);
        Some(())
    }

    /// The classes of the immediate and the address.
    #[inline(always)]
    fn classify(&self, operands: &mut Operands, list: &List) -> Option<()> {
        if operands.immediate_at != 0 {
            let no_register = operands.count == 1 + usize::from(operands.memory_at != 0);
            let size = match (list.size(), operands.bits, operands.size) {
                (0, 8, _) => 1,
                (0, 16, _) => 2,
                (0, 32, _) => 3,
                (0, 64, _) => 4,
                // 16-bit code has a size of its own.
                (0, ..) if self.mode == Mode::Bits16 => return None,
                (0, _, 1) if no_register => 1,
                (0, _, 2) if no_register => 2,
                (0, _, 4) if no_register => 3,
                (0, _, 8) if no_register => 4,
                (size, ..) => size,
            };
            let (value, classes) = operand::immediate_classes(self.wrap(operands.immediate), size);
            operands.immediate = value;
            operands.set_classes(operands.immediate_at, classes);
        }
        if operands.memory_at != 0 {
            let value = self.wrap(operands.displacement);
            if self.mode == Mode::Bits16 || value as i32 as i64 != value {
                return None;
            }
            operands.displacement = value;
            let plain = operands.index == NO_REG && value == 0;
            let classes = operand::address_classes(operands.base, plain);
            operands.set_classes(operands.memory_at, classes);
        }
        Some(())
    }

    /// The form that these operands ask for.
    #[inline(always)]
    fn form_of_shape(&mut self, list: u16, operands: &Operands) -> Option<&'static Form> {
        let tag = u64::from(list) | u64::from(operands.high) << 16 | u64::from(operands.size) << 32;
        let classes = &operands.classes;
        let mixed = tag.rotate_left(7)
            ^ classes[3]
            ^ classes[2].rotate_left(21)
            ^ classes[1].rotate_left(42)
            ^ classes[0].rotate_left(11);
        let hash = (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize;
        let slot = hash & self.shapes.len().wrapping_sub(1);
        match self.shapes.get(slot) {
            Some(known) if known.tag == tag && known.classes == *classes => known.form,
            _ => self.new_shape(list, operands, slot, tag),
        }
    }

    /// Asks the general way for the form.
    #[inline(never)]
    fn new_shape(&mut self, list: u16, operands: &Operands, slot: usize, tag: u64) -> Option<&'static Form> {
        let insn = &mut self.insn;
        insn.count = operands.count;
        insn.hints = 0;
        insn.mask = 0;
        insn.zero = false;
        insn.rounding = 0;
        insn.decorated = operands.size != 0;
        for i in 0..operands.count {
            let at = operands.first + i;
            insn.ops[i] = Operand {
                classes: operands.classes[(at - 1) % 4],
                reg: operands.numbers[at % 16],
                size: operands.size,
                ..Operand::EMPTY
            };
        }
        let open_size = operands.memory_at != 0 && operands.size == 0;
        let form = self
            .find(List::at(list))
            .filter(|found| !(found.is_confusable() && open_size))
            .map(|found| found.form())
            .filter(|form| form.flags & Form::PLAIN != 0);
        if let Some(shape) = self.shapes.get_mut(slot) {
            *shape = Shape { tag, classes: operands.classes, form };
        }
        form
    }
}

/// Writes the instruction and gives its length; `None` if something about it is out of the ordinary.
#[inline(always)]
fn write(form: &Form, operands: &Operands, mode: Mode, mut buffer: Buffer<'_>) -> Option<usize> {
    let roles = form.roles;
    let memory = operands.memory_at != 0;
    let reg = if form.group != 0xff { form.group } else { operands.number(roles.reg) };
    let rm = operands.number(roles.rm);
    let low = operands.number(roles.low);
    let r = reg >> 3 & 1;
    let (x, b) = if memory { (operands.index >> 3 & 1, operands.base >> 3 & 1) } else { (0, (rm | low) >> 3 & 1) };
    if form.enc == Encoding::Legacy {
        let data = form.osz == 16 && mode != Mode::Bits16 || form.osz == 32 && mode == Mode::Bits16;
        if data || form.pp == 1 {
            buffer.push(0x66);
        }
        if form.pp > 1 {
            buffer.push([0, 0x66, 0xf3, 0xf2][form.pp as usize & 3]);
        }
        let w = u8::from(form.osz == 64 && form.flags & Form::D64 == 0);
        let rex = w << 3 | r << 2 | x << 1 | b;
        if rex != 0 || operands.flags & Register::REX != 0 {
            if mode != Mode::Bits64 || operands.flags & Register::HIGH != 0 {
                return None;
            }
            buffer.push(0x40 | rex);
        }
        if form.map != 0 {
            buffer.push(0x0f);
            if form.map > 1 {
                buffer.push(if form.map == 2 { 0x38 } else { 0x3a });
            }
        }
        buffer.push(form.opcode + (low & 7));
    } else {
        let w = u8::from(form.flags & Form::W != 0);
        let vvvv = operands.number(roles.vvvv);
        match form.enc {
            Encoding::Evex => {
                let x = if memory { x } else { rm >> 4 & 1 };
                buffer.push(0x62);
                buffer.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (reg >> 4 & 1 ^ 1) << 4 | form.map);
                buffer.push(w << 7 | (!vvvv & 15) << 3 | 4 | form.pp);
                buffer.push(form.ll << 5 | (vvvv >> 4 & 1 ^ 1) << 3);
            }
            _ => {
                let last = w << 7 | (!vvvv & 15) << 3 | form.ll << 2 | form.pp;
                if form.enc == Encoding::Vex && x | b | w == 0 && form.map == 1 {
                    buffer.push(0xc5);
                    buffer.push((r ^ 1) << 7 | last);
                } else {
                    buffer.push(if form.enc == Encoding::Vex { 0xc4 } else { 0x8f });
                    buffer.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | form.map);
                    buffer.push(last);
                }
            }
        }
        buffer.push(form.opcode);
    }
    if memory {
        let shift = if form.enc == Encoding::Evex { form.disp8 } else { 0 };
        let how = address::How { long: mode == Mode::Bits64, shift, ..address::How::default() };
        let address = address::encode(operands.base, operands.index, operands.scale, operands.displacement, how);
        buffer.push(address.modrm | (reg & 7) << 3);
        if let Some(sib) = address.sib {
            buffer.push(sib);
        }
        buffer.value(address.displacement, address.width as usize);
    } else if form.flags & Form::MODRM != 0 {
        buffer.push(0xc0 | (reg & 7) << 3 | rm & 7);
    }
    let width = roles.immediate_width;
    if width != 0 {
        if width < 8 && loses_bits(operands.immediate, width) {
            return None;
        }
        buffer.value(operands.immediate, width as usize);
    }
    Some(buffer.len)
}
