//! What cannot be encoded although the operands fit: prefixes that the instruction does not take, registers that must
//! differ, addresses that contradict each other.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::{Encoding, Form};
use crate::kinds::{self, KINDS, Slot, TMM, VSIBX, VSIBY, VSIBZ};
use crate::operand::Operand;
use crate::prefixes::{BND, REP, REPNE, SEGMENT_BYTES, XACQUIRE, XRELEASE};
use crate::registers::Register;

/// Instructions beside the string ones that GNU as takes behind `rep`: a two-byte `ret`, `pause`, VIA PadLock.
fn rep_is_harmless(form: &Form) -> bool {
    match form.map {
        0 => {
            matches!(form.opcode, 0x90 | 0xc2 | 0xc3)
                && matches!(KINDS[form.ops[0] as usize].slot, Slot::Implied | Slot::Imm(_))
        }
        // bsf and bsr behind F3 are tzcnt and lzcnt, which is how old assemblers were made to write them.
        1 => matches!(form.opcode, 0xa6 | 0xa7 | 0xbc | 0xbd),
        _ => false,
    }
}

impl Assembler<'_> {
    /// Checks that the instruction can carry the prefix words before it.
    pub(crate) fn check_prefixes(
        &mut self,
        form: &'static Form,
        mandatory: u8,
        need_data: bool,
        need_address: bool,
    ) -> Result<(), Failed> {
        let prefixes = self.insn.prefixes;
        let memory_destination = self.insn.ops[..self.insn.count].iter().any(Operand::is_memory);
        let hle = matches!(prefixes.rep_word, XACQUIRE | XRELEASE);
        let hle_alone = form.flags & Form::HLE_NOLOCK != 0;
        let code_string = form.map == 0 && matches!(form.opcode, 0x6c..=0x6f | 0xa4..=0xa7 | 0xaa..=0xaf);
        let clash = |i: usize| {
            let segment = self.insn.ops[i].seg;
            segment != 0
                && SEGMENT_BYTES[segment as usize - 1] != prefixes.segment
                && !self.is_default_segment(i, segment)
        };
        let problem = if prefixes.segment != 0 && (0..self.insn.count).any(clash) {
            "the operand has another segment already"
        } else if (prefixes.segment != 0 || prefixes.address) && crate::far::is_far_pointer(form) {
            "a direct branch reads no memory"
        } else if prefixes.address
            && self.insn.ops[..self.insn.count].iter().any(|op| op.is_memory() && op.addr != 0 && !need_address)
        {
            "the registers of the address have the mode's own width"
        } else if hle && !prefixes.lock && !hle_alone {
            "`lock` is missing beside it"
        } else if hle
            && (form.flags & if prefixes.rep_word == XACQUIRE { Form::XACQUIRE } else { Form::XRELEASE } == 0
                || !memory_destination)
        {
            "not an instruction for lock elision"
        } else if prefixes.rep_word == BND && form.flags & Form::BND == 0 {
            "`bnd` belongs to branches"
        } else if prefixes.notrack && form.flags & Form::NOTRACK == 0 {
            "`notrack` belongs to indirect branches"
        } else if matches!(prefixes.rep_word, REP | REPNE) && !(code_string || rep_is_harmless(form)) {
            "`rep` belongs to string instructions"
        } else if prefixes.lock && !(form.flags & Form::LOCK != 0 && memory_destination) {
            "`lock` needs a lockable instruction with a memory destination"
        } else if prefixes.rep != 0 && mandatory > 0x66 && !(prefixes.rep == mandatory && rep_is_harmless(form)) {
            "the opcode contains a prefix of this kind already"
        } else if prefixes.data && (need_data || mandatory == 0x66) {
            "the operand size brings the 66 prefix already"
        } else if prefixes.data
            && self.insn.ops[..self.insn.count]
                .iter()
                .any(|op| op.classes & (kinds::MM | kinds::XMM | kinds::YMM | kinds::ZMM | kinds::BND) != 0)
        {
            "vector instructions take no such prefix"
        } else if form.enc >= Encoding::Vex
            && (prefixes.lock || prefixes.rep != 0 || prefixes.data || prefixes.rex != 0)
        {
            "VEX, XOP and EVEX instructions take no such prefix"
        } else {
            ""
        };
        if problem.is_empty() {
            return Ok(());
        }
        let span = self.prefix_span();
        self.fail(Diagnostic::error(ErrorKind::Prefix, span, "the instruction cannot carry this prefix").label(problem))
    }

    /// Registers that the CPU wants distinct (SDM volume 2: gathers, complex FP16 multiplication, AMX tiles).
    #[cold]
    pub(crate) fn check_distinct(&mut self, form: &'static Form) -> Result<(), Failed> {
        let ops = &self.insn.ops[..self.insn.count];
        let registers: Vec<u8> =
            ops.iter().filter(|op| !op.is_memory() && !op.is_immediate()).map(|op| op.reg).collect();
        let vector_index = ops.iter().find(|op| op.classes & (VSIBX | VSIBY | VSIBZ) != 0).map(|op| op.index);
        if let Some(index) = vector_index {
            let masked = self.insn.mask != 0;
            let clash = registers.contains(&index) || !masked && registers.len() == 2 && registers[0] == registers[1];
            if clash && form.flags & Form::GATHER != 0 {
                let span = self.statement_span();
                self.report(Diagnostic::warning(
                    ErrorKind::Unencodable,
                    span,
                    "the mask, index and destination of a gather should be distinct registers",
                ));
            }
            return Ok(());
        }
        let tiles = ops.iter().all(|op| op.classes & TMM != 0);
        let clash =
            registers[1..].contains(&registers[0]) || tiles && registers.len() == 3 && registers[1] == registers[2];
        if !clash {
            return Ok(());
        }
        let span = self.statement_span();
        self.fail(
            Diagnostic::error(ErrorKind::Unencodable, span, "the CPU wants distinct registers here").label(if tiles {
                "all three tiles must differ"
            } else {
                "the destination must differ from the sources"
            }),
        )
    }

    #[cold]
    pub(crate) fn high_byte_with_rex<T>(&mut self) -> Result<T, Failed> {
        let span = self.insn.ops[..self.insn.count]
            .iter()
            .find(|op| op.reg_flags & Register::HIGH != 0)
            .map_or(self.statement_span(), Operand::span);
        self.fail(
            Diagnostic::error(
                ErrorKind::Unencodable,
                span,
                "%ah, %ch, %dh and %bh cannot be used in an instruction with a REX prefix",
            )
            .label("beside a REX prefix this number means another register")
            .note("a REX prefix comes from 64-bit operand size, %r8 to %r15, %spl, %bpl, %sil or %dil"),
        )
    }

    #[cold]
    pub(crate) fn string_destination_segment<T>(&mut self, i: usize) -> Result<T, Failed> {
        let span = self.insn.ops[i].span();
        self.fail(
            Diagnostic::error(ErrorKind::Addressing, span, "the destination of a string instruction is in %es")
                .label("only %es"),
        )
    }

    #[cold]
    pub(crate) fn string_address_mismatch<T>(&mut self) -> Result<T, Failed> {
        let span = self.statement_span();
        self.fail(Diagnostic::error(
            ErrorKind::Addressing,
            span,
            "both addresses of a string instruction must have the same width",
        ))
    }

    #[cold]
    pub(crate) fn register_address_mismatch<T>(&mut self) -> Result<T, Failed> {
        let span = self.statement_span();
        self.fail(Diagnostic::error(
            ErrorKind::Addressing,
            span,
            "the register operand is an address and must be as wide as the memory operand's address",
        ))
    }
}
