//! `pvc compile` and `pvc check`.

use super::progress::Progress;
use super::report::{ReportArgs, Reporter};
use super::{Exit, print, trouble};
use clap::Args;
use pvc::check::Checked;
use pvc::diagnostics::{Color, Levels};
use pvc::emit::{Kind, depfile};
use pvc::output::{Outcome, OutputFile, is_current, write_all};
use pvc::source::{DiskLoader, SourceMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

#[derive(Args)]
pub(super) struct CompileArgs {
    /// The patch set (.pv)
    file: PathBuf,
    /// What to write: header, source, c (both), rust, asm, json or depfile, each as KIND, KIND=PATH or KIND=- (standard
    /// output, and then no other output). Without this option all but the depfile are written
    #[arg(long, value_name = "KIND[=PATH]", value_delimiter = ',')]
    emit: Vec<Emit>,
    /// Directory of the outputs that have no path of their own
    #[arg(short, long, value_name = "DIR", default_value = "generated")]
    out_dir: PathBuf,
    /// Write the names of all source files to PATH, as a rule for make, ninja or CMake
    #[arg(long, value_name = "PATH")]
    depfile: Option<PathBuf>,
    /// Write nothing; fail if a file on disk is not what would be written
    #[arg(long)]
    check: bool,
    /// Do not list the files
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    report: ReportArgs,
}

#[derive(Args)]
pub(super) struct CheckArgs {
    /// The patch sets (.pv)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Apply the fixes that are right whatever was meant, again and again until none is left, and write the sources
    /// back: all that changed, or none
    #[arg(long)]
    fix: bool,
    /// With --fix: apply those too that are guesses
    #[arg(long, requires = "fix")]
    unsafe_fixes: bool,
    #[command(flatten)]
    report: ReportArgs,
}

/// One `--emit` item.
#[derive(Clone)]
struct Emit {
    what: What,
    to: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Kind(Kind),
    C,
    Depfile,
}

impl Emit {
    fn is_standard_output(&self) -> bool {
        self.to.as_deref() == Some(Path::new("-"))
    }
}

impl FromStr for Emit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, to) = match text.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        let what = match name {
            "c" => What::C,
            "depfile" => What::Depfile,
            _ => match Kind::ALL.into_iter().find(|kind| kind.name() == name) {
                Some(kind) => What::Kind(kind),
                None => return Err("expected header, source, c, rust, asm, json or depfile".into()),
            },
        };
        match (what, to) {
            (_, Some("")) => Err("a path or `-` must follow the `=`".into()),
            (What::C, Some(_)) => Err("`c` stands for two files: name header=PATH and source=PATH".into()),
            (_, to) => Ok(Self { what, to: to.map(PathBuf::from) }),
        }
    }
}

pub(super) fn check(args: &CheckArgs, color: Color) -> Exit {
    let mut reporter = Reporter::new(&args.report, color, false);
    let mut exit = Exit::Ok;
    let mut progress = Progress::new();
    for (done, file) in args.files.iter().enumerate() {
        progress.step(done, args.files.len(), &format!("files: {}", file.display()));
        let outcome = match args.fix {
            true => super::fix::fix(file, args.unsafe_fixes, args.report.levels(), &mut reporter),
            false => checked(file, args.report.levels(), &mut reporter).map(|_| ()),
        };
        exit = exit.max(outcome.err().unwrap_or(Exit::Ok));
    }
    reporter.finish();
    exit
}

pub(super) fn compile(args: &CompileArgs, color: Color) -> Exit {
    let mut reporter = Reporter::new(&args.report, color, args.emit.iter().any(Emit::is_standard_output));
    let compiled = checked(&args.file, args.report.levels(), &mut reporter);
    reporter.finish();
    // Not taken apart again: the process is about to end.
    let (checked, sources) = match compiled {
        Ok(compiled) => &*Box::leak(Box::new(compiled)),
        Err(exit) => return exit,
    };
    if let Some(text) = standard_output(args, checked, sources) {
        return print(text.as_bytes(), Exit::Ok);
    }
    let outputs = match outputs(args, checked) {
        Ok(outputs) => outputs,
        Err(message) => return trouble(&message),
    };
    let mut files = outputs.iter().map(|output| output.render(args, checked, sources));
    if args.check {
        let stale: Vec<_> = files.filter(|file| !is_current(file)).collect();
        for file in &stale {
            let why = if file.path.exists() { "is stale" } else { "is missing" };
            eprintln!("error: {} {why}: run `pvc compile` again", file.path.display());
        }
        return if stale.is_empty() { Exit::Ok } else { Exit::Findings };
    }
    match write_all(&mut files) {
        Ok(outcomes) => {
            if !args.quiet && !args.report.for_machine() {
                list(&outputs, &outcomes);
            }
            Exit::Ok
        }
        Err(error) => trouble(&format!("{error}; no output was changed")),
    }
}

