//! iced's opcode descriptions as this crate's forms.

use super::form::{Encoding, Form};
use super::kinds::{self, KINDS};
use iced_x86::{Code, EncodingKind, MandatoryPrefix, OpCodeInfo, OpCodeOperandKind as K, OpCodeTableKind, TupleType};

/// A form with what only the generator needs to know of it.
#[derive(Clone)]
pub struct Candidate {
    pub form: Form,
    pub code: Code,
    /// iced's mnemonic in lower case: the Intel name.
    pub mnemonic: String,
    /// The AT&T size letter this form answers to, or 0.
    pub letter: u8,
    /// Bit 0: 16-bit mode, 1: 32-bit, 2: 64-bit.
    pub modes: u8,
    /// Length of the encoding as far as it does not depend on the operands.
    pub length: u32,
    /// Tie-breaker behind the length.
    pub rank: i32,
    /// iced's description, as the comment of the generated line.
    pub text: String,
    /// A variant of a form with other operands than iced's.
    pub variant: bool,
}

impl Candidate {
    pub fn op_count(&self) -> usize {
        self.form.ops.iter().take_while(|&&op| op != 0).count()
    }
}

fn disp8_shift(tuple: TupleType) -> u8 {
    use TupleType::*;
    match tuple {
        N2 => 1,
        N4 | N4b2 => 2,
        N8 | N8b4 | N8b2 => 3,
        N16 | N16b4 | N16b8 | N16b2 => 4,
        N32 | N32b4 | N32b8 | N32b2 => 5,
        N64 | N64b4 | N64b8 | N64b2 => 6,
        _ => 0,
    }
}

/// The letter that AT&T spells behind the mnemonic for this form.
fn letter(info: &OpCodeInfo, code: Code) -> u8 {
    use Code::*;
    match code {
        Crc32_r32_rm8 | Crc32_r64_rm8 => return b'b',
        Crc32_r32_rm16 => return b'w',
        Crc32_r32_rm32 => return b'l',
        Crc32_r64_rm64 => return b'q',
        Lgdt_m1632_16 | Lidt_m1632_16 | Sgdt_m1632_16 | Sidt_m1632_16 => return b'w',
        Lgdt_m1632 | Lidt_m1632 | Sgdt_m1632 | Sidt_m1632 => return b'l',
        Lgdt_m1664 | Lidt_m1664 | Sgdt_m1664 | Sidt_m1664 => return b'q',
        Sysretd | Sysexitd => return b'l',
        Sysretq | Sysexitq => return b'q',
        _ => {}
    }
    // loop is sized by its counter.
    if format!("{code:?}").starts_with("Loop") {
        return match info.address_size() {
            16 => b'w',
            32 => b'l',
            _ => b'q',
        };
    }
    match info.operand_size() {
        16 => return b'w',
        32 => return b'l',
        64 => return b'q',
        _ => {}
    }
    let kinds = info.op_kinds();
    let any = |set: &[K]| kinds.iter().any(|kind| set.contains(kind));
    if any(&[K::r64_or_mem, K::r64_reg, K::r64_rm, K::r64_opcode, K::r64_vvvv, K::rax]) {
        b'q'
    } else if any(&[K::r32_or_mem, K::r32_reg, K::r32_rm, K::r32_opcode, K::r32_vvvv, K::eax]) {
        b'l'
    } else if any(&[K::r8_or_mem, K::r8_reg, K::r8_opcode, K::al])
        || (info.encoding() == EncodingKind::Legacy && info.memory_size().size() == 1)
    {
        b'b'
    } else {
        0
    }
}

