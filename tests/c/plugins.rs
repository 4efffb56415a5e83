//! Copies of one patch set in one process: the program's, and those of shared objects that arrive by dlopen and leave.

use object::{Object, ObjectSection};

use crate::build::{COMPILERS, Setup, Tables, fixture, run, runtime, set, succeed};

/// Each object has its table, its ops structure and its runtime; the program also where it exports its own symbols to them.
/// They patch at start and live.
#[test]
fn shared_objects_arrive_and_leave() {
    let tables = Tables::of("plugins", &set("demo.pv"));
    for compiler in COMPILERS {
        let setup = Setup::new(compiler, &["-m64", "-O2", "-Wall", "-Wextra", "-Werror"]);
        let objects = ["first.so", "second.so"].map(|name| tables.dir.join(name));
        for object in &objects {
            let mut build = setup.and(&["-shared", "-fPIC"]).command(&tables);
            build.arg(fixture("plugin.c")).args(tables.sources()).arg(runtime().join("pvc.c"));
            succeed(build.arg("-o").arg(object));
            records_need_no_loader(&std::fs::read(object).unwrap());
        }
        let paths = objects.each_ref().map(|object| object.to_str().unwrap());
        for export in [&[][..], &["-rdynamic"]] {
            let program = setup.and(export).program(&tables, "plugins", &[fixture("plugins.c")]);
            for first in ["program-first", "plugin-first"] {
                run(&program, &[paths[0], paths[1], first], &setup);
            }
        }
    }
}

/// Eight bytes a site, read-only, and nothing for the dynamic linker to do in them.
fn records_need_no_loader(data: &[u8]) {
    let file = object::File::parse(data).unwrap();
    let section = file.section_by_name("pv_sites_demo").unwrap();
    assert_eq!(section.size(), 8, "one site");
    let range = section.address()..section.address() + section.size();
    let relocations: Vec<u64> = file.dynamic_relocations().into_iter().flatten().map(|(at, _)| at).collect();
    assert!(!relocations.is_empty(), "the table itself has some");
    assert!(relocations.iter().all(|at| !range.contains(at)), "{range:x?} {relocations:x?}");
}
