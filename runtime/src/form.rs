//! The forms that a site can have: as compiled, a row, NOPs, a direct call. Each is built as a [`Plan`] (bytes plus
//! PC-relative fields), which [`render`] turns into the bytes at one address.

use crate::error::Status;
use crate::live::MAX_INSTRUCTION;
use crate::nops;
use crate::set::Set;
use crate::table::{
    ACTION_SITE, ACTION_STUB_CALL, ACTION_STUB_SITE, FIXUP_ABS8, FIXUP_ABS16, FIXUP_ABS32, FIXUP_ABS32S, FIXUP_ABS64,
    FIXUP_REL8, FIXUP_REL32, Fixup, Kind, MAX_SITE, OP_LIVE, OPERAND_NONE, OPERAND_SLOT_ABS, OPERAND_SLOT_REL,
    OPERAND_STUB, OPERAND_TRAMPOLINE, Op, Plan, Row,
};
use core::ffi::c_void;

/// Kind code of `nop` sites (FORMAT.md, "Kind codes").
pub(crate) const KIND_NOP: u8 = 7;
/// Length of a direct call or jump: opcode and rel32.
pub(crate) const DIRECT_LEN: usize = 5;
/// Length of the call in a stub: `ff 15` and a 4-byte field.
pub(crate) const STUB_CALL_LEN: usize = 6;

/// Builder of the forms of one class of sites: one op, one kind, one length.
#[derive(Clone, Copy)]
pub(crate) struct Class<'a> {
    pub(crate) set: &'a Set,
    pub(crate) id: u16,
    pub(crate) op: &'a Op,
    pub(crate) kind: &'a Kind,
    pub(crate) code: u8,
    pub(crate) len: u8,
}

type Built = Result<Plan, Status>;

impl<'a> Class<'a> {
    pub(crate) fn new(set: &'a Set, id: u16, code: u8, len: u8) -> Option<Self> {
        let op = set.ops().get(usize::from(id))?;
        let kind = set.kind(code)?;
        let fits = len >= 1 && usize::from(len) <= MAX_SITE && (kind.len == 0 || kind.len == len);
        fits.then_some(Self { set, id, op, kind, code, len })
    }

    pub(crate) fn has_stub(&self) -> bool {
        self.kind.operand == OPERAND_STUB
    }

    /// Whether the direct form jumps: then what comes after the site does not belong to the op.
    pub(crate) fn is_jump(&self) -> bool {
        self.kind.direct == 0xe9
    }

    /// What the compiler left at the site.
    pub(crate) fn original(&self) -> Built {
        let mut plan = self.blank();
        let slot = self.set.slot(self.id).cast::<c_void>();
        let opcode_len = usize::from(self.kind.opcode_len);
        let field = opcode_len as u8;
        match self.kind.operand {
            OPERAND_NONE if self.code == KIND_NOP => return Ok(self.nops()),
            OPERAND_NONE => {
                let row = self.set.row(self.op.inline_row).ok_or(Status::BadTable)?;
                return self.row(row);
            }
            OPERAND_STUB => {
                plan.action = ACTION_STUB_CALL;
                let start = usize::from(self.set.table().stub_call);
                let call = self.set.stub().get(start..start.wrapping_add(STUB_CALL_LEN));
                copy(&mut plan.bytes, 0, call.ok_or(Status::BadTable)?)?;
                if self.set.table().mode == 64 {
                    relative(&mut plan, 2, 4, slot)?;
                } else {
                    absolute(&mut plan.bytes, 2, slot)?;
                }
                return Ok(plan);
            }
            OPERAND_TRAMPOLINE => relative(&mut plan, field, 4, self.op.trampoline)?,
            OPERAND_SLOT_REL => relative(&mut plan, field, 4, slot)?,
            OPERAND_SLOT_ABS => absolute(&mut plan.bytes, opcode_len, slot)?,
            _ => return Err(Status::BadTable),
        }
        copy(&mut plan.bytes, 0, self.kind.opcode.get(..opcode_len).ok_or(Status::BadTable)?)?;
        if opcode_len + 4 != usize::from(self.len) {
            return Err(Status::BadTable);
        }
        Ok(plan)
    }

