//! Text for every opcode that iced knows, in every mode and operand shape.
//!
//! The instructions are built from iced's own opcode descriptions and printed by iced's formatters, so nothing here
//! comes from the assembler under test.

use iced_x86::{
    Code, Encoder, EncodingKind, Formatter, GasFormatter, Instruction, IntelFormatter, OpCodeInfo,
    OpCodeOperandKind as K, OpKind, Register, RoundingControl,
};

/// Syntax to print in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Syntax {
    Att,
    Intel,
}

/// One way to fill in the operands.
#[derive(Clone, Copy)]
struct Shape {
    /// Which of a kind's registers.
    register: usize,
    /// `None`: a register where one is possible.
    memory: Option<usize>,
    /// Which of the immediates.
    immediate: usize,
    mask: bool,
    zero: bool,
    broadcast: bool,
    /// 0 none, 1 rounding, 2 sae.
    rounding: u8,
}

const PLAIN: Shape =
    Shape { register: 0, memory: None, immediate: 0, mask: false, zero: false, broadcast: false, rounding: 0 };

fn shapes() -> Vec<Shape> {
    let mut out = Vec::new();
    for register in 0..4 {
        out.push(Shape { register, immediate: register, ..PLAIN });
    }
    for memory in 0..9 {
        out.push(Shape { register: memory % 3, memory: Some(memory), immediate: memory, ..PLAIN });
    }
    for (i, &(mask, zero)) in [(true, false), (true, true)].iter().enumerate() {
        out.push(Shape { register: i, mask, zero, ..PLAIN });
        out.push(Shape { register: i + 1, memory: Some(i), mask, zero, ..PLAIN });
        out.push(Shape { register: i, memory: Some(2 + i), mask, zero, broadcast: true, ..PLAIN });
    }
    out.push(Shape { broadcast: true, memory: Some(1), ..PLAIN });
    out.push(Shape { broadcast: true, memory: Some(4), register: 1, ..PLAIN });
    for register in 0..4 {
        out.push(Shape { rounding: 1, register, ..PLAIN });
        out.push(Shape { rounding: 2, register, ..PLAIN });
        out.push(Shape { rounding: 1, register, mask: true, ..PLAIN });
    }
    out
}

fn step(base: Register, by: usize) -> Register {
    base + by as u32
}

/// The register of an operand kind for a shape, or `None` if the kind is no register.
fn register(kind: K, shape: usize, operand: usize, bits: u32, evex: bool) -> Option<Register> {
    let extended = bits == 64;
    // Distinct operands get distinct registers, so that exchanged operands show.
    let n = |low: [usize; 4]| -> usize {
        let pick = low[shape % 4];
        let pick = if pick >= 8 && !extended { pick % 8 } else { pick };
        let top = if pick >= 16 {
            32
        } else if pick >= 8 {
            16
        } else {
            8
        };
        let bottom = if pick >= 16 {
            16
        } else if pick >= 8 {
            8
        } else {
            0
        };
        bottom + (pick - bottom + operand * 3) % (top - bottom)
    };
    let general = n([0, 9, 6, 13]);
    let vector = if evex { n([1, 20, 9, 29]) } else { n([1, 9, 6, 14]) };
    let small = (shape * 3 + operand * 2 + 1) % 8;
    use Register as R;
    Some(match kind {
        K::r8_reg | K::r8_opcode | K::r8_or_mem => {
            let all = [R::AL, R::CL, R::DL, R::BL, R::AH, R::DH, R::BH, R::CH];
            if general < 8 {
                all[(general + operand) % if extended { 4 } else { 8 }]
            } else {
                step(R::R8L, general - 8)
            }
        }
        K::r16_reg | K::r16_rm | K::r16_opcode | K::r16_or_mem | K::r16_reg_mem => step(R::AX, general),
        K::r32_reg | K::r32_rm | K::r32_opcode | K::r32_vvvv | K::r32_or_mem | K::r32_or_mem_mpx | K::r32_reg_mem => {
            step(R::EAX, general)
        }
        K::r64_reg | K::r64_rm | K::r64_opcode | K::r64_vvvv | K::r64_or_mem | K::r64_or_mem_mpx | K::r64_reg_mem => {
            step(R::RAX, general)
        }
        K::seg_reg => [R::ES, R::DS, R::FS, R::SS][shape % 4],
        K::k_reg | K::k_rm | K::k_vvvv | K::k_or_mem => step(R::K0, small),
        K::kp1_reg => step(R::K0, small & !1),
        K::mm_reg | K::mm_rm | K::mm_or_mem => step(R::MM0, small),
        K::xmm_reg | K::xmm_rm | K::xmm_vvvv | K::xmm_or_mem | K::xmm_is4 | K::xmm_is5 => step(R::XMM0, vector),
        K::xmmp3_vvvv => step(R::XMM0, vector & !3),
        K::ymm_reg | K::ymm_rm | K::ymm_vvvv | K::ymm_or_mem | K::ymm_is4 | K::ymm_is5 => step(R::YMM0, vector),
        K::zmm_reg | K::zmm_rm | K::zmm_vvvv | K::zmm_or_mem => step(R::ZMM0, vector),
        K::zmmp3_vvvv => step(R::ZMM0, vector & !3),
        K::cr_reg => [R::CR0, R::CR3, R::CR4, if extended { R::CR8 } else { R::CR2 }][shape % 4],
        K::dr_reg => [R::DR0, R::DR7, R::DR6, R::DR3][shape % 4],
        K::tr_reg => [R::TR3, R::TR4, R::TR6, R::TR7][shape % 4],
        K::bnd_reg | K::bnd_or_mem_mpx => step(R::BND0, small % 4),
        K::tmm_reg | K::tmm_rm | K::tmm_vvvv => step(R::TMM0, small),
        K::es => R::ES,
        K::cs => R::CS,
        K::ss => R::SS,
        K::ds => R::DS,
        K::fs => R::FS,
        K::gs => R::GS,
        K::al => R::AL,
        K::cl => R::CL,
        K::ax => R::AX,
        K::dx => R::DX,
        K::eax => R::EAX,
        K::rax => R::RAX,
        K::st0 => R::ST0,
        K::sti_opcode => step(R::ST0, (small + 1) % 8),
        _ => return None,
    })
}

