//! Bugs of Linux, Xen and assemblers, each as the patch set that has it and its mended twin.
//!
//! `BNN.pv` gives the findings that its comments announce, and no other: `//~ CODE TEXT` stands above the line on which
//! the code is found, with the text that it points to. `BNN.fixed.pv` gives none. `README.md` lists all bugs, and says
//! of those without a file why a compiler cannot see them.

use libtest_mimic::{Arguments, Failed, Trial};
use pvc::diagnostics::{CODES, Color, render};
use pvc::source::MemoryLoader;
use pvc::{Compilation, compile};
use std::collections::BTreeSet;
use std::path::Path;

fn main() -> std::process::ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bugs");
    let table = std::fs::read_to_string(folder.join("README.md")).expect("the table of the bugs can be read");
    let bugs: Vec<Bug> = table.lines().filter_map(Bug::parse).collect();
    let mut trials = vec![Trial::test("all", {
        let (bugs, folder) = (bugs.clone(), folder.clone());
        move || every_bug_is_there(&bugs, &folder)
    })];
    for bug in bugs.into_iter().filter(|bug| !bug.codes.is_empty()) {
        let folder = folder.clone();
        trials.push(Trial::test(bug.id.clone(), move || bug.check(&folder)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A row of the table: `| B01 | where | codes or nothing | what finds it, or why nothing can |`.
#[derive(Clone, Debug)]
struct Bug {
    id: String,
    codes: BTreeSet<String>,
    why: String,
}

impl Bug {
    fn parse(line: &str) -> Option<Self> {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, codes, why] = cells[..] else { return None };
        let number = id.strip_prefix('B')?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then(|| Self {
            id: id.to_owned(),
            codes: codes.split([' ', ',']).filter(|code| !code.is_empty()).map(str::to_owned).collect(),
            why: why.to_owned(),
        })
    }

    fn check(&self, folder: &Path) -> Result<(), Failed> {
        let (text, compilation) = compiled(folder, &format!("{}.pv", self.id))?;
        let sources = &compilation.sources;
        let found: Vec<String> = compilation
            .diagnostics
            .list()
            .iter()
            .map(|found| {
                let at = found.primary.span;
                format!("{}: {} {}", sources.line(at), found.code, sources.text(at).trim())
            })
            .collect();
        let announced = announced(&text);
        if found != announced {
            return Err(format!("announced: {announced:#?}\nfound: {found:#?}").into());
        }
        let codes: BTreeSet<String> =
            compilation.diagnostics.list().iter().map(|found| found.code.to_string()).collect();
        if codes != self.codes {
            return Err(format!("the table says {:?}, found are {codes:?}", self.codes).into());
        }
        let (_, mended) = compiled(folder, &format!("{}.fixed.pv", self.id))?;
        let shown = render(&mended.diagnostics, &mended.sources, Color::Never);
        if shown.is_empty() && mended.checked.is_some() {
            Ok(())
        } else {
            Err(format!("the mended twin gives:\n{shown}").into())
        }
    }
}

fn compiled(folder: &Path, name: &str) -> Result<(String, Compilation), Failed> {
    let text = std::fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
    let compilation = compile(name, &MemoryLoader::from_iter([(name, text.as_str())]));
    Ok((text, compilation))
}

/// What the comments of a file announce, as `LINE: CODE TEXT`.
fn announced(text: &str) -> Vec<String> {
    let mut announced = Vec::new();
    let mut waiting: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match line.trim().strip_prefix("//~ ") {
            Some(what) => waiting.push(what),
            None => announced.extend(waiting.drain(..).map(|what| format!("{}: {what}", index + 1))),
        }
    }
    announced
}

/// The table has each bug once, in order, with existing codes or with a reason; and no file is of another bug.
fn every_bug_is_there(bugs: &[Bug], folder: &Path) -> Result<(), Failed> {
    let ids: Vec<&str> = bugs.iter().map(|bug| bug.id.as_str()).collect();
    let wanted: Vec<String> = (1..=35).map(|number| format!("B{number:02}")).collect();
    if ids != wanted {
        return Err(format!("the table has {ids:?}").into());
    }
    let known: BTreeSet<String> = CODES.iter().map(|info| info.code.to_string()).collect();
    for bug in bugs {
        if !bug.codes.is_subset(&known) || bug.why.len() < 20 {
            return Err(format!("{}: codes that exist, and a sentence", bug.id).into());
        }
    }
    let mut files: Vec<String> = bugs
        .iter()
        .filter(|bug| !bug.codes.is_empty())
        .flat_map(|bug| [format!("{}.fixed.pv", bug.id), format!("{}.pv", bug.id)])
        .chain(["README.md".to_owned(), "main.rs".to_owned()])
        .collect();
    files.sort();
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut there: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    there.sort();
    if there == files { Ok(()) } else { Err(format!("expected {files:?}\nfound {there:?}").into()) }
}
