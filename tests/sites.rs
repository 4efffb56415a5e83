//! What executing a patched site costs, beside the same instruction written by hand, in Rust and in C by both compilers:
//! `cargo bench -p pvc-tests --bench site`.
//!
//! Each program runs loops of 32 equal steps, in turns, a thousand times each; a step is a site or the bare instruction with the
//! same operands:
//!
//! - `chain`: each waits for the result of the one before, as a value is computed;
//! - `beside`: independent of each other, with an addition after each that waits for the one before: work that a site is part of;
//! - `dense`: with nothing in between: what it takes of the decoders. No program does this.
//!
//! Printed is the ratio of the loops' times, of the best rounds (what else runs only adds time) and of the medians: to be 1, within
//! 3 %. Where the instruction is shorter than its site (`extend` has 2 bytes, `add` 4, `count` 5; a site has 6 in Rust and 5 in C),
//! a NOP follows it, and a `dense` loop shows that. For sites that are NOPs: cycles a site over the loop without them, to be less
//! than half a cycle. A cycle is what one addition of a chain takes.

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "c/build.rs"]
mod build;
#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "rust/toolchain.rs"]
mod toolchain;

use build::{COMPILERS, Setup, Tables, fixture, set};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Best and median time of each loop.
type Times = BTreeMap<String, [f64; 2]>;

fn measure(program: &Path) -> Times {
    let text = toolchain::run(&mut Command::new(program)).expect("the program runs");
    let time = |line: &str| {
        let mut cells = line.split('\t');
        let name = cells.next()?.to_owned();
        Some((name, [cells.next()?.parse().ok()?, cells.next()?.parse().ok()?]))
    };
    text.lines().map(|line| time(line).expect("a name and two times")).collect()
}

fn show(language: &str, times: &Times) {
    println!("{language}");
    for op in ["extend", "add", "count"] {
        print!("  {op:8}");
        for form in ["chain", "beside", "dense"] {
            if form == "dense" {
                print!("  x the bare instruction (aim: 0.97 to 1.03);");
            }
            let (site, bare) = (times[&format!("{op} {form} site")], times[&format!("{op} {form} bare")]);
            print!("  {form} {:.3} ({:.3})", site[0] / bare[0], site[1] / bare[1]);
        }
        println!();
    }
    for nop in ["nop5", "nop6", "nop7", "nop8", "called"] {
        print!("  {nop:8}");
        for (form, without) in [("beside", "cycle"), ("dense", "nothing")] {
            let (site, without) = (times[&format!("{nop} {form}")], times[without]);
            print!(
                "  {form} {:.3} ({:.3})",
                (site[0] - without[0]) / times["cycle"][0],
                (site[1] - without[1]) / times["cycle"][1]
            );
        }
        println!("  cycles a site (aim: less than 0.5)");
    }
}

fn main() {
    let directory = toolchain::scratch("sites");
    std::fs::create_dir_all(&directory).expect("a scratch directory");
    let text = toolchain::generate(&set("sites.pv"), pvc::emit::Kind::Rust).expect("compiles");
    std::fs::write(directory.join("sites.rs"), text).expect("can be written");
    let config = toolchain::Config {
        name: "O3",
        codegen: &["-Copt-level=3"],
        link: &["-Cllvm-args=-align-all-blocks=6"],
        edition: "2024",
    };
    show("Rust", &measure(&toolchain::compile("sites", &config, &directory).expect("compiles")));
    let tables = Tables::of("sites", &set("sites.pv"));
    for compiler in COMPILERS {
        let setup = Setup::new(compiler, &["-m64", "-O2", "-falign-functions=64", "-falign-loops=64"]);
        show(compiler, &measure(&setup.program(&tables, "sites", &[fixture("sites.c")])));
    }
    toolchain::clean();
}