/// Compiles and shows the findings.
pub(super) fn checked(file: &Path, levels: &Levels, reporter: &mut Reporter) -> Result<(Checked, SourceMap), Exit> {
    let path = match readable(file) {
        Ok(path) => path,
        Err(message) => {
            reporter.trouble(&message);
            return Err(Exit::Trouble);
        }
    };
    let compilation = pvc::compile_with(path, &DiskLoader, levels);
    reporter.show(path, &compilation);
    match compilation.checked {
        Some(checked) => Ok((checked, compilation.sources)),
        None => Err(Exit::Findings),
    }
}

/// The path of a root file. One that does not exist is a usage error, not a finding about a patch set.
pub(super) fn readable(file: &Path) -> Result<&str, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", file.display());
    let facts = std::fs::File::open(file).and_then(|opened| opened.metadata()).map_err(failed)?;
    if facts.is_dir() {
        return Err(failed(std::io::ErrorKind::IsADirectory.into()));
    }
    file.to_str().ok_or_else(|| format!("the path {} is not UTF-8", file.display()))
}

/// The text that was asked for on standard output, if one was.
fn standard_output(args: &CompileArgs, checked: &Checked, sources: &SourceMap) -> Option<String> {
    let emit = args.emit.iter().find(|emit| emit.is_standard_output())?;
    Some(match emit.what {
        What::Kind(kind) => kind.render(checked, sources),
        What::C => unreachable!("`c` takes no path"),
        What::Depfile => depfile::render(&targets(args, checked), sources),
    })
}

/// The kinds that were asked for, each with its path.
fn wanted(args: &CompileArgs, checked: &Checked) -> Vec<(Kind, PathBuf)> {
    let set = &checked.unit().set.name;
    let place = |kind: Kind| (kind, args.out_dir.join(kind.file_name(set)));
    let mut wanted = Vec::new();
    for emit in &args.emit {
        match emit.what {
            What::Kind(kind) => wanted.push(match &emit.to {
                Some(path) => (kind, path.clone()),
                None => place(kind),
            }),
            What::C => wanted.extend([place(Kind::Header), place(Kind::Source)]),
            What::Depfile => {}
        }
    }
    if wanted.is_empty() {
        wanted.extend(Kind::ALL.into_iter().filter(|kind| kind.applies(checked)).map(place));
    }
    wanted
}

fn targets(args: &CompileArgs, checked: &Checked) -> Vec<PathBuf> {
    wanted(args, checked).into_iter().map(|(_, path)| path).collect()
}

/// A file to be written.
struct Output {
    /// `None`: a depfile.
    kind: Option<Kind>,
    path: PathBuf,
}

impl Output {
    fn render(&self, args: &CompileArgs, checked: &Checked, sources: &SourceMap) -> OutputFile {
        let text = match self.kind {
            Some(kind) => kind.render(checked, sources),
            None => depfile::render(&targets(args, checked), sources),
        };
        OutputFile { path: self.path.clone(), text }
    }
}

/// All files to be written.
fn outputs(args: &CompileArgs, checked: &Checked) -> Result<Vec<Output>, String> {
    let wanted = wanted(args, checked);
    if let Some((kind, _)) = wanted.iter().find(|(kind, _)| !kind.applies(checked)) {
        return Err(format!(
            "the {} output knows x86_64 only, and the patch set {} has no such rows",
            kind.name(),
            checked.unit().set.name
        ));
    }
    let depfiles =
        args.depfile.iter().cloned().chain(args.emit.iter().filter(|emit| emit.what == What::Depfile).map(|emit| {
            emit.to.clone().unwrap_or_else(|| args.out_dir.join(format!("{}.d", checked.unit().set.name)))
        }));
    let tables = wanted.into_iter().map(|(kind, path)| Output { kind: Some(kind), path });
    let outputs: Vec<Output> = tables.chain(depfiles.map(|path| Output { kind: None, path })).collect();
    let mut paths: Vec<&Path> = outputs.iter().map(|output| output.path.as_path()).collect();
    paths.sort();
    if let Some(twice) = paths.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two outputs would be written to {}", twice[0].display()));
    }
    Ok(outputs)
}

fn list(outputs: &[Output], outcomes: &[Outcome]) {
    let mut text = String::new();
    for (output, outcome) in outputs.iter().zip(outcomes) {
        let note = match outcome {
            Outcome::Written => "",
            Outcome::Unchanged => " (unchanged)",
        };
        text.push_str(&format!("{}{note}\n", output.path.display()));
    }
    // As with any listing: a reader that has gone away is no error.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
