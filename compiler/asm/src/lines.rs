//! Many texts, each alone at address 0.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, Severity};
use crate::line_memo::LineMemo;
use crate::{Assembly, Options};
use std::borrow::Cow;
use std::io::{self, Read, Write};

/// Assembles texts one after the other with the same allocations.
///
/// ```
/// let mut lines = pvc_asm::Lines::new(Default::default());
/// assert_eq!(lines.assemble("ret").unwrap(), [0xc3]);
/// assert!(lines.assemble("rte").is_err());
/// ```
pub struct Lines<'t> {
    options: Options,
    assembler: Assembler<'t>,
    assembly: Assembly,
}

impl<'t> Lines<'t> {
    /// Every text is read with these options.
    pub fn new(options: Options) -> Self {
        let mut assembler = Assembler::new(options);
        assembler.want_items = false;
        assembler.remember_shapes(usize::MAX);
        Self { options, assembler, assembly: Assembly::default() }
    }

    /// The bytes of one text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it; the warnings are left out.
    pub fn assemble(&mut self, text: &'t str) -> Result<&[u8], Vec<Diagnostic>> {
        self.clear();
        self.assembler.run(text);
        self.outcome()
    }

    /// Forgets the last text.
    #[inline]
    fn clear(&mut self) {
        if self.assembler.is_pristine() {
            self.assembler.out.clear();
        } else {
            self.assembler.reset(self.options);
            self.assembly.bytes.clear();
            self.assembly.fixups.clear();
        }
    }

    /// What the assembler came to.
    fn outcome(&mut self) -> Result<&[u8], Vec<Diagnostic>> {
        if self.assembler.is_pristine() {
            return Ok(&self.assembler.out);
        }
        self.assembler.lay_out(&mut self.assembly);
        if self.assembler.errors != 0 {
            let mut errors = std::mem::take(&mut self.assembler.diagnostics);
            errors.retain(|diagnostic| diagnostic.severity == Severity::Error);
            return Err(errors);
        }
        Ok(&self.assembly.bytes)
    }

    /// Whether the last text had no field left for a linker.
    pub fn is_complete(&self) -> bool {
        self.assembly.fixups.is_empty()
    }

    /// The warnings of the last text that was assembled.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.assembler.diagnostics
    }
}

/// Assembles each line of `text` alone at address 0: line N of the result is its bytes as lower-case hex, or
/// `error: ` and a message. The number is that of the lines that failed.
///
/// ```
/// let (listing, failed) = pvc_asm::assemble_lines("push %rax; ret\nbogus\n", &Default::default());
/// assert_eq!(failed, 1);
/// assert_eq!(listing.lines().next(), Some("50c3"));
/// assert!(listing.lines().nth(1).unwrap().starts_with("error: "));
/// ```
pub fn assemble_lines(text: &str, options: &Options) -> (String, usize) {
    let mut out = Vec::with_capacity(text.len() / 2);
    let mut known = LineMemo::default();
    known.grow(text.len());
    let failed = Lines::new(*options).assemble_all(text, &mut known, &mut out);
    (String::from_utf8(out).unwrap_or_default(), failed)
}

/// [`assemble_lines`] from a reader to a writer, a piece at a time: the memory it takes does not depend on the length of
/// the text. Bytes that are not UTF-8 count as unknown characters.
///
/// ```
/// let mut out = Vec::new();
/// let failed = pvc_asm::assemble_lines_stream("nop\nret".as_bytes(), &mut out, &Default::default()).unwrap();
/// assert_eq!((failed, out.as_slice()), (0, "90\nc3\n".as_bytes()));
/// ```
///
/// # Errors
///
/// Those of the reader and the writer.
pub fn assemble_lines_stream(mut input: impl Read, mut output: impl Write, options: &Options) -> io::Result<usize> {
    /// Bytes that are read at a time; a line may be longer.
    const PIECE: usize = 1 << 18;
    let mut buffer: Vec<u8> = Vec::new();
    let mut filled = 0;
    let mut failed = 0;
    let mut out = Vec::with_capacity(PIECE);
    let mut known = LineMemo::default();
    let mut total = 0;
    let mut idle = Assembler::new(*options);
    loop {
        if buffer.len() < filled + PIECE {
            buffer.resize(filled + PIECE, 0);
        }
        let count = match input.read(&mut buffer[filled..]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        filled += count;
        total += count;
        if count != 0 && filled < PIECE {
            // Pipes give little at a time.
            continue;
        }
        let end = if count == 0 {
            filled
        } else {
            buffer[..filled].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
        };
        if end > 0 {
            let text = match std::str::from_utf8(&buffer[..end]) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) => String::from_utf8_lossy(&buffer[..end]),
            };
            known.grow(total);
            let mut lines = Lines::with(idle, *options, total);
            failed += lines.assemble_all(&text, &mut known, &mut out);
            idle = lines.assembler.recycled();
            output.write_all(&out)?;
            out.clear();
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
        if count == 0 {
            output.flush()?;
            return Ok(failed);
        }
    }
}

