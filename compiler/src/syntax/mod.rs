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
pub(crate) use split::begins_item;

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::{FileId, Loader, MAX_FILE, SourceMap, Span, join_include};
use ast::Word;
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
    let mut files = Files { loader, sources, diagnostics, seen: BTreeSet::new(), chain: Vec::new(), bytes: 0 };
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
    let start = Span::new(root, 0..0);
    let mut ast = Ast { docs: Vec::new(), items: Vec::new(), start };
    files.chain.push(path);
    files.parse(root, &mut ast);
    ast
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

    /// Parses a file of the map into `ast`.
    fn parse(&mut self, file: FileId, ast: &mut Ast) {
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
            if ast.items.len() >= MAX_ITEMS {
                return self.limit(whole, format!("a patch set has at most {MAX_ITEMS} items"));
            }
            let reader = read::Reader { file, base: piece.start };
            if index == 0 {
                let docs = reader.preamble(&text[piece], self.diagnostics);
                if self.chain.len() == 1 {
                    ast.docs = docs;
                }
                continue;
            }
            match reader.item(&text[piece], self.diagnostics) {
                read::Parsed::Item(ast::Item::Patchset(set)) if self.chain.len() > 1 => {
                    self.diagnostics.push(
                        Diagnostic::new(Code::INCLUDE, set.name.span, "an included file defines a patch set")
                            .label("only the root file names the patch set")
                            .help("keep features and ops that several sets share in the included file, and the `patchset` block in each root"),
                    );
                }
                read::Parsed::Item(item) => ast.items.push(item),
                read::Parsed::Include(path) => self.include(file, &path, ast),
            }
        }
    }

    /// Follows an `include`.
    fn include(&mut self, from: FileId, written: &Word, ast: &mut Ast) {
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
                self.parse(file, ast);
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
