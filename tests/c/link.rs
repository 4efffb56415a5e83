//! Site records through every linker: collected, dropped with their function, and never silently lost.

use crate::build::{COMPILERS, Setup, Tables, output, run, runtime, succeed};
use std::path::PathBuf;
use std::process::Command;

const SET: &str = "
patchset demo {
    arch x86_64, i386
    abi  user
}
op do.add(a: word, b: word) -> sum: word {
    clobbers flags
    x86_64 { lea ({a}, {b}), {sum} }
    i386   { add {b}, {sum} }
}
branch far.away = false
";

/// The same set with another contract, and sites that do not name the ops structure.
const CHANGED: &str = "
patchset demo {
    arch x86_64, i386
    abi  user
}
op do.first() {
    x86_64, i386 { nop }
}
op do.add(a: word, b: word) -> sum: word {
    site inline
    clobbers flags
    x86_64 { lea ({a}, {b}), {sum} }
    i386   { add {b}, {sum} }
}
";

/// GNU ld as it is and with `-z start-stop-gc`; lld.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Linker {
    Gnu,
    GnuStartStopGc,
    Lld,
}

impl Linker {
    const ALL: [Self; 3] = [Self::Gnu, Self::GnuStartStopGc, Self::Lld];

    /// Whether it drops the records of a function that `--gc-sections` drops. GNU ld keeps both without the flag.
    fn drops_records(self) -> bool {
        self != Self::Gnu
    }

    fn arguments(self, tables: &Tables) -> Vec<String> {
        match self {
            Self::Gnu => vec!["-fuse-ld=bfd".into()],
            Self::GnuStartStopGc => vec!["-fuse-ld=bfd".into(), "-Wl,-z,start-stop-gc".into()],
            Self::Lld => {
                // gcc knows lld by one name only, which Debian's package of a version does not have.
                let directory = tables.dir.join("lld");
                std::fs::create_dir_all(&directory).unwrap();
                let link = directory.join("ld.lld");
                if !link.exists() {
                    let found = output(Command::new("sh").args(["-c", "command -v ld.lld-19"]));
                    assert!(found.status.success(), "ld.lld-19 is missing; tests/run installs it");
                    std::os::unix::fs::symlink(String::from_utf8_lossy(&found.stdout).trim(), link).unwrap();
                }
                vec!["-fuse-ld=lld".into(), format!("-B{}", directory.display())]
            }
        }
    }
}

/// `count` functions with a site of the op and one of the branch each, called by `use_NAME`, and as many that nobody calls.
fn unit(name: &str, count: usize) -> String {
    // gcc puts the branch's target into another section.
    let mut text = "#include \"demo.h\"\nvoid seldom(void) __attribute__((cold));\n".to_owned();
    for index in 0..count {
        for kind in ["live", "dead"] {
            text.push_str(&format!(
                "__attribute__((noinline)) unsigned long {kind}_{name}_{index}(unsigned long a);\n\
                 unsigned long {kind}_{name}_{index}(unsigned long a) \
                 {{\n\tif (pv_demo_branch_far_away())\n\t\tseldom();\n\treturn pv_demo_do_add(a, {index});\n}}\n"
            ));
        }
    }
    text.push_str(&format!(
        "unsigned long use_{name}(unsigned long a);\nunsigned long use_{name}(unsigned long a)\n{{\n"
    ));
    for index in 0..count {
        text.push_str(&format!("\ta = live_{name}_{index}(a);\n"));
    }
    text + "\treturn a;\n}\n"
}

/// Patches; checks the number of sites and that the program computes the same before and after.
const MAIN: &str = r#"
#include "demo.h"
#include "pvc.h"
#include <stdio.h>
#include <stdlib.h>
#define CHECK(condition) do { if (!(condition)) { printf("line %d: %s: %u sites\n", __LINE__, #condition, report.sites); return 1; } } while (0)
#ifdef UNITS
unsigned long use_a(unsigned long), use_b(unsigned long);
void seldom(void) __attribute__((cold));
static unsigned seen;
void seldom(void) { seen++; }
#endif
int main(int argc, char **argv)
{
	unsigned least = argc > 1 ? (unsigned)atoi(argv[1]) : 0, most = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
	struct pv_report report = { 0 };
	unsigned long before = 0, after = 0;
	unsigned called = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	(void)called;
#ifdef UNITS
	before = use_b(use_a(1));
#endif
	if (!most) {
		CHECK(pv_patch(&pv_demo_set, 0, &report) == PV_E_NO_SITES);
		CHECK(pv_patch_with(&pv_demo_set, 0, PV_ALLOW_NO_SITES, &report) == PV_OK);
		return 0;
	}
	CHECK(pv_patch(&pv_demo_set, 0, &report) == PV_OK);
	CHECK(report.sites >= least && report.sites <= most && report.rows == report.sites);
	CHECK(report.branch_sites == report.sites);
	pv_demo_ops.do_add = 0;
#ifdef UNITS
	after = use_b(use_a(1));
	CHECK(before == after && !seen);
	CHECK(pv_set_branch(&pv_demo_set, PV_DEMO_BRANCH_far_away, 1, &report) == PV_OK);
	after = use_b(use_a(1));
	CHECK(before == after && seen == called);
#endif
	CHECK(before == after);
	return 0;
}
"#;

