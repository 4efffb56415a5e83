//! Rows: from source to one [`ResolvedRow`] an arch, and whether the rows of an op leave something open.

use super::asm::Roles;
use super::coverage::World;
use super::features::Features;
use super::op::SourceRow;
use super::{Context, asm, bytes, condition};
use crate::arch::Arch;
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Contract, Expected, Op, ResolvedRow, Term, Type, When};
use crate::source::Span;

/// The most rows of an op on an arch.
pub(super) const MAX_ROWS: usize = 256;

/// What all arches of a row share.
pub(super) struct Shared {
    when: Option<When>,
    groups: Option<Vec<Expected>>,
}

/// Resolves the condition and the bytes of a row; `None` if one makes no sense, which has been reported.
pub(super) fn share(context: &mut Context<'_>, row: &SourceRow<'_>, features: &mut Features) -> Option<Shared> {
    let when = row.source.when.as_ref().map(|text| condition::resolve(context, text, features));
    let groups = row.source.bytes.as_ref().map(|text| bytes::resolve(context, text));
    let groups = groups.map(|groups| groups.filter(|groups| count_fits(context, row, groups)));
    Some(Shared { when: optional(when)?, groups: optional(groups)? })
}

/// A part that may be missing, but must be right if it is there.
fn optional<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(found) => found.map(Some),
    }
}

/// Whether there is one group of bytes, or one for each arch.
fn count_fits(context: &mut Context<'_>, row: &SourceRow<'_>, groups: &[Expected]) -> bool {
    let arches = row.arches.len();
    if groups.len() == 1 || groups.len() == arches {
        return true;
    }
    let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return true };
    let named: Vec<_> = row.arches.iter().map(|arch| arch.name()).collect();
    let list = first.span.to(last.span);
    let found = Diagnostic::new(
        Code::BYTE_GROUPS,
        list,
        format!("{} groups of bytes stand beside a row of {arches} arches", groups.len()),
    )
    .label(format!("the row is for {}", named.join(", ")))
    .help("write one group if all arches have the same bytes, else one for each in the order of the row");
    context.report(if groups.iter().all(|group| group.bytes == first.bytes) {
        let once = context.sources.text(first.span).to_owned();
        found.fix("write the group once", list, once)
    } else {
        found
    });
    false
}

/// The row on `arch`; `None` if its asm makes no sense, which has been reported.
pub(super) fn resolve(
    context: &mut Context<'_>,
    row: &SourceRow<'_>,
    shared: &Shared,
    arch: Arch,
    roles: &Roles<'_>,
) -> Option<ResolvedRow> {
    let asm = asm::resolve(context, row.source.asm, roles)?;
    let expected = shared.groups.as_ref().and_then(|groups| {
        let at = if groups.len() == 1 { 0 } else { row.arches.iter().position(|of| *of == arch)? };
        groups.get(at).cloned()
    });
    Some(ResolvedRow {
        span: row.span,
        file: row.span.file,
        line: context.sources.line(row.span),
        when: shared.when.clone(),
        identity: row.source.identity.is_some(),
        asm,
        expected,
    })
}

/// Reports rows that can never be chosen and cases that no row is for; turns conditions that always hold into none.
pub(super) fn check(context: &mut Context<'_>, op: &mut Op<ResolvedRow>, world: &World) {
    let (partial, damaged, name, span) = (op.partial, op.damaged, op.name.clone(), op.span);
    let mut open = Vec::new();
    let of_several: Vec<Span> = match &op.contracts[..] {
        [one, other] => {
            let both = |row: &&ResolvedRow| other.rows.iter().any(|of_other| of_other.span == row.span);
            one.rows.iter().filter(both).map(|row| row.span).collect()
        }
        _ => Vec::new(),
    };
    for contract in &mut op.contracts {
        let mut earlier: Vec<(Vec<Term>, Span)> = Vec::new();
        for row in &mut contract.rows {
            simplify(context, row, world);
            let terms = terms(row);
            check_reachable(context, row, &terms, &earlier, world, (contract.arch, !of_several.contains(&row.span)));
            earlier.push((terms, row.span));
        }
        if !partial && !damaged && contract.rows.iter().all(|row| row.when.is_some()) {
            open.push((contract.arch, missing(contract, world)));
        }
    }
    let Some((_, covered)) = open.first() else { return };
    let arches: Vec<_> = open.iter().map(|(arch, _)| arch.name()).collect();
    let found = Diagnostic::new(
        Code::NO_FALLBACK,
        span,
        format!("op `{name}` has no row without a condition on {}", arches.join(" and ")),
    );
    context.report(match covered {
        Some(last) => found
            .label("the default implementation is made of that row")
            .also(*last, "whenever this row is reached, its condition holds")
            .fix("drop the condition of the last row", when_clause(context, *last), ""),
        None => found
            .label("what stands at its sites when no condition holds?")
            .help("add a row without `when`, or the line `partial` if the site may stay a call"),
    });
}

