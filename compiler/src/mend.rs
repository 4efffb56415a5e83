//! Applying the machine fixes of findings until there is nothing left to apply.

use crate::compile::{Compilation, compile_with};
use crate::diagnostics::{Applicability, Code, Diagnostic, Fix, Levels};
use crate::source::{Loader, SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};

/// The most times that a set is compiled: a fix may bring up the next finding, but not for ever.
const MAX_ROUNDS: usize = 100;

/// What came of mending a patch set.
#[derive(Debug)]
pub struct Mended {
    /// The files that changed, by the path that the loader knows them under, with their new text.
    pub files: BTreeMap<String, String>,
    /// The fixes that were applied, in order.
    pub applied: Vec<Applied>,
    /// The compilation of the mended set: its findings are those that are left.
    pub compilation: Compilation,
}

/// A fix that was applied.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The file.
    pub path: String,
    /// The code of the finding.
    pub code: Code,
    /// What the fix did.
    pub title: String,
}

/// Applies the fixes of the set at `path` that are at least as sure as `applicability`, compiles it again, and goes on
/// until no fix is left. Nothing is written: that is up to the caller.
///
/// Of fixes that overlap one is taken, and the others have their turn after it, if they are still offered. A step is
/// only kept if each fix in it mends its own finding, and if the text does not become worse to read for the parser.
///
/// ```
/// use pvc::diagnostics::{Applicability, Levels};
/// use pvc::source::MemoryLoader;
/// let files = MemoryLoader::from_iter([("a.pv", "patchset a { arch x86_64 }\nop b() {\n    x86_64 { cli } = fb\n}\n")]);
/// let mended = pvc::mend("a.pv", &files, &Levels::default(), Applicability::Safe);
/// assert_eq!(
///     mended.files["a.pv"],
///     "patchset a { arch x86_64 }\nop b() {\n    clobbers barrier\n    x86_64 { cli } = fa\n}\n"
/// );
/// assert!(mended.compilation.checked.is_some());
/// ```
#[must_use]
pub fn mend(path: &str, loader: &dyn Loader, levels: &Levels, applicability: Applicability) -> Mended {
    let mut mender = Mender {
        overlay: Overlay { loader, files: BTreeMap::new() },
        refused: BTreeSet::new(),
        seen: BTreeSet::new(),
        applicability,
    };
    let mut applied = Vec::new();
    let mut compilation = compile_with(path, &mender.overlay, levels);
    // After a step that was not good its fixes are tried one by one, to find the one that is to blame.
    let mut one_by_one = false;
    for _ in 0..MAX_ROUNDS {
        let mut step = mender.step(&compilation);
        if one_by_one {
            step.truncate(1);
        }
        if step.is_empty() {
            break;
        }
        let before = mender.overlay.files.clone();
        mender.apply(&step, &compilation.sources);
        let next = compile_with(path, &mender.overlay, levels);
        if mender.seen.insert(mender.overlay.files.clone()) && is_better(&step, &compilation, &next) {
            applied.extend(step.iter().map(|(found, fix)| Applied {
                path: compilation.sources.file(fix.span.file).path.clone(),
                code: found.code,
                title: fix.title.clone(),
            }));
            compilation = next;
            one_by_one = false;
        } else {
            mender.overlay.files = before;
            if let [(found, fix)] = &step[..] {
                mender.refused.insert(key(found, fix));
            }
            one_by_one = step.len() > 1;
        }
    }
    Mended { files: mender.overlay.files, applied, compilation }
}

struct Mender<'a> {
    overlay: Overlay<'a>,
    /// Fixes that did not help.
    refused: BTreeSet<(Code, String, String)>,
    /// The states that there were: none comes twice.
    seen: BTreeSet<BTreeMap<String, String>>,
    applicability: Applicability,
}

/// What a fix is known by while the text around it changes.
fn key(found: &Diagnostic, fix: &Fix) -> (Code, String, String) {
    (found.code, found.message.clone(), fix.text.clone())
}

