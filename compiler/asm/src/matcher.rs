//! Which form an instruction's operands ask for.

use crate::assembler::{Assembler, Instruction};
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::{Encoding, Form};
use crate::kinds::{self, Classes, KINDS, Slot};
use crate::operand::{NO_REG, Operand};
use crate::prefixes::hint;
use crate::table::{Candidate, List, Name};
use crate::{Mode, Syntax};

/// [`KINDS`]' classes alone, for every value of a byte.
static CLASSES: [Classes; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < KINDS.len() {
        table[i] = KINDS[i].classes;
        i += 1;
    }
    table
};

/// Whether the classes of the operands fit.
#[inline]
fn classes_fit(candidate: Candidate, classes: &[Classes; 5], count: usize) -> bool {
    if candidate.count() != count {
        return false;
    }
    for (i, class) in classes.iter().enumerate().take(count) {
        if CLASSES[candidate.kind(i) as usize] & class == 0 {
            return false;
        }
    }
    true
}

/// Whether the form is a far or privileged return: `lret`, `iret`, `sysret`, `sysexit`.
#[inline]
fn is_return(form: &Form) -> bool {
    matches!((form.map, form.opcode), (0, 0xca | 0xcb | 0xcf) | (1, 0x07 | 0x35)) && form.enc == Encoding::Legacy
}

impl Instruction {
    /// The operands' classes side by side.
    #[inline]
    fn classes(&self) -> [Classes; 5] {
        [self.ops[0].classes, self.ops[1].classes, self.ops[2].classes, self.ops[3].classes, self.ops[4].classes]
    }

    /// Whether everything fits that is not an operand class.
    #[inline]
    fn extras_fit(&self, candidate: Candidate, high: bool) -> bool {
        if high && !candidate.is_evex() {
            return false;
        }
        if !candidate.is_conditional() && !self.decorated && self.hints == 0 {
            return true;
        }
        self.decorators_fit(candidate.form())
    }

    fn decorators_fit(&self, form: &Form) -> bool {
        let flags = form.flags;
        if flags & Form::WANT_VEX != 0 && self.hints & hint::VEX == 0
            || flags & Form::NEED_MASK != 0 && self.mask == 0
            || self.mask != 0 && flags & (Form::MASK | Form::NEED_MASK) == 0
            || self.zero && (flags & Form::ZERO == 0 || self.mask == 0)
            || self.hints & hint::VEX != 0 && !matches!(form.enc, Encoding::Vex | Encoding::Xop)
            // The short exchange stores into the other register.
            || self.hints & (hint::STORE | hint::SWAP) != 0
                && form.map == 0
                && form.opcode == 0x90
                && KINDS[form.ops[0] as usize].slot == Slot::Implied
            || self.hints & hint::REX != 0 && form.enc >= Encoding::Vex
            || self.hints & hint::EVEX != 0 && form.enc != Encoding::Evex
        {
            return false;
        }
        let mut memory = false;
        for op in &self.ops[..self.count] {
            if op.is_memory() {
                memory = true;
                if op.bcast != 0 {
                    // `dword bcst` gives the element, `{1to16}` the number of elements.
                    if op.bcast == u8::MAX {
                        if form.bcast == 0 || op.size != u16::from(form.bcast) {
                            return false;
                        }
                        continue;
                    }
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
            bits |= op.reg | op.index;
        }
        bits & 16 != 0
    }
}

impl List {
    /// The forms of a direct branch with 8 bits and with more.
    pub(crate) fn branches(&self) -> (Option<&'static Form>, Option<&'static Form>) {
        let mut short = None;
        let mut near = None;
        for &candidate in self.forms() {
            let form = candidate.form();
            match KINDS[form.ops[0] as usize].slot {
                Slot::Rel(1) if form.ops[1] == 0 => short = short.or(Some(form)),
                Slot::Rel(_) if form.ops[1] == 0 => near = near.or(Some(form)),
                _ => {}
            }
        }
        (short, near)
    }
}

impl Assembler<'_> {
    /// Chooses the form and encodes.
    pub(crate) fn select(&mut self, name: &'static Name, list_index: u16) -> Result<(), Failed> {
        let list = if self.insn.prefixes.data { self.push_of_other_size(list_index) } else { list_index };
        let list = List::at(list);
        let count = self.insn.count;
        if self.insn.rounding != 0 {
            self.check_rounding_place()?;
        }
        if (self.insn.mask != 0 || self.insn.zero) && !self.mask_is_at_destination() {
            return self.misplaced_mask();
        }
        if list.flags & List::NO_REVERSE == 0 && self.syntax == Syntax::Att && count > 1 {
            self.insn.ops[..count].reverse();
        }
        if name.immediate >= 0 {
            if count >= 5 {
                return self.no_match(name, list);
            }
            let value = i64::from(name.immediate);
            self.insn.ops[count] = Operand { classes: kinds::I8, value, ..Operand::EMPTY };
            self.insn.count += 1;
        }
        if self.insn.immediates {
            self.read_immediates(list.size());
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
                if self.insn.count == 0 && found.form().opcode == 0xde && found.form().map == 0 {
                    self.warn_translated(name);
                }
                let chosen = if found.is_confusable() { self.settle_size(name, list, found)? } else { found };
                let mut form = chosen.form();
                if self.insn.prefixes.data && crate::far::is_far_pointer(form) {
                    form = self.far_of_other_size(form);
                }
                if is_return(form) && self.long() {
                    self.check_return_size(name)?;
                }
                self.encode(form)
            }
            None => self.no_match(name, list),
        }
    }

