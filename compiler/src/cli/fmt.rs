//! `pvc fmt`: one layout for all patch sets.

use super::progress::Progress;
use super::{Colors, Exit, print, show, trouble};
use clap::Args;
use pvc::diagnostics::{Color, Diagnostics};
use pvc::format::{FormatOptions, format, row_bytes};
use pvc::output::{OutputFile, write_all};
use pvc::source::{DiskLoader, Loader, SourceMap};
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct FmtArgs {
    /// The files (.pv); `-` formats standard input to standard output
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write nothing; name the files that are not formatted, and fail if there are any
    #[arg(long)]
    check: bool,
    /// Write nothing; show what would change, and fail if anything would
    #[arg(long)]
    diff: bool,
    /// Write the bytes of each row beside it, or refresh them. The files must be patch sets, not parts of one
    #[arg(long)]
    bytes: bool,
}

/// A file and what becomes of it.
struct Formatted {
    file: PathBuf,
    old: String,
    new: String,
}

pub(super) fn fmt(args: &FmtArgs, colors: Colors) -> Exit {
    let mut refused = false;
    let mut done = Vec::new();
    let mut progress = Progress::new();
    for (at, file) in args.files.iter().enumerate() {
        progress.step(at, args.files.len(), &format!("files: {}", name(file)));
        match one(file, args.bytes, colors.messages) {
            Ok(formatted) => done.push(formatted),
            Err(Exit::Findings) => refused = true,
            Err(exit) => return exit,
        }
    }
    drop(progress);
    let exit = if args.check || args.diff { report(&done, args, colors.output) } else { write(&done) };
    if refused && matches!(exit, Exit::Ok) { Exit::Findings } else { exit }
}

fn one(file: &Path, bytes: bool, color: Color) -> Result<Formatted, Exit> {
    let old = read(file)?;
    let refused = |found: &Diagnostics, sources: &SourceMap| {
        show(found, sources, color);
        eprintln!("error: {} was left as it is", name(file));
        Exit::Findings
    };
    let mut options = FormatOptions::default();
    if bytes {
        let root = Root { path: path_of(file)?, text: &old };
        options.bytes = row_bytes(&root.path, &root).map_err(|found| refused(&found.0, &found.1))?;
    }
    match format(&old, &options) {
        Ok(new) => Ok(Formatted { file: file.to_owned(), old, new }),
        Err(found) => {
            let mut sources = SourceMap::default();
            sources.add(name(file), old);
            Err(refused(&found, &sources))
        }
    }
}

/// The text that was read already, and what it includes.
struct Root<'a> {
    path: String,
    text: &'a str,
}

impl Loader for Root<'_> {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        if path == pvc::source::join_include("", &self.path) { Ok(self.text.into()) } else { DiskLoader.load(path) }
    }
}

fn path_of(file: &Path) -> Result<String, Exit> {
    if file == Path::new("-") {
        return Ok(name(file));
    }
    let path = file.to_str().map(str::to_owned);
    path.ok_or_else(|| trouble(&format!("the path {} is not UTF-8", file.display())))
}

fn name(file: &Path) -> String {
    if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() }
}

fn read(file: &Path) -> Result<String, Exit> {
    let failed = |error| trouble(&format!("cannot read {}: {error}", name(file)));
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes).map_err(failed)?
    } else {
        std::fs::read(file).map_err(failed)?
    };
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        eprintln!("error: {} is not UTF-8 at byte {at}; it was left as it is", name(file));
        Exit::Findings
    })
}

/// Names or shows what would change.
fn report(done: &[Formatted], args: &FmtArgs, color: Color) -> Exit {
    let mut text = String::new();
    let mut exit = Exit::Ok;
    for Formatted { file, old, new } in done {
        if old == new {
            continue;
        }
        exit = Exit::Findings;
        if args.diff {
            text += &diff(&name(file), old, new, color);
        } else {
            text += &format!("{}\n", name(file));
        }
    }
    print(text.as_bytes(), exit)
}

/// A unified diff, as `patch` reads it.
fn diff(name: &str, old: &str, new: &str, color: Color) -> String {
    let diff = similar::TextDiff::from_lines(old, new);
    let text = diff.unified_diff().context_radius(3).header(name, &format!("{name} (formatted)")).to_string();
    if color == Color::Never {
        return text;
    }
    let line = |line: &str| match line.as_bytes().first() {
        Some(b'+') => format!("\x1b[32m{line}\x1b[0m\n"),
        Some(b'-') => format!("\x1b[31m{line}\x1b[0m\n"),
        Some(b'@') => format!("\x1b[36m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn write(done: &[Formatted]) -> Exit {
    let mut files = Vec::new();
    for Formatted { file, old, new } in done {
        if file == Path::new("-") {
            let exit = print(new.as_bytes(), Exit::Ok);
            if !matches!(exit, Exit::Ok) {
                return exit;
            }
        } else if old != new {
            // The file itself, not a symbolic link to it, is replaced.
            let path = std::fs::canonicalize(file).unwrap_or_else(|_| file.clone());
            files.push(OutputFile { path, text: new.clone() });
        }
    }
    match write_all(&files) {
        Ok(_) => Exit::Ok,
        Err(error) => trouble(&format!("{error}; no file was changed")),
    }
}
