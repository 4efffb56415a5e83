//! The story: from the text of a `.pv` file to a checked patch set.

use crate::check::{self, Checked};
use crate::diagnostics::{Diagnostics, Levels};
use crate::source::{Loader, SourceMap};
use crate::syntax::{self, Ast};
use crate::{assemble, resolve};

/// What came of a compilation.
#[derive(Debug)]
pub struct Compilation {
    /// The files that were read, the root first.
    pub sources: SourceMap,
    /// All findings, in the order of the source.
    pub diagnostics: Diagnostics,
    /// The patch set; `None` if there was an error.
    pub checked: Option<Checked>,
}

/// Compiles the file at `path`, which comes through `loader` as all that it includes does.
///
/// Each phase goes on after an error with what it could make sense of, so that one run shows all mistakes.
///
/// ```
/// use pvc::source::MemoryLoader;
/// let files = MemoryLoader::from_iter([("irq.pv", "
///     patchset demo { arch x86_64 }
///     op irq.disable() {
///         clobbers barrier
///         x86_64 { cli } = fa
///     }
/// ")]);
/// let compilation = pvc::compile("irq.pv", &files);
/// let checked = compilation.checked.expect("no error");
/// assert_eq!(checked.unit().ops[0].contracts[0].rows[0].code.bytes, [0xfa]);
/// ```
#[must_use]
pub fn compile(path: &str, loader: &dyn Loader) -> Compilation {
    compile_with(path, loader, &Levels::default())
}

/// As [`compile`], with other levels for the warnings: one that is denied is an error, and nothing is made then.
#[must_use]
pub fn compile_with(path: &str, loader: &dyn Loader, levels: &Levels) -> Compilation {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let ast = syntax::parse(path, loader, &mut sources, &mut diagnostics);
    let checked = analyse(&ast, &sources, &mut diagnostics);
    diagnostics.apply(levels);
    diagnostics.sort();
    let checked = checked.filter(|_| !diagnostics.has_errors());
    Compilation { sources, diagnostics, checked }
}

/// The phases after parsing. There may be errors in either case.
pub(crate) fn analyse(ast: &Ast, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Option<Checked> {
    let checked = resolve::resolve(ast, sources, diagnostics).and_then(|resolved| {
        let assembled = assemble::assemble(resolved, sources, diagnostics);
        check::check(assembled, sources, diagnostics)
    });
    resolve::apply_allows(ast, sources, diagnostics);
    checked
}
