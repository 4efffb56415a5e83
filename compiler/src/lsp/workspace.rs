//! The sets that are being looked at, each with what is known of it.
//!
//! A set has a root file. A document that defines no set belongs to the set that includes it, which is looked for among
//! the open documents and then on disk.

use super::diagnostics;
use super::documents::Documents;
use super::pages::Pages;
use super::position::{Encoding, Text};
use crate::incremental::{Analysis, Placed, Session};
use crate::source::{DiskLoader, FileId, Loader, Span};
use crate::syntax::ast::Item;
use gen_lsp_types::{Diagnostic, Location, Position, Range, Uri};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How many files are looked at in search of one that includes a document.
const MAX_SEARCHED: usize = 300;
/// How deep folders are searched.
const MAX_DEPTH: usize = 4;

/// All that the server knows.
pub(super) struct Workspace {
    pub(super) documents: Documents,
    pub(super) encoding: Encoding,
    /// The folders that the client has open, as paths.
    pub(super) folders: Vec<String>,
    pub(super) pages: Pages,
    /// Whether a set was compiled since this was last set to `false`.
    pub(super) compiled: bool,
    roots: BTreeMap<String, Root>,
    /// When the files on disk were last looked at.
    looked: Option<Instant>,
    /// Whether the folders were searched for sets.
    surveyed: bool,
}

/// How often it is looked whether files that are not open changed on disk: not every client tells.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells one state of a file on disk from the next.
type Stamp = (SystemTime, u64);

/// A set.
#[derive(Default)]
pub(super) struct Root {
    session: Session,
    /// No document of it was opened: it lies in a folder of the client.
    closed: bool,
    /// What was found out last; `None` if something changed since.
    analysis: Option<Analysis>,
    /// The findings by file, as the client gets them; every file of the set has an entry.
    found: BTreeMap<String, Vec<Diagnostic>>,
    /// The files that were read from disk.
    on_disk: BTreeMap<String, Option<Stamp>>,
}

/// A file of a set, as it is now.
pub(super) struct View<'a> {
    pub(super) session: &'a mut Session,
    pub(super) analysis: &'a Analysis,
    pub(super) documents: &'a Documents,
    pub(super) file: FileId,
    pub(super) encoding: Encoding,
}

impl Workspace {
    pub(super) fn new() -> Self {
        Self {
            documents: Documents::default(),
            encoding: Encoding::Utf16,
            folders: Vec::new(),
            pages: Pages::default(),
            compiled: false,
            roots: BTreeMap::new(),
            looked: None,
            surveyed: false,
        }
    }

    /// Forgets all but the documents.
    pub(super) fn forget(&mut self) {
        for root in self.roots.values_mut() {
            *root = Root { closed: root.closed, ..Root::default() };
        }
    }

