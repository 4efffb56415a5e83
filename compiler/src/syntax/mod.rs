//! Text to [`Ast`]: loads the files, cuts them into items, parses each.
//!
//! Parsing never stops at a mistake. It returns what it could make sense of, and says in the diagnostics what it could
//! not; an item or op that lost a part is marked, so that the later phases do not complain about the gap.

pub mod ast;
mod braces;
mod explain;
mod grammar;
mod read;
pub(crate) mod split;
#[cfg(test)]
mod tests;

pub use ast::Ast;
pub(crate) use grammar::{PvParser, Rule};
pub(crate) use read::{Parsed, Reader};
pub(crate) use split::begins_item;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Loader, MAX_FILE, SourceMap, Span, join_include};
use ast::{Item, Word};
use std::collections::BTreeSet;

/// The longest line, in bytes: no table row needs more, and a message shows whole lines.
pub const MAX_LINE: usize = 8 << 10;
/// The longest item, in bytes, its doc comments included.
pub const MAX_ITEM: usize = 1 << 20;
/// The most items of a patch set.
pub const MAX_ITEMS: usize = 1 << 17;
/// The most files of a patch set.
pub const MAX_FILES: usize = 256;
/// The deepest chain of includes.
pub const MAX_INCLUDE_DEPTH: usize = 16;

/// Parses the file at `path` and all that it includes. The root is always the first file of `sources`.
#[must_use]
pub fn parse(path: &str, loader: &dyn Loader, sources: &mut SourceMap, diagnostics: &mut Diagnostics) -> Ast {
    let start = Span::new(FileId(0), 0..0);
    let mut ast = Ast { docs: Vec::new(), items: Vec::new(), start };
    walk(path, loader, sources, diagnostics, &mut ast);
    ast
}

/// Who takes the pieces of the files of a set, in order.
pub(crate) trait Visitor {
    /// Takes what stands before the first item of a file.
    fn preamble(&mut self, piece: Place<'_>, diagnostics: &mut Diagnostics);

    /// Takes the piece of one item. The path of an `include` comes back and is followed at once.
    fn item(&mut self, piece: Place<'_>, diagnostics: &mut Diagnostics) -> Option<Word>;
}

/// A piece of a file.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Reads it.
    pub(crate) reader: Reader,
    /// Its text.
    pub(crate) text: &'a str,
    /// Whether it stands in the root file.
    pub(crate) in_root: bool,
}

impl Visitor for Ast {
    fn preamble(&mut self, piece: Place<'_>, diagnostics: &mut Diagnostics) {
        let docs = piece.reader.preamble(piece.text, diagnostics);
        if piece.in_root {
            self.docs = docs;
        }
    }

