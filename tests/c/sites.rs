//! Every site macro of every shipped set, in C and in assembly: its bytes are what the runtime takes for the original,
//! and every row goes into it and out again. Nothing of it is executed, so privileged ops take part.

use crate::build::{COMPILERS, Setup, Tables, run};
use crate::warnings::{has_arch, sets, wrappers};
use pvc::arch::Arch;

#[test]
fn every_site_macro_can_be_patched_and_unpatched() {
    for (number, pv) in sets().iter().enumerate() {
        let tables = Tables::of(&format!("sites{number}"), pv);
        for (arch, mode) in
            [(Arch::X86_64, &["-m64", "-fno-pie", "-no-pie"][..]), (Arch::I386, &["-m32", "-fno-pie", "-no-pie"])]
        {
            if !has_arch(&tables, arch) {
                continue;
            }
            let (c, assembly, sites) = units(&tables, arch);
            assert!(sites > 0);
            let sources = [tables.write("sites.c", &c), tables.write("sites_asm.S", &assembly)];
            for compiler in COMPILERS {
                let setup = Setup::new(compiler, mode).and(&["-O1", "-mno-red-zone", "-DPV_ALLOW_RED_ZONE"]);
                let program = setup.program(&tables, "sites", &sources);
                run(&program, &[&sites.to_string()], &setup);
            }
        }
    }
}

/// A C and an assembly unit that use every macro once and every wrapper once; the number of sites.
fn units(tables: &Tables, arch: Arch) -> (String, String, usize) {
    let name = &tables.names[0];
    let header = tables.text(&format!("{name}.h"));
    let table = tables.text(&format!("{name}.c"));
    let condition = format!("\n#if defined(__{}__)\n", arch.name());
    let end = format!("#endif /* {} */", arch.name());
    let part = |index: usize| header.split(&condition).nth(index).unwrap().split(&end).next().unwrap();

    let mut c = format!(
        "#include \"{name}.h\"\n#include \"pvc.h\"\n#include <stdio.h>\n#include <stdlib.h>\n\
         void unused_sites(void);\n"
    );
    let mut sites = 0;
    for wrapper in wrappers(tables, arch) {
        c.push_str(&format!(
            "extern __typeof__(&{wrapper}) use_{wrapper};\n__typeof__(&{wrapper}) use_{wrapper} = {wrapper};\n"
        ));
        sites += 1;
    }
    c.push_str("void unused_sites(void)\n{\n");
    for line in part(1).lines().filter(|line| line.starts_with("#define PV_SITE_")) {
        let site = line["#define ".len()..].split(' ').next().unwrap();
        c.push_str(&format!("\t__asm__ volatile({site} : : );\n"));
        sites += 1;
    }
    c.push_str("}\n");
    // What the rows and defaults of the sets name: functions that have a declaration, and anything else.
    for function in part(1).lines().filter_map(|line| line.strip_prefix("extern PV_CALL ")) {
        c.push_str(&format!("PV_CALL {} {{ __builtin_trap(); }}\n", function.trim_end_matches(';')));
    }
    let mut symbols: Vec<&str> = Vec::new();
    for text in [&header, &table] {
        symbols.extend(text.lines().filter(|line| line.starts_with("extern")).filter_map(|line| {
            let symbol = line.split("__asm__(\"").nth(1)?.split('"').next()?;
            (!symbol.starts_with("pv_")).then_some(symbol)
        }));
    }
    symbols.sort_unstable();
    symbols.dedup();
    for symbol in symbols {
        c.push_str(&format!("extern int symbol_{symbol} __asm__(\"{symbol}\");\nint symbol_{symbol};\n"));
    }
    c.push_str(&format!(
        "int main(int argc, char **argv)\n{{\n\
         \tunsigned sites = argc > 1 ? (unsigned)atoi(argv[1]) : 0;\n\
         \tstruct pv_report report;\n\
         \tfor (uint64_t features = 0;; features = ~(uint64_t)0) {{\n\
         \t\tif (pv_patch_with(&pv_{name}_set, features, 0, &report) || report.sites != sites) {{\n\
         \t\t\tprintf(\"%s: op %u at %p: found %02x %02x %02x, expected %02x %02x %02x; %u sites of %u\\n\",\n\
         \t\t\t       pv_status_string(report.status), report.op, report.address, report.found[0], report.found[1],\n\
         \t\t\t       report.found[2], report.expected[0], report.expected[1], report.expected[2], report.sites, sites);\n\
         \t\t\treturn 1;\n\t\t}}\n\
         \t\tif (report.rows + report.left != sites)\n\t\t\treturn 2;\n\
         \t\tif (pv_unpatch(&pv_{name}_set, &report) || report.restored != sites)\n\t\t\treturn 3;\n\
         \t\tif (features)\n\t\t\treturn 0;\n\t}}\n}}\n"
    ));

    let mut assembly = format!("#include \"{name}.h\"\n\t.text\nsites:\n");
    for line in part(2).lines().filter_map(|line| line.strip_prefix(".macro ")) {
        assembly.push_str(&format!("\t{line}\n"));
        sites += 1;
    }
    assembly.push_str("\t.section .note.GNU-stack, \"\", @progbits\n");
    (c, assembly, sites)
}
