//! Operands in AT&T syntax.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups;
use crate::kinds;
use crate::operand::{self, IP_REG, Operand};
use crate::registers::{self, Family, Register};

impl Assembler<'_> {
    /// One operand.
    pub(crate) fn att_operand(&mut self) -> Result<Operand, Failed> {
        let start = self.cur.pos;
        match self.cur.peek() {
            b'%' => {
                let register = self.att_register()?;
                if register.family == Family::Segment {
                    let mut ahead = self.cur;
                    ahead.space();
                    if ahead.peek() == b':' {
                        self.cur.pos = ahead.pos + 1;
                        self.cur.space();
                        // `*%es:(%eax)` and `%es:*(%eax)` are the same.
                        let star = self.cur.eat(b'*');
                        if star {
                            self.check_star(self.cur.pos - 1)?;
                        }
                        self.cur.space();
                        let mut operand = self.att_memory(start)?;
                        operand.seg = register.number + 1;
                        operand.flags |= if star { Operand::STAR } else { 0 };
                        return Ok(operand);
                    }
                }
                self.register_operand(register, start)
            }
            b'$' => {
                self.cur.pos += 1;
                let value = self.expression()?;
                let mut operand = self.immediate(value, start);
                self.cur.space();
                if self.cur.peek() == b'{' {
                    self.decorators(&mut operand)?;
                }
                Ok(operand)
            }
            b'*' => {
                self.cur.pos += 1;
                self.check_star(start)?;
                self.cur.space();
                if self.cur.peek() == b'*' {
                    let here = self.cur.pos;
                    return self.fail(Diagnostic::error(ErrorKind::Syntax, here..here + 1, "one `*` is enough"));
                }
                let mut operand = self.att_operand()?;
                if operand.is_immediate() {
                    return self.fail(
                        Diagnostic::error(
                            ErrorKind::Syntax,
                            start..operand.end as usize,
                            "an immediate cannot be a branch target",
                        )
                        .help("an indirect target is a register or memory: `*%rax`, `*symbol(%rip)`"),
                    );
                }
                operand.flags |= Operand::STAR;
                operand.start = start as u32;
                Ok(operand)
            }
            _ => self.att_memory(start),
        }
    }

    /// A `*` belongs to jumps and calls.
    fn check_star(&mut self, at: usize) -> Result<(), Failed> {
        let name = self.name_text().to_ascii_lowercase();
        let near = name.strip_prefix('l').unwrap_or(&name);
        if near.starts_with("jmp") || near.starts_with("call") {
            return Ok(());
        }
        self.fail(
            Diagnostic::error(
                ErrorKind::Syntax,
                at..at + 1,
                format!("`*` marks the target of a jump, not an operand of `{name}`"),
            )
            .label("take it away"),
        )
    }

    /// A register; the cursor is on `%`.
    #[inline]
    pub(crate) fn att_register(&mut self) -> Result<&'static Register, Failed> {
        let start = self.cur.pos;
        self.cur.pos += 1;
        self.cur.space();
        let key = self.cur.register_key();
        match registers::by_key(key) {
            Some(register) if register.exists(self.mode) => Ok(register),
            other => self.bad_register(other, start),
        }
    }

    /// `disp(base,index,scale)` with any part left out.
    fn att_memory(&mut self, start: usize) -> Result<Operand, Failed> {
        let mut operand = Operand { start: start as u32, ..Operand::EMPTY };
        let parenthesis = self.cur.peek() == b'(' && self.address_ahead();
        let mut indirect = false;
        if !parenthesis {
            let value = self.expression()?;
            operand.flags |= Operand::DISP;
            operand.value = self.wrap(value.constant);
            if !value.is_constant() {
                self.values.push(value);
                operand.expr = self.values.len() as u32;
                indirect = fixups::is_got(value.modifier);
                if fixups::is_call_mark(value.modifier) {
                    // The mark of a call through a TLS descriptor takes no place in the instruction.
                    operand.expr = 0;
                    operand.flags &= !Operand::DISP;
                }
            }
            self.cur.space();
        }
        if self.cur.peek() == b'(' {
            operand.flags |= Operand::BRACKETS;
            self.cur.pos += 1;
            self.att_address(&mut operand)?;
        }
        operand.end = self.cur.pos as u32;
        if operand.classes & kinds::MEM_DX == 0 {
            self.classify_memory(&mut operand)?;
        }
        if indirect && self.insn.count == 0 {
            // The linker can make `lea` of `mov x@GOT,%eax`, but not of its short form.
            operand.classes &= !kinds::MOFFS;
        }
        self.cur.space();
        if self.cur.peek() == b'{' {
            self.decorators(&mut operand)?;
        }
        Ok(operand)
    }

    /// Whether the parenthesis here opens an address rather than an expression.
    fn address_ahead(&self) -> bool {
        let mut ahead = self.cur;
        ahead.pos += 1;
        ahead.space();
        matches!(ahead.peek(), b'%' | b',')
    }

    /// `base,index,scale)`.
    fn att_address(&mut self, operand: &mut Operand) -> Result<(), Failed> {
        self.cur.space();
        if self.cur.peek() == b'%' {
            let start = self.cur.pos;
            let register = self.att_register()?;
            match register.family {
                Family::General if register.bits > 8 => {
                    operand.base = register.number;
                    operand.addr = register.bits;
                    if register.bits == 16 && register.number == 2 {
                        self.cur.space();
                        if self.cur.eat(b')') && operand.flags & Operand::DISP == 0 {
                            operand.classes = kinds::MEM_DX;
                            return Ok(());
                        }
                        return self.not_an_address(start, "as the port of `in` and `out`, `(%dx)` stands alone");
                    }
                }
                Family::Instruction => {
                    operand.base = IP_REG;
                    operand.addr = register.bits;
                }
                _ => return self.not_an_address(start, "a base is a general register of 16, 32 or 64 bits, or %rip"),
            }
        }
        self.cur.space();
        if self.cur.peek() == b')' && operand.base == operand::NO_REG {
            return self.not_an_address(operand.start as usize, "nothing stands between the parentheses");
        }
        if self.cur.eat(b',') {
            self.cur.space();
            if self.cur.peek() == b')' {
                return self.not_an_address(operand.start as usize, "an index or a scale is missing behind the comma");
            }
            if self.cur.peek() == b'%' {
                let start = self.cur.pos;
                let register = self.att_register()?;
                self.set_index(operand, register, start)?;
                self.cur.space();
                if self.cur.eat(b',') {
                    self.cur.space();
                    if self.cur.peek() != b')' {
                        let start = self.cur.pos;
                        let scale = self.constant()?;
                        self.set_scale(operand, scale, start)?;
                    }
                }
            } else {
                let start = self.cur.pos;
                let scale = self.constant()?;
                // GNU as warns of a scale without an index and ignores it.
                self.set_scale(operand, scale, start)?;
                operand.scale = 0;
                if scale != 1 || operand.base == operand::NO_REG {
                    let span = start..self.cur.pos;
                    self.report(Diagnostic::warning(
                        ErrorKind::Addressing,
                        span,
                        "a scale factor without an index register",
                    ));
                }
            }
        }
        self.cur.space();
        if !self.cur.eat(b')') {
            let here = self.cur.pos;
            return self.fail(
                Diagnostic::error(ErrorKind::Syntax, operand.start as usize..here, "the address does not end")
                    .label("missing `)`"),
            );
        }
        Ok(())
    }
}
