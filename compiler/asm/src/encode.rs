//! Bytes of one instruction.
//!
//! The order of prefixes is GNU as's: FWAIT, segment, 67, 66, F2/F3, F0, REX.

use crate::address::Address;
use crate::assembler::Assembler;
use crate::buffer::{Buffer, Extension, ROOM};
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups::FixupKind;
use crate::form::{Encoding, Form};
use crate::kinds::{FAR_OFF16, FAR_SEL, KINDS, Slot};
use crate::layout::Pending;
use crate::operand::{IP_REG, NO_REG};
use crate::prefixes::{SEGMENT_BYTES, hint};
use crate::registers::Register;
use crate::{ItemKind, Mode};

/// A field with a symbol.
#[derive(Clone, Copy, Default)]
struct Field {
    at: u8,
    width: u8,
    pc_relative: bool,
    signed: bool,
    operand: u8,
}

/// The fields of one instruction: displacement and two immediates at most.
#[derive(Default)]
struct Fields {
    all: [Field; 3],
    count: usize,
}

impl Fields {
    fn add(&mut self, field: Field) {
        if let Some(slot) = self.all.get_mut(self.count) {
            *slot = field;
            self.count += 1;
        }
    }
}

/// Longest instruction (SDM volume 2, section 2.3.11).
const LONGEST: usize = 15;

/// Whether a field of `width` bytes loses more of the value than copies of its sign.
#[inline]
pub(crate) fn loses_bits(value: i64, width: u8) -> bool {
    let high = value >> (u32::from(width) * 8);
    high != 0 && high != -1
}

/// What [`crate::form::Roles::other`] stands for.
#[derive(Clone, Copy, Default)]
struct Other {
    is4: u8,
    has_is4: bool,
    moffs: Option<usize>,
    string_segment: u8,
    string_address: u8,
    /// Operand and bytes.
    second_immediate: Option<(u8, u8)>,
}