impl Mender<'_> {
    /// The fixes of the next step, in the order of the source and without overlaps.
    fn step(&self, compilation: &Compilation) -> Vec<(Diagnostic, Fix)> {
        let mut offered: Vec<(&Diagnostic, &Fix)> = compilation
            .diagnostics
            .list()
            .iter()
            .filter_map(|found| Some((found, found.fix.as_ref()?)))
            .filter(|(_, fix)| self.applicability == Applicability::Maybe || fix.applicability == Applicability::Safe)
            .filter(|(found, fix)| !self.refused.contains(&key(found, fix)))
            .filter(|(_, fix)| self.overlay.is_as_shown(fix.span, &compilation.sources))
            .collect();
        offered.sort_by_key(|(_, fix)| fix.span);
        let mut step: Vec<(Diagnostic, Fix)> = Vec::new();
        for (found, fix) in offered {
            // Two insertions at one place overlap as well: their order would be by chance.
            let overlaps = |last: &(Diagnostic, Fix)| {
                let (last, next) = (last.1.span, fix.span);
                last.file == next.file && (next.start < last.end || next.start == last.start)
            };
            if !step.last().is_some_and(overlaps) {
                step.push((found.clone(), fix.clone()));
            }
        }
        step
    }

    fn apply(&mut self, step: &[(Diagnostic, Fix)], sources: &SourceMap) {
        // From the end, so that the places before stay where they are.
        for (_, fix) in step.iter().rev() {
            let file = sources.file(fix.span.file);
            let text = self.overlay.files.entry(file.path.clone()).or_insert_with(|| file.text.clone());
            // A file keeps its kind of line ends.
            let new = if file.text.contains("\r\n") { fix.text.replace('\n', "\r\n") } else { fix.text.clone() };
            text.replace_range(fix.span.range(), &new);
        }
    }
}

/// Whether each finding of the step is gone, or there are fewer of it, and the parser finds no more to complain about.
fn is_better(step: &[(Diagnostic, Fix)], old: &Compilation, new: &Compilation) -> bool {
    let same = |compilation: &Compilation, found: &Diagnostic| {
        let list = compilation.diagnostics.list().iter();
        list.filter(|other| (other.code, &other.message) == (found.code, &found.message)).count()
    };
    let unreadable =
        |compilation: &Compilation| compilation.diagnostics.list().iter().filter(|found| found.code.0 < 200).count();
    unreadable(new) <= unreadable(old) && step.iter().all(|(found, _)| same(new, found) < same(old, found))
}

/// Files that were changed, before those of another loader.
struct Overlay<'a> {
    loader: &'a dyn Loader,
    files: BTreeMap<String, String>,
}

impl Overlay<'_> {
    /// Whether the text that findings are about is that of the file: where bytes are not UTF-8, others stand for them.
    fn is_as_shown(&self, span: Span, sources: &SourceMap) -> bool {
        let file = sources.file(span.file);
        self.load(&file.path).is_ok_and(|bytes| bytes == file.text.as_bytes())
    }
}

