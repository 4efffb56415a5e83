//! `.S` file.

use crate::check::Checked;
use crate::source::SourceMap;

/// `NAME.S`: the patchlets in one section, each between global `start_` and `end_` labels.
#[must_use]
pub fn source(checked: &Checked, sources: &SourceMap) -> String {
    super::c::patchlets(checked, sources)
}
