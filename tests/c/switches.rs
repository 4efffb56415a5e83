//! Static branches in C: what they do, and what compilers make of them.

use crate::build::{COMPILERS, Setup, TARGETS, Tables, WARNINGS, fixture, output, run, set, succeed};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What sites of 2 bytes take: GNU as, and all code of a function in one section.
fn short(setup: &Setup) -> Setup {
    let option = if setup.compiler == "gcc" { "-fno-reorder-blocks-and-partition" } else { "-fno-integrated-as" };
    setup.and(&["-DPV_BRANCH_SHORT=1", option])
}

/// What each test program is made of.
fn sources() -> [PathBuf; 3] {
    ["switches.c", "switches_live.c", "switches_sites.S"].map(fixture)
}

/// Switched at start, and while two threads ask.
#[test]
fn sites_follow_their_branches() {
    let tables = Tables::of("switches", &set("switches.pv"));
    for compiler in COMPILERS {
        for target in TARGETS {
            let setup = Setup::new(compiler, target);
            let levels = [&["-O0"][..], &["-O2", "-ffunction-sections"], &["-O3"]];
            let short = levels.map(|flags| (short(&setup).and(flags), "short"));
            let long = setup.optimised().into_iter().map(|setup| (setup, "long"));
            for (setup, sites) in long.chain(short) {
                let setup = setup.and(&["-pthread"]);
                let program = setup.program(&tables, "switches", &sources());
                run(&program, &[sites], &setup);
                run(&program, &["live"], &setup);
            }
        }
    }
}

/// The header as C++17, and in freestanding C with the kernel's flags.
#[test]
fn the_header_compiles_everywhere() {
    let tables = Tables::of("switches_header", &set("switches.pv"));
    let text = "#include \"switches.h\"\nint asked(void);\nint asked(void) { return pv_switches_branch_stats(); }\n";
    let (c, cpp) = (tables.write("asked.c", text), tables.write("asked.cpp", text));
    for compiler in COMPILERS {
        for (source, flags) in [
            (&cpp, &["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"][..]),
            (&cpp, &["-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O0"]),
            (
                &c,
                &["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-ffreestanding", "-mcmodel=kernel", "-fno-pic"],
            ),
        ] {
            let setup = Setup::new(compiler, flags);
            succeed(setup.command(&tables).arg("-c").arg(source).arg("-o").arg(tables.dir.join("asked.o")));
        }
    }
}

/// A set of branches alone has a table too.
#[test]
fn no_ops() {
    let text = "patchset only { arch x86_64, i386 }\nbranch a.b = false\n";
    let tables = Tables::from_text("switches_only", text);
    let main = "#include \"only.h\"\n#include \"pvc.h\"\nint main(void)\n{\n\tif (pv_only_branch_a_b())\n\t\treturn 1;\n\
                \tif (pv_set_branch(&pv_only_set, PV_ONLY_BRANCH_a_b, 1, 0) || pv_patch(&pv_only_set, 0, 0))\n\t\treturn 2;\n\
                \treturn pv_only_branch_a_b() ? 0 : 3;\n}\n";
    let main = tables.write("main.c", main);
    for compiler in COMPILERS {
        for target in TARGETS {
            let setup = Setup::new(compiler, target).and(&WARNINGS).and(&["-O1"]);
            run(&setup.program(&tables, "only", std::slice::from_ref(&main)), &[], &setup);
        }
    }
}

/// The code of a function as `objdump` shows it: one instruction a line, without addresses and bytes.
fn code(program: &Path, function: &str) -> Vec<String> {
    let shown = output(Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(program));
    let text = String::from_utf8(shown.stdout).unwrap();
    let head = format!(" <{function}>:");
    let lines = text.lines().skip_while(|line| !line.ends_with(&head)).skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(|line| Some(line.split_once('\t')?.1.split_whitespace().collect::<Vec<_>>().join(" "))).collect()
}

/// The usual side runs straight to its `ret` over one NOP: no jump, no call, no load and test. What is seldom done stands
/// behind it or in another section.
#[test]
fn the_unlikely_side_stands_out_of_line() {
    let tables = Tables::of("switches_code", &set("switches.pv"));
    for compiler in COMPILERS {
        for target in TARGETS {
            // gcc keeps the order of the source with -Os.
            for optimisation in ["-O2", "-O3"] {
                let setup = Setup::new(compiler, target).and(&[optimisation, "-pthread"]);
                let program = setup.program(&tables, "switches", &sources());
                for function in ["hot_path", "offload_path", "cold_path"] {
                    let code = code(&program, function);
                    let usual: Vec<&String> = code.iter().take_while(|line| !line.starts_with("ret")).collect();
                    let count = |found: fn(&str) -> bool| usual.iter().filter(|line| found(line)).count();
                    let nop = |line: &str| line.starts_with("nop") || line == "xchg %ax,%ax";
                    assert!(usual.len() < code.len() || function == "cold_path", "{setup:?} {function}: {code:#?}");
                    // A live site may have one more before it, for its alignment.
                    let padding = usize::from(function == "offload_path");
                    assert!((1..=1 + padding).contains(&count(nop)), "{setup:?} {function}: {code:#?}");
                    let others =
                        |line: &str| line.starts_with('j') || line.starts_with("call") || line.starts_with("test");
                    assert_eq!(count(others), 0, "{setup:?} {function}: {code:#?}");
                }
            }
        }
    }
}