    fn item(&mut self, piece: Place<'_>, diagnostics: &mut Diagnostics) -> Option<Word> {
        match piece.reader.item(piece.text, diagnostics) {
            Parsed::Include(path) => return Some(path),
            Parsed::Item(Item::Patchset(set)) if !piece.in_root => diagnostics.push(misplaced(set.name.span)),
            Parsed::Item(item) => self.items.push(item),
        }
        None
    }
}

/// The finding about a patch set in an included file, whose name stands at `name`.
pub(crate) fn misplaced(name: Span) -> Diagnostic {
    Diagnostic::new(Code::INCLUDE, name, "an included file defines a patch set")
        .label("only the root file names the patch set")
        .help(
            "keep features and ops that several sets share in the included file, and the `patchset` block in each root",
        )
}

/// Loads the file at `path` and all that it includes, and shows the pieces to `visitor`.
pub(crate) fn walk(
    path: &str,
    loader: &dyn Loader,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
    visitor: &mut dyn Visitor,
) {
    let mut files =
        Files { loader, sources, diagnostics, seen: BTreeSet::new(), chain: Vec::new(), bytes: 0, items: 0 };
    let path = join_include("", path);
    let root = match files.load(&path) {
        Ok(root) => root,
        Err(problem) => {
            let root = files.sources.add(path.clone(), String::new());
            let code = problem.code.unwrap_or(Code::READ);
            let span = Span::new(root, 0..0);
            files.diagnostics.push(Diagnostic::new(code, span, format!("`{path}` {}", problem.message)));
            root
        }
    };
    files.chain.push(path);
    files.visit(root, visitor);
}

/// Looks for mistakes in the syntax of one text, and follows no `include`.
pub(crate) fn scan(text: &str, file: FileId, diagnostics: &mut Diagnostics) {
    for (index, piece) in split::split(text).enumerate() {
        if diagnostics.left_out() > 0 {
            return;
        }
        if too_long(Span::new(file, piece.clone()), diagnostics) {
            continue;
        }
        let reader = read::Reader { file, base: piece.start };
        if index == 0 {
            reader.preamble(&text[piece], diagnostics);
        } else {
            reader.item(&text[piece], diagnostics);
        }
    }
}

/// Reports an item that is longer than the limit.
fn too_long(item: Span, diagnostics: &mut Diagnostics) -> bool {
    let too_long = item.range().len() > MAX_ITEM;
    if too_long {
        let keyword = Span { end: item.start, ..item };
        let message = format!("this item is longer than {} KiB, the limit of one", MAX_ITEM >> 10);
        diagnostics.push(Diagnostic::new(Code::LIMIT, keyword, message));
    }
    too_long
}

/// A condition as it is shown and formatted: a space on each side of `&&` and `||`, none inside of parentheses and
/// behind `!`.
pub(crate) fn condition_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_whitespace() || "!()&|".contains(c)).unwrap_or(rest.len());
        let len = match rest.as_bytes()[0] {
            b'&' if rest.starts_with("&&") => 2,
            b'|' if rest.starts_with("||") => 2,
            _ => word.max(1),
        };
        let (token, after) = rest.split_at(len);
        if !(out.is_empty() || out.ends_with(['(', '!']) || token == ")") {
            out.push(' ');
        }
        out.push_str(token);
        rest = after.trim_start();
    }
    out
}

/// The files of one parse.
struct Files<'a> {
    loader: &'a dyn Loader,
    sources: &'a mut SourceMap,
    diagnostics: &'a mut Diagnostics,
    /// Files that were read: a second include of one adds nothing.
    seen: BTreeSet<String>,
    /// The files that are being read, each included by the one before it.
    chain: Vec<String>,
    /// Bytes of all files together.
    bytes: u64,
    /// Items of all files together.
    items: usize,
}

/// Why a file cannot be used; the message goes on after its path.
struct Problem {
    /// `None`: it cannot be read at all.
    code: Option<Code>,
    message: String,
}

