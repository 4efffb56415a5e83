//! Characters, numbers and the cursor over the text.

/// Character classes.
pub(crate) const ALPHA: u8 = 1;
pub(crate) const DIGIT: u8 = 2;
pub(crate) const SPACE: u8 = 4;
/// Letters, digits, `_ . $` and everything outside ASCII: what a symbol is made of.
pub(crate) const WORD: u8 = 8;
/// Newline, `;`.
pub(crate) const END: u8 = 16;

pub(crate) static CLASS: [u8; 256] = CLASS_TABLE;

const CLASS_TABLE: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        table[i] = if byte.is_ascii_alphabetic() {
            ALPHA | WORD
        } else if byte.is_ascii_digit() {
            DIGIT | WORD
        } else if byte == b' ' || byte == b'\t' || byte == b'\r' || byte == 0x0c {
            SPACE
        } else if byte == b'_' || byte == b'.' || byte == b'$' || byte >= 0x80 {
            WORD
        } else if byte == b'\n' || byte == b';' {
            END
        } else {
            0
        };
        i += 1;
    }
    table
};

/// The characters of words in lower case; 0 for all others.
pub(crate) static LOWER: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut i = 0;
    while i < 256 {
        if CLASS_TABLE[i] & WORD != 0 {
            table[i] = (i as u8).to_ascii_lowercase();
        }
        i += 1;
    }
    table
};

/// A position in the text.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'t> {
    pub(crate) text: &'t [u8],
    pub(crate) pos: usize,
}

impl<'t> Cursor<'t> {
    /// The byte here; 0 at the end of the text.
    #[inline(always)]
    pub(crate) fn peek(&self) -> u8 {
        self.text.get(self.pos).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn peek_at(&self, ahead: usize) -> u8 {
        self.text.get(self.pos + ahead).copied().unwrap_or(0)
    }

    /// Skips blanks and `/* */`.
    #[inline(always)]
    pub(crate) fn space(&mut self) {
        // Most places have no blank, some have one.
        let byte = self.peek();
        if byte > b' ' && byte != b'/' {
            return;
        }
        self.blanks();
    }

    #[inline(never)]
    fn blanks(&mut self) {
        while CLASS[self.peek() as usize] & SPACE != 0 {
            self.pos += 1;
        }
        if self.peek() == b'/' && self.peek_at(1) == b'*' {
            self.comment();
        }
    }

    #[cold]
    fn comment(&mut self) {
        while self.peek() == b'/' && self.peek_at(1) == b'*' {
            self.pos += 2;
            while self.pos < self.text.len() && !(self.peek() == b'*' && self.peek_at(1) == b'/') {
                self.pos += 1;
            }
            self.pos = (self.pos + 2).min(self.text.len());
            while CLASS[self.peek() as usize] & SPACE != 0 {
                self.pos += 1;
            }
        }
    }

    /// Whether the statement ends here.
    #[inline(always)]
    pub(crate) fn at_end(&self) -> bool {
        self.pos >= self.text.len() || CLASS[self.text[self.pos] as usize] & END != 0 || self.text[self.pos] == b'#'
    }

    /// Takes `byte` if it is next.
    #[inline(always)]
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        if self.pos < self.text.len() && self.text[self.pos] == byte {
            self.pos += 1;
            true
        } else {
            false
        }
    }

    /// Moves behind the statement: to its separator or comment, with strings and `/* */` respected.
    pub(crate) fn skip_statement(&mut self) {
        while self.pos < self.text.len() {
            let byte = self.text[self.pos];
            if CLASS[byte as usize] & END != 0 || byte == b'#' {
                return;
            }
            if byte == b'"' {
                self.pos += 1;
                while self.pos < self.text.len() && self.text[self.pos] != b'"' && self.text[self.pos] != b'\n' {
                    self.pos += 1 + (self.text[self.pos] == b'\\') as usize;
                }
            } else if byte == b'\'' && self.peek_at(1) != b'\n' && self.pos + 1 < self.text.len() {
                // 'c or '\c; the closing quote is optional and harmless.
                self.pos += if self.peek_at(1) == b'\\' { 2 } else { 1 };
            } else if byte == b'/' && self.peek_at(1) == b'*' {
                self.comment();
                continue;
            }
            self.pos += 1;
        }
        self.pos = self.text.len();
    }

