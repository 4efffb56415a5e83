//! `pvc completions` and `pvc man`.

use super::{files, pvc, stderr, stdout};
use std::fs;
use std::process::Command;

#[test]
fn every_shell_gets_completions() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = pvc(dir.path(), &["completions", shell]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("message-format") && stdout(&output).contains("compile"), "{shell}");
    }
    assert_eq!(pvc(dir.path(), &["completions", "cmd"]).status.code(), Some(2));
    // Bash itself completes with them.
    fs::write(dir.path().join("pvc.bash"), pvc(dir.path(), &["completions", "bash"]).stdout).unwrap();
    let script = "source ./pvc.bash; COMP_WORDS=(pvc comp); COMP_CWORD=1; _pvc pvc comp pvc; echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").current_dir(dir.path()).args(["-c", script]).output().unwrap();
    assert_eq!(stdout(&output).trim(), "compile completions", "{}", stderr(&output));
}

#[test]
fn every_command_has_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let output = pvc(dir.path(), &["man", "pages"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let help = stdout(&pvc(dir.path(), &["--help"]));
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let pages = files(&dir.path().join("pages"));
    let mut count = 1;
    for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let name = format!("pvc-{}.1", line.split_whitespace().next().unwrap());
        let page = pages.iter().find(|(page, _)| *page == name).unwrap_or_else(|| panic!("no {name}"));
        let text = String::from_utf8_lossy(&page.1);
        assert!(text.contains(".TH pvc-") && text.contains(".SH SYNOPSIS"), "{text}");
        count += 1;
    }
    assert_eq!(pages.len(), count, "a page for each command, and pvc's own");
    let main = stdout(&pvc(dir.path(), &["man"]));
    assert_eq!(main.as_bytes(), fs::read(dir.path().join("pages/pvc.1")).unwrap());
}