    /// The rounding decorator stands beside the last source register: behind the immediates in AT&T syntax (and behind a
    /// general register that is converted), before them in Intel syntax.
    fn check_rounding_place(&mut self) -> Result<(), Failed> {
        let insn = &self.insn;
        let ops = &insn.ops[..insn.count];
        let general = |op: &Operand| op.classes & kinds::GPR != 0;
        let fine = match self.syntax {
            Syntax::Att => {
                let immediates = ops.iter().take_while(|op| op.is_immediate()).count();
                let converted = usize::from(ops.len() == 3 && general(&ops[0]));
                insn.rounding_at == immediates + converted
            }
            Syntax::Intel => {
                let immediates = ops.iter().rev().take_while(|op| op.is_immediate()).count();
                let converted = usize::from(ops.len() == 3 && general(&ops[2]) && !insn.rounding_glued);
                let last = ops.len() - immediates;
                insn.rounding_at == last
                    || insn.rounding_at == last - converted
                    || insn.rounding_glued && insn.rounding_at == ops.len()
            }
        };
        if fine {
            return Ok(());
        }
        let span = self.statement_span();
        self.fail(Diagnostic::error(ErrorKind::Decorator, span, "the rounding decorator is in the wrong place").note(
            match self.syntax {
                Syntax::Att => "it comes first, behind the immediates",
                Syntax::Intel => "it comes last, before the immediates",
            },
        ))
    }

    /// In 64-bit mode the size of `iret` and its kin is seldom what is left out: GNU as warns and takes 32 bits.
    #[cold]
    fn check_return_size(&mut self, name: &'static Name) -> Result<(), Failed> {
        let text = name.text();
        if !matches!(&text[..], "iret" | "lret" | "retf" | "sysret" | "sysexit") {
            return Ok(());
        }
        let span = self.name_span();
        let (letter, fatal) = match self.syntax {
            Syntax::Att => ("l", false),
            Syntax::Intel => ("d", text.starts_with("sys")),
        };
        let message = format!("the size of `{text}` is open in 64-bit mode");
        let diagnostic = if fatal {
            Diagnostic::error(ErrorKind::AmbiguousSize, span.clone(), message)
        } else {
            Diagnostic::warning(ErrorKind::AmbiguousSize, span.clone(), message)
                .label(format!("GNU as takes `{text}{letter}`"))
        };
        self.report(
            diagnostic
                .help(format!("`{text}q` returns to 64-bit code, `{text}{letter}` to 32-bit code"))
                .fix(span, format!("{text}q")),
        );
        if fatal { Err(Failed) } else { Ok(()) }
    }