    /// The word here, moved behind it.
    #[inline]
    pub(crate) fn word(&mut self) -> &'t [u8] {
        let start = self.pos;
        while CLASS[self.peek() as usize] & WORD != 0 {
            self.pos += 1;
        }
        &self.text[start..self.pos]
    }

    /// The word here as a lower-case key, moved behind it; `None` if it is too long for one (then the cursor is
    /// behind it, too).
    #[inline(always)]
    pub(crate) fn word_key(&mut self) -> Option<[u64; 3]> {
        if let Some((key, length)) = self.alphanumeric()
            && length < 8
            && CLASS[self.peek_at(length) as usize] & WORD == 0
        {
            self.pos += length;
            return Some([key, 0, 0]);
        }
        let first = self.key_word();
        if first >> 56 == 0 {
            return Some([first, 0, 0]);
        }
        let second = self.key_word();
        let third = if second >> 56 == 0 { 0 } else { self.key_word() };
        if CLASS[self.peek() as usize] & WORD != 0 {
            self.word();
            return None;
        }
        Some([first, second, third])
    }

    /// Up to eight lower-case bytes of a word, moved behind them.
    #[inline(always)]
    fn key_word(&mut self) -> u64 {
        let mut key = 0u64;
        let mut shift = 0;
        while shift < 64 {
            let lower = LOWER[self.peek() as usize];
            if lower == 0 {
                break;
            }
            key |= u64::from(lower) << shift;
            shift += 8;
            self.pos += 1;
        }
        key
    }

    /// Up to eight lower-case bytes of a register name, moved behind it.
    #[inline(always)]
    pub(crate) fn register_key(&mut self) -> u64 {
        match self.alphanumeric() {
            Some((key, length)) if length < 8 => {
                self.pos += length;
                key
            }
            _ => self.register_key_slowly(),
        }
    }

    #[inline(never)]
    fn register_key_slowly(&mut self) -> u64 {
        let mut key = 0u64;
        let mut shift = 0;
        while CLASS[self.peek() as usize] & (ALPHA | DIGIT) != 0 {
            if shift == 64 {
                self.word();
                return u64::MAX;
            }
            key |= u64::from(self.peek().to_ascii_lowercase()) << shift;
            shift += 8;
            self.pos += 1;
        }
        key
    }

    /// [`alphanumeric`] of the text here; `None` near its end.
    #[inline(always)]
    fn alphanumeric(&self) -> Option<(u64, usize)> {
        let chunk = self.text.get(self.pos..)?.first_chunk::<8>()?;
        Some(alphanumeric(u64::from_le_bytes(*chunk)))
    }
}

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// The top bit of every byte of `text` that is from `first` to `last`; bytes above 0x7f count as their low seven bits.
#[inline(always)]
const fn between(text: u64, first: u8, last: u8) -> u64 {
    let plain = text & !HIGH;
    (plain + LOW * (0x80 - first as u64)) & !(plain + LOW * (0x7f - last as u64)) & HIGH
}

/// How many bytes at the start of `text` have their bit in `flags` and are ASCII.
#[inline(always)]
const fn run(text: u64, flags: u64) -> usize {
    ((!flags | text) & HIGH).trailing_zeros() as usize / 8
}

/// The characters from the digits on (so no blank, comma or parenthesis) at the start of eight characters, with letters in
/// lower case, and their number.
#[inline(always)]
pub(crate) const fn from_digits_on(text: u64) -> (u64, usize) {
    let stops = !(((text & !HIGH) + LOW * (0x80 - b'0' as u64)) | text) & HIGH;
    // The bits below the first stop; all, if there is none.
    let inside = ((stops & stops.wrapping_neg()) >> 7).wrapping_sub(1);
    ((text | LOW << 5) & inside, stops.trailing_zeros() as usize / 8)
}

