//! AT&T text of plain instructions, without iced-x86's formatter.
//!
//! That formatter reads a table of all mnemonics when it is first used: 2 ms, more than all other work on a patch set
//! such as `x86_64.pv`. The instructions that patch sets are mostly made of need none of it: a mnemonic that AT&T spells as
//! Intel does, and registers, numbers and plain memory as operands. Everything else is left to the formatter; a test
//! holds the two against each other.

use iced_x86::{CodeSize, Instruction, Mnemonic, OpKind, Register};
use std::fmt::Write;

/// Mnemonics whose AT&T spelling is iced's own in lower case, with the suffix that a memory operand beside an immediate asks for.
const SAME: [Mnemonic; 44] = [
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
    if prefixed {
        return None;
    }
    let mut text = mnemonic(instruction)?;
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

/// The AT&T spelling; `None` if that is a matter for the formatter.
fn mnemonic(instruction: &Instruction) -> Option<String> {
    let spelling = match (instruction.mnemonic(), instruction.code_size()) {
        (Mnemonic::Pushfq, CodeSize::Code64) | (Mnemonic::Pushfd, CodeSize::Code32) => "pushf",
        (Mnemonic::Popfq, CodeSize::Code64) | (Mnemonic::Popfd, CodeSize::Code32) => "popf",
        (Mnemonic::Iretd, CodeSize::Code32) => "iret",
        (Mnemonic::Sysretq, _) => "sysretq",
        (same, _) if SAME.contains(&same) => return Some(format!("{same:?}").to_ascii_lowercase()),
        _ => return None,
    };
    Some(spelling.to_owned())
}

fn push_register(text: &mut String, register: Register) -> Option<()> {
    // iced calls r8b r8l.
    let known = (register.is_gpr() || register.is_cr() || register.is_dr())
        && !(Register::R8L..=Register::R15L).contains(&register);
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
    if instruction.mnemonic() == Mnemonic::Push {
        return None;
    }
    // Larger ones are written in hexadecimal, with a sign or without, as the formatter decides.
    (value < 10).then(|| write!(text, "${value}").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::disassembly::formatter;
    use iced_x86::{Decoder, DecoderOptions, Formatter};
    use std::collections::{BTreeMap, BTreeSet};

    /// Every instruction that two opcode bytes and a few operand bytes can make, in both modes.
    #[test]
    fn agrees_with_the_formatter() {
        let mut formatter = formatter(None);
        let mut agreed = BTreeSet::new();
        let mut differ = BTreeMap::new();
        for bits in [64, 32] {
            for prefix in [
                &[][..],
                &[0x48],
                &[0x66],
                &[0xf3],
                &[0xf3, 0x48],
                &[0x0f],
                &[0x48, 0x0f],
                &[0xf3, 0x48, 0x0f],
                &[0x66, 0x0f],
            ] {
                for opcode in 0..=0xffff_u16 {
                    for operands in [[0x07, 0, 0, 0, 0], [0xc7, 5, 0, 0, 0], [0xff, 0xff, 0xff, 0xff, 0xff]] {
                        let bytes = [prefix, &opcode.to_be_bytes(), &operands].concat();
                        let one = Decoder::new(bits, &bytes, DecoderOptions::NONE).decode();
                        let Some(plain) = text(&one) else { continue };
                        let mut other = String::new();
                        formatter.format(&one, &mut other);
                        if plain == other {
                            agreed.insert(one.mnemonic());
                        } else {
                            differ.entry(one.mnemonic()).or_insert((bits, bytes, plain, other));
                        }
                    }
                }
            }
        }
        assert!(differ.is_empty(), "{differ:#x?}");
        assert!(agreed.len() > 40, "{agreed:?}");
    }
}
