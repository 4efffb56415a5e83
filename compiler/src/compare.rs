//! Two patch sets compared by what they mean: comments, layout, and asm that encodes to the same bytes do not count.

use crate::assemble::group_of;
use crate::check::{Checked, CheckedRow};
use crate::emit::contract;
use crate::model::{Abi, Branch, Contract, Op, Operand, Unit};
use crate::show::{notes, signature};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How two sets differ.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The contract symbol of the old set.
    pub old_contract: String,
    /// That of the new one. If it is another, objects with sites have to be compiled again: the old ones do not link.
    pub new_contract: String,
    /// The differences, in the order of the new set; what was removed comes last.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Change {
    /// What it is about: `set`, `op irq.save_fl`, `feature xenpv`, `branch trace.enabled`.
    pub subject: String,
    /// The arch, if it is about one.
    pub arch: Option<&'static str>,
    /// The condition of the row, if it is about a row; `always` for one without.
    pub row: Option<String>,
    /// What differs: `added`, `removed`, `renamed`, `id`, `signature`, `operands`, `sites`, `clobbers`, `bytes`, `slack` ...
    pub what: &'static str,
    /// What it was; empty: not there.
    pub old: String,
    /// What it is.
    pub new: String,
    /// Whether objects that were compiled against the old set depend on it: it changes the contract symbol.
    pub contract: bool,
}

impl Comparison {
    /// Whether the sets mean the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether objects that were compiled against the old set do not go with the new one.
    #[must_use]
    pub fn breaks_objects(&self) -> bool {
        self.old_contract != self.new_contract
    }

    /// The differences as lines, those of one subject below its name. What objects depend on is marked with `!`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for of_subject in self.changes.chunk_by(|one, other| one.subject == other.subject) {
            text += &format!("{}\n", of_subject[0].subject);
            for change in of_subject {
                text += &format!("{} {}\n", if change.contract { "!" } else { " " }, change.line());
            }
        }
        if self.breaks_objects() {
            text += "contract\n";
            text += &format!("! {} -> {}\n", self.old_contract, self.new_contract);
            text += "  objects that were compiled against the old set have to be compiled again (!)\n";
        }
        text
    }

    /// The comparison as JSON, with a newline at its end.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings always serialize");
        text.push('\n');
        text
    }
}

impl Change {
    fn line(&self) -> String {
        let mut parts: Vec<&str> = self.arch.into_iter().collect();
        let row = self.row.as_ref().map(|row| format!("row ({row})"));
        parts.extend(row.as_deref());
        parts.push(self.what);
        let place = parts.join(" ");
        match (self.old.as_str(), self.new.as_str()) {
            ("", "") => place,
            ("", new) => format!("{place}: {new}"),
            (old, "") => format!("{place}: was {old}"),
            (old, new) => format!("{place}: {old} -> {new}"),
        }
    }
}

/// Compares two sets.
///
/// ```
/// use pvc::source::MemoryLoader;
/// let set = |clobbers: &str| {
///     let text = format!("patchset demo {{ arch x86_64 }}\nop a() {{ clobbers {clobbers}\n x86_64 {{ cli }} }}\n");
///     pvc::compile("a.pv", &MemoryLoader::from_iter([("a.pv", text)])).checked.unwrap()
/// };
/// let found = pvc::compare::compare(&set("barrier"), &set("flags, barrier"));
/// assert!(found.breaks_objects());
/// assert!(found.text().starts_with("op a\n! x86_64 clobbers: barrier -> flags, barrier\n"));
/// assert!(pvc::compare::compare(&set("barrier"), &set("barrier")).is_same());
/// ```
#[must_use]
pub fn compare(old: &Checked, new: &Checked) -> Comparison {
    let (old_contract, new_contract) = (contract::symbol(old), contract::symbol(new));
    let mut found = Found::default();
    let (old, new) = (old.unit(), new.unit());
    set(old, new, &mut found);
    ops(old, new, &mut found);
    branches(old, new, &mut found);
    Comparison { old_contract: old_contract.to_owned(), new_contract: new_contract.to_owned(), changes: found.changes }
}

/// Collects the changes of one subject after the other.
#[derive(Default)]
struct Found {
    changes: Vec<Change>,
    subject: String,
    arch: Option<&'static str>,
    row: Option<String>,
}

impl Found {
    fn about(&mut self, subject: String) {
        (self.subject, self.arch, self.row) = (subject, None, None);
    }

    fn add(&mut self, what: &'static str, contract: bool, old: impl Into<String>, new: impl Into<String>) {
        let (subject, arch, row) = (self.subject.clone(), self.arch, self.row.clone());
        self.changes.push(Change { subject, arch, row, what, old: old.into(), new: new.into(), contract });
    }

