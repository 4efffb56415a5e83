//! A parsed operand, the same for both syntaxes.

use crate::kinds::Classes;

/// No register in a memory operand's base or index.
pub(crate) const NO_REG: u8 = 0xff;
/// The instruction pointer as base.
pub(crate) const IP_REG: u8 = 0xfe;

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

/// The immediate classes that hold the constant `value`.
///
/// Fields of 8, 16 and 32 bits take both readings of a value, signed and unsigned; a field that is sign-extended to
/// the operand size takes a value whose reading at that size it reproduces (`add $0xfff0,%ax` is `add $-16,%ax`).
#[inline]
pub(crate) fn immediate_classes(value: i64) -> Classes {
    use crate::kinds::*;
    let mut classes = I64;
    if value as i32 as i64 == value {
        classes |= I32S64 | I32;
        if value as i8 as i64 == value {
            classes |= I8S64 | I8S32 | I8S16 | I8 | I16;
            if value >= 0 {
                classes |= I8U;
            }
            if value == 1 {
                classes |= ONE;
            } else if value == 3 {
                classes |= THREE;
            }
            if (0..16).contains(&value) {
                classes |= I4;
            }
            return classes;
        }
        if (-0x8000..=0xffff).contains(&value) {
            classes |= I16;
            if value as i16 as i8 as i16 == value as i16 {
                classes |= I8S16;
            }
            if (0..=0xff).contains(&value) {
                classes |= I8 | I8U;
            }
        }
    } else if (0..=0xffff_ffff).contains(&value) {
        classes |= I32;
        if value as i32 as i8 as i32 == value as i32 {
            classes |= I8S32;
        }
    }
    classes
}

/// The immediate classes of a value that is known only later: every field but the shortened ones.
pub(crate) const SYMBOLIC_IMMEDIATE: Classes = {
    use crate::kinds::*;
    I8 | I16 | I32 | I32S64 | I64
};
