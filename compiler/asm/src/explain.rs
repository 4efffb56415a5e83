//! Messages: what would have fitted, and what the nearest name is. Nothing here runs for correct text.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::form::Form;
use crate::kinds::{self, KINDS, Slot};
use crate::operand::Operand;
use crate::table::{self, List, NAMES, Name};
use crate::{ItemKind, Mode, Syntax};
use std::ops::Range;

/// Unknown mnemonics of a block for which the nearest names are looked up.
const MAX_SEARCHES: usize = 20;

/// Why a mnemonic is out of reach, by `Name::special - 0x80`.
const UNSUPPORTED: [&str; 5] = ["APX", "AVX10.2", "one of the newest AMX extensions", "MOVRS", "USER_MSR"];

/// Mnemonics for which GNU as takes the default size without a word.
pub(crate) fn silent_default(name: &Name) -> bool {
    let text = name.text();
    matches!(&text[..], "movzx" | "lcall" | "ljmp" | "call" | "jmp")
        || text == "movsx"
        || text.starts_with("cvtsi2s")
        || text.starts_with("vcvtsi2s")
        || text.starts_with("vcvtusi2s")
}

pub(crate) fn default_size(name: &str, mode: Mode, span: Range<usize>) -> Diagnostic {
    let letter = if mode == Mode::Bits16 { "w" } else { "l" };
    Diagnostic::warning(
        ErrorKind::AmbiguousSize,
        span.clone(),
        format!("no operand settles the size of `{name}`; GNU as takes `{name}{letter}`"),
    )
    .label("no size letter and no register operand")
    .fix(span, format!("{name}{letter}"))
}

pub(crate) fn ambiguous_size(name: &Name, syntax: Syntax, span: Range<usize>) -> Diagnostic {
    let text = name.text();
    let diagnostic =
        Diagnostic::error(ErrorKind::AmbiguousSize, span, format!("no operand settles the size of `{text}`"))
            .label("the size is open");
    match syntax {
        Syntax::Att => {
            diagnostic.help(format!("write the size behind the mnemonic: {}", sized_spellings(&text).join(", ")))
        }
        Syntax::Intel => diagnostic
            .help("write the size before the memory operand: `byte ptr`, `word ptr`, `dword ptr`, `qword ptr`"),
    }
}

fn sized_spellings(text: &str) -> Vec<String> {
    ["b", "w", "l", "q", "s", "t", "x", "y", "z"]
        .iter()
        .map(|letter| format!("{text}{letter}"))
        .filter(|name| table::key(name).and_then(|key| table::lookup(&key)).is_some())
        .map(|name| format!("`{name}`"))
        .collect()
}

pub(crate) fn unknown_register(name: &str, mode: Mode, span: Range<usize>) -> Diagnostic {
    let bare = name.trim_start_matches('%');
    let mut diagnostic =
        Diagnostic::error(ErrorKind::UnknownRegister, span.clone(), format!("there is no register `{name}`"));
    let names = crate::registers::register_names(mode);
    if let Some(best) = nearest(bare, names.iter(), 1).first() {
        let text = if name.starts_with('%') { format!("%{best}") } else { best.clone() };
        diagnostic = diagnostic.help(format!("did you mean `{text}`?")).fix(span, text);
    }
    diagnostic
}

pub(crate) fn unknown_directive(name: &str, span: Range<usize>) -> Diagnostic {
    const KNOWN: [&str; 29] = [
        "byte",
        "word",
        "short",
        "value",
        "hword",
        "long",
        "int",
        "quad",
        "octa",
        "ascii",
        "asciz",
        "string",
        "zero",
        "skip",
        "space",
        "fill",
        "nops",
        "balign",
        "align",
        "p2align",
        "set",
        "equ",
        "code16",
        "code32",
        "code64",
        "intel_syntax",
        "att_syntax",
        "2byte",
        "4byte",
    ];
    let diagnostic = Diagnostic::error(ErrorKind::Directive, span.clone(), format!("there is no directive `.{name}`"));
    match nearest(name, KNOWN.iter().copied(), 1).first() {
        Some(best) => diagnostic.help(format!("did you mean `.{best}`?")).fix(span, format!(".{best}")),
        None => diagnostic,
    }
}

