//! `pvc lsp` in real editors, headless: a file with mistakes is opened, shown, mended, formatted and renamed in.

mod vscode;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Two mistakes that have a fix, and a line that the formatter moves.
const WRONG: &str = "\
patchset demo { arch x86_64 }

/// Xen.
feature xenpv

/// Disable interrupts.
op irq.disable() {
    x86_64 when !xenpv { cli; nop } = fa 91
    x86_64 {   cli }
}
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the project")
}

fn run(command: &mut Command) {
    let dir = tempfile::tempdir().expect("a scratch directory");
    let file = dir.path().join("demo.pv");
    std::fs::write(&file, WRONG).expect("the file can be written");
    let output = command
        .current_dir(root())
        .env("PVC", env!("CARGO_BIN_EXE_pvc"))
        .env("PV_FILE", &file)
        .env("HOME", dir.path())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; tests/run installs what the tests need"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    let text = std::fs::read_to_string(&file).expect("the file is there");
    let wanted = WRONG
        .replace("fa 91", "fa 90")
        .replace("xenpv", "xen_guest")
        .replace("    x86_64 when", "    clobbers barrier\n    x86_64 when");
    let wanted = pvc::format(&wanted, &pvc::FormatOptions::default()).expect("it is in the language");
    assert_eq!(text, wanted, "{said}");
}

#[test]
fn neovim() {
    run(Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n"])
        .args(["-S", "tests/editors/server/neovim.lua"]));
}

#[test]
fn emacs() {
    // Not -Q: Debian puts its packages, eglot among them, on the path at startup.
    run(Command::new("emacs").args(["--batch", "-l", "tests/editors/server/emacs.el"]));
}

/// Clients with the capabilities of several editors, by pytest-lsp in a Python environment of its own.
#[test]
fn client_profiles() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pytest-lsp");
    let list = root().join("tests/editors/server/requirements.txt");
    let wanted = std::fs::read_to_string(&list).expect("the list of packages");
    let stamp = dir.join("installed.txt");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        done(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir));
        done(Command::new(dir.join("bin/pip")).args(["install", "--quiet", "--no-deps", "-r"]).arg(&list));
        std::fs::write(stamp, wanted).expect("a file");
    }
    let scratch = tempfile::tempdir().expect("a scratch directory");
    done(
        Command::new(dir.join("bin/pytest"))
            .args(["-q", "-p", "no:cacheprovider", "tests/editors/server/test_profiles.py"])
            .current_dir(root())
            .env("PVC", env!("CARGO_BIN_EXE_pvc"))
            .env("PV_DIR", scratch.path())
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    );
}

fn done(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; see tests/run"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
}
