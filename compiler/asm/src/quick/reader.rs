//! The text of a common statement: words, numbers and registers, each read at once.

use super::WINDOW;
use crate::Mode;
use crate::lexer;
use crate::registers::{self, Register};
use crate::table;

/// The text of a statement.
pub(super) struct Reader<'w> {
    pub(super) text: &'w [u8; WINDOW],
    pub(super) at: usize,
    /// Where the whole text ends, if that is seen here.
    pub(super) end: Option<usize>,
}

impl Reader<'_> {
    /// The next character; 0, with which nothing goes on, behind the window.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.peek_at(0)
    }

    #[inline(always)]
    pub(super) fn peek_at(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    #[inline(always)]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        if self.peek() != byte {
            return false;
        }
        self.at += 1;
        true
    }

    #[inline(always)]
    pub(super) fn eight(&self) -> Option<u64> {
        self.text.get(self.at..self.at + 8).and_then(<[u8]>::first_chunk).map(|chunk| u64::from_le_bytes(*chunk))
    }

    #[inline(always)]
    pub(super) fn at_end(&self) -> bool {
        matches!(self.peek(), b'\n' | b';') || self.end == Some(self.at)
    }

    /// Whether a comma and another operand follow, or the end of the statement.
    #[inline(always)]
    pub(super) fn another_operand(&mut self) -> Option<bool> {
        self.blanks();
        if self.at_end() {
            return Some(false);
        }
        if !self.eat(b',') {
            return None;
        }
        self.blanks();
        Some(true)
    }

    /// A word of up to seven letters and digits, in lower case.
    #[inline(always)]
    pub(super) fn short_word(&mut self) -> Option<u64> {
        let (key, length) = lexer::alphanumeric(self.eight()?);
        self.at += length;
        (length < 8).then_some(key)
    }

    /// The mnemonic.
    #[inline(always)]
    pub(super) fn mnemonic(&mut self) -> Option<table::Key> {
        let (first, length) = lexer::alphanumeric(self.eight()?);
        self.at += length;
        if length < 8 {
            return Some([first, 0, 0]);
        }
        let (second, length) = lexer::alphanumeric(self.eight()?);
        self.at += length;
        if length < 8 {
            return Some([first, second, 0]);
        }
        let (third, length) = lexer::alphanumeric(self.eight()?);
        self.at += length;
        (length < 8).then_some([first, second, third])
    }

    /// A register that can be written with nothing else.
    #[inline(always)]
    pub(super) fn register(&mut self, mode: Mode) -> Option<&'static Register> {
        let register = registers::by_key(self.short_word()?)?;
        register.is_plain(mode).then_some(register)
    }

    /// A decimal or hexadecimal number.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<i64> {
        let text = self.eight()?;
        if text as u16 | 0x2000 == u16::from_le_bytes(*b"0x") {
            self.at += 2;
            let (mut value, length) = lexer::hex_digits(self.eight()?);
            self.at += length;
            if length == 8 {
                let (digits, length) = lexer::hex_digits(self.eight()?);
                self.at += length;
                value = value << (length * 4) | digits;
            }
            return (length != 0).then_some(value as i64);
        }
        let (value, length) = lexer::decimal_digits(text);
        self.at += length;
        // A leading zero says octal.
        let fine = length == 1 || (2..8).contains(&length) && text as u8 != b'0';
        fine.then_some(value as i64)
    }

    #[inline(always)]
    pub(super) fn signed_number(&mut self) -> Option<i64> {
        let negative = self.eat(b'-');
        let value = self.number()?;
        Some(if negative { value.wrapping_neg() } else { value })
    }
}
