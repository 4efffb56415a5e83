//! One statement: prefixes, mnemonic, and what hangs on it; or a label, an assignment or a directive.

use crate::Syntax;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::lexer::{CLASS, DIGIT, WORD};
use crate::prefixes::{Prefixes, hint};
use crate::table::{self, List, Name};
use std::ops::Range;

impl<'t> Assembler<'t> {
    /// One statement with its separator.
    pub(crate) fn statement(&mut self) -> Result<(), Failed> {
        self.cur.space();
        let byte = self.cur.peek();
        // A `/` at the start of a statement makes a comment of the rest of the line, too.
        if self.cur.at_end() || byte == b'/' {
            if matches!(byte, b'#' | b'/') {
                while self.cur.pos < self.cur.text.len() && self.cur.peek() != b'\n' {
                    self.cur.pos += 1;
                }
            }
            self.cur.pos += 1;
            return Ok(());
        }
        let insn = &mut self.insn;
        insn.prefixes = Prefixes::default();
        insn.hints = 0;
        insn.mask = 0;
        insn.zero = false;
        insn.rounding = 0;
        insn.decorated = false;
        insn.immediates = false;
        insn.count = 0;
        insn.start = self.cur.pos as u32;
        loop {
            let start = self.cur.pos;
            let byte = self.cur.peek();
            if byte == b'{' {
                self.pseudo_prefix()?;
                self.cur.space();
                if self.cur.at_end() {
                    let span = start..self.cur.pos;
                    return self.fail(Diagnostic::error(
                        ErrorKind::Prefix,
                        span,
                        "a pseudo-prefix needs an instruction behind it",
                    ));
                }
                continue;
            }
            if CLASS[byte as usize] & WORD == 0 {
                if byte == b'"' {
                    return self.quoted_label();
                }
                let mut end = start + 1;
                while end < self.cur.text.len() && !self.source.is_char_boundary(end) {
                    end += 1;
                }
                return self.fail(
                    Diagnostic::error(ErrorKind::Syntax, start..end, "a statement cannot start like this")
                        .label("expected an instruction, a directive or a label"),
                );
            }
            let key = self.cur.word_key();
            let end = self.cur.pos;
            let next = self.cur.peek();
            if next == b':'
                || next == b'='
                || next <= b' '
                    && matches!(self.cur.peek_at(1), b' ' | b'\t' | b':' | b'=' | b'/')
                    && self.label_ahead()
            {
                return self.label_or_assignment(start, end);
            }
            if byte == b'.' {
                return self.directive(start, end);
            }
            if CLASS[byte as usize] & DIGIT != 0 {
                return self.fail(
                    Diagnostic::error(ErrorKind::Syntax, start..end, "a statement cannot start with a number")
                        .label("missing `:`?"),
                );
            }
            let Some(name) = key.and_then(|key| table::lookup(&key)) else {
                return self.dotted_mnemonic(start, end);
            };
            if name.special != 0 {
                if name.special >= 0x80 {
                    return self.unsupported(name.special, start, end);
                }
                self.prefix_word(name.special, start)?;
                // `lock/incl`: an old separator.
                if self.cur.peek() == b'/' && self.cur.peek_at(1) != b'*' {
                    self.cur.pos += 1;
                }
                self.cur.space();
                if self.cur.at_end() || self.cur.peek() == b'#' {
                    return self.bare_prefixes();
                }
                continue;
            }
            self.insn.name = start as u32..end as u32;
            return self.instruction(name);
        }
    }

    fn instruction(&mut self, name: &'static Name) -> Result<(), Failed> {
        let list = name.list(self.mode, self.syntax);
        if list == 0 {
            return self.not_in_this_mode(name);
        }
        if self.cur.peek() == b',' && List::at(list).flags & table::List::BRANCH != 0 {
            self.branch_hint()?;
        }
        if self.cur.peek() == b'-' {
            return self.hyphenated_mnemonic(name, list);
        }
        self.cur.space();
        let mut list = list;
        if !self.cur.at_end() {
            self.operands()?;
            if self.syntax == Syntax::Intel {
                list = self.intel_list(name, list);
            }
        }
        self.select(name, list)
    }

