//! Bytes to instructions: iced-x86's decoder, and a short way round it.
//!
//! That decoder unpacks the tables of the whole instruction set when it is first used, which costs more than all else that
//! the phases do for a patch set such as `x86_64.pv`. What patch sets are mostly made of needs none of it: opcodes without
//! operands, and the oldest ones on registers. They are decoded here; everything else is left to iced. A test holds the
//! two against each other over every byte string that the short way takes.

use crate::arch::Arch;
use iced_x86::{Code, CodeSize, ConstantOffsets, Decoder, DecoderOptions, Instruction, OpKind, Register};

/// The instruction at the start of `bytes`, which stand at `offset` of a patchlet, and where the fields of a branch or of an
/// address relative to the instruction pointer are.
pub(crate) fn decode(bytes: &[u8], offset: u32, arch: Arch) -> (Instruction, ConstantOffsets) {
    if let Some(mut instruction) = short_way(bytes, arch) {
        instruction.set_next_ip(u64::from(offset) + instruction.len() as u64);
        return (instruction, ConstantOffsets::default());
    }
    let mut decoder = Decoder::with_ip(arch.bits(), bytes, u64::from(offset), DecoderOptions::NONE);
    let instruction = decoder.decode();
    let constants = decoder.get_constant_offsets(&instruction);
    (instruction, constants)
}

/// Opcodes without explicit operands: bytes, and what they are in 64- and in 32-bit mode (`INVALID`: left to iced).
const BARE: [(&[u8], Code, Code); 25] = [
    (&[0x90], Code::Nopd, Code::Nopd),
    (&[0x9c], Code::Pushfq, Code::Pushfd),
    (&[0x9d], Code::Popfq, Code::Popfd),
    (&[0xc3], Code::Retnq, Code::Retnd),
    (&[0xcf], Code::Iretd, Code::Iretd),
    (&[0xf4], Code::Hlt, Code::Hlt),
    (&[0xf8], Code::Clc, Code::Clc),
    (&[0xf9], Code::Stc, Code::Stc),
    (&[0xfa], Code::Cli, Code::Cli),
    (&[0xfb], Code::Sti, Code::Sti),
    (&[0xfc], Code::Cld, Code::Cld),
    (&[0x0f, 0x06], Code::Clts, Code::Clts),
    (&[0x0f, 0x08], Code::Invd, Code::Invd),
    (&[0x0f, 0x09], Code::Wbinvd, Code::Wbinvd),
    (&[0x0f, 0x0b], Code::Ud2, Code::Ud2),
    (&[0x0f, 0x30], Code::Wrmsr, Code::Wrmsr),
    (&[0x0f, 0x31], Code::Rdtsc, Code::Rdtsc),
    (&[0x0f, 0x32], Code::Rdmsr, Code::Rdmsr),
    (&[0x0f, 0xa2], Code::Cpuid, Code::Cpuid),
    (&[0x0f, 0x01, 0xca], Code::Clac, Code::Clac),
    (&[0x0f, 0x01, 0xcb], Code::Stac, Code::Stac),
    (&[0x0f, 0x01, 0xf8], Code::Swapgs, Code::INVALID),
    (&[0x0f, 0x01, 0xf9], Code::Rdtscp, Code::Rdtscp),
    (&[0x48, 0x0f, 0x07], Code::Sysretq, Code::INVALID),
    (&[0x48, 0xcf], Code::Iretq, Code::INVALID),
];

/// Opcodes between two registers, ModRM.rm first: opcode, and what it is with 32- and with 64-bit operands.
const REGISTERS: [(u8, Code, Code); 10] = [
    (0x01, Code::Add_rm32_r32, Code::Add_rm64_r64),
    (0x09, Code::Or_rm32_r32, Code::Or_rm64_r64),
    (0x11, Code::Adc_rm32_r32, Code::Adc_rm64_r64),
    (0x19, Code::Sbb_rm32_r32, Code::Sbb_rm64_r64),
    (0x21, Code::And_rm32_r32, Code::And_rm64_r64),
    (0x29, Code::Sub_rm32_r32, Code::Sub_rm64_r64),
    (0x31, Code::Xor_rm32_r32, Code::Xor_rm64_r64),
    (0x39, Code::Cmp_rm32_r32, Code::Cmp_rm64_r64),
    (0x85, Code::Test_rm32_r32, Code::Test_rm64_r64),
    (0x89, Code::Mov_rm32_r32, Code::Mov_rm64_r64),
];

