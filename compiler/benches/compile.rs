//! Whole-process time of `pvc compile` beside GNU as on the same instructions, in the same run.

use pvc::source::DiskLoader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let patchset = root.join("patchsets/x86_64.pv");
    let dir = tempfile::tempdir().unwrap();
    // The same instructions for GNU as: the 64-bit rows, and the 32-bit ones under .code32.
    let compilation = pvc::compile(patchset.to_str().unwrap(), &DiskLoader);
    let checked = compilation.checked.expect("the shipped set compiles");
    let mut text = String::new();
    for op in &checked.unit().ops {
        for contract in &op.contracts {
            text.push_str(&format!(".code{}\n", contract.arch.bits()));
            for row in &contract.rows {
                text.push_str(&row.row.asm.text);
                text.push('\n');
            }
        }
    }
    let source = dir.path().join("rows.s");
    std::fs::write(&source, text).unwrap();

    let pvc = Path::new(env!("CARGO_BIN_EXE_pvc"));
    let object = dir.path().join("rows.o");
    let out = dir.path().join("out");
    let mut times: [Vec<Duration>; 3] = Default::default();
    // Interleaved, so that whatever else the machine does falls on all of them alike.
    for _ in 0..200 {
        times[0].push(run(Command::new(pvc).arg("compile").arg(&patchset).arg("-o").arg(&out)));
        times[1].push(run(Command::new("as").arg("-o").arg(&object).arg(&source)));
        times[2].push(run(Command::new(pvc).args(["compile", "--emit", "json=-"]).arg(&patchset)));
    }
    let [all, gas, json] = times.map(median);
    println!("GNU as, the same instructions, one output  {:7.2} ms", gas.as_secs_f64() * 1e3);
    for (what, time) in [("one output (--emit json=-)", json), ("all five outputs, unchanged", all)] {
        let ratio = time.as_secs_f64() / gas.as_secs_f64();
        println!("pvc compile, {what:28}  {:7.2} ms, {ratio:.2} x GNU as (the aim: 1)", time.as_secs_f64() * 1e3);
    }
}

fn run(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("pvc and GNU as (binutils) must run");
    let time = start.elapsed();
    assert!(status.success());
    time
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
