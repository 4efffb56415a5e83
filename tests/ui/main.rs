//! What the compiler says about good and bad `.pv` files.
//!
//! Each file of `bad/` is compiled, and its findings must be those of the `.stderr` file beside it; `BLESS=1` writes
//! these files anew. A file of `good/` compiles with none. The examples of the language reference and of the explain
//! pages are compiled too: a fence ```` ```pv compile ```` without a finding, a fence ```` ```pv error PVnnnn ```` with
//! that one code.

use libtest_mimic::{Arguments, Failed, Trial};
use pvc::diagnostics::{
    Applicability, CODES, CodeInfo, Color, Diagnostic, Levels, Sarif, Severity, json, render, short,
};
use pvc::source::MemoryLoader;
use pvc::{Compilation, compile, mend};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut trials = Vec::new();
    for (dir, check) in [("bad", bad as fn(&Path) -> Result<(), Failed>), ("good", good)] {
        let files = sources(&root.join("ui").join(dir));
        assert!(!files.is_empty(), "tests/ui/{dir} has fixtures");
        for file in files {
            let name = format!("{dir}/{}", file.file_stem().unwrap_or_default().to_string_lossy());
            trials.push(Trial::test(name, move || check(&file)));
        }
    }
    let reference = root.join("../grammar/LANGUAGE.md");
    let text = std::fs::read_to_string(&reference).expect("grammar/LANGUAGE.md can be read");
    let examples = examples(&text);
    assert!(examples.len() >= 20, "the reference has an example for each construct");
    for example in examples {
        trials.push(Trial::test(format!("language/{}", example.line), move || example.check()));
    }
    let fixtures = sources(&root.join("ui/bad"));
    let faulty: Vec<PathBuf> = fixtures.iter().cloned().chain(sources(&root.join("bugs"))).collect();
    trials.push(Trial::test("fixes", move || faulty.iter().try_for_each(|path| fixes_come_to_an_end(path))));
    trials.push(Trial::test("formats", move || formats(&fixtures)));
    trials.push(Trial::test("language/warnings", move || warnings_are_listed(&text)));
    trials.push(Trial::test("explain/all", move || every_page_is_of_a_code(&root.join("../compiler/explain"))));
    for info in CODES {
        trials.push(Trial::test(format!("explain/{}", info.code), move || page(info)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The `.pv` files of a directory, sorted.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("the fixtures can be listed");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pv"));
    files.sort();
    files
}

/// All files of the directory of `path`, so that includes work and messages name no directory.
fn loader(path: &Path) -> MemoryLoader {
    let dir = path.parent().expect("a fixture has a directory");
    let entries = std::fs::read_dir(dir).expect("the fixtures can be listed");
    let files = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
    files
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a fixture can be read"))
        })
        .collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn good(path: &Path) -> Result<(), Failed> {
    let compilation = compile(&name(path), &loader(path));
    let shown = render(&compilation.diagnostics, &compilation.sources, Color::Never);
    if !shown.is_empty() || compilation.checked.is_none() {
        return Err(format!("expected no finding:\n{shown}").into());
    }
    Ok(())
}

fn bad(path: &Path) -> Result<(), Failed> {
    let files = loader(path);
    let compilation = compile(&name(path), &files);
    let shown = render(&compilation.diagnostics, &compilation.sources, Color::Never);
    if compilation.diagnostics.list().is_empty() {
        return Err("expected findings, there are none".into());
    }
    let has_errors = compilation.diagnostics.list().iter().any(|found| found.severity == Severity::Error);
    if has_errors == compilation.checked.is_some() {
        return Err("a table comes out if and only if there is no error".into());
    }
    for found in compilation.diagnostics.list() {
        check_span(&compilation, found)?;
        check_fix(&compilation, found, &name(path), &files)?;
    }
    let expected = path.with_extension("stderr");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, shown)?;
        return Ok(());
    }
    let wanted = std::fs::read_to_string(&expected)
        .map_err(|error| format!("{}: {error}; BLESS=1 writes it", expected.display()))?;
    if wanted != shown {
        return Err(format!("expected:\n{wanted}\nfound:\n{shown}\nBLESS=1 takes this").into());
    }
    Ok(())
}

