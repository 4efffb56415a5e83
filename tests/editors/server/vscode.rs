//! The extension for Visual Studio Code: packaged without a network, and its client run with a stand-in for the editor.

use super::{done, root};
use std::path::{Path, PathBuf};
use std::process::Command;

const FILES: [&str; 6] =
    [".npmrc", "README.md", "client.js", "language-configuration.json", "package.json", "package-lock.json"];

/// What the package must hold.
const PACKAGED: [&str; 5] = [
    "extension/package.json",
    "extension/readme.md",
    "extension/language-configuration.json",
    "extension/syntaxes/pv.tmLanguage.json",
    "extension/dist/client.js",
];

/// A copy of the extension with its packages: the tree is not written to.
fn installed() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vscode");
    let from = root().join("grammar/vscode");
    std::fs::create_dir_all(dir.join("syntaxes")).expect("a directory");
    for name in FILES.iter().chain(&["syntaxes/pv.tmLanguage.json"]) {
        std::fs::copy(from.join(name), dir.join(name)).expect("a file of the extension");
    }
    let lock = std::fs::read_to_string(dir.join("package-lock.json")).expect("the list of packages");
    let stamp = dir.join("node_modules/.installed.json");
    if !std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        done(Command::new("npm").args(["ci", "--prefer-offline"]).current_dir(&dir));
        std::fs::write(stamp, lock).expect("a file");
    }
    dir
}

#[test]
fn the_extension_is_packaged_offline_and_runs() {
    let dir = installed();
    let package = dir.join("pvc.vsix");
    if package.exists() {
        std::fs::remove_file(&package).expect("the package of an earlier run");
    }
    // A network namespace of its own has no way out.
    done(Command::new("unshare").args(["--map-root-user", "--net", "npm", "run", "package"]).current_dir(&dir));
    let scratch = tempfile::tempdir().expect("a scratch directory");
    done(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&package).arg(scratch.path()));
    for path in PACKAGED {
        assert!(scratch.path().join(path).is_file(), "{path} is not in the package");
    }
    let manifest = std::fs::read_to_string(scratch.path().join("extension/package.json")).expect("a manifest");
    assert!(manifest.contains("\"problemMatchers\"") && manifest.contains("\"main\": \"./dist/client.js\""));

    let file = scratch.path().join("demo.pv");
    let text = "patchset demo { arch x86_64 }\n\nop irq.disable() {\n    x86_64 { cli } = fb\n}\n";
    std::fs::write(&file, text).expect("a file");
    let output = Command::new("node")
        .arg(root().join("tests/editors/server/vscode.js"))
        .arg(scratch.path().join("extension/dist/client.js"))
        .arg(env!("CARGO_BIN_EXE_pvc"))
        .arg(&file)
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problems}");
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("4:14 PV0502 ") && lines[1].starts_with("4:22 PV0303 "), "{said}");
    assert_eq!(lines[2], "**cli** on x86_64", "{said}");
}
