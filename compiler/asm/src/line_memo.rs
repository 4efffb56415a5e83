//! A memory of lines.
//!
//! Alone at address 0 a line means the same wherever it stands, and compilers and people write the same short lines over
//! and over: half of those of a large program are among the few thousand seen last. To look one up costs a third of
//! assembling it, so a text whose lines differ is asked only now and then whether that has changed.

/// Words of text that are compared.
const WORDS: usize = 5;
/// A text shorter than this is done before the memory pays.
const WORTH_IT: usize = 1 << 15;
/// log2 of the number of lines that are remembered.
const BITS: u32 = 11;
/// Lines that are looked up before it is settled whether that pays.
const TRIAL: u32 = 1 << 10;
/// Lines that are not looked up where it does not.
const REST: u32 = 1 << 14;

/// Longest code that is remembered, that of an instruction.
const LONGEST: usize = 15;

/// A line of up to 40 bytes and its code. One cache line, so that a look-up fetches one.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct KnownLine {
    text: [u64; WORDS],
    code: [u8; 16],
    /// Length of the code + 1; 0 in an empty slot.
    len: u8,
}

/// A line that is looked up.
pub(crate) struct Probe {
    text: [u64; WORDS],
    slot: usize,
}

/// Lines that were assembled before.
#[derive(Default)]
pub(crate) struct LineMemo {
    lines: Box<[KnownLine]>,
    /// Lines of this trial that were looked up, and those that were there.
    asked: u32,
    found: u32,
    /// Lines before the next trial.
    rest: u32,
}

impl LineMemo {
    /// Makes ready for a text of `length` bytes.
    pub(crate) fn grow(&mut self, length: usize) {
        if self.lines.is_empty() && length >= WORTH_IT {
            let empty = KnownLine { text: [0; WORDS], code: [0; 16], len: 0 };
            self.lines = vec![empty; 1 << BITS].into_boxed_slice();
        }
    }

    /// Whether the next line is worth a look.
    #[inline]
    pub(crate) fn pays(&mut self) -> bool {
        if self.rest == 0 {
            return !self.lines.is_empty();
        }
        self.rest -= 1;
        false
    }

    /// The line from `start` to `end`; none if it is too long or the end of the text is too near.
    #[inline]
    pub(crate) fn probe(&self, text: &[u8], start: usize, end: usize) -> Option<Probe> {
        if end - start > WORDS * 8 {
            return None;
        }
        let chunks = text.get(start..)?.as_chunks::<8>().0.get(..WORDS)?;
        let mut words = [0; WORDS];
        let mut left = end - start;
        let mut hash = 0u64;
        for (word, chunk) in words.iter_mut().zip(chunks) {
            let full = u64::from_le_bytes(*chunk);
            *word = if left >= 8 { full } else { full & !(u64::MAX << (left * 8)) };
            hash = (hash.rotate_left(29) ^ *word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            if left <= 8 {
                break;
            }
            left -= 8;
        }
        Some(Probe { text: words, slot: (hash >> (64 - BITS)) as usize })
    }

    /// The code of the line and its length, if it is known.
    #[inline]
    pub(crate) fn recall(&mut self, probe: &Probe) -> Option<(&[u8; 16], usize)> {
        self.asked += 1;
        if self.asked == TRIAL {
            self.rest = if self.found < TRIAL / 4 { REST } else { 0 };
            self.asked = 0;
            self.found = 0;
        }
        let known = self.lines.get(probe.slot)?;
        // Word by word in registers: memcmp would wait for the words that were just stored.
        let differ = known.text.iter().zip(&probe.text).fold(0, |differ, (a, b)| differ | (a ^ b));
        if differ != 0 || known.len == 0 {
            return None;
        }
        self.found += 1;
        Some((&known.code, usize::from(known.len) - 1))
    }

    /// Remembers the line with its code, if that is short enough.
    #[inline]
    pub(crate) fn remember(&mut self, probe: Option<Probe>, code: &[u8]) {
        let Some(Probe { text, slot }) = probe else { return };
        let mut known = KnownLine { text, code: [0; 16], len: 0 };
        let room = known.code.get_mut(..code.len()).filter(|_| code.len() <= LONGEST);
        if let (Some(slot), Some(room)) = (self.lines.get_mut(slot), room) {
            room.copy_from_slice(code);
            known.len = code.len() as u8 + 1;
            *slot = known;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Lines, Options, assemble_lines};

    /// Lines that repeat, lines that do not, and the change from the one to the other.
    #[test]
    fn remembered_lines_are_those_of_the_text() {
        let mut text = String::new();
        for i in 0..60_000u32 {
            let number = if i % 30_000 < 5000 { i } else { i % 7 };
            text += &match number % 6 {
                0 => format!("mov $0x{number:x},%eax\n"),
                1 => format!("push %rax; add ${number},%rbx\n"),
                2 => format!("jmp .L{number}\n"),
                3 => format!("movabs $0x7fffffff{number:08x},%r10\n"),
                4 if number % 4 == 0 => format!(".skip {}\n", number % 600),
                4 => format!("bogus {number}\n"),
                _ => format!("lea {number}(%rax),%rcx # {number}\n"),
            };
        }
        let (listing, failed) = assemble_lines(&text, &Options::default());
        assert_eq!(failed, text.matches("bogus").count());
        let mut lines = Lines::new(Options::default());
        for (line, listed) in text.lines().zip(listing.lines()) {
            match lines.assemble(line) {
                Ok(code) => {
                    assert_eq!(listed, code.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), "{line}")
                }
                Err(_) => assert!(listed.starts_with("error: "), "{line}"),
            }
        }
        assert_eq!(listing.lines().count(), text.lines().count());
    }
}
