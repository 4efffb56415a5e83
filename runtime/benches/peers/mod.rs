//! What the benchmarks build and run beside this runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A scratch directory for this file name.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs a tool that must succeed; what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}; tests/run installs what this needs", command.get_program().to_string_lossy())
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The C runtime on the same sites (`many.c`), by both compilers: their names and programs.
pub(crate) fn c_runtime() -> Vec<(&'static str, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let build = |compiler| {
        let program = scratch(&format!("many-{compiler}"));
        run(Command::new(compiler)
            .args(["-std=gnu11", "-O2", "-pthread", "-I"])
            .arg(root.join("c"))
            .args([root.join("benches/many.c"), root.join("c/pvc.c")])
            .arg("-o")
            .arg(&program));
        (compiler, program)
    };
    ["gcc", "clang-19"].map(build).into()
}
