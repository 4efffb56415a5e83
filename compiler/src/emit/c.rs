//! C header and source.

use crate::check::Checked;
use crate::source::SourceMap;

/// `NAME.h`.
#[must_use]
pub fn header(_checked: &Checked, _sources: &SourceMap) -> String {
    String::new()
}

/// `NAME.c`.
#[must_use]
pub fn source(_checked: &Checked, _sources: &SourceMap) -> String {
    String::new()
}
