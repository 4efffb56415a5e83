//! Operands that no form of an instruction takes: which one, and what would have fitted.

use crate::Syntax;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::{Encoding, Form};
use crate::kinds::{self, KINDS, Slot};
use crate::operand::{NO_REG, Operand};
use crate::prefixes::hint;
use crate::table::{List, Name};
use std::ops::Range;

impl Assembler<'_> {
    /// No form takes the operands: says what is wrong.
    #[cold]
    pub(crate) fn no_match(&mut self, name: &'static Name, list: &'static List) -> Result<(), Failed> {
        let text = name.text();
        let count = self.insn.count - usize::from(name.immediate >= 0);
        let forms: Vec<&'static Form> = list.forms().iter().map(|&candidate| candidate.form()).collect();
        let implied = usize::from(name.immediate >= 0);
        let same_count: Vec<&&Form> =
            forms.iter().filter(|form| form.ops.iter().take_while(|&&op| op != 0).count() == count + implied).collect();
        let mut texts: Vec<String> = Vec::new();
        for form in if same_count.is_empty() { forms.iter().collect() } else { same_count.clone() } {
            let form = format!("{text} {}", form_text(form, self.syntax)).trim_end().to_string();
            if !texts.contains(&form) {
                texts.push(form);
            }
        }
        let more = texts.len().saturating_sub(8);
        texts.truncate(8);
        let mut note =
            format!("forms: {}", texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "));
        if more > 0 {
            note.push_str(&format!(" and {more} more"));
        }
        let name_span = self.name_span();
        if same_count.is_empty() {
            let span = if count == 0 { name_span } else { self.operands_span() };
            return self.fail(
                Diagnostic::error(
                    ErrorKind::OperandCount,
                    span,
                    format!("`{text}` does not take {count} operand{}", if count == 1 { "" } else { "s" }),
                )
                .label("wrong number of operands")
                .note(note),
            );
        }
        let diagnostic = self.misfit(&text, &same_count, count).note(note);
        self.fail(diagnostic)
    }

    fn operands_span(&self) -> Range<usize> {
        let ops = &self.insn.ops[..self.insn.count.max(1)];
        let start = ops.iter().filter(|op| op.end != 0).map(|op| op.start).min().unwrap_or(self.insn.name.start);
        let end = ops.iter().map(|op| op.end).max().unwrap_or(self.insn.name.end);
        start as usize..end.max(start) as usize
    }

    /// The operand that no form takes, or the combination.
    fn misfit(&self, text: &str, forms: &[&&Form], count: usize) -> Diagnostic {
        let ops = &self.insn.ops[..count];
        let fits = |form: &Form, i: usize| KINDS[form.ops[i] as usize].classes & ops[i].classes != 0;
        for (i, op) in ops.iter().enumerate() {
            if forms.iter().any(|form| fits(form, i)) {
                continue;
            }
            let wants_immediate = forms.iter().any(|form| KINDS[form.ops[i] as usize].classes & kinds::IMM != 0);
            if op.is_immediate() && wants_immediate {
                return range_error(op, text);
            }
            return Diagnostic::error(
                ErrorKind::OperandForm,
                op.span(),
                format!("no form of `{text}` takes this operand here"),
            )
            .label(describe(op));
        }
        let full: Vec<&&&Form> = forms.iter().filter(|form| (0..count).all(|i| fits(form, i))).collect();
        if !full.is_empty() {
            return self.decoration(text, &full);
        }
        for (i, op) in ops.iter().enumerate() {
            let others = forms.iter().any(|form| (0..count).all(|j| j == i || fits(form, j)));
            if others
                && op.is_immediate()
                && forms.iter().any(|form| {
                    (0..count).all(|j| j == i || fits(form, j)) && KINDS[form.ops[i] as usize].classes & kinds::IMM != 0
                })
            {
                return range_error(op, text);
            }
        }
        for (i, op) in ops.iter().enumerate() {
            if forms.iter().any(|form| (0..count).all(|j| j == i || fits(form, j))) {
                let wide = ops
                    .iter()
                    .enumerate()
                    .any(|(j, other)| j != i && op.bits != 0 && other.bits != 0 && other.bits != op.bits);
                let label = if wide { "its width differs from the other operand's".to_string() } else { describe(op) };
                return Diagnostic::error(
                    ErrorKind::OperandForm,
                    op.span(),
                    format!("this operand of `{text}` does not go with the others"),
                )
                .label(label);
            }
        }
        Diagnostic::error(
            ErrorKind::OperandForm,
            self.operands_span(),
            format!("no form of `{text}` takes these operands together"),
        )
        .label("no such combination")
    }

    /// The operands fit, but a decorator, a size or a pseudo-prefix does not.
    fn decoration(&self, text: &str, forms: &[&&&Form]) -> Diagnostic {
        let insn = &self.insn;
        let evex = forms.iter().any(|form| form.enc == Encoding::Evex);
        let span = self.statement_span();
        let high = insn.ops[..insn.count].iter().find(|op| op.reg >= 16 || (op.index != NO_REG && op.index >= 16));
        if let Some(op) = high.filter(|_| !evex) {
            return Diagnostic::error(ErrorKind::OperandForm, op.span(), "registers 16 to 31 need an AVX-512 form")
                .label(format!("`{text}` has none"));
        }
        if insn.mask != 0 || insn.zero || insn.rounding != 0 || insn.ops[..insn.count].iter().any(|op| op.bcast != 0) {
            let message = if evex {
                format!("`{text}` does not take this mask, zeroing, broadcast or rounding with these operands")
            } else {
                format!("`{text}` has no AVX-512 form with these operands, so it takes no decorator")
            };
            return Diagnostic::error(ErrorKind::Decorator, span, message).label("decorator does not fit");
        }
        if insn.ops[..insn.count].iter().any(|op| op.is_memory() && op.size != 0) {
            return Diagnostic::error(
                ErrorKind::OperandForm,
                span,
                format!("`{text}` does not take memory of this size"),
            )
            .label("size does not fit");
        }
        if forms.iter().all(|form| form.flags & Form::NEED_MASK != 0) {
            return Diagnostic::error(ErrorKind::Decorator, span, format!("`{text}` needs a write mask"))
                .label("{%k1} to {%k7} is missing");
        }
        if forms.iter().all(|form| form.flags & Form::WANT_VEX != 0) {
            return Diagnostic::error(
                ErrorKind::Prefix,
                span,
                format!("`{text}` has these operands in its VEX form only"),
            )
            .help("write `{vex}` before it");
        }
        if insn.hints & hint::EVEX != 0 {
            return Diagnostic::error(
                ErrorKind::Prefix,
                span,
                format!("`{text}` needs an AVX-512 form for `{{evex}}` and has none with these operands"),
            )
            .label("no EVEX encoding");
        }
        Diagnostic::error(ErrorKind::Prefix, span, format!("`{text}` has no form that the pseudo-prefix asks for"))
            .label("no such encoding")
    }
}

