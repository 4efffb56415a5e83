//! Turns the tables (`src/arch/*.toml`, `src/check/effects/instructions.toml`) into Rust statics, so that a compilation does
//! not begin with parsing them: that would take as long as GNU as needs for a whole run.
//!
//! A defect in a table fails the build of pvc itself, with a message that names the row.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let features: FeatureFile = read("src/arch/features.toml");
    let mut text = String::new();
    emit_features(&features, &mut text);
    emit_aliases(&features, &mut text);
    emit_providers(&features, &mut text);
    emit_levels(&features, &mut text);
    write("features.rs", &text);
    for arch in ["x86_64", "i386"] {
        let table: ArchFile = read(&format!("src/arch/{arch}.toml"));
        assert_eq!(table.name, arch, "src/arch/{arch}.toml names another arch");
        write(&format!("{arch}.rs"), &arch_table(&table));
    }
    write("instructions.rs", &instructions(&read("src/check/effects/instructions.toml")));
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    link_options();
}

/// How `pvc` itself is linked: at a fixed address and, where the C library can be had so, statically.
///
/// A command that runs for two milliseconds feels the seven thousand relocations of its tables and half a millisecond of
/// dynamic linking. `-C target-feature=+crt-static` would be the plain way, but without `--target` it applies to procedural
/// macros, too, which cannot be built with it.
fn link_options() {
    let target = |what: &str| std::env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default();
    if target("OS") != "linux" || target("ENV") != "gnu" || target("ARCH") != "x86_64" {
        return;
    }
    println!("cargo:rustc-link-arg-bins=-no-pie");
    if let Some(dir) = static_libraries() {
        println!("cargo:rustc-link-arg-bins=-static");
        println!("cargo:rustc-link-arg-bins=-L{}", dir.display());
    }
}

/// A directory of linker scripts that lead to the static library where rustc asks for a shared one (it names them behind
/// `-Bdynamic`); `None` unless all are installed.
fn static_libraries() -> Option<PathBuf> {
    let linker = std::env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let installed = |library: &str| {
        let found = Command::new(&linker).arg(format!("-print-file-name=lib{library}.a")).output().ok()?;
        // A bare name means that it was not found.
        found.stdout.contains(&b'/').then_some(())
    };
    let dir = Path::new(&std::env::var_os("OUT_DIR")?).join("static");
    std::fs::create_dir_all(&dir).ok()?;
    for (library, parts) in [
        ("gcc_s", &["gcc_eh", "gcc"][..]),
        ("c", &["c", "gcc_eh", "gcc"]),
        ("m", &["m"]),
        ("util", &["util"]),
        ("rt", &["rt"]),
        ("pthread", &["pthread"]),
        ("dl", &["dl"]),
    ] {
        parts.iter().try_for_each(|part| installed(part))?;
        let parts: String = parts.iter().map(|part| format!("-l:lib{part}.a ")).collect();
        std::fs::write(dir.join(format!("lib{library}.so")), format!("GROUP ( {parts})\n")).ok()?;
    }
    Some(dir)
}

fn write(name: &str, text: &str) {
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    std::fs::write(Path::new(&out).join(name), text).expect("OUT_DIR is writable");
}

