//! Directives: data, space, alignment, symbols, mode and syntax.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::fixups::FixupKind;
use crate::layout::{Mark, Pending, What};
use crate::lexer::{self, CLASS, DIGIT, WORD};
use crate::padding::{Filling, Nops};
use crate::{ItemKind, Mode, Syntax};

/// Most bytes that one directive may write.
const MAX_FILL: i64 = 1 << 20;
/// Most bytes of a block.
const MAX_BLOCK: usize = 1 << 30;

/// Directives of GNU as that make no sense in a block of code, with the reason.
const SENSELESS: &[(&str, &str)] = &[
    (
        "section text data bss pushsection popsection previous subsection",
        "a block is one run of code; it has no sections",
    ),
    (
        "globl global local weak hidden internal protected comm lcomm type size symver ident file version weakref",
        "a block has no symbol table of its own",
    ),
    (
        "macro endm rept irp irpc endr if ifdef ifndef ifeq ifne ifc else elseif endif include incbin altmacro noaltmacro purgem exitm",
        "a block is assembled as it stands; macros and conditions belong outside",
    ),
    (
        "cfi_startproc cfi_endproc cfi_def_cfa cfi_def_cfa_offset cfi_def_cfa_register cfi_offset cfi_adjust_cfa_offset cfi_restore cfi_undefined cfi_remember_state cfi_restore_state cfi_sections cfi_signal_frame loc",
        "a block carries no debugging or unwinding information",
    ),
    ("arch cpu tune", "every instruction of the tables is accepted"),
    (
        "code16gcc",
        "it makes 16-bit code of 32-bit text; write `.code16` and the sizes that are meant (`pushl`, `retl`)",
    ),
    (
        "intel_mnemonic att_mnemonic",
        "the names are those of the syntax: AT&T's have `fsub` and `fsubr` exchanged, Intel's do not",
    ),
    (
        "float single double tfloat float16 bfloat16 dc.s dc.d dc.x dcb.s dcb.d dcb.x ds.s ds.d ds.x",
        "numbers are integers here; write the bits with `.long` or `.quad`",
    ),
    ("uleb128 sleb128", "code holds no such numbers; write the bytes with `.byte`"),
    (
        "string8 string16 string32 string64",
        "`.asciz` writes bytes; wider characters are numbers for `.word` and `.long`",
    ),
    ("balignw balignl p2alignw p2alignl", "code is padded with NOPs or one byte; use `.balign` or `.p2align`"),
    (
        "dc dc.b dc.w dc.l dc.a dcb dcb.b dcb.w dcb.l ds ds.b ds.w ds.l ds.p",
        "use `.byte`, `.word`, `.long`, `.fill` or `.skip`",
    ),
    ("nop", "use `nop`, or `.nops` with a number of bytes"),
    ("print warning error err fail abort end", "a block is code and its data alone"),
    ("org", "a block starts at 0 wherever it will be used; pad with .skip"),
];

impl<'t> Assembler<'t> {
    /// A directive; the cursor is behind its name.
    pub(crate) fn directive(&mut self, start: usize, end: usize) -> Result<(), Failed> {
        self.mentions += 1;
        let span = start..end;
        if self.insn.start as usize != start {
            return self.fail(
                Diagnostic::error(ErrorKind::Prefix, span, "a prefix needs an instruction behind it")
                    .label("this is a directive"),
            );
        }
        let name = self.str(start + 1, end).to_ascii_lowercase();
        self.cur.space();
        if self.out.len() > MAX_BLOCK {
            return self.fail(Diagnostic::error(ErrorKind::Limit, span, "the block is longer than 1 GiB"));
        }
        match name.as_str() {
            "byte" => self.data(1, start),
            "word" | "short" | "value" | "hword" | "2byte" => self.data(2, start),
            "long" | "int" | "4byte" => self.data(4, start),
            "quad" | "8byte" => self.data(8, start),
            "octa" => self.octa(start),
            "ascii" => self.strings(start, false),
            "asciz" | "string" => self.strings(start, true),
            "zero" | "skip" | "space" => self.space(start),
            "fill" => self.fill_directive(start),
            "nops" => self.nops(start),
            "balign" | "align" => self.align(start, false),
            "p2align" => self.align(start, true),
            "set" | "equ" => self.set(false),
            "equiv" => self.set(true),
            "code16" => self.switch_mode(Mode::Bits16),
            "code32" => self.switch_mode(Mode::Bits32),
            "code64" => self.switch_mode(Mode::Bits64),
            "intel_syntax" => self.switch_syntax(Syntax::Intel),
            "att_syntax" => self.switch_syntax(Syntax::Att),
            _ => {
                let senseless = SENSELESS.iter().find(|(names, _)| names.split(' ').any(|known| known == name));
                let diagnostic = match senseless {
                    Some((_, why)) => {
                        Diagnostic::error(ErrorKind::Directive, span, format!("`.{name}` makes no sense here"))
                            .label(*why)
                    }
                    None => crate::explain::unknown_directive(&name, span),
                };
                self.fail(diagnostic)
            }
        }
    }

