//! What patching 100,000 sites of a C program at its start costs: `cargo bench -p pvc-tests --bench c-start`.
//!
//! The program prints the figure per site beside that of a plain loop of 8-byte stores in the same run; see
//! `fixtures/bench_main.c`.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "build.rs"]
mod build;

use build::{Setup, Tables, fixture, output, runtime, succeed};
use std::fmt::Write;
use std::process::Command;

/// GNU as makes a section per site and looks each up among all: quadratic, so not more in one unit.
const SITES_PER_UNIT: usize = 2000;
const UNITS: usize = 50;
const RUNS: usize = 5;

const SET: &str = "
patchset bench {
    arch x86_64
    abi  user
}
op do.add(a: word, b: word) -> sum: word {
    clobbers flags
    x86_64 { lea ({a}, {b}), {sum} }
}
";

fn main() {
    let tables = Tables::from_text("bench", SET);
    let setup = Setup::new("gcc", &["-O1"]);
    let mut objects = Vec::new();
    for unit in 0..UNITS {
        let mut text = "#include \"bench.h\"\n".to_owned();
        for function in 0..SITES_PER_UNIT / 10 {
            writeln!(text, "unsigned long f{unit}_{function}(unsigned long a)\n{{").unwrap();
            for site in 0..10 {
                writeln!(text, "\ta = pv_bench_do_add(a, {site});").unwrap();
            }
            writeln!(text, "\treturn a;\n}}").unwrap();
        }
        let source = tables.write("unit.c", &text);
        let object = tables.dir.join(format!("unit{unit}.o"));
        succeed(setup.command(&tables).arg("-c").arg(source).arg("-o").arg(&object));
        objects.push(object);
    }
    let program = tables.dir.join("bench");
    let mut link = setup.command(&tables);
    link.args(["-O2"]).arg(fixture("bench_main.c")).args(tables.sources()).arg(runtime().join("pvc.c"));
    succeed(link.args(objects).arg("-o").arg(&program));
    for _ in 0..RUNS {
        let output = output(&mut Command::new(&program));
        print!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success());
    }
}
