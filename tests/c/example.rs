//! The C example, built as its users build it: with make, CMake and meson, for 64 and for 32 bits.

use std::path::{Path, PathBuf};
use std::process::Command;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/examples/userspace-c")
}

/// Runs a command in the example's directory; what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(example())
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs what the tests need"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// A stub before, the instruction after, and nobody in the ops structure.
fn shows_what_it_promises(text: &str) {
    let (before, after) = text.split_once("After patching").expect("two listings");
    assert!(before.contains("jmp "), "{text}");
    assert!(!before.contains("sfence"), "{text}");
    assert!(after.contains("sfence"), "{text}");
    let traced = "traced: waits a little";
    assert!(after.contains(traced) && !before.contains(traced), "{text}");
    assert!(after.contains("No call went through the ops structure."), "{text}");
    let digest = |part: &str| part.split("digest ").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert_eq!(digest(before), digest(after), "{text}");
}

#[test]
fn with_make() {
    let dir = tempfile::tempdir().unwrap();
    let build = format!("BUILD={}", dir.path().display());
    let pvc = concat!("PVC=", env!("CARGO_BIN_EXE_pvc"));
    shows_what_it_promises(&run("make", &["--silent", &build, pvc, "run"]));
    shows_what_it_promises(&run("make", &["--silent", &build, pvc, "run32"]));
    // Nothing is left to do, and the depfile makes the tables depend on the patch set.
    assert_eq!(run("make", &["--silent", &build, pvc, "all"]), "");
    let again = run("make", &["--dry-run", "--what-if=../../../patchsets/userspace.pv", &build, pvc, "all"]);
    assert!(again.contains("--depfile"), "{again}");
}

#[test]
fn with_cmake() {
    for (option, generator) in [("-DM32=OFF", "Ninja"), ("-DM32=ON", "Unix Makefiles")] {
        let dir = tempfile::tempdir().unwrap();
        let build = dir.path().to_str().unwrap();
        let pvc = concat!("-DPVC=", env!("CARGO_BIN_EXE_pvc"));
        run("cmake", &["-S", ".", "-B", build, "-G", generator, option, pvc]);
        run("cmake", &["--build", build]);
        shows_what_it_promises(&run(&format!("{build}/userspace-c"), &[]));
        let again = run("cmake", &["--build", build]);
        assert!(!again.contains("Building"), "{again}");
    }
}

#[test]
fn with_meson() {
    for option in ["-Dm32=false", "-Dm32=true"] {
        let dir = tempfile::tempdir().unwrap();
        let build = dir.path().to_str().unwrap();
        run("meson", &["setup", build, ".", option, concat!("-Dpvc=", env!("CARGO_BIN_EXE_pvc"))]);
        run("meson", &["compile", "-C", build]);
        shows_what_it_promises(&run(&format!("{build}/userspace-c"), &[]));
        let again = run("meson", &["compile", "-C", build]);
        assert!(again.contains("no work to do"), "{again}");
    }
}
