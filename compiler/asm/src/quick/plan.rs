//! How the statements of one shape are written.

use super::operands::Operands;
use crate::Mode;
use crate::assembler::Instruction;
use crate::encode::buffer::{Buffer, Extension, ROOM};
use crate::encode::{MANDATORY, address, loses_bits};
use crate::form::{Encoding, Form};
use crate::operand::NO_REG;
use crate::registers::Register;

/// Where no operand's number is: [`Operands::numbers`] has zeros there.
const NOWHERE: u8 = 32;

/// The bytes of the statements of one shape. Everything is settled but the low three bits of the registers' numbers, the
/// displacement and the value of the immediate.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Prefixes and opcode.
    head: u64,
    /// Bytes of it; 0 in the plan of statements that are not for the short way.
    head_len: u8,
    /// Where the number of the register in the low bits of the opcode is in [`Operands::numbers`], and the opcode's place
    /// in the head, both in bits.
    low: u8,
    low_at: u8,
    /// The same for VEX.vvvv, which holds the complement.
    vvvv: u8,
    vvvv_at: u8,
    /// ModRM without registers, and where the numbers of these are.
    modrm: u8,
    has_modrm: bool,
    reg: u8,
    rm: u8,
    /// ModRM.rm is memory.
    memory: bool,
    /// 64-bit mode.
    long: bool,
    /// log2 of what a disp8 is multiplied by.
    shift: u8,
    /// Bytes of the immediate.
    immediate: u8,
}

impl Plan {
    /// For what is not for the short way.
    pub(super) const NONE: Self = Self {
        head: 0,
        head_len: 0,
        low: NOWHERE,
        low_at: 0,
        vvvv: NOWHERE,
        vvvv_at: 0,
        modrm: 0,
        has_modrm: false,
        reg: NOWHERE,
        rm: NOWHERE,
        memory: false,
        long: false,
        shift: 0,
        immediate: 0,
    };

    /// The plan for `form` with the operands of `insn`, whose registers are the first of their groups; none if something
    /// about it is out of the ordinary. `place` gives the place of an operand in [`Operands::numbers`] in operands from the
    /// lowest.
    pub(super) fn new(
        form: &Form,
        insn: &Instruction,
        operands: &Operands,
        mode: Mode,
        place: impl Fn(usize) -> usize,
    ) -> Option<Self> {
        let roles = form.roles;
        let number = |role: u8| insn.ops.get(usize::from(role)).map_or(0, |op| op.reg);
        let place = |role: u8| {
            let is_register = usize::from(role) < insn.count && !insn.ops[usize::from(role)].is_memory();
            if is_register { 8 * place(usize::from(role)) as u8 } else { NOWHERE }
        };
        let reg = if form.group != 0xff { form.group } else { number(roles.reg) };
        let (rm, low, vvvv) = (number(roles.rm), number(roles.low), number(roles.vvvv));
        let memory = operands.has_memory;
        let high = |register: u8| if register == NO_REG { 0 } else { register >> 3 & 1 };
        let (x, b) = if memory { (high(operands.index), high(operands.base)) } else { (0, (rm | low) >> 3 & 1) };
        let mut bytes = [0; ROOM];
        let mut head = Buffer { bytes: &mut bytes, len: 0 };
        match form.enc {
            Encoding::Legacy => {
                let mandatory = MANDATORY[form.pp as usize & 3];
                if form.needs_data_prefix(mode) || mandatory == 0x66 {
                    head.push(0x66);
                }
                if mandatory > 0x66 {
                    head.push(mandatory);
                }
                let rex = form.rex_w() << 3 | (reg >> 3 & 1) << 2 | x << 1 | b;
                let flags = insn.ops.iter().take(insn.count).fold(0, |flags, op| flags | op.reg_flags);
                if rex != 0 || flags & Register::REX != 0 {
                    if mode != Mode::Bits64 || flags & Register::HIGH != 0 {
                        return None;
                    }
                    head.push(0x40 | rex);
                }
                head.escape(form.map);
            }
            Encoding::Evex => {
                let x = if memory { x } else { rm >> 4 & 1 };
                head.evex(form, Extension { reg, x, b, vvvv }, form.ll << 5);
            }
            _ => head.vex(form, Extension { reg, x, b, vvvv }, false),
        }
        // VEX.vvvv is in the last byte of the prefix, EVEX.vvvv in the last but one.
        let vvvv_at = match form.enc {
            Encoding::Legacy => 0,
            Encoding::Evex => 8 * (head.len - 2) + 3,
            _ => 8 * (head.len - 1) + 3,
        };
        let low_at = 8 * head.len;
        head.push(form.opcode);
        let width = roles.immediate_width;
        if width != 0 && width < 8 && loses_bits(operands.immediate, width) {
            return None;
        }
        let has_modrm = memory || form.flags & Form::MODRM != 0;
        Some(Self {
            head_len: head.len as u8,
            head: u64::from_le_bytes(*bytes.first_chunk()?),
            low: place(roles.low),
            low_at: low_at as u8,
            vvvv: place(roles.vvvv),
            vvvv_at: vvvv_at as u8,
            modrm: if memory { 0 } else { 0xc0 } | if form.group != 0xff { form.group << 3 } else { 0 },
            has_modrm,
            reg: if form.group != 0xff { NOWHERE } else { place(roles.reg) },
            rm: place(roles.rm),
            memory,
            long: mode == Mode::Bits64,
            shift: if form.enc == Encoding::Evex { form.disp8 } else { 0 },
            immediate: width,
        })
    }

    /// Whether the statements of this shape are left to the general way.
    #[inline(always)]
    pub(super) fn is_none(&self) -> bool {
        self.head_len == 0
    }

    /// Writes a statement with these operands to the start of `bytes`; gives its length.
    #[inline(always)]
    pub(super) fn write(&self, operands: &Operands, bytes: &mut [u8; ROOM]) -> usize {
        let numbers = u64::from(operands.numbers);
        let number = |at: u8| numbers >> (at & 63) & 7;
        let head = self.head + (number(self.low) << (self.low_at & 63)) - (number(self.vvvv) << (self.vvvv_at & 63));
        let mut buffer = Buffer { bytes, len: 0 };
        buffer.eight(head);
        buffer.len = usize::from(self.head_len & 7);
        let reg = (number(self.reg) << 3) as u8;
        if self.memory {
            let how = address::How { long: self.long, shift: self.shift & 7, ..address::How::default() };
            let Operands { base, index, scale, displacement, .. } = *operands;
            let address = address::encode(base, index, scale, displacement, how);
            let modrm = u64::from(self.modrm | reg | address.modrm);
            let displacement = u64::from(address.displacement as u32);
            let (bytes, length) = match address.sib {
                Some(sib) => (modrm | u64::from(sib) << 8 | displacement << 16, 2),
                None => (modrm | displacement << 8, 1),
            };
            buffer.eight(bytes);
            buffer.len += length + usize::from(address.width & 7);
        } else {
            buffer.eight(u64::from(self.modrm | reg) | number(self.rm));
            buffer.len += usize::from(self.has_modrm);
        }
        buffer.eight(operands.immediate as u64);
        buffer.len + usize::from(self.immediate & 15)
    }
}
