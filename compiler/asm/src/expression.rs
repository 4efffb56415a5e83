//! Expressions, with the precedence of GNU as (manual, section "Infix Operators"), which is not C's:
//! `* / % << >>`, then `| & ^ !`, then `+ -`, then comparisons, then `&&`, then `||`.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::fixups;
use crate::lexer::{self, ALPHA, CLASS, DIGIT, WORD};
use crate::operator::Operator;
use crate::symbols::{Definition, Value};

/// Depth of parentheses, brackets and unary operators.
pub(crate) const MAX_DEPTH: u32 = 64;

/// A failed parse; the diagnostic is already with the assembler.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed;

impl<'t> Assembler<'t> {
    /// Reads an expression.
    #[inline]
    pub(crate) fn expression(&mut self) -> Result<Value, Failed> {
        self.cur.space();
        // Nearly all expressions are one decimal or hexadecimal number.
        let save = self.cur.pos;
        let negative = self.cur.eat(b'-');
        if CLASS[self.cur.peek() as usize] & DIGIT != 0
            && let Some(value) = self.plain_number()
            && (matches!(self.cur.peek(), b',' | b'(' | b'\n' | b')' | b';') || self.cur.pos >= self.cur.text.len())
        {
            return Ok(Value::constant(if negative { value.wrapping_neg() } else { value }));
        }
        self.cur.pos = save;
        self.binary(0, 0)
    }

    /// A decimal or `0x` number of up to 64 bits, or nothing.
    #[inline]
    fn plain_number(&mut self) -> Option<i64> {
        let mut value = 0u64;
        if self.cur.peek() == b'0' {
            match self.cur.peek_at(1) {
                b'x' | b'X' => {
                    self.cur.pos += 2;
                    let start = self.cur.pos;
                    loop {
                        let byte = self.cur.peek();
                        let digit = match byte {
                            b'0'..=b'9' => byte - b'0',
                            b'a'..=b'f' => byte - b'a' + 10,
                            b'A'..=b'F' => byte - b'A' + 10,
                            _ => break,
                        };
                        value = value << 4 | u64::from(digit);
                        self.cur.pos += 1;
                    }
                    let digits = self.cur.pos - start;
                    return (digits != 0 && digits <= 16).then_some(value as i64);
                }
                b'0'..=b'9' | b'b' | b'B' => return None,
                _ => {}
            }
        }
        let start = self.cur.pos;
        while let byte @ b'0'..=b'9' = self.cur.peek() {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.cur.pos += 1;
        }
        (self.cur.pos - start <= 19).then_some(value as i64)
    }

    /// Reads an expression that must be a constant now.
    pub(crate) fn constant(&mut self) -> Result<i64, Failed> {
        self.cur.space();
        let start = self.cur.pos;
        let value = self.expression()?;
        if value.is_constant() {
            return Ok(value.constant);
        }
        let span = start..self.cur.pos;
        self.fail(
            Diagnostic::error(ErrorKind::Expression, span, "a constant is needed here").label("depends on a symbol"),
        )
    }

    pub(crate) fn binary(&mut self, minimum: u8, depth: u32) -> Result<Value, Failed> {
        let start = self.cur.pos;
        let mut left = self.unary(depth)?;
        loop {
            self.cur.space();
            let Some((operator, length)) = self.operator() else { return Ok(left) };
            if operator.rank() <= minimum {
                return Ok(left);
            }
            self.cur.pos += length;
            self.cur.space();
            let right = self.binary(operator.rank(), depth + 1)?;
            left = self.apply(operator, left, right, start)?;
        }
    }

