//! The checks: whether each row keeps the contract of its op. The only way to a [`Checked`].
//!
//! Each row becomes a graph of the instructions that control can reach (`flow`), a data-flow over it tells what they
//! read, write and leave behind (`analysis`, one instruction at a time in `transfer`, on the `state` of registers,
//! flags and stack), and the rest of the modules hold that against the contract.

mod analysis;
mod clobbers;
mod disassembly;
mod effects;
mod exits;
mod features;
mod fixes;
mod flow;
mod identity;
mod infer;
mod live;
mod modes;
mod needless;
mod plain;
mod reads;
mod registers;
mod repeats;
mod segments;
mod size;
mod stack;
mod state;
mod summary;
#[cfg(test)]
mod tests;
mod transfer;
mod variants;

pub use effects::flag_list;
pub use infer::{Needs, RowNeeds, infer};
pub use summary::Effects;

use crate::arch::Arch;
use crate::diagnostics::Diagnostics;
use crate::model::{Assembled, AssembledRow, Code, Contract, Feature, Op, ResolvedRow, Set, Type, Unit};
use crate::source::{SourceMap, Span};
use analysis::Summary;
use flow::Graph;
use registers::Cell;
use std::sync::OnceLock;

/// Code as one line of AT&T text, whatever the bytes are.
pub(crate) fn disassemble(bytes: &[u8], arch: Arch) -> String {
    disassembly::bytes(bytes, arch)
}

/// A patch set in which every row was found to keep its contract. Outputs are made from nothing else.
#[derive(Clone, Debug)]
pub struct Checked {
    unit: Unit<CheckedRow>,
    /// The contract symbol, which every output names: made when it is first asked for.
    pub(crate) contract: OnceLock<String>,
}

impl Checked {
    /// The patch set. Every [`Site::len`](crate::model::Site::len) is known now.
    #[must_use]
    pub fn unit(&self) -> &Unit<CheckedRow> {
        &self.unit
    }

    /// Changes what was checked, to see that a run on the CPU finds it out by itself.
    #[cfg(all(test, feature = "run"))]
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Unit<CheckedRow>)) {
        change(&mut self.unit);
    }
}

/// A row with its code and what the checks found out about it.
#[derive(Clone, Debug)]
pub struct CheckedRow {
    /// What it was assembled from.
    pub row: ResolvedRow,
    /// Its code.
    pub code: Code,
    /// How it fits into each site of its contract, in the order of [`Contract::sites`](crate::model::Contract::sites).
    pub fits: Vec<Fit>,
    /// Its instructions, disassembled in AT&T syntax and joined by `; `.
    pub disassembly: String,
    /// What they do.
    pub effects: Effects,
}

/// How a row fits into a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fit {
    /// Bytes of the site.
    pub len: u8,
    /// Bytes that are left for NOPs.
    pub slack: u8,
}

/// Checks every row of the set. `None` if a row has no code or does not fit its sites; other findings are errors in
/// `diagnostics`, and it is up to the caller to emit nothing then (an `allow` may still silence them).
#[must_use]
pub fn check(mut unit: Assembled, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Option<Checked> {
    size::inline_lengths(&mut unit);
    for arch in Arch::ALL {
        size::identity(&unit, arch, diagnostics);
        size::table(&unit, arch, diagnostics);
    }
    let mut ops = Vec::with_capacity(unit.ops.len());
    let mut complete = true;
    for op in unit.ops {
        match check_op(&unit.set, &unit.features, op, sources, diagnostics) {
            Some(op) => ops.push(op),
            None => complete = false,
        }
    }
    let unit = Unit { set: unit.set, features: unit.features, ops, branches: unit.branches };
    complete.then_some(Checked { unit, contract: OnceLock::new() })
}

/// What a row is checked against.
#[derive(Clone, Copy)]
struct Context<'a> {
    set: &'a Set,
    features: &'a [Feature],
    op: &'a Op<()>,
    /// On how many arches the op exists.
    op_arches: usize,
    contract: &'a Contract<()>,
    sources: &'a SourceMap,
}

impl Context<'_> {
    /// Whether some site is a jump.
    fn has_jump_site(&self) -> bool {
        self.contract.sites.iter().any(|site| site.kind.is_jump())
    }

    /// Whether sites come from a wrapper that a compiler inlines, and not from hand-written asm only.
    fn has_wrapper(&self) -> bool {
        !self.op.nocall && !self.op.diverges() && !self.has_jump_site()
    }
}

/// A row and what the data-flow told of it.
struct RowCheck<'a> {
    context: Context<'a>,
    row: &'a AssembledRow,
    code: &'a Code,
    graph: Graph,
    summary: Summary,
}

impl<'a> RowCheck<'a> {
    fn new(context: Context<'a>, row: &'a AssembledRow, code: &'a Code, diagnostics: &mut Diagnostics) -> Self {
        let arch = context.contract.arch;
        let graph = flow::graph(row, code, arch, diagnostics);
        let inputs: Vec<Cell> = context
            .contract
            .params
            .iter()
            .flat_map(|param| [Some(param.register), param.high])
            .filter_map(|register| Cell::of(register?).map(|(cell, _)| cell))
            .collect();
        let entry = state::State::entry(arch, &inputs, context.op.diverges());
        let summary = analysis::analyse(&graph, arch, context.set.abi, entry);
        Self { context, row, code, graph, summary }
    }

