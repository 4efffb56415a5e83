//! The operands of a common statement.

use super::reader::Reader;
use crate::Mode;
use crate::kinds::Classes;
use crate::operand::{IP_REG, NO_REG};
use crate::registers::{self, Family, Register};

/// Operands of a statement. They stand in Intel order from slot `first` on; all slots behind them are 0, so that a role
/// without an operand ([`crate::form::Roles::NONE`]) reads 0.
pub(super) struct Operands {
    pub(super) classes: [Classes; 4],
    /// Register numbers, from slot 1 on.
    pub(super) numbers: [u8; 16],
    pub(super) first: usize,
    pub(super) count: usize,
    /// `Register::flags` of all.
    pub(super) flags: u8,
    /// Width of the general register that settles the size of an immediate.
    pub(super) bits: u8,
    /// Bits 3 and 4 of the register numbers: they choose between VEX and EVEX and may turn the direction.
    pub(super) high: u16,
    pub(super) star: bool,
    pub(super) immediate: i64,
    /// Slot of the immediate, or 0.
    pub(super) immediate_at: usize,
    /// Slot of the address, or 0.
    pub(super) memory_at: usize,
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
            classes: [0; 4],
            numbers: [0; 16],
            first: 1,
            count: 0,
            flags: 0,
            bits: 0,
            high: 0,
            star: false,
            immediate: 0,
            immediate_at: 0,
            memory_at: 0,
            base: NO_REG,
            index: NO_REG,
            scale: 0,
            displacement: 0,
            size: 0,
        }
    }

    #[inline(always)]
    pub(super) fn set_classes(&mut self, slot: usize, classes: Classes) {
        self.classes[(slot - 1) % 4] = classes;
    }

    /// Takes `register` as operand.
    #[inline(always)]
    fn read_register(&mut self, register: &Register, slot: usize, mode: Mode) -> Option<()> {
        self.set_classes(slot, register.classes);
        self.numbers[slot % 8] = register.number;
        self.flags |= register.flags;
        self.high |= u16::from(register.number >> 3) << (slot * 2);
        let plain = matches!(register.family, Family::General | Family::Vector | Family::Other);
        (plain && register.is_plain(mode)).then_some(())
    }

    #[inline(always)]
    pub(super) fn set_immediate(&mut self, slot: usize, value: i64) -> Option<()> {
        self.immediate = value;
        // Instructions with two are rare.
        (std::mem::replace(&mut self.immediate_at, slot) == 0).then_some(())
    }

    /// The number of the register with this role.
    #[inline(always)]
    pub(super) fn number(&self, role: u8) -> u8 {
        self.numbers[(self.first + usize::from(role)) % 16]
    }

    /// Takes `register` as the base of an address of `bits` bits.
    #[inline(always)]
    pub(super) fn set_base(&mut self, register: &Register, bits: u8) -> Option<()> {
        self.base = match register.family {
            Family::General => register.number,
            Family::Instruction => IP_REG,
            _ => return None,
        };
        (register.bits == bits).then_some(())
    }

    /// Takes `register` as the index.
    #[inline(always)]
    pub(super) fn set_index(&mut self, register: &Register, bits: u8) -> Option<()> {
        self.index = register.number;
        let fine = register.family == Family::General && register.bits == bits && register.number != 4;
        (fine && self.base != IP_REG).then_some(())
    }

    /// One digit.
    #[inline(always)]
    pub(super) fn set_scale(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.scale = match reader.peek() {
            b'1' => 0,
            b'2' => 1,
            b'4' => 2,
            b'8' => 3,
            _ => return None,
        };
        reader.at += 1;
        Some(())
    }

    /// Operands in AT&T syntax, up to the end of the statement.
    #[inline(always)]
    pub(super) fn read_att(&mut self, reader: &mut Reader<'_>, mode: Mode) -> Option<()> {
        // 16-bit addresses are another matter.
        let bits = if mode == Mode::Bits64 { 64 } else { 32 };
        self.first = 5;
        loop {
            if self.first == 1 {
                return None;
            }
            // The first one in the text is the last in Intel order.
            self.first -= 1;
            self.count += 1;
            let slot = self.first;
            match reader.peek() {
                b'%' => {
                    reader.at += 1;
                    let register = registers::by_key(reader.short_word()?)?;
                    self.read_register(register, slot, mode)?;
                    if register.bits != 0 {
                        self.bits = register.bits;
                    }
                }
                b'$' => {
                    reader.at += 1;
                    let value = reader.signed_number()?;
                    self.set_immediate(slot, value)?;
                }
                b'*' if slot == 4 => {
                    // Once more, the same operand.
                    reader.at += 1;
                    self.star = true;
                    self.first = 5;
                    self.count = 0;
                    if reader.peek() == b'*' {
                        return None;
                    }
                    continue;
                }
                other => {
                    if other != b'(' {
                        self.displacement = reader.signed_number()?;
                    }
                    if !reader.eat(b'(') || std::mem::replace(&mut self.memory_at, slot) != 0 {
                        return None;
                    }
                    if reader.eat(b'%') {
                        let register = reader.register(mode)?;
                        self.set_base(register, bits)?;
                    }
                    if reader.eat(b',') {
                        reader.blanks();
                        if !reader.eat(b'%') {
                            return None;
                        }
                        let register = reader.register(mode)?;
                        self.set_index(register, bits)?;
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
                }
            }
            if !reader.another_operand()? {
                return Some(());
            }
        }
    }

    /// Operands in Intel syntax, up to the end of the statement.
    #[inline(always)]
    pub(super) fn read_intel(&mut self, reader: &mut Reader<'_>, mode: Mode) -> Option<()> {
        loop {
            if self.count == 4 {
                return None;
            }
            self.count += 1;
            let slot = self.count;
            match reader.peek() {
                b'0'..=b'9' | b'-' => {
                    let value = reader.signed_number()?;
                    self.set_immediate(slot, value)?;
                }
                b'[' => self.read_intel_memory(reader, slot, mode)?,
                _ => {
                    let word = reader.short_word()?;
                    if let Some(register) = registers::by_key(word) {
                        self.read_register(register, slot, mode)?;
                        if self.bits == 0 {
                            self.bits = register.bits;
                        }
                    } else {
                        self.size = size_of(word)?;
                        reader.blanks();
                        if reader.short_word()? != u64::from_le_bytes(*b"ptr\0\0\0\0\0") {
                            return None;
                        }
                        reader.blanks();
                        self.read_intel_memory(reader, slot, mode)?;
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
    fn read_intel_memory(&mut self, reader: &mut Reader<'_>, slot: usize, mode: Mode) -> Option<()> {
        let bits = if mode == Mode::Bits64 { 64 } else { 32 };
        if !reader.eat(b'[') || std::mem::replace(&mut self.memory_at, slot) != 0 {
            return None;
        }
        let first = reader.register(mode)?;
        if reader.eat(b'*') {
            self.set_index(first, bits)?;
            self.set_scale(reader)?;
        } else {
            self.set_base(first, bits)?;
        }
        if reader.peek() == b'+' && !reader.peek_at(1).is_ascii_digit() && self.index == NO_REG {
            reader.at += 1;
            let second = reader.register(mode)?;
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
        reader.eat(b']').then_some(())
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