    pub(crate) fn operator(&self) -> Option<(Operator, usize)> {
        use Operator::*;
        let second = self.cur.peek_at(1);
        Some(match (self.cur.peek(), second) {
            (b'|', b'|') => (LogicalOr, 2),
            (b'&', b'&') => (LogicalAnd, 2),
            (b'=', b'=') => (Equal, 2),
            (b'!', b'=') | (b'<', b'>') => (NotEqual, 2),
            (b'<', b'<') => (ShiftLeft, 2),
            (b'>', b'>') => (ShiftRight, 2),
            (b'<', b'=') => (LessEqual, 2),
            (b'>', b'=') => (GreaterEqual, 2),
            (b'<', _) => (Less, 1),
            (b'>', _) => (Greater, 1),
            (b'+', _) => (Add, 1),
            (b'-', _) => (Subtract, 1),
            (b'|', _) => (Or, 1),
            (b'!', _) => (OrNot, 1),
            (b'^', _) => (Xor, 1),
            (b'&', _) => (And, 1),
            (b'*', _) => (Multiply, 1),
            (b'/', _) if second != b'*' => (Divide, 1),
            (b'%', _) if CLASS[second as usize] & ALPHA == 0 || !self.register_ahead() => (Modulo, 1),
            _ => return None,
        })
    }

    /// Whether `%` here starts a register name rather than a modulo.
    fn register_ahead(&self) -> bool {
        let mut ahead = self.cur;
        ahead.pos += 1;
        crate::registers::by_key(ahead.register_key()).is_some()
    }

    pub(crate) fn unary(&mut self, depth: u32) -> Result<Value, Failed> {
        if depth > MAX_DEPTH {
            let here = self.cur.pos;
            return self.fail(Diagnostic::error(
                ErrorKind::Limit,
                here..here + 1,
                format!("the expression nests deeper than {MAX_DEPTH}"),
            ));
        }
        self.cur.space();
        let start = self.cur.pos;
        let byte = self.cur.peek();
        match byte {
            b'-' => {
                self.cur.pos += 1;
                let value = self.unary(depth + 1)?;
                self.negate(value, start)
            }
            b'+' => {
                self.cur.pos += 1;
                self.unary(depth + 1)
            }
            b'~' => {
                self.cur.pos += 1;
                let value = self.unary(depth + 1)?;
                // ~x is -1 - x.
                self.apply(Operator::Subtract, Value::constant(-1), value, start)
            }
            b'!' => {
                self.cur.pos += 1;
                let value = self.unary(depth + 1)?;
                // A comparison gives -1, `!` gives 1.
                let truth = self.apply(Operator::Equal, value, Value::default(), start)?;
                self.negate(truth, start)
            }
            b'(' | b'[' => {
                let close = if byte == b'(' { b')' } else { b']' };
                self.cur.pos += 1;
                let value = self.binary(0, depth + 1)?;
                self.cur.space();
                if !self.cur.eat(close) {
                    let here = self.cur.pos;
                    return self.fail(
                        Diagnostic::error(ErrorKind::Expression, start..here, format!("missing `{}`", close as char))
                            .label("opened here"),
                    );
                }
                Ok(value)
            }
            b'\'' => self.character(start),
            b'0'..=b'9' => self.number_or_numeric_label(start),
            _ if CLASS[byte as usize] & WORD != 0 => self.symbol(start),
            b'"' => self.quoted_symbol(start),
            _ => {
                let end = (start + 1).min(self.cur.text.len().max(start));
                let message = if self.cur.at_end() || byte == b',' {
                    "an expression is missing here"
                } else {
                    "not an expression"
                };
                self.fail(
                    Diagnostic::error(ErrorKind::Expression, start..end, message).label("expected a number or symbol"),
                )
            }
        }
    }

    /// `'c'`, `'c`, `'\n'`.
    fn character(&mut self, start: usize) -> Result<Value, Failed> {
        self.cur.pos += 1;
        let mut value = self.cur.peek();
        self.cur.pos += 1;
        if value == b'\\' {
            let escape = self.cur.peek();
            self.cur.pos += 1;
            value = match escape {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'b' => 8,
                b'f' => 12,
                other => other,
            };
        }
        if self.cur.pos > self.cur.text.len() || value == b'\n' && self.cur.text[self.cur.pos - 1] == b'\n' {
            self.cur.pos = self.cur.pos.min(self.cur.text.len()) - 1;
            return self.fail(Diagnostic::error(
                ErrorKind::Expression,
                start..start + 1,
                "a character is missing behind `'`",
            ));
        }
        self.cur.eat(b'\'');
        Ok(Value::constant(i64::from(value)))
    }

