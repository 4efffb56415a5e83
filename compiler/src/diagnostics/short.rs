//! Findings one a line, as `grep` and the error lists of editors read them.

use super::{Diagnostics, Severity};
use crate::source::SourceMap;

impl Severity {
    /// The word that messages begin with.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// All findings, each as `FILE:LINE:COLUMN: SEVERITY[CODE]: MESSAGE`. Columns count characters from 1.
#[must_use]
pub fn short(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut text = String::new();
    for found in diagnostics.list() {
        let span = found.primary.span;
        let file = sources.file(span.file);
        let (line, column) = file.line_column(span.start);
        let severity = found.severity.name();
        text.push_str(&format!("{}:{line}:{column}: {severity}[{}]: {}\n", file.path, found.code, found.message));
    }
    if diagnostics.left_out() > 0 {
        text.push_str(&format!("note: {} more findings are not shown\n", diagnostics.left_out()));
    }
    text
}
