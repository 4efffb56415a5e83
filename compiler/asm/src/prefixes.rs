//! Prefix words and pseudo-prefixes of one instruction.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::expression::Failed;
use crate::{ItemKind, Mode};

/// The prefixes written before an instruction.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Prefixes {
    /// Segment override byte, written as a word (never dropped).
    pub(crate) segment: u8,
    /// 67 was asked for.
    pub(crate) address: bool,
    /// 66 was asked for.
    pub(crate) data: bool,
    /// F2 or F3 was asked for.
    pub(crate) rep: u8,
    /// The word behind [`Prefixes::rep`], as its number.
    pub(crate) rep_word: u8,
    /// F0 was asked for.
    pub(crate) lock: bool,
    /// `notrack`: 3E.
    pub(crate) notrack: bool,
    /// A REX byte that was spelled out.
    pub(crate) rex: u8,
    /// Any of the above.
    pub(crate) any: bool,
}

pub(crate) const LOCK: u8 = 1;
pub(crate) const REP: u8 = 2;
pub(crate) const REPNE: u8 = 3;
pub(crate) const XACQUIRE: u8 = 4;
pub(crate) const XRELEASE: u8 = 5;
pub(crate) const BND: u8 = 6;
pub(crate) const NOTRACK: u8 = 7;
pub(crate) const DATA16: u8 = 8;
pub(crate) const DATA32: u8 = 9;
pub(crate) const ADDR16: u8 = 10;
pub(crate) const ADDR32: u8 = 11;
pub(crate) const ES: u8 = 12;
pub(crate) const GS: u8 = 17;

/// Segment override bytes in the order of the segment register numbers (es cs ss ds fs gs).
pub(crate) const SEGMENT_BYTES: [u8; 6] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/// Pseudo-prefixes in braces (GNU as manual, "i386-Mnemonics").
pub(crate) mod hint {
    pub(crate) const VEX: u16 = 1;
    pub(crate) const VEX3: u16 = 2;
    pub(crate) const EVEX: u16 = 4;
    pub(crate) const DISP8: u16 = 8;
    pub(crate) const DISP16: u16 = 16;
    pub(crate) const DISP32: u16 = 32;
    pub(crate) const LOAD: u16 = 64;
    pub(crate) const STORE: u16 = 128;
    pub(crate) const REX: u16 = 256;
    pub(crate) const NO_OPTIMIZE: u16 = 512;
    /// `.s` behind the mnemonic: the direction that is not the default.
    pub(crate) const SWAP: u16 = 1024;
}

const HINTS: &[(&[u8], u16)] = &[
    (b"vex", hint::VEX),
    (b"vex2", hint::VEX),
    (b"vex3", hint::VEX | hint::VEX3),
    (b"evex", hint::EVEX),
    (b"disp8", hint::DISP8),
    (b"disp16", hint::DISP16),
    (b"disp32", hint::DISP32),
    (b"load", hint::LOAD),
    (b"store", hint::STORE),
    (b"rex", hint::REX),
    (b"nooptimize", hint::NO_OPTIMIZE),
];

impl Assembler<'_> {
    /// Takes note of a prefix word.
    pub(crate) fn prefix_word(&mut self, id: u8, start: usize) -> Result<(), Failed> {
        let span = start..self.cur.pos;
        let prefixes = &mut self.insn.prefixes;
        prefixes.any = true;
        let long = self.mode == Mode::Bits64;
        let wrong_mode = match id {
            DATA16 | ADDR16 if self.mode == Mode::Bits16 => true,
            DATA32 if self.mode != Mode::Bits16 => true,
            ADDR32 if self.mode == Mode::Bits32 => true,
            ADDR16 if long => true,
            0x40..=0x4f if !long => true,
            _ => false,
        };
        if wrong_mode {
            return self.fail(
                Diagnostic::error(ErrorKind::WrongMode, span, "this prefix does not exist in this mode")
                    .label(format!("not in {}-bit mode", self.mode.bits())),
            );
        }
        let twice = match id {
            LOCK => std::mem::replace(&mut prefixes.lock, true),
            REP | REPNE | XACQUIRE | XRELEASE | BND => {
                let byte = if matches!(id, REP | XRELEASE) { 0xf3 } else { 0xf2 };
                prefixes.rep_word = id;
                std::mem::replace(&mut prefixes.rep, byte) != 0
            }
            NOTRACK => {
                prefixes.notrack = true;
                std::mem::replace(&mut prefixes.segment, 0x3e) != 0
            }
            DATA16 | DATA32 => std::mem::replace(&mut prefixes.data, true),
            ADDR16 | ADDR32 => std::mem::replace(&mut prefixes.address, true),
            ES..=GS => std::mem::replace(&mut prefixes.segment, SEGMENT_BYTES[(id - ES) as usize]) != 0,
            0x40..=0x4f => std::mem::replace(&mut prefixes.rex, id) != 0,
            _ => false,
        };
        if twice {
            return self.fail(
                Diagnostic::error(ErrorKind::Prefix, span, "a prefix of this kind is there already")
                    .label("second prefix of its kind")
                    .help("GNU as refuses repeated prefixes; write the surplus ones as `.byte`"),
            );
        }
        Ok(())
    }

    /// `{vex}` and the like; the cursor is on the brace.
    pub(crate) fn pseudo_prefix(&mut self) -> Result<(), Failed> {
        let start = self.cur.pos;
        self.cur.pos += 1;
        self.cur.space();
        let word_start = self.cur.pos;
        self.cur.word();
        let word = self.cur.text[word_start..self.cur.pos].to_ascii_lowercase();
        self.cur.space();
        let closed = self.cur.eat(b'}');
        let span = start..self.cur.pos;
        let Some(&(_, bits)) = HINTS.iter().find(|(name, _)| *name == word.as_slice()).filter(|_| closed) else {
            let apx = matches!(word.as_slice(), b"rex2" | b"nf" | b"dfv");
            let kind = if apx { ErrorKind::Unsupported } else { ErrorKind::Prefix };
            let message = if apx { "APX is not supported: iced-x86 cannot encode it" } else { "unknown pseudo-prefix" };
            return self.fail(Diagnostic::error(kind, span, message).note(
                "pseudo-prefixes: {vex} {vex2} {vex3} {evex} {disp8} {disp16} {disp32} {load} {store} {rex} {nooptimize}",
            ));
        };
        self.insn.hints |= bits;
        Ok(())
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
}
