//! ModRM, SIB and displacement of a memory operand.

use crate::assembler::Assembler;
use crate::operand::{IP_REG, NO_REG, Operand};
use crate::prefixes::hint;

/// ModRM, SIB and displacement of the operand in ModRM.rm.
pub(crate) struct Address {
    pub(crate) modrm: u8,
    pub(crate) sib: Option<u8>,
    pub(crate) displacement: i64,
    /// Bytes of the displacement.
    pub(crate) width: u8,
    pub(crate) pc_relative: bool,
}

/// What there is to know about an address of 32 or 64 bits beside its parts.
#[derive(Clone, Copy, Default)]
pub(crate) struct How {
    /// 64-bit mode.
    pub(crate) long: bool,
    /// log2 of what a disp8 is multiplied by.
    pub(crate) shift: u8,
    /// The displacement has four bytes, whatever its value.
    pub(crate) wide: bool,
    /// There is a displacement, were it zero.
    pub(crate) displaced: bool,
    /// There is a SIB byte.
    pub(crate) sib: bool,
}

/// ModRM, SIB and displacement of `displacement(base,index,scale)`.
#[inline(always)]
pub(crate) fn encode(base: u8, index: u8, scale: u8, displacement: i64, how: How) -> Address {
    let mut address = Address { modrm: 0, sib: None, displacement, width: 4, pc_relative: false };
    let no_index = index == NO_REG;
    let index = if no_index { 4 } else { index & 7 };
    if base == IP_REG {
        address.modrm = 5;
    } else if base == NO_REG {
        if !no_index || how.sib {
            address.modrm = 4;
            address.sib = Some(scale << 6 | index << 3 | 5);
        } else if how.long {
            // Without a SIB byte this would be %rip-relative (SDM volume 2, section 2.2.1.6).
            address.modrm = 4;
            address.sib = Some(0x25);
        } else {
            address.modrm = 5;
        }
    } else {
        let scaled = displacement >> how.shift;
        let mode = if how.wide {
            2
        } else if displacement == 0 && base & 7 != 5 && !how.displaced {
            0
        } else if scaled << how.shift == displacement && scaled as i8 as i64 == scaled {
            address.displacement = scaled;
            1
        } else {
            2
        };
        address.width = [0, 1, 4][mode as usize];
        if no_index && base & 7 != 4 && !how.sib {
            address.modrm = mode << 6 | base & 7;
        } else {
            address.modrm = mode << 6 | 4;
            address.sib = Some(scale << 6 | index << 3 | base & 7);
        }
    }
    address
}

impl Assembler<'_> {
    /// Whether the segment of memory operand `i` is what the CPU takes anyway.
    pub(crate) fn is_default_segment(&self, i: usize, segment: u8) -> bool {
        let op = &self.insn.ops[i];
        // ss for addresses on bp or sp, ds for all others (SDM volume 1, table 3-5).
        let stack = match op.addr {
            16 => op.base == 5,
            _ => op.base == 4 || op.base == 5,
        };
        segment == if stack { 3 } else { 4 }
    }

    /// ModRM, SIB and displacement of memory operand `i`.
    #[inline(always)]
    pub(crate) fn address(&self, i: usize, bits: u8, shift: u8, need_sib: bool) -> Address {
        let op = &self.insn.ops[i];
        let symbolic = op.expr != 0;
        if bits == 16 {
            return self.address_16(op, shift);
        }
        let forced = self.insn.hints & (hint::DISP8 | hint::DISP32);
        // 32-bit addresses wrap, so that 0xffffffff is -1.
        let displacement =
            if bits == 32 && (0..=0xffff_ffff).contains(&op.value) { i64::from(op.value as i32) } else { op.value };
        let sib = need_sib || op.flags & Operand::FORCE_SIB != 0;
        let wide = symbolic || forced & hint::DISP32 != 0;
        let how = How { long: self.long(), shift, wide, displaced: forced != 0, sib };
        let mut address = encode(op.base, op.index, op.scale, displacement, how);
        address.pc_relative = op.base == IP_REG && symbolic;
        address
    }

    /// 16-bit addresses (SDM volume 2, table 2-1).
    pub(crate) fn address_16(&self, op: &Operand, shift: u8) -> Address {
        let displacement = if (0..=0xffff).contains(&op.value) { i64::from(op.value as i16) } else { op.value };
        let mut address = Address { modrm: 0, sib: None, displacement, width: 0, pc_relative: false };
        if op.base == NO_REG {
            address.modrm = 6;
            address.width = 2;
            return address;
        }
        let rm = match (op.base, op.index) {
            (3, 6) => 0,
            (3, 7) => 1,
            (5, 6) => 2,
            (5, 7) => 3,
            (6, _) => 4,
            (7, _) => 5,
            (5, _) => 6,
            _ => 7,
        };
        let forced = self.insn.hints & (hint::DISP8 | hint::DISP16);
        let scaled = displacement >> shift;
        let mode = if op.expr != 0 || forced & hint::DISP16 != 0 {
            2
        } else if displacement == 0 && rm != 6 && forced == 0 {
            0
        } else if scaled << shift == displacement && scaled as i8 as i64 == scaled {
            address.displacement = scaled;
            1
        } else {
            2
        };
        address.width = mode;
        address.modrm = mode << 6 | rm;
        address
    }
}
