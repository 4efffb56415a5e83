//! What the Linux way does when the kernel says no: the next way, or a clean refusal.

use crate::build::{COMPILERS, Setup, TARGETS, Tables, fixture, run, set};

/// Each is a process of its own, because policies cannot be taken back. `failures.c` says what each must lead to.
const SCENARIOS: [&str; 10] = [
    "allowed",
    "never-writable-and-executable",
    "mdwe",
    "mdwe-and-no-proc",
    "no-mprotect",
    "no-mprotect-of-text",
    "no-populate",
    "populate-fails",
    "no-mprotect-and-writes-fail",
    "sealed",
];

#[test]
fn every_refusal_is_clean() {
    let tables = Tables::of("failures", &set("shapes.pv"));
    for compiler in COMPILERS {
        for target in TARGETS {
            let setup = Setup::new(compiler, target).and(&["-O1", "-Wall", "-Wextra", "-Werror"]);
            let program = setup.program(&tables, "failures", &[fixture("failures.c")]);
            for scenario in SCENARIOS {
                run(&program, &[scenario], &setup);
            }
        }
    }
}
