//! A parsed operand, the same for both syntaxes.

use crate::kinds::Classes;

/// No register in a memory operand's base or index.
pub(crate) const NO_REG: u8 = 0x60;
/// The instruction pointer as base.
pub(crate) const IP_REG: u8 = 0x40;

/// A parsed operand. Memory and immediates share `value` and `expr`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    /// What the operand is.
    pub(crate) classes: Classes,
    /// Constant part of the immediate, displacement or branch target.
    pub(crate) value: i64,
    /// Index + 1 into the symbolic values of the block; 0 for a constant.
    pub(crate) expr: u32,
    /// Byte range in the text.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Register number.
    pub(crate) reg: u8,
    /// `Register::flags` of a register.
    pub(crate) reg_flags: u8,
    /// Width of a general register in bits.
    pub(crate) bits: u8,
    /// Memory: base register, [`NO_REG`] or [`IP_REG`].
    pub(crate) base: u8,
    /// Memory: index register or [`NO_REG`].
    pub(crate) index: u8,
    /// Memory: width of base and index in bits, 0 if there are neither.
    pub(crate) addr: u8,
    /// Memory: log2 of the scale.
    pub(crate) scale: u8,
    /// Memory: segment number + 1, or 0.
    pub(crate) seg: u8,
    /// Memory: `{1toN}`.
    pub(crate) bcast: u8,
    /// See the constants.
    pub(crate) flags: u8,
    /// Memory: size in bytes that was written (Intel `ptr`), 0 if none.
    pub(crate) size: u16,
}

impl Operand {
    /// Written with `*` (AT&T indirect branch).
    pub(crate) const STAR: u8 = 1;
    /// The displacement was written, were it zero.
    pub(crate) const DISP: u8 = 2;
    /// A SIB byte was asked for: `(,%eiz)`.
    pub(crate) const FORCE_SIB: u8 = 4;
    /// Intel `offset symbol`.
    pub(crate) const OFFSET: u8 = 8;
    /// Has parentheses or brackets.
    pub(crate) const BRACKETS: u8 = 16;
    /// Intel `far ptr`.
    pub(crate) const FAR: u8 = 32;
    /// Intel `near ptr` or `short`.
    pub(crate) const NEAR: u8 = 64;

    /// Nothing yet.
    pub(crate) const EMPTY: Operand = Operand {
        classes: 0,
        value: 0,
        expr: 0,
        start: 0,
        end: 0,
        reg: 0,
        reg_flags: 0,
        bits: 0,
        base: NO_REG,
        index: NO_REG,
        addr: 0,
        scale: 0,
        seg: 0,
        bcast: 0,
        flags: 0,
        size: 0,
    };

    /// Whether it is a memory operand.
    pub(crate) fn is_memory(&self) -> bool {
        self.classes & crate::kinds::ANY_MEM != 0
    }

    /// Whether it is an immediate.
    pub(crate) fn is_immediate(&self) -> bool {
        self.classes & crate::kinds::IMM != 0
    }

    /// Byte range in the text.
    pub(crate) fn span(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// How GNU as reads a constant for an operand size (`optimize_imm` is what its sources call the step): the value, with
/// an unsigned reading turned into the signed one of the size, and the classes of the fields that take it.
///
/// `size` is 0 for open, 1 to 4 for b, w, l, q. A size that is known makes fields of that size take any value; what
/// does not fit is cut off, with a warning where more than a sign is lost.
#[inline]
pub(crate) fn immediate_classes(value: i64, size: u8) -> (i64, Classes) {
    use crate::kinds::*;
    let mut value = value;
    let mut classes = I64;
    match size {
        1 => classes |= I8 | I16 | I32 | I32S64,
        2 => classes |= I16 | I32 | I32S64,
        3 => classes |= I32,
        _ => {}
    }
    if classes & I16 != 0 && (0..=0xffff).contains(&value) {
        value = i64::from(value as i16);
    }
    if classes & I32 != 0 && (0..=0xffff_ffff).contains(&value) {
        value = i64::from(value as i32);
    }
    if value as i8 as i64 == value {
        classes |= I8S | I8 | I16 | I32 | I32S64;
        if value == 1 {
            classes |= ONE;
        } else if value == 3 {
            classes |= THREE;
        }
        if (0..16).contains(&value) {
            classes |= I4;
        }
    } else if (-0x8000..=0xffff).contains(&value) {
        classes |= I16 | I32 | I32S64;
        if (0..=0xff).contains(&value) {
            classes |= I8;
        }
    } else if value as i32 as i64 == value {
        classes |= I32 | I32S64;
    } else if (0..=0xffff_ffff).contains(&value) {
        classes |= I32;
    }
    if size == 4 {
        classes &= !I32;
    }
    (value, classes)
}

/// The immediate classes of a value that is known only later: every field but the shortened ones.
pub(crate) const SYMBOLIC_IMMEDIATE: Classes = {
    use crate::kinds::*;
    I8 | I16 | I32 | I32S64 | I64
};

/// The classes of an address with a base, or with an index alone; `bare` if there is nothing but the base.
#[inline]
pub(crate) fn address_classes(base: u8, bare: bool) -> Classes {
    use crate::kinds::*;
    let mut classes = MEM;
    if base != IP_REG {
        classes |= SIBMEM;
    }
    if bare {
        // What string instructions and `maskmovq`'s kin take.
        classes |= match base {
            3 => MEM_BX,
            6 => MEM_SI,
            7 => MEM_DI,
            _ => 0,
        };
    }
    classes
}
