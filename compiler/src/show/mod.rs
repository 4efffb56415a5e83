//! The table of a patch set as a reviewer reads it: each op on each arch with its instructions, bytes, room and contract.
//!
//! [`Table`] holds the cells; [`text`] lays them out for a mail, [`html`] for a browser.

mod html;
mod text;

pub use html::html;
pub use text::text;

use crate::assemble::group_of;
use crate::check::{Checked, CheckedRow};
use crate::emit::branch::{FORMS, Form};
use crate::model::{Abi, Branch, Contract, Op, Operand, Parameter, Returns, Unit};
use crate::source::SourceMap;

/// All that is shown of a patch set.
#[derive(Clone, Debug)]
pub struct Table {
    /// Name of the set.
    pub name: String,
    /// Its `//!` lines.
    pub docs: Vec<String>,
    /// `14 ops, 24 rows on x86_64 and i386, abi kernel`.
    pub summary: String,
    /// The ops in order of their ids.
    pub ops: Vec<OpCells>,
    /// The static branches: `trace.enabled = false on x86_64 and i386, live`.
    pub branches: Vec<String>,
    /// What each of their sites holds: `66 90 (jumps: eb ??) or ...`.
    pub branch_sites: String,
}

/// What is shown of an op.
#[derive(Clone, Debug)]
pub struct OpCells {
    /// Dotted name.
    pub name: String,
    /// Its name as a link's target: dots are underscores.
    pub anchor: String,
    /// `(flags: word) -> !`
    pub signature: String,
    /// `partial`, `live` and the like.
    pub notes: Vec<String>,
    /// Its `///` lines.
    pub docs: Vec<String>,
    /// Where each operand sits: `x86_64: flags in rdi`.
    pub operands: Vec<String>,
    /// `x86_64.pv:22`
    pub place: String,
    /// Its rows, arch by arch.
    pub rows: Vec<RowCells>,
}

/// What is shown of a row.
#[derive(Clone, Debug)]
pub struct RowCells {
    /// The arch.
    pub arch: &'static str,
    /// Its condition, or nothing.
    pub when: String,
    /// The instructions, roles as registers.
    pub asm: String,
    /// The bytes in hex, with `??` for those of a fixup.
    pub bytes: Vec<String>,
    /// How it fits into each site.
    pub sites: Vec<SiteCells>,
    /// The declared clobbers of the op on this arch.
    pub clobbers: Vec<String>,
    /// CPU features that the instructions need and the baseline lacks.
    pub features: Vec<String>,
    /// What the instructions were found to do.
    pub effects: String,
    /// Line of the row.
    pub line: u32,
}

/// How a row fits into a site.
#[derive(Clone, Debug)]
pub struct SiteCells {
    /// `call.mem`, `nop(8)`
    pub kind: String,
    /// Bytes of the site.
    pub len: usize,
    /// Those that the row leaves for NOPs.
    pub slack: usize,
}

impl Table {
    /// The table of a checked set.
    #[must_use]
    pub fn new(checked: &Checked, sources: &SourceMap) -> Self {
        let unit = checked.unit();
        Self {
            name: unit.set.name.clone(),
            docs: unit.set.docs.clone(),
            summary: summary(unit),
            ops: unit.ops.iter().map(|op| op_cells(unit, op, sources)).collect(),
            branches: unit.branches.iter().map(branch).collect(),
            branch_sites: branch_sites(),
        }
    }
}

fn summary(unit: &Unit<CheckedRow>) -> String {
    let rows: usize = unit.ops.iter().flat_map(|op| &op.contracts).map(|contract| contract.rows.len()).sum();
    let arches: Vec<&str> = unit.set.arches.iter().map(|arch| arch.name()).collect();
    let abi = match unit.set.abi {
        Abi::Kernel => "kernel",
        Abi::User => "user",
    };
    let branches = match unit.branches.len() {
        0 => String::new(),
        1 => ", 1 branch".to_owned(),
        number => format!(", {number} branches"),
    };
    format!("{}, {}{branches} on {}, abi {abi}", count(unit.ops.len(), "op"), count(rows, "row"), arches.join(" and "))
}