/// A place of a finding lies in its file, on character boundaries, and has a message.
fn check_span(compilation: &Compilation, found: &Diagnostic) -> Result<(), Failed> {
    let labels = std::iter::once(&found.primary).chain(&found.secondary);
    for label in labels {
        let text = &compilation.sources.file(label.span.file).text;
        if text.get(label.span.range()).is_none() {
            return Err(format!("{:?} lies outside of its file: {found:?}", label.span).into());
        }
    }
    if found.message.is_empty() || found.message.ends_with('.') {
        return Err(format!("the message is not of the usual form: {:?}", found.message).into());
    }
    Ok(())
}

/// A fix mends the finding that offers it: with it applied, fewer findings of the kind are left.
fn check_fix(compilation: &Compilation, found: &Diagnostic, root: &str, files: &MemoryLoader) -> Result<(), Failed> {
    let Some(fix) = &found.fix else { return Ok(()) };
    let file = compilation.sources.file(fix.span.file);
    let mut text = file.text.clone();
    text.replace_range(fix.span.range(), &fix.text);
    let mut files = files.clone();
    files.insert(file.path.clone(), text);
    let mended = compile(root, &files);
    let same = |compilation: &Compilation| {
        compilation.diagnostics.list().iter().filter(|other| other.message == found.message).count()
    };
    if same(&mended) >= same(compilation) {
        let shown = render(&mended.diagnostics, &mended.sources, Color::Never);
        return Err(format!("the fix {fix:?} does not mend {:?}:\n{shown}", found.message).into());
    }
    Ok(())
}

/// What the fixes of a file lead to is not fixed again, with the guesses and without, and no error of the text comes up.
fn fixes_come_to_an_end(path: &Path) -> Result<(), Failed> {
    let files = loader(path);
    let unreadable =
        |compilation: &Compilation| compilation.diagnostics.list().iter().filter(|found| found.code.0 < 200).count();
    let before = unreadable(&compile(&name(path), &files));
    for applicability in [Applicability::Safe, Applicability::Maybe] {
        let mended = mend(&name(path), &files, &Levels::default(), applicability);
        let mut after = files.clone();
        mended.files.iter().for_each(|(path, text)| after.insert(path.clone(), text.clone()));
        let again = mend(&name(path), &after, &Levels::default(), applicability);
        if !again.files.is_empty() || unreadable(&mended.compilation) > before {
            return Err(format!("{}: {:#?}, then {:#?}", path.display(), mended.applied, again.applied).into());
        }
    }
    Ok(())
}

/// The findings of all bad files as JSON and as one SARIF log: nothing is lost in either, and the log has the types and
/// the fields of the SARIF schema and no others.
fn formats(fixtures: &[PathBuf]) -> Result<(), Failed> {
    let mut log = Sarif::default();
    let mut count = 0;
    for path in fixtures {
        let compilation = compile(&name(path), &loader(path));
        let (diagnostics, sources) = (&compilation.diagnostics, &compilation.sources);
        log.add(diagnostics, sources);
        count += diagnostics.list().len();
        let lines = json(diagnostics, sources);
        let messages = lines.lines().map(serde_json::from_str).collect::<Result<Vec<serde_json::Value>, _>>()?;
        assert_eq!(messages.len(), diagnostics.list().len(), "{}", path.display());
        // The type that tools read rustc's own messages with.
        for line in lines.lines() {
            let message: cargo_metadata::diagnostic::Diagnostic = serde_json::from_str(line)?;
            assert_eq!(message.spans.iter().filter(|span| span.is_primary).count(), 1, "{line}");
        }
        for (message, found) in messages.iter().zip(diagnostics.list()) {
            assert_eq!(message["message"], found.message);
            assert_eq!(message["spans"][0]["byte_start"], found.primary.span.start);
        }
        assert_eq!(short(diagnostics, sources).lines().count(), diagnostics.list().len(), "{}", path.display());
    }
    let text = log.finish();
    let value: serde_json::Value = serde_json::from_str(&text)?;
    let typed: serde_sarif::sarif::Sarif = serde_json::from_str(&text)?;
    assert_eq!(serde_json::to_value(&typed)?, value, "a field that the schema does not have is lost on the way");
    assert_eq!(typed.runs[0].results.as_ref().map(Vec::len), Some(count));
    Ok(())
}