#[test]
fn records_survive_every_linker() {
    let tables = Tables::from_text("link", SET);
    let main = tables.write("main.c", MAIN);
    for compiler in COMPILERS {
        for pie in [&["-m64", "-fPIE"][..], &["-m64", "-fno-pie"], &["-m32", "-fno-pie"]] {
            for count in [0, 1, 300] {
                let setup = Setup::new(compiler, pie).and(&["-O2", "-ffunction-sections", "-Wall", "-Werror"]);
                // The patcher between two units with sites: the run of their pages must leave its own page out.
                let mut sources = vec![main.clone(), tables.dir.join("demo.c")];
                if count > 0 {
                    sources.extend(["a", "b"].map(|name| tables.write(&format!("{name}.c"), &unit(name, count))));
                }
                let mut objects = compile(&setup, &tables, &sources, count > 0);
                objects.insert(objects.len() - usize::from(count > 0), setup.runtime_object());
                for linker in Linker::ALL {
                    for gc in [false, true] {
                        let program = tables.dir.join("linked");
                        let mut link = Command::new(compiler);
                        link.arg(pie[0]).arg(if pie[1] == "-fPIE" { "-pie" } else { "-no-pie" });
                        link.args(linker.arguments(&tables)).args(&objects).arg("-o").arg(&program);
                        if gc {
                            link.arg("-Wl,--gc-sections");
                        }
                        succeed(&mut link);
                        // Exactly the called functions' records where both flag and linker drop the others.
                        let (live, all) = (2 * count, 4 * count);
                        let (least, most) = match (gc, linker.drops_records()) {
                            (true, true) => (live, live),
                            (true, false) => (live, all),
                            (false, _) => (all, all),
                        };
                        println!("{compiler} {pie:?} {linker:?} gc {gc}: {least} to {most} sites");
                        run(
                            &program,
                            &[least, most, live].map(|count| count.to_string()).each_ref().map(String::as_str),
                            &setup,
                        );
                    }
                }
            }
        }
    }
}

fn compile(setup: &Setup, tables: &Tables, sources: &[PathBuf], units: bool) -> Vec<PathBuf> {
    sources
        .iter()
        .map(|source| {
            let object = tables.dir.join(source.file_name().unwrap()).with_extension("o");
            let mut command = setup.command(tables);
            if units {
                command.arg("-DUNITS");
            }
            succeed(command.arg("-c").arg(source).arg("-o").arg(&object));
            object
        })
        .collect()
}

/// A header of another contract than the table's: the program must not link, whatever refers to it.
#[test]
fn stale_header_does_not_link() {
    let old = Tables::from_text("stale_old", SET);
    let new = Tables::from_text("stale_new", CHANGED);
    let texts = [
        (
            "wrapper",
            "unsigned long f(unsigned long a);\nunsigned long f(unsigned long a) { return pv_demo_do_add(a, 1); }\n",
        ),
        ("backend", "void f(void);\nvoid f(void) { pv_demo_ops.do_add = PV_DEMO_SLOT(do_add, pv_demo_nop); }\n"),
    ];
    for compiler in COMPILERS {
        let setup = Setup::new(compiler, &["-O1"]);
        // A program without `unit.o`, from each table.
        let rest = |tables: &Tables| {
            let main = tables.write("main.c", "int main(void) { return 0; }\n");
            compile(&setup, tables, &[main, tables.dir.join("demo.c"), runtime().join("pvc.c")], false)
        };
        let (rest_of_old, rest_of_new) = (rest(&old), rest(&new));
        for (what, text) in texts {
            for (tables, own, other) in [(&old, &rest_of_old, &rest_of_new), (&new, &rest_of_new, &rest_of_old)] {
                let unit = tables.write("unit.c", &format!("#include \"demo.h\"\n{text}"));
                let unit = compile(&setup, tables, &[unit], false);
                for linker in Linker::ALL {
                    let link = |objects: &[PathBuf]| {
                        let mut link = setup.command(tables);
                        link.args(linker.arguments(tables)).args(&unit).args(objects);
                        output(link.arg("-o").arg(tables.dir.join("stale")))
                    };
                    assert!(link(own).status.success());
                    let stale = link(other);
                    let message = String::from_utf8_lossy(&stale.stderr).into_owned();
                    assert!(!stale.status.success(), "{compiler} {linker:?}: a stale {what} was linked");
                    assert!(message.contains("pv_demo_contract_"), "{message}");
                }
            }
        }
    }
}
