//! A program with both runtimes in it: they share one lock, one handler of SIGTRAP, one observer, one count of batches.

use crate::toolchain::{Config, compile, generate, root, run, scratch, shapes};
use libtest_mimic::Failed;
use pvc::emit::Kind;
use std::path::PathBuf;
use std::process::Command;

/// The C runtime, the table of `swap.pv` and the program's C part, as objects.
fn c_objects() -> Result<Vec<PathBuf>, Failed> {
    let directory = scratch("c-part");
    std::fs::create_dir_all(&directory)?;
    let set = root().join("tests/c/sets/swap.pv");
    for kind in [Kind::Header, Kind::Source] {
        std::fs::write(directory.join(kind.file_name("swap")), generate(&set, kind)?)?;
    }
    let sources = [root().join("runtime/c/pvc.c"), directory.join("swap.c"), root().join("tests/c/fixtures/shared.c")];
    let mut objects = Vec::new();
    for source in sources {
        let object = directory.join(source.file_name().expect("a file")).with_extension("o");
        let mut gcc = Command::new("gcc");
        gcc.args(["-std=gnu11", "-O2", "-c", "-I"]).arg(root().join("runtime/c")).arg("-I").arg(&directory);
        run(gcc.arg(source).arg("-o").arg(&object))?;
        objects.push(object);
    }
    Ok(objects)
}

/// `first`: the runtime that makes the first batch.
pub(crate) fn one_lock(first: &str) -> Result<(), Failed> {
    let objects: Vec<String> = c_objects()?.iter().map(|object| format!("-Clink-arg={}", object.display())).collect();
    let link: Vec<&'static str> = objects.into_iter().map(|object| &*object.leak()).collect();
    let name = if first == "rust" { "O2-rust" } else { "O2-c" };
    let config = Config { name, codegen: &["-Copt-level=2"], link: link.leak(), edition: "2024" };
    let executable = compile("shared", &config, &shapes()?)?;
    run(Command::new(executable).arg(first))?;
    Ok(())
}
