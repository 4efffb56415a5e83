#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod addressing;
mod arithmetic;
mod assembler;
mod att;
mod branch;
mod decorators;
mod diagnostic;
mod directives;
mod disassemble;
mod encode;
mod explain;
mod expression;
mod far;
mod fields;
mod fixups;
#[allow(dead_code, reason = "the generator of the tables uses the rest")]
mod form;
mod intel;
mod intel_expression;
mod items;
#[allow(dead_code, reason = "the generator of the tables uses the rest")]
mod kinds;
mod labels;
mod layout;
mod lexer;
mod line_memo;
mod lines;
mod listing;
mod matcher;
mod mnemonics;
mod operand;
mod operands;
mod operator;
mod padding;
mod prefixes;
mod quick;
mod registers;
mod relax;
mod statement;
mod symbols;
mod table;

pub use diagnostic::{Diagnostic, ErrorKind, Fix, Severity};
pub use disassemble::{Disassembled, disassemble, disassembly, parse_hex};
pub use fixups::{Fixup, FixupKind};
pub use items::Items;
pub use lines::{Lines, assemble_lines, assemble_lines_stream};
pub use listing::{listing, write_listing};
pub use mnemonics::{is_mnemonic, mnemonics, nearest_mnemonics};
pub use registers::{is_register, register_names};

use std::ops::Range;

/// The CPU mode that the code runs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Mode {
    /// 16-bit code, as `.code16`.
    Bits16,
    /// 32-bit code, as `as --32`.
    Bits32,
    /// 64-bit code, as `as --64`.
    Bits64,
}

/// The syntax of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Syntax {
    /// `mov $1,%eax`
    Att,
    /// `mov eax, 1` (GNU as's `.intel_syntax noprefix`)
    Intel,
}

/// What kind of text it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Options {
    /// CPU mode at the start of the text.
    pub mode: Mode,
    /// Syntax at the start of the text.
    pub syntax: Syntax,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: Mode::Bits64, syntax: Syntax::Att }
    }
}

/// What an [`Item`] is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ItemKind {
    /// One instruction with its prefixes.
    Instruction,
    /// Bytes of `.byte`, `.long`, `.ascii` and the like.
    Data,
    /// Bytes of `.skip`, `.fill`, `.p2align` and the like.
    Fill,
}

/// One instruction or data directive: its bytes and where it stands in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Offset of its first byte.
    pub offset: u32,
    /// Number of its bytes.
    pub len: u32,
    /// Byte range in the text.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// What it is.
    pub kind: ItemKind,
}

impl Item {
    /// Byte range in the text.
    ///
    /// ```
    /// let code = pvc_asm::assemble("nop; ret", &Default::default()).unwrap();
    /// assert_eq!(code.items.iter().nth(1).unwrap().span(), 5..8);
    /// ```
    pub fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A block of code assembled at address 0.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Assembly {
    /// The code.
    pub bytes: Vec<u8>,
    /// The instructions and data directives, in order.
    pub items: Items,
    /// The fields that the linker or the user of the block has to fill in.
    pub fixups: Vec<Fixup>,
    /// What GNU as would warn about.
    pub warnings: Vec<Diagnostic>,
}

/// Assembles `text` as one block at address 0.
///
/// Undefined symbols become [`Fixup`]s; their fields hold what GNU as leaves there: zero in 64-bit mode, the addend
/// in the others.
///
/// ```
/// let code = pvc_asm::assemble("pushf; pop %rax", &Default::default()).unwrap();
/// assert_eq!(code.bytes, [0x9c, 0x58]);
/// assert_eq!(code.items.iter().last().unwrap().offset, 1);
/// ```
///
/// # Errors
///
/// All that is wrong with the text, not only the first.
pub fn assemble(text: &str, options: &Options) -> Result<Assembly, Vec<Diagnostic>> {
    let mut assembler = assembler::Assembler::new(*options);
    assembler.run(text);
    assembler.finish()
}
