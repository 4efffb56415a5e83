//! The C runtime under the sanitizers of both compilers, and patching at start under valgrind.
//!
//! Not under ThreadSanitizer: gcc's has a thread that blocks all signals, which a live batch refuses; clang's reports that a
//! handler of SIGTRAP looks at the changes of a batch while the next ones are collected. What it read then has no say: the
//! handler asks for the progress once more, and without a batch under way it does not ask what the last one changed.

use crate::build::{COMPILERS, Setup, Tables, fixture, output, root, run, set, succeed};
use std::path::Path;
use std::process::Command;

#[test]
fn neither_addresses_nor_undefined_behaviour() {
    const FLAGS: [&str; 5] = ["-O1", "-g", "-pthread", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let tables = Tables::of("sanitizers", &set("swap.pv"));
    for compiler in COMPILERS {
        let setup = Setup::new(compiler, &FLAGS);
        run(&setup.program(&Tables::none("sanitized_hand"), "hand", &[fixture("hand_table.c")]), &[], &setup);
        run(&setup.program(&tables, "live", &["live.c", "swap_sites.S"].map(fixture)), &[], &setup);
        let toggles = setup.program(&tables, "toggles", &["toggles.c", "swap_sites.S"].map(fixture));
        for view in ["memory", "word"] {
            run(&toggles, &[view], &setup);
        }
        let vectors = Tables::none("sanitized_vectors");
        let program = setup.and(&["-D_GNU_SOURCE"]).program(&vectors, "v", &[root().join("runtime/tests/vectors.c")]);
        run(&program, &[root().join("runtime/vectors.txt").to_str().unwrap()], &setup);
    }
}

/// Valgrind translates code before it runs: told that it changes, it must see what the CPU sees, and no use of what was never
/// set.
#[test]
fn valgrind() {
    let tables = Tables::none("valgrind");
    for compiler in COMPILERS {
        let setup = Setup::new(compiler, &["-O1"]);
        let program = setup.program(&tables, "hand", &[fixture("hand_table.c")]);
        succeed(valgrind_of(&program).arg("under-valgrind"));
    }
    // It must be able to fail.
    let source =
        tables.write("unset.c", "#include <stdlib.h>\nint main(void) { return *(char *)malloc(1) ? 1 : 0; }\n");
    let program = tables.dir.join("unset");
    succeed(Command::new("gcc").arg(source).arg("-o").arg(&program));
    assert_eq!(output(&mut valgrind_of(&program)).status.code(), Some(99));
}

fn valgrind_of(program: &Path) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--smc-check=all", "--error-exitcode=99"]).arg(program);
    valgrind
}
