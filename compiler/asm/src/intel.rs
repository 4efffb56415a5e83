//! Operands in Intel syntax, as GNU as reads them under `.intel_syntax noprefix`.
//!
//! An operand is one expression (`intel_expression.rs`) in which registers, brackets, sizes and `offset` take part. Registers outside brackets with nothing else are register operands;
//! registers in brackets, a segment, a bracket at the very end, or a symbol without `offset` make memory; what is left is
//! an immediate, `[8]+4` too.

use crate::assembler::Assembler;
use crate::expression::Failed;
use crate::fixups;
use crate::intel_expression::{FLAT, Node, SymbolAt};
use crate::kinds;
use crate::operand::{IP_REG, Operand};
use crate::registers::Family;

impl Assembler<'_> {
    /// One operand, appended; `selector:offset` becomes two.
    pub(crate) fn intel_operand(&mut self) -> Result<(), Failed> {
        let start = self.cur.pos;
        // The commonest operand is a register alone.
        if let Some(register) = self.intel_register_ahead()? {
            let mut ahead = self.cur;
            ahead.space();
            if matches!(ahead.peek(), b',' | b'{') || ahead.at_end() || register.classes & kinds::ST != 0 {
                let operand = self.register_operand(register, start)?;
                self.push_operand(operand);
                return Ok(());
            }
            self.cur.pos = start;
        }
        let node = self.intel_expression(0, 0)?;
        let end = self.cur.pos;
        let mut operand = Operand { start: start as u32, end: end as u32, ..Operand::EMPTY };
        operand.size = node.size;
        if node.far {
            operand.flags |= Operand::FAR;
        }
        if node.near || node.short {
            operand.flags |= Operand::NEAR;
        }
        if let Some(selector) = node.selector {
            // Stored as the forms have it: offset, selector.
            let offset = self.immediate(node.value, start);
            let selector = self.immediate(selector, start);
            self.push_operand(offset);
            self.push_operand(selector);
            return Ok(());
        }
        let register = node.registers[0];
        if let Some((register, 0)) = register
            && node.is_bare_register()
            && node.segment == 0
        {
            let mut operand = self.register_operand(register, start)?;
            operand.end = operand.end.max(end as u32);
            self.push_operand(operand);
            return Ok(());
        }
        let symbolic = !node.value.is_constant();
        // Around a symbol's address brackets mean nothing.
        let bracket = !node.offset && self.str(start, end).trim_end().ends_with(']');
        let is_memory = register.is_some() || node.segment != 0 || bracket || node.symbol != SymbolAt::Nowhere;
        if is_memory && node.bare && node.registers[0].is_some() {
            return self.intel_misuse(start, "outside brackets a register cannot be part of an address");
        }
        if !is_memory && node.bracket && node.size != 0 {
            return self
                .intel_misuse(start, "only a bracket at the end makes memory of a number: write `[8+4]` for `[8]+4`");
        }
        if !is_memory {
            let mut operand = Operand { size: node.size, ..self.immediate(node.value, start) };
            if node.offset {
                operand.flags |= Operand::OFFSET;
            }
            // `jmp 0x1234`: whether it is a target shows when the instruction is known.
            self.push_operand(operand);
            return Ok(());
        }
        operand.value = self.wrap(node.value.constant);
        if symbolic {
            self.values.push(node.value);
            operand.expr = self.values.len() as u32;
        }
        if symbolic || node.value.constant != 0 {
            operand.flags |= Operand::DISP;
        }
        let inside = bracket || node.symbol == SymbolAt::InBrackets;
        if inside || node.segment != 0 || node.size != 0 || register.is_some() {
            operand.flags |= Operand::BRACKETS;
        }
        if node.far && register.is_none() && node.segment == 0 && node.symbol != SymbolAt::InBrackets {
            return self
                .intel_misuse(start, "a far target is `selector:offset`; `far ptr [...]` says where it is stored");
        }
        operand.seg = if node.segment == FLAT { 0 } else { node.segment };
        if operand.size != 0 {
            self.insn.decorated = true;
        }
        self.intel_address(&mut operand, &node, start)?;
        if node.broadcast {
            operand.bcast = u8::MAX;
        }
        if operand.classes & kinds::MEM_DX == 0 {
            self.classify_memory(&mut operand)?;
            if fixups::is_got(node.value.modifier) && self.insn.count != 0 {
                operand.classes &= !kinds::MOFFS;
            }
        }
        self.cur.space();
        if self.cur.peek() == b'{' {
            self.decorators(&mut operand)?;
        }
        self.push_operand(operand);
        Ok(())
    }

    /// Base, index and scale out of the registers.
    fn intel_address(&mut self, operand: &mut Operand, node: &Node, start: usize) -> Result<(), Failed> {
        let mut pair = node.registers;
        if pair.iter().flatten().any(|(register, scale)| register.bits == 16 && *scale != 0) {
            return self.not_an_address(start, "16-bit addresses have no scale");
        }
        // The register with a scale is the index; the first one is the base otherwise.
        if let (Some((_, first)), Some((_, second))) = (pair[0], pair[1]) {
            if first != 0 && second != 0 {
                return self.not_an_address(start, "only one register can be scaled");
            }
            if first != 0 {
                pair.swap(0, 1);
            }
        } else if let Some((register, scale)) = pair[0]
            && (scale != 0 || matches!(register.family, Family::Vector | Family::NoIndex))
        {
            pair = [None, pair[0]];
        }
        if let (Some((base, 0)), Some((index, 0))) = (pair[0], pair[1]) {
            // The stack pointer and vector registers have their places.
            let stack = index.family == Family::General && index.number == 4 && index.bits != 16 && !self.is_mib();
            if stack || matches!(base.family, Family::Vector | Family::NoIndex) {
                pair.swap(0, 1);
            }
        }
        if let Some((register, _)) = pair[0] {
            match register.family {
                Family::General if register.bits > 8 => {
                    operand.base = register.number;
                    operand.addr = register.bits;
                    if register.bits == 16 && register.number == 2 && pair[1].is_none() {
                        operand.classes = kinds::MEM_DX;
                        return Ok(());
                    }
                }
                Family::Instruction => {
                    operand.base = IP_REG;
                    operand.addr = register.bits;
                }
                Family::NoIndex => return self.not_an_address(start, "this can only be an index"),
                _ => return self.not_an_address(start, "a base is a general register of 16, 32 or 64 bits, or rip"),
            }
        }
        if let Some((register, scale)) = pair[1] {
            self.set_index(operand, register, start)?;
            self.set_scale(operand, i64::from(scale.max(1)), start)?;
        }
        Ok(())
    }

    /// Whether base and index of the instruction's memory operand mean different things (SDM volume 2, BNDLDX).
    fn is_mib(&self) -> bool {
        let name = self.name_text();
        ["bndmk", "bndldx", "bndstx"].iter().any(|mib| name.eq_ignore_ascii_case(mib))
    }
}
