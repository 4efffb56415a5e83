//! AT&T text of plain instructions, without iced-x86's formatter.
//!
//! That formatter reads a table of all mnemonics when it is first used: 2 ms, more than all other work on a patch set
//! such as `x86_64.pv`. The instructions that patch sets are mostly made of need none of it: a mnemonic that AT&T spells as
//! Intel does, and registers, numbers and plain memory as operands. Everything else is left to the formatter; a test
//! holds the two against each other.

use iced_x86::{Instruction, Mnemonic, OpKind, Register};
use std::fmt::Write;

/// Mnemonics whose AT&T spelling is iced's own in lower case, with the suffix that a memory operand beside an immediate asks for.
const SAME: [Mnemonic; 45] = [
    Mnemonic::Adc,
    Mnemonic::Add,
    Mnemonic::And,
    Mnemonic::Bsf,
    Mnemonic::Bsr,
    Mnemonic::Bswap,
    Mnemonic::Clac,
    Mnemonic::Clflush,
    Mnemonic::Clflushopt,
    Mnemonic::Cli,
    Mnemonic::Clts,
    Mnemonic::Clwb,
    Mnemonic::Cmp,
    Mnemonic::Cpuid,
    Mnemonic::Hlt,
    Mnemonic::Invlpg,
    Mnemonic::Lea,
    Mnemonic::Lfence,
    Mnemonic::Lzcnt,
    Mnemonic::Mfence,
    Mnemonic::Mov,
    Mnemonic::Or,
    Mnemonic::Pause,
    Mnemonic::Pop,
    Mnemonic::Popcnt,
    Mnemonic::Push,
    Mnemonic::Rdmsr,
    Mnemonic::Rdtsc,
    Mnemonic::Rdtscp,
    Mnemonic::Sbb,
    Mnemonic::Serialize,
    Mnemonic::Sfence,
    Mnemonic::Stac,
    Mnemonic::Sti,
    Mnemonic::Sub,
    Mnemonic::Swapgs,
    Mnemonic::Sysexit,
    Mnemonic::Test,
    Mnemonic::Tzcnt,
    Mnemonic::Ud2,
    Mnemonic::Wbinvd,
    Mnemonic::Wrmsr,
    Mnemonic::Xadd,
    Mnemonic::Xchg,
    Mnemonic::Xor,
];

/// The text of a plain instruction; `None` if it is not one.
pub(super) fn text(instruction: &Instruction) -> Option<String> {
    let prefixed = instruction.has_lock_prefix()
        || instruction.has_rep_prefix()
        || instruction.has_repne_prefix()
        || instruction.segment_prefix() != Register::None;
    if prefixed || !SAME.contains(&instruction.mnemonic()) {
        return None;
    }
    let mut text = format!("{:?}", instruction.mnemonic()).to_ascii_lowercase();
    let count = instruction.op_count();
    let registers = (0..count).any(|operand| instruction.op_kind(operand) == OpKind::Register);
    if (0..count).any(|operand| instruction.op_kind(operand) == OpKind::Memory) && !registers {
        match (instruction.mnemonic(), instruction.op_count()) {
            // These address memory without reading so many bytes of it.
            (Mnemonic::Clflush | Mnemonic::Clflushopt | Mnemonic::Clwb | Mnemonic::Invlpg, 1) => {}
            (_, 2) => text.push(match instruction.memory_size().size() {
                1 => 'b',
                2 => 'w',
                4 => 'l',
                8 => 'q',
                _ => return None,
            }),
            _ => return None,
        }
    }
    // AT&T names the destination last.
    for (index, operand) in (0..count).rev().enumerate() {
        text.push(if index == 0 { ' ' } else { ',' });
        match instruction.op_kind(operand) {
            OpKind::Register => push_register(&mut text, instruction.op_register(operand))?,
            OpKind::Memory => push_memory(&mut text, instruction)?,
            _ => push_immediate(&mut text, instruction, operand)?,
        }
    }
    Some(text)
}

fn push_register(text: &mut String, register: Register) -> Option<()> {
    let known = register.is_gpr() || register.is_cr() || register.is_dr();
    known.then(|| write!(text, "%{}", crate::arch::register_name(register)).unwrap_or_default())
}

/// Base, index and scale; a displacement makes it a matter for the formatter, which knows symbols.
fn push_memory(text: &mut String, instruction: &Instruction) -> Option<()> {
    let (base, index) = (instruction.memory_base(), instruction.memory_index());
    if instruction.memory_displ_size() != 0 || !base.is_gpr() || index != Register::None {
        return None;
    }
    text.push('(');
    push_register(text, base)?;
    text.push(')');
    Some(())
}

fn push_immediate(text: &mut String, instruction: &Instruction, operand: u32) -> Option<()> {
    let value = instruction.try_immediate(operand).ok()?;
    // Larger ones are written in hexadecimal, with a sign or without, as the formatter decides.
    (value < 10).then(|| write!(text, "${value}").unwrap_or_default())
}
