//! What an address may be made of, and which instructions a memory operand is for.

use crate::Mode;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::kinds;
use crate::operand::{self, IP_REG, Operand};
use crate::prefixes::XRELEASE;
use crate::registers::{self, Family, Register};

impl Assembler<'_> {
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

    pub(crate) fn set_scale(&mut self, operand: &mut Operand, scale: i64, start: usize) -> Result<(), Failed> {
        operand.scale = match scale {
            1 => 0,
            2 => 1,
            4 => 2,
            8 => 3,
            _ => {
                let span = start..self.cur.pos;
                return self.fail(
                    Diagnostic::error(ErrorKind::Addressing, span, "the scale of an index is 1, 2, 4 or 8")
                        .label("impossible scale"),
                );
            }
        };
        Ok(())
    }

    pub(crate) fn not_an_address<T>(&mut self, start: usize, why: &str) -> Result<T, Failed> {
        let span = start..self.cur.pos;
        self.fail(
            Diagnostic::error(ErrorKind::Addressing, span, "this register cannot be part of an address").label(why),
        )
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
            return self.fail(
                Diagnostic::error(
                    ErrorKind::ImmediateRange,
                    operand.span(),
                    format!("the displacement {:#x} does not fit 32 bits", operand.value),
                )
                .label("-0x80000000 to 0x7fffffff"),
            );
        }
        Ok(())
    }

    /// Whether the instruction is `lea` to a register of 32 or 16 bits; the cursor is behind the memory operand.
    #[cold]
    fn is_narrow_lea(&self) -> bool {
        let name = self.name_text();
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
            return self.fail(
                Diagnostic::error(ErrorKind::Addressing, operand.span(), "no addressing form can express this")
                    .label(reason),
            );
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
