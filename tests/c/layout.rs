//! A table and a runtime that disagree on an entry do not compile together.

use crate::build::{Setup, Tables, refused, runtime, set};

/// Each entry of the tables with one byte more, as a header of another time may have it (kpatch 852, 1194).
#[test]
fn an_entry_of_another_size_is_refused() {
    let tables = Tables::of("layout", &set("shapes.pv"));
    let header = std::fs::read_to_string(runtime().join("pvc.h")).unwrap();
    let compile = || {
        let mut command =
            Setup::new("gcc", &["-m64", "-fsyntax-only", "-Wno-missing-field-initializers"]).command(&tables);
        // The header beside the tables is found first.
        command.arg(&tables.sources()[0]);
        command
    };
    for entry in ["pv_site", "pv_kind", "pv_term", "pv_row", "pv_fixup", "pv_op"] {
        let start = format!("\nstruct {entry} {{\n");
        assert!(header.contains(&start), "pvc.h has the {entry}");
        let changed = header.replace(&start, &format!("{start}\tuint64_t another;\n"));
        std::fs::write(tables.dir.join("pvc.h"), changed).unwrap();
        let message = refused(&mut compile());
        assert!(message.contains("have another layout than those of pvc.h"), "{entry}: {message}");
    }
    std::fs::write(tables.dir.join("pvc.h"), header).unwrap();
    crate::build::succeed(&mut compile());
}
