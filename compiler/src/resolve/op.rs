//! One op: its clauses, its contract on each arch, its rows.

use super::asm::Roles;
use super::features::Features;
use super::set::{SetDefaults, arch_names};
use super::signature::{self, Draft, Placed};
use super::{Context, allow, clobbers, rows, sites};
use crate::arch::{Arch, register_name};
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Clobber, Clobbers, Contract, Op, Preserves, ResolvedRow, Returns, Site};
use crate::source::Span;
use crate::suggest::nearest;
use crate::syntax::ast::{self, Clause, ClauseKind, Word};

/// A row of the source with the arches that it names.
pub(super) struct SourceRow<'a> {
    pub(super) source: &'a ast::Row,
    /// In the order of the row, `x86` as two; also those that the set does not have.
    pub(super) arches: Vec<Arch>,
    pub(super) span: Span,
}

/// Resolves an op; `None` if its contract makes no sense, which has been reported.
pub(super) fn resolve(
    context: &mut Context<'_>,
    set: &SetDefaults,
    op: &ast::Op,
    features: &mut Features,
) -> Option<Op<ResolvedRow>> {
    let draft = op.signature.as_ref().and_then(|source| signature::resolve(context, source));
    report_doubles(context, op);
    let mut damaged = op.damaged;
    let source_rows = source_rows(context, set, op, &mut damaged);
    let arches = arches(context, set, op, &source_rows, damaged)?;
    let clauses = Clauses::resolve(context, op, &mut damaged);
    let site_lists = site_lists(context, set, op, &arches);
    let clobber_lists = clobber_lists(context, op, &arches, &mut damaged);

    let mut contracts = Vec::new();
    let mut placeable = true;
    let mut shared = Vec::new();
    for row in &source_rows {
        let found = rows::share(context, row, features);
        damaged |= found.is_none();
        shared.push(found);
    }
    for &arch in &arches {
        let placed = draft.as_ref().and_then(|draft| draft.place(context, arch));
        placeable &= placed.is_some();
        let known = placed.is_some();
        let placed = placed.unwrap_or(Placed { params: Vec::new(), results: Vec::new() });
        let operands = placed.params.iter().chain(&placed.results).collect();
        let roles = Roles { arch, syntax: set.set.syntax, operands, known };
        let mut of_arch = Vec::new();
        for (row, shared) in source_rows.iter().zip(&shared).filter(|(row, _)| row.arches.contains(&arch)) {
            let Some(shared) = shared else { continue };
            match rows::resolve(context, row, shared, arch, &roles) {
                Some(row) => of_arch.push(row),
                None => damaged = true,
            }
        }
        if of_arch.len() > rows::MAX_ROWS {
            context.limit(op.name.span, format!("an op has at most {} rows on an arch", rows::MAX_ROWS));
            return None;
        }
        contracts.push(Contract {
            arch,
            params: placed.params,
            results: placed.results,
            sites: of(&site_lists, arch),
            clobbers: of(&clobber_lists, arch),
            rows: of_arch,
        });
    }
    let Draft { params, returns, .. } = draft.filter(|_| placeable)?;
    let mut resolved = Op {
        name: op.name.text.clone(),
        span: op.name.span,
        docs: op.docs.clone(),
        params,
        returns,
        partial: clauses.partial.is_some(),
        live: clauses.live.is_some(),
        nocall: clauses.nocall.is_some(),
        default: clauses.default.as_ref().map(|symbol| symbol.text.clone()),
        preserves: clauses.preserves,
        allows: allow::resolve(context, op),
        damaged,
        contracts,
    };
    check(context, &resolved, &clauses);
    let before = context.diagnostics.errors();
    for contract in &resolved.contracts {
        check_clobbers(context, &resolved, contract);
    }
    // Whether a row needs such a clobber is no question any more.
    resolved.damaged |= context.diagnostics.errors() > before;
    resolved.contracts.iter().all(|contract| !contract.sites.is_empty()).then_some(resolved)
}

/// What a list holds for `arch`.
fn of<T: Clone + Default>(list: &[(Arch, T)], arch: Arch) -> T {
    list.iter().find(|(of, _)| *of == arch).map(|(_, found)| found.clone()).unwrap_or_default()
}

/// The rows with their arches looked up.
fn source_rows<'a>(
    context: &mut Context<'_>,
    set: &SetDefaults,
    op: &'a ast::Op,
    damaged: &mut bool,
) -> Vec<SourceRow<'a>> {
    let mut list = Vec::new();
    for clause in &op.clauses {
        let ClauseKind::Row(source) = &clause.kind else { continue };
        let mut arches: Vec<Arch> = Vec::new();
        for word in &source.arches {
            let meant = arch_names(context, word);
            *damaged |= !meant.known;
            for arch in meant.arches {
                if arches.contains(&arch) && !meant.known {
                    continue;
                }
                if arches.contains(&arch) {
                    let message = format!("the row names {} twice", arch.name());
                    let found =
                        Diagnostic::new(Code::DUPLICATE, word.span, message).help("`x86` stands for x86_64 and i386");
                    context.report(if word.text == "x86" { found } else { context.drop_item(found, word.span) });
                    continue;
                }
                if word.text != "x86" && meant.known && !set.set.arches.contains(&arch) {
                    *damaged = true;
                    context.report(
                        Diagnostic::new(Code::CONTRACT, word.span, format!("the patch set is not for {}", arch.name()))
                            .also(set.set.span, "this set")
                            .help(format!(
                                "add {} to its `arch` line, or write `x86` for \"each arch of the set\"",
                                arch.name()
                            )),
                    );
                }
                arches.push(arch);
            }
        }
        list.push(SourceRow { source, arches, span: clause.span });
    }
    list
}