fn branch(branch: &Branch) -> String {
    let arches: Vec<&str> = branch.arches.iter().map(|arch| arch.name()).collect();
    let live = if branch.live { ", live" } else { "" };
    format!("{} = {} on {}{live}", branch.name, branch.initial, arches.join(" and "))
}

/// What the sites of all static branches hold.
fn branch_sites() -> String {
    let form = |form: &Form| format!("{} (jumps: {})", form.nop, form.jump);
    FORMS.iter().map(form).collect::<Vec<_>>().join(" or ")
}

/// `1 op`, `2 ops`
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn op_cells(unit: &Unit<CheckedRow>, op: &Op<CheckedRow>, sources: &SourceMap) -> OpCells {
    let file = sources.file(op.span.file);
    let operands = op.contracts.iter().filter_map(|contract| {
        let all: Vec<String> = contract.params.iter().chain(&contract.results).filter_map(place).collect();
        (!all.is_empty()).then(|| format!("{}: {}", contract.arch.name(), all.join(", ")))
    });
    OpCells {
        name: op.name.clone(),
        anchor: op.ident(),
        signature: signature(op),
        notes: notes(op),
        docs: op.docs.clone(),
        operands: operands.collect(),
        place: format!("{}:{}", file.name(), file.line(op.span.start)),
        rows: op
            .contracts
            .iter()
            .flat_map(|contract| contract.rows.iter().map(|row| row_cells(unit, contract, row)))
            .collect(),
    }
}

/// `value in rdi`; nothing for a result without a name.
fn place(operand: &Operand) -> Option<String> {
    let name = match operand.name.as_str() {
        "" => "result",
        name => name,
    };
    let low = crate::arch::register_name(operand.register);
    Some(match operand.high {
        Some(high) => format!("{name} in {}:{low}", crate::arch::register_name(high)),
        None => format!("{name} in {low}"),
    })
}

/// The signature of an op, without the registers.
pub(crate) fn signature<R>(op: &Op<R>) -> String {
    let one = |parameter: &Parameter| match parameter.name.as_str() {
        "" => parameter.ty.to_string(),
        name => format!("{name}: {}", parameter.ty),
    };
    let params: Vec<String> = op.params.iter().map(one).collect();
    let returns = match &op.returns {
        Returns::Never => " -> !".to_owned(),
        Returns::Values(results) => match &results[..] {
            [] => String::new(),
            [result] => format!(" -> {}", one(result)),
            many => format!(" -> ({})", many.iter().map(one).collect::<Vec<_>>().join(", ")),
        },
    };
    format!("({}){returns}", params.join(", "))
}

/// What the op's clauses say beside sites and clobbers.
pub(crate) fn notes<R>(op: &Op<R>) -> Vec<String> {
    let mut notes = Vec::new();
    for (set, word) in [
        (op.partial, "partial"),
        (op.live, "live"),
        (op.nocall, "nocall"),
        (op.preserves.flags, "preserves flags"),
        (op.preserves.vector, "preserves vector"),
    ] {
        notes.extend(set.then(|| word.to_owned()));
    }
    notes.extend(op.default.as_ref().map(|symbol| format!("default {symbol}")));
    notes
}

fn row_cells(unit: &Unit<CheckedRow>, contract: &Contract<CheckedRow>, row: &CheckedRow) -> RowCells {
    let clobbers: Vec<String> = contract.clobbers.items.iter().map(|item| item.what.to_string()).collect();
    let mut when = row.row.when.as_ref().map(|when| when.text.clone()).unwrap_or_default();
    if row.row.identity {
        when = format!("{when} identity").trim().to_owned();
    }
    let instructions: Vec<&str> = row.row.asm.text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    RowCells {
        arch: contract.arch.name(),
        when,
        asm: instructions.join("; "),
        bytes: group_of(&row.code).split(' ').filter(|byte| !byte.is_empty()).map(str::to_owned).collect(),
        sites: contract
            .sites
            .iter()
            .zip(&row.fits)
            .map(|(site, fit)| SiteCells {
                kind: site.label(),
                len: usize::from(fit.len),
                slack: usize::from(fit.slack),
            })
            .collect(),
        clobbers,
        features: row.effects.features.iter().filter(|name| !unit.set.baseline.contains(*name)).cloned().collect(),
        effects: row.effects.to_string(),
        line: row.row.line,
    }
}