    /// The instructions of a row, padded with NOPs.
    pub(crate) fn row(&self, row: &Row) -> Built {
        let mut plan = self.blank();
        let bytes = self.set.row_bytes(row);
        if row.len > self.len {
            return Err(Status::BadTable);
        }
        let shift = self.put(&mut plan, bytes)?;
        for fixup in self.set.row_fixups(row) {
            apply_fixup(&mut plan, fixup, row.len, shift)?;
        }
        Ok(plan)
    }

    /// Nothing but NOPs.
    pub(crate) fn nops(&self) -> Plan {
        let mut plan = self.blank();
        let len = usize::from(self.len);
        if self.is_single() && len > nops::LONGEST {
            let mut nop = [0; nops::LONGEST];
            nops::fill(&mut nop);
            let _ = self.put(&mut plan, &nop); // fits: checked
        } else if let Some(gap) = plan.bytes.get_mut(..len) {
            nops::fill(gap);
        }
        plan
    }

    /// A direct call or jump to `target`.
    pub(crate) fn call(&self, target: *const c_void) -> Built {
        let mut plan = self.blank();
        if self.has_stub() {
            plan.action = ACTION_STUB_CALL;
            let shift = usize::from(self.is_single());
            copy(&mut plan.bytes, 0, if shift == 1 { &[PREFIX_64, 0xe8] } else { &[0xe8, 0, 0, 0, 0, 0x90] })?;
            relative(&mut plan, shift as u8 + 1, 4, target)?;
            return Ok(plan);
        }
        if self.kind.direct == 0 || usize::from(self.len) < DIRECT_LEN {
            return Err(Status::CannotHoldCall);
        }
        let shift = self.put(&mut plan, &[self.kind.direct, 0, 0, 0, 0])?;
        relative(&mut plan, shift + 1, 4, target)?;
        Ok(plan)
    }

    fn blank(&self) -> Plan {
        let mut plan = Plan::new(self.code, self.len);
        plan.action = if self.has_stub() { ACTION_STUB_SITE } else { ACTION_SITE };
        plan
    }

    /// Whether every form must be one instruction: the op is live.
    pub(crate) fn is_single(&self) -> bool {
        self.op.flags & OP_LIVE != 0 && usize::from(self.len) <= MAX_INSTRUCTION
    }

    /// Puts instructions into the site, padded: NOPs behind them, or for a live op prefixes before its one instruction.
    /// Returns by how much that moved them.
    fn put(&self, plan: &mut Plan, bytes: &[u8]) -> Result<u8, Status> {
        let gap = usize::from(self.len).checked_sub(bytes.len()).ok_or(Status::BadTable)?;
        if self.is_single() && !bytes.is_empty() {
            let prefix = padding_prefix(bytes, self.set.table().mode);
            plan.bytes.get_mut(..gap).ok_or(Status::BadTable)?.fill(prefix);
            copy(&mut plan.bytes, gap, bytes)?;
            return Ok(gap as u8);
        }
        copy(&mut plan.bytes, 0, bytes)?;
        let padding = plan.bytes.get_mut(bytes.len()..usize::from(self.len));
        nops::fill(padding.ok_or(Status::BadTable)?);
        Ok(0)
    }
}

/// A segment override that changes nothing, as padding before an instruction: CS is ignored in 64-bit mode (AMD APM volume 3,
/// 1.2.4), and the kernel pads calls with it.
const PREFIX_64: u8 = 0x2e;
/// In 32-bit mode CS would be obeyed, and not be writable: DS, which is flat.
const PREFIX_32: u8 = 0x3e;

/// What pads this instruction in front: its own segment override if it has one.
fn padding_prefix(instruction: &[u8], mode: u8) -> u8 {
    for &byte in instruction {
        match byte {
            0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 => return byte,
            0x66 | 0x67 | 0xf0 | 0xf2 | 0xf3 => {}
            _ => break,
        }
    }
    if mode == 64 { PREFIX_64 } else { PREFIX_32 }
}

