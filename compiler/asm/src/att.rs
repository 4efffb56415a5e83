//! Operands in AT&T syntax.

use crate::Mode;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups;
use crate::kinds;
use crate::lexer::{ALPHA, CLASS, DIGIT};
use crate::operand::{self, IP_REG, Operand};
use crate::prefixes::XRELEASE;
use crate::registers::{self, Family, Register};
use crate::symbols::Value;

impl Assembler<'_> {
    /// All operands of the instruction, in the order of the text.
    #[inline]
    pub(crate) fn att_operands(&mut self) -> Result<(), Failed> {
        loop {
            self.cur.space();
            if self.cur.peek() == b'{' && self.rounding_decorator()? {
                self.cur.space();
                if self.cur.eat(b',') {
                    continue;
                }
                return self.operands_end();
            }
            if self.insn.count == 5 {
                let here = self.cur.pos;
                self.report(Diagnostic::error(
                    ErrorKind::OperandCount,
                    here..here + 1,
                    "no instruction has more than five operands",
                ));
                return Err(Failed);
            }
            let operand = self.att_operand()?;
            self.insn.ops[self.insn.count] = operand;
            self.insn.count += 1;
            self.cur.space();
            if !self.cur.eat(b',') {
                return self.operands_end();
            }
        }
    }

    #[inline]
    pub(crate) fn operands_end(&mut self) -> Result<(), Failed> {
        if self.cur.at_end() { Ok(()) } else { self.expect_end() }
    }

    fn att_operand(&mut self) -> Result<Operand, Failed> {
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
                    self.report(Diagnostic::error(ErrorKind::Syntax, here..here + 1, "one `*` is enough"));
                    return Err(Failed);
                }
                let mut operand = self.att_operand()?;
                if operand.is_immediate() {
                    self.report(
                        Diagnostic::error(
                            ErrorKind::Syntax,
                            start..operand.end as usize,
                            "an immediate cannot be a branch target",
                        )
                        .help("an indirect target is a register or memory: `*%rax`, `*symbol(%rip)`"),
                    );
                    return Err(Failed);
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
        let name = self.str(self.insn.name.start as usize, self.insn.name.end as usize).to_ascii_lowercase();
        let near = name.strip_prefix('l').unwrap_or(&name);
        if near.starts_with("jmp") || near.starts_with("call") {
            return Ok(());
        }
        self.report(
            Diagnostic::error(
                ErrorKind::Syntax,
                at..at + 1,
                format!("`*` marks the target of a jump, not an operand of `{name}`"),
            )
            .label("take it away"),
        );
        Err(Failed)
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
        self.report(diagnostic);
        Err(Failed)
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
            self.report(
                Diagnostic::error(
                    ErrorKind::OperandForm,
                    operand.span(),
                    "this register can only be part of an address",
                )
                .label("not an operand of its own"),
            );
            return Err(Failed);
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
            self.report(
                Diagnostic::error(
                    ErrorKind::UnknownRegister,
                    operand.start as usize..ahead.pos,
                    "the x87 stack has `st(0)` to `st(7)`",
                )
                .label("no such stack register"),
            );
            return Err(Failed);
        }
        self.cur.pos = ahead.pos + 1;
        operand.reg = digit - b'0';
        operand.classes = if digit == b'0' { kinds::ST | kinds::ST0 } else { kinds::ST };
        operand.end = self.cur.pos as u32;
        Ok(())
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
            self.report(
                Diagnostic::error(ErrorKind::Syntax, operand.start as usize..here, "the address does not end")
                    .label("missing `)`"),
            );
            return Err(Failed);
        }
        Ok(())
    }

    pub(crate) fn not_an_address<T>(&mut self, start: usize, why: &str) -> Result<T, Failed> {
        let span = start..self.cur.pos;
        self.report(
            Diagnostic::error(ErrorKind::Addressing, span, "this register cannot be part of an address").label(why),
        );
        Err(Failed)
    }

    pub(crate) fn set_scale(&mut self, operand: &mut Operand, scale: i64, start: usize) -> Result<(), Failed> {
        operand.scale = match scale {
            1 => 0,
            2 => 1,
            4 => 2,
            8 => 3,
            _ => {
                let span = start..self.cur.pos;
                self.report(
                    Diagnostic::error(ErrorKind::Addressing, span, "the scale of an index is 1, 2, 4 or 8")
                        .label("impossible scale"),
                );
                return Err(Failed);
            }
        };
        Ok(())
    }

    /// Takes `register` as the index.
    pub(crate) fn set_index(
        &mut self,
        operand: &mut Operand,
        register: &'static Register,
        start: usize,
    ) -> Result<(), Failed> {
        match register.family {
            Family::General if register.bits > 8 => {
                if operand.addr != 0 && operand.addr != register.bits {
                    return self.not_an_address(start, "base and index must have the same width");
                }
                if register.bits != 16 && register.number == 4 {
                    return self.not_an_address(start, "the stack pointer cannot be an index");
                }
                operand.index = register.number;
                operand.addr = register.bits;
            }
            Family::NoIndex => {
                if operand.addr != 0 && operand.addr != register.bits {
                    return self.not_an_address(start, "base and index must have the same width");
                }
                operand.addr = register.bits;
                operand.flags |= Operand::FORCE_SIB;
            }
            Family::Vector => {
                operand.index = register.number;
                operand.classes = match register.classes & (kinds::XMM | kinds::YMM | kinds::ZMM) {
                    kinds::XMM => kinds::VSIBX,
                    kinds::YMM => kinds::VSIBY,
                    _ => kinds::VSIBZ,
                };
            }
            _ => return self.not_an_address(start, "an index is a general or vector register"),
        }
        if operand.base == IP_REG {
            return self.not_an_address(start, "%rip takes no index");
        }
        Ok(())
    }

    /// Settles what kind of memory operand this is; errors where no addressing form fits.
    #[inline(always)]
    pub(crate) fn classify_memory(&mut self, operand: &mut Operand) -> Result<(), Failed> {
        let vector = operand.classes & (kinds::VSIBX | kinds::VSIBY | kinds::VSIBZ) != 0;
        if operand.addr == 16 {
            return self.classify_16(operand, vector);
        }
        let long = self.mode == Mode::Bits64;
        if long && operand.expr == 0 && operand.value >> 31 == 1 && self.is_narrow_lea() {
            // The upper half of the sum is cut off.
            operand.value = i64::from(operand.value as i32);
        }
        if vector {
            if self.mode == Mode::Bits16 && operand.addr == 0 && !self.insn.prefixes.address {
                return self.classify_16(operand, vector);
            }
            // Nothing else takes a vector index.
        } else if operand.base != operand::NO_REG
            || operand.index != operand::NO_REG
            || operand.flags & Operand::FORCE_SIB != 0
        {
            let bare = operand.index == operand::NO_REG && operand.expr == 0 && operand.value == 0;
            operand.classes = operand::address_classes(operand.base, bare);
        } else {
            operand.classes = kinds::MEM | kinds::SIBMEM | kinds::MOFFS;
            if long {
                // In 64-bit mode the bare address form is for what 32 bits cannot hold (SDM volume 2, MOV).
                let fits =
                    operand.expr != 0 || operand.value as i32 as i64 == operand.value || self.insn.prefixes.address;
                operand.classes = if fits { kinds::MEM | kinds::SIBMEM } else { kinds::MOFFS };
                if self.insn.prefixes.address {
                    operand.classes |= kinds::MOFFS;
                }
            }
            if self.insn.prefixes.rep_word == XRELEASE && operand.classes & kinds::MEM != 0 {
                // Lock elision knows stores with ModRM only.
                operand.classes &= !kinds::MOFFS;
            }
        }
        if long
            && operand.addr != 32
            && !self.insn.prefixes.address
            && operand.expr == 0
            && operand.value as i32 as i64 != operand.value
            && operand.classes & kinds::MOFFS == 0
        {
            self.report(
                Diagnostic::error(
                    ErrorKind::ImmediateRange,
                    operand.span(),
                    format!("the displacement {:#x} does not fit 32 bits", operand.value),
                )
                .label("-0x80000000 to 0x7fffffff"),
            );
            return Err(Failed);
        }
        Ok(())
    }

    /// Whether the instruction is `lea` to a register of 32 or 16 bits; the cursor is behind the memory operand.
    #[cold]
    fn is_narrow_lea(&self) -> bool {
        let name = self.str(self.insn.name.start as usize, self.insn.name.end as usize);
        if !name.as_bytes().get(..3).is_some_and(|stem| stem.eq_ignore_ascii_case(b"lea")) {
            return false;
        }
        if self.syntax == crate::Syntax::Intel {
            return self.insn.count == 1 && self.insn.ops[0].bits < 64;
        }
        let mut ahead = self.cur;
        ahead.space();
        if !ahead.eat(b',') {
            return false;
        }
        ahead.space();
        ahead.eat(b'%') && registers::by_key(ahead.register_key()).is_some_and(|register| register.bits < 64)
    }

    fn classify_16(&mut self, operand: &mut Operand, vector: bool) -> Result<(), Failed> {
        let pair = (operand.base, operand.index);
        // bx=3 bp=5 si=6 di=7: the only registers of 16-bit addresses (SDM volume 2, table 2-1).
        let single = |register: u8| matches!(register, 3 | 5 | 6 | 7);
        let fine = match pair {
            (base, operand::NO_REG) => single(base),
            (3 | 5, 6 | 7) => true,
            // `(%si,%bx)` means the same; the encoder has one order.
            (6 | 7, 3 | 5) if self.syntax == crate::Syntax::Intel => {
                std::mem::swap(&mut operand.base, &mut operand.index);
                true
            }
            (operand::NO_REG, index) if self.syntax == crate::Syntax::Intel => {
                single(index) && {
                    operand.base = index;
                    operand.index = operand::NO_REG;
                    true
                }
            }
            _ => false,
        };
        let reason = if self.mode == Mode::Bits64 {
            "64-bit mode has no 16-bit addresses"
        } else if vector {
            "16-bit addresses have no vector index"
        } else if !fine || operand.scale != 0 {
            "16-bit addresses are %bx or %bp plus %si or %di, or one of these"
        } else {
            ""
        };
        if !reason.is_empty() {
            self.report(
                Diagnostic::error(ErrorKind::Addressing, operand.span(), "no addressing form can express this")
                    .label(reason),
            );
            return Err(Failed);
        }
        operand.classes = kinds::MEM;
        if operand.index == operand::NO_REG && operand.expr == 0 && operand.value == 0 {
            match operand.base {
                3 => operand.classes |= kinds::MEM_BX,
                6 => operand.classes |= kinds::MEM_SI,
                7 => operand.classes |= kinds::MEM_DI,
                _ => {}
            }
        }
        Ok(())
    }
}