    fn switch_mode(&mut self, mode: Mode) -> Result<(), Failed> {
        self.expect_end()?;
        if mode == Mode::Bits64 && self.object != Mode::Bits64 {
            let span = self.insn.start as usize..self.cur.pos;
            return self.fail(
                Diagnostic::error(ErrorKind::WrongMode, span, "`.code64` needs a 64-bit block")
                    .label("GNU as refuses it in a 32-bit object"),
            );
        }
        self.mode = mode;
        Ok(())
    }

    fn switch_syntax(&mut self, syntax: Syntax) -> Result<(), Failed> {
        let start = self.cur.pos;
        let word = self.cur.word();
        self.intel_prefix = match (word, syntax) {
            (b"", Syntax::Intel) | (b"prefix", _) => syntax == Syntax::Intel,
            (b"", Syntax::Att) => false,
            (b"noprefix", Syntax::Intel) => false,
            _ => {
                let span = start..self.cur.pos.max(start + 1);
                return self.fail(Diagnostic::error(
                    ErrorKind::Directive,
                    span,
                    "expected `prefix` or, in Intel syntax, `noprefix`",
                ));
            }
        };
        self.expect_end()?;
        self.syntax = syntax;
        Ok(())
    }

    fn data(&mut self, width: u8, start: usize) -> Result<(), Failed> {
        let begin = self.out.len();
        if self.cur.at_end() {
            return Ok(());
        }
        loop {
            self.cur.space();
            let from = self.cur.pos;
            let value = self.expression()?;
            let until = self.cur.pos;
            if value.is_constant() {
                let bits = u32::from(width) * 8;
                let constant = value.constant;
                if width < 8
                    && constant != constant << (64 - bits) >> (64 - bits)
                    && !(0..1i64 << bits).contains(&constant)
                {
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
            } else {
                let place = self.here();
                let kind = match width {
                    1 => FixupKind::Abs8,
                    2 => FixupKind::Abs16,
                    4 => FixupKind::Abs32,
                    _ => FixupKind::Abs64,
                };
                self.pending.push(Pending {
                    offset: place.offset,
                    mark: place.mark,
                    width,
                    kind,
                    value,
                    tail: 0,
                    start: from as u32,
                    end: until as u32,
                });
                self.out.extend_from_slice(&[0; 8][..width as usize]);
            }
            self.cur.space();
            if !self.cur.eat(b',') {
                break;
            }
        }
        self.expect_end()?;
        self.item(begin, start as u32, ItemKind::Data);
        Ok(())
    }

    fn octa(&mut self, start: usize) -> Result<(), Failed> {
        let begin = self.out.len();
        if self.cur.at_end() {
            return Ok(());
        }
        loop {
            self.cur.space();
            let value = self.octa_value()?;
            self.out.extend_from_slice(&value.to_le_bytes());
            self.cur.space();
            if !self.cur.eat(b',') {
                break;
            }
        }
        self.expect_end()?;
        self.item(begin, start as u32, ItemKind::Data);
        Ok(())
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

    fn strings(&mut self, start: usize, terminated: bool) -> Result<(), Failed> {
        let begin = self.out.len();
        if self.cur.at_end() {
            return Ok(());
        }
        loop {
            self.cur.space();
            let from = self.cur.pos;
            if !self.cur.eat(b'"') {
                return self.fail(Diagnostic::error(
                    ErrorKind::Directive,
                    from..from + 1,
                    "a string in double quotes is needed here",
                ));
            }
            self.string_body(from)?;
            if terminated {
                self.out.push(0);
            }
            self.cur.space();
            if !self.cur.eat(b',') {
                // Strings side by side without a comma are one string.
                if self.cur.peek() != b'"' {
                    break;
                }
                if terminated {
                    self.out.pop();
                }
            }
        }
        self.expect_end()?;
        self.item(begin, start as u32, ItemKind::Data);
        Ok(())
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

    /// A count, checked against the limit.
    fn count(&mut self, what: &str) -> Result<usize, Failed> {
        self.cur.space();
        let from = self.cur.pos;
        let count = self.constant()?;
        let span = from..self.cur.pos;
        if count < 0 {
            return self.fail(Diagnostic::error(ErrorKind::Directive, span, format!("{what} is negative")));
        }
        if count > MAX_FILL {
            return self.fail(
                Diagnostic::error(ErrorKind::Limit, span, format!("{what} is more than {MAX_FILL}"))
                    .label("too much for a block of code"),
            );
        }
        Ok(count as usize)
    }

    fn space(&mut self, start: usize) -> Result<(), Failed> {
        let begin = self.out.len();
        let count = self.count("the number of bytes")?;
        self.cur.space();
        let mut fill = 0;
        if self.cur.eat(b',') {
            fill = self.constant()? as u8;
        }
        self.expect_end()?;
        self.out.resize(begin + count, fill);
        self.item(begin, start as u32, ItemKind::Fill);
        Ok(())
    }

    fn fill_directive(&mut self, start: usize) -> Result<(), Failed> {
        let begin = self.out.len();
        let repeat = self.count("the repeat count")?;
        let mut size = 1;
        let mut value = 0;
        self.cur.space();
        if self.cur.eat(b',') {
            // Sizes over 8 count as 8 (GNU as manual, ".fill").
            size = self.count("the size")?.min(8);
            self.cur.space();
            if self.cur.eat(b',') {
                value = self.constant()?;
            }
        }
        self.expect_end()?;
        if (repeat * size) as i64 > MAX_FILL {
            let span = start..self.cur.pos;
            return self.fail(
                Diagnostic::error(ErrorKind::Limit, span, format!("more than {MAX_FILL} bytes"))
                    .label("too much for a block of code"),
            );
        }
        // Only four bytes of the value are used; the rest is zero (the same place of the manual).
        let bytes = (value as u64 & 0xffff_ffff).to_le_bytes();
        for _ in 0..repeat {
            self.out.extend_from_slice(&bytes[..size]);
        }
        self.item(begin, start as u32, ItemKind::Fill);
        Ok(())
    }

    fn nops(&mut self, start: usize) -> Result<(), Failed> {
        let begin = self.out.len();
        let count = self.count("the number of bytes")?;
        self.cur.space();
        let nops = Nops::of(self.mode, self.object);
        let mut longest = nops.longest();
        if self.cur.eat(b',') {
            self.cur.space();
            let from = self.cur.pos;
            let limit = self.count("the longest NOP")?;
            if limit > longest {
                let span = from..self.cur.pos;
                return self.fail(
                    Diagnostic::error(ErrorKind::Directive, span, format!("there is no NOP of {limit} bytes here"))
                        .label(format!("the longest has {longest}")),
                );
            }
            if limit != 0 {
                longest = limit;
            }
        }
        self.expect_end()?;
        nops.write(&mut self.out, count, longest);
        self.item(begin, start as u32, ItemKind::Fill);
        Ok(())
    }

    fn align(&mut self, start: usize, power_of_two: bool) -> Result<(), Failed> {
        self.cur.space();
        let from = self.cur.pos;
        let value = if self.cur.at_end() { 0 } else { self.constant()? };
        let span = from..self.cur.pos;
        let power = if power_of_two {
            value
        } else if value == 0 {
            0
        } else if value > 0 && value & (value - 1) == 0 {
            i64::from(value.trailing_zeros())
        } else {
            return self.fail(Diagnostic::error(ErrorKind::Directive, span, "the alignment is not a power of two"));
        };
        if !(0..=20).contains(&power) {
            return self.fail(Diagnostic::error(ErrorKind::Limit, span, "the alignment is more than 1 MiB"));
        }
        let mut fill = Filling::Nops;
        let mut max = u32::MAX;
        self.cur.space();
        if self.cur.eat(b',') {
            self.cur.space();
            if self.cur.peek() != b',' {
                // GNU as takes the byte of `nop` for any NOPs, and a missing one for zero.
                fill = match if self.cur.at_end() { 0 } else { self.constant()? as u8 } {
                    0x90 => Filling::Nops,
                    byte => Filling::Byte(byte),
                };
                self.cur.space();
            }
            if self.cur.eat(b',') {
                self.cur.space();
                let longest = if self.cur.at_end() { 0 } else { self.constant()? };
                // Nothing, zero and what is negative are no limit.
                if let 1..=MAX_FILL = longest {
                    max = longest as u32;
                }
            }
        }
        self.expect_end()?;
        let begin = self.out.len();
        self.item(begin, start as u32, ItemKind::Fill);
        self.marks.push(Mark {
            offset: begin as u32,
            item: self.items.len() as u32 - u32::from(!self.items.is_empty()),
            what: What::Align { power: power as u8, fill, max, nops: Nops::of(self.mode, self.object) },
            size: 0,
            end: 0,
        });
        Ok(())
    }

    /// `.set name, value`; once and for all with `.equiv`.
    fn set(&mut self, once: bool) -> Result<(), Failed> {
        let start = self.cur.pos;
        self.cur.word();
        let end = self.cur.pos;
        self.cur.space();
        if start == end || !self.cur.eat(b',') || CLASS[self.cur.text[start] as usize] & WORD == 0 {
            let here = self.cur.pos;
            return self.fail(Diagnostic::error(
                ErrorKind::Directive,
                start..here.max(start + 1),
                "expected `name, value`",
            ));
        }
        self.assign(start, end, once)
    }
}