impl Assembler<'_> {
    /// The operands that are in none of the usual places.
    #[cold]
    fn other_roles(&mut self, form: &'static Form) -> Result<Other, Failed> {
        let mut other = Other::default();
        for i in 0..self.insn.count {
            let op = &self.insn.ops[i];
            match KINDS[form.ops[i] as usize].slot {
                Slot::Is4 => {
                    other.is4 |= op.reg << 4;
                    other.has_is4 = true;
                }
                Slot::Imm4 => {
                    other.is4 |= op.value as u8 & 15;
                    other.has_is4 = true;
                }
                Slot::Imm(width) if i != form.roles.immediate as usize => {
                    other.second_immediate = Some((i as u8, width))
                }
                Slot::Moffs => other.moffs = Some(i),
                Slot::StringSource => {
                    if other.string_address != 0 && other.string_address != op.addr {
                        return self.string_address_mismatch();
                    }
                    other.string_segment = op.seg;
                    other.string_address = op.addr;
                }
                Slot::StringDest => {
                    if op.seg > 1 {
                        return self.string_destination_segment(i);
                    }
                    if other.string_address != 0 && other.string_address != op.addr {
                        return self.string_address_mismatch();
                    }
                    other.string_address = op.addr;
                }
                _ => {}
            }
        }
        Ok(other)
    }

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
        if fields.count != 0 {
            for i in 0..fields.count.min(3) {
                let field = fields.all[i];
                self.field(offset, length, &field);
            }
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
        let count = self.insn.count;
        let long = self.long();
        if self.insn.hints & hint::REX != 0 && !long {
            let span = self.statement_span();
            self.report(Diagnostic::error(ErrorKind::WrongMode, span, "`{rex}` needs 64-bit mode"));
            return Err(Failed);
        }
        let roles = form.roles;
        let ops = &self.insn.ops;
        let mut reg = ops[roles.reg as usize & 7].reg;
        let rm_operand = &ops[roles.rm as usize & 7];
        let mut rm = rm_operand.reg;
        let rm_memory = rm_operand.is_memory().then_some(roles.rm as usize);
        let vvvv = ops[roles.vvvv as usize & 7].reg;
        let opcode_low = ops[roles.low as usize & 7].reg;
        let rex_flags = ops[..count].iter().fold(0, |flags, op| flags | op.reg_flags);
        let mut other = Other::default();
        if roles.other {
            other = self.other_roles(form)?;
        }
        let Other { is4, has_is4, moffs, string_segment, string_address, second_immediate } = other;
        if form.group != 0xff {
            reg = form.group;
        }
        if form.rm_group != 0xff {
            rm = form.rm_group;
        }

        if form.flags & (Form::GATHER | Form::UNIQUE_DEST) != 0 {
            self.check_distinct(form)?;
        }
        if form.opcode == 0x90 && form.map == 0 && count == 2 && opcode_low == 0 && form.osz >= 32 && long {
            return self.exchange_with_itself(form, buffer);
        }

        // Address size.
        let mode_bits = self.mode.bits() as u8;
        let mut address_bits = mode_bits;
        let mut segment = 0u8;
        let mut need_address_prefix = false;
        if let Some(i) = rm_memory.or(moffs) {
            let op = &self.insn.ops[i];
            if op.addr != 0 {
                address_bits = op.addr;
            } else if form.flags & Form::REG_ADDR != 0 {
                address_bits = self.insn.ops.iter().take(count).map(|op| op.bits).max().unwrap_or(mode_bits);
            } else if self.insn.prefixes.address {
                address_bits = if mode_bits == 32 { 16 } else { 32 };
            }
            if op.seg != 0 {
                segment = op.seg;
            }
            if form.flags & Form::REG_ADDR != 0
                && self.insn.ops.iter().take(count).any(|op| op.bits != 0 && op.bits != address_bits)
            {
                return self.register_address_mismatch();
            }
            need_address_prefix = address_bits != mode_bits;
        } else if string_address != 0 {
            need_address_prefix = string_address != mode_bits;
            segment = string_segment;
        }
        if form.asz != 0 && form.asz != mode_bits && (string_address == 0) {
            need_address_prefix = true;
        }
        let need_data_prefix = match form.osz {
            16 => self.mode != Mode::Bits16,
            32 => self.mode == Mode::Bits16,
            _ => false,
        };

        if form.flags & Form::FWAIT != 0 {
            buffer.push(0x9b);
        }
        // A segment that is the default anyway is dropped, as GNU as does.
        if segment != 0
            && !(rm_memory.or(moffs).is_some_and(|i| self.is_default_segment(i, segment)) || string_segment == 4)
        {
            let byte = SEGMENT_BYTES[segment as usize - 1];
            if self.insn.prefixes.segment == 0 {
                buffer.push(byte);
            }
        }
        let legacy = matches!(form.enc, Encoding::Legacy | Encoding::D3now);
        let mandatory = if legacy { [0, 0x66, 0xf3, 0xf2][form.pp as usize] } else { 0 };
        if self.insn.prefixes.any {
            self.check_prefixes(form, mandatory, need_data_prefix, need_address_prefix)?;
            let prefixes = &self.insn.prefixes;
            if prefixes.segment != 0 {
                buffer.push(prefixes.segment);
            }
            if need_address_prefix || prefixes.address {
                buffer.push(0x67);
            }
            if need_data_prefix || prefixes.data || mandatory == 0x66 {
                buffer.push(0x66);
            }
            if prefixes.rep != 0 {
                buffer.push(prefixes.rep);
            } else if mandatory > 0x66 {
                buffer.push(mandatory);
            }
            if prefixes.lock {
                buffer.push(0xf0);
            }
        } else {
            if need_address_prefix {
                buffer.push(0x67);
            }
            if need_data_prefix || mandatory == 0x66 {
                buffer.push(0x66);
            }
            if mandatory > 0x66 {
                buffer.push(mandatory);
            }
        }

        // The operand in ModRM.rm.
        let mut x = 0u8;
        let mut b = (rm | opcode_low) >> 3 & 1;
        let mut vsib_high = 0u8;
        let mut address = Address { modrm: 0xc0 | rm & 7, sib: None, displacement: 0, width: 0, pc_relative: false };
        if let Some(i) = rm_memory {
            let op = &self.insn.ops[i];
            if op.base < 0x20 {
                b = op.base >> 3 & 1;
            }
            if op.index != NO_REG {
                x = op.index >> 3 & 1;
                vsib_high = op.index >> 4 & 1;
            }
            let shift = if form.enc == Encoding::Evex {
                if op.bcast != 0 { form.bcast.trailing_zeros() as u8 } else { form.disp8 }
            } else {
                0
            };
            if op.base == IP_REG && form.flags & Form::NO_RIP != 0 {
                let span = op.span();
                self.report(Diagnostic::error(
                    ErrorKind::Addressing,
                    span,
                    "this instruction has no %rip-relative form",
                ));
                return Err(Failed);
            }
            if form.flags & Form::NO_ADDR32 != 0 && address_bits != if long { 64 } else { 32 } {
                let span = op.span();
                self.report(Diagnostic::error(ErrorKind::Addressing, span, "MPX instructions take no shorter address"));
                return Err(Failed);
            }
            let wrong = if address_bits == 16 { hint::DISP32 } else { hint::DISP16 };
            if self.insn.hints & wrong != 0 {
                let span = self.statement_span();
                self.report(Diagnostic::error(
                    ErrorKind::Prefix,
                    span,
                    "this displacement size does not exist with this address size",
                ));
                return Err(Failed);
            }
            address = self.address(i, address_bits, shift, form.flags & Form::NEED_SIB != 0);
        }

        match form.enc {
            Encoding::Legacy | Encoding::D3now => {
                let w = form.osz == 64 && form.flags & Form::D64 == 0;
                let rex = (w as u8) << 3 | (reg >> 3 & 1) << 2 | x << 1 | b;
                let locked = !long && rex == 4 && rex_flags & Register::LOCKED != 0;
                if locked {
                    buffer.push(0xf0);
                }
                let wants = rex != 0 && !locked
                    || rex_flags & Register::REX != 0
                    || self.insn.hints & hint::REX != 0 && long && rex_flags & Register::HIGH == 0
                    || self.insn.prefixes.rex != 0;
                if wants {
                    if rex_flags & Register::HIGH != 0 {
                        return self.high_byte_with_rex();
                    }
                    if !long {
                        let span = self.statement_span();
                        self.report(Diagnostic::error(
                            ErrorKind::WrongMode,
                            span,
                            "this needs a REX prefix, which only 64-bit mode has",
                        ));
                        return Err(Failed);
                    }
                    if self.insn.prefixes.rex & rex != 0 {
                        let span = self.statement_span();
                        self.report(
                            Diagnostic::error(
                                ErrorKind::Prefix,
                                span,
                                "the operands bring these bits of the REX prefix already",
                            )
                            .label("GNU as calls this the same prefix twice"),
                        );
                        return Err(Failed);
                    }
                    buffer.push(0x40 | rex | self.insn.prefixes.rex);
                }
                buffer.escape(form.map);
                if form.enc == Encoding::D3now {
                    buffer.push(0x0f);
                } else if form.flags & Form::TWO != 0 {
                    buffer.push(form.opcode);
                    buffer.push(form.second + (opcode_low & 7));
                } else {
                    buffer.push(form.opcode + (opcode_low & 7));
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
                if rm_memory.is_none() {
                    x = rm >> 4 & 1;
                }
                // EVEX.V' extends the vector index, where there is one.
                let vvvv = if vsib_high != 0 { vvvv | 16 } else { vvvv };
                let insn = &self.insn;
                let bcast = rm_memory.is_some_and(|i| insn.ops[i].bcast != 0);
                let ll = match insn.rounding {
                    0 => form.ll,
                    // The length bits mean nothing under {sae} (SDM volume 2, table 2-40); GNU as and LLVM clear them.
                    5 => 0,
                    rounding => rounding - 1,
                };
                let rounding = u8::from(bcast || insn.rounding != 0);
                let context = u8::from(insn.zero) << 7 | ll << 5 | rounding << 4 | insn.mask;
                buffer.evex(form, Extension { reg, x, b, vvvv }, context);
                buffer.push(form.opcode);
            }
        }

        if form.flags & Form::MODRM != 0 {
            buffer.push(address.modrm | (reg & 7) << 3);
            if let Some(sib) = address.sib {
                buffer.push(sib);
            }
            if address.width != 0 {
                if let Some(i) = rm_memory
                    && self.insn.ops[i].expr != 0
                {
                    fields.add(Field {
                        at: buffer.len as u8,
                        width: address.width,
                        pc_relative: address.pc_relative,
                        signed: address_bits == 64,
                        operand: i as u8,
                    });
                }
                buffer.value(address.displacement, address.width as usize);
                if address_bits != 64
                    && loses_bits(address.displacement, address_bits / 8)
                    && let Some(i) = rm_memory
                {
                    let op = self.insn.ops[i];
                    self.shortened(&op, address_bits / 8);
                }
            }
        }
        if form.enc == Encoding::D3now {
            buffer.push(form.opcode);
        }
        if let Some(i) = moffs {
            let width = address_bits / 8;
            let op = &self.insn.ops[i];
            if op.expr != 0 {
                fields.add(Field { at: buffer.len as u8, width, pc_relative: false, signed: false, operand: i as u8 });
            }
            let value = op.value;
            buffer.value(value, width as usize);
        }
        if has_is4 {
            buffer.push(is4);
        }
        let mut immediate = (roles.immediate, roles.immediate_width);
        while immediate.1 != 0 {
            let (i, width) = immediate;
            let op = self.insn.ops[i as usize & 7];
            if op.expr != 0 {
                fields.add(Field {
                    at: buffer.len as u8,
                    width,
                    pc_relative: false,
                    signed: form.osz == 64 && width == 4,
                    operand: i,
                });
            }
            buffer.value(op.value, width as usize);
            if width < 8 && loses_bits(op.value, width) {
                let far = matches!(form.ops[i as usize % 5], FAR_SEL | FAR_OFF16);
                if far {
                    self.report(Diagnostic::error(
                        ErrorKind::ImmediateRange,
                        op.span(),
                        "this half of a far pointer has 16 bits",
                    ));
                    return Err(Failed);
                }
                self.shortened(&op, width);
            }
            immediate = if Some(i) == second_immediate.map(|(second, _)| second) {
                (0, 0)
            } else {
                second_immediate.unwrap_or((0, 0))
            };
        }
        if buffer.len > LONGEST {
            let span = self.statement_span();
            self.report(
                Diagnostic::error(
                    ErrorKind::Unencodable,
                    span,
                    format!("the instruction would have {} bytes", buffer.len),
                )
                .label(format!("the CPU takes {LONGEST} at most")),
            );
            return Err(Failed);
        }
        Ok(buffer.len)
    }

    fn field(&mut self, offset: usize, len: usize, field: &Field) {
        let op = &self.insn.ops[field.operand as usize];
        let mut value = self.values[op.expr as usize - 1];
        if self.object != Mode::Bits64 && value.modifier == 0 && value.sub == 0 && self.symbols.is_got(value.add) {
            // The linker gives the distance from the field; code means the one from the instruction.
            value.constant += i64::from(field.at);
        }
        let kind = match (field.width, field.pc_relative) {
            (1, false) => FixupKind::Abs8,
            (1, true) => FixupKind::PcRel8,
            (2, false) => FixupKind::Abs16,
            (2, true) => FixupKind::PcRel16,
            (8, false) => FixupKind::Abs64,
            (_, true) => FixupKind::PcRel32,
            (_, false) if field.signed => FixupKind::Abs32Signed,
            (_, false) => FixupKind::Abs32,
        };
        let place = offset as u32 + u32::from(field.at);
        self.pending.push(Pending {
            offset: place,
            mark: self.marks.len() as u32,
            width: field.width,
            kind,
            value,
            // The CPU counts from the end of the instruction, the relocation from the field.
            tail: (len as u8) - field.at,
            start: op.start,
            end: op.end,
        });
        let at = place as usize;
        self.out[at..at + field.width as usize].fill(0);
    }

    /// `xchg %eax,%eax` clears the upper half, which 90 does not; `xchg %rax,%rax` does nothing, so 90 will do.
    #[cold]
    fn exchange_with_itself(&mut self, form: &'static Form, mut buffer: Buffer<'_>) -> Result<usize, Failed> {
        if self.insn.prefixes.any {
            self.check_prefixes(form, 0, false, false)?;
        }
        let prefixes = self.insn.prefixes;
        if prefixes.segment | prefixes.rep != 0 || prefixes.address || prefixes.data || prefixes.lock {
            let span = self.statement_span();
            self.report(Diagnostic::error(ErrorKind::Prefix, span, "this exchange does nothing and takes no prefix"));
            return Err(Failed);
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

    pub(crate) fn statement_span(&self) -> std::ops::Range<usize> {
        self.insn.start as usize..self.cur.pos
    }
}
