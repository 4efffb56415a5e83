//! Every site macro of every shipped set, in C and in assembly: its bytes are what the runtime takes for the original,
//! and every row goes into it and out again. Nothing of it is executed, so privileged ops take part; static branches are asked.

use crate::build::{COMPILERS, Setup, Tables, run, set, succeed};
use crate::warnings::{has_arch, sets, wrappers};
use object::{Object, ObjectSymbol};
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
            let units = units(&tables, arch);
            assert!(units.sites > 0);
            let sources = [tables.write("sites.c", &units.c), tables.write("sites_asm.S", &units.assembly)];
            let counts = [units.sites, units.branch_sites].map(|count| count.to_string());
            for compiler in COMPILERS {
                let setup = Setup::new(compiler, mode).and(&["-O1", "-mno-red-zone", "-DPV_ALLOW_RED_ZONE"]);
                let program = setup.program(&tables, "sites", &sources);
                run(&program, &counts.each_ref().map(String::as_str), &setup);
            }
        }
    }
}

/// A C and an assembly unit that use every macro and every wrapper once (macros of static branches with either length), and
/// what they have of sites.
struct Units {
    c: String,
    assembly: String,
    sites: usize,
    branch_sites: usize,
}

fn units(tables: &Tables, arch: Arch) -> Units {
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
    let branches: Vec<&str> = {
        let id = format!("\tPV_{}_BRANCH_", name.to_uppercase());
        header.lines().filter_map(|line| line.strip_prefix(&id)?.split(' ').next()).collect()
    };
    let (mut sites, mut branch_sites, mut questions) = (0, 0, String::new());
    for wrapper in wrappers(tables, arch) {
        c.push_str(&format!(
            "extern __typeof__(&{wrapper}) use_{wrapper};\n__typeof__(&{wrapper}) use_{wrapper} = {wrapper};\n"
        ));
        if let Some(branch) = branches.iter().find(|branch| wrapper == format!("pv_{name}_branch_{branch}")) {
            let id = format!("PV_{}_BRANCH_{branch}", name.to_uppercase());
            questions.push_str(&format!(
                "\tif (use_{wrapper}() != (pv_{name}_set.branches[{id}].initial ^ switched))\n\t\texit(10 + {id});\n"
            ));
            branch_sites += 1;
        } else {
            sites += 1;
        }
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
        "static void ask(unsigned switched)\n{{\n\t(void)switched;\n{questions}}}\n\
         static void want(unsigned switched)\n{{\n\
         \tfor (unsigned branch = 0; branch < pv_{name}_set.nbranches; branch++)\n\
         \t\tpv_want_branch(&pv_{name}_set, branch, pv_{name}_set.branches[branch].initial ^ switched);\n}}\n\
         int main(int argc, char **argv)\n{{\n\
         \tunsigned sites = argc > 1 ? (unsigned)atoi(argv[1]) : 0;\n\
         \tunsigned branch_sites = argc > 2 ? (unsigned)atoi(argv[2]) : 0;\n\
         \tstruct pv_report report;\n\
         \tfor (uint64_t features = 0;; features = ~(uint64_t)0) {{\n\
         \t\tif (pv_patch_with(&pv_{name}_set, features, 0, &report) || report.sites != sites) {{\n\
         \t\t\tprintf(\"%s: op %u at %p: found %02x %02x %02x, expected %02x %02x %02x; %u sites of %u\\n\",\n\
         \t\t\t       pv_status_string(report.status), report.op, report.address, report.found[0], report.found[1],\n\
         \t\t\t       report.found[2], report.expected[0], report.expected[1], report.expected[2], report.sites, sites);\n\
         \t\t\treturn 1;\n\t\t}}\n\
         \t\tif (report.rows + report.left != sites)\n\t\t\treturn 2;\n\
         \t\tif (report.branch_sites != branch_sites || report.branches_unchanged != branch_sites || report.jumps)\n\
         \t\t\treturn 4;\n\t\task(0);\n\t\twant(1);\n\
         \t\tif (pv_patch_with(&pv_{name}_set, features, PV_BRANCHES_ONLY, &report) || report.jumps != branch_sites)\n\
         \t\t\treturn 5;\n\t\task(1);\n\
         \t\tif (pv_unpatch(&pv_{name}_set, &report) || report.restored != sites || report.jumps)\n\t\t\treturn 3;\n\
         \t\task(0);\n\t\twant(0);\n\
         \t\tif (features)\n\t\t\treturn 0;\n\t}}\n}}\n"
    ));

    let mut assembly = format!("#include \"{name}.h\"\n\t.text\nsites:\n");
    for line in part(2).lines().filter_map(|line| line.strip_prefix(".macro ")) {
        let macro_name = line.split(' ').next().unwrap();
        if macro_name.starts_with("PV_BRANCH_") {
            assembly.push_str(&format!("\t{macro_name} 1f\n\t{macro_name} 1f, 2\n1:\n"));
            branch_sites += 2;
        } else if macro_name.starts_with("PV_SITE_") {
            assembly.push_str(&format!("\t{line}\n"));
            sites += 1;
        }
    }
    assembly.push_str("\t.section .note.GNU-stack, \"\", @progbits\n");
    Units { c, assembly, sites, branch_sites }
}

/// A compiler that took the lines of a site for its size would not inline what contains one.
#[test]
fn functions_with_sites_are_inlined() {
    let tables = Tables::of("inlined", &set("demo.pv"));
    let source = tables.dir.join("inlined.c");
    let uses: Vec<String> = (0..8).map(|n| format!("scaled(a, {n})")).collect();
    let text = format!(
        "#include \"demo.h\"\n\
         static unsigned long scaled(unsigned long a, unsigned long b) {{ return pv_demo_do_add(a, b) * 3 + 1; }}\n\
         unsigned long sum(unsigned long a) {{ return {}; }}\n",
        uses.join(" + ")
    );
    std::fs::write(&source, text).unwrap();
    for compiler in COMPILERS {
        let object = source.with_extension("o");
        succeed(Setup::new(compiler, &["-m64", "-O2", "-c"]).command(&tables).arg(&source).arg("-o").arg(&object));
        let data = std::fs::read(object).unwrap();
        let file = object::File::parse(&*data).unwrap();
        let names: Vec<&str> = file.symbols().filter_map(|symbol| symbol.name().ok()).collect();
        assert!(names.contains(&"sum") && !names.contains(&"scaled"), "{compiler}: {names:?}");
    }
}
