//! The runtime's core wants nothing from anybody.

use crate::build::{COMPILERS, Setup, Tables, runtime, succeed};
use object::{Object, ObjectSymbol};

#[test]
fn object_has_no_undefined_symbol() {
    let tables = Tables::none("freestanding");
    let unit = tables.dir.join("pvc.o");
    let mut objects = 0;
    for compiler in COMPILERS {
        for mode in
            [&["-m64"][..], &["-m64", "-mcmodel=kernel", "-fno-pic", "-mgeneral-regs-only"], &["-m32", "-fno-pie"]]
        {
            for optimisation in ["-O0", "-O1", "-O2", "-O3", "-Os"] {
                // Without and with the Linux part, which makes its system calls itself.
                for hosted in ["-DPV_LINUX=0", "-DPV_LINUX=1"] {
                    let setup = Setup::new(compiler, mode).and(&[optimisation, hosted, "-ffreestanding", "-nostdlib"]);
                    let source = runtime().join("pvc.c");
                    succeed(setup.command(&tables).arg("-c").arg(source).arg("-o").arg(&unit));
                    let data = std::fs::read(&unit).unwrap();
                    let file = object::File::parse(&*data).unwrap();
                    let undefined: Vec<&str> = file
                        .symbols()
                        .filter(|symbol| symbol.is_undefined())
                        .filter_map(|symbol| symbol.name().ok())
                        .filter(|name| !name.is_empty())
                        .collect();
                    assert_eq!(undefined, [""; 0], "{setup:?}");
                    assert!(file.symbols().any(|symbol| symbol.name() == Ok("pv_apply")));
                    let has_linux = file.symbols().any(|symbol| symbol.name() == Ok("pv_patch"));
                    assert_eq!(has_linux, hosted.ends_with('1'), "{setup:?}");
                    objects += 1;
                }
            }
        }
    }
    assert_eq!(objects, 60);
}
