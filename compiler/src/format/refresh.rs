//! The bytes that the rows of a file should have beside them.

use crate::arch::Arch;
use crate::assemble;
use crate::diagnostics::{Code, Diagnostics};
use crate::model::Assembled;
use crate::source::{FileId, Loader, SourceMap, Span};
use crate::{resolve, syntax};
use std::collections::BTreeMap;

/// The text of a row's bytes by the offset in the file at which the row begins.
pub type RowBytes = BTreeMap<u32, String>;

/// The bytes of all rows of the file at `path`, which must be one that names a patch set. What stands beside the rows
/// now may be wrong or missing.
///
/// # Errors
///
/// The findings if the set cannot be assembled, with the files that they point into.
///
/// ```
/// use pvc::format::{FormatOptions, format, row_bytes};
/// use pvc::source::MemoryLoader;
/// let text = "patchset demo { arch x86 }\nop irq.off() {\n clobbers barrier\n x86 { pushf; cli }\n}\n";
/// let files = MemoryLoader::from_iter([("irq.pv", text)]);
/// let options = FormatOptions { bytes: row_bytes("irq.pv", &files).unwrap() };
/// assert!(format(text, &options).unwrap().contains("{ pushf; cli }                   = 9c fa\n"));
/// ```
pub fn row_bytes(path: &str, loader: &dyn Loader) -> Result<RowBytes, Box<(Diagnostics, SourceMap)>> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let mut ast = syntax::parse(path, loader, &mut sources, &mut diagnostics);
    ast.forget_claims();
    let unit = resolve::resolve(&ast, &sources, &mut diagnostics)
        .map(|resolved| assemble::assemble(resolved, &sources, &mut diagnostics));
    keep_what_hinders(&mut diagnostics);
    match unit {
        Some(unit) if !diagnostics.has_errors() => Ok(of_file(&unit, &sources, FileId(0))),
        _ => {
            diagnostics.sort();
            Err(Box::new((diagnostics, sources)))
        }
    }
}

/// Drops the findings that keep no row from being assembled: rows that are never chosen, ops without a fallback.
pub(crate) fn keep_what_hinders(diagnostics: &mut Diagnostics) {
    diagnostics.retain(|found| ![Code::UNREACHABLE_ROW, Code::NO_FALLBACK].contains(&found.code));
}

impl syntax::Ast {
    /// Takes away what is claimed of rows and may be wrong: their bytes and what they destroy.
    pub(crate) fn forget_claims(&mut self) {
        for item in &mut self.items {
            let syntax::ast::Item::Op(op) = item else { continue };
            op.clauses.retain(|clause| !matches!(clause.kind, syntax::ast::ClauseKind::Clobbers(_)));
            for clause in &mut op.clauses {
                if let syntax::ast::ClauseKind::Row(row) = &mut clause.kind {
                    row.bytes = None;
                }
            }
        }
    }
}

/// The bytes of the rows of one file of a set: one group if all arches of a row have the same bytes, else one for each
/// in the order of the row. A row that could not be assembled is left out.
#[must_use]
pub fn of_file(unit: &Assembled, sources: &SourceMap, file: FileId) -> RowBytes {
    let mut rows: BTreeMap<Span, Vec<(Arch, String)>> = BTreeMap::new();
    for contract in unit.ops.iter().flat_map(|op| &op.contracts) {
        for row in contract.rows.iter().filter(|row| row.row.file == file) {
            let Some(code) = &row.code else { continue };
            rows.entry(row.row.span).or_default().push((contract.arch, assemble::group_of(code)));
        }
    }
    rows.into_iter().map(|(span, groups)| (span.start, in_order(sources.text(span), groups))).collect()
}

/// The groups of a row in the order of its arches; `x86` stands for the set's own order.
pub(crate) fn in_order(row: &str, mut groups: Vec<(Arch, String)>) -> String {
    let head = row.split(['{', '\n']).next().unwrap_or_default();
    groups.sort_by_key(|(arch, _)| head.find(arch.name()));
    let mut texts: Vec<String> = groups.into_iter().map(|(_, text)| text).collect();
    texts.dedup();
    texts.join(" | ")
}
