//! No text makes the front end panic, hang, or point outside of a file.

use proptest::prelude::*;
use pvc::diagnostics::{Applicability, Code, Color, Diagnostics, Levels, render};
use pvc::source::{Loader, MAX_FILE, MemoryLoader, SourceMap};
use pvc::syntax::{MAX_ITEM, MAX_LINE};
use pvc::{Mended, compile, mend, resolve, syntax};
use std::sync::LazyLock;
use std::time::Duration;

/// A text that uses most of the language.
const WHOLE: &str = include_str!("good/everything.pv");
const INCLUDED: &str = include_str!("good/everything.inc");

/// Parses and resolves; returns the codes that were found.
fn front(text: &[u8]) -> Vec<Code> {
    through(&MemoryLoader::from_iter([("a.pv", text), ("everything.inc", INCLUDED.as_bytes())]))
}

fn through(loader: &dyn Loader) -> Vec<Code> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let ast = syntax::parse("a.pv", loader, &mut sources, &mut diagnostics);
    let resolved = resolve::resolve(&ast, &sources, &mut diagnostics);
    resolve::apply_allows(&ast, &sources, &mut diagnostics);
    diagnostics.sort();
    for found in diagnostics.list() {
        let labels = std::iter::once(&found.primary).chain(&found.secondary);
        for span in labels.map(|label| label.span).chain(found.fix.as_ref().map(|fix| fix.span)) {
            let text = &sources.file(span.file).text;
            assert!(text.get(span.range()).is_some(), "{span:?} is no place in {text:?}: {found:?}");
        }
    }
    if let Some(resolved) = resolved {
        for row in resolved.ops.iter().flat_map(|op| &op.contracts).flat_map(|contract| &contract.rows) {
            for at in (0..=row.asm.text.len()).filter(|&at| row.asm.text.is_char_boundary(at)) {
                let span = row.asm.source_span(at..row.asm.text.len());
                assert!(row.asm.span.start <= span.start && span.end <= row.asm.span.end, "{:?}", row.asm);
            }
        }
    }
    let _ = render(&diagnostics, &sources, Color::Never);
    diagnostics.list().iter().map(|found| found.code).collect()
}

/// The time that this thread has run: other than the clock's, it does not depend on what else the machine does.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells the time that a thread ran");
    let nanos = text.split(' ').next().and_then(|first| first.parse().ok()).expect("its first number is nanoseconds");
    Duration::from_nanos(nanos)
}

