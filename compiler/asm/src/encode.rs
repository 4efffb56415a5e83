//! Bytes of one instruction.
//!
//! The order of prefixes is GNU as's: FWAIT, segment, 67, 66, F2/F3, F0, REX.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups::FixupKind;
use crate::form::{Encoding, Form};
use crate::kinds::{FAR_OFF16, FAR_SEL, KINDS, Slot, TMM, VSIBX, VSIBY, VSIBZ};
use crate::layout::Pending;
use crate::operand::{IP_REG, NO_REG, Operand};
use crate::prefixes::{BND, REP, REPNE, SEGMENT_BYTES, XACQUIRE, XRELEASE, hint};
use crate::registers::Register;
use crate::{ItemKind, Mode};

/// Bytes that one instruction may take while it is written.
const ROOM: usize = 32;

/// Bytes in the making, at the end of the output. (In a buffer of their own they would be stored byte by byte and read
/// back as a block at once, which stalls the CPU.)
struct Buffer<'b> {
    bytes: &'b mut [u8; ROOM],
    len: usize,
}

impl Buffer<'_> {
    #[inline(always)]
    fn push(&mut self, byte: u8) {
        self.bytes[self.len & 31] = byte;
        self.len += 1;
    }

    #[inline(always)]
    fn value(&mut self, value: i64, width: usize) {
        let bytes = value.to_le_bytes();
        for &byte in &bytes[..width] {
            self.push(byte);
        }
    }
}

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

/// ModRM, SIB and displacement of the operand in ModRM.rm.
struct Address {
    modrm: u8,
    sib: Option<u8>,
    displacement: i64,
    /// Bytes of the displacement.
    width: u8,
    pc_relative: bool,
}

/// Whether a field of `width` bytes loses more of the value than copies of its sign.
#[inline]
fn loses_bits(value: i64, width: u8) -> bool {
    let high = value >> (u32::from(width) * 8);
    high != 0 && high != -1
}