/// The instruction, without its address, if it is one that this module knows.
fn short_way(bytes: &[u8], arch: Arch) -> Option<Instruction> {
    let long = arch == Arch::X86_64;
    let bare = BARE.iter().find(|(prefix, ..)| bytes.starts_with(prefix));
    if let Some(&(prefix, code64, code32)) = bare {
        return instruction(if long { code64 } else { code32 }, prefix.len(), arch);
    }
    // REX.W alone: extended registers are left to iced.
    let (wide, opcode) = match bytes {
        [0x48, rest @ ..] if long => (true, rest),
        _ => (false, bytes),
    };
    let prefix = bytes.len() - opcode.len();
    let word = if long { Register::RAX } else { Register::EAX };
    match *opcode {
        [byte @ 0x50..=0x5f, ..] if !wide => {
            let code = match (byte < 0x58, long) {
                (true, true) => Code::Push_r64,
                (true, false) => Code::Push_r32,
                (false, true) => Code::Pop_r64,
                (false, false) => Code::Pop_r32,
            };
            let mut found = instruction(code, 1, arch)?;
            found.set_op0_register(word + u32::from(byte & 7));
            Some(found)
        }
        [0x0f, byte @ (0x20 | 0x22), modrm @ 0xc0..=0xff, ..] if !wide && matches!(modrm >> 3 & 7, 0 | 2 | 3 | 4) => {
            let code = match (byte, long) {
                (0x20, true) => Code::Mov_r64_cr,
                (0x20, false) => Code::Mov_r32_cr,
                (_, true) => Code::Mov_cr_r64,
                (_, false) => Code::Mov_cr_r32,
            };
            let (general, control) = (word + u32::from(modrm & 7), Register::CR0 + u32::from(modrm >> 3 & 7));
            let mut found = instruction(code, 3, arch)?;
            found.set_op0_register(if byte == 0x20 { general } else { control });
            found.set_op1_register(if byte == 0x20 { control } else { general });
            Some(found)
        }
        [byte, modrm @ 0xc0..=0xff, ..] => {
            let &(_, narrow_code, wide_code) = REGISTERS.iter().find(|&&(opcode, ..)| opcode == byte)?;
            let first = if wide { Register::RAX } else { Register::EAX };
            let mut found = instruction(if wide { wide_code } else { narrow_code }, prefix + 2, arch)?;
            found.set_op0_register(first + u32::from(modrm & 7));
            found.set_op1_register(first + u32::from(modrm >> 3 & 7));
            Some(found)
        }
        // movb $imm8, (base): neither SIB byte nor displacement.
        [0xc6, modrm @ (0..=3 | 6 | 7), value, ..] if !wide => {
            let mut found = instruction(Code::Mov_rm8_imm8, 3, arch)?;
            found.set_op0_kind(OpKind::Memory);
            found.set_memory_base(word + u32::from(modrm));
            found.set_op1_kind(OpKind::Immediate8);
            found.set_immediate8(value);
            Some(found)
        }
        _ => None,
    }
}

fn instruction(code: Code, len: usize, arch: Arch) -> Option<Instruction> {
    if code == Code::INVALID {
        return None;
    }
    let mut instruction = Instruction::new();
    instruction.set_code(code);
    instruction.set_len(len);
    instruction.set_code_size(match arch {
        Arch::X86_64 => CodeSize::Code64,
        Arch::I386 => CodeSize::Code32,
    });
    Some(instruction)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that the short way reads: an opcode, what follows it, and REX.W before it.
    #[test]
    fn the_short_way_agrees_with_iced() {
        let mut taken = 0;
        for arch in Arch::ALL {
            let mut check = |bytes: &[u8]| {
                let Some(mut ours) = short_way(bytes, arch) else { return };
                ours.set_next_ip(7 + ours.len() as u64);
                let mut decoder = Decoder::with_ip(arch.bits(), bytes, 7, DecoderOptions::NONE);
                let iced = decoder.decode();
                assert!(ours.eq_all_bits(&iced), "{} {bytes:02x?}: {ours:?} and {iced:?}", arch.name());
                taken += 1;
            };
            for first in 0..=u8::MAX {
                for second in 0..=u8::MAX {
                    // Only these read a third byte.
                    let thirds = if matches!(first, 0x0f | 0xc6) { 0..=u8::MAX } else { 0..=0 };
                    for third in thirds {
                        check(&[first, second, third]);
                        check(&[0x48, first, second, third]);
                    }
                    check(&[first, second]);
                }
                check(&[first]);
            }
        }
        assert!(taken > 10_000, "{taken} strings took the short way");
    }
}
