//! Static branches: their clauses and arches.

use super::Context;
use super::set::{SetDefaults, arch_names};
use crate::arch::Arch;
use crate::diagnostics::{Code, Diagnostic};
use crate::model::Branch;
use crate::syntax::ast::{self, BranchClause, BranchClauseKind};

/// Resolves a branch; `None` if it exists on no arch of the set, which has been reported.
pub(super) fn resolve(context: &mut Context<'_>, set: &SetDefaults, branch: &ast::Branch) -> Option<Branch> {
    report_doubles(context, branch);
    let named = branch.clauses.iter().find_map(|clause| match &clause.kind {
        BranchClauseKind::Arch(words) => Some(words),
        BranchClauseKind::Live => None,
    });
    let mut arches: Vec<Arch> = Vec::new();
    for word in named.into_iter().flatten() {
        let meant = arch_names(context, word);
        for arch in meant.arches {
            // `x86` stands for each arch of the set.
            if word.text != "x86" && meant.known && !set.set.arches.contains(&arch) {
                let message = format!("the patch set has no arch {}", arch.name());
                context.report(
                    Diagnostic::new(Code::CONTRACT, word.span, message)
                        .label("not an arch of this set")
                        .also(set.set.span, "the `arch` line of this set would have to name it"),
                );
            } else if arches.contains(&arch) {
                let found = Diagnostic::new(Code::DUPLICATE, word.span, format!("{} is listed twice", arch.name()))
                    .help("`x86` stands for x86_64 and i386");
                context.report(if word.text == "x86" { found } else { context.drop_item(found, word.span) });
            }
            if set.set.arches.contains(&arch) && !arches.contains(&arch) {
                arches.push(arch);
            }
        }
    }
    if named.is_none() {
        arches.clone_from(&set.set.arches);
    }
    arches.sort_unstable();
    (!arches.is_empty()).then(|| Branch {
        name: branch.name.text.clone(),
        span: branch.name.span,
        docs: branch.docs.clone(),
        initial: branch.initial,
        live: branch.clauses.iter().any(|clause| matches!(clause.kind, BranchClauseKind::Live)),
        arches,
    })
}

fn report_doubles(context: &mut Context<'_>, branch: &ast::Branch) {
    for (at, clause) in branch.clauses.iter().enumerate() {
        let same = |other: &&BranchClause| std::mem::discriminant(&other.kind) == std::mem::discriminant(&clause.kind);
        if let Some(first) = branch.clauses[..at].iter().find(same) {
            let keyword = match clause.kind {
                BranchClauseKind::Arch(_) => "arch",
                BranchClauseKind::Live => "live",
            };
            let message = format!("`{keyword}` stands twice in branch `{}`", branch.name.text);
            context.report(Diagnostic::new(Code::DUPLICATE, clause.span, message).also(first.span, "first here"));
        }
    }
}
