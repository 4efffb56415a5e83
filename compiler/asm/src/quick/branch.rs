//! Branches to plain names by a short way: what is around the target is read at once; the branch is the general way's.

use super::reader::Reader;
use crate::Syntax;
use crate::assembler::Assembler;
use crate::kinds;
use crate::lexer::{CLASS, DIGIT, WORD};
use crate::operand::Operand;
use crate::prefixes::Prefixes;
use crate::symbols::Value;
use crate::table::{self, List};

/// The length of the symbol at the start of `text`, if there is nothing behind it in its statement.
#[inline]
fn lone_symbol(text: &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|&&byte| CLASS[byte as usize] & WORD != 0).count();
    let name = &text[..length];
    let ends = matches!(text.get(length), None | Some(b'\n' | b';'));
    // Immediates, numbers, numeric labels and the place of the statement are no names.
    let first = *name.first()?;
    let fine = ends && name != b"." && first != b'$' && CLASS[first as usize] & DIGIT == 0;
    fine.then_some(length)
}

impl Assembler<'_> {
    /// The statement at the cursor, moved to its end, if it is a branch to a plain name in AT&T syntax; nothing happens
    /// otherwise.
    pub(crate) fn quick_branch(&mut self) -> bool {
        self.read_branch().is_some()
    }

    fn read_branch(&mut self) -> Option<()> {
        let text = self.cur.text;
        let mut reader = Reader { rest: text.get(self.cur.pos..)? };
        reader.blanks();
        // Mnemonics of branches to a name: `jmp`, `call`, `loop`, `xbegin` and their kin.
        if self.syntax != Syntax::Att || !matches!(reader.peek(), b'j' | b'c' | b'l' | b'x') {
            return None;
        }
        let start = text.len() - reader.rest.len();
        let [first, second] = reader.mnemonic()?;
        let end = text.len() - reader.rest.len();
        if !matches!(reader.peek(), b' ' | b'\t') {
            return None;
        }
        reader.blanks();
        let length = lone_symbol(reader.rest)?;
        let name = table::lookup(&[first, second, 0])?;
        let list_index = name.list(self.mode, self.syntax);
        let list = List::at(list_index);
        let is_branch = list_index != 0 && list.flags & List::BRANCH != 0;
        if !is_branch || name.special != 0 || name.immediate >= 0 {
            return None;
        }
        let at = text.len() - reader.rest.len();
        let symbol = self.symbols.mention(self.str(at, at + length), at);
        let value = self.fold(symbol);
        if value != (Value { add: symbol + 1, ..Value::default() }) {
            return None;
        }
        self.values.push(value);
        let insn = &mut self.insn;
        insn.prefixes = Prefixes::default();
        insn.hints = 0;
        insn.count = 1;
        insn.start = start as u32;
        insn.name = start as u32..end as u32;
        insn.ops[0] = Operand {
            classes: kinds::REL,
            expr: self.values.len() as u32,
            start: at as u32,
            end: (at + length) as u32,
            ..Operand::EMPTY
        };
        self.cur.pos = at + length;
        let (short, near) = list.branches();
        // What is wrong with it is reported, and the statement is over.
        let _ = self.branch(short, near);
        Some(())
    }
}
