//! Our own facts about instructions, turned into statics from `instructions.toml`, which tells what its fields mean.

use crate::arch::ByName;
use iced_x86::{Instruction, Mnemonic, OpAccess, OpKind, Register};

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(in crate::check) struct Facts {
    /// What the instruction does to other memory accesses, so that the compiler must not move them across it.
    pub(in crate::check) barrier: Option<&'static str>,
    /// Registers, or kinds of them, that it may change besides those that iced names.
    pub(in crate::check) writes: &'static [&'static str],
    /// Control registers that it loads.
    pub(in crate::check) control: &'static [&'static str],
    /// Registers whose reading does not count.
    pub(in crate::check) ignores: &'static [&'static str],
    /// Whether it keeps a part of its first operand that its users rarely care for.
    pub(in crate::check) merges: bool,
    /// Whether it writes its operand only on some CPUs or in some states.
    pub(in crate::check) maybe: bool,
    /// What it does to memory, if iced says otherwise.
    pub(in crate::check) memory: Option<Memory>,
    /// Which memory accesses the CPU itself orders there.
    pub(in crate::check) orders: Option<Order>,
    /// What CPUs without the feature do instead.
    pub(in crate::check) older: Option<&'static str>,
    /// Whether CPUs without the feature may run it.
    pub(in crate::check) harmless: bool,
}

/// What an instruction does to memory that none of its operands shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

/// What a fence orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::check) enum Order {
    Loads,
    Stores,
    All,
    /// All, and what was fetched of the instructions that follow.
    Stream,
}

impl Order {
    /// One bit each for loads, stores and the instruction stream.
    pub(in crate::check) fn bits(self) -> u8 {
        match self {
            Self::Loads => 0b001,
            Self::Stores => 0b010,
            Self::All => 0b011,
            Self::Stream => 0b111,
        }
    }
}

include!(concat!(env!("OUT_DIR"), "/instructions.rs"));

/// The rows by mnemonic in lower case, and `mov_cr`.
static TABLE: ByName<Facts> = ByName::new(INSTRUCTION_TABLE);

/// The facts about an instruction, if there are any.
pub(in crate::check) fn facts(instruction: &Instruction) -> Option<&'static Facts> {
    if instruction.mnemonic() == Mnemonic::Mov && instruction.op0_register().is_cr() {
        return TABLE.get("mov_cr");
    }
    let name = format!("{:?}", instruction.mnemonic()).to_ascii_lowercase();
    // A VEX or EVEX form merges as its legacy form does.
    let legacy = || TABLE.get(name.strip_prefix('v')?).filter(|facts| facts.merges);
    TABLE.get(&name).or_else(legacy)
}

/// Whether the instruction sets its first operand to a constant that does not depend on what it was.
///
/// iced knows `xor` and `sub` of a register with itself; these are the others that compilers and people write. A
/// comparison of a register with itself sets the flags alike.
pub(in crate::check) fn sets_constant(instruction: &Instruction) -> bool {
    let immediate = || immediate(instruction, instruction.op0_register().size());
    let same = |first: u32| {
        let register = instruction.op_register(first);
        register != Register::None && register == instruction.op_register(first + 1)
    };
    match instruction.mnemonic() {
        // What is left is minus the carry flag, which counts as read.
        Mnemonic::Sbb => same(0),
        Mnemonic::Cmp
        | Mnemonic::Pcmpeqb
        | Mnemonic::Pcmpeqw
        | Mnemonic::Pcmpeqd
        | Mnemonic::Pcmpeqq
        | Mnemonic::Pcmpgtb
        | Mnemonic::Pcmpgtw
        | Mnemonic::Pcmpgtd
        | Mnemonic::Pcmpgtq => same(0),
        Mnemonic::Vpcmpeqb
        | Mnemonic::Vpcmpeqw
        | Mnemonic::Vpcmpeqd
        | Mnemonic::Vpcmpeqq
        | Mnemonic::Vpcmpgtb
        | Mnemonic::Vpcmpgtw
        | Mnemonic::Vpcmpgtd
        | Mnemonic::Vpcmpgtq
        | Mnemonic::Vpandn
        | Mnemonic::Vpandnd
        | Mnemonic::Vpandnq => same(1),
        // 0xff is the truth table that is always true, 0 the one that never is (SDM VPTERNLOG).
        Mnemonic::Vpternlogd | Mnemonic::Vpternlogq => matches!(instruction.immediate8(), 0 | 0xff),
        Mnemonic::Or => immediate() == Some(-1),
        Mnemonic::And => immediate() == Some(0),
        _ => false,
    }
}

/// Whether it is a fence in disguise: a locked instruction that leaves the stack as it is, such as the
/// `lock addl $0, -4(%rsp)` of Linux's `smp_mb()`. It works on any mapped byte, so it does not matter whose it is.
pub(in crate::check) fn is_fence(instruction: &Instruction) -> bool {
    instruction.has_lock_prefix()
        && matches!(instruction.mnemonic(), Mnemonic::Add | Mnemonic::Or | Mnemonic::Sub | Mnemonic::Xor)
        && instruction.op0_kind() == OpKind::Memory
        && instruction.memory_base().full_register() == Register::RSP
        && instruction.memory_index() == Register::None
        && immediate(instruction, 8) == Some(0)
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
        let names: std::collections::BTreeSet<String> =
            Mnemonic::values().map(|mnemonic| format!("{mnemonic:?}").to_ascii_lowercase()).collect();
        assert!(TABLE.iter().count() > 100);
        assert!(TABLE.get("mov_cr").unwrap().barrier.is_some());
        for (row, facts) in TABLE.iter() {
            assert!(row == "mov_cr" || names.contains(row), "{row} is no mnemonic of iced-x86");
            for name in facts.writes {
                let kind = ["vector", "mask", "x87", "tile"].contains(name);
                assert!(kind || crate::arch::register(name).is_some(), "{name}");
            }
            for name in facts.control {
                assert!(["mxcsr", "fpcw"].contains(name), "{name}");
            }
            for name in facts.ignores {
                assert!(crate::arch::register(name).is_some(), "{name}");
            }
        }
    }
}
