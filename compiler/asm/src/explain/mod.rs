//! Messages about names, sizes and values. Nothing here runs for correct text.

mod misfit;
pub(crate) mod nearest;

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::mnemonics::nearest_mnemonics;
use crate::operand::Operand;
use crate::table::{self, Name};
use crate::{Mode, Syntax};
use nearest::nearest;
use std::ops::Range;

/// Unknown mnemonics of a block for which the nearest names are looked up.
const MAX_SEARCHES: usize = 20;

/// Why a mnemonic is out of reach, by `Name::special - 0x80`.
const UNSUPPORTED: [&str; 5] = ["APX", "AVX10.2", "one of the newest AMX extensions", "MOVRS", "USER_MSR"];

/// Mnemonics for which GNU as takes the default size without a word.
pub(crate) fn silent_default(name: &Name) -> bool {
    let text = name.text();
    matches!(&text[..], "movzx" | "movsx" | "lcall" | "ljmp" | "call" | "jmp")
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
        .filter(|name| table::named(name).is_some())
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

pub(crate) fn unknown_directive<'n>(
    name: &str,
    known: impl Iterator<Item = &'n &'n str>,
    span: Range<usize>,
) -> Diagnostic {
    let diagnostic = Diagnostic::error(ErrorKind::Directive, span.clone(), format!("there is no directive `.{name}`"));
    match nearest(name, known, 1).first() {
        Some(best) => diagnostic.help(format!("did you mean `.{best}`?")).fix(span, format!(".{best}")),
        None => diagnostic,
    }
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
        let span = self.name_span();
        let text = name.text();
        let modes: Vec<String> = [Mode::Bits16, Mode::Bits32, Mode::Bits64]
            .into_iter()
            .filter(|&mode| name.list(mode, self.syntax) != 0)
            .map(|mode| mode.bits().to_string())
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