    /// `,pt` and `,pn` behind a conditional jump: a branch hint.
    #[cold]
    fn branch_hint(&mut self) -> Result<(), Failed> {
        let start = self.cur.pos;
        self.cur.pos += 1;
        let word = self.cur.word();
        let byte = match word {
            b"pt" => 0x3e,
            b"pn" => 0x2e,
            _ => 0,
        };
        if byte == 0 || self.insn.prefixes.segment != 0 {
            let span = start..self.cur.pos;
            return self.fail(
                Diagnostic::error(ErrorKind::Syntax, span, "expected an operand")
                    .note("branch hints are `,pt` and `,pn`"),
            );
        }
        self.insn.prefixes.segment = byte;
        self.insn.prefixes.any = true;
        Ok(())
    }

    /// `mov.s`, `mov.d32`: old spellings of the pseudo-prefixes.
    #[cold]
    fn dotted_mnemonic(&mut self, start: usize, end: usize) -> Result<(), Failed> {
        let text = self.str(start, end);
        if self.cur.peek() == b'-' {
            // `xcrypt-ecb`
            self.cur.pos += 1;
            self.cur.word();
            let joined = text.to_owned() + self.str(end + 1, self.cur.pos);
            if let Some(name) = table::named(&joined).filter(|name| name.special == 0) {
                self.insn.name = start as u32..self.cur.pos as u32;
                return self.instruction(name);
            }
            self.cur.pos = end;
        }
        for (tail, bits) in [(".s", hint::SWAP), (".d8", hint::DISP8), (".d16", hint::DISP16), (".d32", hint::DISP32)] {
            let Some(stem) = text.strip_suffix(tail) else { continue };
            if let Some(name) = table::named(stem).filter(|name| name.special == 0) {
                self.insn.hints |= bits;
                self.insn.name = start as u32..end as u32;
                return self.instruction(name);
            }
        }
        self.unknown_mnemonic(start, end)
    }

    /// `xstore-rng`, `xcrypt-ecb`: VIA's own spelling of what is one word elsewhere.
    #[cold]
    fn hyphenated_mnemonic(&mut self, name: &'static Name, list: u16) -> Result<(), Failed> {
        let start = self.cur.pos;
        self.cur.pos += 1;
        self.cur.word();
        let joined = format!("{}{}", name.text(), self.str(start + 1, self.cur.pos).to_ascii_lowercase());
        if self.cur.at_end()
            && let Some(name) = table::named(&joined)
            && name.special == 0
            && name.list(self.mode, self.syntax) != 0
        {
            return self.select(name, name.list(self.mode, self.syntax));
        }
        self.cur.pos = start;
        self.operands()?;
        self.select(name, list)
    }

    /// The statement must end here.
    pub(crate) fn expect_end(&mut self) -> Result<(), Failed> {
        self.cur.space();
        if self.cur.at_end() {
            return Ok(());
        }
        let start = self.cur.pos;
        self.cur.skip_statement();
        let span = start..self.cur.pos;
        self.fail(
            Diagnostic::error(ErrorKind::Syntax, span, "junk at the end of the statement").label("not expected here"),
        )
    }

    /// The statement up to the cursor.
    pub(crate) fn statement_span(&self) -> Range<usize> {
        self.insn.start as usize..self.cur.pos
    }

    /// The prefixes before the mnemonic.
    pub(crate) fn prefix_span(&self) -> Range<usize> {
        self.insn.start as usize..self.insn.name.start as usize
    }

    /// The mnemonic.
    pub(crate) fn name_span(&self) -> Range<usize> {
        self.insn.name.start as usize..self.insn.name.end as usize
    }

    /// The text of the mnemonic.
    pub(crate) fn name_text(&self) -> &'t str {
        let Range { start, end } = self.name_span();
        self.str(start, end)
    }
}