    /// Adds a change if there is one.
    fn hold(&mut self, what: &'static str, contract: bool, old: String, new: String) {
        if old != new {
            self.add(what, contract, old, new);
        }
    }
}

fn set(old: &Unit<CheckedRow>, new: &Unit<CheckedRow>, found: &mut Found) {
    found.about("set".to_owned());
    let abi = |unit: &Unit<CheckedRow>| match unit.set.abi {
        Abi::Kernel => "kernel".to_owned(),
        Abi::User => "user".to_owned(),
    };
    let arches = |unit: &Unit<CheckedRow>| list(unit.set.arches.iter().map(|arch| arch.name()));
    found.hold("name", true, old.set.name.clone(), new.set.name.clone());
    found.hold("abi", true, abi(old), abi(new));
    found.hold("arches", false, arches(old), arches(new));
    let lost = list(old.set.baseline.difference(&new.set.baseline).map(String::as_str));
    let gained = list(new.set.baseline.difference(&old.set.baseline).map(String::as_str));
    found.hold("baseline", false, lost, gained);
    let names = |unit: &Unit<CheckedRow>| unit.features.iter().map(|one| one.name.clone()).collect::<BTreeSet<_>>();
    let (before, after) = (names(old), names(new));
    for name in after.difference(&before) {
        found.about(format!("feature {name}"));
        found.add("added", false, "", "");
    }
    for name in before.difference(&after) {
        found.about(format!("feature {name}"));
        found.add("removed", false, "", "");
    }
}

