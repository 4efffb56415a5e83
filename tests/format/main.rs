//! `pvc fmt` as a library: it never changes what a text means, formatting twice changes nothing more, and the shipped
//! patch sets and the examples of the reference are formatted.

use proptest::prelude::*;
use pvc::emit::Kind;
use pvc::format::{FormatOptions, format, row_bytes};
use pvc::source::MemoryLoader;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The `.pv` files below the directories, with the directories that their includes are in.
fn sources(directories: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo: Vec<PathBuf> = directories.iter().map(|name| root().join(name)).collect();
    while let Some(directory) = todo.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                todo.push(path);
            } else if path.extension().is_some_and(|extension| extension == "pv" || extension == "inc") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The files beside `path`, so that includes work.
fn neighbours(path: &Path) -> MemoryLoader {
    let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
    let files = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (name(&path), std::fs::read(&path).unwrap())).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// The fences of the reference that hold patch sets.
fn examples() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("grammar/LANGUAGE.md")).unwrap();
    text.split("\n```pv ")
        .skip(1)
        .map(|fence| {
            let (_, rest) = fence.split_once('\n').unwrap();
            rest.split("```").next().unwrap().to_owned()
        })
        .collect()
}

/// All that a compilation tells but for lines and columns: the JSON, or the findings.
fn meaning(path: &str, text: &str, files: &MemoryLoader) -> (Value, Vec<String>) {
    let mut files = files.clone();
    files.insert(path, text);
    let compilation = pvc::compile(path, &files);
    let mut findings: Vec<String> =
        compilation.diagnostics.list().iter().map(|found| format!("{}: {}", found.code, found.message)).collect();
    findings.sort();
    let mut json = compilation.checked.map_or(Value::Null, |checked| {
        serde_json::from_str(&Kind::Json.render(&checked, &compilation.sources)).unwrap()
    });
    forget_lines(&mut json);
    (json, findings)
}

fn forget_lines(json: &mut Value) {
    match json {
        Value::Object(fields) => {
            fields.remove("line");
            fields.values_mut().for_each(forget_lines);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_lines),
        _ => {}
    }
}

/// Formats a text, and holds that against what the formatter promises. `None`: it was refused.
fn formatted(path: &str, text: &str, files: &MemoryLoader) -> Option<String> {
    let once = format(text, &FormatOptions::default()).ok()?;
    let twice = format(&once, &FormatOptions::default()).unwrap_or_else(|found| {
        panic!("the formatter's own output is refused: {:?}\n{text}\n=>\n{once}", found.list());
    });
    assert_eq!(once, twice, "formatting twice, of\n{text}");
    assert_eq!(meaning(path, text, files), meaning(path, &once, files), "of\n{text}\n=>\n{once}");
    Some(once)
}

#[test]
fn fixtures_keep_their_meaning() {
    let mut done = 0;
    for path in sources(&["patchsets", "tests", "runtime/examples"]) {
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        done += usize::from(formatted(&name(&path), &text, &neighbours(&path)).is_some());
    }
    assert!(done >= 40, "{done} files were formatted");
    let common = MemoryLoader::from_iter([("common.pv", "/// Set under Xen.\nfeature xenpv\n")]);
    let done = examples().iter().filter(|text| formatted("example.pv", text, &common).is_some()).count();
    assert!(done >= 25, "{done} examples were formatted");
}

