//! An instruction in the making: bytes one after the other, and the prefixes that extend it.

use crate::form::{Encoding, Form};

/// Bytes that one instruction may take while it is written.
pub(crate) const ROOM: usize = 32;

/// Bytes in the making, at the end of the output. (In a buffer of their own they would be stored byte by byte and read
/// back as a block at once, which stalls the CPU.)
pub(crate) struct Buffer<'b> {
    pub(crate) bytes: &'b mut [u8; ROOM],
    pub(crate) len: usize,
}

/// What the operands put into a VEX, XOP or EVEX prefix.
#[derive(Clone, Copy)]
pub(crate) struct Extension {
    /// The register in ModRM.reg, for its bits 3 and 4.
    pub(crate) reg: u8,
    /// Bit 3 of the index; with EVEX and a register in ModRM.rm that register's bit 4.
    pub(crate) x: u8,
    /// Bit 3 of the base or of the register in ModRM.rm.
    pub(crate) b: u8,
    /// The register in VEX.vvvv.
    pub(crate) vvvv: u8,
}

impl Buffer<'_> {
    #[inline(always)]
    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes[self.len & 31] = byte;
        self.len += 1;
    }

    /// The low `width` bytes of `value`. (What is written behind them is written over or cut off.)
    #[inline(always)]
    pub(crate) fn value(&mut self, value: i64, width: usize) {
        self.eight(value as u64);
        self.len += width;
    }

    /// Eight bytes from here on, lowest first; the length stays.
    #[inline(always)]
    pub(crate) fn eight(&mut self, bytes: u64) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + 8) {
            room.copy_from_slice(&bytes.to_le_bytes());
        }
    }

    /// The VEX or XOP prefix (SDM volume 2, section 2.3.5; AMD64 manual volume 6, section 1.2), with `long` in its form of
    /// three bytes always.
    pub(crate) fn vex(&mut self, form: &Form, extension: Extension, long: bool) {
        let Extension { reg, x, b, vvvv } = extension;
        let r = reg >> 3 & 1;
        let w = u8::from(form.flags & Form::W != 0);
        let last = w << 7 | (!vvvv & 15) << 3 | form.ll << 2 | form.pp;
        if form.enc == Encoding::Vex && x | b | w == 0 && form.map == 1 && !long {
            self.push(0xc5);
            self.push((r ^ 1) << 7 | last);
        } else {
            self.push(if form.enc == Encoding::Vex { 0xc4 } else { 0x8f });
            self.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | form.map);
            self.push(last);
        }
    }

    /// The EVEX prefix (SDM volume 2, section 2.7.1); `context` is its last byte without V'.
    pub(crate) fn evex(&mut self, form: &Form, extension: Extension, context: u8) {
        let Extension { reg, x, b, vvvv } = extension;
        let r = reg >> 3 & 1;
        let w = u8::from(form.flags & Form::W != 0);
        self.push(0x62);
        self.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (reg >> 4 & 1 ^ 1) << 4 | form.map);
        self.push(w << 7 | (!vvvv & 15) << 3 | 4 | form.pp);
        self.push(context | (vvvv >> 4 & 1 ^ 1) << 3);
    }

    /// The bytes of an opcode map that come before the opcode.
    pub(crate) fn escape(&mut self, map: u8) {
        match map {
            0 => {}
            1 => self.push(0x0f),
            2 => {
                self.push(0x0f);
                self.push(0x38);
            }
            _ => {
                self.push(0x0f);
                self.push(0x3a);
            }
        }
    }
}
