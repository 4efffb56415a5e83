//! Every instruction form that user mode allows, from iced-x86's table of opcodes: distinct registers for its operands,
//! or memory in the arena.

use crate::run::random::Random;
use crate::run::rows::obstacle;
use iced_x86::{Code, Encoder, FlowControl, Instruction, MemoryOperand, OpCodeOperandKind as Kind, OpKind, Register};

/// An instruction of some form.
pub(super) struct Form {
    pub(super) instruction: Instruction,
    pub(super) bytes: Vec<u8>,
}

/// The form of `code` with register or memory operands where both are possible, and with a repeat prefix or without.
pub(super) fn form(code: Code, memory: bool, repeat: bool, random: &mut Random) -> Option<Form> {
    let info = code.op_code();
    if !info.is_instruction() || !info.mode64() || info.must_be_cpl0() {
        return None;
    }
    let mut instruction = Instruction::default();
    instruction.set_code(code);
    let mut registers = Pool::default();
    for operand in 0..info.op_count() {
        let kind = info.op_kind(operand);
        place(&mut instruction, operand, kind, memory, &mut registers, random)?;
    }
    if memory && !(0..info.op_count()).any(|operand| has_both(info.op_kind(operand))) {
        // The same as without.
        return None;
    }
    if repeat {
        if !info.can_use_rep_prefix() && !info.can_use_repne_prefix() {
            return None;
        }
        instruction.set_has_rep_prefix(true);
    }
    if !matches!(instruction.flow_control(), FlowControl::Next) || obstacle(&instruction).is_some() {
        return None;
    }
    let mut encoder = Encoder::new(64);
    encoder.encode(&instruction, 0x1000).ok()?;
    let bytes = encoder.take_buffer();
    let decoded = iced_x86::Decoder::new(64, &bytes, iced_x86::DecoderOptions::NONE).decode();
    (decoded.len() == bytes.len() && !decoded.is_invalid()).then_some(Form { instruction: decoded, bytes })
}

/// Registers that no operand has yet. RAX, RCX, RDX, RBX, RSI and RDI are left to implicit operands.
#[derive(Default)]
struct Pool {
    general: u32,
    vector: u32,
    other: u32,
}

impl Pool {
    fn general(&mut self, first: Register) -> Register {
        const NUMBERS: [u32; 5] = [9, 10, 11, 14, 15];
        let number = NUMBERS[self.general as usize % NUMBERS.len()];
        self.general += 1;
        // The low 8-bit registers with a REX prefix stand behind SPL to DIL.
        if first == Register::AL { Register::R8L + (number - 8) } else { first + number }
    }

    fn vector(&mut self, first: Register) -> Register {
        self.vector += 1;
        first + self.vector
    }

    fn other(&mut self, first: Register) -> Register {
        self.other += 1;
        first + self.other
    }
}

fn has_both(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        r8_or_mem
            | r16_or_mem
            | r32_or_mem
            | r32_or_mem_mpx
            | r64_or_mem
            | r64_or_mem_mpx
            | mm_or_mem
            | xmm_or_mem
            | ymm_or_mem
            | zmm_or_mem
            | bnd_or_mem_mpx
            | k_or_mem
    )
}