#[test]
fn what_is_shipped_is_formatted() {
    for path in sources(&["patchsets", "runtime/examples"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(format(&text, &FormatOptions::default()).unwrap(), text, "run `pvc fmt {}`", path.display());
    }
    for text in examples() {
        let formatted = format(&text, &FormatOptions::default()).unwrap_or_else(|_| text.clone());
        assert_eq!(formatted, text, "an example of grammar/LANGUAGE.md");
    }
}

#[test]
fn bytes_are_those_of_the_reference() {
    for path in sources(&["patchsets"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        let files = neighbours(&path);
        let Ok(bytes) = row_bytes(&name(&path), &files) else { panic!("{} names no set", path.display()) };
        let options = FormatOptions { bytes };
        assert_eq!(format(&text, &options).unwrap(), text, "all bytes of {} are there", path.display());
        // Without them, with wrong ones: the same comes out.
        for spoil in [|_: &str| String::new(), |_: &str| "= 00 | 01 | 02 | zz".to_owned()] {
            let spoilt: Vec<String> = text
                .lines()
                .map(|line| match line.rsplit_once(" = ") {
                    Some((row, bytes)) if row.contains('{') => format!("{row} {}", spoil(bytes)),
                    _ => line.to_owned(),
                })
                .collect();
            let spoilt = spoilt.join("\n");
            let files = MemoryLoader::from_iter([(name(&path), spoilt.clone())]);
            let options = FormatOptions { bytes: row_bytes(&name(&path), &files).unwrap() };
            assert_eq!(format(&spoilt, &options).unwrap(), text, "{}", path.display());
        }
    }
}

/// A change of a text at one place.
fn mutation() -> impl Strategy<Value = (prop::sample::Index, usize, &'static str)> {
    let inserted = prop::sample::select(vec![
        " ",
        "   ",
        "\n",
        "\n\n\n",
        "\t",
        "\r\n",
        " // c\n",
        "// own\n",
        "/* c */",
        "# c\n",
        ";",
        ",",
        "{",
        "}",
        "(",
        ")",
        "'",
        "\"",
        "\\",
        "|",
        "&& ",
        "!",
        "/// doc\n",
        "//! doc\n",
        "\n    nop\n",
        "x86 { nop } // c\n",
        "op",
        "é",
    ]);
    (any::<prop::sample::Index>(), 0_usize..3, inserted)
}

fn base() -> Vec<(String, MemoryLoader)> {
    let directory = root().join("tests/ui/good");
    ["everything.pv", "everything.inc"]
        .into_iter()
        .map(|name| {
            let path = directory.join(name);
            (std::fs::read_to_string(&path).unwrap(), neighbours(&path))
        })
        .chain(
            examples()
                .into_iter()
                .map(|text| (text, MemoryLoader::from_iter([("common.pv", "/// Set under Xen.\nfeature xenpv\n")]))),
        )
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PVC_FORMAT_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(400),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Whatever is done to a text: what the formatter takes, it does not change.
    #[test]
    fn mutants_keep_their_meaning(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(mutation(), 1..6),
    ) {
        let base = base();
        let (text, files) = which.get(&base);
        let mut text = text.clone();
        for (place, removed, inserted) in changes {
            let mut at = place.index(text.len() + 1);
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + removed).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, inserted);
        }
        formatted("mutant.pv", &text, files);
    }

    /// The same, where only the layout is spoilt: nothing is refused, and the result is that of the unspoilt text.
    #[test]
    fn layout_does_not_matter(
        which in any::<prop::sample::Index>(),
        blanks in prop::collection::vec((any::<prop::sample::Index>(), 1_usize..4), 1..40),
    ) {
        let base = base();
        let (text, files) = which.get(&base);
        let Some(expected) = formatted("layout.pv", text, files) else { return Ok(()) };
        let mut text = expected.clone();
        for (place, count) in blanks {
            // At line ends, and in the runs that align columns.
            let places: Vec<usize> = text
                .match_indices('\n')
                .map(|(at, _)| at)
                .chain(text.match_indices("  ").map(|(at, _)| at).filter(|at| !in_text(&text, *at)))
                .collect();
            text.insert_str(*place.get(&places), &" ".repeat(count));
        }
        prop_assert_eq!(format(&text, &FormatOptions::default()).ok(), Some(expected));
    }
}

/// Whether a place lies in a comment or on a line of a longer asm body, where spaces are the author's.
fn in_text(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    let rest = text[at..].split('\n').next().unwrap_or_default();
    line.contains("//")
        || line.contains('#')
        || line.starts_with("        ")
        || rest.trim_start().starts_with("   ")
        || line.trim().is_empty() && !rest.trim_start().starts_with("x86")
}
