//! Rust module.

use crate::check::Checked;
use crate::source::SourceMap;

/// `NAME.rs`.
#[must_use]
pub fn module(_checked: &Checked, _sources: &SourceMap) -> String {
    String::new()
}
