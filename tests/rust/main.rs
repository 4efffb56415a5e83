//! The Rust output with real tools: rustc at several levels, LTO, every edition, clippy, four linkers; and what comes out is
//! run: before patching, patched with the ops structure poisoned, with backends, and put back.

mod freestanding;
mod plugins;
mod shared;
mod toolchain;

use libtest_mimic::{Arguments, Failed, Trial};
use pvc::emit::Kind;
use std::path::PathBuf;
use std::process::Command;
use toolchain::{Config, compile, generate, root, run, runtime, scratch, shapes};

const BFD: &[&str] = &["-Clink-arg=-fuse-ld=bfd"];
const BFD_GC: &[&str] = &["-Clink-arg=-fuse-ld=bfd", "-Clink-arg=-Wl,-z,start-stop-gc"];
const LLD: &[&str] = &["-Clinker=clang-19", "-Clink-arg=--ld-path=/usr/bin/ld.lld-19"];

const fn config(
    name: &'static str,
    codegen: &'static [&'static str],
    link: &'static [&'static str],
    edition: &'static str,
) -> Config {
    Config { name, codegen, link, edition }
}

/// Ways to compile.
const CODEGEN: &[Config] = &[
    config("O0", &["-Copt-level=0"], &[], "2024"),
    config("O3", &["-Copt-level=3"], &[], "2021"),
    config("Os", &["-Copt-level=s"], &[], "2018"),
    config("O3-1unit", &["-Copt-level=3", "-Ccodegen-units=1"], &[], "2018"),
    config("O1-64units", &["-Copt-level=1", "-Ccodegen-units=64"], &[], "2024"),
    config("O3-fatlto", &["-Copt-level=3"], &["-Clto=fat"], "2024"),
    config("O2-thinlto", &["-Copt-level=2"], &["-Clto=thin"], "2021"),
];

/// Without the cfg that allows sites of 2 bytes.
const LONG: &[Config] = &[
    config("O0-long", &["-Copt-level=0"], &[], "2024"),
    config("O3-long", &["-Copt-level=3"], &[], "2021"),
    config("O3-fatlto-long", &["-Copt-level=3"], &["-Clto=fat"], "2024"),
];

/// Ways to link; rustc's own default is its copy of lld.
const LINKERS: &[Config] = &[
    config("rustlld-pie", &["-Copt-level=1"], &[], "2024"),
    config("rustlld-static", &["-Copt-level=1"], &["-Crelocation-model=static"], "2024"),
    config("bfd-pie", &["-Copt-level=1"], BFD, "2024"),
    config("bfd-static", &["-Copt-level=1"], &["-Clink-arg=-fuse-ld=bfd", "-Crelocation-model=static"], "2024"),
    config("bfd-gc-pie", &["-Copt-level=1"], BFD_GC, "2024"),
    config("lld-pie", &["-Copt-level=1"], LLD, "2024"),
    config(
        "lld-static",
        &["-Copt-level=1"],
        &["-Clinker=clang-19", "-Clink-arg=--ld-path=/usr/bin/ld.lld-19", "-Crelocation-model=static"],
        "2024",
    ),
];

fn execute(program: &str, config: &Config, args: &[&str]) -> Result<(), Failed> {
    let executable = compile(program, config, &shapes()?)?;
    let bytes = std::fs::read(&executable)?;
    let by_lld = bytes.windows(4).any(|window| window == b"LLD ");
    if by_lld == config.name.starts_with("bfd") {
        return Err(format!("{} was linked by another linker", executable.display()).into());
    }
    run(Command::new(&executable).args(args))?;
    Ok(())
}

