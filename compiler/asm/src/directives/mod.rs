//! Directives: which there are, and those that set symbols, mode and syntax.

mod data;
mod space;

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::lexer::{CLASS, WORD};
use crate::{Mode, Syntax};

pub(crate) use space::{bad_count, space_size};

/// Most bytes of a block.
pub(crate) const MAX_BLOCK: usize = 1 << 30;

/// What a directive does.
#[derive(Clone, Copy)]
enum Directive {
    /// Integers of so many bytes.
    Integers(u8),
    Octa,
    Strings {
        terminated: bool,
    },
    Skip,
    Fill,
    Nops,
    Align {
        power_of_two: bool,
    },
    /// `once`: the name must have no value yet.
    Set {
        once: bool,
    },
    Mode(Mode),
    Syntax(Syntax),
}

/// The directives by their names.
const DIRECTIVES: &[(&str, Directive)] = &[
    ("byte", Directive::Integers(1)),
    ("word", Directive::Integers(2)),
    ("short", Directive::Integers(2)),
    ("value", Directive::Integers(2)),
    ("hword", Directive::Integers(2)),
    ("2byte", Directive::Integers(2)),
    ("long", Directive::Integers(4)),
    ("int", Directive::Integers(4)),
    ("4byte", Directive::Integers(4)),
    ("quad", Directive::Integers(8)),
    ("8byte", Directive::Integers(8)),
    ("octa", Directive::Octa),
    ("ascii", Directive::Strings { terminated: false }),
    ("asciz", Directive::Strings { terminated: true }),
    ("string", Directive::Strings { terminated: true }),
    ("zero", Directive::Skip),
    ("skip", Directive::Skip),
    ("space", Directive::Skip),
    ("fill", Directive::Fill),
    ("nops", Directive::Nops),
    ("balign", Directive::Align { power_of_two: false }),
    ("align", Directive::Align { power_of_two: false }),
    ("p2align", Directive::Align { power_of_two: true }),
    ("set", Directive::Set { once: false }),
    ("equ", Directive::Set { once: false }),
    ("equiv", Directive::Set { once: true }),
    ("code16", Directive::Mode(Mode::Bits16)),
    ("code32", Directive::Mode(Mode::Bits32)),
    ("code64", Directive::Mode(Mode::Bits64)),
    ("intel_syntax", Directive::Syntax(Syntax::Intel)),
    ("att_syntax", Directive::Syntax(Syntax::Att)),
];

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

impl Assembler<'_> {
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
        self.cur.space();
        if self.out.len() > MAX_BLOCK {
            return self.fail(Diagnostic::error(ErrorKind::Limit, span, "the block is longer than 1 GiB"));
        }
        let name = self.str(start + 1, end);
        let Some((_, directive)) = DIRECTIVES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            return self.no_such_directive(start, end);
        };
        match *directive {
            Directive::Integers(width) => self.integers(width),
            Directive::Octa => self.octa(),
            Directive::Strings { terminated } => self.strings(terminated),
            Directive::Skip => self.skip(),
            Directive::Fill => self.fill_directive(),
            Directive::Nops => self.nops(),
            Directive::Align { power_of_two } => self.align(power_of_two),
            Directive::Set { once } => self.set(once),
            Directive::Mode(mode) => self.switch_mode(mode),
            Directive::Syntax(syntax) => self.switch_syntax(syntax),
        }
    }

    #[cold]
    fn no_such_directive(&mut self, start: usize, end: usize) -> Result<(), Failed> {
        let name = self.str(start + 1, end).to_ascii_lowercase();
        let senseless = SENSELESS.iter().find(|(names, _)| names.split(' ').any(|known| known == name));
        let diagnostic = match senseless {
            Some((_, why)) => {
                Diagnostic::error(ErrorKind::Directive, start..end, format!("`.{name}` makes no sense here"))
                    .label(*why)
            }
            None => {
                let known = DIRECTIVES.iter().map(|(known, _)| known);
                crate::explain::unknown_directive(&name, known, start..end)
            }
        };
        self.fail(diagnostic)
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
