//! The runtime's core wants nothing from anybody.

use crate::build::{COMPILERS, Setup, Tables, runtime, succeed};
use pvc_tests::freestanding::check;

/// What every build has.
const CORE: [&str; 5] = ["pv_apply", "pv_restore", "pv_live_apply", "pv_live_restore", "pv_live_handle"];
/// What the Linux part adds.
const LINUX: [&str; 4] = ["pv_patch", "pv_unpatch", "pv_live_patch_all", "pv_live_switch"];

#[test]
fn object_has_no_undefined_symbol() {
    const LEVELS: &[&str] = &["-O0", "-O1", "-O2", "-O3", "-Os"];
    let tables = Tables::none("freestanding");
    let unit = tables.dir.join("pvc.o");
    for compiler in COMPILERS {
        // Without and with the Linux part, which makes its system calls itself and has the core in it.
        for (mode, linux, levels) in [
            (&["-m64", "-mcmodel=kernel", "-fno-pic", "-mgeneral-regs-only", "-DPV_LINUX=0"][..], false, LEVELS),
            (&["-m64", "-DPV_LINUX=1"], true, LEVELS),
            (&["-m32", "-fno-pie", "-DPV_LINUX=0"], false, &["-O2"]),
            (&["-m32", "-fno-pie", "-DPV_LINUX=1"], true, LEVELS),
        ] {
            for level in levels {
                let setup = Setup::new(compiler, mode).and(&[level, "-ffreestanding", "-nostdlib"]);
                let source = runtime().join("pvc.c");
                succeed(setup.command(&tables).arg("-c").arg(source).arg("-o").arg(&unit));
                let data = std::fs::read(&unit).unwrap();
                let functions = if linux { [&CORE[..], &LINUX].concat() } else { CORE.to_vec() };
                check(&data, |_| false, &functions, linux).unwrap_or_else(|error| panic!("{setup:?}: {error}"));
                let outside = check(&data, |_| false, &LINUX, true);
                assert_eq!(outside.is_ok(), linux, "{setup:?}");
            }
        }
    }
}
