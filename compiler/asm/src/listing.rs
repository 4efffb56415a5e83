//! An assembled block beside its text.

use crate::Assembly;
use crate::lines::HEX;
use std::io::{self, Write};

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
    for item in &assembly.items {
        let start = item.offset as usize;
        let bytes = assembly.bytes.get(start..start + item.len as usize).unwrap_or(&[]);
        let mut source = text.get(item.span()).unwrap_or("").trim();
        let mut offset = start;
        let mut chunks = bytes.chunks(PER_LINE);
        loop {
            let chunk = chunks.next().unwrap_or(&[]);
            push_line(&mut out, offset, chunk, source);
            if out.len() >= PIECE {
                output.write_all(&out)?;
                out.clear();
            }
            source = "";
            offset += chunk.len();
            if offset >= start + bytes.len() {
                break;
            }
        }
    }
    output.write_all(&out)
}

/// One line without blanks at its end.
fn push_line(out: &mut Vec<u8>, offset: usize, bytes: &[u8], source: &str) {
    for shift in [24, 16, 8, 0] {
        // Four digits at least.
        if shift <= 8 || offset >> shift != 0 {
            out.extend_from_slice(&HEX[offset >> shift & 0xff]);
        }
    }
    out.extend_from_slice(b"  ");
    let mut hex = [b' '; PER_LINE * 3 + 1];
    for (place, &byte) in hex.chunks_exact_mut(3).zip(bytes) {
        place[..2].copy_from_slice(&HEX[byte as usize]);
    }
    if source.is_empty() {
        let used = (bytes.len() * 3).saturating_sub(1);
        out.extend_from_slice(&hex[..used]);
        let end = out.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
        out.truncate(end);
    } else {
        out.extend_from_slice(&hex);
        let from = out.len();
        out.extend_from_slice(source.as_bytes());
        for byte in &mut out[from..] {
            // A statement with a comment in it may go over several lines.
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
    }
    out.push(b'\n');
}