/// The letters and digits at the start of eight characters, in lower case, and their number, all at once: a loop over the
/// characters ends where the branch predictor does not expect it.
#[inline(always)]
pub(crate) const fn alphanumeric(text: u64) -> (u64, usize) {
    let lower = text | LOW << 5;
    let length = run(text, between(lower, b'a', b'z') | between(text, b'0', b'9'));
    (if length == 8 { lower } else { lower & !(u64::MAX << (length * 8)) }, length)
}

/// Moves `length` characters to the end of the word and clears the others.
#[inline(always)]
const fn aligned(text: u64, length: usize) -> u64 {
    if length == 0 { 0 } else { text << (64 - length * 8) }
}

/// The value of the hexadecimal digits at the start of eight characters, and their number.
#[inline(always)]
pub(crate) const fn hex_digits(text: u64) -> (u64, usize) {
    let length = run(text, between(text | LOW << 5, b'a', b'f') | between(text, b'0', b'9'));
    let digits = aligned(text, length).swap_bytes();
    let mut value = (digits & (LOW * 15)) + (digits >> 6 & LOW) * 9;
    value = (value | value >> 4) & 0x00ff_00ff_00ff_00ff;
    value = (value | value >> 8) & 0x0000_ffff_0000_ffff;
    ((value | value >> 16) & 0xffff_ffff, length)
}

/// The value of the decimal digits at the start of eight characters, and their number.
#[inline(always)]
pub(crate) const fn decimal_digits(text: u64) -> (u64, usize) {
    let length = run(text, between(text, b'0', b'9'));
    // Neighbours are joined: digits to pairs, pairs to fours, fours to the number.
    let pairs = ((aligned(text, length) & (LOW * 15)).wrapping_mul(10 << 8 | 1)) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000 << 32 | 1) >> 32, length)
}

/// Reads a number; the cursor is on its first digit. The value wraps at 128 bits.
///
/// `0x`, `0b`, leading `0` for octal, and C's `U` and `L` behind it, which kernel headers leave in asm.
pub(crate) fn number(cursor: &mut Cursor<'_>) -> Option<u128> {
    let first = cursor.peek();
    let (radix, skip) = match (first, cursor.peek_at(1) | 0x20) {
        (b'0', b'x') => (16, 2),
        (b'0', b'b') if matches!(cursor.peek_at(2), b'0' | b'1') => (2, 2),
        (b'0', _) => (8, 0),
        _ => (10, 0),
    };
    cursor.pos += skip;
    let start = cursor.pos;
    let mut value = 0u128;
    loop {
        let byte = cursor.peek();
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' if radix == 16 => byte - b'a' + 10,
            b'A'..=b'F' if radix == 16 => byte - b'A' + 10,
            _ => break,
        };
        if u32::from(digit) >= radix {
            return None;
        }
        value = value.wrapping_mul(u128::from(radix)).wrapping_add(u128::from(digit));
        cursor.pos += 1;
    }
    if cursor.pos == start {
        return None;
    }
    while matches!(cursor.peek(), b'u' | b'U' | b'l' | b'L') {
        cursor.pos += 1;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_as_by_a_loop() {
        for text in [
            "0", "7,", "10(%ra", "1234567)", "12345678", "0000012)", "f", "deadBEEF", "ff(%rax)", ",", "\u{ff}12",
            "9/:g",
        ] {
            let mut chars = [0; 8];
            let length = text.len().min(8);
            chars[..length].copy_from_slice(&text.as_bytes()[..length]);
            let word = u64::from_le_bytes(chars);
            for (radix, found) in [(16, hex_digits(word)), (10, decimal_digits(word))] {
                let digits: String = chars.iter().map(|&c| c as char).take_while(|c| c.is_digit(radix)).collect();
                assert_eq!(found, (u64::from_str_radix(&digits, radix).unwrap_or(0), digits.len()), "{text}");
            }
        }
    }
}