/// How many of a plan's bytes are written where its action says.
pub(crate) fn written_len(plan: &Plan) -> usize {
    if plan.action & 0x0f == ACTION_STUB_CALL { STUB_CALL_LEN } else { usize::from(plan.len) }
}

/// The bytes of `plan` for the address `at`. An error if a target is out of reach from there.
pub(crate) fn render(plan: &Plan, at: usize) -> Result<[u8; MAX_SITE], Status> {
    let mut bytes = plan.bytes;
    let fields = plan.rel_offset.iter().zip(&plan.rel_width).zip(&plan.rel_target);
    for ((&offset, &width), target) in fields.take(usize::from(plan.nrel)) {
        let field = at.wrapping_add(usize::from(offset));
        let value = target.addr().wrapping_sub(field) as isize;
        if width == 1 {
            let value = i8::try_from(value).map_err(|_| Status::OutOfRange)?;
            copy(&mut bytes, usize::from(offset), &value.to_le_bytes())?;
        } else {
            let value = i32::try_from(value).map_err(|_| Status::OutOfRange)?;
            copy(&mut bytes, usize::from(offset), &value.to_le_bytes())?;
        }
    }
    Ok(bytes)
}

fn apply_fixup(plan: &mut Plan, fixup: &Fixup, row_len: u8, shift: u8) -> Result<(), Status> {
    let width = match fixup.kind {
        FIXUP_REL8 | FIXUP_ABS8 => 1,
        FIXUP_ABS16 => 2,
        FIXUP_REL32 | FIXUP_ABS32 | FIXUP_ABS32S => 4,
        FIXUP_ABS64 => 8,
        _ => return Err(Status::BadTable),
    };
    if u16::from(fixup.offset) + u16::from(width) > u16::from(row_len) {
        return Err(Status::BadTable);
    }
    let offset = fixup.offset + shift;
    let target = fixup.target.wrapping_byte_offset(fixup.addend as isize);
    let value = target.addr();
    let fits = match fixup.kind {
        FIXUP_REL8 | FIXUP_REL32 => {
            return relative_to(plan, offset, width, target);
        }
        FIXUP_ABS8 => u8::try_from(value).is_ok(),
        FIXUP_ABS16 => u16::try_from(value).is_ok(),
        FIXUP_ABS32 => u32::try_from(value).is_ok(),
        FIXUP_ABS32S => i32::try_from(value as isize).is_ok(),
        _ => true,
    };
    if !fits {
        return Err(Status::OutOfRange);
    }
    let field = (value as u64).to_le_bytes();
    copy(&mut plan.bytes, usize::from(offset), field.get(..usize::from(width)).unwrap_or(&[]))
}

/// A PC-relative field of a call or jump: the CPU counts from the end of the field.
fn relative(plan: &mut Plan, offset: u8, width: u8, target: *const c_void) -> Result<(), Status> {
    relative_to(plan, offset, width, target.wrapping_byte_sub(usize::from(width)))
}

fn relative_to(plan: &mut Plan, offset: u8, width: u8, target: *const c_void) -> Result<(), Status> {
    let index = usize::from(plan.nrel);
    *plan.rel_offset.get_mut(index).ok_or(Status::BadTable)? = offset;
    *plan.rel_width.get_mut(index).ok_or(Status::BadTable)? = width;
    *plan.rel_target.get_mut(index).ok_or(Status::BadTable)? = target;
    plan.nrel = plan.nrel.wrapping_add(1);
    Ok(())
}

fn absolute(bytes: &mut [u8; MAX_SITE], offset: usize, target: *const c_void) -> Result<(), Status> {
    let value = u32::try_from(target.addr()).map_err(|_| Status::OutOfRange)?;
    copy(bytes, offset, &value.to_le_bytes())
}

fn copy(bytes: &mut [u8; MAX_SITE], offset: usize, from: &[u8]) -> Result<(), Status> {
    let to = bytes.get_mut(offset..offset.wrapping_add(from.len())).ok_or(Status::BadTable)?;
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    Ok(())
}
