//! Copies of one patch set in one process: a Rust program's, and those of shared objects in Rust and in C.

use crate::toolchain::{Config, compile, generate, root, run, scratch};
use libtest_mimic::Failed;
use pvc::emit::Kind;
use std::path::Path;
use std::process::Command;

fn c_object(directory: &Path) -> Result<String, Failed> {
    let object = directory.join("c.so");
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-O2", "-shared", "-fPIC", "-I"]).arg(root().join("runtime/c")).arg("-I").arg(directory);
    gcc.args([root().join("tests/c/fixtures/plugin.c"), directory.join("demo.c"), root().join("runtime/c/pvc.c")]);
    run(gcc.arg("-o").arg(&object))?;
    Ok(object.display().to_string())
}

pub(crate) fn arrive_and_leave() -> Result<(), Failed> {
    let directory = scratch("plugins");
    std::fs::create_dir_all(&directory)?;
    for kind in [Kind::Header, Kind::Source, Kind::Rust] {
        let text = generate(&root().join("tests/c/sets/demo.pv"), kind)?;
        std::fs::write(directory.join(kind.file_name("demo")), text)?;
    }
    let codegen = &["-Copt-level=2"];
    let shared = |name| Config { name, codegen, link: &["--crate-type=cdylib"], edition: "2024" };
    let first = compile("plugin", &shared("first"), &directory)?;
    let second = compile("plugin", &shared("second"), &directory)?;
    let program = compile("plugins", &Config { name: "O2", codegen, link: &[], edition: "2024" }, &directory)?;
    run(Command::new(program).args([first, second]).arg(c_object(&directory)?))?;
    Ok(())
}
