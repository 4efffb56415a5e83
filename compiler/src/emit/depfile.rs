//! The depfile: which source files the outputs were made from, in the syntax of make, ninja and CMake.

use crate::source::SourceMap;
use std::path::{Path, PathBuf};

/// `TARGETS: SOURCES`, then an empty rule for each included file, so that make goes on when one is deleted.
#[must_use]
pub fn render(targets: &[PathBuf], sources: &SourceMap) -> String {
    let mut text = String::new();
    for (index, target) in targets.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(&escape(target));
    }
    text.push(':');
    for (_, file) in sources.files() {
        text.push_str(" \\\n  ");
        text.push_str(&escape(Path::new(&file.path)));
    }
    text.push('\n');
    for (_, file) in sources.files().skip(1) {
        text.push('\n');
        text.push_str(&escape(Path::new(&file.path)));
        text.push_str(":\n");
    }
    text
}

/// A path as GNU make reads it back (manual, 4.3 "Types of Prerequisites" and 3.8 on `$`).
fn escape(path: &Path) -> String {
    let mut escaped = String::new();
    for character in path.to_string_lossy().chars() {
        match character {
            ' ' | '#' | ':' | '\\' => escaped.extend(['\\', character]),
            '$' => escaped.push_str("$$"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_every_source_and_escapes() {
        let mut sources = SourceMap::default();
        sources.add("my set.pv".into(), String::new());
        sources.add("common.pv".into(), String::new());
        let text = render(&[PathBuf::from("out/a.h"), PathBuf::from("out/a$.c")], &sources);
        assert_eq!(text, "out/a.h out/a$$.c: \\\n  my\\ set.pv \\\n  common.pv\n\ncommon.pv:\n");
    }
}