/// Fills in a memory operand.
fn memory(instruction: &mut Instruction, kind: K, which: usize, bits: u32) {
    use Register as R;
    let displacements: [i64; 9] = [0, 0x40, -0x80, 0x7f, 0x80, -0x81, 0x12345, 8, 0];
    let (base, index, scale, size) = match (bits, which % 9) {
        (16, 0) => (R::BX, R::None, 1, 0),
        (16, 1) => (R::BP, R::SI, 1, 1),
        (16, 2) => (R::SI, R::None, 1, 1),
        (16, 3) => (R::BX, R::DI, 1, 1),
        (16, 4) => (R::None, R::None, 1, 2),
        (16, 5) => (R::BP, R::None, 1, 2),
        (16, 6) => (R::EAX, R::ECX, 4, 4),
        (16, 7) => (R::EBP, R::None, 1, 1),
        (16, _) => (R::ESP, R::None, 1, 0),
        (32, 0) => (R::EAX, R::None, 1, 0),
        (32, 1) => (R::EBP, R::None, 1, 1),
        (32, 2) => (R::ESP, R::ECX, 4, 1),
        (32, 3) => (R::EBX, R::EDI, 1, 1),
        (32, 4) => (R::None, R::None, 1, 4),
        (32, 5) => (R::ESI, R::EBP, 8, 4),
        (32, 6) => (R::None, R::EDX, 8, 4),
        (32, 7) => (R::BX, R::SI, 1, 1),
        (32, _) => (R::ESP, R::None, 1, 0),
        (_, 0) => (R::RAX, R::None, 1, 0),
        (_, 1) => (R::RBP, R::None, 1, 1),
        (_, 2) => (R::RSP, R::R12, 4, 1),
        (_, 3) => (R::R13, R::RDI, 1, 1),
        (_, 4) => (R::RIP, R::None, 1, 8),
        (_, 5) => (R::R12, R::RBP, 8, 8),
        (_, 6) => (R::None, R::RDX, 8, 8),
        (_, 7) => (R::EAX, R::R9D, 2, 1),
        (_, _) => (R::RSP, R::None, 1, 0),
    };
    let vector = match kind {
        K::mem_vsib32x | K::mem_vsib64x => Some(R::XMM0),
        K::mem_vsib32y | K::mem_vsib64y => Some(R::YMM0),
        K::mem_vsib32z | K::mem_vsib64z => Some(R::ZMM0),
        _ => None,
    };
    let (mut base, mut index, mut scale, mut size) = (base, index, scale, size);
    if base == R::RIP && (vector.is_some() || matches!(kind, K::sibmem | K::mem_mib)) {
        (base, size) = (R::RSI, 8);
    }
    if let Some(first) = vector {
        if bits == 16 || matches!(base, R::BX) {
            (base, size) = (R::EBX, 4);
        }
        index = step(first, [3, 7, 5, 2][which % 4]);
        scale = [1, 2, 4, 8][which % 4];
        if size == 0 {
            size = 1;
        }
    }
    let mut displacement = displacements[which % 9];
    if size == 0 {
        displacement = 0;
    } else if size == 1 {
        displacement = displacement.clamp(-0x80, 0x7f);
    }
    let masked = match bits {
        _ if matches!(base, R::BX | R::BP | R::SI | R::DI) || size == 2 => displacement as u64 & 0xffff,
        64 if size == 8 || size == 1 && !matches!(base, R::EAX) => displacement as u64,
        _ => displacement as u64 & 0xffff_ffff,
    };
    instruction.set_memory_base(base);
    instruction.set_memory_index(index);
    instruction.set_memory_index_scale(scale);
    instruction.set_memory_displacement64(masked);
    instruction.set_memory_displ_size(size);
    if which % 9 == 3 {
        instruction.set_segment_prefix(if bits == 64 { R::FS } else { R::ES });
    }
}