impl Loader for Overlay<'_> {
    fn load(&self, path: &str) -> std::io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.loader.load(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemoryLoader;

    fn mended(files: &[(&str, &str)], applicability: Applicability) -> Mended {
        mend("a.pv", &files.iter().copied().collect::<MemoryLoader>(), &Levels::default(), applicability)
    }

    #[test]
    fn fixes_in_included_files_and_those_that_others_bring_up() {
        // The misspelled clause hides what the op clobbers; only then can the clobbers be judged.
        let mended = mended(
            &[
                ("a.pv", "patchset a { arch x86_64 }\ninclude \"b.pv\"\n"),
                ("b.pv", "op b() {\n    clobers rdx\n    x86_64 { cli } = fb\n}\n"),
            ],
            Applicability::Safe,
        );
        assert_eq!(mended.files.len(), 1, "a file without a finding is not touched");
        assert_eq!(mended.files["b.pv"], "op b() {\n    clobbers barrier\n    x86_64 { cli } = fa\n}\n");
        assert!(mended.compilation.diagnostics.list().is_empty());
        assert!(mended.applied.iter().all(|applied| applied.path == "b.pv"));
    }

    #[test]
    fn line_ends_and_a_byte_order_mark_stay() {
        let text = "\u{feff}patchset a { arch x86_64 }\r\nop b() {\r\n    x86_64 { cli }\r\n}\r\n";
        assert_eq!(
            mended(&[("a.pv", text)], Applicability::Safe).files["a.pv"],
            "\u{feff}patchset a { arch x86_64 }\r\nop b() {\r\n    clobbers barrier\r\n    x86_64 { cli }\r\n}\r\n"
        );
    }

    #[test]
    fn guesses_are_left_to_the_author() {
        let text = "patchset a { arch x86_64 }\nop b() {\n    clobbers rxd\n    x86_64 { mov %rdi, %rdx }\n}\n";
        assert!(mended(&[("a.pv", text)], Applicability::Safe).files.is_empty());
        let all = mended(&[("a.pv", text)], Applicability::Maybe);
        assert!(all.files["a.pv"].contains("clobbers rdx"), "{:?}", all.files);
    }

    #[test]
    fn a_file_that_is_shown_otherwise_is_not_touched() {
        let text = b"patchset a { arch x86_64 }\n// \xff\nop b() {\n    x86_64 { cli }\n}\n".to_vec();
        let files = MemoryLoader::from_iter([("a.pv", text)]);
        let mended = mend("a.pv", &files, &Levels::default(), Applicability::Safe);
        assert!(mended.files.is_empty());
        assert_eq!(mended.compilation.diagnostics.errors(), 2);
    }

    #[test]
    fn a_mended_text_is_not_mended_again() {
        let text = "patchset a { arch x86_64, x86_64 }\nfeature f\nop b() {\n    clobbers rdx, rdx\n    x86_64 when !avx || avx { cli } = fb\n}\n";
        let once = mended(&[("a.pv", text)], Applicability::Maybe);
        let text = &once.files["a.pv"];
        assert!(once.compilation.diagnostics.list().is_empty(), "{text}: {:#?}", once.compilation.diagnostics.list());
        assert!(mended(&[("a.pv", text)], Applicability::Maybe).files.is_empty());
    }

    #[test]
    fn a_step_that_makes_it_worse_is_taken_back() {
        let compiled = |text: &str| {
            let files: MemoryLoader = [("a.pv", text)].into_iter().collect();
            compile_with("a.pv", &files, &Levels::default())
        };
        let old = compiled("patchset a { arch x86_64 }\nop b() {\n    x86_64 { cli } = fa\n}\n");
        let found = old.diagnostics.list()[0].clone();
        let step = vec![(found.clone(), found.fix.clone().expect("the clobber is offered"))];
        let mended =
            compiled("patchset a { arch x86_64 }\nop b() {\n    clobbers barrier\n    x86_64 { cli } = fa\n}\n");
        assert!(is_better(&step, &old, &mended));
        // The finding is still there, or is gone because the text cannot be read any more.
        assert!(!is_better(&step, &old, &old));
        let unreadable =
            compiled("patchset a { arch x86_64 }\nop b() {\n    clobbers barrier x86_64 { cli } = fa\n}\n");
        assert!(!is_better(&step, &old, &unreadable));
    }

    #[test]
    fn guesses_at_the_ends_of_a_row() {
        let all = |abi: &str, op: &str| {
            let text = format!("patchset a {{\n    arch x86_64\n    abi  {abi}\n    site inline\n}}\n\n{op}");
            let mended = mended(&[("a.pv", &text)], Applicability::Maybe);
            assert!(mended.compilation.checked.is_some(), "{:#?}", mended.compilation.diagnostics.list());
            mended.files["a.pv"].clone()
        };
        let leak = all("kernel", "op b(x: word) {\n    x86_64 { push {x} }\n}\n");
        assert!(leak.contains("{ push {x}; lea 8(%rsp), %rsp }"), "{leak}");
        let red_zone = all("user", "op b() -> f: word {\n    x86_64 { pushf; pop {f} }\n}\n");
        assert!(red_zone.contains("{ lea -128(%rsp), %rsp; pushf; pop {f}; lea 128(%rsp), %rsp }"), "{red_zone}");
        let mmx = all("user", "op b(x: word) -> r: word {\n    x86_64 { movq {x}, %mm0; movq %mm0, {r} }\n}\n");
        assert!(mmx.contains("movq %mm0, {r}; emms }"), "{mmx}");
        let hidden = all("kernel", "op b() {\n    x86_64          { nop }\n    x86_64 when avx { pause }\n}\n");
        assert!(!hidden.contains("pause"), "{hidden}");
        let aligned = all("kernel", "op b() {\n    x86_64 { nop; .p2align 3 }\n}\n");
        assert!(!aligned.contains("align"), "{aligned}");
        let groups = all("kernel", "op b() {\n    x86_64 { nop } = 90 | 90\n}\n");
        assert!(groups.contains("{ nop } = 90\n"), "{groups}");
    }
}