fn ops(old: &Unit<CheckedRow>, new: &Unit<CheckedRow>, found: &mut Found) {
    let ids = |unit: &Unit<CheckedRow>| {
        unit.ops.iter().enumerate().map(|(id, op)| (op.name.clone(), id)).collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (ids(old), ids(new));
    let mut gone: Vec<usize> = (0..old.ops.len()).filter(|&id| !after.contains_key(&old.ops[id].name)).collect();
    for (id, op) in new.ops.iter().enumerate() {
        found.about(format!("op {}", op.name));
        let was = before.get(&op.name).copied().or_else(|| {
            // An op of another name that is the same in all else.
            let at = gone.iter().position(|&was| same_but_name(&old.ops[was], op, old, new))?;
            let was = gone.remove(at);
            found.add("renamed", true, old.ops[was].name.clone(), op.name.clone());
            Some(was)
        });
        match was {
            Some(was) => {
                found.hold("id", true, was.to_string(), id.to_string());
                one_op(&old.ops[was], op, old, new, found);
            }
            None => found.add("added", true, "", format!("id {id}")),
        }
    }
    for id in gone {
        found.about(format!("op {}", old.ops[id].name));
        found.add("removed", true, format!("id {id}"), "");
    }
}

fn same_but_name(one: &Op<CheckedRow>, other: &Op<CheckedRow>, old: &Unit<CheckedRow>, new: &Unit<CheckedRow>) -> bool {
    let mut found = Found::default();
    one_op(one, other, old, new, &mut found);
    found.changes.is_empty()
}

fn one_op(
    one: &Op<CheckedRow>,
    other: &Op<CheckedRow>,
    old: &Unit<CheckedRow>,
    new: &Unit<CheckedRow>,
    found: &mut Found,
) {
    found.hold("signature", true, signature(one), signature(other));
    let clauses = |op: &Op<CheckedRow>| list(notes(op).iter().map(String::as_str));
    // A default is no part of what call sites rely on, `partial` neither.
    let relied = |op: &Op<CheckedRow>| (op.live, op.nocall, op.preserves);
    found.hold("clauses", relied(one) != relied(other), clauses(one), clauses(other));
    for contract in &other.contracts {
        found.arch = Some(contract.arch.name());
        match one.on(contract.arch) {
            Some(before) => one_contract(before, contract, old, new, found),
            None => found.add("added", true, "", ""),
        }
    }
    for contract in one.contracts.iter().filter(|contract| other.on(contract.arch).is_none()) {
        found.arch = Some(contract.arch.name());
        found.add("removed", true, "", "");
    }
    found.arch = None;
}

fn one_contract(
    one: &Contract<CheckedRow>,
    other: &Contract<CheckedRow>,
    old: &Unit<CheckedRow>,
    new: &Unit<CheckedRow>,
    found: &mut Found,
) {
    let place = |operand: &Operand| match operand.high {
        Some(high) => format!("{:?}:{:?}", high, operand.register).to_lowercase(),
        None => format!("{:?}", operand.register).to_lowercase(),
    };
    let operands = |contract: &Contract<CheckedRow>| {
        let (takes, gives): (Vec<String>, Vec<String>) =
            (contract.params.iter().map(place).collect(), contract.results.iter().map(place).collect());
        format!("({}) -> ({})", takes.join(", "), gives.join(", "))
    };
    let sites = |contract: &Contract<CheckedRow>| {
        let labels: Vec<String> = contract
            .sites
            .iter()
            .map(|site| match site.len {
                Some(len) => format!("{} {len}", site.label()),
                None => site.label(),
            })
            .collect();
        labels.join(", ")
    };
    found.hold("operands", true, operands(one), operands(other));
    found.hold("sites", true, sites(one), sites(other));
    let clobbers = |contract: &Contract<CheckedRow>| {
        contract.clobbers.items.iter().map(|item| item.what.to_string()).collect::<Vec<_>>()
    };
    let (before, after) = (clobbers(one), clobbers(other));
    if before.iter().collect::<BTreeSet<_>>() != after.iter().collect::<BTreeSet<_>>() {
        let none = |words: Vec<String>| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        found.add("clobbers", true, none(before), none(after));
    }
    rows(one, other, old, new, found);
}

fn rows(
    one: &Contract<CheckedRow>,
    other: &Contract<CheckedRow>,
    old: &Unit<CheckedRow>,
    new: &Unit<CheckedRow>,
    found: &mut Found,
) {
    let keys = |contract: &Contract<CheckedRow>, unit: &Unit<CheckedRow>| {
        contract.rows.iter().map(|row| condition(row, unit)).collect::<Vec<_>>()
    };
    let (before, after) = (keys(one, old), keys(other, new));
    let mut kept = Vec::new();
    for (at, row) in other.rows.iter().enumerate() {
        found.row = Some(row.row.when.as_ref().map_or("always".to_owned(), |when| when.text.clone()));
        match before.iter().position(|key| *key == after[at]) {
            Some(was) => {
                kept.push(was);
                one_row(&one.rows[was], row, found);
            }
            None => found.add("added", false, "", described(row)),
        }
    }
    for (row, _) in one.rows.iter().zip(&before).filter(|(_, key)| !after.contains(key)) {
        found.row = Some(row.row.when.as_ref().map_or("always".to_owned(), |when| when.text.clone()));
        found.add("removed", false, described(row), "");
    }
    found.row = None;
    if !kept.is_sorted() {
        found.add("order", false, "", "rows are tried in another order");
    }
}

fn one_row(one: &CheckedRow, other: &CheckedRow, found: &mut Found) {
    let (before, after) = (group_of(&one.code), group_of(&other.code));
    let symbols = |row: &CheckedRow| {
        row.code.fixups.iter().map(|fixup| format!("{}{:+}", fixup.symbol, fixup.addend)).collect::<Vec<_>>().join(", ")
    };
    if before != after {
        found.add(
            "bytes",
            false,
            format!("{before} ({})", one.disassembly),
            format!("{after} ({})", other.disassembly),
        );
    }
    found.hold("symbols", false, symbols(one), symbols(other));
    let length = |row: &CheckedRow| row.code.bytes.len().to_string();
    found.hold("length", false, length(one), length(other));
    let slack = |row: &CheckedRow| row.fits.iter().map(|fit| fit.slack.to_string()).collect::<Vec<_>>().join(", ");
    found.hold("slack", false, slack(one), slack(other));
    found.hold("identity", false, one.row.identity.to_string(), other.row.identity.to_string());
    found.hold("effects", false, one.effects.to_string(), other.effects.to_string());
}

fn described(row: &CheckedRow) -> String {
    format!("{} ({})", group_of(&row.code), row.disassembly)
}

/// A condition without its spelling: the terms with the names of their features, sorted.
fn condition(row: &CheckedRow, unit: &Unit<CheckedRow>) -> BTreeSet<(Vec<String>, Vec<String>)> {
    let names = |mask: u64| {
        let bits = unit.features.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 != 0);
        let mut names: Vec<String> = bits.map(|(_, feature)| feature.name.clone()).collect();
        names.sort();
        names
    };
    row.row.when.iter().flat_map(|when| &when.terms).map(|term| (names(term.all), names(term.none))).collect()
}

fn branches(old: &Unit<CheckedRow>, new: &Unit<CheckedRow>, found: &mut Found) {
    let shape = |branch: &Branch| {
        let arches = list(branch.arches.iter().map(|arch| arch.name()));
        format!("{} on {arches}{}", branch.initial, if branch.live { ", live" } else { "" })
    };
    for (id, branch) in new.branches.iter().enumerate() {
        found.about(format!("branch {}", branch.name));
        match old.branches.iter().position(|other| other.name == branch.name) {
            Some(was) => {
                found.hold("id", true, was.to_string(), id.to_string());
                found.hold("value", true, shape(&old.branches[was]), shape(branch));
            }
            None => found.add("added", true, "", shape(branch)),
        }
    }
    for branch in &old.branches {
        if new.branches.iter().all(|other| other.name != branch.name) {
            found.about(format!("branch {}", branch.name));
            found.add("removed", true, shape(branch), "");
        }
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
