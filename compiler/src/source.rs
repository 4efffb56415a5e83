//! Source files, the spans that point into them, and the loader through which they come.
//!
//! The compiler does no I/O of its own: files arrive through a [`Loader`], from disk for the command and the build
//! script, from memory for tests and editors.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// Index of a file in a [`SourceMap`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileId(pub u32);

/// A byte range in one source file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of `range` in `file`.
    #[must_use]
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: range.start as u32, end: range.end as u32 }
    }

    /// The span as a byte range.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The empty span at the end of this one.
    #[must_use]
    pub fn after(self) -> Self {
        Self { start: self.end, ..self }
    }

    /// The smallest span that holds both (which must be of one file).
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// One source file: the path it is shown under and its text.
#[derive(Clone, Debug)]
pub struct SourceFile {
    /// Path as the user named it, or as the `include` line leads to it, with `/` between its parts.
    pub path: String,
    /// The text.
    pub text: String,
    line_starts: Vec<u32>,
}

impl SourceFile {
    fn new(path: String, text: String) -> Self {
        let line_starts = std::iter::once(0).chain(memchr_newlines(&text).map(|at| at as u32 + 1)).collect();
        Self { path, text, line_starts }
    }

    /// The 1-based line of a byte offset.
    #[must_use]
    pub fn line(&self, offset: u32) -> u32 {
        self.line_starts.partition_point(|&start| start <= offset) as u32
    }

    /// The 1-based line, and the 1-based column in characters, of a byte offset.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> (u32, u32) {
        let line = self.line(offset);
        let start = self.line_starts[line as usize - 1] as usize;
        let end = (offset as usize).min(self.text.len());
        (line, self.text.get(start..end).map_or(0, |text| text.chars().count()) as u32 + 1)
    }

    /// The bytes of a line (counted from 0), its newline included.
    #[must_use]
    pub fn line_range(&self, line: usize) -> Option<Range<usize>> {
        let start = *self.line_starts.get(line)? as usize;
        let end = self.line_starts.get(line + 1).map_or(self.text.len(), |&end| end as usize);
        Some(start..end)
    }

    /// How many lines it has; an empty one after the last newline counts.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.line_starts.len()
    }

    /// The last part of the path: what generated files name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// All files of one compilation, in the order in which they were read; the first is the root.
#[derive(Clone, Default, Debug)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

impl SourceMap {
    /// Adds a file.
    pub fn add(&mut self, path: String, text: String) -> FileId {
        self.files.push(SourceFile::new(path, text));
        FileId(self.files.len() as u32 - 1)
    }

    /// Puts another text in place of that of a file of the map.
    #[cfg(feature = "lsp")]
    pub(crate) fn replace(&mut self, id: FileId, text: String) {
        let file = &mut self.files[id.0 as usize];
        *file = SourceFile::new(std::mem::take(&mut file.path), text);
    }

    /// The file of an id of this map.
    #[must_use]
    pub fn file(&self, id: FileId) -> &SourceFile {
        &self.files[id.0 as usize]
    }

    /// All files with their ids.
    pub fn files(&self) -> impl ExactSizeIterator<Item = (FileId, &SourceFile)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(index as u32), file))
    }

    /// The text under a span.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        &self.file(span.file).text[span.range()]
    }

    /// What has to be cut out so that nothing is left of `span`: its whole lines, a comment at their end included, if
    /// nothing else stands there, else itself and the blanks before it.
    #[must_use]
    pub fn cut(&self, span: Span) -> Span {
        let text = &self.file(span.file).text;
        let (before, after) = (&text[..span.start as usize], &text[span.end as usize..]);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = after.find('\n').map_or(text.len(), |newline| span.end as usize + newline + 1);
        let behind = text[span.end as usize..line_end].trim();
        if before[line_start..].trim().is_empty() && (behind.is_empty() || behind.starts_with("//")) {
            return Span::new(span.file, line_start..line_end);
        }
        Span { start: before.trim_end_matches([' ', '\t']).len() as u32, ..span }
    }

    /// The 1-based line on which a span starts.
    #[must_use]
    pub fn line(&self, span: Span) -> u32 {
        self.file(span.file).line(span.start)
    }
}

fn memchr_newlines(text: &str) -> impl Iterator<Item = usize> + '_ {
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at)
}

/// Where source files come from.
pub trait Loader {
    /// The bytes of the file at `path` (with `/` between its parts).
    ///
    /// # Errors
    ///
    /// Any I/O error; it becomes a diagnostic at the `include` line that asked.
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>>;
}

/// The path of `included`, as written in a file at `from`, with `.` and `..` resolved as text.
#[must_use]
pub fn join_include(from: &str, included: &str) -> String {
    let mut path = PathBuf::new();
    let base = Path::new(from).parent().unwrap_or(Path::new(""));
    for component in base.join(included).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir
                if path.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_))) =>
            {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path.to_string_lossy().replace('\\', "/")
}

/// Files in memory: for tests, examples and editors.
///
/// ```
/// use pvc::source::{Loader, MemoryLoader};
/// let files = MemoryLoader::from_iter([("common.pv", "feature xenpv\n")]);
/// assert_eq!(files.load("common.pv").unwrap(), b"feature xenpv\n");
/// assert!(files.load("other.pv").is_err());
/// ```
#[derive(Clone, Default, Debug)]
pub struct MemoryLoader {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryLoader {
    /// Adds or replaces a file.
    pub fn insert(&mut self, path: impl Into<String>, text: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), text.into());
    }
}

impl<P: Into<String>, T: Into<Vec<u8>>> FromIterator<(P, T)> for MemoryLoader {
    fn from_iter<I: IntoIterator<Item = (P, T)>>(files: I) -> Self {
        Self { files: files.into_iter().map(|(path, text)| (path.into(), text.into())).collect() }
    }
}

impl Loader for MemoryLoader {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))
    }
}

/// Files on disk, relative to the working directory.
#[derive(Clone, Copy, Default, Debug)]
pub struct DiskLoader;

/// The largest source file that is read: a patch set is a reviewable table, and offsets are 32 bits.
pub const MAX_FILE: u64 = 64 << 20;

impl Loader for DiskLoader {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        use std::io::Read;
        // One byte more than the limit is read, so that the caller sees that the file is too long.
        let file = std::fs::File::open(path)?;
        let expected = file.metadata().map_or(0, |facts| facts.len().min(MAX_FILE));
        let mut bytes = Vec::with_capacity(expected as usize + 1);
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
