//! AVX-512 decorators: masks, zeroing, broadcasts, rounding (Intel SDM volume 2, section 2.7).

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::operand::Operand;

impl Assembler<'_> {
    /// `{%k1}`, `{z}`, `{1to8}` behind an operand.
    pub(crate) fn decorators(&mut self, operand: &mut Operand) -> Result<(), Failed> {
        while self.cur.peek() == b'{' {
            let start = self.cur.pos;
            self.cur.pos += 1;
            self.cur.space();
            let percent = self.cur.eat(b'%');
            let word_start = self.cur.pos;
            let word = self.cur.word();
            let lower = word.to_ascii_lowercase();
            self.cur.space();
            let closed = self.cur.eat(b'}');
            let span = start..self.cur.pos;
            let bare_mask = self.syntax == crate::Syntax::Intel;
            self.insn.decorated = true;
            let place = self.insn.count as u8;
            // A rounding decorator glued to a register is for the caller.
            if bare_mask && matches!(&lower[..], b"rn" | b"rd" | b"ru" | b"rz" | b"sae") {
                self.cur.pos = start;
                return Ok(());
            }
            let fine = match (&lower[..], percent) {
                ([b'k', digit @ b'0'..=b'7'], percent) if percent || bare_mask => {
                    if *digit == b'0' {
                        return self.fail(
                            Diagnostic::error(
                                ErrorKind::Decorator,
                                word_start..word_start + 2,
                                "%k0 cannot be a write mask",
                            )
                            .label("it encodes \"no mask\""),
                        );
                    }
                    self.insn.mask_at = place;
                    std::mem::replace(&mut self.insn.mask, digit - b'0') == 0
                }
                (b"z", false) => {
                    let first = self.insn.mask == 0 || self.insn.mask_at == place;
                    self.insn.mask_at = place;
                    !std::mem::replace(&mut self.insn.zero, true) && first
                }
                ([b'1', b't', b'o', rest @ ..], false) => {
                    operand.bcast = match rest {
                        b"2" => 2,
                        b"4" => 4,
                        b"8" => 8,
                        b"16" => 16,
                        b"32" => 32,
                        _ => 0,
                    };
                    operand.bcast != 0 && operand.is_memory()
                }
                _ => false,
            };
            if !fine || !closed {
                return self.fail(
                    Diagnostic::error(ErrorKind::Decorator, span, "no such decorator here")
                        .note("decorators: {%k1} to {%k7}, {z}, {1to2} to {1to32} behind memory; {rn-sae} {rd-sae} {ru-sae} {rz-sae} {sae} as an operand"),
                );
            }
            operand.end = self.cur.pos as u32;
            self.cur.space();
        }
        Ok(())
    }

    /// `{rn-sae}` and the like as an operand of its own.
    pub(crate) fn rounding_decorator(&mut self) -> Result<bool, Failed> {
        let start = self.cur.pos;
        let mut ahead = self.cur;
        ahead.pos += 1;
        ahead.space();
        let word = ahead.word().to_ascii_lowercase();
        let mut rounding = match word.as_slice() {
            b"rn" => 1,
            b"rd" => 2,
            b"ru" => 3,
            b"rz" => 4,
            b"sae" => 5,
            _ => return Ok(false),
        };
        ahead.space();
        if rounding != 5 {
            ahead.space();
            let fine = ahead.eat(b'-') && {
                ahead.space();
                ahead.word().eq_ignore_ascii_case(b"sae")
            };
            if !fine {
                rounding = 0;
            }
            ahead.space();
        }
        let closed = ahead.eat(b'}');
        self.cur = ahead;
        if rounding == 0 || !closed || self.insn.rounding != 0 {
            let span = start..self.cur.pos;
            return self.fail(
                Diagnostic::error(ErrorKind::Decorator, span, "malformed rounding decorator")
                    .note("{rn-sae} {rd-sae} {ru-sae} {rz-sae} {sae}"),
            );
        }
        self.insn.rounding = rounding;
        self.insn.rounding_at = self.insn.count;
        self.insn.decorated = true;
        Ok(true)
    }
}
