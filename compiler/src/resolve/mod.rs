//! Ast to [`Resolved`]: names looked up, contracts worked out for each arch, conditions in normal form, roles replaced
//! by registers.
//!
//! A mistake poisons what it stands in and nothing else. An op that lost part of its contract is dropped; one that lost
//! a row or clause is marked, so that later phases keep silent about what may only follow from the gap.

mod allow;
mod asm;
mod branch;
mod bytes;
mod clobbers;
mod condition;
mod coverage;
mod features;
mod names;
mod op;
mod registers;
mod rows;
mod set;
mod signature;
mod sites;
#[cfg(test)]
mod tests;

pub use allow::apply_allows;
#[cfg(feature = "lsp")]
pub(crate) use asm::{Piece as AsmPiece, is_decorator, pieces as asm_pieces};

use crate::arch::Arch;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::Resolved;
use crate::source::{SourceMap, Span};
use crate::syntax::Ast;
use crate::syntax::ast::Item;
use std::collections::BTreeSet;

/// The most ops of a set: their ids are 16 bits, and the last is kept free.
pub const MAX_OPS: usize = 65534;

/// The most static branches of a set, for the same reason.
pub const MAX_BRANCHES: usize = 65534;

/// The most rows of a set on an arch, and the most terms of their conditions.
pub const MAX_ROWS: usize = 65534;

/// Resolves a patch set; `None` if the file names none. There may be errors in either case.
#[must_use]
pub fn resolve(ast: &Ast, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Option<Resolved> {
    let mut context = Context { sources, diagnostics, reported: BTreeSet::new() };
    let set = set::resolve(&mut context, ast);
    let mut features = features::Features::default();
    for item in &ast.items {
        if let Item::Feature(feature) = item {
            features.declare(&mut context, feature);
        }
    }
    // Conditions are read in the order of the source, so that the indices of features do not depend on anything else.
    let mut drafts = Vec::new();
    let mut branches = Vec::new();
    let mut names = names::Names::default();
    let mut damaged = false;
    for item in &ast.items {
        match item {
            Item::Feature(feature) => features.number_declared(&mut context, &feature.name),
            Item::Op(op) => {
                let good_name = names.add(&mut context, names::What::Op, &op.name);
                if drafts.len() >= MAX_OPS {
                    context.limit(op.name.span, format!("a patch set has at most {MAX_OPS} ops"));
                    damaged = true;
                    break;
                }
                let draft = op::resolve(&mut context, &set, op, &mut features);
                damaged |= draft.is_none();
                drafts.extend(draft.filter(|_| good_name));
            }
            Item::Branch(branch) => {
                let good_name = names.add(&mut context, names::What::Branch, &branch.name);
                if branches.len() >= MAX_BRANCHES {
                    context.limit(branch.name.span, format!("a patch set has at most {MAX_BRANCHES} static branches"));
                    break;
                }
                let resolved = branch::resolve(&mut context, &set, branch);
                branches.extend(resolved.filter(|_| good_name));
            }
            Item::Bad(name) => {
                damaged = true;
                if let Some(name) = name {
                    names.add(&mut context, names::What::Op, name);
                }
            }
            Item::Patchset(_) => {}
        }
    }
    names.check_derived(&mut context);
    // What could not be read may have used any feature.
    if !damaged && !drafts.iter().any(|op| op.damaged) {
        features.report_unused(&mut context);
    }
    let world = coverage::World::new(features.implications(), features.mask(&set.set.baseline));
    let mut identity = rows::Identity::default();
    for op in &mut drafts {
        rows::check(&mut context, op, &world);
        identity.add(&mut context, op);
    }
    check_totals(&mut context, &drafts);
    set.named.then(|| Resolved { set: set.set, features: features.into_list(), ops: drafts, branches })
}

/// Rows and terms are numbered with 16 bits in the tables, on each arch by itself.
fn check_totals(context: &mut Context<'_>, ops: &[crate::model::Op<crate::model::ResolvedRow>]) {
    for arch in Arch::ALL {
        let (mut rows, mut terms) = (0, 0);
        for op in ops {
            for row in op.on(arch).map(|contract| contract.rows.as_slice()).unwrap_or_default() {
                rows += 1;
                terms += row.when.as_ref().map_or(0, |when| when.terms.len());
            }
            if rows > MAX_ROWS || terms > MAX_ROWS {
                let what = if rows > MAX_ROWS { "rows" } else { "alternatives of conditions" };
                context.limit(op.span, format!("a patch set has at most {MAX_ROWS} {what} on an arch"));
                return;
            }
        }
    }
}

/// What every part of the phase needs.
struct Context<'a> {
    sources: &'a SourceMap,
    diagnostics: &'a mut Diagnostics,
    /// What was reported where: a mistake is one finding, on however many arches it shows.
    reported: BTreeSet<(Code, Span)>,
}

impl Context<'_> {
    fn report(&mut self, diagnostic: Diagnostic) {
        if self.reported.insert((diagnostic.code, diagnostic.primary.span)) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Adds to a finding the fix that takes the item at `item` out of its list, or drops a `clobbers` line of nothing else.
    fn drop_item(&self, found: Diagnostic, item: Span) -> Diagnostic {
        let text = &self.sources.file(item.file).text;
        let blanks = [' ', '\t'];
        let before = text[..item.start as usize].trim_end_matches(blanks);
        let after = text[item.end as usize..].trim_start_matches(blanks);
        let span = if before.ends_with(',') {
            Span { start: before.len() as u32 - 1, ..item }
        } else if let Some(rest) = after.strip_prefix(',') {
            Span { end: (text.len() - rest.trim_start_matches(blanks).len()) as u32, ..item }
        } else if let Some(head) = before.trim_end().strip_suffix("clobbers")
            && (after.is_empty() || after.starts_with(['\n', '\r', '}']) || after.starts_with("//"))
        {
            let clause = Span { start: head.len() as u32, ..item };
            return found.fix("drop the clause", self.sources.cut(clause), "");
        } else {
            return found;
        };
        found.fix("drop it from the list", span, "")
    }

    fn limit(&mut self, span: Span, message: String) {
        self.report(Diagnostic::new(Code::LIMIT, span, message));
    }
}

/// "`a`, `b` and `c`".
fn quoted<S: AsRef<str>>(names: &[S]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}