fn place(
    instruction: &mut Instruction,
    operand: u32,
    kind: Kind,
    memory: bool,
    pool: &mut Pool,
    random: &mut Random,
) -> Option<()> {
    use Kind::*;
    let byte = || [1, 2, 5, 0, 0x83][random.clone().below(5) as usize];
    let mut register = |register: Register| {
        instruction.set_op_kind(operand, OpKind::Register);
        instruction.set_op_register(operand, register);
    };
    match kind {
        _ if memory && has_both(kind) => return at_memory(instruction, operand, Register::None),
        mem | mem_mib => return at_memory(instruction, operand, Register::None),
        mem_vsib32x | mem_vsib64x => return at_memory(instruction, operand, Register::XMM7),
        mem_vsib32y | mem_vsib64y => return at_memory(instruction, operand, Register::YMM7),
        r8_or_mem | r8_reg | r8_opcode => register(pool.general(Register::AL)),
        r16_or_mem | r16_reg | r16_reg_mem | r16_rm | r16_opcode => register(pool.general(Register::AX)),
        r32_or_mem | r32_reg | r32_reg_mem | r32_rm | r32_opcode | r32_vvvv => register(pool.general(Register::EAX)),
        r64_or_mem | r64_reg | r64_reg_mem | r64_rm | r64_opcode | r64_vvvv => register(pool.general(Register::RAX)),
        mm_or_mem | mm_reg | mm_rm => register(pool.other(Register::MM0)),
        xmm_or_mem | xmm_reg | xmm_rm | xmm_vvvv | xmm_is4 | xmm_is5 => register(pool.vector(Register::XMM0)),
        ymm_or_mem | ymm_reg | ymm_rm | ymm_vvvv | ymm_is4 | ymm_is5 => register(pool.vector(Register::YMM0)),
        seg_reg => register(Register::ES),
        al => register(Register::AL),
        cl => register(Register::CL),
        ax => register(Register::AX),
        dx => register(Register::DX),
        eax => register(Register::EAX),
        rax => register(Register::RAX),
        es => register(Register::ES),
        cs => register(Register::CS),
        ss => register(Register::SS),
        ds => register(Register::DS),
        fs => register(Register::FS),
        gs => register(Register::GS),
        st0 => register(Register::ST0),
        sti_opcode => register(Register::ST2),
        imm8 | imm4_m2z => {
            instruction.set_op_kind(
                operand,
                if operand > 0 && is_second(instruction, operand) {
                    OpKind::Immediate8_2nd
                } else {
                    OpKind::Immediate8
                },
            );
            match is_second(instruction, operand) {
                true => instruction.set_immediate8_2nd(1),
                false => instruction.set_immediate8(byte()),
            }
        }
        imm8_const_1 => {
            instruction.set_op_kind(operand, OpKind::Immediate8);
            instruction.set_immediate8(1);
        }
        imm8sex16 => {
            instruction.set_op_kind(operand, OpKind::Immediate8to16);
            instruction.set_immediate8to16(0x35);
        }
        imm8sex32 => {
            instruction.set_op_kind(operand, OpKind::Immediate8to32);
            instruction.set_immediate8to32(0x35);
        }
        imm8sex64 => {
            instruction.set_op_kind(operand, OpKind::Immediate8to64);
            instruction.set_immediate8to64(0x35);
        }
        imm16 => {
            instruction.set_op_kind(operand, OpKind::Immediate16);
            instruction.set_immediate16(0x35a7);
        }
        imm32 => {
            instruction.set_op_kind(operand, OpKind::Immediate32);
            instruction.set_immediate32(0x35a7_b1c9);
        }
        imm32sex64 => {
            instruction.set_op_kind(operand, OpKind::Immediate32to64);
            instruction.set_immediate32to64(0x35a7_b1c9);
        }
        imm64 => {
            instruction.set_op_kind(operand, OpKind::Immediate64);
            instruction.set_immediate64(0x35a7_b1c9_35a7_b1c9);
        }
        seg_rSI => instruction.set_op_kind(operand, OpKind::MemorySegRSI),
        es_rDI => instruction.set_op_kind(operand, OpKind::MemoryESRDI),
        seg_rDI => instruction.set_op_kind(operand, OpKind::MemorySegRDI),
        seg_rBX_al => {
            instruction.set_op_kind(operand, OpKind::Memory);
            instruction.set_memory_base(Register::RBX);
            instruction.set_memory_index(Register::AL);
        }
        // Absolute addresses, branches, control registers, tiles, and what AVX-512 and MPX alone have.
        _ => return Option::None,
    }
    Some(())
}

/// Whether an earlier operand is an immediate already.
fn is_second(instruction: &Instruction, operand: u32) -> bool {
    (0..operand).any(|earlier| matches!(instruction.op_kind(earlier), OpKind::Immediate8 | OpKind::Immediate16))
}

/// Memory at R13, or at R13 and a vector of indices.
fn at_memory(instruction: &mut Instruction, operand: u32, index: Register) -> Option<()> {
    instruction.set_op_kind(operand, OpKind::Memory);
    let memory = MemoryOperand::with_base(Register::R13);
    instruction.set_memory_base(memory.base);
    instruction.set_memory_index(index);
    Some(())
}
