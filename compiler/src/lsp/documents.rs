//! The open documents, and the loader through which the compiler sees them before they are saved.

use super::position::Encoding;
use super::uri;
use crate::source::{DiskLoader, Loader};
use gen_lsp_types::{Position, Range, TextDocumentContentChangeEvent, Uri};
use std::collections::BTreeMap;

/// A text that the client edits.
#[derive(Debug)]
pub(super) struct Document {
    /// The URI as the client writes it.
    pub(super) uri: Uri,
    pub(super) version: i32,
    pub(super) text: String,
}

/// The open documents by path.
#[derive(Default, Debug)]
pub(super) struct Documents {
    open: BTreeMap<String, Document>,
}

impl Documents {
    pub(super) fn open(&mut self, uri: Uri, version: i32, text: String) -> String {
        let path = uri::path(&uri);
        self.open.insert(path.clone(), Document { uri, version, text });
        path
    }

    pub(super) fn close(&mut self, uri: &Uri) -> String {
        let path = uri::path(uri);
        self.open.remove(&path);
        path
    }

    /// Applies changes in order; `None` if the document is not open.
    pub(super) fn change(
        &mut self,
        uri: &Uri,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
        encoding: Encoding,
    ) -> Option<String> {
        let path = uri::path(uri);
        let document = self.open.get_mut(&path)?;
        for change in changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(change) => {
                    document.text = change.text;
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(change) => {
                    splice(&mut document.text, change.range, &change.text, encoding);
                }
            }
        }
        document.version = version;
        Some(path)
    }

    pub(super) fn get(&self, path: &str) -> Option<&Document> {
        self.open.get(path)
    }

    /// The URI of a path: the client's own if it has the document open.
    pub(super) fn uri(&self, path: &str) -> Uri {
        self.get(path).map_or_else(|| uri::of_path(path), |document| document.uri.clone())
    }
}

impl Loader for Documents {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        match self.open.get(path) {
            Some(document) => Ok(document.text.clone().into_bytes()),
            None => DiskLoader.load(path),
        }
    }
}

/// Replaces a range of a text. A range that is upside down is taken the right way round.
fn splice(text: &mut String, range: Range, new: &str, encoding: Encoding) {
    let start = offset(text, range.start, encoding);
    let end = offset(text, range.end, encoding);
    text.replace_range(start.min(end)..start.max(end), new);
}

fn offset(text: &str, position: Position, encoding: Encoding) -> usize {
    let mut lines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let start = match position.line.checked_sub(1) {
        None => Some(0),
        Some(before) => lines.nth(before as usize),
    };
    let Some(start) = start else { return text.len() };
    let end = text[start..].find('\n').map_or(text.len(), |at| start + at + 1);
    start + encoding.offset(&text[start..end], position.character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, from: (u32, u32), to: (u32, u32), new: &str) -> String {
        let mut text = text.to_owned();
        let at = |(line, character)| Position { line, character };
        splice(&mut text, Range { start: at(from), end: at(to) }, new, Encoding::Utf16);
        text
    }

    #[test]
    fn changes_land_where_the_client_means() {
        assert_eq!(edited("ab\ncd\n", (1, 1), (1, 2), "X"), "ab\ncX\n");
        assert_eq!(edited("ab\ncd\n", (0, 2), (1, 0), ""), "abcd\n");
        assert_eq!(edited("ab\r\ncd", (0, 9), (0, 9), "X"), "abX\r\ncd");
        assert_eq!(edited("ab", (7, 0), (9, 9), "X"), "abX");
        assert_eq!(edited("ab\ncd", (1, 1), (0, 1), "X"), "aXd");
        assert_eq!(edited("\u{1f600}b", (0, 2), (0, 3), "X"), "\u{1f600}X");
    }
}