    fn number_or_numeric_label(&mut self, start: usize) -> Result<Value, Failed> {
        // `1b` and `1f`; `0b101` is a number.
        let mut ahead = self.cur;
        let mut digits = 0u64;
        while ahead.peek().is_ascii_digit() {
            digits = digits.wrapping_mul(10).wrapping_add(u64::from(ahead.peek() - b'0'));
            ahead.pos += 1;
        }
        let letter = ahead.peek();
        if matches!(letter, b'b' | b'f') {
            self.mentions += 1;
        }
        if matches!(letter, b'b' | b'f') && CLASS[ahead.peek_at(1) as usize] & WORD == 0 {
            self.cur.pos = ahead.pos + 1;
            let symbol = if letter == b'f' {
                let name = self.str(start, ahead.pos + 1);
                self.symbols.forward(digits, name, start)
            } else {
                match self.symbols.backward(digits) {
                    Some(symbol) => symbol,
                    None => {
                        let span = start..ahead.pos + 1;
                        return self.fail(
                            Diagnostic::error(
                                ErrorKind::Label,
                                span,
                                format!("there is no label `{digits}:` before this"),
                            )
                            .label("backward reference"),
                        );
                    }
                }
            };
            return Ok(self.fold(symbol));
        }
        let Some(value) = lexer::number(&mut self.cur) else {
            self.cur.word();
            let span = start..self.cur.pos;
            return self.fail(Diagnostic::error(ErrorKind::Expression, span, "malformed number"));
        };
        if CLASS[self.cur.peek() as usize] & WORD != 0 {
            self.cur.word();
            let span = start..self.cur.pos;
            return self.fail(Diagnostic::error(ErrorKind::Expression, span, "junk behind a number"));
        }
        if value > u128::from(u64::MAX) {
            let span = start..self.cur.pos;
            return self.fail(Diagnostic::error(ErrorKind::Expression, span, "the number does not fit 64 bits"));
        }
        Ok(Value::constant(value as u64 as i64))
    }

    fn symbol(&mut self, start: usize) -> Result<Value, Failed> {
        self.mentions += 1;
        let word = self.cur.word();
        // Intel syntax calls the place of the statement `$`.
        if word == b"." || word == b"$" && self.syntax == crate::Syntax::Intel {
            let here = Definition::Label(self.here());
            let symbol = self.symbols.unnamed(here, start..self.cur.pos);
            return Ok(Value { add: symbol + 1, ..Value::default() });
        }
        let name = self.str(start, self.cur.pos);
        self.named_symbol(name, start)
    }

    fn quoted_symbol(&mut self, start: usize) -> Result<Value, Failed> {
        let mut end = start + 1;
        while end < self.cur.text.len() && !matches!(self.cur.text[end], b'"' | b'\n') {
            end += 1;
        }
        if self.cur.text.get(end) != Some(&b'"') || end == start + 1 {
            self.report(Diagnostic::error(ErrorKind::Expression, start..end, "malformed quoted symbol"));
            self.cur.pos = end;
            return Err(Failed);
        }
        self.mentions += 1;
        self.cur.pos = end + 1;
        let name = self.str(start + 1, end);
        self.named_symbol(name, start + 1)
    }

    fn named_symbol(&mut self, name: &'t str, start: usize) -> Result<Value, Failed> {
        let symbol = self.symbols.mention(name, start);
        let mut value = self.fold(symbol);
        if self.cur.peek() == b'@' {
            let at = self.cur.pos;
            self.cur.pos += 1;
            let word = self.cur.word();
            match fixups::modifier(word) {
                Some(modifier) => value.modifier = modifier,
                None => {
                    let span = at..self.cur.pos;
                    return self.fail(
                        Diagnostic::error(ErrorKind::Expression, span, "unknown relocation modifier")
                            .note(format!("known: {}", fixups::modifier_names())),
                    );
                }
            }
        }
        Ok(value)
    }
}