    #[cold]
    fn misplaced_mask(&mut self) -> Result<(), Failed> {
        let span = self.statement_span();
        self.fail(Diagnostic::error(ErrorKind::Decorator, span, "the mask is not behind the destination").note(
            match self.syntax {
                Syntax::Att => "{%k} and {z} belong to the last operand",
                Syntax::Intel => "{k} and {z} belong to the first operand",
            },
        ))
    }

    /// `fadd` without operands is `faddp`.
    #[cold]
    fn warn_translated(&mut self, name: &'static Name) {
        let text = name.text();
        if !text.ends_with('p') {
            let span = self.name_span();
            self.report(
                Diagnostic::warning(
                    ErrorKind::OperandCount,
                    span.clone(),
                    format!("`{text}` without operands is `{text}p`"),
                )
                .fix(span, format!("{text}p")),
            );
        }
    }

    /// Gives the constants their classes for the size that the name, the last register in AT&T order or the mode says.
    fn read_immediates(&mut self, size: u8) {
        let insn = &mut self.insn;
        let count = insn.count;
        let mut size = size;
        if size == 0 {
            size = match insn.ops[..count].iter().find(|op| op.bits != 0).map_or(0, |op| op.bits) {
                8 => 1,
                16 => 2,
                32 => 3,
                64 => 4,
                _ if self.syntax == Syntax::Intel
                    && !insn.ops[..count].iter().any(|op| op.classes & !(kinds::ANY_MEM | kinds::IMM) != 0) =>
                {
                    match insn.ops[..count].iter().find(|op| op.size != 0).map_or(0, |op| op.size) {
                        1 => 1,
                        2 => 2,
                        4 => 3,
                        8 => 4,
                        _ => 0,
                    }
                }
                _ => 0,
            };
            if size == 0
                && (self.mode == Mode::Bits16) != insn.prefixes.data
                && !insn.ops[..count].iter().any(|op| op.classes & !(kinds::ANY_MEM | kinds::IMM) != 0)
            {
                size = 2;
            }
        }
        // Intel syntax does not let the immediate settle the size of memory: `add [rax], 0x80000000` is open, too.
        let open = size == 0
            && self.syntax == Syntax::Intel
            && insn.ops[..count].iter().any(Operand::is_memory)
            && insn.ops[..count].iter().all(|op| op.is_memory() && op.size == 0 || op.is_immediate());
        for op in &mut insn.ops[..count] {
            if op.classes & kinds::IMM != 0 && op.expr == 0 && op.end != 0 {
                (op.value, op.classes) = crate::operand::immediate_classes(op.value, size);
                if open {
                    op.classes |= kinds::I8 | kinds::I16 | kinds::I32;
                }
            }
        }
    }

