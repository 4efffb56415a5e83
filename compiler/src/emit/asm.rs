//! `.S` file.

use crate::check::Checked;
use crate::source::SourceMap;

/// `NAME.S`.
#[must_use]
pub fn source(_checked: &Checked, _sources: &SourceMap) -> String {
    String::new()
}
