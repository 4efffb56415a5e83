//! Prefixes before the opcode: those that the operands ask for and those that were written.

use super::buffer::Buffer;
use super::other::Other;
use crate::Mode;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::{Encoding, Form};
use crate::prefixes::{SEGMENT_BYTES, hint};
use crate::registers::Register;

/// The prefix that `pp` of VEX and EVEX stands for (SDM volume 2, table 2-9).
pub(crate) const MANDATORY: [u8; 4] = [0, 0x66, 0xf3, 0xf2];

impl Assembler<'_> {
    /// All prefixes but REX and those that hold part of the opcode. `memory` is the operand with an address. Gives the
    /// bits of the address.
    #[inline]
    pub(super) fn prefixes(
        &mut self,
        form: &'static Form,
        memory: Option<usize>,
        other: &Other,
        buffer: &mut Buffer<'_>,
    ) -> Result<u8, Failed> {
        let mode_bits = self.mode.bits() as u8;
        let mut address_bits = mode_bits;
        let mut segment = 0;
        let mut need_address = false;
        if let Some(i) = memory {
            let insn = &self.insn;
            let op = &insn.ops[i];
            if op.addr != 0 {
                address_bits = op.addr;
            } else if form.flags & Form::REG_ADDR != 0 {
                address_bits = insn.ops[..insn.count].iter().map(|op| op.bits).max().unwrap_or(mode_bits);
            } else if insn.prefixes.address {
                address_bits = if mode_bits == 32 { 16 } else { 32 };
            }
            segment = op.seg;
            if form.flags & Form::REG_ADDR != 0
                && insn.ops[..insn.count].iter().any(|op| op.bits != 0 && op.bits != address_bits)
            {
                return self.register_address_mismatch();
            }
            need_address = address_bits != mode_bits;
        } else if other.string_address != 0 {
            need_address = other.string_address != mode_bits;
            segment = other.string_segment;
        }
        if form.asz != 0 && form.asz != mode_bits && other.string_address == 0 {
            need_address = true;
        }
        let need_data = form.needs_data_prefix(self.mode);
        if form.flags & Form::FWAIT != 0 {
            buffer.push(0x9b);
        }
        // A segment that is the default anyway is dropped, as GNU as does.
        if segment != 0
            && self.insn.prefixes.segment == 0
            && !(memory.is_some_and(|i| self.is_default_segment(i, segment)) || other.string_segment == 4)
        {
            buffer.push(SEGMENT_BYTES[segment as usize - 1]);
        }
        let legacy = matches!(form.enc, Encoding::Legacy | Encoding::D3now);
        let mandatory = if legacy { MANDATORY[form.pp as usize & 3] } else { 0 };
        if self.insn.prefixes.any {
            self.check_prefixes(form, mandatory, need_data, need_address)?;
        }
        let written = &self.insn.prefixes;
        if written.segment != 0 {
            buffer.push(written.segment);
        }
        if need_address || written.address {
            buffer.push(0x67);
        }
        if need_data || written.data || mandatory == 0x66 {
            buffer.push(0x66);
        }
        if written.rep != 0 {
            buffer.push(written.rep);
        } else if mandatory > 0x66 {
            buffer.push(mandatory);
        }
        if written.lock {
            buffer.push(0xf0);
        }
        Ok(address_bits)
    }

    /// The REX prefix, if something asks for it; `rxb` are the bits that the registers bring.
    #[inline]
    pub(super) fn rex(&mut self, form: &Form, rxb: u8, buffer: &mut Buffer<'_>) -> Result<(), Failed> {
        let long = self.long();
        let insn = &self.insn;
        let flags = insn.ops[..insn.count].iter().fold(0, |flags, op| flags | op.reg_flags);
        let rex = form.rex_w() << 3 | rxb;
        let locked = !long && rex == 4 && flags & Register::LOCKED != 0;
        if locked {
            // %cr8 outside 64-bit mode (AMD64 manual volume 3, MOV CRn).
            buffer.push(0xf0);
        }
        let wanted = rex != 0 && !locked
            || flags & Register::REX != 0
            || insn.hints & hint::REX != 0 && long && flags & Register::HIGH == 0
            || insn.prefixes.rex != 0;
        if !wanted {
            return Ok(());
        }
        if flags & Register::HIGH != 0 {
            return self.high_byte_with_rex();
        }
        if !long {
            return self.fail(Diagnostic::error(
                ErrorKind::WrongMode,
                self.statement_span(),
                "this needs a REX prefix, which only 64-bit mode has",
            ));
        }
        if insn.prefixes.rex & rex != 0 {
            return self.fail(
                Diagnostic::error(
                    ErrorKind::Prefix,
                    self.statement_span(),
                    "the operands bring these bits of the REX prefix already",
                )
                .label("GNU as calls this the same prefix twice"),
            );
        }
        buffer.push(0x40 | rex | insn.prefixes.rex);
        Ok(())
    }

    /// `xchg %eax,%eax` clears the upper half, which 90 does not; `xchg %rax,%rax` does nothing, so 90 will do.
    #[cold]
    pub(super) fn exchange_with_itself(
        &mut self,
        form: &'static Form,
        mut buffer: Buffer<'_>,
    ) -> Result<usize, Failed> {
        if self.insn.prefixes.any {
            self.check_prefixes(form, 0, false, false)?;
        }
        let prefixes = self.insn.prefixes;
        if prefixes.segment | prefixes.rep != 0 || prefixes.address || prefixes.data || prefixes.lock {
            return self.fail(Diagnostic::error(
                ErrorKind::Prefix,
                self.statement_span(),
                "this exchange does nothing and takes no prefix",
            ));
        }
        if prefixes.rex != 0 {
            buffer.push(prefixes.rex);
        } else if self.insn.hints & hint::REX != 0 {
            buffer.push(0x40);
        }
        for &byte in if form.osz == 64 { &[0x90u8][..] } else { &[0x87, 0xc0] } {
            buffer.push(byte);
        }
        Ok(buffer.len)
    }
}

impl Form {
    /// Whether the operand size asks for 66 in code of this mode.
    #[inline(always)]
    pub(crate) fn needs_data_prefix(&self, mode: Mode) -> bool {
        match self.osz {
            16 => mode != Mode::Bits16,
            32 => mode == Mode::Bits16,
            _ => false,
        }
    }

    /// REX.W.
    #[inline(always)]
    pub(crate) fn rex_w(&self) -> u8 {
        u8::from(self.osz == 64 && self.flags & Form::D64 == 0)
    }
}
