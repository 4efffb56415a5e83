//! Texts that the client is to show, as files: explain pages, disassembly, generated code. They go when the server ends.

use crate::diagnostics::Code;
use gen_lsp_types::Uri;
use std::collections::BTreeMap;
use tempfile::TempDir;

/// The files that were written so far.
#[derive(Default)]
pub(super) struct Pages {
    dir: Option<TempDir>,
    explained: BTreeMap<Code, Option<Uri>>,
}

impl Pages {
    /// The explain page of a code; `None` if it cannot be written.
    pub(super) fn explain(&mut self, code: Code) -> Option<Uri> {
        if let Some(known) = self.explained.get(&code) {
            return known.clone();
        }
        let uri = self.show(&format!("{code}.md"), code.info().page);
        self.explained.insert(code, uri.clone());
        uri
    }

    /// Writes a text to a file of that name.
    pub(super) fn show(&mut self, name: &str, text: &str) -> Option<Uri> {
        if self.dir.is_none() {
            self.dir = tempfile::Builder::new().prefix("pvc-lsp-").tempdir().ok();
        }
        let path = self.dir.as_ref()?.path().join(name);
        std::fs::write(&path, text).ok()?;
        Some(super::uri::of_path(path.to_str()?))
    }
}
