//! The operands of a common statement, as they are written.

use super::reader::Reader;
use crate::Mode;
use crate::operand::{IP_REG, NO_REG};
use crate::registers::{self, Family, Register};

/// The kind of an operand in a byte: a register's group (below 0x80), or one of these with what is beside it.
pub(super) const MEMORY: u8 = 0x80;
pub(super) const IMMEDIATE: u8 = 0xc0;
/// Beside [`MEMORY`]: the instruction pointer is the base.
pub(super) const IP_BASE: u8 = 1;
/// Beside [`MEMORY`]: a register is the base; one more says a register from 8 on.
pub(super) const BASE: u8 = 2;
/// Beside [`MEMORY`]: there is an index; twice this says a register from 8 on.
pub(super) const INDEX: u8 = 4;

/// Operands of a statement.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    /// A byte for each operand, the last one of the text lowest: its kind.
    pub(super) kinds: u32,
    /// The same for the low three bits of the register numbers.
    pub(super) numbers: u32,
    pub(super) count: usize,
    pub(super) star: bool,
    pub(super) immediate: i64,
    pub(super) has_immediate: bool,
    pub(super) has_memory: bool,
    pub(super) base: u8,
    pub(super) index: u8,
    pub(super) scale: u8,
    pub(super) displacement: i64,
    /// Bytes that were written before `ptr`.
    pub(super) size: u16,
}

impl Operands {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            kinds: 0,
            numbers: 0,
            count: 0,
            star: false,
            immediate: 0,
            has_immediate: false,
            has_memory: false,
            base: NO_REG,
            index: NO_REG,
            scale: 0,
            displacement: 0,
            size: 0,
        }
    }

    #[inline(always)]
    fn push(&mut self, kind: u8, number: u8) {
        self.kinds = self.kinds << 8 | u32::from(kind);
        self.numbers = self.numbers << 8 | u32::from(number);
        self.count += 1;
    }

    #[inline(always)]
    fn register(&mut self, register: &Register) -> Option<()> {
        self.push(register.group, register.number & 7);
        (register.group != 0).then_some(())
    }

    #[inline(always)]
    fn read_immediate(&mut self, reader: &mut Reader<'_>, wrap: bool) -> Option<()> {
        let value = reader.signed_number()?;
        self.immediate = if wrap { i64::from(value as i32) } else { value };
        self.push(IMMEDIATE | range_of(self.immediate), 0);
        // Instructions with two are rare.
        (!std::mem::replace(&mut self.has_immediate, true)).then_some(())
    }

    /// The address is complete.
    #[inline(always)]
    fn memory(&mut self, wrap: bool) -> Option<()> {
        let displacement = i64::from(self.displacement as i32);
        let fits = wrap || displacement == self.displacement;
        self.displacement = displacement;
        let base = match self.base {
            NO_REG => 0,
            IP_REG => IP_BASE,
            base => BASE | base >> 3,
        };
        let index = if self.index == NO_REG { 0 } else { INDEX << (self.index >> 3) };
        self.push(MEMORY | base | index, 0);
        (fits && !std::mem::replace(&mut self.has_memory, true)).then_some(())
    }

    /// Takes `register` as the base of an address of `bits` bits.
    #[inline(always)]
    fn set_base(&mut self, register: &Register, bits: u8) -> Option<()> {
        self.base = match register.family {
            Family::General => register.number,
            Family::Instruction => IP_REG,
            _ => return None,
        };
        (register.bits == bits).then_some(())
    }

    /// Takes `register` as the index.
    #[inline(always)]
    fn set_index(&mut self, register: &Register, bits: u8) -> Option<()> {
        self.index = register.number;
        let fine = register.family == Family::General && register.bits == bits && register.number != 4;
        (fine && self.base != IP_REG).then_some(())
    }

    /// One digit.
    #[inline(always)]
    fn set_scale(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.scale = match reader.peek() {
            b'1' => 0,
            b'2' => 1,
            b'4' => 2,
            b'8' => 3,
            _ => return None,
        };
        reader.advance(1);
        Some(())
    }

    /// Operands in AT&T syntax, up to the end of the statement. `wrap`: constants have 32 bits.
    #[inline(always)]
    pub(super) fn read_att(&mut self, reader: &mut Reader<'_>, mode: Mode, wrap: bool) -> Option<()> {
        // 16-bit addresses are another matter.
        let bits = if mode == Mode::Bits64 { 64 } else { 32 };
        loop {
            if self.count == 4 {
                return None;
            }
            match reader.peek() {
                b'%' => {
                    reader.advance(1);
                    self.register(att_register(reader)?)?;
                }
                b'$' => {
                    reader.advance(1);
                    self.read_immediate(reader, wrap)?;
                }
                b'*' if self.count == 0 && !self.star => {
                    // Once more, the same operand.
                    reader.advance(1);
                    self.star = true;
                    continue;
                }
                other => {
                    if other != b'(' {
                        self.displacement = reader.signed_number()?;
                    }
                    if !reader.eat(b'(') {
                        return None;
                    }
                    if reader.eat(b'%') {
                        self.set_base(att_register(reader)?, bits)?;
                    }
                    if reader.eat(b',') {
                        reader.blanks();
                        if !reader.eat(b'%') {
                            return None;
                        }
                        self.set_index(att_register(reader)?, bits)?;
                        if reader.eat(b',') {
                            reader.blanks();
                            self.set_scale(reader)?;
                        }
                    } else if self.base == NO_REG {
                        return None;
                    }
                    if !reader.eat(b')') {
                        return None;
                    }
                    self.memory(wrap)?;
                }
            }
            if !reader.another_operand()? {
                return Some(());
            }
        }
    }

    /// Operands in Intel syntax, up to the end of the statement. `wrap`: constants have 32 bits.
    #[inline(always)]
    pub(super) fn read_intel(&mut self, reader: &mut Reader<'_>, mode: Mode, wrap: bool) -> Option<()> {
        loop {
            if self.count == 4 {
                return None;
            }
            match reader.peek() {
                b'0'..=b'9' | b'-' => self.read_immediate(reader, wrap)?,
                b'[' => self.read_intel_memory(reader, mode, wrap)?,
                _ => {
                    let word = reader.short_word()?;
                    if let Some(register) = registers::by_key(word) {
                        self.register(register)?;
                    } else {
                        self.size = size_of(word)?;
                        reader.blanks();
                        if reader.short_word()? != u64::from_le_bytes(*b"ptr\0\0\0\0\0") {
                            return None;
                        }
                        reader.blanks();
                        self.read_intel_memory(reader, mode, wrap)?;
                    }
                }
            }
            if !reader.another_operand()? {
                return Some(());
            }
        }
    }

    /// `[base+index*scale+displacement]` in this order, with any part left out.
    #[inline(always)]
    fn read_intel_memory(&mut self, reader: &mut Reader<'_>, mode: Mode, wrap: bool) -> Option<()> {
        let bits = if mode == Mode::Bits64 { 64 } else { 32 };
        if !reader.eat(b'[') {
            return None;
        }
        let first = register(reader)?;
        if reader.eat(b'*') {
            self.set_index(first, bits)?;
            self.set_scale(reader)?;
        } else {
            self.set_base(first, bits)?;
        }
        if reader.peek() == b'+' && !reader.peek_at(1).is_ascii_digit() && self.index == NO_REG {
            reader.advance(1);
            let second = register(reader)?;
            self.set_index(second, bits)?;
            if reader.eat(b'*') {
                self.set_scale(reader)?;
            }
        }
        if reader.eat(b'+') {
            self.displacement = reader.number()?;
        } else if reader.peek() == b'-' {
            self.displacement = reader.signed_number()?;
        }
        if !reader.eat(b']') {
            return None;
        }
        self.memory(wrap)
    }
}

