//! Which form an instruction's operands ask for.

use crate::assembler::{Assembler, Instruction};
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::{Encoding, Form};
use crate::kinds::{self, KINDS, Slot};
use crate::operand::{NO_REG, Operand};
use crate::prefixes::hint;
use crate::table::{FORMS, List, Name};
use crate::{Mode, Syntax};

/// Set in a candidate number when another candidate of the list takes the same text in another size.
const CONFUSABLE: u16 = 0x8000;

/// The form behind a candidate number.
pub(crate) fn form(candidate: u16) -> &'static Form {
    &FORMS[(candidate & !CONFUSABLE) as usize]
}

/// Whether the classes of the operands fit.
#[inline]
fn classes_fit(form: &Form, ops: &[Operand; 6], count: usize) -> bool {
    for i in 0..count {
        if KINDS[form.ops[i] as usize].classes & ops[i].classes == 0 {
            return false;
        }
    }
    count == 5 || form.ops[count] == 0
}

impl Instruction {
    /// Whether everything fits that is not an operand class.
    #[inline]
    fn extras_fit(&self, form: &Form, high: bool) -> bool {
        if form.enc != Encoding::Evex && high {
            return false;
        }
        if form.flags & (Form::WANT_VEX | Form::NEED_MASK) == 0 && !self.decorated && self.hints == 0 {
            return true;
        }
        self.decorators_fit(form)
    }

    fn decorators_fit(&self, form: &Form) -> bool {
        let flags = form.flags;
        if flags & Form::WANT_VEX != 0 && self.hints & hint::VEX == 0
            || flags & Form::NEED_MASK != 0 && self.mask == 0
            || self.mask != 0 && flags & (Form::MASK | Form::NEED_MASK) == 0
            || self.zero && flags & Form::ZERO == 0
            || self.hints & hint::VEX != 0 && !matches!(form.enc, Encoding::Vex)
            || self.hints & hint::EVEX != 0 && form.enc != Encoding::Evex
        {
            return false;
        }
        let mut memory = false;
        for op in &self.ops[..self.count] {
            if op.is_memory() {
                memory = true;
                if op.bcast != 0 {
                    if form.bcast == 0 || u32::from(form.bcast) * u32::from(op.bcast) != u32::from(form.mem) {
                        return false;
                    }
                    if op.size != 0 && op.size != u16::from(form.bcast) {
                        return false;
                    }
                } else if op.size != 0 && form.mem != 0 && op.size != form.mem {
                    return false;
                }
            }
        }
        // Zeroing a memory destination is not encodable (SDM volume 2, section 2.7.4).
        if self.zero && self.ops[0].is_memory() {
            return false;
        }
        match self.rounding {
            0 => true,
            5 => flags & Form::SAE != 0 && !memory,
            _ => flags & Form::ER != 0 && !memory,
        }
    }

    /// Some register from 16 to 31, which only EVEX reaches.
    #[inline]
    fn high_register(&self) -> bool {
        let mut bits = 0;
        for op in &self.ops[..self.count] {
            bits |= op.reg;
            if op.index != NO_REG {
                bits |= op.index;
            }
        }
        bits & 16 != 0
    }
}

