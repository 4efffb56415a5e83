//! Generated C and C++ without a warning, and what the header refuses.

use crate::build::{COMPILERS, Setup, Tables, refused, root, set, succeed};
use pvc::arch::Arch;
use std::path::PathBuf;
use std::process::Command;

/// Every shipped set, and the one with all shapes of contract.
pub(crate) fn sets() -> Vec<PathBuf> {
    let mut sets: Vec<PathBuf> = std::fs::read_dir(root().join("patchsets"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pv"))
        .collect();
    sets.sort();
    assert!(sets.len() >= 3, "the shipped sets are missing");
    sets.push(set("shapes.pv"));
    sets
}

/// Whether the generated header has a part for an arch.
pub(crate) fn has_arch(tables: &Tables, arch: Arch) -> bool {
    tables.text(&format!("{}.h", tables.names[0])).contains(&format!("\n#if defined(__{}__)\n", arch.name()))
}

/// Every wrapper of the header.
pub(crate) fn wrappers(tables: &Tables, arch: Arch) -> Vec<String> {
    let header = tables.text(&format!("{}.h", tables.names[0]));
    let part = header.split(&format!("\n#if defined(__{}__)\n", arch.name())).nth(1).unwrap_or_default();
    let part = part.split(&format!("#endif /* {} */", arch.name())).next().unwrap();
    part.lines()
        .filter(|line| line.starts_with("PV_WRAPPER "))
        .map(|line| line[..line.find('(').unwrap()].rsplit([' ', '*']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn no_compiler_warns() {
    const STRICT: [&str; 7] =
        ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-mno-red-zone", "-DPV_ALLOW_RED_ZONE", "-c"];
    for (number, pv) in sets().iter().enumerate() {
        let tables = Tables::of(&format!("warnings{number}"), pv);
        let name = &tables.names[0];
        let object = tables.dir.join("unit.o");
        for (arch, mode) in [(Arch::X86_64, &["-m64"][..]), (Arch::I386, &["-m32", "-fno-pie"])] {
            if !has_arch(&tables, arch) {
                continue;
            }
            // A pointer to each wrapper makes the compiler emit it.
            let mut uses = format!("#include \"{name}.h\"\n#include \"pvc.h\"\n");
            for wrapper in wrappers(&tables, arch) {
                uses.push_str(&format!("extern __typeof__(&{wrapper}) use_{wrapper};\n"));
                uses.push_str(&format!("__typeof__(&{wrapper}) use_{wrapper} = {wrapper};\n"));
            }
            let c = tables.write("uses.c", &uses);
            let cxx = tables.write("uses.cc", &uses);
            for (compiler, compiler_cxx) in [("gcc", "g++"), ("clang-19", "clang++-19")] {
                for optimisation in ["-O0", "-O2"] {
                    let setup = Setup::new(compiler, mode).and(&STRICT).and(&[optimisation]);
                    setup.runtime_object();
                    for source in [&c, &tables.dir.join(format!("{name}.c"))] {
                        succeed(setup.command(&tables).arg("-std=c11").arg(source).arg("-o").arg(&object));
                    }
                    let setup = Setup { compiler: compiler_cxx, ..setup };
                    succeed(setup.command(&tables).arg("-std=c++17").arg(&cxx).arg("-o").arg(&object));
                }
            }
            let patchlets = tables.dir.join(format!("{name}.S"));
            for compiler in COMPILERS {
                succeed(Command::new(compiler).args(mode).arg("-c").arg(&patchlets).arg("-o").arg(&object));
            }
        }
    }
}

#[test]
fn headers_refuse_what_would_break() {
    let tables = Tables::of("refusals", &root().join("patchsets/x86_64.pv"));
    let name = &tables.names[0];
    let unit = tables.write("unit.c", &format!("#include \"{name}.h\"\n"));
    for compiler in COMPILERS {
        let compile = |flags: &[&'static str]| {
            let mut command = Setup::new(compiler, flags).command(&tables);
            command.arg("-fsyntax-only").arg(&unit);
            command
        };
        assert!(refused(&mut compile(&["-m64"])).contains("-mno-red-zone"));
        succeed(&mut compile(&["-m64", "-mno-red-zone", "-DPV_ALLOW_RED_ZONE"]));
        succeed(&mut compile(&["-m64", "-mcmodel=kernel", "-mno-red-zone", "-fno-pic"]));
        assert!(refused(&mut compile(&["-m32", "-fpie"])).contains("-fno-pie"));
        succeed(&mut compile(&["-m32", "-fno-pie"]));
    }
    // A plain function is no backend of a narrow op.
    let tables = Tables::of("refused_backend", &set("shapes.pv"));
    let assign = |op: &str| {
        format!(
            "#include \"shapes.h\"\nstatic PV_CALL unsigned long mine(unsigned long a, unsigned long b) {{ return a + b; }}\n\
             void install(void);\nvoid install(void) {{ pv_shapes_ops.{op} = mine; }}\n"
        )
    };
    let narrow = tables.write("narrow.c", &assign("narrow_add"));
    let plain = tables.write("plain.c", &assign("plain_add"));
    for compiler in COMPILERS {
        let setup = Setup::new(compiler, &["-std=c11", "-Werror", "-fsyntax-only"]);
        assert!(refused(setup.command(&tables).arg(&narrow)).contains("incompatible"));
        succeed(setup.command(&tables).arg(&plain));
    }
}
