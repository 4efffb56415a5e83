//! Far jumps and calls, and other lists that Intel operands ask for.

use crate::Syntax;
use crate::assembler::Assembler;
use crate::form::Form;
use crate::kinds::{FAR_OFF16, FAR_OFF32};
use crate::operand::{Operand, SYMBOLIC_IMMEDIATE};
use crate::table::{self, List, Name};

/// Whether a form is a far jump or call to `selector:offset`.
pub(crate) fn is_far_pointer(form: &Form) -> bool {
    matches!(form.ops[0], FAR_OFF16 | FAR_OFF32)
}

/// A symbol without brackets around it.
fn is_bare_symbol(operand: &Operand) -> bool {
    operand.is_memory() && operand.expr != 0 && operand.flags & Operand::BRACKETS == 0
}

impl Assembler<'_> {
    /// The list of another name in this mode and syntax; 0 if there is none.
    fn list_of(&self, name: &str) -> u16 {
        table::named(name).map_or(0, |name| name.list(self.mode, self.syntax))
    }

    /// The list that the operands of an Intel instruction ask for: `far ptr` is spelled in the operand, as is the size
    /// of a pushed immediate.
    #[inline]
    pub(crate) fn intel_list(&mut self, name: &'static Name, list: u16) -> u16 {
        let first = &self.insn.ops[0];
        let far = first.flags & Operand::FAR != 0 && first.is_memory();
        let sized = first.is_immediate() && first.size != 0 && self.insn.count == 1;
        let pointer = self.insn.count == 2 && (first.is_immediate() || is_bare_symbol(first));
        if far || sized || pointer { self.other_intel_list(name, list, far, pointer) } else { list }
    }

    #[cold]
    fn other_intel_list(&mut self, name: &'static Name, list: u16, far: bool, pointer: bool) -> u16 {
        if pointer {
            if List::at(list).forms().iter().any(|candidate| is_far_pointer(candidate.form())) {
                self.intel_far_pointer();
            }
            return list;
        }
        let text = name.text();
        let other = if far {
            match &text[..] {
                "call" => self.list_of("lcall"),
                "jmp" => self.list_of("ljmp"),
                _ => 0,
            }
        } else if List::at(list).flags & List::BRANCH == 0 {
            let letter = match self.insn.ops[0].size {
                2 => "w",
                4 => "d",
                8 => "q",
                _ => "",
            };
            self.list_of(&format!("{text}{letter}"))
        } else {
            0
        };
        if other == 0 { list } else { other }
    }

    /// `call selector, offset` becomes offset, selector, as the forms have it and the colon's way is stored.
    fn intel_far_pointer(&mut self) {
        let [first, second, ..] = &mut self.insn.ops;
        if first.start == second.start {
            return;
        }
        for half in [&mut *first, &mut *second] {
            if is_bare_symbol(half) {
                // A symbol's address, not what is there.
                half.classes = SYMBOLIC_IMMEDIATE;
                self.insn.immediates = true;
            }
        }
        std::mem::swap(first, second);
    }

    /// `data16 ljmp` and `data32 ljmp` mean the pointer of the other size, as GNU as has it.
    #[cold]
    pub(crate) fn far_of_other_size(&mut self, form: &'static Form) -> &'static Form {
        let own = if self.mode == crate::Mode::Bits16 { FAR_OFF16 } else { FAR_OFF32 };
        if form.ops[0] != own {
            return form;
        }
        let name = if form.opcode == 0x9a { "lcall" } else { "ljmp" };
        let list = List::at(self.list_of(name));
        let other = list
            .forms()
            .iter()
            .map(|candidate| candidate.form())
            .find(|other| is_far_pointer(other) && other.ops[0] != form.ops[0]);
        if other.is_some() {
            // The form brings the prefix.
            self.insn.prefixes.data = false;
        }
        other.unwrap_or(form)
    }

    /// The list that `data16 push $1000` and `data32 push $1000` mean: the immediate is of the size that the prefix makes,
    /// as in a suffixed `push`, whose forms bring the prefix.
    #[cold]
    pub(crate) fn push_of_other_size(&mut self, list: u16) -> u16 {
        if self.insn.count != 1 || !self.insn.ops[0].is_immediate() || list != self.list_of("push") {
            return list;
        }
        self.insn.prefixes.data = false;
        self.list_of(match (self.mode, self.syntax) {
            (crate::Mode::Bits16, Syntax::Att) => "pushl",
            (crate::Mode::Bits16, Syntax::Intel) => "pushd",
            _ => "pushw",
        })
    }

    /// Whether the mask and the zeroing stand where they must, behind the destination.
    pub(crate) fn mask_is_at_destination(&self) -> bool {
        let destination = match self.syntax {
            Syntax::Att => self.insn.count.saturating_sub(1),
            Syntax::Intel => 0,
        };
        self.insn.mask_at as usize == destination
    }
}
