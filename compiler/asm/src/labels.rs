//! Labels and assignments.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::symbols::Definition;

impl<'t> Assembler<'t> {
    /// `name:` or `name =` with blanks between.
    pub(crate) fn label_ahead(&self) -> bool {
        let mut ahead = self.cur;
        ahead.space();
        match ahead.peek() {
            // `ds : mov` is no label, but nobody writes one with blanks around.
            b':' => true,
            b'=' => ahead.peek_at(1) != b'=',
            _ => false,
        }
    }

    pub(crate) fn label_or_assignment(&mut self, start: usize, end: usize) -> Result<(), Failed> {
        self.cur.space();
        if self.insn.start as usize != start {
            let span = start..end;
            return self.fail(
                Diagnostic::error(ErrorKind::Prefix, span, "a prefix needs an instruction behind it")
                    .label("this is a label"),
            );
        }
        if self.cur.eat(b'=') {
            let once = self.cur.eat(b'=');
            return self.assign(start, end, once);
        }
        self.cur.eat(b':');
        self.define_label(start, end)
    }

    pub(crate) fn quoted_label(&mut self) -> Result<(), Failed> {
        let start = self.cur.pos + 1;
        let mut end = start;
        while end < self.cur.text.len() && !matches!(self.cur.text[end], b'"' | b'\n') {
            end += 1;
        }
        if self.cur.text.get(end) != Some(&b'"') || self.cur.text.get(end + 1) != Some(&b':') || end == start {
            return self.fail(Diagnostic::error(
                ErrorKind::Syntax,
                start - 1..end,
                "a string cannot start a statement",
            ));
        }
        self.cur.pos = end + 2;
        self.define_label(start, end)
    }

    fn define_label(&mut self, start: usize, end: usize) -> Result<(), Failed> {
        self.mentions += 1;
        let place = self.here();
        let name = self.str(start, end);
        if name.as_bytes()[0].is_ascii_digit() {
            match name.parse::<u64>() {
                Ok(number) => self.symbols.define_numeric(number, name, start, place),
                Err(_) => {
                    return self.fail(Diagnostic::error(
                        ErrorKind::Label,
                        start..end,
                        "a label that starts with a digit is a number",
                    ));
                }
            }
            return Ok(());
        }
        if name == "." {
            return self.fail(Diagnostic::error(ErrorKind::Label, start..end, "`.` cannot be a label"));
        }
        let symbol = self.symbols.mention(name, start) as usize;
        if self.symbols.all[symbol].definition != Definition::Undefined {
            let first = self.symbols.all[symbol].start as usize;
            return self.fail(
                Diagnostic::error(ErrorKind::Label, start..end, format!("the symbol `{name}` is defined already"))
                    .label("defined again")
                    .note(format!("first mention at byte {first} of the text")),
            );
        }
        self.symbols.all[symbol].definition = Definition::Label(place);
        Ok(())
    }

    /// The value behind `=` or `.set name,`; `once` (`==`, `.equiv`) wants a name that has none.
    pub(crate) fn assign(&mut self, start: usize, end: usize, once: bool) -> Result<(), Failed> {
        let name = self.str(start, end);
        let value = self.expression()?;
        self.expect_end()?;
        if name == "." {
            let span = start..end;
            return self.fail(
                Diagnostic::error(ErrorKind::Directive, span, "the location counter cannot be set here")
                    .help("use `.skip`"),
            );
        }
        if name.as_bytes().first().is_none_or(u8::is_ascii_digit) {
            return self.fail(Diagnostic::error(ErrorKind::Label, start..end, "a symbol cannot start with a digit"));
        }
        let symbol = self.symbols.mention(name, start) as usize;
        let known = self.symbols.all[symbol].definition;
        if matches!(known, Definition::Label(_)) || once && known != Definition::Undefined {
            return self.fail(Diagnostic::error(
                ErrorKind::Label,
                start..end,
                format!("the symbol `{name}` is defined already"),
            ));
        }
        let definition = if value.is_constant() {
            Definition::Constant(value.constant)
        } else if value.add == symbol as u32 + 1 || value.sub == symbol as u32 + 1 {
            return self.fail(Diagnostic::error(
                ErrorKind::Label,
                start..end,
                format!("`{name}` is defined by itself"),
            ));
        } else {
            self.values.push(value);
            Definition::Value(self.values.len() as u32 - 1)
        };
        self.symbols.all[symbol].definition = definition;
        Ok(())
    }
}