fn read<T: for<'a> Deserialize<'a>>(path: &str) -> T {
    println!("cargo:rerun-if-changed={path}");
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `features.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeatureFile {
    features: BTreeMap<String, Feature>,
    aliases: BTreeMap<String, String>,
    levels: BTreeMap<String, Level>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feature {
    bit: String,
    #[serde(default = "no_os_support")]
    os: String,
    #[serde(default)]
    implies: Vec<String>,
    iced: Vec<String>,
}

fn no_os_support() -> String {
    "none".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    arches: Vec<String>,
    has: Vec<String>,
}

fn emit_features(file: &FeatureFile, text: &mut String) {
    text.push_str("static FEATURE_TABLE: &[(&str, FeatureInfo)] = &[\n");
    for (name, feature) in &file.features {
        let (query, answer) =
            feature.bit.split_once(':').unwrap_or_else(|| panic!("feature {name}: no `:` in its bit"));
        let (leaf, subleaf) = query.split_once('.').unwrap_or_else(|| panic!("feature {name}: no subleaf"));
        let (register, bit) = answer.split_once('.').unwrap_or_else(|| panic!("feature {name}: no bit number"));
        let bit: u8 = bit.parse().unwrap_or_else(|error| panic!("feature {name}: {error}"));
        assert!(bit < 32, "feature {name}: bit {bit}");
        writeln!(
            text,
            "    ({name:?}, FeatureInfo {{ cpuid: Cpuid {{ leaf: 0x{leaf}, subleaf: {subleaf}, register: CpuidRegister::{}, \
             bit: {bit}, os: OsSupport::{} }}, implies: &{:?}, iced: &{:?} }}),",
            capitalized(register),
            capitalized(&feature.os),
            Vec::from_iter(closure(file, std::slice::from_ref(name))),
            feature.iced,
        )
        .unwrap();
    }
    text.push_str("];\n");
}

fn emit_aliases(file: &FeatureFile, text: &mut String) {
    text.push_str("static ALIAS_TABLE: &[(&str, &str)] = &[\n");
    for (name, meant) in &file.aliases {
        assert!(!file.features.contains_key(name), "alias {name}: is a feature");
        assert!(file.features.contains_key(meant), "alias {name}: no feature is called {meant}");
        writeln!(text, "    ({name:?}, {meant:?}),").unwrap();
    }
    text.push_str("];\n");
}

/// For each of iced-x86's feature names, the features that provide it.
fn emit_providers(file: &FeatureFile, text: &mut String) {
    let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, feature) in &file.features {
        for iced in &feature.iced {
            providers.entry(iced).or_default().push(name);
        }
    }
    text.push_str("static PROVIDER_TABLE: &[(&str, &[&str])] = &[\n");
    for (iced, names) in providers {
        writeln!(text, "    ({iced:?}, &{names:?}),").unwrap();
    }
    text.push_str("];\n");
}

/// `x86_64.toml`, `i386.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchFile {
    name: String,
    bits: u32,
    arguments: Vec<String>,
    results: Vec<String>,
    caller_saved: Vec<String>,
    callee_saved: Vec<String>,
    red_zone: u32,
    direct_len: u8,
    max_site: u8,
    stub: Stub,
    kind: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stub {
    asm: Vec<String>,
    frame: Frame,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    cie: Vec<u8>,
    return_column: u8,
    rows: Vec<FrameRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FrameRow {
    at: u8,
    rules: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kind {
    name: String,
    code: u8,
    opcode: Vec<u8>,
    operand: String,
    len: Option<u8>,
    direct: Option<u8>,
}

/// A row of `instructions.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Facts {
    barrier: Option<String>,
    #[serde(default)]
    writes: Vec<String>,
    #[serde(default)]
    control: Vec<String>,
    #[serde(default)]
    ignores: Vec<String>,
    #[serde(default)]
    merges: bool,
    #[serde(default)]
    maybe: bool,
    memory: Option<String>,
    orders: Option<String>,
    older: Option<String>,
    #[serde(default)]
    harmless: bool,
    source: String,
}

fn instructions(rows: &BTreeMap<String, Facts>) -> String {
    let mut text = String::from("static INSTRUCTION_TABLE: &[(&str, Facts)] = &[\n");
    for (name, facts) in rows {
        assert!(!facts.source.is_empty(), "instruction {name}: no source");
        let memory = facts.memory.as_deref().map(capitalized);
        let memory = memory.map_or("None".to_owned(), |memory| format!("Some(Memory::{memory})"));
        let orders = facts.orders.as_deref().map(capitalized);
        let orders = orders.map_or("None".to_owned(), |orders| format!("Some(Order::{orders})"));
        writeln!(
            text,
            "    ({name:?}, Facts {{ barrier: {:?}, writes: &{:?}, control: &{:?}, ignores: &{:?}, merges: {}, maybe: {}, \
             memory: {memory}, orders: {orders}, older: {:?}, harmless: {} }}),",
            facts.barrier,
            facts.writes,
            facts.control,
            facts.ignores,
            facts.merges,
            facts.maybe,
            facts.older,
            facts.harmless
        )
        .unwrap();
    }
    text.push_str("];\n");
    text
}

fn emit_levels(file: &FeatureFile, text: &mut String) {
    text.push_str("static LEVEL_TABLE: &[(&str, Level)] = &[\n");
    for (name, level) in &file.levels {
        let arches: Vec<String> =
            level.arches.iter().map(|arch| format!("Arch::{}", arch.to_ascii_uppercase())).collect();
        let arches = arches.join(", ");
        let has = Vec::from_iter(closure(file, &level.has));
        writeln!(text, "    ({name:?}, Level {{ arches: &[{arches}], has: &{has:?} }}),").unwrap();
    }
    text.push_str("];\n");
}

/// The features of that names and levels, and all that they imply.
fn closure(file: &FeatureFile, names: &[String]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut todo = names.to_vec();
    while let Some(name) = todo.pop() {
        if let Some(level) = file.levels.get(&name) {
            todo.extend(level.has.iter().cloned());
        } else if !all.contains(&name) {
            let feature = file.features.get(&name).unwrap_or_else(|| panic!("no feature or level is called {name}"));
            todo.extend(feature.implies.iter().cloned());
            all.insert(name);
        }
    }
    all
}

fn arch_table(table: &ArchFile) -> String {
    let mut text = String::new();
    let registers = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("Register::{}", name.to_ascii_uppercase())).collect();
        format!("&[{}]", names.join(", "))
    };
    writeln!(text, "static {}: Table = Table {{", table.name.to_ascii_uppercase()).unwrap();
    writeln!(
        text,
        "    bits: {}, red_zone: {}, direct_len: {}, max_site: {},",
        table.bits, table.red_zone, table.direct_len, table.max_site
    )
    .unwrap();
    for (field, names) in [
        ("arguments", &table.arguments),
        ("results", &table.results),
        ("caller_saved", &table.caller_saved),
        ("callee_saved", &table.callee_saved),
    ] {
        writeln!(text, "    {field}: {},", registers(names)).unwrap();
    }
    let frame = &table.stub.frame;
    let rows: String = frame.rows.iter().map(|row| format!("({}, &{:?}), ", row.at, row.rules)).collect();
    writeln!(text, "    stub: &{:?},", table.stub.asm).unwrap();
    writeln!(
        text,
        "    stub_frame: Frame {{ cie: &{:?}, return_column: {}, rows: &[{rows}] }},\n    kinds: &[",
        frame.cie, frame.return_column
    )
    .unwrap();
    for kind in &table.kind {
        writeln!(
            text,
            "        Kind {{ name: {:?}, code: {}, opcode: &{:?}, operand: SiteOperand::{}, len: {:?}, direct: {:?} }},",
            kind.name,
            kind.code,
            kind.opcode,
            capitalized(&kind.operand),
            kind.len,
            kind.direct
        )
        .unwrap();
    }
    text.push_str("    ],\n};\n");
    text
}

/// `slot_rel` as `SlotRel`.
fn capitalized(name: &str) -> String {
    name.split('_').map(|part| part[..1].to_ascii_uppercase() + &part[1..]).collect()
}