/// A register's name without `%`.
#[inline(always)]
fn register(reader: &mut Reader<'_>) -> Option<&'static Register> {
    registers::by_key(reader.short_word()?)
}

/// A register's name behind `%`.
#[inline(always)]
fn att_register(reader: &mut Reader<'_>) -> Option<&'static Register> {
    registers::by_key(reader.register_name()?)
}

/// A number for all the values that go into the same fields, whatever the size of the operation, and fit them equally:
/// the limits are those of [`crate::operand::immediate_classes`] and [`crate::encode::loses_bits`].
#[inline(always)]
pub(super) fn range_of(value: i64) -> u8 {
    match value {
        1 => 1,
        3 => 2,
        0..16 => 3,
        -0x80..0x80 => 4,
        _ => wide_range_of(value),
    }
}

fn wide_range_of(value: i64) -> u8 {
    match value {
        0x80..0x100 => 5,
        0x100..0x8000 => 6,
        0x8000..0xff00 => 7,
        0xff00..0xff80 => 8,
        0xff80..0x1_0000 => 9,
        0x1_0000..0x8000_0000 => 10,
        0x8000_0000..0xffff_0000 => 11,
        0xffff_0000..0xffff_8000 => 12,
        0xffff_8000..0xffff_ff00 => 13,
        0xffff_ff00..0xffff_ff80 => 14,
        0xffff_ff80..0x1_0000_0000 => 15,
        0x1_0000_0000.. => 16,
        -0x100..-0x80 => 17,
        -0x8000..-0x100 => 18,
        -0x1_0000..-0x8000 => 19,
        -0x8000_0000..-0x1_0000 => 20,
        -0x1_0000_0000..-0x8000_0000 => 21,
        _ => 22,
    }
}

/// Bytes of what a size word names.
#[inline(always)]
fn size_of(word: u64) -> Option<u16> {
    const fn key(text: &[u8; 8]) -> u64 {
        u64::from_le_bytes(*text)
    }
    const BYTE: u64 = key(b"byte\0\0\0\0");
    const WORD: u64 = key(b"word\0\0\0\0");
    const DWORD: u64 = key(b"dword\0\0\0");
    const QWORD: u64 = key(b"qword\0\0\0");
    const XMMWORD: u64 = key(b"xmmword\0");
    const YMMWORD: u64 = key(b"ymmword\0");
    const ZMMWORD: u64 = key(b"zmmword\0");
    Some(match word {
        BYTE => 1,
        WORD => 2,
        DWORD => 4,
        QWORD => 8,
        XMMWORD => 16,
        YMMWORD => 32,
        ZMMWORD => 64,
        _ => return None,
    })
}
