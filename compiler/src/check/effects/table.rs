//! Our own facts about instructions, read from `instructions.toml`, which tells what its fields mean.

use iced_x86::{Instruction, Mnemonic, OpAccess, Register};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One row of the table.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::check) struct Facts {
    /// What the instruction does to other memory accesses, so that the compiler must not move them across it.
    pub(in crate::check) barrier: Option<String>,
    /// Registers, or kinds of them, that it may change besides those that iced names.
    #[serde(default)]
    pub(in crate::check) writes: Vec<String>,
    /// Registers whose reading does not count.
    #[serde(default)]
    pub(in crate::check) ignores: Vec<String>,
    /// Whether it keeps a part of its first operand that its users rarely care for.
    #[serde(default)]
    pub(in crate::check) merges: bool,
    /// Whether it writes its operand only on some CPUs or in some states.
    #[serde(default)]
    pub(in crate::check) maybe: bool,
    /// What it does to memory, if iced says otherwise.
    pub(in crate::check) memory: Option<Memory>,
    /// What CPUs without the feature do instead.
    pub(in crate::check) older: Option<String>,
    /// Whether CPUs without the feature may run it.
    #[serde(default)]
    pub(in crate::check) harmless: bool,
    /// Where that is written.
    #[serde(rename = "source")]
    _source: String,
}

/// What an instruction does to memory that none of its operands shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::check) enum Memory {
    None,
    Read,
    Write,
    Both,
}

impl Memory {
    pub(in crate::check) fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    pub(in crate::check) fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    // The table is part of the program, and a test reads all of it, so a defect shows there.
    let rows: BTreeMap<String, Facts> =
        toml::from_str(include_str!("instructions.toml")).expect("the instruction table is well-formed");
    let mut table = Table { facts: vec![None; Mnemonic::values().len()], to_control_register: Facts::default() };
    let names: BTreeMap<String, Mnemonic> =
        Mnemonic::values().map(|mnemonic| (format!("{mnemonic:?}").to_ascii_lowercase(), mnemonic)).collect();
    for (name, facts) in rows {
        // A VEX or EVEX form merges as its legacy form does.
        if let Some(&vector_form) = names.get(&format!("v{name}")).filter(|_| facts.merges) {
            table.facts[vector_form as usize] = Some(facts.clone());
        }
        match names.get(&name) {
            Some(&mnemonic) => table.facts[mnemonic as usize] = Some(facts),
            None => {
                assert_eq!(name, "mov_cr", "the instruction table names instructions");
                table.to_control_register = facts;
            }
        }
    }
    table
});

struct Table {
    /// By mnemonic.
    facts: Vec<Option<Facts>>,
    to_control_register: Facts,
}

/// The facts about an instruction, if there are any.
pub(in crate::check) fn facts(instruction: &Instruction) -> Option<&'static Facts> {
    if instruction.mnemonic() == Mnemonic::Mov && instruction.op0_register().is_cr() {
        return Some(&TABLE.to_control_register);
    }
    TABLE.facts[instruction.mnemonic() as usize].as_ref()
}

/// Whether the instruction sets its first operand to a constant that does not depend on what it was.
///
/// iced knows `xor` and `sub` of a register with itself; these are the others that compilers and people write.
pub(in crate::check) fn sets_constant(instruction: &Instruction) -> bool {
    let immediate = || immediate(instruction, instruction.op0_register().size());
    match instruction.mnemonic() {
        // What is left is minus the carry flag, which counts as read.
        Mnemonic::Sbb => {
            instruction.op_count() == 2
                && instruction.op0_register() != Register::None
                && instruction.op0_register() == instruction.op1_register()
        }
        Mnemonic::Or => immediate() == Some(-1),
        Mnemonic::And => immediate() == Some(0),
        _ => false,
    }
}

/// The second operand, if it is an immediate, as a signed number of that many bytes.
pub(in crate::check) fn immediate(instruction: &Instruction, bytes: usize) -> Option<i64> {
    let value = instruction.try_immediate(1).ok()?;
    Some(match bytes {
        1 => i64::from(value as i8),
        2 => i64::from(value as i16),
        4 => i64::from(value as i32),
        _ => value as i64,
    })
}

/// Whether an access reads, whatever the circumstances.
pub(in crate::check) fn reads(access: OpAccess) -> bool {
    matches!(access, OpAccess::Read | OpAccess::CondRead | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

/// Whether an access may write.
pub(in crate::check) fn writes(access: OpAccess) -> bool {
    matches!(access, OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        assert!(TABLE.facts.iter().flatten().count() > 100);
        assert!(TABLE.to_control_register.barrier.is_some());
        for facts in TABLE.facts.iter().flatten() {
            assert!(!facts._source.is_empty());
            for name in &facts.writes {
                let kind = ["vector", "mask", "x87", "tile"].contains(&name.as_str());
                assert!(kind || crate::arch::register(name).is_some(), "{name}");
            }
            for name in &facts.ignores {
                assert!(crate::arch::register(name).is_some(), "{name}");
            }
        }
    }
}