/// The arches of an op: those of its rows. Without rows it has nothing to say for itself but `partial`.
fn arches(
    context: &mut Context<'_>,
    set: &SetDefaults,
    op: &ast::Op,
    rows: &[SourceRow<'_>],
    damaged: bool,
) -> Option<Vec<Arch>> {
    let named = |arch: &&Arch| rows.iter().any(|row| row.arches.contains(*arch));
    let arches: Vec<Arch> = set.set.arches.iter().filter(named).copied().collect();
    if !arches.is_empty() {
        return Some(arches);
    }
    if rows.is_empty() && op.clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Partial)) {
        return Some(set.set.arches.clone());
    }
    if !damaged {
        context.report(
            Diagnostic::new(Code::NO_FALLBACK, op.name.span, format!("op `{}` has no rows", op.name.text))
                .label("nothing says what stands at its sites")
                .help("add a row `ARCH { ASM }`, or the line `partial` if its sites are always calls"),
        );
    }
    None
}

/// Clauses that say one thing each.
struct Clauses {
    partial: Option<Span>,
    live: Option<Span>,
    nocall: Option<Span>,
    default: Option<Word>,
    preserves: Preserves,
    preserves_span: Option<Span>,
    clobbers: Option<Span>,
}

impl Clauses {
    fn resolve(context: &mut Context<'_>, op: &ast::Op, damaged: &mut bool) -> Self {
        let mut clauses = Self {
            partial: None,
            live: None,
            nocall: None,
            default: None,
            preserves: Preserves::default(),
            preserves_span: None,
            clobbers: None,
        };
        for clause in &op.clauses {
            match &clause.kind {
                ClauseKind::Partial => clauses.partial = Some(clause.span),
                ClauseKind::Live => clauses.live = Some(clause.span),
                ClauseKind::Nocall => clauses.nocall = Some(clause.span),
                ClauseKind::Default(symbol) => {
                    *damaged |= !super::names::check_symbol(context, symbol);
                    clauses.default = Some(symbol.clone());
                }
                ClauseKind::Clobbers(_) => clauses.clobbers = Some(clause.span),
                ClauseKind::Preserves(words) => {
                    clauses.preserves_span = Some(clause.span);
                    for word in words {
                        *damaged |= !preserve(context, word, &mut clauses.preserves);
                    }
                }
                ClauseKind::Site(_) | ClauseKind::Allow { .. } | ClauseKind::Row(_) => {}
            }
        }
        clauses
    }
}

fn preserve(context: &mut Context<'_>, word: &Word, preserves: &mut Preserves) -> bool {
    let kept = match word.text.as_str() {
        "flags" => &mut preserves.flags,
        "vector" => &mut preserves.vector,
        other => {
            let found =
                Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("nothing called `{other}` can be preserved"));
            context.report(match nearest(other, ["flags", "vector"]) {
                Some(near) => near.offer(found, word.span),
                None => found
                    .note("an op can promise to keep `flags` and `vector` state; registers are kept unless clobbered"),
            });
            return false;
        }
    };
    if std::mem::replace(kept, true) {
        let found = Diagnostic::new(Code::DUPLICATE, word.span, format!("`{}` is listed twice", word.text));
        context.report(context.drop_item(found, word.span));
    }
    true
}

/// Reports clauses that stand twice. The last one counts, which matters no more.
fn report_doubles(context: &mut Context<'_>, op: &ast::Op) {
    let mut seen: Vec<&Clause> = Vec::new();
    for clause in &op.clauses {
        if matches!(clause.kind, ClauseKind::Row(_) | ClauseKind::Allow { .. }) {
            continue;
        }
        let same = |other: &&&Clause| std::mem::discriminant(&other.kind) == std::mem::discriminant(&clause.kind);
        let Some(first) = seen.iter().find(same) else {
            seen.push(clause);
            continue;
        };
        let keyword = context.sources.text(clause.span).split([' ', '\t']).next().unwrap_or_default();
        let found = Diagnostic::new(Code::DUPLICATE, clause.span, format!("`{keyword}` stands twice in one op"));
        let found = found.also(first.span, "first here").help("merge the two lines");
        let same = context.sources.text(first.span) == context.sources.text(clause.span);
        let cut = context.sources.cut(clause.span);
        context.report(if same { found.fix("drop the second", cut, "") } else { found });
    }
}