/// Runs the front end and fails if it takes longer than there is any good reason for.
fn quickly(name: &str, text: &[u8]) -> Vec<Code> {
    let start = cpu_time();
    let codes = front(text);
    let took = cpu_time() - start;
    assert!(took < Duration::from_secs(15), "{name}: {} bytes took {took:?}", text.len());
    codes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        front(&bytes);
    }

    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..120)) {
        front(tokens.concat().as_bytes());
    }

    /// One place of a good text is changed: cut off there, something inserted, or a stretch dropped.
    #[test]
    fn damaged_text(
        at in 0..WHOLE.len(),
        drop in 0_usize..60,
        insert in prop::sample::select(TOKENS),
        cut in any::<bool>(),
    ) {
        let bytes = WHOLE.as_bytes();
        let mut text = bytes[..at].to_vec();
        text.extend(insert.as_bytes());
        if !cut {
            text.extend(&bytes[(at + drop).min(bytes.len())..]);
        }
        front(&text);
    }

    /// Lines in another order, some twice.
    #[test]
    fn shuffled_lines(picks in prop::collection::vec(any::<prop::sample::Index>(), 0..60)) {
        let lines: Vec<&str> = WHOLE.split_inclusive('\n').collect();
        let text: String = picks.iter().map(|pick| lines[pick.index(lines.len())]).collect();
        front(text.as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Machine fixes of a damaged text come to an end, and what they lead to is not mended again.
    #[test]
    fn mended_text(at in 0..WHOLE.len(), drop in 0_usize..40, insert in prop::sample::select(TOKENS)) {
        let bytes = WHOLE.as_bytes();
        let text = [&bytes[..at], insert.as_bytes(), &bytes[(at + drop).min(bytes.len())..]].concat();
        let files = MemoryLoader::from_iter([("a.pv", text), ("everything.inc", INCLUDED.as_bytes().to_vec())]);
        let unreadable = |mended: &Mended| {
            mended.compilation.diagnostics.list().iter().filter(|found| found.code.0 < 200).count()
        };
        let plain = compile("a.pv", &files);
        let mended = mend("a.pv", &files, &Levels::default(), Applicability::Maybe);
        prop_assert!(unreadable(&mended) <= plain.diagnostics.list().iter().filter(|found| found.code.0 < 200).count());
        let mut after = files.clone();
        mended.files.iter().for_each(|(path, text)| after.insert(path.clone(), text.clone()));
        let again = mend("a.pv", &after, &Levels::default(), Applicability::Maybe);
        prop_assert!(again.files.is_empty(), "{:?}\n{:?}\n{:?}", mended.applied, again.applied, again.files);
    }
}

/// How many times as long as usual the campaign of [`whole_compilation`] is: `PVC_FUZZ=1000`.
fn campaign() -> u32 {
    std::env::var("PVC_FUZZ").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// All fixtures: sound and faulty ones, of every kind of finding.
static FIXTURES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = |name: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let folders = ["ui/good", "ui/bad", "bugs", "../patchsets"].map(folder);
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("the fixtures can be listed"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let texts = paths.iter().filter(|path| path.extension().is_some_and(|extension| extension == "pv"));
    texts
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .filter(|text| (1..16 << 10).contains(&text.len()))
        .collect()
});

/// Words to replace others by.
static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let words = FIXTURES.iter().flat_map(|text| text.split_inclusive([' ', '\n']));
    TOKENS.iter().copied().chain(words).collect()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 200 * campaign(), failure_persistence: None, ..ProptestConfig::default() })]

    /// The whole compiler on fixtures with some of their words replaced by others: of the language, of other fixtures.
    #[test]
    fn whole_compilation(
        file in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_u8..4), 1..6),
    ) {
        let mut words: Vec<&str> = file.get(&FIXTURES[..]).split_inclusive([' ', '\n']).collect();
        for (at, other_place, kind) in &changes {
            let place = at.index(words.len());
            let other = *other_place.get(&WORDS[..]);
            match kind {
                0 => words[place] = other,
                1 => words.insert(place, other),
                2 if words.len() > 1 => drop(words.remove(place)),
                _ => {
                    let second = other_place.index(words.len());
                    words.swap(place, second);
                }
            }
        }
        let text = words.concat();
        let files = MemoryLoader::from_iter([("a.pv", text.as_bytes()), ("everything.inc", INCLUDED.as_bytes())]);
        let start = cpu_time();
        let compilation = compile("a.pv", &files);
        let _ = render(&compilation.diagnostics, &compilation.sources, Color::Never);
        prop_assert_eq!(compilation.checked.is_none(), compilation.diagnostics.has_errors());
        let took = cpu_time() - start;
        prop_assert!(took < Duration::from_secs(20), "{took:?}");
    }
}

const TOKENS: &[&str] = &[
    "patchset ",
    "t ",
    "{",
    "}",
    "(",
    ")",
    "\n",
    "\r\n",
    "\n\n",
    " ",
    "\t",
    ",",
    ";",
    ":",
    "->",
    "!",
    "=",
    "|",
    "&&",
    "||",
    "&",
    "op ",
    "feature ",
    "include ",
    "branch ",
    "\"",
    "'",
    "\\",
    "/",
    "//",
    "///",
    "//!",
    "/*",
    "*/",
    "#",
    "arch ",
    "x86_64",
    "i386",
    "x86",
    "abi ",
    "kernel",
    "user",
    "baseline ",
    "site ",
    "call.mem",
    "nop(5)",
    "inline",
    "clobbers ",
    "rax",
    "eax",
    "flags",
    "barrier",
    "caller_saved",
    "none",
    "preserves ",
    "default ",
    "allow(",
    "PV0504",
    "live",
    "nocall",
    "partial",
    "when ",
    "identity",
    "sse2",
    "avx",
    "xenpv",
    "a.b",
    "x: word",
    "in ",
    "u64",
    "{x}",
    "{z}",
    "{%k1}",
    "cli",
    "pop %rax",
    "= fa",
    "90",
    "??",
    "0x90",
    "$'",
    "é",
    "\u{a0}",
    "\u{feff}",
    "\0",
];

#[test]
fn the_whole_text_is_good() {
    assert_eq!(front(WHOLE.as_bytes()), []);
}

