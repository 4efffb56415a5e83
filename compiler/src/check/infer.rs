//! What rows need, whatever their contract says: the other direction of the checks.

use super::analysis::Leaving;
use super::clobbers::{CONTROL_WORDS, goes_with};
use super::effects::Memory;
use super::registers::Cell;
use super::{Context, Effects, RowCheck};
use crate::arch::Arch;
use crate::diagnostics::Diagnostics;
use crate::model::{Assembled, Contract, Op};
use crate::source::SourceMap;

/// What an op needs on one arch.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Index of the op.
    pub op: usize,
    /// The arch.
    pub arch: Arch,
    /// The smallest `clobbers` that the checks accept, as words of that clause: registers, then flags, then memory.
    pub clobbers: Vec<String>,
    /// What each row needs, in their order; `None` for one that has no code or whose control flow makes no sense.
    pub rows: Vec<Option<RowNeeds>>,
}

/// What a row needs.
#[derive(Clone, Debug)]
pub struct RowNeeds {
    /// The words of `clobbers` that this row is the reason for.
    pub clobbers: Vec<String>,
    /// CPU features that neither its condition nor the baseline guarantees.
    pub features: Vec<String>,
    /// What it was found to do.
    pub effects: Effects,
    /// The smallest kind of site that holds it and a call of the op's backend: `call.rel`; `inline` if none does.
    pub site: &'static str,
    /// Bytes of that site.
    pub site_len: usize,
}

/// Works out what each row of a set needs. Nothing is reported: what the contract lacks is the answer.
#[must_use]
pub fn infer(unit: &Assembled, sources: &SourceMap) -> Vec<Needs> {
    let mut needs = Vec::new();
    for (index, op) in unit.ops.iter().enumerate() {
        let (bare, contracts) = op.clone().with_contracts::<()>(Vec::new());
        let op_arches = contracts.len();
        for contract in contracts {
            let (mut contract, rows) = contract.take_rows();
            // What is declared must not hide what is needed.
            contract.clobbers.items.clear();
            let context = Context {
                set: &unit.set,
                features: &unit.features,
                op: &bare,
                op_arches,
                contract: &contract,
                sources,
            };
            let mut unheard = Diagnostics::default();
            let rows: Vec<Option<RowNeeds>> = rows
                .iter()
                .map(|row| {
                    let check = RowCheck::new(context, row, row.code.as_ref()?, &mut unheard);
                    check.graph.sound.then(|| check.needs())
                })
                .collect();
            let all = rows.iter().flatten().flat_map(|row| &row.clobbers);
            needs.push(Needs { op: index, arch: contract.arch, clobbers: in_order(all.cloned()), rows });
        }
    }
    needs
}

impl RowCheck<'_> {
    fn needs(&self) -> RowNeeds {
        let arch = self.context.contract.arch;
        let effects = Effects::of(self);
        let mut clobbers = Vec::new();
        if !self.context.op.diverges() {
            let changed = self.changed();
            let registers = changed.cells.iter().filter(|&&cell| !self.context.allows(cell));
            clobbers.extend(registers.map(|cell: &Cell| cell.name(arch).to_owned()));
            clobbers.extend((changed.flags != 0).then(|| "flags".to_owned()));
            clobbers.extend(changed.direction.then(|| "df".to_owned()));
            for (bit, word) in CONTROL_WORDS.into_iter().filter(|(bit, _)| changed.control & bit != 0) {
                let named = || changed.cells.iter().any(|&cell| goes_with(bit, cell) && !self.context.allows(cell));
                if self.loads_alone(bit) || !named() {
                    clobbers.push(word.to_owned());
                }
            }
        }
        if self.summary.barrier() && self.context.has_wrapper() {
            clobbers.push("barrier".to_owned());
        } else if self.summary.memory() != Memory::None
            && self.summary.exits.iter().any(|exit| exit.how == Leaving::End)
        {
            clobbers.push("memory".to_owned());
        }
        let features = super::features::missing(self);
        let len = self.code.bytes.len();
        let (site, site_len) = smallest_site(self.context.op, self.context.contract, len);
        RowNeeds { clobbers, features, effects, site, site_len }
    }
}

/// The smallest kind of site for a row of `len` bytes.
fn smallest_site(op: &Op<()>, contract: &Contract<()>, len: usize) -> (&'static str, usize) {
    // The kind of call or jump that the op has now; a site without a stack holds the row and nothing else.
    let family = |name: &str| match (op.diverges(), op.nocall, contract.sites.first().map(|site| site.kind.name)) {
        (true, ..) => name.starts_with("jmp.") && name != "jmp.stub",
        (_, true, _) => false,
        (.., Some("jmp.stub")) => name == "jmp.stub",
        _ => name.starts_with("call."),
    };
    let kinds = contract.arch.table().kinds.iter().filter(|kind| family(kind.name));
    let fitting = kinds.filter_map(|kind| Some((kind.name, usize::from(kind.len?)))).filter(|(_, room)| *room >= len);
    let direct = usize::from(contract.arch.table().direct_len);
    let inline = ("inline", if op.nocall { len } else { len.max(direct) });
    fitting.min_by_key(|(_, room)| *room).unwrap_or(inline)
}

/// The words of a clause in its usual order, each once; `memory` is a part of `barrier`.
fn in_order(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for word in words {
        if !list.contains(&word) {
            list.push(word);
        }
    }
    if list.iter().any(|word| word == "barrier") {
        list.retain(|word| word != "memory");
    }
    let rank =
        |word: &String| ["flags", "df", "mxcsr", "fpcw", "memory", "barrier"].iter().position(|other| other == word);
    list.sort_by_key(|word| rank(word).map_or(0, |rank| rank + 1));
    list
}
