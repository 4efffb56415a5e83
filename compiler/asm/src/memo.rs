//! A memory of statements.
//!
//! Compilers and people write the same short lines over and over: half of the lines of a large program are among the
//! few thousand seen last. A line whose bytes depend on nothing but its text is looked up before it is read.

use crate::assembler::Assembler;
use crate::{ItemKind, Mode, Syntax};

/// Words of text that are compared.
const WORDS: usize = 5;
/// log2 of the number of lines that are remembered.
const BITS: u32 = 11;
/// A text shorter than this is done before the memory pays.
pub(crate) const WORTH_IT: usize = 1 << 15;

/// A line and its bytes. An empty slot has no code. One cache line, so that a look-up fetches one.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Remembered {
    text: [u64; WORDS],
    code: [u8; 16],
    code_len: u8,
    /// Mode and syntax.
    dialect: u8,
}

/// A line that is about to be read.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    text: [u64; WORDS],
    slot: u32,
    /// Where its newline or semicolon is.
    end: usize,
    dialect: u8,
}

/// The newlines in `word`, as the top bits of their bytes (exact up to the first one, which is all that counts).
#[inline]
fn newlines(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let zero = word ^ (LOW * b'\n' as u64);
    zero.wrapping_sub(LOW) & !zero & LOW << 7
}

impl Assembler<'_> {
    /// An empty memory.
    pub(crate) fn remember_statements(&mut self) {
        if self.memo.is_empty() {
            let empty = Remembered { text: [0; WORDS], code: [0; 16], code_len: 0, dialect: 0 };
            self.memo = vec![empty; 1 << BITS].into_boxed_slice();
        }
    }

    /// The line at the cursor, if it is short enough.
    #[inline]
    pub(crate) fn probe(&self) -> Option<Probe> {
        let start = self.cur.pos;
        let words = self.cur.text.get(start..)?.as_chunks::<8>().0.get(..WORDS)?;
        let mut text = [0u64; WORDS];
        let mut hash = 0u64;
        let mut i = 0;
        // A semicolon is just a character here: such a line does not end where it is expected and is not remembered.
        let end = loop {
            let full = u64::from_le_bytes(words[i]);
            let ends = newlines(full);
            let part = if ends == 0 { full } else { full & !(u64::MAX << (ends.trailing_zeros() & !7)) };
            text[i] = part;
            hash = (hash.rotate_left(29) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if ends != 0 {
                break start + i * 8 + ends.trailing_zeros() as usize / 8;
            }
            i += 1;
            if i == WORDS {
                return None;
            }
        };
        let dialect = self.dialect;
        Some(Probe { text, slot: (hash >> (64 - BITS)) as u32, end, dialect })
    }

    /// Writes the bytes of a remembered line.
    #[inline]
    pub(crate) fn recall(&mut self, probe: &Probe) -> bool {
        let Some(known) = self.memo.get(probe.slot as usize) else { return false };
        // Word by word in registers: a call of memcmp would wait for the words that were just stored.
        let differ = known.text.iter().zip(&probe.text).fold(0, |differ, (a, b)| differ | (a ^ b));
        if differ != 0 || known.code_len == 0 || known.dialect != probe.dialect {
            return false;
        }
        let offset = self.out.len();
        let len = known.code_len as usize;
        self.out.extend_from_slice(&known.code);
        self.out.truncate(offset + len);
        let start = self.cur.pos as u32;
        self.cur.pos = probe.end;
        self.item(offset, start, ItemKind::Instruction);
        self.cur.pos += 1;
        true
    }

    /// Grows with everything that makes a statement's bytes depend on more than its text: symbols, branches, findings.
    #[inline]
    pub(crate) fn traces(&self) -> usize {
        self.mentions + self.diagnostics.len()
    }

    /// Settles what [`Probe::dialect`] is from now on.
    pub(crate) fn set_dialect(&mut self) {
        self.dialect = match self.mode {
            Mode::Bits16 => 0,
            Mode::Bits32 => 1,
            Mode::Bits64 => 2,
        } | match (self.syntax, self.intel_prefix) {
            (Syntax::Att, _) => 0,
            (Syntax::Intel, false) => 4,
            (Syntax::Intel, true) => 8,
        };
    }

    /// Remembers the line that was just read, if it was one statement that depends on its text alone.
    pub(crate) fn remember(&mut self, probe: &Probe, begin: usize, before: usize) {
        let code = &self.out[begin..];
        let blank = self.cur.pos > 0 && self.cur.text[self.cur.pos - 1] <= b' ';
        if self.cur.pos != probe.end
            || blank
            || code.is_empty()
            || code.len() > 15
            || self.is_directive
            || self.traces() != before
        {
            return;
        }
        let mut known =
            Remembered { text: probe.text, code: [0; 16], code_len: code.len() as u8, dialect: probe.dialect };
        known.code[..code.len()].copy_from_slice(code);
        self.memo[probe.slot as usize] = known;
    }
}