/// Two hex digits for every byte.
pub(crate) static HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = [DIGITS[i >> 4], DIGITS[i & 15]];
        i += 1;
    }
    table
};

/// Bytes in hex, and a newline.
fn push_hex(out: &mut Vec<u8>, code: &[u8]) {
    for &byte in code {
        out.extend_from_slice(&HEX[byte as usize]);
    }
    out.push(b'\n');
}

/// [`push_hex`] of the first `length` bytes of one instruction's.
#[inline(always)]
fn push_short_hex(out: &mut Vec<u8>, code: &[u8; 16], length: usize) {
    let from = out.len();
    // Stores of fixed length are a few moves; the surplus is cut off again.
    out.extend_from_slice(&[b'\n'; 40]);
    if let Some(digits) = out.last_chunk_mut::<40>() {
        let word = |at: usize| hex_digits([code[at], code[at + 1], code[at + 2], code[at + 3]]).to_le_bytes();
        digits[..8].copy_from_slice(&word(0));
        digits[8..16].copy_from_slice(&word(4));
        if length > 8 {
            digits[16..24].copy_from_slice(&word(8));
            digits[24..32].copy_from_slice(&word(12));
        }
        digits[(length * 2) & 31] = b'\n';
    }
    out.truncate(from + length * 2 + 1);
}

/// Four bytes as eight hex digits, first digit lowest.
#[inline]
pub(crate) fn hex_digits(bytes: [u8; 4]) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    // A byte into every second place, then its halves side by side, high one first.
    let mut spread = u64::from(u32::from_le_bytes(bytes));
    spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (spread >> 4 & 0x000f_000f_000f_000f) | ((spread & 0x000f_000f_000f_000f) << 8);
    // 0 to 9 become '0' to '9'; 10 and more, where adding six carries, 'a' to 'f'.
    let letters = (nibbles + LOW * 6) >> 4 & LOW;
    nibbles + LOW * b'0' as u64 + letters * (b'a' - b'0' - 10) as u64
}

impl<'t> Lines<'t> {
    fn with(assembler: Assembler<'_>, options: Options, text: usize) -> Self {
        let mut assembler = assembler.recycled();
        assembler.want_items = false;
        assembler.remember_shapes(text);
        Self { options, assembler, assembly: Assembly::default() }
    }

    /// Every line of `text`, as [`assemble_lines`] describes it; gives the number of those that failed.
    fn assemble_all(&mut self, text: &'t str, known: &mut LineMemo, out: &mut Vec<u8>) -> usize {
        self.assembler.brief = true;
        self.assembler.source = text;
        self.assembler.cur.text = text.as_bytes();
        let mut failed = 0;
        let mut start = 0;
        while start < text.len() {
            let mut probe = None;
            if known.pays() {
                let end = line_end(text.as_bytes(), start);
                probe = known.probe(text.as_bytes(), start, end);
                if let Some((code, length)) = probe.as_ref().and_then(|probe| known.recall(probe)) {
                    push_short_hex(out, code, length);
                    start = end + 1;
                    continue;
                }
            }
            if !self.assembler.is_pristine() {
                self.clear();
            }
            self.assembler.cur.pos = start;
            // A line that is one common statement is not looked through for its end first.
            let quick = self.assembler.quick_alone().zip(self.assembler.out.first_chunk());
            let mut end = self.assembler.cur.pos;
            match quick {
                Some((length, code)) if matches!(text.as_bytes().get(end), None | Some(b'\n')) => {
                    push_short_hex(out, code, length);
                    known.remember(probe, &code[..length]);
                }
                _ => {
                    end = line_end(text.as_bytes(), start);
                    match self.assemble_one(text, start..end, out) {
                        Some(code) => known.remember(probe, code),
                        None => failed += 1,
                    }
                }
            }
            start = end + 1;
        }
        failed
    }

    /// A line that is not one common statement; its code, if it is right.
    fn assemble_one(&mut self, text: &'t str, line: std::ops::Range<usize>, out: &mut Vec<u8>) -> Option<&[u8]> {
        self.clear();
        self.assembler.run_line(text, line);
        match self.outcome() {
            Ok(code) => {
                push_hex(out, code);
                Some(code)
            }
            Err(errors) => {
                out.extend_from_slice(b"error: ");
                if let Some(first) = errors.first() {
                    out.extend_from_slice(first.message.replace('\n', " ").as_bytes());
                }
                out.push(b'\n');
                None
            }
        }
    }
}

/// Offset of the newline from `start` on, or the end of the text.
#[inline]
fn line_end(text: &[u8], start: usize) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    let mut at = start;
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk) ^ (LOW * b'\n' as u64);
        let ends = word.wrapping_sub(LOW) & !word & LOW << 7;
        if ends != 0 {
            return at + ends.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    text[at..].iter().position(|&byte| byte == b'\n').map_or(text.len(), |found| at + found)
}
