//! The formatter: one layout for every `.pv` file, and never another meaning.
//!
//! A file is cut and parsed as the compiler does it; what the grammar calls a token is kept, and the white space between
//! tokens is chosen anew. Comments stay where they stand. Rows become a table: the columns arch, condition, asm and bytes
//! are aligned in each op, and stand in the same places in all ops that have room.

mod asm;
mod item;
mod layout;
mod refresh;
mod same;
mod signature;
#[cfg(test)]
mod tests;

pub use refresh::{RowBytes, of_file as row_bytes_of, row_bytes};
pub(crate) use refresh::{in_order, keep_what_hinders};

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Span};
use crate::syntax;

/// The widest line, in characters, that a list or a row is kept on.
pub(crate) const WIDTH: usize = 120;

/// What [`format()`] is to do beside laying out the text.
#[derive(Clone, Default, Debug)]
pub struct FormatOptions {
    /// The bytes to write beside rows, as [`row_bytes`] finds them; other rows keep what they have.
    pub bytes: RowBytes,
}

/// Formats the text of one `.pv` file. Formatting twice changes nothing more.
///
/// Files that the text includes are not read. Line ends stay what they are (`\n` or `\r\n`, as the first one is).
///
/// # Errors
///
/// The findings about a text that is not in the language, whose spans are in file 0. Names, conditions and asm may be
/// wrong: they are not looked at.
///
/// ```
/// use pvc::{FormatOptions, format};
/// let text = "op irq.disable( ){ clobbers  barrier\nx86_64{cli}=FA }";
/// assert_eq!(format(text, &FormatOptions::default()).unwrap(), "\
/// op irq.disable() {
///     clobbers barrier
///     x86_64         { cli }                          = fa
/// }
/// ");
/// ```
pub fn format(text: &str, options: &FormatOptions) -> Result<String, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    syntax::scan(text, FileId(0), &mut diagnostics);
    if diagnostics.has_errors() {
        diagnostics.sort();
        return Err(diagnostics);
    }
    let mut formatted = layout::render(&item::lines(text, options));
    if text.split_once('\n').is_some_and(|(line, _)| line.ends_with('\r')) {
        formatted = formatted.replace('\n', "\r\n");
    }
    if same::fingerprint(text, &options.bytes) == same::fingerprint(&formatted, &RowBytes::new()) {
        return Ok(formatted);
    }
    // Only for texts that no later phase would take, such as a row for an arch named `op`.
    let found = Diagnostic::new(
        Code::SYNTAX,
        Span::new(FileId(0), 0..0),
        "this file cannot be laid out anew without changing what it means",
    );
    diagnostics.push(
        found.help("some name in it is a word that begins an item: `patchset`, `feature`, `include`, `op`, `branch`"),
    );
    Err(diagnostics)
}