fn site_lists(context: &mut Context<'_>, set: &SetDefaults, op: &ast::Op, arches: &[Arch]) -> Vec<(Arch, Vec<Site>)> {
    let of_op = op.clauses.iter().find_map(|clause| match &clause.kind {
        ClauseKind::Site(groups) => Some((groups, clause.span)),
        _ => None,
    });
    match of_op {
        Some((groups, span)) => sites::resolve(context, groups, arches, span, "this op"),
        None => set.sites.clone(),
    }
}

fn clobber_lists(
    context: &mut Context<'_>,
    op: &ast::Op,
    arches: &[Arch],
    damaged: &mut bool,
) -> Vec<(Arch, Clobbers)> {
    let insert_at = Some(op.open.after());
    let of_op = op.clauses.iter().find_map(|clause| match &clause.kind {
        ClauseKind::Clobbers(groups) => Some((groups, clause.span)),
        _ => None,
    });
    let mut lists = match of_op {
        Some((groups, span)) => {
            let (lists, good) = clobbers::resolve(context, groups, arches, span, "this op");
            *damaged |= !good;
            lists
        }
        None => arches.iter().map(|&arch| (arch, Clobbers::default())).collect(),
    };
    for (_, clobbers) in &mut lists {
        clobbers.insert_at = insert_at;
    }
    lists
}

/// Reports clauses that contradict each other.
fn check(context: &mut Context<'_>, op: &Op<ResolvedRow>, clauses: &Clauses) {
    let contradiction = |span: Span, message: String| Diagnostic::new(Code::CONTRACT, span, message);
    for contract in &op.contracts {
        for site in &contract.sites {
            let label = site.label();
            let (kind, diverges) = (site.kind, op.diverges());
            if kind.is_jump() && !diverges {
                context.report(
                    contradiction(site.span, format!("a `{label}` site is a jump, and op `{}` comes back", op.name))
                        .label("control does not come back to such a site")
                        .help("declare the op `-> !`, or choose a call kind"),
                );
            }
            if kind.name == "nop" && (diverges || !op.results().is_empty()) {
                context.report(
                    contradiction(site.span, format!("op `{}` has a result, and `{label}` does nothing", op.name))
                        .label("until it is patched, nothing would set the result"),
                );
            }
            let stack = matches!(kind.name, "call.rel" | "call.mem" | "call.abs" | "jmp.stub");
            if let Some(nocall) = clauses.nocall.filter(|_| stack) {
                context.report(
                    contradiction(nocall, format!("`nocall` says that there is no stack, and a `{label}` site calls"))
                        .also(site.span, "the kind of site")
                        .help("a `nocall` op has `inline`, `nop(N)` or `jmp` sites: add a `site` line"),
                );
            }
            let fallback = contract.rows.iter().any(|row| row.when.is_none());
            if kind.name == "inline" && op.partial && !fallback && !op.damaged {
                context.report(
                    contradiction(site.span, "an `inline` site holds the row without a condition".to_owned())
                        .label("this op is `partial` and has no such row")
                        .help("add that row, or choose another kind"),
                );
            }
        }
    }
    let (Some(preserves), Some(clobbers)) = (clauses.preserves_span, clauses.clobbers) else { return };
    let lists = || op.contracts.iter().map(|contract| &contract.clobbers);
    let caller_saved = lists().any(|clobbers| clobbers.caller_saved());
    if op.preserves.flags && lists().any(|clobbers| clobbers.flags()) {
        let found = contradiction(preserves, "the op preserves the flags and clobbers them".to_owned());
        context.report(found.also(clobbers, if caller_saved { "`caller_saved` includes the flags" } else { "here" }));
    } else if op.preserves.vector && caller_saved {
        let found = contradiction(preserves, "the op preserves vector state and clobbers what a call does".to_owned());
        context.report(
            found
                .also(clobbers, "a `caller_saved` op is a plain function, which keeps none of it")
                .help("list the registers instead of `caller_saved`: a thunk then saves the rest"),
        );
    }
}

fn check_clobbers(context: &mut Context<'_>, op: &Op<ResolvedRow>, contract: &Contract<ResolvedRow>) {
    for item in &contract.clobbers.items {
        let Clobber::Register(register) = item.what else {
            if matches!(op.returns, Returns::Never) && !matches!(item.what, Clobber::Memory | Clobber::Barrier) {
                context.report(never_clobbers(context, item.span));
            }
            continue;
        };
        if matches!(op.returns, Returns::Never) {
            context.report(never_clobbers(context, item.span));
            continue;
        }
        if contract.results.iter().any(|result| result.register == register || result.high == Some(register)) {
            let name = register_name(register);
            let message = format!("{name} carries a result of op `{}`", op.name);
            let found = Diagnostic::new(Code::CONTRACT, item.span, message).label("a result is written anyway");
            context.report(context.drop_item(found, item.span));
        }
    }
}

fn never_clobbers(context: &Context<'_>, span: Span) -> Diagnostic {
    let message = format!("`{}` is clobbered by an op that does not come back", context.sources.text(span));
    let found = Diagnostic::new(Code::CONTRACT, span, message)
        .label("nobody is left to miss it")
        .help("after `-> !` only `memory` and `barrier` say something");
    context.drop_item(found, span)
}
