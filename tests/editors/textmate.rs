//! The TextMate grammar, in the engine of VS Code: the packages of `textmate/package-lock.json`, which npm installs.

use crate::fixtures::{golden, messages, read, root, run, valid};
use regex::Regex;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The directory with the packages, installed on first use and when their list changes.
fn engine() -> &'static Path {
    static ENGINE: OnceLock<PathBuf> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("textmate");
        std::fs::create_dir_all(&dir).expect("a directory for the packages");
        let lock = read("tests/editors/textmate/package-lock.json");
        let stamp = dir.join("installed.json");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
            return dir;
        }
        for name in ["package.json", "package-lock.json"] {
            std::fs::write(dir.join(name), read(&format!("tests/editors/textmate/{name}"))).expect("a file");
        }
        let flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--prefix"];
        run(Command::new("npm").arg("ci").args(flags).arg(&dir));
        std::fs::write(stamp, lock).expect("a file");
        dir
    })
}

/// The assertions beside the lines of `grammar/vscode/test/`.
#[test]
fn scopes_are_those_asserted() {
    run(Command::new(engine().join("node_modules/.bin/vscode-tmgrammar-test")).args([
        "-g",
        "grammar/vscode/syntaxes/pv.tmLanguage.json",
        "grammar/vscode/test/*.pv",
    ]));
}

/// The sample's scopes, and no word of a valid file without one.
#[test]
fn scopes_are_complete() {
    let files: Vec<_> = valid().into_iter().map(|fixture| (fixture.name, fixture.text)).collect();
    let input = serde_json::to_string(&files).expect("names and texts are JSON");
    let path = engine().join("valid.json");
    std::fs::write(&path, input).expect("the input can be written");
    let output = run(Command::new("node").arg("tests/editors/textmate/scopes.js").arg(engine()).arg(&path));
    golden("textmate.txt", &String::from_utf8(output.stdout).expect("the names of scopes are text"));
}

/// The problem matcher reads what `pvc check` prints.
#[test]
fn problem_matcher() {
    let package: Value = serde_json::from_str(&read("grammar/vscode/package.json")).expect("package.json is JSON");
    let patterns = package["contributes"]["problemMatchers"][0]["pattern"].as_array().expect("two patterns");
    let compiled: Vec<_> =
        patterns.iter().map(|one| Regex::new(one["regexp"].as_str().expect("a string")).expect("a pattern")).collect();
    let group = |at: usize, name: &str| patterns[at][name].as_u64().expect("the number of a group") as usize;
    let (shown, places) = messages();
    let lines: Vec<_> = shown.lines().collect();
    let mut found = Vec::new();
    // VS Code matches the patterns against lines that follow each other.
    for pair in lines.windows(2) {
        let (Some(first), Some(second)) = (compiled[0].captures(pair[0]), compiled[1].captures(pair[1])) else {
            continue;
        };
        assert_eq!(&second[group(1, "file")], "set.pv");
        assert!(first[group(0, "code")].starts_with("PV") && !first[group(0, "message")].is_empty());
        let number = |name| second[group(1, name)].parse::<u32>().expect("a number");
        let kind = if &first[group(0, "severity")] == "warning" { 'W' } else { 'E' };
        found.push((number("line"), number("column"), kind));
    }
    assert_eq!(found, places);
}

/// The files that the package of the extension names are there.
#[test]
fn package() {
    let package: Value = serde_json::from_str(&read("grammar/vscode/package.json")).expect("package.json is JSON");
    let contributes = &package["contributes"];
    for path in [&contributes["languages"][0]["configuration"], &contributes["grammars"][0]["path"]] {
        let path = root().join("grammar/vscode").join(path.as_str().expect("a path"));
        assert!(path.is_file(), "{} is missing", path.display());
    }
    let settings: Value =
        serde_json::from_str(&read("grammar/vscode/language-configuration.json")).expect("the settings are JSON");
    assert_eq!(settings["comments"]["lineComment"], "//");
}