/// All shipped sets and the tests' own, as libraries.
fn clippy(set: &str, edition: &str) -> Result<(), Failed> {
    let source = match set {
        "shapes" => root().join("tests/rust/shapes.pv"),
        "switches" => root().join("tests/c/sets/switches.pv"),
        _ => root().join(format!("patchsets/{set}.pv")),
    };
    let directory = scratch(&format!("clippy-{set}-{edition}"));
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("set.rs"), generate(&source, Kind::Rust)?)?;
    let lints = "#![deny(warnings, missing_docs, clippy::all, clippy::undocumented_unsafe_blocks)]";
    let library = directory.join("lib.rs");
    std::fs::write(&library, format!("//! A library.\n{lints}\ninclude!(\"set.rs\");\n"))?;
    let runtime = format!("--extern=pvc_runtime={}", runtime(&["-Copt-level=0"])?.display());
    let common = ["--edition", edition, "--crate-type=lib", "--crate-name=library"];
    run(Command::new("clippy-driver")
        .args(common)
        .args(["--emit=metadata", &runtime])
        .arg(&library)
        .arg("--out-dir")
        .arg(&directory))?;
    run(Command::new("rustc")
        .args(common)
        .args(["--emit=obj", &runtime])
        .arg(&library)
        .arg("--out-dir")
        .arg(&directory))?;
    run(Command::new("rustdoc")
        .args(["--edition", edition, "--crate-name=library", &runtime])
        .arg(&library)
        .arg("--out-dir")
        .arg(directory.join("doc")))?;
    Ok(())
}

/// The usual side of a static branch runs straight to its `ret` over one NOP.
fn out_of_line() -> Result<(), Failed> {
    let executable = compile("switches", &config("O2", &["-Copt-level=2"], &[], "2024"), &shapes()?)?;
    let shown = run(Command::new("objdump").args(["-d", "--no-show-raw-insn"]).arg(&executable))?;
    for function in ["hot_path", "offload_path"] {
        let head = format!(" <{function}>:");
        let code: Vec<&str> = shown
            .lines()
            .skip_while(|line| !line.ends_with(&head))
            .skip(1)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| Some(line.split_once('\t')?.1.trim()))
            .collect();
        let usual: Vec<&&str> = code.iter().take_while(|line| !line.starts_with("ret")).collect();
        let nops = usual.iter().filter(|line| line.starts_with("nop") || line.starts_with("xchg")).count();
        let others = usual.iter().filter(|line| line.starts_with(['j']) || line.starts_with("call")).count();
        // The alignment of a live site may take one more.
        if usual.len() == code.len() || others > 0 || !(1..=2).contains(&nops) {
            return Err(format!("{function} is {code:#?}").into());
        }
    }
    Ok(())
}

fn one_page() -> Result<(), Failed> {
    let flags = &["-Copt-level=0", "-Cpanic=abort"];
    let link = &[
        "-Crelocation-model=static",
        "-Clink-args=-nostartfiles -nostdlib -static -fuse-ld=bfd -Wl,--sort-section=name",
    ];
    let executable = compile("one_page", &config("O0", flags, link, "2024"), &shapes()?)?;
    run(&mut Command::new(executable))?;
    Ok(())
}

/// The example, built by cargo with its build script: it works on after every slot became a trap.
fn example() -> Result<(), Failed> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = run(Command::new(cargo).current_dir(root()).args(["run", "--quiet", "-p", "userspace-rust"]))?;
    let after = output.split("after:").nth(1).ok_or("shows no sites after patching")?;
    for wanted in ["sfence", "pause", "traced: the sum is 76", "every slot of the ops structure is a trap now"] {
        if !after.contains(wanted) {
            return Err(format!("no `{wanted}` in\n{output}").into());
        }
    }
    if after.contains("call") && std::is_x86_feature_detected!("popcnt") {
        return Err(format!("a call is left in\n{output}").into());
    }
    Ok(())
}

/// A copy of the generated file, changed.
fn changed(name: &str, change: impl Fn(&str) -> String) -> Result<PathBuf, Failed> {
    let directory = scratch(name);
    std::fs::create_dir_all(&directory)?;
    let text = std::fs::read_to_string(shapes()?.join("shapes.rs"))?;
    std::fs::write(directory.join("shapes.rs"), change(&text))?;
    Ok(directory)
}

fn does_not_link(directory: &std::path::Path, because: &str) -> Result<(), Failed> {
    match compile("zero", &CODEGEN[0], directory) {
        Ok(_) => Err("links".into()),
        Err(said) if said.contains(because) => Ok(()),
        Err(said) => Err(said.into()),
    }
}

/// Sites that were compiled against another contract.
fn stale_sites_do_not_link() -> Result<(), Failed> {
    let directory = changed("stale-contract", |text| {
        let stale = text.replace(".long pv_shapes_contract_", ".long pv_shapes_contract_0");
        assert_ne!(stale, text);
        // A site, so that something refers to the symbol.
        stale + "\n#[unsafe(no_mangle)]\npub fn a_site() -> usize { shapes::word::add(1, 2) }\n"
    })?;
    match compile("many", &CODEGEN[0], &directory) {
        Ok(_) => Err("links".into()),
        Err(said) if said.contains("undefined") && said.contains("pv_shapes_contract_0") => Ok(()),
        Err(said) => Err(said.into()),
    }
}