    /// Takes in the sets of the client's folders that no document was opened of.
    pub(super) fn survey(&mut self) {
        if std::mem::replace(&mut self.surveyed, true) {
            return;
        }
        let mut left = MAX_SEARCHED;
        let mut found = BTreeSet::new();
        for folder in &self.folders {
            search(Path::new(folder), MAX_DEPTH, &mut left, &mut |file| {
                let text = DiskLoader.load(file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                if text.is_some_and(|text| defines_set(&text)) {
                    found.insert(file.to_owned());
                }
            });
        }
        self.roots.retain(|path, root| !root.closed || found.contains(path));
        for path in found {
            self.roots.entry(path).or_insert_with(|| Root { closed: true, ..Root::default() });
        }
    }

    /// Takes note that files came or went in the client's folders.
    pub(super) fn folders_changed(&mut self) {
        self.surveyed = false;
    }

    /// Takes note that a document was opened.
    pub(super) fn opened(&mut self, path: &str) {
        self.changed(path);
        let text = self.documents.get(path).map_or("", |document| document.text.as_str());
        let root = if defines_set(text) { None } else { self.including(path) };
        self.roots.entry(root.unwrap_or_else(|| path.to_owned())).or_default().closed = false;
        self.drop_needless();
    }

    /// Takes note that a document was closed: the file on disk counts again.
    pub(super) fn closed(&mut self, path: &str) {
        self.changed(path);
        self.drop_needless();
    }

    /// Takes note that a file, or the document of it, is not what it was.
    pub(super) fn changed(&mut self, path: &str) {
        for root in self.roots.values_mut() {
            let reads = |analysis: &Analysis| {
                analysis.file(path).is_some()
                    || analysis.diagnostics.list().iter().any(|found| found.code == crate::diagnostics::Code::INCLUDE)
            };
            if root.analysis.as_ref().is_some_and(reads) {
                root.analysis = None;
            }
        }
    }

    /// Drops the sets of no open document, and fragments that are part of another set.
    fn drop_needless(&mut self) {
        self.refresh();
        let paths: Vec<String> = self.roots.keys().cloned().collect();
        for path in paths {
            let part_of_other =
                |file: &str| self.roots.iter().any(|(other, root)| *other != path && root.found.contains_key(file));
            let root = &self.roots[&path];
            let open = root.found.keys().any(|file| self.documents.get(file).is_some() && !part_of_other(file));
            let own = self.documents.get(&path).is_some_and(|document| defines_set(&document.text));
            if !open && !own && !root.closed {
                self.roots.remove(&path);
                self.surveyed = false;
            }
        }
    }

    /// Compiles the sets in which something changed.
    pub(super) fn refresh(&mut self) {
        let look = self.looked.is_none_or(|last| last.elapsed() >= LOOK_EVERY);
        if look {
            self.looked = Some(Instant::now());
        }
        for (path, root) in &mut self.roots {
            if look && root.on_disk.iter().any(|(path, old)| stamp(path) != *old) {
                root.analysis = None;
            }
            if root.analysis.is_none() {
                self.compiled = true;
                let analysis = root.session.analyse(path, &self.documents);
                root.found = diagnostics::by_file(&analysis, &self.documents, self.encoding, &mut self.pages);
                let closed = root.found.keys().filter(|path| self.documents.get(path).is_none());
                root.on_disk = closed.map(|path| (path.clone(), stamp(path))).collect();
                root.analysis = Some(analysis);
            }
        }
    }

    /// The findings of every file of the sets of open documents, by path; to be called after [`refresh`](Self::refresh).
    pub(super) fn findings(&self) -> BTreeMap<&str, Vec<&Diagnostic>> {
        self.findings_of(|root| !root.closed)
    }

    /// The findings of every file of all sets that are known.
    pub(super) fn all_findings(&self) -> BTreeMap<&str, Vec<&Diagnostic>> {
        self.findings_of(|_| true)
    }

    fn findings_of(&self, wanted: impl Fn(&Root) -> bool) -> BTreeMap<&str, Vec<&Diagnostic>> {
        let mut all: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
        for root in self.roots.values().filter(|root| wanted(root)) {
            for (path, list) in &root.found {
                let of_file = all.entry(path).or_default();
                for found in list {
                    // What two sets find in a file that both include is said once.
                    if self.roots.len() == 1 || !of_file.contains(&found) {
                        of_file.push(found);
                    }
                }
            }
        }
        all
    }

    /// The files of the sets that a file is part of, without itself.
    pub(super) fn related(&self, path: &str) -> BTreeSet<String> {
        let sets = self.roots.values().filter(|root| root.found.contains_key(path));
        sets.flat_map(|root| root.found.keys()).filter(|file| *file != path).cloned().collect()
    }

    /// The file of a document, in its set as it is now.
    pub(super) fn view(&mut self, uri: &Uri) -> Option<View<'_>> {
        let path = super::uri::path(uri);
        self.refresh();
        let holder = if self.roots.contains_key(&path) {
            path.clone()
        } else {
            self.roots.iter().find(|(_, root)| root.found.contains_key(&path)).map(|(holder, _)| holder.clone())?
        };
        let Root { session, analysis, .. } = self.roots.get_mut(&holder)?;
        let analysis = analysis.as_ref()?;
        let file = analysis.file(&path)?;
        Some(View { session, analysis, documents: &self.documents, file, encoding: self.encoding })
    }

