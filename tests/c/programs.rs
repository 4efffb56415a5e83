//! Test programs in C: the runtime on a table by hand, every shape of contract, the red zone, a live double.

use crate::build::{COMPILERS, Setup, TARGETS, Tables, WARNINGS, fixture, run, set};

/// The runtime alone: no generated code has a part in it.
#[test]
fn runtime_on_a_table_by_hand() {
    let tables = Tables::none("hand");
    for compiler in COMPILERS {
        for target in TARGETS {
            for optimisation in ["-O0", "-O2", "-O3"] {
                let setup = Setup::new(compiler, target).and(&[optimisation]);
                let program = setup.program(&tables, "hand", &[fixture("hand_table.c")]);
                run(&program, &[], &setup);
            }
        }
    }
}

#[test]
fn every_shape_of_contract() {
    let tables = Tables::of("shapes", &set("shapes.pv"));
    let sources = [fixture("shapes.c"), fixture("shapes_sites.S")];
    for compiler in COMPILERS {
        for target in TARGETS {
            for setup in Setup::new(compiler, target).optimised() {
                let program = setup.program(&tables, "shapes", &sources);
                run(&program, &[], &setup);
            }
        }
    }
}

/// Unpatched calls out of a leaf function that keeps its variables below the stack pointer, into a backend that dirties 4 KiB
/// of stack and demands its alignment; a double that lives across a narrow op. 10^7 of them with `-O2`.
#[test]
fn red_zone_and_live_double() {
    let tables = Tables::of("red_zone", &set("shapes.pv"));
    let sources = [fixture("red_zone.c")];
    for compiler in COMPILERS {
        let mut setups = Setup::new(compiler, TARGETS[0]).optimised();
        setups.push(Setup::new(compiler, TARGETS[2]).and(&WARNINGS).and(&["-O2"]));
        for setup in setups {
            let program = setup.program(&tables, "red_zone", &sources);
            let usual = setup.flags.last() == Some(&"-O2");
            run(&program, &[if usual { "10000000" } else { "100000" }], &setup);
        }
    }
}

/// Frames from every instruction of a stub and from a backend that it called, as unwinders and profilers see them; each linker.
#[test]
fn unwinding() {
    let tables = Tables::of("unwind", &set("shapes.pv"));
    let sources = [fixture("unwind.c")];
    for compiler in COMPILERS {
        for target in TARGETS {
            let setup = Setup::new(compiler, target).and(&WARNINGS).and(&["-fexceptions", "-pthread"]);
            let setup = setup.and(&["-Wl,--fatal-warnings"]);
            let garbage = ["-O2", "-ffunction-sections", "-Wl,--gc-sections"];
            for setup in [setup.and(&["-O0"]), setup.and(&["-O2"]).lto(), setup.and(&garbage)] {
                let program = setup.program(&tables, "unwind", &sources);
                run(&program, &[], &setup);
            }
        }
    }
}

/// Refusals, variants, threads that block SIGTRAP, children that are forked in the middle.
#[test]
fn live() {
    let tables = Tables::of("live", &set("swap.pv"));
    for compiler in COMPILERS {
        for target in [TARGETS[0], TARGETS[2]] {
            let setup = Setup::new(compiler, target).and(&WARNINGS).and(&["-O2", "-pthread"]);
            let program = setup.program(&tables, "live", &["live.c", "swap_sites.S"].map(fixture));
            run(&program, &[], &setup);
        }
    }
}

/// Threads run through the sites while they change. `PVC_LIVE_TOGGLES` sets how often.
#[test]
fn toggles() {
    let tables = Tables::of("toggles", &set("swap.pv"));
    for compiler in COMPILERS {
        for (target, views) in [(TARGETS[0], &["memory", "window", "word"][..]), (TARGETS[2], &["memory", "window"])] {
            let setup = Setup::new(compiler, target).and(&WARNINGS).and(&["-O2", "-pthread"]);
            let program = setup.program(&tables, "toggles", &["toggles.c", "swap_sites.S"].map(fixture));
            for view in views {
                print!("{compiler} {target:?} {}", run(&program, &[view], &setup));
            }
        }
    }
}

/// One system call of a batch after the other fails, at start and live; a write ends after one byte after the other.
#[test]
fn faults() {
    let tables = Tables::of("faults", &set("swap.pv"));
    for (compiler, target) in [(COMPILERS[0], TARGETS[0]), (COMPILERS[1], TARGETS[2])] {
        let setup = Setup::new(compiler, target).and(&WARNINGS).and(&["-O2", "-pthread"]);
        let program = setup.program(&tables, "faults", &["faults.c", "swap_sites.S"].map(fixture));
        for batch in ["start", "start-memory", "live-memory", "live-window", "again-memory", "again-window"] {
            print!("{compiler} {target:?} {}", run(&program, &[batch], &setup));
        }
    }
}
