//! Directives that make room: `.skip`, `.fill`, `.nops` and alignments.

use crate::ItemKind;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::layout::What;
use crate::padding::{Filling, Nops};
use crate::symbols::Value;
use std::ops::Range;

/// Most bytes that one directive may write.
const MAX_FILL: i64 = 1 << 20;

/// Bytes of `count` times `unit`; none if there is no such space.
pub(crate) fn space_size(count: i64, unit: u8) -> Option<u32> {
    match count.checked_mul(i64::from(unit)) {
        Some(size @ 0..=MAX_FILL) if count >= 0 => Some(size as u32),
        _ => None,
    }
}

/// What is wrong with a count for which there is no [`space_size`].
#[cold]
pub(crate) fn bad_count(count: i64, span: Range<usize>) -> Diagnostic {
    if count < 0 {
        return Diagnostic::error(ErrorKind::Directive, span, format!("the count is negative: {count}"));
    }
    Diagnostic::error(ErrorKind::Limit, span, format!("more than {MAX_FILL} bytes"))
        .label("too much for a block of code")
}

impl Assembler<'_> {
    /// Whether there is another argument; the cursor is at it then.
    fn another(&mut self) -> bool {
        self.cur.space();
        let another = self.cur.eat(b',');
        self.cur.space();
        another
    }

    /// A number of bytes or times, with its place in the text; it may depend on labels ahead.
    fn count(&mut self) -> Result<(Value, Range<usize>), Failed> {
        self.cur.space();
        let from = self.cur.pos;
        let value = self.expression()?;
        Ok((value, from..self.cur.pos))
    }

    /// `count` times `unit` bytes, filled with `fill`, at the end of the statement; how many is settled in the layout.
    fn open_space(&mut self, count: (Value, Range<usize>), unit: u8, fill: Filling) -> Result<(), Failed> {
        self.expect_end()?;
        self.item(self.out.len(), self.insn.start, ItemKind::Fill);
        let (value, span) = count;
        self.values.push(value);
        let (value, start, end) = (self.values.len() as u32 - 1, span.start as u32, span.end as u32);
        self.mark(What::Space { value, unit, fill, start, end });
        Ok(())
    }

    /// The same, at once if the number is known.
    fn make_space(&mut self, count: (Value, Range<usize>), unit: u8, fill: Filling) -> Result<(), Failed> {
        let (value, span) = count;
        if !value.is_constant() {
            return self.open_space((value, span), unit, fill);
        }
        self.expect_end()?;
        let begin = self.out.len();
        let Some(size) = space_size(value.constant, unit) else {
            return self.fail(bad_count(value.constant, span));
        };
        fill.write(&mut self.out, size as usize);
        self.item(begin, self.insn.start, ItemKind::Fill);
        Ok(())
    }

    /// `.skip count, byte`
    pub(super) fn skip(&mut self) -> Result<(), Failed> {
        let count = self.count()?;
        let byte = if self.another() { self.constant()? as u8 } else { 0 };
        self.make_space(count, 1, Filling::byte(byte))
    }

    /// `.fill count, size, value`
    pub(super) fn fill_directive(&mut self) -> Result<(), Failed> {
        let count = self.count()?;
        let mut size = 1;
        let mut value = 0;
        if self.another() {
            let from = self.cur.pos;
            size = self.constant()?;
            if size < 0 {
                let span = from..self.cur.pos;
                return self.fail(Diagnostic::error(ErrorKind::Directive, span, "the size is negative"));
            }
            if self.another() {
                value = self.constant()?;
            }
        }
        // Sizes over 8 count as 8. Only four bytes of the value are used; the rest is zero (GNU as manual, ".fill").
        let len = size.min(8) as u8;
        let pattern = (value as u64 & 0xffff_ffff).to_le_bytes();
        self.make_space(count, len, Filling::Bytes { pattern, len })
    }

    /// `.nops count, longest`
    pub(super) fn nops(&mut self) -> Result<(), Failed> {
        let count = self.count()?;
        let nops = Nops::of(self.mode, self.object);
        let mut longest = nops.longest();
        if self.another() {
            let from = self.cur.pos;
            let limit = self.constant()?;
            let span = from..self.cur.pos;
            longest = match u8::try_from(limit) {
                Ok(0) => longest,
                Ok(limit) if limit <= longest => limit,
                _ => {
                    return self.fail(
                        Diagnostic::error(ErrorKind::Directive, span, format!("there is no NOP of {limit} bytes here"))
                            .label(format!("the longest has {longest}")),
                    );
                }
            };
        }
        // To GNU as its size is never known; where sizes depend on each other, that makes a difference.
        self.open_space(count, 1, Filling::Nops { nops, longest })
    }

    /// `.p2align power, byte, most` and, with the alignment in bytes, `.balign`.
    pub(super) fn align(&mut self, power_of_two: bool) -> Result<(), Failed> {
        self.cur.space();
        let from = self.cur.pos;
        let value = if self.cur.at_end() { 0 } else { self.constant()? };
        let span = from..self.cur.pos;
        let power = match value {
            power if power_of_two => power,
            0 => 0,
            1.. if value & (value - 1) == 0 => i64::from(value.trailing_zeros()),
            _ => {
                let message = "the alignment is not a power of two";
                return self.fail(Diagnostic::error(ErrorKind::Directive, span, message));
            }
        };
        if !(0..=20).contains(&power) {
            return self.fail(Diagnostic::error(ErrorKind::Limit, span, "the alignment is more than 1 MiB"));
        }
        let nops = Nops::of(self.mode, self.object);
        let nops = Filling::Nops { nops, longest: nops.longest() };
        let mut fill = nops;
        let mut max = u32::MAX;
        if self.another() {
            if self.cur.peek() != b',' {
                // GNU as takes the byte of `nop` for any NOPs, and a missing one for zero.
                fill = match if self.cur.at_end() { 0 } else { self.constant()? as u8 } {
                    0x90 => nops,
                    byte => Filling::byte(byte),
                };
            }
            if self.another() {
                let longest = if self.cur.at_end() { 0 } else { self.constant()? };
                // Nothing, zero and what is negative are no limit.
                if let 1..=MAX_FILL = longest {
                    max = longest as u32;
                }
            }
        }
        self.expect_end()?;
        self.item(self.out.len(), self.insn.start, ItemKind::Fill);
        self.mark(What::Align { power: power as u8, fill, max });
        Ok(())
    }
}