/// The names of `all` that are nearest to `name`, best first.
pub(crate) fn nearest<N: AsRef<[u8]>>(name: &str, all: impl Iterator<Item = N>, count: usize) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let lower = lower.as_bytes();
    if lower.len() > LONGEST {
        return Vec::new();
    }
    let limit = (lower.len() / 3).clamp(1, 3);
    let wanted = characters(lower);
    let mut found: Vec<(usize, bool, String)> = Vec::new();
    for other in all {
        let other = other.as_ref();
        if other.len().abs_diff(lower.len()) > limit || other.len() > LONGEST {
            continue;
        }
        // A character that only one of them has takes an edit, so most names need no closer look.
        let present = characters(other);
        if (wanted & !present).count_ones().max((present & !wanted).count_ones()) as usize > limit {
            continue;
        }
        let distance = distance(lower, other, limit);
        if distance <= limit {
            // Of equal distance, a name that starts the same is the better guess.
            found.push((distance, other.first() != lower.first(), String::from_utf8_lossy(other).into_owned()));
        }
    }
    found.sort();
    found.truncate(count);
    found.into_iter().map(|(_, _, other)| other).collect()
}

/// Longest name that has near ones.
const LONGEST: usize = 32;

/// The characters of a name as a set; some share a bit.
fn characters(name: &[u8]) -> u64 {
    name.iter().fold(0, |set, byte| set | 1 << (byte & 63))
}

/// Edit distance with transpositions (optimal string alignment), or something above `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> usize {
    let mut before = [0u8; LONGEST + 1];
    let mut last: [u8; LONGEST + 1] = std::array::from_fn(|j| j as u8);
    for i in 1..=a.len() {
        let mut row = [0u8; LONGEST + 1];
        row[0] = i as u8;
        for j in 1..=b.len() {
            let cost = u8::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + cost).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        // A transposition reaches back two rows.
        let least = |row: &[u8]| row.iter().min().is_none_or(|&least| usize::from(least) > limit);
        if least(&row[..=b.len()]) && least(&last[..=b.len()]) {
            return limit + 1;
        }
        before = last;
        last = row;
    }
    usize::from(last[b.len()])
}

/// Whether `name` is a mnemonic (or, with its operands open, may be one) in this mode and syntax.
///
/// ```
/// use pvc_asm::{Mode, Syntax, is_mnemonic};
/// assert!(is_mnemonic("pushfq", Mode::Bits64, Syntax::Att));
/// assert!(!is_mnemonic("pushfq", Mode::Bits32, Syntax::Att));
/// ```
pub fn is_mnemonic(name: &str, mode: Mode, syntax: Syntax) -> bool {
    table::key(name).and_then(|key| table::lookup(&key)).is_some_and(|name| name.lists[column(mode, syntax)] != 0)
}

/// Every mnemonic of this mode and syntax, sorted.
///
/// ```
/// use pvc_asm::{Mode, Syntax, mnemonics};
/// assert!(mnemonics(Mode::Bits64, Syntax::Att).iter().any(|name| name == "movabsq"));
/// ```
pub fn mnemonics(mode: Mode, syntax: Syntax) -> Vec<String> {
    NAMES.iter().filter(|name| name.lists[column(mode, syntax)] != 0).map(Name::text).collect()
}

/// The mnemonics of this mode and syntax nearest to `name`, best first; at most `count`.
///
/// ```
/// use pvc_asm::{Mode, Syntax, nearest_mnemonics};
/// assert_eq!(nearest_mnemonics("psuhf", Mode::Bits64, Syntax::Att, 1), ["pushf"]);
/// ```
pub fn nearest_mnemonics(name: &str, mode: Mode, syntax: Syntax, count: usize) -> Vec<String> {
    let column = column(mode, syntax);
    nearest(name, NAMES.iter().filter(|name| name.lists[column] != 0).map(Name::bytes), count)
}

