//! What is different on a terminal: colours and progress.

use super::{GOOD, root, stdout};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `pvc` on a terminal of its own, which `script` (Debian package bsdutils) makes; both streams are its output.
fn on_terminal(dir: &Path, no_color: bool, command: &str) -> String {
    let line = format!("{} {command}", env!("CARGO_BIN_EXE_pvc"));
    let mut script = Command::new("script");
    script.current_dir(dir).args(["-q", "-e", "-c", &line, "/dev/null"]);
    script.env_remove("NO_COLOR");
    if no_color {
        script.env("NO_COLOR", "1");
    }
    let output: Output = script.output().expect("script (Debian package bsdutils) must be installed");
    stdout(&output)
}

#[test]
fn colours_are_for_terminals_and_no_color_takes_them_away() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.pv"), GOOD.replace("= fa", "= fb")).unwrap();
    fs::write(dir.path().join("good.pv"), GOOD).unwrap();
    fs::write(dir.path().join("other.pv"), GOOD.replace("irq.", "")).unwrap();
    for command in ["check bad.pv", "fmt --diff good.pv", "diff good.pv other.pv"] {
        let text = on_terminal(dir.path(), false, command);
        assert!(text.contains("\x1b[31m") || text.contains("\x1b[0m"), "{command}: {text:?}");
        for plain in [
            on_terminal(dir.path(), true, command),
            on_terminal(dir.path(), false, &format!("--color never {command}")),
            on_terminal(dir.path(), false, &format!("{command} > out 2>&1; cat out")),
        ] {
            assert!(!plain.contains('\x1b') && !plain.is_empty(), "{command}: {plain:?}");
        }
    }
}

#[test]
fn long_work_shows_how_far_it_is() {
    let set = root().join("patchsets/userspace.pv");
    let command = format!("test -q --states 2000 {}", set.display());
    let text = on_terminal(&root(), false, &command);
    assert!(text.contains("\r\x1b[K") && text.contains("/7 ops of "), "{text:?}");
    let rest = text.rsplit("\r\x1b[K").next().unwrap();
    assert!(
        rest.contains("rows keep their contract") && !rest.contains("ops of"),
        "the line is gone in the end: {text:?}"
    );
    let short = on_terminal(&root(), false, &format!("{command} 2>&1 | cat"));
    assert!(!short.contains("\x1b[K"), "no terminal, no progress: {short:?}");
}