/// The table twice in one program.
fn two_tables_do_not_link() -> Result<(), Failed> {
    let directory = changed("two-tables", |text| {
        let again = text.replace("pub mod shapes {", "pub mod again {");
        let table = again.find("#[cfg(not(all(target_arch").expect("the guard");
        format!("{text}\n{}", &again[table..])
    })?;
    does_not_link(&directory, "already defined")
}

/// The guard against other arches; a compiler for one is not at hand, so the guard is turned round.
fn other_arches_are_refused() -> Result<(), Failed> {
    let directory =
        changed("other-arch", |text| text.replace("target_arch = \"x86_64\"", "target_arch = \"aarch64\""))?;
    does_not_link(&directory, "patch set `shapes` was generated for x86_64")
}

fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    let mut add = |name: String, test: Box<dyn FnOnce() -> Result<(), Failed> + Send>| {
        trials.push(Trial::test(name, test));
    };
    let sets = std::fs::read_dir(root().join("patchsets")).expect("the shipped sets");
    let mut sets: Vec<String> = sets
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pv"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    sets.sort();
    sets.extend(["shapes", "switches"].map(str::to_owned));
    for set in sets {
        for edition in if set == "shapes" { &["2018", "2021", "2024"][..] } else { &["2024"] } {
            let set = set.clone();
            add(format!("clippy/{set}/{edition}"), Box::new(move || clippy(&set, edition)));
        }
    }
    for config in CODEGEN.iter().chain(LINKERS) {
        add(format!("shapes/{}", config.name), Box::new(|| execute("shapes", config, &[])));
        let far: &[&str] = if config.name.starts_with("O3") { &["far"] } else { &[] };
        add(format!("switches/{}", config.name), Box::new(move || execute("switches", config, far)));
    }
    for config in LINKERS {
        add(format!("zero/{}", config.name), Box::new(|| execute("zero", config, &[])));
        // GNU ld keeps the records of dropped functions unless told otherwise; they do no harm.
        let sites =
            if config.name.starts_with("bfd") && !config.name.contains("gc") { "3000-3020" } else { "3000-3000" };
        add(format!("many/{}", config.name), Box::new(move || execute("many", config, &[sites])));
    }
    for config in [&CODEGEN[0], &CODEGEN[1], &CODEGEN[2], &CODEGEN[5]] {
        add(format!("leaf/{}", config.name), Box::new(|| execute("leaf", config, &[])));
    }
    for failure in ["plain", "foreign", "mdwe", "nothing", "far"] {
        for config in &CODEGEN[..2] {
            add(format!("failures/{failure}/{}", config.name), Box::new(|| execute("failures", config, &[failure])));
        }
    }
    for config in [&CODEGEN[0], &CODEGEN[1], &LONG[1]] {
        add(format!("switches/live/{}", config.name), Box::new(|| execute("switches", config, &["live"])));
    }
    for config in LONG {
        add(format!("switches/{}", config.name), Box::new(|| execute("switches", config, &["long"])));
    }
    add("switches/out_of_line".to_owned(), Box::new(out_of_line));
    for first in ["c", "rust"] {
        add(format!("one_lock/{first}_first"), Box::new(move || shared::one_lock(first)));
    }
    add("plugins/arrive_and_leave".to_owned(), Box::new(plugins::arrive_and_leave));
    add("example".to_owned(), Box::new(example));
    add("one_page/O0".to_owned(), Box::new(one_page));
    add("freestanding/kernel".to_owned(), Box::new(freestanding::kernel));
    add("freestanding/user".to_owned(), Box::new(freestanding::user));
    add("contract/stale_sites_do_not_link".to_owned(), Box::new(stale_sites_do_not_link));
    add("contract/two_tables_do_not_link".to_owned(), Box::new(two_tables_do_not_link));
    add("other_arches_are_refused".to_owned(), Box::new(other_arches_are_refused));
    trials
}

fn main() {
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials());
    toolchain::clean();
    conclusion.exit();
}