/// The condition at `span` with its `when`, and the blanks before that.
fn when_clause(context: &Context<'_>, span: Span) -> Span {
    let text = &context.sources.file(span.file).text;
    let before = text[..span.start as usize].trim_end();
    let before = before.strip_suffix("when").unwrap_or(before).trim_end();
    Span { start: before.len() as u32, ..span }
}

/// Whether the last row holds whenever it is reached: its condition.
fn missing(contract: &Contract<ResolvedRow>, world: &World) -> Option<Span> {
    let all: Vec<Term> = contract.rows.iter().flat_map(terms).collect();
    let last = contract.rows.last()?.when.as_ref()?.span;
    (world.covered(Term { all: 0, none: 0 }, &all) == Some(true)).then_some(last)
}

/// The terms of a row's condition; the empty term, which always holds, if it has none.
fn terms(row: &ResolvedRow) -> Vec<Term> {
    row.when.as_ref().map_or_else(|| vec![Term { all: 0, none: 0 }], |when| when.terms.clone())
}

/// Drops a condition that always holds, with a warning.
fn simplify(context: &mut Context<'_>, row: &mut ResolvedRow, world: &World) {
    let Some(when) = &row.when else { return };
    if world.covered(Term { all: 0, none: 0 }, &when.terms) == Some(true) {
        context.report(
            Diagnostic::new(Code::CONSTANT_CONDITION, when.span, format!("`{}` always holds", when.text))
                .label("no machine of this set fails it")
                .note("the baseline and what features imply are taken into account")
                .fix("drop the `when`", when_clause(context, when.span), ""),
        );
        row.when = None;
    }
}

/// Reports a row that no machine would choose; `arch` comes with whether the row is of that arch only.
fn check_reachable(
    context: &mut Context<'_>,
    row: &ResolvedRow,
    terms: &[Term],
    earlier: &[(Vec<Term>, Span)],
    world: &World,
    (arch, alone): (Arch, bool),
) {
    if let Some(when) = row.when.as_ref().filter(|_| !terms.iter().any(|term| world.possible(*term))) {
        context.report(
            Diagnostic::new(Code::UNREACHABLE_ROW, when.span, format!("`{}` can never hold", when.text))
                .label("no CPU of this set is like that")
                .note("the baseline and what features imply are taken into account")
                .guess("drop the row", context.sources.cut(row.span), ""),
        );
        return;
    }
    let all: Vec<Term> = earlier.iter().flat_map(|(terms, _)| terms.iter().copied()).collect();
    let hidden = |others: &[Term]| terms.iter().all(|term| world.covered(*term, others) == Some(true));
    if !hidden(&all) {
        return;
    }
    let found = Diagnostic::new(
        Code::UNREACHABLE_ROW,
        row.when.as_ref().map_or(row.span, |when| when.span),
        format!("this row is never chosen on {}", arch.name()),
    );
    // On the other arch it may be chosen.
    let found = if alone { found.guess("drop the row", context.sources.cut(row.span), "") } else { found };
    context.report(match earlier.iter().find(|(terms, _)| hidden(terms)) {
        Some((_, span)) => found
            .label("whenever this holds, an earlier row is taken")
            .also(*span, "this row comes first")
            .help("rows are tried in order: put the more special one first"),
        None => found.label("whenever this holds, one of the earlier rows is taken"),
    });
}

/// The identity row of each arch: there is one at most.
#[derive(Default)]
pub(super) struct Identity {
    rows: Vec<(Arch, Span)>,
}

impl Identity {
    /// Checks the identity rows of an op.
    pub(super) fn add(&mut self, context: &mut Context<'_>, op: &Op<ResolvedRow>) {
        for contract in &op.contracts {
            for row in contract.rows.iter().filter(|row| row.identity) {
                check_identity(context, op, row);
                match self.rows.iter().find(|(arch, _)| *arch == contract.arch) {
                    Some((arch, first)) => context.report(
                        Diagnostic::new(
                            Code::DUPLICATE,
                            row.span,
                            format!("a second identity row for {}", arch.name()),
                        )
                        .also(*first, "the first")
                        .help("one row of a set stands for \"returns its argument\" in all ops"),
                    ),
                    None => self.rows.push((contract.arch, row.span)),
                }
            }
        }
    }
}

fn check_identity(context: &mut Context<'_>, op: &Op<ResolvedRow>, row: &ResolvedRow) {
    let shape = match (op.params.as_slice(), op.results()) {
        ([param], [result]) => {
            let word = |ty| matches!(ty, Type::Word | Type::Ptr);
            word(param.ty) && word(result.ty)
        }
        _ => false,
    };
    if !shape {
        context.report(
            Diagnostic::new(
                Code::CONTRACT,
                row.span,
                "an identity row stands in an op that cannot return its argument",
            )
            .help("such an op takes one `word` or `ptr` and returns one"),
        );
    }
    if let Some(when) = &row.when {
        context.report(
            Diagnostic::new(Code::CONTRACT, when.span, "an identity row has a condition")
                .label("the row must do on every machine"),
        );
    }
}