/// The instruction of a code with these operands; `None` if the shape does not exist for it.
fn build(code: Code, info: &OpCodeInfo, bits: u32, shape: Shape) -> Option<Instruction> {
    let mut instruction = Instruction::new();
    instruction.set_code(code);
    let evex = info.encoding() == EncodingKind::EVEX;
    let mut has_memory = false;
    let mut immediate8 = 0;
    for (i, &kind) in info.op_kinds().iter().enumerate() {
        let i32 = i as u32;
        let can_memory = matches!(
            kind,
            K::mem
                | K::mem_mpx
                | K::mem_mib
                | K::sibmem
                | K::mem_vsib32x
                | K::mem_vsib64x
                | K::mem_vsib32y
                | K::mem_vsib64y
                | K::mem_vsib32z
                | K::mem_vsib64z
                | K::r8_or_mem
                | K::r16_or_mem
                | K::r32_or_mem
                | K::r32_or_mem_mpx
                | K::r64_or_mem
                | K::r64_or_mem_mpx
                | K::mm_or_mem
                | K::xmm_or_mem
                | K::ymm_or_mem
                | K::zmm_or_mem
                | K::bnd_or_mem_mpx
                | K::k_or_mem
        );
        let only_memory = can_memory && register(kind, 0, 0, bits, evex).is_none();
        if can_memory && (shape.memory.is_some() || only_memory) {
            instruction.set_op_kind(i32, OpKind::Memory);
            memory(&mut instruction, kind, shape.memory.unwrap_or(shape.register), bits);
            has_memory = true;
            continue;
        }
        if let Some(register) = register(kind, shape.register, i, bits, evex) {
            instruction.set_op_kind(i32, OpKind::Register);
            instruction.set_op_register(i32, register);
            continue;
        }
        let pick = shape.immediate;
        match kind {
            K::mem_offs => {
                instruction.set_op_kind(i32, OpKind::Memory);
                let size = match bits {
                    16 => 2,
                    32 => 4,
                    _ => 8,
                };
                instruction.set_memory_displ_size(size);
                instruction.set_memory_displacement64(
                    [0x1234, 0x9876, 0x123, 0x8001][pick % 4] << if bits == 64 { 24 } else { 0 },
                );
                has_memory = true;
            }
            K::imm4_m2z => {
                instruction.set_op_kind(i32, OpKind::Immediate8);
                instruction.set_immediate8([0, 1, 2, 3][pick % 4]);
            }
            K::imm8 => {
                let value = [0x12, 0xff, 0x7f, 0x80][pick % 4];
                if immediate8 == 0
                    && info.op_kinds().iter().filter(|&&kind| kind == K::imm8 || kind == K::imm16).count() < 2
                    || immediate8 == 0 && kind == K::imm8 && i + 1 < info.op_kinds().len()
                {
                    instruction.set_op_kind(i32, OpKind::Immediate8);
                    instruction.set_immediate8(value);
                } else {
                    instruction.set_op_kind(i32, OpKind::Immediate8_2nd);
                    instruction.set_immediate8_2nd(value);
                }
                immediate8 += 1;
            }
            K::imm8_const_1 => {
                instruction.set_op_kind(i32, OpKind::Immediate8);
                instruction.set_immediate8(1);
            }
            K::imm8sex16 => {
                instruction.set_op_kind(i32, OpKind::Immediate8to16);
                instruction.set_immediate8to16([0x12, -1, 0x7f, -0x80][pick % 4]);
            }
            K::imm8sex32 => {
                instruction.set_op_kind(i32, OpKind::Immediate8to32);
                instruction.set_immediate8to32([0x12, -1, 0x7f, -0x80][pick % 4]);
            }
            K::imm8sex64 => {
                instruction.set_op_kind(i32, OpKind::Immediate8to64);
                instruction.set_immediate8to64([0x12, -1, 0x7f, -0x80][pick % 4]);
            }
            K::imm16 => {
                instruction.set_op_kind(i32, OpKind::Immediate16);
                instruction.set_immediate16([0x1234, 0x80, 0xff7f, 0x7fff][pick % 4]);
                immediate8 += 1;
            }
            K::imm32 => {
                instruction.set_op_kind(i32, OpKind::Immediate32);
                instruction.set_immediate32([0x1234_5678, 0x80, 0xffff_ff7f, 0x8000_0000][pick % 4]);
            }
            K::imm32sex64 => {
                instruction.set_op_kind(i32, OpKind::Immediate32to64);
                instruction.set_immediate32to64([0x1234_5678, 0x80, -0x81, -0x8000_0000][pick % 4]);
            }
            K::imm64 => {
                instruction.set_op_kind(i32, OpKind::Immediate64);
                instruction.set_immediate64(
                    [0x1234_5678_9abc_def0, 0x8000_0000, 0x7fff_ffff_ffff_ffff, 0x1_0000_0000][pick % 4],
                );
            }
            K::seg_rSI => instruction.set_op_kind(
                i32,
                [OpKind::MemorySegSI, OpKind::MemorySegESI, OpKind::MemorySegRSI][(bits / 32) as usize],
            ),
            K::es_rDI => instruction
                .set_op_kind(i32, [OpKind::MemoryESDI, OpKind::MemoryESEDI, OpKind::MemoryESRDI][(bits / 32) as usize]),
            K::seg_rDI => instruction.set_op_kind(
                i32,
                [OpKind::MemorySegDI, OpKind::MemorySegEDI, OpKind::MemorySegRDI][(bits / 32) as usize],
            ),
            K::seg_rBX_al => {
                instruction.set_op_kind(i32, OpKind::Memory);
                instruction.set_memory_base([Register::BX, Register::EBX, Register::RBX][(bits / 32) as usize]);
                instruction.set_memory_index(Register::AL);
            }
            K::br16_1 | K::br16_2 => {
                instruction.set_op_kind(i32, OpKind::NearBranch16);
                instruction.set_near_branch16(0x1010);
            }
            K::br32_1 | K::br32_4 => {
                instruction.set_op_kind(i32, OpKind::NearBranch32);
                instruction.set_near_branch32(0x1010);
            }
            K::br64_1 | K::br64_4 => {
                instruction.set_op_kind(i32, OpKind::NearBranch64);
                instruction.set_near_branch64(0x1010);
            }
            K::xbegin_2 | K::xbegin_4 => {
                instruction.set_op_kind(
                    i32,
                    [OpKind::NearBranch16, OpKind::NearBranch32, OpKind::NearBranch64][(bits / 32) as usize],
                );
                match bits {
                    16 => instruction.set_near_branch16(0x1010),
                    32 => instruction.set_near_branch32(0x1010),
                    _ => instruction.set_near_branch64(0x1010),
                }
            }
            K::farbr2_2 => {
                instruction.set_op_kind(i32, OpKind::FarBranch16);
                instruction.set_far_branch16(0x1234);
                instruction.set_far_branch_selector(0x5678);
            }
            K::farbr4_2 => {
                instruction.set_op_kind(i32, OpKind::FarBranch32);
                instruction.set_far_branch32(0x1234_5678);
                instruction.set_far_branch_selector(0x9abc);
            }
            _ => return None,
        }
    }
    if shape.memory.is_some() && !has_memory {
        return None;
    }
    if shape.mask || info.require_op_mask_register() {
        if !info.can_use_op_mask_register() {
            return None;
        }
        instruction.set_op_mask([Register::K1, Register::K7, Register::K4][shape.register % 3]);
    }
    if shape.zero {
        if !info.can_use_zeroing_masking() || instruction.op0_kind() == OpKind::Memory {
            return None;
        }
        instruction.set_zeroing_masking(true);
    }
    if shape.broadcast {
        if !info.can_broadcast() || !has_memory {
            return None;
        }
        instruction.set_is_broadcast(true);
    }
    match shape.rounding {
        1 if info.can_use_rounding_control() && !has_memory => {
            let control = [
                RoundingControl::RoundToNearest,
                RoundingControl::RoundDown,
                RoundingControl::RoundUp,
                RoundingControl::RoundTowardZero,
            ];
            instruction.set_rounding_control(control[shape.register % 4]);
        }
        2 if info.can_suppress_all_exceptions() && !info.can_use_rounding_control() && !has_memory => {
            instruction.set_suppress_all_exceptions(true)
        }
        0 => {}
        _ => return None,
    }
    Some(instruction)
}

