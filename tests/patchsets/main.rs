//! The shipped patch sets against GNU as, and against the byte tables that Linux had.

use pvc::arch::Arch;
use pvc::check::CheckedRow;
use pvc::source::{DiskLoader, Loader, MemoryLoader};
use pvc_tests::gas;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("patchsets")
}

/// Every shipped patch set: the `.pv` files that have a `patchset` block of their own.
fn shipped() -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pv"))
        .filter(|path| std::fs::read_to_string(path).unwrap().lines().any(|line| line.starts_with("patchset ")))
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    files.sort();
    assert!(files.len() >= 7, "{files:?}");
    files
}

/// The rows of a set, with the names of their ops.
fn rows(path: &str, loader: &dyn Loader) -> Vec<(String, Arch, CheckedRow)> {
    let compilation = pvc::compile(path, loader);
    let text = pvc::diagnostics::render(&compilation.diagnostics, &compilation.sources, pvc::diagnostics::Color::Never);
    assert_eq!(text, "", "a shipped patch set has no finding");
    let checked = compilation.checked.unwrap();
    let ops = &checked.unit().ops;
    ops.iter()
        .flat_map(|op| {
            op.contracts
                .iter()
                .flat_map(|contract| contract.rows.iter().map(|row| (op.name.clone(), contract.arch, row.clone())))
        })
        .collect()
}

#[test]
fn gnu_as_gives_the_same_bytes() {
    for path in shipped() {
        for arch in Arch::ALL {
            let rows: Vec<_> = rows(&path, &DiskLoader).into_iter().filter(|(_, on, _)| *on == arch).collect();
            let texts: Vec<&str> = rows.iter().map(|(_, _, row)| row.row.asm.text.as_str()).collect();
            let expected = gas::assemble(arch.bits(), &texts);
            for ((op, _, row), expected) in rows.iter().zip(expected) {
                assert_eq!(row.code.bytes, expected, "{path}: {op} on {}: {}", arch.name(), row.row.asm.text);
            }
        }
    }
}

/// The rows of a kernel's table: op and arch to bytes.
fn table(kernels: &[&str]) -> BTreeMap<(String, &'static str), Vec<u8>> {
    let text = include_str!("../data/paravirt_bytes.tsv");
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        if !kernels.iter().any(|kernel| fields[0].starts_with(kernel)) {
            continue;
        }
        let arch = Arch::ALL.into_iter().find(|arch| arch.name() == fields[1]).unwrap();
        let bytes = fields[4].split(' ').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        // "mov64 (ident_64)" is the op mov64.
        let op = fields[2].split(' ').next().unwrap().to_owned();
        rows.insert((op, arch.name()), bytes);
    }
    rows
}

/// The bytes of a set's rows by op and arch; an op that has several rows on an arch is not of a kernel's table.
fn by_op(rows: Vec<(String, Arch, CheckedRow)>) -> BTreeMap<(String, &'static str), Vec<u8>> {
    rows.into_iter().map(|(op, arch, row)| ((op, arch.name()), row.code.bytes)).collect()
}

#[test]
fn kernel_tables_are_whole() {
    let sets: &[(&str, &[&str])] = &[
        ("linux-4.1.pv", &["<=v4.1"]),
        ("linux-4.2.pv", &["v4.2"]),
        ("linux-4.9.pv", &["v4.5"]),
        ("linux-5.2.pv", &["v5.2"]),
        ("x86_64.pv", &["v5.3"]),
    ];
    for (file, kernels) in sets {
        let path = directory().join(file);
        assert_eq!(by_op(rows(path.to_str().unwrap(), &DiskLoader)), table(kernels), "{file}");
    }
}

#[test]
fn linux_6_1_has_its_ten_replacements() {
    let path = directory().join("linux-6.1.pv");
    let mut table = table(&["v5.18..v6.7"]);
    // One line of the table stands for ten ops.
    let identity = table.remove(&("mmu.{make,val}_{pte,pgd,pmd,pud,p4d}".to_owned(), "x86_64")).unwrap();
    for level in ["pte", "pgd", "pmd", "pud", "p4d"] {
        table.insert((format!("mmu.make_{level}"), "x86_64"), identity.clone());
        table.insert((format!("mmu.{level}_val"), "x86_64"), identity.clone());
    }
    let rows = by_op(rows(path.to_str().unwrap(), &DiskLoader));
    assert_eq!(rows, table);
    let mut distinct: Vec<_> = rows.iter().filter(|((_, arch), _)| *arch == "x86_64").map(|(_, bytes)| bytes).collect();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 10);
}

#[test]
fn bytes_do_not_come_from_the_bytes_column() {
    for path in shipped() {
        let mut bare = MemoryLoader::default();
        for (name, text) in std::fs::read_dir(directory()).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            (path.to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap())
        }) {
            let lines: Vec<&str> = text
                .lines()
                .map(|line| match line.rsplit_once("} ") {
                    Some((row, bytes)) if bytes.trim_start().starts_with('=') => &line[..row.len() + 1],
                    _ => line,
                })
                .collect();
            bare.insert(name, lines.join("\n"));
        }
        let with = rows(&path, &DiskLoader);
        let without = rows(&path, &bare);
        assert!(with.iter().any(|(_, _, row)| row.row.expected.is_some()));
        assert!(without.iter().all(|(_, _, row)| row.row.expected.is_none()));
        assert_eq!(by_op(with), by_op(without));
    }
}