impl Assembler<'_> {
    /// Chooses the form and encodes.
    pub(crate) fn select(&mut self, name: &'static Name, list_index: u16) -> Result<(), Failed> {
        let list = List::at(list_index);
        let count = self.insn.count;
        if list.flags & List::NO_REVERSE == 0 && self.syntax == Syntax::Att && count > 1 {
            self.insn.ops[..count].reverse();
        }
        if name.immediate >= 0 {
            if count >= 5 {
                return self.no_match(name, list);
            }
            let value = i64::from(name.immediate);
            self.insn.ops[count] = Operand { classes: crate::operand::immediate_classes(value), value, ..Operand::EMPTY };
            self.insn.count += 1;
        }
        if list.flags & List::BRANCH != 0 && self.insn.count == 1 {
            if let Some(result) = self.branch_operand(list) {
                return result;
            }
        } else if list.flags & List::MOVABS != 0 {
            for op in &mut self.insn.ops[..count] {
                if op.is_memory() {
                    let absolute = op.base == NO_REG && op.index == NO_REG && op.flags & Operand::FORCE_SIB == 0;
                    op.classes = if absolute { kinds::MOFFS } else { 0 };
                }
            }
        }
        match self.find(list) {
            Some(found) => {
                let chosen = if found & CONFUSABLE != 0 { self.settle_size(name, list, found)? } else { found };
                self.encode(form(chosen))
            }
            None => self.no_match(name, list),
        }
    }

    /// The first candidate that fits.
    #[inline]
    pub(crate) fn find(&self, list: &List) -> Option<u16> {
        let insn = &self.insn;
        let high = insn.high_register();
        let found = list.forms().iter().copied().find(|&candidate| {
            let form = form(candidate);
            classes_fit(form, &insn.ops, insn.count) && insn.extras_fit(form, high)
        })?;
        let chosen = form(found);
        if insn.hints & (hint::LOAD | hint::STORE) != 0 {
            return Some(self.other_direction(list, found, insn.hints & hint::LOAD != 0));
        }
        if chosen.enc == Encoding::Vex && chosen.map == 1 && insn.count >= 2 && self.swap_saves_a_byte(chosen) {
            return Some(self.other_direction(list, found, false));
        }
        Some(found)
    }

    /// A register in ModRM.rm needs VEX.B, which the 2-byte VEX prefix lacks, and the one in ModRM.reg does not.
    fn swap_saves_a_byte(&self, form: &Form) -> bool {
        let insn = &self.insn;
        if form.flags & Form::W != 0 || insn.hints & hint::VEX3 != 0 {
            return false;
        }
        let first = &insn.ops[0];
        let last = &insn.ops[insn.count - 1];
        KINDS[form.ops[0] as usize].slot == Slot::Reg
            && first.reg < 8
            && KINDS[form.ops[insn.count - 1] as usize].slot == Slot::Rm
            && !last.is_memory()
            && last.reg >= 8
    }

    /// The candidate that differs from `found` only in which register operand is in ModRM.reg.
    fn other_direction(&self, list: &List, found: u16, load: bool) -> u16 {
        let insn = &self.insn;
        if insn.ops[..insn.count].iter().any(Operand::is_memory) {
            return found;
        }
        let want = if load { Slot::Reg } else { Slot::Rm };
        let first = form(found);
        if KINDS[first.ops[0] as usize].slot == want || !matches!(KINDS[first.ops[0] as usize].slot, Slot::Reg | Slot::Rm) {
            return found;
        }
        let high = insn.high_register();
        list.forms()
            .iter()
            .copied()
            .find(|&candidate| {
                let other = form(candidate);
                other.enc == first.enc
                    && other.ll == first.ll
                    && KINDS[other.ops[0] as usize].slot == want
                    && other.ops[..insn.count].iter().any(|&op| matches!(KINDS[op as usize].slot, Slot::Reg))
                    && classes_fit(other, &insn.ops, insn.count)
                    && insn.extras_fit(other, high)
            })
            .unwrap_or(found)
    }

    /// A candidate of several sizes fits: takes the default with a warning, or reports that the size is open.
    fn settle_size(&mut self, name: &'static Name, list: &'static List, found: u16) -> Result<u16, Failed> {
        let insn = &self.insn;
        if !insn.ops[..insn.count].iter().any(|op| op.is_memory() && op.size == 0) {
            return Ok(found);
        }
        let high = insn.high_register();
        let size = form(found).mem;
        let open = list.forms().iter().any(|&candidate| {
            let other = form(candidate);
            other.mem != size && classes_fit(other, &insn.ops, insn.count) && insn.extras_fit(other, high)
        });
        if !open {
            return Ok(found);
        }
        let span = self.insn.name.start as usize..self.insn.name.end as usize;
        if list.default != 0 {
            if let Some(found) = self.find(List::at(list.default)) {
                if !crate::explain::silent_default(name) {
                    self.report(crate::explain::default_size(&name.text(), self.mode, span));
                }
                return Ok(found & !CONFUSABLE);
            }
        }
        let diagnostic = crate::explain::ambiguous_size(name, self.syntax, span);
        self.report(diagnostic);
        Err(Failed)
    }

    /// A branch: `Some` if the operand was a target and is dealt with.
    fn branch_operand(&mut self, list: &'static List) -> Option<Result<(), Failed>> {
        let op = &self.insn.ops[0];
        if op.flags & Operand::STAR != 0 {
            return None;
        }
        let register = op.classes & kinds::GPR != 0;
        if register || op.is_memory() && (op.flags & Operand::BRACKETS != 0 || op.seg != 0) {
            let indirect = list.forms().iter().any(|&candidate| KINDS[form(candidate).ops[0] as usize].classes & kinds::GPR != 0);
            if self.syntax == Syntax::Att && indirect {
                let span = op.span();
                let text = self.str(span.start, span.end).to_string();
                self.report(
                    Diagnostic::warning(ErrorKind::MissingStar, span.clone(), "an indirect branch without `*`")
                        .label("taken as an indirect target")
                        .fix(span, format!("*{text}")),
                );
            }
            return None;
        }
        if !op.is_memory() {
            return None;
        }
        self.insn.ops[0].classes = kinds::REL;
        let mut short = None;
        let mut near = None;
        for &candidate in list.forms() {
            let form = form(candidate);
            match KINDS[form.ops[0] as usize].slot {
                Slot::Rel(1) if form.ops[1] == 0 => short = short.or(Some(form)),
                Slot::Rel(_) if form.ops[1] == 0 => near = near.or(Some(form)),
                _ => {}
            }
        }
        Some(self.branch(short, near))
    }

    /// Whether `mode` is 64-bit.
    pub(crate) fn long(&self) -> bool {
        self.mode == Mode::Bits64
    }
}
