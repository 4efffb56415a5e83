//! The text of a common statement: words and numbers, each read at once.

use crate::lexer;

/// What is left of the text.
#[derive(Clone, Copy)]
pub(super) struct Reader<'t> {
    pub(super) rest: &'t [u8],
}

impl Reader<'_> {
    /// The next character; 0, with which nothing goes on, at the end of the text.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        self.rest.first().copied().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn peek_at(&self, ahead: usize) -> u8 {
        self.rest.get(ahead).copied().unwrap_or(0)
    }

    /// Moves on; to the end of the text, if it has fewer characters.
    #[inline(always)]
    pub(super) fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or(&[]);
    }

    #[inline(always)]
    pub(super) fn blanks(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline(always)]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        match self.rest {
            [first, rest @ ..] if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The next eight characters, first one lowest; 0 for those behind the end of the text.
    #[inline(always)]
    pub(super) fn eight(&self) -> u64 {
        match self.rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => self.last(),
        }
    }

    /// [`Reader::eight`] where the text has fewer.
    #[inline(never)]
    fn last(&self) -> u64 {
        self.rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
    }

    #[inline(always)]
    pub(super) fn at_end(&self) -> bool {
        matches!(self.rest, [] | [b'\n' | b';', ..])
    }

    /// Whether a comma and another operand follow, or the end of the statement.
    #[inline(always)]
    pub(super) fn another_operand(&mut self) -> Option<bool> {
        // Most have neither a blank before the comma nor two behind it.
        if self.peek() <= b' ' {
            self.blanks();
            if self.at_end() {
                return Some(false);
            }
        }
        if self.eat(b',') {
            self.blanks();
            return Some(true);
        }
        self.at_end().then_some(false)
    }

    /// A word of up to seven letters and digits, in lower case.
    #[inline(always)]
    pub(super) fn short_word(&mut self) -> Option<u64> {
        let (key, length) = lexer::alphanumeric(self.eight());
        self.advance(length);
        (length < 8).then_some(key)
    }

    /// A register's name behind `%`, in lower case: up to seven characters from the digits on. (A name that ends in a
    /// character that is neither digit nor letter is that of no register.)
    #[inline(always)]
    pub(super) fn register_name(&mut self) -> Option<u64> {
        let (key, length) = lexer::from_digits_on(self.eight());
        self.advance(length);
        (length < 8).then_some(key)
    }

    /// A mnemonic of up to 15 letters and digits.
    #[inline(always)]
    pub(super) fn mnemonic(&mut self) -> Option<[u64; 2]> {
        let (first, length) = lexer::alphanumeric(self.eight());
        self.advance(length);
        if length < 8 {
            return Some([first, 0]);
        }
        self.short_word().map(|second| [first, second])
    }

    /// A decimal or hexadecimal number.
    #[inline(always)]
    pub(super) fn number(&mut self) -> Option<i64> {
        let text = self.eight();
        if text as u16 | 0x2000 == u16::from_le_bytes(*b"0x") {
            self.advance(2);
            let (mut value, length) = lexer::hex_digits(self.eight());
            self.advance(length);
            if length == 8 {
                let (digits, length) = lexer::hex_digits(self.eight());
                self.advance(length);
                value = value << (length * 4) | digits;
            }
            return (length != 0).then_some(value as i64);
        }
        let (value, length) = lexer::decimal_digits(text);
        self.advance(length);
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