/// The reference names the codes that are warnings.
fn warnings_are_listed(reference: &str) -> Result<(), Failed> {
    let codes = CODES.iter().filter(|info| info.severity == Severity::Warning).map(|info| info.code.to_string());
    let list = format!("The codes that are warnings: {}.", codes.collect::<Vec<_>>().join(", "));
    if reference.contains(&list) { Ok(()) } else { Err(format!("no such line: {list}").into()) }
}

/// Each page in the folder is that of a code. (That each code has a page is seen when the compiler is built.)
fn every_page_is_of_a_code(folder: &Path) -> Result<(), Failed> {
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut found: Vec<String> = entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    let codes: Vec<String> = CODES.iter().map(|info| format!("{}.md", info.code)).collect();
    if found == codes { Ok(()) } else { Err(format!("codes: {codes:?}\npages: {found:?}").into()) }
}

/// A page has the title of its code, says what there is to say, and shows both sides.
fn page(info: &CodeInfo) -> Result<(), Failed> {
    let title = format!("# {}: {}\n", info.code, info.title);
    if !info.page.starts_with(&title) {
        return Err(format!("the page begins with {title:?}").into());
    }
    let headings = ["Why it matters", "How to fix it", "An example that fails", "The same, mended"];
    let found: Vec<&str> = info.page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if found != headings {
        return Err(format!("the headings are {found:?}, not {headings:?}").into());
    }
    let examples = examples(info.page);
    match &examples[..] {
        [fails, passes] if fails.error == Some(info.code.to_string()) && passes.error.is_none() => {
            fails.check().and_then(|()| passes.check())
        }
        _ => Err(format!("a page has an example that gives {} and one that compiles", info.code).into()),
    }
}

/// A fenced example.
struct Example {
    /// The line of its fence.
    line: usize,
    /// The code that it must give; `None`: it compiles.
    error: Option<String>,
    /// The file, unless it is to be missing.
    file: Option<Vec<u8>>,
}

/// The fences of a Markdown text that begin with ```` ```pv ````. What fences cannot hold is said behind the code:
/// `latin1`, the file is in that encoding; `absent`, there is no such file.
fn examples(markdown: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut lines = markdown.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(tag) = line.strip_prefix("```pv") else { continue };
        let body: Vec<&str> = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```").collect();
        let text = body.join("\n") + "\n";
        let (error, file) = match tag.split_whitespace().collect::<Vec<_>>()[..] {
            ["compile"] => (None, Some(text.into_bytes())),
            ["error", code] => (Some(code.to_owned()), Some(text.into_bytes())),
            ["error", code, "latin1"] => {
                let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).expect("a character of Latin-1"));
                (Some(code.to_owned()), Some(bytes.collect()))
            }
            ["error", code, "absent"] => (Some(code.to_owned()), None),
            _ => panic!("line {}: `pv{tag}` is no kind of example", at + 1),
        };
        examples.push(Example { line: at + 1, error, file });
    }
    examples
}

impl Example {
    fn check(&self) -> Result<(), Failed> {
        let mut files = MemoryLoader::from_iter([("common.pv", "/// Set under Xen.\nfeature xenpv\n")]);
        if let Some(file) = &self.file {
            files.insert("example.pv", file.clone());
        }
        let compilation = compile("example.pv", &files);
        let shown = render(&compilation.diagnostics, &compilation.sources, Color::Never);
        let codes: BTreeSet<String> =
            compilation.diagnostics.list().iter().map(|found| found.code.to_string()).collect();
        match &self.error {
            None if codes.is_empty() && compilation.checked.is_some() => Ok(()),
            Some(code) if codes.len() == 1 && codes.contains(code) => Ok(()),
            None => Err(format!("expected no finding:\n{shown}").into()),
            Some(code) => Err(format!("expected {code} and nothing else:\n{shown}").into()),
        }
    }
}