#[test]
fn big_and_deep_input_ends_in_an_error() {
    let head = "patchset t { arch x86_64 }\n";
    let op = |body: &str| format!("{head}op a() {{\n{body}\n}}\n").into_bytes();
    let many = |text: &str, bytes: usize| text.repeat(bytes / text.len());
    // Enough for a quadratic step to take minutes.
    const LONG: usize = 128 << 10;
    assert_eq!(quickly("one line", &many("a", 100 << 20).into_bytes()), [Code::LIMIT]);
    assert_eq!(quickly("a long line", &op(&many("clobbers a, ", MAX_LINE + 12))), [Code::LIMIT]);
    assert_eq!(quickly("a long item", &op(&many("// x\n", MAX_ITEM))), [Code::LIMIT]);
    let cases: [(&str, Vec<u8>); 14] = [
        ("open braces", op(&many("{", 8000))),
        ("lines of open braces", op(&many("{\n", LONG))),
        ("close braces", many("}\n", LONG).into_bytes()),
        ("parentheses", op(&format!("x86_64 when {} {{ nop }}", many("(", 8000)))),
        ("nots", op(&format!("x86_64 when {} {{ nop }}", many("!", 4000)))),
        ("long condition", op(&format!("x86_64 when {}a {{ nop }}", many("(a ||\n", LONG)))),
        ("clauses that are none", op(&many("x\n", LONG))),
        ("items that are none", many("x\n", LONG).into_bytes()),
        ("empty ops", many("op a\n", LONG).into_bytes()),
        ("features", many("feature a\n", LONG).into_bytes()),
        ("rows", op(&many("x86_64{}\n", LONG))),
        ("strings", op(&many("x86_64 { \"\n", LONG))),
        ("parameters", format!("{head}op a({}) {{\n x86_64 {{ nop }}\n}}\n", many("b: word,\n", LONG)).into_bytes()),
        ("comments", format!("{head}{}", many("///\n", 4 * LONG)).into_bytes()),
    ];
    for (name, text) in cases {
        let codes = quickly(name, &text);
        assert!(!codes.is_empty(), "{name}");
    }
}

#[test]
fn many_good_ops_take_time_in_proportion() {
    let text = |ops: usize| {
        let mut text = String::from("patchset t { arch x86_64 }\n");
        for number in 0..ops {
            text += &format!(
                "op family.op{number}(x: word) {{\n    clobbers memory\n    x86_64 {{ mov $0, ({{x}}) }}\n}}\n"
            );
        }
        text.into_bytes()
    };
    let time = |text: &[u8]| {
        let start = cpu_time();
        assert_eq!(front(text), []);
        cpu_time() - start
    };
    let (small, large) = (text(1000), text(16_000));
    time(&small);
    let (small, large) = (time(&small), time(&large));
    assert!(large < small * 64, "16 times the text took {large:?} against {small:?}");
}

#[test]
fn too_many_ops_are_an_error() {
    let mut text = String::from("patchset t { arch x86_64 }\n");
    for number in 0..resolve::MAX_OPS + 10 {
        text += &format!("op a{number}(){{x86_64{{nop}}}}\n");
    }
    assert_eq!(front(text.as_bytes()), [Code::LIMIT]);
}

/// Files that each include the next.
struct Endless;

impl Loader for Endless {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        Ok(format!("include \"x{path}\"\n").into_bytes())
    }
}

/// Files of a size.
struct Big(u64);

impl Loader for Big {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        let include = if path == "a.pv" { "include \"b.pv\"\n" } else { "" };
        let line = "//".to_owned() + &"x".repeat(1000) + "\n";
        let mut text = include.to_owned();
        while (text.len() as u64) < self.0 {
            text += &line;
        }
        Ok(text.into_bytes())
    }
}

#[test]
fn includes_end() {
    assert_eq!(through(&Endless), [Code::LIMIT]);
    assert_eq!(through(&Big(MAX_FILE / 2 + 1024)), [Code::LIMIT]);
    let mut wide = MemoryLoader::default();
    let mut root = String::from("patchset t { arch x86_64 }\n");
    for number in 0..300 {
        root += &format!("include \"f{number}.pv\"\n");
        wide.insert(format!("f{number}.pv"), "// empty\n");
    }
    wide.insert("a.pv", root);
    assert!(through(&wide).iter().all(|code| *code == Code::LIMIT));
    assert!(!through(&wide).is_empty());
}
