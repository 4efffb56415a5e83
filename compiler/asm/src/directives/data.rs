//! Directives that write values: `.byte` to `.octa`, `.ascii` and its kin.

use crate::ItemKind;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups::FixupKind;
use crate::lexer::{self, CLASS, DIGIT};

impl Assembler<'_> {
    /// What stands behind a data directive: parts with commas between, each written by `part`; or nothing.
    fn data(&mut self, part: impl Fn(&mut Self) -> Result<(), Failed>) -> Result<(), Failed> {
        let begin = self.out.len();
        if self.cur.at_end() {
            return Ok(());
        }
        loop {
            self.cur.space();
            part(self)?;
            self.cur.space();
            if !self.cur.eat(b',') {
                break;
            }
        }
        self.expect_end()?;
        self.item(begin, self.insn.start, ItemKind::Data);
        Ok(())
    }

    /// Integers of `width` bytes.
    pub(super) fn integers(&mut self, width: u8) -> Result<(), Failed> {
        self.data(|asm| asm.integer(width))
    }

    fn integer(&mut self, width: u8) -> Result<(), Failed> {
        let from = self.cur.pos;
        let value = self.expression()?;
        let until = self.cur.pos;
        if !value.is_constant() {
            let kind = match width {
                1 => FixupKind::Abs8,
                2 => FixupKind::Abs16,
                4 => FixupKind::Abs32,
                _ => FixupKind::Abs64,
            };
            self.push_field(width, kind, value, 0, from as u32..until as u32);
            return Ok(());
        }
        let bits = u32::from(width) * 8;
        let constant = value.constant;
        if width < 8 && constant != constant << (64 - bits) >> (64 - bits) && !(0..1i64 << bits).contains(&constant) {
            let kept = constant & ((1i64 << bits) - 1);
            self.report(
                Diagnostic::warning(
                    ErrorKind::ImmediateRange,
                    from..until,
                    format!("value {constant:#x} truncated to {kept:#x}"),
                )
                .label(format!("does not fit {bits} bits")),
            );
        }
        self.out.extend_from_slice(&constant.to_le_bytes()[..width as usize]);
        Ok(())
    }

    /// Integers of 16 bytes.
    pub(super) fn octa(&mut self) -> Result<(), Failed> {
        self.data(|asm| {
            let value = asm.octa_value()?;
            asm.out.extend_from_slice(&value.to_le_bytes());
            Ok(())
        })
    }

    /// A number of up to 128 bits, or an expression, which has 64: GNU as extends it with its sign where a minus stands
    /// before it, with zeros otherwise.
    fn octa_value(&mut self) -> Result<u128, Failed> {
        let from = self.cur.pos;
        let negative = self.cur.eat(b'-');
        if CLASS[self.cur.peek() as usize] & DIGIT != 0
            && let Some(value) = lexer::number(&mut self.cur)
        {
            self.cur.space();
            if self.cur.at_end() || self.cur.peek() == b',' {
                return Ok(if negative { value.wrapping_neg() } else { value });
            }
        }
        self.cur.pos = from;
        let value = self.constant()?;
        Ok(if negative { i128::from(value) as u128 } else { u128::from(value as u64) })
    }

    /// Strings, each with a zero behind it if `terminated`. Strings side by side without a comma are one.
    pub(super) fn strings(&mut self, terminated: bool) -> Result<(), Failed> {
        self.data(|asm| {
            loop {
                let from = asm.cur.pos;
                if !asm.cur.eat(b'"') {
                    return asm.fail(Diagnostic::error(
                        ErrorKind::Directive,
                        from..from + 1,
                        "a string in double quotes is needed here",
                    ));
                }
                asm.string_body(from)?;
                asm.cur.space();
                if asm.cur.peek() != b'"' {
                    break;
                }
            }
            if terminated {
                asm.out.push(0);
            }
            Ok(())
        })
    }

    fn string_body(&mut self, from: usize) -> Result<(), Failed> {
        loop {
            let byte = self.cur.peek();
            if self.cur.pos >= self.cur.text.len() || byte == b'\n' {
                let span = from..self.cur.pos;
                return self
                    .fail(Diagnostic::error(ErrorKind::Syntax, span, "the string does not end").label("missing `\"`"));
            }
            self.cur.pos += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => self.out.push(byte),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Failed> {
        let start = self.cur.pos - 1;
        let byte = self.cur.peek();
        if byte == b'\n' || self.cur.pos >= self.cur.text.len() {
            // The string does not end, as its reader will say.
            return Ok(());
        }
        self.cur.pos += 1;
        let value = match byte {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'"' => byte,
            b'v' => 11,
            b'0'..=b'9' => {
                // GNU as takes 8 and 9 as digits here.
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    if let digit @ b'0'..=b'9' = self.cur.peek() {
                        value = value * 8 + u32::from(digit - b'0');
                        self.cur.pos += 1;
                    }
                }
                value as u8
            }
            b'x' | b'X' => {
                let mut value = 0u32;
                while let Some(digit) = (self.cur.peek() as char).to_digit(16) {
                    value = value << 4 | digit;
                    self.cur.pos += 1;
                }
                value as u8
            }
            _ => {
                // GNU as takes the character itself.
                let mut end = self.cur.pos.min(self.cur.text.len());
                while !self.source.is_char_boundary(end) {
                    end += 1;
                }
                self.report(
                    Diagnostic::warning(ErrorKind::Syntax, start..end, "unknown escape in a string")
                        .label("the backslash is ignored")
                        .note("escapes: \\b \\f \\n \\r \\t \\v \\\\ \\\" \\ooo \\xhh"),
                );
                byte
            }
        };
        self.out.push(value);
        Ok(())
    }
}
