//! The operands of an instruction, one after the other, and those that both syntaxes have: registers and immediates.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups;
use crate::kinds;
use crate::lexer::{ALPHA, CLASS, DIGIT};
use crate::operand::{self, Operand};
use crate::registers::{Family, Register};
use crate::symbols::Value;
use crate::{Mode, Syntax};

impl Assembler<'_> {
    /// All operands of the instruction, in the order of the text.
    #[inline]
    pub(crate) fn operands(&mut self) -> Result<(), Failed> {
        loop {
            self.cur.space();
            if self.cur.peek() == b'{' && self.rounding_decorator()? {
                self.insn.rounding_glued = false;
                self.cur.space();
                if self.cur.eat(b',') {
                    continue;
                }
                return self.expect_end();
            }
            if self.insn.count == 5 {
                let here = self.cur.pos;
                return self.fail(Diagnostic::error(
                    ErrorKind::OperandCount,
                    here..here + 1,
                    "no instruction has more than five operands",
                ));
            }
            match self.syntax {
                Syntax::Att => {
                    let operand = self.att_operand()?;
                    self.push_operand(operand);
                }
                Syntax::Intel => self.intel_operand()?,
            }
            self.cur.space();
            // Intel's `zmm1{rn-sae}`: the decorator stuck to the last register.
            if self.cur.peek() == b'{' && self.rounding_decorator()? {
                self.insn.rounding_glued = true;
                self.cur.space();
            }
            if !self.cur.eat(b',') {
                return self.expect_end();
            }
        }
    }

    pub(crate) fn push_operand(&mut self, operand: Operand) {
        if self.insn.count < 5 {
            self.insn.ops[self.insn.count] = operand;
            self.insn.count += 1;
        }
    }

    /// An immediate operand with this value.
    #[inline]
    pub(crate) fn immediate(&mut self, value: Value, start: usize) -> Operand {
        self.insn.immediates = true;
        let mut operand = Operand { start: start as u32, end: self.cur.pos as u32, ..Operand::EMPTY };
        operand.value = self.wrap(value.constant);
        if value.is_constant() {
            operand.classes = kinds::IMM;
        } else {
            operand.classes = match value.modifier {
                0 => operand::SYMBOLIC_IMMEDIATE,
                modifier => fixups::immediate_classes(modifier, self.object),
            };
            self.values.push(value);
            operand.expr = self.values.len() as u32;
        }
        operand
    }

    /// In a 32-bit object GNU as computes immediates and displacements modulo 2^32.
    #[inline]
    pub(crate) fn wrap(&self, value: i64) -> i64 {
        if self.object == Mode::Bits64 { value } else { i64::from(value as i32) }
    }

    /// A register operand, with `(n)` behind `st` and the decorators.
    #[inline(always)]
    pub(crate) fn register_operand(&mut self, register: &'static Register, start: usize) -> Result<Operand, Failed> {
        let mut operand = Operand {
            classes: register.classes,
            reg: register.number,
            reg_flags: register.flags,
            bits: register.bits,
            start: start as u32,
            end: self.cur.pos as u32,
            ..Operand::EMPTY
        };
        if matches!(register.family, Family::Instruction | Family::NoIndex) {
            return self.fail(
                Diagnostic::error(
                    ErrorKind::OperandForm,
                    operand.span(),
                    "this register can only be part of an address",
                )
                .label("not an operand of its own"),
            );
        }
        if register.classes & kinds::ST != 0 {
            self.stack_register(&mut operand)?;
        }
        if matches!(self.cur.peek(), b'{' | b' ' | b'\t') {
            let mut ahead = self.cur;
            ahead.space();
            if ahead.peek() == b'{' {
                self.cur = ahead;
                self.decorators(&mut operand)?;
            }
        }
        Ok(operand)
    }

    /// `(n)` behind `st`.
    pub(crate) fn stack_register(&mut self, operand: &mut Operand) -> Result<(), Failed> {
        let mut ahead = self.cur;
        ahead.space();
        if ahead.peek() != b'(' {
            return Ok(());
        }
        ahead.pos += 1;
        ahead.space();
        let digit = ahead.peek();
        ahead.pos += 1;
        ahead.space();
        if !(b'0'..=b'7').contains(&digit) || ahead.peek() != b')' {
            return self.fail(
                Diagnostic::error(
                    ErrorKind::UnknownRegister,
                    operand.start as usize..ahead.pos,
                    "the x87 stack has `st(0)` to `st(7)`",
                )
                .label("no such stack register"),
            );
        }
        self.cur.pos = ahead.pos + 1;
        operand.reg = digit - b'0';
        operand.classes = if digit == b'0' { kinds::ST | kinds::ST0 } else { kinds::ST };
        operand.end = self.cur.pos as u32;
        Ok(())
    }

    #[cold]
    pub(crate) fn bad_register(
        &mut self,
        known: Option<&'static Register>,
        start: usize,
    ) -> Result<&'static Register, Failed> {
        while CLASS[self.cur.peek() as usize] & (ALPHA | DIGIT) != 0 || self.cur.peek() == b'_' {
            self.cur.pos += 1;
        }
        let name = self.str(start, self.cur.pos).to_string();
        let span = start..self.cur.pos;
        let diagnostic = if known.is_some() {
            Diagnostic::error(ErrorKind::WrongMode, span, format!("the register `{name}` exists in 64-bit mode only"))
                .label(format!("not in {}-bit mode", self.mode.bits()))
        } else {
            crate::explain::unknown_register(&name, self.mode, span)
        };
        self.fail(diagnostic)
    }
}
