//! C: `NAME.h`, the contract that call sites compile against, and `NAME.c`, the tables.

mod branches;
mod calls;
mod header;
mod names;
mod patchlets;
mod sites;
mod source;
mod tables;

use crate::check::Checked;
use crate::source::SourceMap;

/// `NAME.h`: for C11, C++17 and, with `__ASSEMBLER__`, for `.S` files.
#[must_use]
pub fn header(checked: &Checked, sources: &SourceMap) -> String {
    header::render(checked, sources)
}

/// `NAME.c`: C11; wants `NAME.h` and the runtime's `pvc.h`.
#[must_use]
pub fn source(checked: &Checked, sources: &SourceMap) -> String {
    source::render(checked, sources)
}

/// `NAME.S`: the patchlets between `start_` and `end_` labels.
#[must_use]
pub fn patchlets(checked: &Checked, sources: &SourceMap) -> String {
    patchlets::render(checked, sources)
}

/// Without white space at line ends and without two empty lines in a row.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        // Byte by byte: only ASCII is generated at line ends.
        let end = line.bytes().rposition(|byte| byte != b' ' && byte != b'\t').map_or(0, |last| last + 1);
        let line = &line[..end];
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    tidied
}
