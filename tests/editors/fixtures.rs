//! Valid `.pv` files, and what the tests of several editors share.

use pvc::diagnostics::{Color, render};
use pvc::source::MemoryLoader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A valid file.
pub(crate) struct Fixture {
    /// Its path, or its line in the reference.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The directory of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project").to_owned()
}

pub(crate) fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The `.pv` files of a directory of the project, sorted.
pub(crate) fn files(dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(dir)).expect("the directory can be listed");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".pv"))
        .map(|name| format!("{dir}/{name}"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{dir} has fixtures");
    names
}

/// One of everything, valid to the parser; what the colours are shown for.
pub(crate) const SAMPLE: &str = "tests/editors/sample.pv";

/// Files on disk that are valid, the sample last.
pub(crate) fn paths() -> Vec<String> {
    let mut paths = files("patchsets");
    paths.extend(files("tests/ui/good"));
    paths.push(SAMPLE.to_owned());
    paths
}

/// All valid files, the examples of the reference among them.
pub(crate) fn valid() -> Vec<Fixture> {
    let mut fixtures: Vec<_> = paths().into_iter().map(|name| Fixture { text: read(&name), name }).collect();
    let reference = read("grammar/LANGUAGE.md");
    let mut lines = reference.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line == "```pv compile" {
            let text: Vec<_> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
            fixtures.push(Fixture { name: format!("grammar/LANGUAGE.md:{}", at + 1), text: text.join("\n") + "\n" });
        }
    }
    assert!(fixtures.len() >= 20, "the shipped sets and an example for each construct");
    fixtures
}

/// What the compiler says about a text; empty if it is valid.
pub(crate) fn findings(text: &str) -> String {
    let mut files =
        MemoryLoader::from_iter([("fixture.pv", text), ("common.pv", "/// Set under Xen.\nfeature xenpv\n")]);
    for path in files_of_includes() {
        files.insert(Path::new(&path).file_name().expect("a name").to_string_lossy(), read(&path));
    }
    findings_of("fixture.pv", &files)
}

fn findings_of(root: &str, files: &MemoryLoader) -> String {
    let compilation = pvc::compile(root, files);
    render(&compilation.diagnostics, &compilation.sources, Color::Never)
}

/// Files that fixtures include.
fn files_of_includes() -> Vec<String> {
    let entries = std::fs::read_dir(root().join("tests/ui/good")).expect("the directory can be listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.ends_with(".pv")).map(|name| format!("tests/ui/good/{name}")).collect()
}

/// Runs an editor or tool at the root of the project; it must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.current_dir(root()).output().unwrap_or_else(|error| {
        panic!("{:?} cannot be run: {error}; tests/run installs what the tests need", command.get_program())
    });
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A scratch directory that goes when it is dropped.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

/// Compares `found` with a file of `golden/`, or writes it if `BLESS` is set.
pub(crate) fn golden(name: &str, found: &str) {
    let path = root().join("tests/editors/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, found).expect("the golden file can be written");
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (at, (wanted, found)) in wanted.lines().zip(found.lines()).enumerate() {
        assert_eq!(wanted, found, "line {} of {name}; BLESS=1 takes the new one", at + 1);
    }
    assert_eq!(wanted.lines().count(), found.lines().count(), "lines of {name}; BLESS=1 takes the new one");
}

/// What `pvc check` prints for a file with a warning and one with two errors, and where: line, column, `E` or `W`.
pub(crate) fn messages() -> (String, [(u32, u32, char); 3]) {
    let warned = "patchset demo { arch x86_64 }\n\nfeature unused\n\nop a() {\n    x86_64 { nop }\n}\n";
    let wrong = "patchset demo { arch x86_64 }\n\nop a() {\n    clobbers cc\n    x86_64 { nop } = 91\n}\n";
    let shown = findings_of("set.pv", &MemoryLoader::from_iter([("set.pv", warned)]))
        + &findings_of("set.pv", &MemoryLoader::from_iter([("set.pv", wrong)]));
    (shown, [(3, 9, 'W'), (4, 14, 'E'), (5, 22, 'E')])
}

#[test]
fn fixtures_are_valid() {
    for fixture in valid() {
        let found = findings(&fixture.text);
        if fixture.name == SAMPLE {
            // It shows tokens side by side that do nothing useful together.
            assert!(!found.contains("[PV01"), "{found}");
        } else {
            assert_eq!(found, "", "{}", fixture.name);
        }
    }
}