fn range_error(op: &Operand, text: &str) -> Diagnostic {
    let message = if op.expr != 0 {
        format!("this operand of `{text}` must be a constant known here")
    } else {
        format!("the immediate {:#x} does not fit `{text}` here", op.value)
    };
    Diagnostic::error(ErrorKind::ImmediateRange, op.span(), message)
        .label("out of range")
        .note("an immediate of 64-bit operands is sign-extended from 32 bits: -0x80000000 to 0x7fffffff; only `mov` to a register takes 64")
}

fn describe(op: &Operand) -> String {
    if op.is_memory() {
        "memory".to_string()
    } else if op.is_immediate() {
        "an immediate".to_string()
    } else if op.bits != 0 {
        format!("a {}-bit register", op.bits)
    } else if op.classes & kinds::REL != 0 {
        "a branch target".to_string()
    } else {
        "a register".to_string()
    }
}

/// A form's operands as text, in the order of the syntax.
fn form_text(form: &Form, syntax: Syntax) -> String {
    let mut parts: Vec<String> = form.ops.iter().take_while(|&&op| op != 0).map(|&op| kind_text(op, form)).collect();
    if syntax == Syntax::Att {
        parts.reverse();
    }
    parts.join(", ")
}

/// What an operand kind takes, in words.
fn kind_text(op: u8, form: &Form) -> String {
    const WORDS: [(kinds::Classes, &str); 29] = [
        (kinds::R8, "r8"),
        (kinds::R16, "r16"),
        (kinds::R32, "r32"),
        (kinds::R64, "r64"),
        (kinds::MM, "mm"),
        (kinds::XMM, "xmm"),
        (kinds::YMM, "ymm"),
        (kinds::ZMM, "zmm"),
        (kinds::K, "k"),
        (kinds::BND, "bnd"),
        (kinds::CR, "cr"),
        (kinds::DR, "dr"),
        (kinds::TR, "tr"),
        (kinds::SREG, "segment register"),
        (kinds::TMM, "tmm"),
        (kinds::ST, "st(i)"),
        (kinds::AL, "al"),
        (kinds::CL, "cl"),
        (kinds::AX, "ax"),
        (kinds::DX, "dx"),
        (kinds::EAX, "eax"),
        (kinds::RAX, "rax"),
        (kinds::XMM0, "xmm0"),
        (kinds::ST0, "st"),
        (kinds::CS, "cs"),
        (kinds::DS, "ds"),
        (kinds::ES, "es"),
        (kinds::FS, "fs"),
        (kinds::GS, "gs"),
    ];
    let kind = &KINDS[op as usize];
    let mut parts: Vec<String> =
        WORDS.iter().filter(|(class, _)| kind.classes & class != 0).map(|(_, word)| (*word).to_string()).collect();
    if kind.classes & kinds::ANY_MEM != 0 {
        parts.push(match form.mem {
            0 | Form::UNSIZED => "memory".to_string(),
            bytes => format!("m{}", u32::from(bytes) * 8),
        });
    }
    if let Slot::Imm(width) = kind.slot {
        parts.push(format!("imm{}", u32::from(width) * 8));
    } else if kind.classes & kinds::IMM != 0 {
        parts.push(
            if kind.classes & kinds::ONE != 0 {
                "1"
            } else if kind.classes & kinds::THREE != 0 {
                "3"
            } else {
                "imm"
            }
            .to_string(),
        );
    }
    if kind.classes & kinds::REL != 0 {
        parts.push("target".to_string());
    }
    parts.join("/")
}