fn column(mode: Mode, syntax: Syntax) -> usize {
    let mode = match mode {
        Mode::Bits16 => 0,
        Mode::Bits32 => 1,
        Mode::Bits64 => 2,
    };
    mode + if syntax == Syntax::Att { 0 } else { 3 }
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

impl Assembler<'_> {
    #[cold]
    pub(crate) fn unknown_mnemonic(&mut self, start: usize, end: usize) -> Result<(), Failed> {
        let name = self.str(start, end);
        let mut diagnostic =
            Diagnostic::error(ErrorKind::UnknownMnemonic, start..end, format!("there is no instruction `{name}`"))
                .label("unknown mnemonic");
        // A search through all names is worth it for a few mistakes, not for a text in another language.
        let near = if self.errors < MAX_SEARCHES && !self.brief {
            nearest_mnemonics(name, self.mode, self.syntax, 3)
        } else {
            Vec::new()
        };
        if let Some(best) = near.first() {
            let list: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
            diagnostic = diagnostic.help(format!("near: {}", list.join(", "))).fix(start..end, best.clone());
        }
        self.fail(diagnostic)
    }

    #[cold]
    pub(crate) fn unsupported(&mut self, special: u8, start: usize, end: usize) -> Result<(), Failed> {
        let name = self.str(start, end);
        let what = UNSUPPORTED[(special & 0x7f) as usize];
        self.fail(
            Diagnostic::error(
                ErrorKind::Unsupported,
                start..end,
                format!("`{name}` is not supported: it is {what}, which iced-x86 cannot encode"),
            )
            .label("known, but out of reach")
            .help("write its bytes with `.byte`"),
        )
    }

    #[cold]
    pub(crate) fn not_in_this_mode(&mut self, name: &'static Name) -> Result<(), Failed> {
        let span = self.insn.name.start as usize..self.insn.name.end as usize;
        let text = name.text();
        let base = if self.syntax == Syntax::Att { 0 } else { 3 };
        let modes: Vec<&str> = [(0, "16"), (1, "32"), (2, "64")]
            .iter()
            .filter(|(mode, _)| name.lists[base + mode] != 0)
            .map(|(_, bits)| *bits)
            .collect();
        let diagnostic = if modes.is_empty() {
            let other = if self.syntax == Syntax::Att { "Intel" } else { "AT&T" };
            let diagnostic = Diagnostic::error(
                ErrorKind::UnknownMnemonic,
                span.clone(),
                format!("there is no instruction `{text}` in this syntax"),
            )
            .label(format!("a name of {other} syntax"));
            let near = if self.brief { Vec::new() } else { nearest_mnemonics(&text, self.mode, self.syntax, 1) };
            match near.first() {
                Some(best) => diagnostic.help(format!("near: `{best}`")),
                None => diagnostic,
            }
        } else {
            Diagnostic::error(ErrorKind::WrongMode, span, format!("`{text}` needs {}-bit mode", modes.join("- or ")))
                .label(format!("not in {}-bit mode", self.mode.bits()))
        };
        self.fail(diagnostic)
    }

    /// Prefix words with nothing behind them are bytes of their own.
    #[cold]
    pub(crate) fn bare_prefixes(&mut self) -> Result<(), Failed> {
        let offset = self.out.len();
        let prefixes = self.insn.prefixes;
        for (on, byte) in [
            (prefixes.segment != 0, prefixes.segment),
            (prefixes.address, 0x67),
            (prefixes.data, 0x66),
            (prefixes.rep != 0, prefixes.rep),
            (prefixes.lock, 0xf0),
            (prefixes.rex != 0, prefixes.rex),
        ] {
            if on {
                self.out.push(byte);
            }
        }
        self.item(offset, self.insn.start, ItemKind::Instruction);
        Ok(())
    }

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
        let name_span = self.insn.name.start as usize..self.insn.name.end as usize;
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
        let evex = forms.iter().any(|form| form.enc == crate::form::Encoding::Evex);
        let span = self.statement_span();
        let high = insn.ops[..insn.count]
            .iter()
            .find(|op| op.reg >= 16 || (op.index != crate::operand::NO_REG && op.index >= 16));
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
        if insn.hints & crate::prefixes::hint::EVEX != 0 {
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

    /// GNU as cuts a value down to its field and warns if more than a sign is lost.
    #[cold]
    pub(crate) fn shortened(&mut self, op: &Operand, width: u8) {
        let kept = op.value & ((1i64 << (u32::from(width) * 8)) - 1);
        let what = if op.is_memory() { "displacement" } else { "immediate" };
        self.report(
            Diagnostic::warning(
                ErrorKind::ImmediateRange,
                op.span(),
                format!("{what} {:#x} shortened to {kept:#x}", op.value),
            )
            .label(format!("the field holds {} bits", u32::from(width) * 8)),
        );
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
