//! The Vim files, in Vim and in Neovim, which reads them too.

use crate::fixtures::{golden, messages, paths, root, scratch};
use std::process::Command;

#[test]
fn vim_reads_the_files() {
    // -N: not compatible with vi; -es: a script without a screen.
    check(Command::new("vim").args(["-Nu", "NONE", "-i", "NONE", "-es"]));
}

#[test]
fn neovim_reads_the_files() {
    check(Command::new("nvim").args(["--headless", "-u", "NONE", "-i", "NONE"]));
}

fn check(editor: &mut Command) {
    let out = scratch();
    let (shown, places) = messages();
    std::fs::write(out.path().join("messages.txt"), shown).expect("the messages can be written");
    let status = editor
        .args(["--cmd", "set runtimepath^=grammar/vim noswapfile encoding=utf-8"])
        .args(["-S", "tests/editors/check.vim"])
        .args(paths())
        .env("PV_OUT", out.path())
        .current_dir(root())
        .status()
        .unwrap_or_else(|error| panic!("{editor:?}: {error}; tests/run installs what the tests need"));
    let read = |name: &str| {
        std::fs::read_to_string(out.path().join(name)).unwrap_or_else(|error| panic!("{editor:?}: {name}: {error}"))
    };
    assert_eq!(read("problems.txt"), "", "{editor:?}");
    assert!(status.success(), "{editor:?}: {status}");
    golden("vim.txt", &read("runs.txt"));
    let quickfix = read("quickfix.txt");
    let found: Vec<_> =
        quickfix.lines().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    assert_eq!(found, places.map(|(line, column, kind)| format!("{line}:{column}:{kind}")), "{quickfix}");
}