/// Instructions beside the string ones that GNU as takes behind `rep`: a two-byte `ret`, `pause`, VIA PadLock.
fn rep_is_harmless(form: &Form) -> bool {
    match form.map {
        0 => {
            matches!(form.opcode, 0x90 | 0xc2 | 0xc3)
                && matches!(KINDS[form.ops[0] as usize].slot, Slot::Implied | Slot::Imm(_))
        }
        // bsf and bsr behind F3 are tzcnt and lzcnt, which is how old assemblers were made to write them.
        1 => matches!(form.opcode, 0xa6 | 0xa7 | 0xbc | 0xbd),
        _ => false,
    }
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
        if let Some(bytes) = out.last_chunk_mut::<ROOM>().filter(|_| form.flags & Form::PLAIN != 0) {
            let length = self.encode_plain(form, Buffer { bytes, len: 0 });
            if length != 0 {
                out.truncate(offset + length);
                self.out = out;
                self.item(offset, self.insn.start, ItemKind::Instruction);
                return Ok(());
            }
        }
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

    /// The common case by a short way: a legacy opcode without prefix words or hints, constants only, memory addressed in
    /// the mode's own width without a segment. Gives the length, or 0 if the instruction is not like that.
    #[inline]
    fn encode_plain(&self, form: &'static Form, mut buffer: Buffer<'_>) -> usize {
        let insn = &self.insn;
        let roles = form.roles;
        let ops = &insn.ops;
        let rm_operand = &ops[roles.rm as usize & 7];
        let immediate = &ops[roles.immediate as usize & 7];
        let mode_bits = self.mode.bits() as u8;
        let memory = rm_operand.is_memory();
        let mut rex_flags = 0;
        for op in &ops[..insn.count.min(2)] {
            rex_flags |= op.reg_flags;
        }
        if insn.prefixes.any
            || insn.hints != 0
            || rex_flags & Register::HIGH != 0
            || rm_operand.expr | immediate.expr != 0
            || memory
                && (rm_operand.seg != 0 || rm_operand.addr != mode_bits || rm_operand.base == IP_REG || mode_bits == 16)
            || roles.immediate_width & 7 != 0 && loses_bits(immediate.value, roles.immediate_width)
        {
            return 0;
        }
        let reg = if form.group != 0xff { form.group } else { ops[roles.reg as usize & 7].reg };
        let low = ops[roles.low as usize & 7].reg;
        let (x, b) = if memory {
            if mode_bits != 64 && loses_bits(rm_operand.value, mode_bits / 8) {
                return 0;
            }
            (rm_operand.index >> 3 & 1, rm_operand.base >> 3 & 1)
        } else {
            (0, (rm_operand.reg | low) >> 3 & 1)
        };
        let w = (form.osz == 64 && form.flags & Form::D64 == 0) as u8;
        let rex = w << 3 | (reg >> 3 & 1) << 2 | x << 1 | b;
        if form.osz == 16 && mode_bits != 16 || form.osz == 32 && mode_bits == 16 {
            buffer.push(0x66);
        }
        if form.pp != 0 {
            buffer.push([0, 0x66, 0xf3, 0xf2][form.pp as usize & 3]);
        }
        if rex != 0 || rex_flags & Register::REX != 0 {
            if mode_bits != 64 {
                return 0;
            }
            buffer.push(0x40 | rex);
        }
        match form.map {
            0 => {}
            1 => buffer.push(0x0f),
            2 => {
                buffer.push(0x0f);
                buffer.push(0x38);
            }
            _ => {
                buffer.push(0x0f);
                buffer.push(0x3a);
            }
        }
        buffer.push(form.opcode + (low & 7));
        if memory {
            let address = self.address(roles.rm as usize & 7, mode_bits, 0, false);
            buffer.push(address.modrm | (reg & 7) << 3);
            if let Some(sib) = address.sib {
                buffer.push(sib);
            }
            match address.width {
                0 => {}
                1 => buffer.push(address.displacement as u8),
                width => buffer.value(address.displacement, width as usize),
            }
        } else if form.flags & Form::MODRM != 0 {
            buffer.push(0xc0 | (reg & 7) << 3 | rm_operand.reg & 7);
        }
        match roles.immediate_width {
            0 => {}
            1 => buffer.push(immediate.value as u8),
            width => buffer.value(immediate.value, width as usize),
        }
        buffer.len
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
                match form.map {
                    0 => {}
                    1 => buffer.push(0x0f),
                    2 => {
                        buffer.push(0x0f);
                        buffer.push(0x38);
                    }
                    _ => {
                        buffer.push(0x0f);
                        buffer.push(0x3a);
                    }
                }
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
                let w = (form.flags & Form::W != 0) as u8;
                let last = w << 7 | (!vvvv & 15) << 3 | form.ll << 2 | form.pp;
                let r = reg >> 3 & 1;
                if form.enc == Encoding::Vex && x | b | w == 0 && form.map == 1 && self.insn.hints & hint::VEX3 == 0 {
                    buffer.push(0xc5);
                    buffer.push((r ^ 1) << 7 | last);
                } else {
                    buffer.push(if form.enc == Encoding::Vex { 0xc4 } else { 0x8f });
                    buffer.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | form.map);
                    buffer.push(last);
                }
                buffer.push(form.opcode);
                if form.flags & Form::TWO != 0 {
                    buffer.push(form.second);
                }
            }
            Encoding::Evex => {
                let high = reg >> 4 & 1;
                if rm_memory.is_none() {
                    x = rm >> 4 & 1;
                }
                let v_high = if rm_memory.is_some() && vsib_high != 0 { 1 } else { vvvv >> 4 & 1 };
                let r = reg >> 3 & 1;
                let w = (form.flags & Form::W != 0) as u8;
                let insn = &self.insn;
                let bcast = rm_memory.is_some_and(|i| insn.ops[i].bcast != 0);
                let ll = match insn.rounding {
                    0 => form.ll,
                    // The length bits mean nothing under {sae} (SDM volume 2, table 2-40); GNU as and LLVM clear them.
                    5 => 0,
                    rounding => rounding - 1,
                };
                buffer.push(0x62);
                buffer.push((r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (high ^ 1) << 4 | form.map);
                buffer.push(w << 7 | (!vvvv & 15) << 3 | 4 | form.pp);
                let b_bit = (bcast || insn.rounding != 0) as u8;
                buffer.push((insn.zero as u8) << 7 | ll << 5 | b_bit << 4 | (v_high ^ 1) << 3 | insn.mask);
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
        if self.object != Mode::Bits64 && value.modifier == 0 && self.symbols.is_got(value.add) {
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

    /// Whether the segment of memory operand `i` is what the CPU takes anyway.
    fn is_default_segment(&self, i: usize, segment: u8) -> bool {
        let op = &self.insn.ops[i];
        // ss for addresses on bp or sp, ds for all others (SDM volume 1, table 3-5).
        let stack = match op.addr {
            16 => op.base == 5,
            _ => op.base == 4 || op.base == 5,
        };
        segment == if stack { 3 } else { 4 }
    }

    /// ModRM, SIB and displacement of memory operand `i`.
    #[inline(always)]
    fn address(&self, i: usize, bits: u8, shift: u8, need_sib: bool) -> Address {
        let op = &self.insn.ops[i];
        let symbolic = op.expr != 0;
        if bits == 16 {
            return self.address_16(op, shift);
        }
        let forced = self.insn.hints & (hint::DISP8 | hint::DISP32);
        // 32-bit addresses wrap, so that 0xffffffff is -1.
        let displacement =
            if bits == 32 && (0..=0xffff_ffff).contains(&op.value) { i64::from(op.value as i32) } else { op.value };
        let mut address = Address { modrm: 0, sib: None, displacement, width: 0, pc_relative: false };
        if op.base == IP_REG {
            address.modrm = 5;
            address.width = 4;
            address.pc_relative = symbolic;
            return address;
        }
        if op.base == NO_REG {
            address.width = 4;
            if op.index == NO_REG && op.flags & Operand::FORCE_SIB == 0 {
                if self.long() {
                    // Without a SIB byte this would be %rip-relative (SDM volume 2, section 2.2.1.6).
                    address.modrm = 4;
                    address.sib = Some(0x25);
                } else {
                    address.modrm = 5;
                }
            } else {
                let index = if op.index == NO_REG { 4 } else { op.index & 7 };
                address.modrm = 4;
                address.sib = Some(op.scale << 6 | index << 3 | 5);
            }
            return address;
        }
        let mode = if symbolic || forced & hint::DISP32 != 0 {
            2
        } else if displacement == 0 && op.base & 7 != 5 && forced == 0 {
            0
        } else {
            let scaled = displacement >> shift;
            if scaled << shift == displacement && scaled as i8 as i64 == scaled {
                address.displacement = scaled;
                1
            } else {
                2
            }
        };
        address.width = [0, 1, 4][mode as usize];
        if op.index == NO_REG && op.base & 7 != 4 && op.flags & Operand::FORCE_SIB == 0 && !need_sib {
            address.modrm = mode << 6 | op.base & 7;
        } else {
            let index = if op.index == NO_REG { 4 } else { op.index & 7 };
            address.modrm = mode << 6 | 4;
            address.sib = Some(op.scale << 6 | index << 3 | op.base & 7);
        }
        address
    }

    /// 16-bit addresses (SDM volume 2, table 2-1).
    fn address_16(&self, op: &Operand, shift: u8) -> Address {
        let displacement = if (0..=0xffff).contains(&op.value) { i64::from(op.value as i16) } else { op.value };
        let mut address = Address { modrm: 0, sib: None, displacement, width: 0, pc_relative: false };
        if op.base == NO_REG {
            address.modrm = 6;
            address.width = 2;
            return address;
        }
        let rm = match (op.base, op.index) {
            (3, 6) => 0,
            (3, 7) => 1,
            (5, 6) => 2,
            (5, 7) => 3,
            (6, _) => 4,
            (7, _) => 5,
            (5, _) => 6,
            _ => 7,
        };
        let forced = self.insn.hints & (hint::DISP8 | hint::DISP16);
        let scaled = displacement >> shift;
        let mode = if op.expr != 0 || forced & hint::DISP16 != 0 {
            2
        } else if displacement == 0 && rm != 6 && forced == 0 {
            0
        } else if scaled << shift == displacement && scaled as i8 as i64 == scaled {
            address.displacement = scaled;
            1
        } else {
            2
        };
        address.width = mode;
        address.modrm = mode << 6 | rm;
        address
    }

    /// Checks that the instruction can carry the prefix words before it.
    fn check_prefixes(
        &mut self,
        form: &'static Form,
        mandatory: u8,
        need_data: bool,
        need_address: bool,
    ) -> Result<(), Failed> {
        let prefixes = self.insn.prefixes;
        let memory_destination = self.insn.ops[..self.insn.count].iter().any(Operand::is_memory);
        let hle = matches!(prefixes.rep_word, XACQUIRE | XRELEASE);
        let hle_alone = form.flags & Form::HLE_NOLOCK != 0;
        let code_string = form.map == 0 && matches!(form.opcode, 0x6c..=0x6f | 0xa4..=0xa7 | 0xaa..=0xaf);
        let clash = |i: usize| {
            let segment = self.insn.ops[i].seg;
            segment != 0
                && SEGMENT_BYTES[segment as usize - 1] != prefixes.segment
                && !self.is_default_segment(i, segment)
        };
        let problem = if prefixes.segment != 0 && !prefixes.notrack && (0..self.insn.count).any(clash) {
            "the operand has another segment already"
        } else if prefixes.address
            && self.insn.ops[..self.insn.count].iter().any(|op| op.is_memory() && op.addr != 0 && !need_address)
        {
            "the registers of the address have the mode's own width"
        } else if hle && !prefixes.lock && !hle_alone {
            "`lock` is missing beside it"
        } else if hle
            && (form.flags & if prefixes.rep_word == XACQUIRE { Form::XACQUIRE } else { Form::XRELEASE } == 0
                || !memory_destination)
        {
            "not an instruction for lock elision"
        } else if prefixes.rep_word == BND && form.flags & Form::BND == 0 {
            "`bnd` belongs to branches"
        } else if prefixes.notrack && form.flags & Form::NOTRACK == 0 {
            "`notrack` belongs to indirect branches"
        } else if matches!(prefixes.rep_word, REP | REPNE) && !(code_string || rep_is_harmless(form)) {
            "`rep` belongs to string instructions"
        } else if prefixes.lock && !(form.flags & Form::LOCK != 0 && memory_destination) {
            "`lock` needs a lockable instruction with a memory destination"
        } else if prefixes.rep != 0 && mandatory > 0x66 && !(prefixes.rep == mandatory && rep_is_harmless(form)) {
            "the opcode contains a prefix of this kind already"
        } else if prefixes.data && (need_data || mandatory == 0x66) {
            "the operand size brings the 66 prefix already"
        } else if form.enc >= Encoding::Vex
            && (prefixes.lock || prefixes.rep != 0 || prefixes.data || prefixes.rex != 0)
        {
            "VEX, XOP and EVEX instructions take no such prefix"
        } else {
            ""
        };
        if problem.is_empty() {
            return Ok(());
        }
        let span = self.insn.start as usize..self.insn.name.start as usize;
        self.report(
            Diagnostic::error(ErrorKind::Prefix, span, "the instruction cannot carry this prefix").label(problem),
        );
        Err(Failed)
    }

    /// Registers that the CPU wants distinct (SDM volume 2: gathers, complex FP16 multiplication, AMX tiles).
    #[cold]
    fn check_distinct(&mut self, form: &'static Form) -> Result<(), Failed> {
        let ops = &self.insn.ops[..self.insn.count];
        let registers: Vec<u8> =
            ops.iter().filter(|op| !op.is_memory() && !op.is_immediate()).map(|op| op.reg).collect();
        let vector_index = ops.iter().find(|op| op.classes & (VSIBX | VSIBY | VSIBZ) != 0).map(|op| op.index);
        if let Some(index) = vector_index {
            let masked = self.insn.mask != 0;
            let clash = registers.contains(&index) || !masked && registers.len() == 2 && registers[0] == registers[1];
            if clash && form.flags & Form::GATHER != 0 {
                let span = self.statement_span();
                self.report(Diagnostic::warning(
                    ErrorKind::Unencodable,
                    span,
                    "the mask, index and destination of a gather should be distinct registers",
                ));
            }
            return Ok(());
        }
        let tiles = ops.iter().all(|op| op.classes & TMM != 0);
        let clash =
            registers[1..].contains(&registers[0]) || tiles && registers.len() == 3 && registers[1] == registers[2];
        if !clash {
            return Ok(());
        }
        let span = self.statement_span();
        self.report(
            Diagnostic::error(ErrorKind::Unencodable, span, "the CPU wants distinct registers here").label(if tiles {
                "all three tiles must differ"
            } else {
                "the destination must differ from the sources"
            }),
        );
        Err(Failed)
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
        }
        for &byte in if form.osz == 64 { &[0x90u8][..] } else { &[0x87, 0xc0] } {
            buffer.push(byte);
        }
        Ok(buffer.len)
    }

    pub(crate) fn statement_span(&self) -> std::ops::Range<usize> {
        self.insn.start as usize..self.cur.pos
    }

    #[cold]
    fn high_byte_with_rex<T>(&mut self) -> Result<T, Failed> {
        let span = self.insn.ops[..self.insn.count]
            .iter()
            .find(|op| op.reg_flags & Register::HIGH != 0)
            .map_or(self.statement_span(), Operand::span);
        self.report(
            Diagnostic::error(
                ErrorKind::Unencodable,
                span,
                "%ah, %ch, %dh and %bh cannot be used in an instruction with a REX prefix",
            )
            .label("beside a REX prefix this number means another register")
            .note("a REX prefix comes from 64-bit operand size, %r8 to %r15, %spl, %bpl, %sil or %dil"),
        );
        Err(Failed)
    }

    #[cold]
    fn string_destination_segment<T>(&mut self, i: usize) -> Result<T, Failed> {
        let span = self.insn.ops[i].span();
        self.report(
            Diagnostic::error(ErrorKind::Addressing, span, "the destination of a string instruction is in %es")
                .label("only %es"),
        );
        Err(Failed)
    }

    #[cold]
    fn string_address_mismatch<T>(&mut self) -> Result<T, Failed> {
        let span = self.statement_span();
        self.report(Diagnostic::error(
            ErrorKind::Addressing,
            span,
            "both addresses of a string instruction must have the same width",
        ));
        Err(Failed)
    }

    #[cold]
    fn register_address_mismatch<T>(&mut self) -> Result<T, Failed> {
        let span = self.statement_span();
        self.report(Diagnostic::error(
            ErrorKind::Addressing,
            span,
            "the register operand is an address and must be as wide as the memory operand's address",
        ));
        Err(Failed)
    }
}
