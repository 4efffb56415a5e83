//! What fills a space: bytes, or the NOPs that GNU as 2.40 lays down.
//!
//! The NOPs of up to eight bytes are those of the table format, too (`runtime/FORMAT.md`). These follow GNU as, those do not
//! change.

use crate::Mode;

/// What fills a space.
#[derive(Clone, Copy)]
pub(crate) enum Filling {
    /// NOPs of up to so many bytes, from 1 to [`Nops::longest`].
    Nops { nops: &'static Nops, longest: u8 },
    /// The first `len` bytes of a pattern, again and again.
    Bytes { pattern: [u8; 8], len: u8 },
}

impl Filling {
    /// One byte again and again.
    pub(crate) fn byte(byte: u8) -> Self {
        Self::Bytes { pattern: [byte; 8], len: 1 }
    }

    /// Writes `size` bytes.
    pub(crate) fn write(self, out: &mut Vec<u8>, size: usize) {
        match self {
            Self::Nops { nops, longest } => nops.write(out, size, usize::from(longest)),
            Self::Bytes { pattern, len } => out.extend(pattern[..usize::from(len)].iter().cycle().take(size)),
        }
    }
}

/// The NOPs of one kind of code.
pub(crate) struct Nops {
    /// The one of `n` bytes is at `n - 1`; empty where there is none.
    table: &'static [&'static [u8]],
    /// With more than this many of the longest it is faster to jump over them.
    most: usize,
    /// The jump over more than 127 bytes.
    jump: &'static [u8],
}

/// NOPs of 1 to 9 bytes (SDM volume 2, NOP, table 4-12), and longer ones with prefixes.
static LONG: Nops = Nops {
    table: &[
        &[0x90],
        &[0x66, 0x90],
        &[0x0f, 0x1f, 0x00],
        &[0x0f, 0x1f, 0x40, 0x00],
        &[0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x0f, 0x1f, 0x80, 0, 0, 0, 0],
        &[0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
        &[0x66, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
        &[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
        &[0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0, 0, 0, 0],
    ],
    most: 7,
    jump: &[0xe9],
};

/// Not every 32-bit CPU has the long NOP: `lea 0(%esi), %esi` in its several lengths.
static LEA32: Nops = Nops {
    table: &[
        &[0x90],
        &[0x66, 0x90],
        &[0x8d, 0x76, 0x00],
        &[0x8d, 0x74, 0x26, 0x00],
        &[],
        &[0x8d, 0xb6, 0, 0, 0, 0],
        &[0x8d, 0xb4, 0x26, 0, 0, 0, 0],
    ],
    most: 2,
    jump: &[0xe9],
};

/// `lea 0(%si), %si`.
static LEA16: Nops = Nops {
    table: &[&[0x90], &[0x66, 0x90], &[0x8d, 0x74, 0x00], &[0x8d, 0xb4, 0x00, 0x00]],
    most: 2,
    jump: &[0x66, 0xe9],
};

impl Nops {
    /// Those of code in `mode` in a block that began in the mode `object`.
    pub(crate) fn of(mode: Mode, object: Mode) -> &'static Self {
        match mode {
            Mode::Bits16 => &LEA16,
            // A 64-bit CPU has the long NOP in 32-bit code, too.
            Mode::Bits32 if object != Mode::Bits64 => &LEA32,
            _ => &LONG,
        }
    }

    /// Bytes of the longest.
    pub(crate) fn longest(&self) -> u8 {
        self.table.len() as u8
    }

    /// Writes `size` bytes of NOPs of up to `longest` bytes, which is from 1 to [`Self::longest`].
    fn write(&self, out: &mut Vec<u8>, size: usize, longest: usize) {
        let mut left = size;
        if size / self.table.len() > self.most {
            if let Ok(over @ 0..=127) = i8::try_from(size - 2) {
                out.extend_from_slice(&[0xeb, over as u8]);
                left -= 2;
            } else {
                left -= self.jump.len() + 4;
                out.extend_from_slice(self.jump);
                out.extend_from_slice(&(left as u32).to_le_bytes());
            }
        }
        while left > 0 {
            // Where the table has a gap, the next shorter one.
            let fits = &self.table[..left.min(longest)];
            let nop = fits.iter().rev().find(|nop| !nop.is_empty()).map_or(&[0x90][..], |nop| nop);
            out.extend_from_slice(nop);
            left -= nop.len();
        }
    }
}