/// Every form that iced can encode and this crate uses.
pub fn all() -> Vec<Candidate> {
    let mut out = Vec::new();
    for code in Code::values() {
        let info = code.op_code();
        if !info.is_instruction() || info.encoding() == EncodingKind::MVEX {
            continue;
        }
        let modes = info.mode16() as u8 | (info.mode32() as u8) << 1 | (info.mode64() as u8) << 2;
        // GNU as and LLVM know these in 64-bit mode only, where they can be %rip-relative.
        let modes = if format!("{code:?}").starts_with("Prefetchit") { modes & 4 } else { modes };
        if modes == 0 {
            continue;
        }
        let enc = match info.encoding() {
            EncodingKind::Legacy => Encoding::Legacy,
            EncodingKind::D3NOW => Encoding::D3now,
            EncodingKind::VEX => Encoding::Vex,
            EncodingKind::XOP => Encoding::Xop,
            EncodingKind::EVEX => Encoding::Evex,
            _ => unreachable!("left out above"),
        };
        let map = match info.table() {
            OpCodeTableKind::Normal => 0,
            OpCodeTableKind::T0F => 1,
            OpCodeTableKind::T0F38 => 2,
            OpCodeTableKind::T0F3A => 3,
            OpCodeTableKind::MAP5 => 5,
            OpCodeTableKind::MAP6 => 6,
            OpCodeTableKind::MAP8 => 8,
            OpCodeTableKind::MAP9 => 9,
            OpCodeTableKind::MAP10 => 10,
            _ => unreachable!("all of iced 1.22's maps are above"),
        };
        let pp = match info.mandatory_prefix() {
            MandatoryPrefix::None | MandatoryPrefix::PNP => 0,
            MandatoryPrefix::P66 => 1,
            MandatoryPrefix::PF3 => 2,
            MandatoryPrefix::PF2 => 3,
        };
        let mut ops = [0u8; 5];
        let mut n = 0;
        for &kind in info.op_kinds() {
            match kind {
                K::farbr2_2 => {
                    ops[0] = kinds::FAR_OFF16;
                    ops[1] = kinds::FAR_SEL;
                }
                K::farbr4_2 => {
                    ops[0] = kinds::FAR_OFF32;
                    ops[1] = kinds::FAR_SEL;
                }
                // The address of maskmovq and of vmsave is never written.
                K::seg_rDI => continue,
                _ => {
                    ops[n] = kind as u8;
                    n += 1;
                }
            }
        }
        let mut flags = 0;
        let mut set = |on: bool, flag: u32| {
            if on {
                flags |= flag;
            }
        };
        let vector = enc >= Encoding::Vex;
        set(vector && info.w() == 1, Form::W);
        set(info.op_code_len() == 2, Form::TWO);
        set(info.default_op_size64() || info.force_op_size64(), Form::D64);
        set(info.fwait(), Form::FWAIT);
        set(info.can_use_op_mask_register(), Form::MASK);
        set(info.require_op_mask_register(), Form::NEED_MASK);
        set(info.can_use_zeroing_masking(), Form::ZERO);
        set(info.can_use_rounding_control(), Form::ER);
        set(info.can_suppress_all_exceptions() && !info.can_use_rounding_control(), Form::SAE);
        set(info.can_use_lock_prefix(), Form::LOCK);
        set(info.can_use_rep_prefix(), Form::REP);
        set(info.can_use_repne_prefix(), Form::REPNE);
        set(info.can_use_xacquire_prefix(), Form::XACQUIRE);
        set(info.can_use_xrelease_prefix(), Form::XRELEASE);
        let name = format!("{code:?}");
        // GNU as knows that MPX has no use for loop and jcxz.
        let counts = name.starts_with("Loop") || name.contains("cxz");
        set(info.can_use_bnd_prefix() && !counts, Form::BND);
        set(info.can_use_notrack_prefix(), Form::NOTRACK);
        set(
            info.can_use_xrelease_prefix() && (name.starts_with("Mov_") || name.starts_with("Xchg_")),
            Form::HLE_NOLOCK,
        );
        set(info.requires_unique_reg_nums(), Form::GATHER);
        set(info.requires_unique_dest_reg_num(), Form::UNIQUE_DEST);
        set(ops.contains(&(K::sibmem as u8)), Form::NEED_SIB);
        set(ops.contains(&(K::mem_mib as u8)) || ops.contains(&(K::sibmem as u8)), Form::NO_RIP);
        let second = if info.op_code_len() == 2 { info.op_code() as u8 } else { 0 };
        let opcode = if info.op_code_len() == 2 { (info.op_code() >> 8) as u8 } else { info.op_code() as u8 };
        let modrm = info.is_group()
            || info.is_rm_group()
            || ops
                .iter()
                .any(|&op| matches!(KINDS[op as usize].slot, kinds::Slot::Reg | kinds::Slot::Rm | kinds::Slot::RegRm));
        set(modrm, Form::MODRM);
        let asz = if enc == Encoding::Legacy { info.address_size() as u8 } else { 0 };
        set(
            ops.contains(&(K::r32_reg_mem as u8))
                || ops.contains(&(K::r64_reg_mem as u8))
                || ops.contains(&(K::r16_reg_mem as u8)),
            Form::REG_ADDR,
        );
        let mem = info.memory_size().size();
        let form = Form {
            ops,
            opcode,
            second,
            group: if info.is_group() { info.group_index() as u8 } else { 0xff },
            rm_group: if info.is_rm_group() { info.rm_group_index() as u8 } else { 0xff },
            map,
            pp,
            ll: match info.l() {
                1 => 1,
                2 => 2,
                _ => 0,
            },
            osz: if enc == Encoding::Legacy { info.operand_size() as u8 } else { 0 },
            asz,
            mem: mem as u16,
            bcast: if info.can_broadcast() { info.broadcast_memory_size().element_size() as u8 } else { 0 },
            disp8: if enc == Encoding::Evex { disp8_shift(info.tuple_type()) } else { 0 },
            enc,
            code: code as u16,
            flags,
            roles: super::form::Roles::new(&[0; 5]),
        };
        let mut candidate = Candidate {
            form,
            code,
            mnemonic: format!("{:?}", info.mnemonic()).to_lowercase(),
            letter: letter(info, code),
            modes,
            length: 0,
            rank: 0,
            text: format!("{} | {}", info.op_code_string(), info.instruction_string()),
            variant: false,
        };
        candidate.length = static_length(&candidate);
        out.push(candidate);
    }
    out
}

/// Length of what the operands cannot change. Operand-size prefixes count as one byte.
pub fn static_length(candidate: &Candidate) -> u32 {
    let form = &candidate.form;
    let mut length = 1 + (form.flags & Form::TWO != 0) as u32 + (form.flags & Form::MODRM != 0) as u32;
    length += match form.map {
        0 => 0,
        1 => 1,
        _ => 2,
    };
    length += (form.pp != 0) as u32;
    // VEX.W needs the 3-byte prefix; the other maps have it anyway.
    length += (form.enc == Encoding::Vex && form.map == 1 && form.flags & Form::W != 0) as u32;
    length += (form.osz == 64 && form.flags & Form::D64 == 0) as u32;
    for &op in &form.ops {
        length += match KINDS[op as usize].slot {
            kinds::Slot::Imm(n) | kinds::Slot::Rel(n) => u32::from(n),
            kinds::Slot::Moffs => 0,
            _ => 0,
        };
    }
    length
}