impl Files<'_> {
    /// Reads a file and adds it to the map. A defect inside the file is reported there, and its text left out.
    fn load(&mut self, path: &str) -> Result<FileId, Problem> {
        let limit = |message| Err(Problem { code: Some(Code::LIMIT), message });
        let bytes = self
            .loader
            .load(path)
            .map_err(|error| Problem { code: None, message: format!("cannot be read: {error}") })?;
        self.bytes += bytes.len() as u64;
        if bytes.len() as u64 > MAX_FILE {
            return limit(format!("is longer than {} MiB, the limit of a source file", MAX_FILE >> 20));
        }
        if self.bytes > MAX_FILE {
            return limit(format!("makes the source files longer than {} MiB together", MAX_FILE >> 20));
        }
        if let Some(line) = bytes.split(|&byte| byte == b'\n').position(|line| line.len() > MAX_LINE) {
            return limit(format!("has more than {MAX_LINE} bytes on line {}, the limit of a line", line + 1));
        }
        self.seen.insert(path.to_owned());
        match String::from_utf8(bytes) {
            Ok(text) => {
                let nul = text.find('\0');
                let file = self.sources.add(path.to_owned(), if nul.is_some() { String::new() } else { text.clone() });
                let Some(nul) = nul else { return Ok(file) };
                let line = text[..nul].matches('\n').count() + 1;
                let span = Span::new(file, 0..0);
                self.diagnostics.push(
                    Diagnostic::new(
                        Code::ENCODING,
                        span,
                        format!("`{path}` holds a NUL byte on line {line}: it is not a text"),
                    )
                    .help("a .pv file is UTF-8 text"),
                );
                Ok(file)
            }
            Err(error) => Ok(self.not_utf8(path, error.utf8_error().valid_up_to(), &error.into_bytes())),
        }
    }

    /// Adds a file whose byte at `bad` is not UTF-8. It is parsed with U+FFFD in its place, unless it is something else
    /// altogether, because the wrong bytes mostly stand in comments.
    fn not_utf8(&mut self, path: &str, bad: usize, bytes: &[u8]) -> FileId {
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let other = utf16 || bytes.contains(&0);
        let file = match other {
            true => self.sources.add(path.to_owned(), String::new()),
            false => self.sources.add(path.to_owned(), String::from_utf8_lossy(bytes).into_owned()),
        };
        let span = match other {
            true => Span::new(file, 0..0),
            false => Span::new(file, bad..bad + '\u{fffd}'.len_utf8()),
        };
        let line = bytes[..bad].iter().filter(|&&byte| byte == b'\n').count() + 1;
        let message = format!("`{path}` is not UTF-8: byte {:#04x} on line {line} belongs to no character", bytes[bad]);
        let help = match utf16 {
            true => "the file begins like UTF-16: save it as UTF-8",
            false => "save the file as UTF-8",
        };
        self.diagnostics.push(Diagnostic::new(Code::ENCODING, span, message).help(help));
        file
    }

    /// Shows the pieces of a file of the map to `visitor`.
    fn visit(&mut self, file: FileId, visitor: &mut dyn Visitor) {
        // The text is borrowed from the map, which grows by the files that this one includes.
        let text = self.sources.file(file).text.clone();
        for (index, piece) in split::split(&text).enumerate() {
            if self.diagnostics.left_out() > 0 {
                return;
            }
            let whole = Span::new(file, piece.clone());
            if too_long(whole, self.diagnostics) {
                continue;
            }
            if self.items >= MAX_ITEMS {
                return self.limit(whole, format!("a patch set has at most {MAX_ITEMS} items"));
            }
            let reader = Reader { file, base: piece.start };
            let place = Place { reader, text: &text[piece], in_root: self.chain.len() == 1 };
            if index == 0 {
                visitor.preamble(place, self.diagnostics);
                continue;
            }
            self.items += 1;
            if let Some(path) = visitor.item(place, self.diagnostics) {
                self.include(file, &path, visitor);
            }
        }
    }

    /// Follows an `include`.
    fn include(&mut self, from: FileId, written: &Word, visitor: &mut dyn Visitor) {
        let refuse = |message: String| Diagnostic::new(Code::INCLUDE, written.span, message);
        if written.text.is_empty() {
            self.diagnostics.push(refuse("this `include` names no file".to_owned()));
            return;
        }
        if written.text.starts_with(['/', '\\']) || written.text.contains(':') {
            self.diagnostics.push(
                refuse(format!("`{}` is not a relative path", written.text))
                    .label("must be relative to this file")
                    .help("outputs must not depend on where a tree lies: name the file relative to the one that includes it"),
            );
            return;
        }
        let path = join_include(&self.sources.file(from).path, &written.text);
        if let Some(first) = self.chain.iter().position(|open| *open == path) {
            let cycle: Vec<_> = self.chain[first..].iter().chain([&path]).map(|path| format!("`{path}`")).collect();
            self.diagnostics.push(
                refuse(format!("`{path}` includes itself"))
                    .label("closes the cycle")
                    .note(format!("the cycle: {}", cycle.join(" includes "))),
            );
            return;
        }
        if self.seen.contains(&path) {
            return;
        }
        if self.chain.len() >= MAX_INCLUDE_DEPTH {
            return self.limit(written.span, format!("includes are nested more than {MAX_INCLUDE_DEPTH} deep"));
        }
        if self.sources.files().len() >= MAX_FILES {
            return self.limit(written.span, format!("a patch set has at most {MAX_FILES} files"));
        }
        match self.load(&path) {
            Ok(file) => {
                self.chain.push(path);
                self.visit(file, visitor);
                self.chain.pop();
            }
            Err(problem) => {
                let code = problem.code.unwrap_or(Code::INCLUDE);
                self.diagnostics.push(
                    Diagnostic::new(code, written.span, format!("`{path}` {}", problem.message))
                        .label("included here")
                        .help("paths are relative to the file that holds the `include`"),
                );
            }
        }
    }

    fn limit(&mut self, span: Span, message: String) {
        self.diagnostics.push(Diagnostic::new(Code::LIMIT, span, message));
    }
}
