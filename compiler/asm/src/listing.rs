//! An assembled block beside its text.

use crate::Assembly;
use std::fmt::Write;

/// Bytes on a line of the listing.
const PER_LINE: usize = 8;

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
    let mut out = String::with_capacity(assembly.items.len() * 48);
    for item in &assembly.items {
        let start = item.offset as usize;
        let bytes = assembly.bytes.get(start..start + item.len as usize).unwrap_or(&[]);
        let mut source = text.get(item.span.clone()).unwrap_or("").trim();
        let mut offset = start;
        let mut chunks = bytes.chunks(PER_LINE);
        loop {
            let chunk = chunks.next().unwrap_or(&[]);
            let mut hex = String::with_capacity(PER_LINE * 3);
            for byte in chunk {
                let _ = write!(hex, "{byte:02x} ");
            }
            let line = format!("{offset:04x}  {hex:<24} {}", source.replace('\n', " "));
            out.push_str(line.trim_end());
            out.push('\n');
            source = "";
            offset += chunk.len();
            if offset >= start + bytes.len() {
                break;
            }
        }
    }
    out
}