/// iced prints the rounding decorator behind the first operand; GNU as and LLVM want it behind the last register.
fn rounding_last(text: &str) -> String {
    let Some(start) = text.find("-sae}").and_then(|at| text[..at].rfind('{')).or_else(|| text.find("{sae}")) else {
        return text.to_string();
    };
    let end = start + text[start..].find('}').unwrap_or(0) + 1;
    let decorator = &text[start..end];
    let rest = format!("{}{}", &text[..start], &text[end..]);
    let mut operands: Vec<&str> = rest.split(',').collect();
    let immediates = operands
        .iter()
        .rev()
        .take_while(|operand| operand.starts_with("0x") || operand.starts_with(|c: char| c.is_ascii_digit()))
        .count();
    let mut at = operands.len() - immediates;
    let general = |operand: &str| operand.starts_with(['r', 'e']) || operand.len() == 2;
    if operands.len() == 3 && general(operands[2]) {
        at = 2;
    }
    operands.insert(at, decorator);
    operands.join(",")
}

/// Every line of one mode and syntax, without repetitions, in the order of the codes.
pub(crate) fn lines(bits: u32, syntax: Syntax) -> Vec<String> {
    let shapes = shapes();
    let mut seen = std::collections::HashSet::new();
    let mut out = Vec::new();
    let mut gas = [GasFormatter::new(), GasFormatter::new()];
    for (suffix, formatter) in gas.iter_mut().enumerate() {
        let options = formatter.options_mut();
        options.set_gas_show_mnemonic_size_suffix(suffix == 1);
        options.set_rip_relative_addresses(true);
    }
    let mut intel = IntelFormatter::new();
    intel.options_mut().set_rip_relative_addresses(true);
    intel.options_mut().set_hex_prefix("0x");
    intel.options_mut().set_hex_suffix("");
    intel.options_mut().set_memory_size_options(iced_x86::MemorySizeOptions::Always);
    for code in Code::values() {
        let info = code.op_code();
        let available = match bits {
            16 => info.mode16(),
            32 => info.mode32(),
            _ => info.mode64(),
        };
        if !info.is_instruction() || !available || info.encoding() == EncodingKind::MVEX {
            continue;
        }
        for &shape in &shapes {
            let Some(instruction) = build(code, info, bits, shape) else { continue };
            // The encoder is the check that the shape exists (16 registers in VEX, RIP-relative in 64-bit mode).
            let mut encoder = Encoder::new(bits);
            if encoder.encode(&instruction, 0x1000).is_err() {
                continue;
            }
            let mut add = |text: &mut String| {
                if seen.insert(text.clone()) {
                    out.push(std::mem::take(text));
                }
                text.clear();
            };
            let mut text = String::new();
            match syntax {
                Syntax::Att => {
                    for formatter in &mut gas {
                        formatter.format(&instruction, &mut text);
                        add(&mut text);
                    }
                }
                Syntax::Intel => {
                    intel.format(&instruction, &mut text);
                    text = rounding_last(&text);
                    add(&mut text);
                }
            }
        }
    }
    out
}
