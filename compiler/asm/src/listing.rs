//! An assembled block beside its text.

use crate::Assembly;
use crate::lines::{HEX, hex_digits};
use std::io::{self, Write};
use std::ops::Range;

/// Bytes on a line of the listing.
const PER_LINE: usize = 8;
/// Bytes that are collected before they are written.
const PIECE: usize = 1 << 16;

/// Offset, bytes and text of every instruction and directive, as `as -a` shows them.
///
/// ```
/// let text = "mov $1,%eax\nret";
/// let code = pvc_asm::assemble(text, &Default::default()).unwrap();
/// assert_eq!(pvc_asm::listing(text, &code), "\
/// 0000  b8 01 00 00 00           mov $1,%eax
/// 0005  c3                       ret
/// ");
/// ```
pub fn listing(text: &str, assembly: &Assembly) -> String {
    let mut out = Vec::with_capacity(assembly.items.len() * 48);
    // A vector takes everything.
    let _ = write_listing(text, assembly, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// [`listing`] to a writer, a piece at a time.
///
/// ```
/// let code = pvc_asm::assemble("ret", &Default::default()).unwrap();
/// let mut out = Vec::new();
/// pvc_asm::write_listing("ret", &code, &mut out).unwrap();
/// assert_eq!(out, "0000  c3                       ret\n".as_bytes());
/// ```
///
/// # Errors
///
/// Those of the writer.
pub fn write_listing(text: &str, assembly: &Assembly, mut output: impl Write) -> io::Result<()> {
    let mut out = Vec::with_capacity(PIECE + PIECE / 4);
    for item in assembly.items.iter() {
        let mut offset = item.offset as usize;
        let end = offset + item.len as usize;
        let mut source = trimmed(text.as_bytes(), item.span());
        loop {
            let next = end.min(offset + PER_LINE);
            let from = out.len();
            push_line(&mut out, &assembly.bytes, offset..next, text.as_bytes(), source);
            if assembly.items.over_lines {
                on_one_line(&mut out[from..]);
            }
            if out.len() >= PIECE {
                output.write_all(&out)?;
                out.clear();
            }
            if next == end {
                break;
            }
            source = 0..0;
            offset = next;
        }
    }
    output.write_all(&out)
}

/// A statement with a comment in it may go over several lines.
#[cold]
fn on_one_line(line: &mut [u8]) {
    let [text @ .., _] = line else { return };
    for byte in text {
        *byte = if *byte == b'\n' { b' ' } else { *byte };
    }
}

/// The range without blanks at its ends.
fn trimmed(text: &[u8], mut range: Range<usize>) -> Range<usize> {
    while range.end > range.start && text.get(range.end - 1).is_none_or(u8::is_ascii_whitespace) {
        range.end -= 1;
    }
    while range.start < range.end && text[range.start].is_ascii_whitespace() {
        range.start += 1;
    }
    range
}

/// One line without blanks at its end.
#[inline]
fn push_line(out: &mut Vec<u8>, bytes: &[u8], code: Range<usize>, text: &[u8], source: Range<usize>) {
    /// The widest offset, two blanks, the bytes and a blank.
    const WIDEST: usize = 8 + 2 + PER_LINE * 3 + 1;
    let from = out.len();
    let digits = match code.start {
        // Four digits at least.
        0..0x1_0000 => 4,
        0x1_0000..0x100_0000 => 6,
        _ => 8,
    };
    let offset = hex_digits((code.start as u32).to_be_bytes()) >> (64 - digits * 8);
    let eight = bytes.get(code.start..).and_then(<[u8]>::first_chunk).copied().unwrap_or_else(|| {
        let mut eight = [0; PER_LINE];
        eight[..code.len()].copy_from_slice(&bytes[code.clone()]);
        eight
    });
    // Everything is written where it belongs and at full width; what is too much is written over or cut off.
    out.extend_from_slice(&[b' '; WIDEST]);
    let Some(line) = out.get_mut(from..).and_then(<[u8]>::first_chunk_mut::<WIDEST>) else { return };
    line[..8].copy_from_slice(&offset.to_le_bytes());
    if let Some(hex) = line.get_mut(digits..).and_then(<[u8]>::first_chunk_mut::<{ WIDEST - 8 }>) {
        hex[..8].fill(b' ');
        for (three, word) in hex[2..].chunks_exact_mut(8).zip(spaced(eight, code.len())) {
            three.copy_from_slice(&word.to_le_bytes());
        }
        hex[WIDEST - 9] = b' ';
    }
    if source.is_empty() {
        out.truncate(from + digits + if code.is_empty() { 0 } else { 1 + code.len() * 3 });
    } else {
        out.truncate(from + digits + WIDEST - 8);
        push_source(out, text, source);
    }
    out.push(b'\n');
}

/// The first `count` of eight bytes as hex digits with a blank behind each, then blanks, in three words.
#[inline]
fn spaced(bytes: [u8; PER_LINE], count: usize) -> [u64; 3] {
    const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);
    const BLANK: u64 = b' ' as u64;
    let [a, b, c, d, e, f, g, h] = bytes.map(|byte| u64::from(u16::from_le_bytes(HEX[byte as usize])));
    let words = [
        a | BLANK << 16 | b << 24 | BLANK << 40 | c << 48,
        BLANK | d << 8 | BLANK << 24 | e << 32 | BLANK << 48 | f << 56,
        f >> 8 | BLANK << 8 | g << 16 | BLANK << 32 | h << 40 | BLANK << 56,
    ];
    let mut left = count * 3;
    words.map(|word| {
        let kept = if left >= 8 { u64::MAX } else { !(u64::MAX << (left * 8)) };
        left = left.saturating_sub(8);
        word & kept | BLANKS & !kept
    })
}

/// The text of a statement.
#[inline]
fn push_source(out: &mut Vec<u8>, text: &[u8], source: Range<usize>) {
    /// What most statements fit.
    const SHORT: usize = 32;
    match text[source.start..].first_chunk::<SHORT>() {
        Some(chunk) if source.len() <= SHORT => {
            // A copy of fixed length is a few moves.
            let end = out.len() + source.len();
            out.extend_from_slice(chunk);
            out.truncate(end);
        }
        _ => out.extend_from_slice(&text[source]),
    }
}
