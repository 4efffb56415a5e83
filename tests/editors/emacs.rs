//! The Emacs mode, in Emacs.

use crate::fixtures::{golden, messages, paths, run, scratch};
use std::process::Command;

#[test]
fn emacs_runs_the_mode() {
    let out = scratch();
    let (shown, places) = messages();
    std::fs::write(out.path().join("messages.txt"), shown).expect("the messages can be written");
    // Not -Q: Debian puts its packages, eglot among them, on the path at startup.
    run(Command::new("emacs")
        .args(["--batch", "-l", "tests/editors/check.el", "-f", "pv-check"])
        .args(paths())
        .env("PV_OUT", out.path()));
    let read = |name: &str| std::fs::read_to_string(out.path().join(name)).expect("check.el writes it");
    golden("emacs.txt", &read("runs.txt"));
    let compilation = read("compilation.txt");
    let found: Vec<_> = compilation.lines().collect();
    assert_eq!(found, places.map(|(line, column, kind)| format!("{line}:{column}:{kind}")));
}
