//! The rules, each by patch sets that break it and twins that do not.

mod bytes;
mod features;
mod flow;
#[cfg(all(feature = "run", target_arch = "x86_64", target_os = "linux"))]
mod hardware;
mod mutants;
mod random;
mod reads;
mod size;
mod stack;
mod text_mutants;
mod writes;

use crate::diagnostics::{Diagnostic, Severity};
use crate::source::MemoryLoader;
use crate::{Compilation, compile};

/// A set for the 64-bit kernel.
const KERNEL: &str = "patchset t {\n arch x86_64\n abi kernel\n baseline x86_64_v1\n site inline\n}\n";
/// A set for both kernels.
const BOTH: &str = "patchset t {\n arch x86_64, i386\n abi kernel\n baseline x86_64_v1\n site inline\n}\n";
/// A set for the 32-bit kernel.
const I386: &str = "patchset t {\n arch i386\n abi kernel\n baseline x86_64_v1\n site inline\n}\n";
/// A set for 64-bit user space.
const USER: &str = "patchset t {\n arch x86_64\n abi user\n baseline x86_64_v1\n site inline\n}\n";

fn compiled(set: &str, ops: &str) -> (String, Compilation) {
    let text = format!("{set}{ops}");
    let compilation = compile("t.pv", &MemoryLoader::from_iter([("t.pv", text.as_str())]));
    (text, compilation)
}

/// The findings as `CODE text-under-the-span`.
fn findings(set: &str, ops: &str) -> Vec<String> {
    let (_, compilation) = compiled(set, ops);
    let show = |found: &Diagnostic| format!("{} {}", found.code, compilation.sources.text(found.primary.span).trim());
    let list: Vec<String> = compilation.diagnostics.list().iter().map(show).collect();
    // What is wrong must not come out, and what is right must.
    assert_eq!(compilation.checked.is_none(), compilation.diagnostics.has_errors(), "{list:?}");
    list
}

/// Nothing is found.
#[track_caller]
fn passes(set: &str, ops: &str) {
    assert_eq!(findings(set, ops), [""; 0], "{ops}");
}

/// Exactly these are found: `CODE text-under-the-span`.
#[track_caller]
fn fails(set: &str, ops: &str, expected: &[&str]) {
    assert_eq!(findings(set, ops), expected, "{ops}");
}

/// The only finding.
#[track_caller]
fn only(set: &str, ops: &str) -> Diagnostic {
    let (_, compilation) = compiled(set, ops);
    let list = compilation.diagnostics.list();
    assert_eq!(list.len(), 1, "{list:#?}");
    list[0].clone()
}

/// Fails with these codes, and the machine fixes, one after the other, make it pass. Returns the ops then.
#[track_caller]
fn mends(set: &str, ops: &str, codes: &[&str]) -> String {
    let mut ops = ops.to_owned();
    let (_, compilation) = compiled(set, &ops);
    let found: Vec<String> = compilation.diagnostics.list().iter().map(|found| found.code.to_string()).collect();
    assert_eq!(found, codes, "{ops}");
    for _ in 0..10 {
        let (mut text, compilation) = compiled(set, &ops);
        let Some(found) = compilation.diagnostics.list().first() else { return ops };
        let fix = found.fix.as_ref().unwrap_or_else(|| panic!("no fix for {found:#?}"));
        text.replace_range(fix.span.range(), &fix.text);
        ops = text.strip_prefix(set).expect("the fix is in the ops").to_owned();
    }
    panic!("the fixes do not converge: {ops}");
}

/// The findings that are errors, and the notes, labels and help of the only one, in one text.
#[track_caller]
fn words(set: &str, ops: &str) -> String {
    let found = only(set, ops);
    assert_eq!(found.severity, Severity::Error);
    let labels = found.secondary.iter().map(|label| label.text.clone());
    let all: Vec<String> =
        [found.message, found.primary.text].into_iter().chain(labels).chain(found.notes).chain(found.help).collect();
    all.join("\n")
}

/// The one-line effects of the only row.
#[track_caller]
fn effects(set: &str, ops: &str) -> String {
    let (_, compilation) = compiled(set, ops);
    let checked = compilation.checked.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics.list()));
    checked.unit().ops[0].contracts[0].rows[0].effects.to_string()
}

/// The set after assembly, which has to succeed.
fn assembled(set: &str, ops: &str) -> (crate::source::SourceMap, crate::model::Assembled) {
    let text = format!("{set}{ops}");
    assembled_file("t.pv", &MemoryLoader::from_iter([("t.pv", text.as_str())]))
}

fn assembled_file(
    path: &str,
    loader: &dyn crate::source::Loader,
) -> (crate::source::SourceMap, crate::model::Assembled) {
    let mut sources = crate::source::SourceMap::default();
    let mut diagnostics = crate::diagnostics::Diagnostics::default();
    let ast = crate::syntax::parse(path, loader, &mut sources, &mut diagnostics);
    let resolved = crate::resolve::resolve(&ast, &sources, &mut diagnostics).expect("a sound set");
    let unit = crate::assemble::assemble(resolved, &sources, &mut diagnostics);
    assert!(!diagnostics.has_errors(), "{path}: {:#?}", diagnostics.list());
    (sources, unit)
}
