//! `pvc check --fix`: the machine fixes, written back.

use super::Exit;
use super::compile::readable;
use super::report::Reporter;
use pvc::diagnostics::{Applicability, Levels};
use pvc::output::{OutputFile, write_all};
use pvc::source::DiskLoader;
use std::path::Path;

/// Mends the set at `file`, writes what changed, and shows the findings that are left.
pub(super) fn fix(file: &Path, guesses: bool, levels: &Levels, reporter: &mut Reporter) -> Result<(), Exit> {
    let trouble = |reporter: &mut Reporter, message: String| {
        reporter.trouble(&message);
        Err(Exit::Trouble)
    };
    let path = match readable(file) {
        Ok(path) => path,
        Err(message) => return trouble(reporter, message),
    };
    let applicability = if guesses { Applicability::Maybe } else { Applicability::Safe };
    let mended = pvc::mend(path, &DiskLoader, levels, applicability);
    let mut files = Vec::new();
    for (path, text) in mended.files {
        // A link stays a link: its target is written.
        // And what is not to be written is not replaced either.
        let writable = || std::fs::OpenOptions::new().write(true).open(&path);
        match writable().and_then(|_| std::fs::canonicalize(&path)) {
            Ok(path) => files.push(OutputFile { path, text }),
            Err(error) => return trouble(reporter, format!("cannot write {path}: {error}; no file was changed")),
        }
    }
    if let Err(error) = write_all(&files) {
        return trouble(reporter, format!("{error}; no file was changed"));
    }
    for applied in &mended.applied {
        eprintln!("fixed {} in {}: {}", applied.code, applied.path, applied.title);
    }
    reporter.show(path, &mended.compilation);
    match mended.compilation.checked {
        Some(_) => Ok(()),
        None => Err(Exit::Findings),
    }
}
