//! Bytes of one instruction.
//!
//! The order of prefixes is GNU as's: FWAIT, segment, 67, 66, F2/F3, F0, REX.

pub(crate) mod address;
pub(crate) mod buffer;
mod other;
mod prefix;
mod refuse;
mod symbolic;

use crate::ItemKind;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::{Encoding, Form};
use crate::kinds::{FAR_OFF16, FAR_SEL};
use crate::operand::{IP_REG, NO_REG};
use crate::prefixes::hint;
use address::Address;
use buffer::{Buffer, Extension, ROOM};
use other::Other;
pub(crate) use prefix::MANDATORY;
use symbolic::{Field, Fields};

/// Longest instruction (SDM volume 2, section 2.3.11).
const LONGEST: usize = 15;

/// Whether a field of `width` bytes loses more of the value than copies of its sign.
#[inline]
pub(crate) fn loses_bits(value: i64, width: u8) -> bool {
    let high = value >> (u32::from(width) * 8);
    high != 0 && high != -1
}

impl Assembler<'_> {
    /// Writes the instruction with the chosen form.
    #[inline]
    pub(crate) fn encode(&mut self, form: &'static Form) -> Result<(), Failed> {
        let mut out = std::mem::take(&mut self.out);
        let offset = out.len();
        out.extend_from_slice(&[0; ROOM]);
        let mut fields = Fields::default();
        let length = match out.last_chunk_mut::<ROOM>() {
            Some(bytes) => self.encode_into(form, Buffer { bytes, len: 0 }, &mut fields),
            None => Err(Failed),
        };
        out.truncate(offset + length.unwrap_or(0));
        self.out = out;
        let length = length?;
        for field in fields.iter() {
            self.leave_field(offset, length, field);
        }
        self.item(offset, self.insn.start, ItemKind::Instruction);
        Ok(())
    }

    fn encode_into(
        &mut self,
        form: &'static Form,
        mut buffer: Buffer<'_>,
        fields: &mut Fields,
    ) -> Result<usize, Failed> {
        let long = self.long();
        if self.insn.hints & hint::REX != 0 && !long {
            return self.fail(Diagnostic::error(
                ErrorKind::WrongMode,
                self.statement_span(),
                "`{rex}` needs 64-bit mode",
            ));
        }
        let roles = form.roles;
        let ops = &self.insn.ops;
        let rm_operand = &ops[roles.rm as usize & 7];
        let memory = rm_operand.is_memory().then_some(roles.rm as usize);
        let rm = if form.rm_group != 0xff { form.rm_group } else { rm_operand.reg };
        let reg = if form.group != 0xff { form.group } else { ops[roles.reg as usize & 7].reg };
        let vvvv = ops[roles.vvvv as usize & 7].reg;
        let low = ops[roles.low as usize & 7].reg;
        let other = if roles.other { self.other_roles(form)? } else { Other::default() };
        if form.flags & (Form::GATHER | Form::UNIQUE_DEST) != 0 {
            self.check_distinct(form)?;
        }
        if form.opcode == 0x90 && form.map == 0 && self.insn.count == 2 && low == 0 && form.osz >= 32 && long {
            return self.exchange_with_itself(form, buffer);
        }

        let address_bits = self.prefixes(form, memory.or(other.moffs), &other, &mut buffer)?;
        let mut x = 0;
        let mut b = (rm | low) >> 3 & 1;
        let mut vsib_high = 0;
        let mut address = Address { modrm: 0xc0 | rm & 7, sib: None, displacement: 0, width: 0, pc_relative: false };
        if let Some(i) = memory {
            let op = &self.insn.ops[i];
            if op.base < 0x20 {
                b = op.base >> 3 & 1;
            }
            if op.index != NO_REG {
                x = op.index >> 3 & 1;
                vsib_high = op.index >> 4 & 1;
            }
            address = self.rm_address(form, i, address_bits)?;
        }
        match form.enc {
            Encoding::Legacy | Encoding::D3now => {
                self.rex(form, (reg >> 3 & 1) << 2 | x << 1 | b, &mut buffer)?;
                buffer.escape(form.map);
                if form.enc == Encoding::D3now {
                    // The opcode comes last.
                    buffer.push(0x0f);
                } else if form.flags & Form::TWO != 0 {
                    buffer.push(form.opcode);
                    buffer.push(form.second + (low & 7));
                } else {
                    buffer.push(form.opcode + (low & 7));
                }
            }
            Encoding::Vex | Encoding::Xop => {
                buffer.vex(form, Extension { reg, x, b, vvvv }, self.insn.hints & hint::VEX3 != 0);
                buffer.push(form.opcode);
                if form.flags & Form::TWO != 0 {
                    buffer.push(form.second);
                }
            }
            Encoding::Evex => {
                if memory.is_none() {
                    x = rm >> 4 & 1;
                }
                // EVEX.V' extends the vector index, where there is one.
                let vvvv = if vsib_high != 0 { vvvv | 16 } else { vvvv };
                buffer.evex(form, Extension { reg, x, b, vvvv }, self.evex_context(form, memory));
                buffer.push(form.opcode);
            }
        }
        if form.flags & Form::MODRM != 0 {
            buffer.push(address.modrm | (reg & 7) << 3);
            if let Some(sib) = address.sib {
                buffer.push(sib);
            }
            if let Some(i) = memory
                && address.width != 0
            {
                self.displacement(i, &address, address_bits, &mut buffer, fields);
            }
        }
        if form.enc == Encoding::D3now {
            buffer.push(form.opcode);
        }
        if let Some(i) = other.moffs {
            let width = address_bits / 8;
            let op = &self.insn.ops[i];
            if op.expr != 0 {
                fields.add(Field { at: buffer.len as u8, width, pc_relative: false, signed: false, operand: i as u8 });
            }
            buffer.value(op.value, width as usize);
        }
        if let Some(is4) = other.is4 {
            buffer.push(is4);
        }
        if roles.immediate_width != 0 {
            self.immediate_field(form, roles.immediate, roles.immediate_width, &mut buffer, fields)?;
        }
        if let Some((i, width)) = other.second_immediate {
            self.immediate_field(form, i, width, &mut buffer, fields)?;
        }
        if buffer.len > LONGEST {
            return self.fail(
                Diagnostic::error(
                    ErrorKind::Unencodable,
                    self.statement_span(),
                    format!("the instruction would have {} bytes", buffer.len),
                )
                .label(format!("the CPU takes {LONGEST} at most")),
            );
        }
        Ok(buffer.len)
    }

    /// ModRM, SIB and displacement of memory operand `i`, if the instruction takes such an address.
    #[inline]
    fn rm_address(&mut self, form: &'static Form, i: usize, bits: u8) -> Result<Address, Failed> {
        let op = &self.insn.ops[i];
        if op.base == IP_REG && form.flags & Form::NO_RIP != 0 {
            let message = "this instruction has no %rip-relative form";
            return self.fail(Diagnostic::error(ErrorKind::Addressing, op.span(), message));
        }
        if form.flags & Form::NO_ADDR32 != 0 && bits != if self.long() { 64 } else { 32 } {
            let message = "MPX instructions take no shorter address";
            return self.fail(Diagnostic::error(ErrorKind::Addressing, op.span(), message));
        }
        let wrong = if bits == 16 { hint::DISP32 } else { hint::DISP16 };
        if self.insn.hints & wrong != 0 {
            return self.fail(Diagnostic::error(
                ErrorKind::Prefix,
                self.statement_span(),
                "this displacement size does not exist with this address size",
            ));
        }
        let shift = match form.enc {
            Encoding::Evex if op.bcast != 0 => form.bcast.trailing_zeros() as u8,
            Encoding::Evex => form.disp8,
            _ => 0,
        };
        Ok(self.address(i, bits, shift, form.flags & Form::NEED_SIB != 0))
    }

    /// The last byte of the EVEX prefix without V'.
    #[inline]
    fn evex_context(&self, form: &Form, memory: Option<usize>) -> u8 {
        let insn = &self.insn;
        let broadcast = memory.is_some_and(|i| insn.ops[i].bcast != 0);
        let length = match insn.rounding {
            0 => form.ll,
            // The length bits mean nothing under {sae} (SDM volume 2, table 2-40); GNU as and LLVM clear them.
            5 => 0,
            rounding => rounding - 1,
        };
        let b = u8::from(broadcast || insn.rounding != 0);
        u8::from(insn.zero) << 7 | length << 5 | b << 4 | insn.mask
    }

    /// The displacement of memory operand `i`.
    #[inline]
    fn displacement(&mut self, i: usize, address: &Address, bits: u8, buffer: &mut Buffer<'_>, fields: &mut Fields) {
        let Address { displacement, width, pc_relative, .. } = *address;
        if self.insn.ops[i].expr != 0 {
            fields.add(Field { at: buffer.len as u8, width, pc_relative, signed: bits == 64, operand: i as u8 });
        }
        buffer.value(displacement, width as usize);
        if bits != 64 && loses_bits(displacement, bits / 8) {
            let op = self.insn.ops[i];
            self.shortened(&op, bits / 8);
        }
    }

    /// Operand `i` as an immediate of so many bytes.
    #[inline]
    fn immediate_field(
        &mut self,
        form: &'static Form,
        i: u8,
        width: u8,
        buffer: &mut Buffer<'_>,
        fields: &mut Fields,
    ) -> Result<(), Failed> {
        let op = self.insn.ops[i as usize & 7];
        if op.expr != 0 {
            let signed = form.osz == 64 && width == 4;
            fields.add(Field { at: buffer.len as u8, width, pc_relative: false, signed, operand: i });
        }
        buffer.value(op.value, width as usize);
        if width < 8 && loses_bits(op.value, width) {
            if matches!(form.ops[i as usize % 5], FAR_SEL | FAR_OFF16) {
                let message = "this half of a far pointer has 16 bits";
                return self.fail(Diagnostic::error(ErrorKind::ImmediateRange, op.span(), message));
            }
            self.shortened(&op, width);
        }
        Ok(())
    }
}