    /// The first candidate that fits.
    pub(crate) fn find(&self, list: &List) -> Option<Candidate> {
        let insn = &self.insn;
        let high = insn.high_register();
        let classes = insn.classes();
        let count = insn.count;
        let found = list
            .forms()
            .iter()
            .copied()
            .find(|&candidate| classes_fit(candidate, &classes, count) && insn.extras_fit(candidate, high))?;
        let chosen = found.form();
        if insn.hints & (hint::SWAP | hint::STORE) != 0 && chosen.enc == Encoding::Xop && count == 3 {
            // Shifts and rotates of XOP exchange ModRM.rm and XOP.vvvv by XOP.W (AMD64 manual volume 6, VPROTB).
            let swapped = |other: &Candidate| {
                let other = other.form();
                other.enc == Encoding::Xop && other.flags & Form::W != chosen.flags & Form::W
            };
            let other = list.forms().iter().copied().filter(|&other| classes_fit(other, &classes, count)).find(swapped);
            return Some(other.unwrap_or(found));
        }
        if insn.hints & (hint::SWAP | hint::STORE) != 0 && chosen.opcode == 0xd8 && chosen.map == 0 && count == 2 {
            // `{store} fadd %st,%st` stores into %st(0).
            let storing = |other: &&Candidate| other.form().opcode == 0xdc && classes_fit(**other, &classes, count);
            return Some(list.forms().iter().find(storing).copied().unwrap_or(found));
        }
        if insn.hints & hint::SWAP != 0 {
            let load = KINDS[chosen.ops[0] as usize].slot == Slot::Reg;
            return Some(self.other_direction(list, found, !load));
        }
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
    fn other_direction(&self, list: &List, found: Candidate, load: bool) -> Candidate {
        let insn = &self.insn;
        if insn.ops[..insn.count].iter().any(Operand::is_memory) {
            return found;
        }
        let want = if load { Slot::Reg } else { Slot::Rm };
        let first = found.form();
        let classes = insn.classes();
        if KINDS[first.ops[0] as usize].slot == want
            || !matches!(KINDS[first.ops[0] as usize].slot, Slot::Reg | Slot::Rm)
        {
            return found;
        }
        let high = insn.high_register();
        list.forms()
            .iter()
            .copied()
            .find(|&candidate| {
                let other = candidate.form();
                other.enc == first.enc
                    && other.ll == first.ll
                    && KINDS[other.ops[0] as usize].slot == want
                    && other.ops[..insn.count].iter().any(|&op| matches!(KINDS[op as usize].slot, Slot::Reg))
                    && classes_fit(candidate, &classes, insn.count)
                    && insn.extras_fit(candidate, high)
            })
            .unwrap_or(found)
    }

    /// A candidate of several sizes fits: takes the default with a warning, or reports that the size is open.
    fn settle_size(&mut self, name: &'static Name, list: &'static List, found: Candidate) -> Result<Candidate, Failed> {
        let insn = &self.insn;
        if !insn.ops[..insn.count].iter().any(|op| op.is_memory() && op.size == 0) {
            return Ok(found);
        }
        let high = insn.high_register();
        let size = found.form().mem;
        let classes = insn.classes();
        let open = list.forms().iter().any(|&candidate| {
            candidate.form().mem != size
                && classes_fit(candidate, &classes, insn.count)
                && insn.extras_fit(candidate, high)
        });
        if !open {
            return Ok(found);
        }
        let span = self.name_span();
        if list.default != 0
            && let Some(found) = self.find(List::at(list.default))
        {
            if !crate::explain::silent_default(name) {
                self.report(crate::explain::default_size(&name.text(), self.mode, span));
            }
            return Ok(found.settled());
        }
        let diagnostic = crate::explain::ambiguous_size(name, self.syntax, span);
        self.fail(diagnostic)
    }

    /// A branch: `Some` if the operand was a target and is dealt with.
    fn branch_operand(&mut self, list: &'static List) -> Option<Result<(), Failed>> {
        let op = &self.insn.ops[0];
        if op.flags & Operand::STAR != 0 {
            return None;
        }
        let register = op.classes & kinds::GPR != 0;
        if register || op.is_memory() && (op.flags & Operand::BRACKETS != 0 || op.seg != 0) {
            let indirect = list.forms().iter().any(|&candidate| CLASSES[candidate.kind(0) as usize] & kinds::GPR != 0);
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
        if self.syntax == Syntax::Intel {
            // A far pointer has two operands; `jmp 0x1234` is a target, `push 5` never gets here.
            if op.flags & Operand::FAR != 0 || !op.is_memory() && !op.is_immediate() {
                return None;
            }
            // `loop 4`: a number is an immediate to GNU as, unless the jump reaches far enough to be an address.
            let reaches = |&candidate: &Candidate| matches!(KINDS[candidate.kind(0) as usize].slot, Slot::Rel(2..));
            if op.is_immediate() && !list.forms().iter().any(reaches) {
                return None;
            }
        } else if !op.is_memory() {
            return None;
        }
        self.insn.ops[0].classes = kinds::REL;
        let (short, near) = list.branches();
        Some(self.branch(short, near))
    }

    /// Whether `mode` is 64-bit.
    pub(crate) fn long(&self) -> bool {
        self.mode == Mode::Bits64
    }
}