    /// The sets as they were at the last [`refresh`](Self::refresh).
    pub(super) fn known(&self) -> impl Iterator<Item = &Analysis> {
        self.roots.values().filter_map(|root| root.analysis.as_ref())
    }

    /// The root of a set that includes the file at `path`.
    fn including(&mut self, path: &str) -> Option<String> {
        self.refresh();
        if let Some((root, _)) = self.roots.iter().find(|(root, known)| *root != path && known.found.contains_key(path))
        {
            return Some(root.clone());
        }
        let name = path.rsplit('/').next()?;
        let mut left = MAX_SEARCHED;
        let mut folders: Vec<PathBuf> = Path::new(path).parent().map(Path::to_owned).into_iter().collect();
        folders.extend(self.folders.iter().map(PathBuf::from));
        let mut found = Vec::new();
        for (index, folder) in folders.iter().enumerate() {
            let depth = if index == 0 { 1 } else { MAX_DEPTH };
            search(folder, depth, &mut left, &mut |file| found.push(file.to_owned()));
        }
        let mentions = |file: &str| {
            let text = DiskLoader.load(file).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.is_some_and(|text| defines_set(&text) && text.contains("include") && text.contains(name))
        };
        found.into_iter().filter(|file| file != path && mentions(file)).find(|file| {
            let analysis = Session::default().analyse(file, &self.documents);
            analysis.file(path).is_some()
        })
    }
}

/// The state of a file on disk; `None` if there is none.
fn stamp(path: &str) -> Option<Stamp> {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.modified().ok()?, facts.len()))
}

/// Whether a text has a line that begins a patch set.
fn defines_set(text: &str) -> bool {
    text.lines()
        .any(|line| line.trim_start().strip_prefix("patchset").is_some_and(|rest| rest.starts_with([' ', '\t'])))
}

/// Shows the `.pv` files of a folder, sorted, until `left` are seen.
fn search(folder: &Path, depth: usize, left: &mut usize, show: &mut impl FnMut(&str)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.take(10_000).flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if hidden || *left == 0 {
            continue;
        }
        if path.extension().is_some_and(|extension| extension == "pv") {
            *left -= 1;
            if let Some(path) = path.to_str() {
                show(path);
            }
        } else if depth > 1 && path.is_dir() && !path.is_symlink() {
            search(&path, depth - 1, left, show);
        }
    }
}

impl<'a> View<'a> {
    pub(super) fn text(&self) -> Text<'a> {
        Text { file: self.analysis.sources.file(self.file), encoding: self.encoding }
    }

    pub(super) fn offset(&self, position: Position) -> usize {
        self.text().offset(position)
    }

    pub(super) fn range(&self, span: Span) -> Range {
        Text { file: self.analysis.sources.file(span.file), encoding: self.encoding }.range(span)
    }

    pub(super) fn location(&self, span: Span) -> Location {
        location(self.analysis, self.documents, self.encoding, span)
    }

    /// The item at an offset and the offset in it.
    pub(super) fn item_at(&self, offset: usize) -> Option<(&'a Placed, usize)> {
        let item = self.analysis.item_at(self.file, offset)?;
        Some((item, offset - item.range.start))
    }

    /// The syntax of the set's asm.
    pub(super) fn syntax(&self) -> pvc_asm::Syntax {
        super::names::syntax(self.items())
    }

    /// The items of the set.
    pub(super) fn items(&self) -> impl Iterator<Item = &'a Item> {
        self.analysis.items.iter().filter_map(|item| item.piece.item())
    }

    /// The items of the file that touch a range of it.
    pub(super) fn items_in(&self, range: Range) -> impl Iterator<Item = &'a Placed> {
        let (start, end) = (self.offset(range.start), self.offset(range.end));
        self.analysis.items_of(self.file).filter(move |item| item.range.start <= end && start <= item.range.end)
    }
}

/// A span as the client names it.
pub(super) fn location(analysis: &Analysis, documents: &Documents, encoding: Encoding, span: Span) -> Location {
    let file = analysis.sources.file(span.file);
    Location { uri: documents.uri(&file.path), range: Text { file, encoding }.range(span) }
}