    /// The span of the instruction at `offset`, or of the whole asm.
    fn span(&self, offset: Option<u32>) -> Span {
        offset.map_or(self.asm_span(), |offset| flow::item_span(self.row, self.code, offset))
    }

    fn asm_span(&self) -> Span {
        self.row.row.asm.span
    }

    /// Whether a return instruction stands at `offset`.
    fn is_return(&self, offset: u32) -> bool {
        self.graph.nodes.get(&offset).is_some_and(|node| node.next.contains(&flow::Next::Return))
    }
}

fn check_op(
    set: &Set,
    features: &[Feature],
    op: Op<AssembledRow>,
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Option<Op<CheckedRow>> {
    let (bare, contracts) = op.with_contracts::<()>(Vec::new());
    let op_arches = contracts.len();
    let split: Vec<(Contract<()>, Vec<AssembledRow>)> = contracts.into_iter().map(Contract::take_rows).collect();
    let mut needless = needless::Needless::default();
    let mut checks = Vec::with_capacity(split.len());
    let mut repeats = repeats::Repeats::default();
    for (contract, rows) in &split {
        let mut found = Diagnostics::default();
        let context = Context { set, features, op: &bare, op_arches, contract, sources };
        let fallback = rows.iter().find(|row| row.row.when.is_none()).and_then(|row| row.code.as_ref());
        size::sites(&context, fallback, &mut found);
        let mut row_checks = Vec::with_capacity(rows.len());
        for row in rows {
            let Some(code) = &row.code else { continue };
            let check = RowCheck::new(context, row, code, &mut found);
            size::row(&context, row, code, &mut found);
            live::check(&check, &mut found);
            // What follows from instructions that were misunderstood would only mislead.
            if check.graph.sound {
                exits::check(&check, &mut found);
                if !bare.damaged {
                    clobbers::check(&check, &mut found);
                }
                reads::check(&check, &mut found);
                stack::check(&check, &mut found);
                features::check(&check, &mut found);
                segments::check(&check, &mut found);
                identity::check(&check, &mut found);
            }
            row_checks.push(check);
        }
        if !bare.damaged && row_checks.len() == rows.len() && row_checks.iter().all(|check| check.graph.sound) {
            needless.visit(&context, &row_checks);
        } else {
            needless.keep(&context);
        }
        variants::check(&context, &row_checks, &mut found);
        checks.push(row_checks);
        repeats.push_new(&found, diagnostics);
    }
    needless.report(diagnostics);
    if let [one, other] = &checks[..] {
        for (one, other) in one.iter().flat_map(|one| other.iter().map(move |other| (one, other))) {
            if one.row.row.span == other.row.row.span {
                let arch = |check: &RowCheck<'_>| check.context.contract.arch;
                modes::check(
                    &bare.name,
                    (one.row, arch(one), &one.graph),
                    (other.row, arch(other), &other.graph),
                    diagnostics,
                );
            }
        }
    }
    let found: Vec<Option<Vec<Found>>> =
        checks.iter().map(|checks| checks.iter().map(|check| check.found()).collect()).collect();
    drop(checks);
    let contracts: Option<Vec<Contract<CheckedRow>>> = split
        .into_iter()
        .zip(found)
        .map(|((contract, rows), found)| {
            let found = found?;
            if found.len() != rows.len() {
                return None;
            }
            let rows = rows.into_iter().zip(found).map(|(row, found)| {
                let Found { fits, disassembly, effects } = found;
                Some(CheckedRow { row: row.row, code: row.code?, fits, disassembly, effects })
            });
            let rows: Option<Vec<CheckedRow>> = rows.collect();
            Some(contract.take_rows_with(rows?))
        })
        .collect();
    Some(bare.with_contracts(contracts?).0)
}

/// What the outputs want to know of a row.
struct Found {
    fits: Vec<Fit>,
    disassembly: String,
    effects: Effects,
}

impl RowCheck<'_> {
    /// `None` if the row does not fit a site.
    fn found(&self) -> Option<Found> {
        let fits = self.context.contract.sites.iter().map(|site| {
            let len = site.len?;
            let slack = len.checked_sub(u8::try_from(self.code.bytes.len()).ok()?)?;
            Some(Fit { len, slack })
        });
        let fits: Option<Vec<Fit>> = fits.collect();
        Some(Found { fits: fits?, disassembly: disassembly::line(self.code, &self.graph), effects: Effects::of(self) })
    }
}

/// The lanes of a register that a value of a type fills.
fn lanes_of(ty: Type, arch: Arch) -> u8 {
    match ty {
        Type::U8 | Type::Bool => registers::BYTE,
        Type::U16 => registers::WORD,
        Type::U32 => registers::DWORD,
        Type::Word | Type::Ptr | Type::U64 => Cell::SP.lanes(arch),
    }
}
