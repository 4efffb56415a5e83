//! The types of the public interface.

use std::ops::Range;

/// Processor mode that the code is for.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub enum Mode {
    /// 16-bit (`.code16`).
    Bits16,
    /// 32-bit (`.code32`).
    Bits32,
    /// 64-bit (`.code64`).
    #[default]
    Bits64,
}

/// Syntax of the text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Hash)]
pub enum Syntax {
    /// AT&T, the default of GNU as.
    #[default]
    Att,
    /// Intel, as after `.intel_syntax noprefix`.
    Intel,
}

/// How to read the text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Options {
    /// Processor mode.
    pub mode: Mode,
    /// Syntax.
    pub syntax: Syntax,
}

/// Result of assembling one block at address 0.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Assembly {
    /// The bytes; fields of fixups hold what GNU as leaves in `.text`.
    pub bytes: Vec<u8>,
    /// Instructions and data directives, in order.
    pub items: Vec<Item>,
    /// The fields that a linker or patcher fills in, by offset.
    pub fixups: Vec<Fixup>,
    /// What GNU as accepts with a warning.
    pub warnings: Vec<Diagnostic>,
}

/// One instruction or data directive: its bytes and where it stands in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// Offset of its first byte.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
    /// Byte range in the text.
    pub span: Range<usize>,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemKind {
    /// An instruction.
    Instruction,
    /// Data (`.byte`, `.long`, `.ascii`, ...).
    Data,
    /// Padding (`.skip`, `.p2align`, `.nops`, ...).
    Fill,
}

/// A field whose value is not known yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fixup {
    /// Offset of the field.
    pub offset: u32,
    /// Bytes of the field.
    pub width: u8,
    /// How its value is computed.
    pub kind: FixupKind,
    /// The symbol.
    pub symbol: String,
    /// What is added to the symbol, as in an ELF RELA relocation.
    pub addend: i64,
    /// Byte range in the text of the expression.
    pub span: Range<usize>,
}

/// How the value of a fixup is computed: S symbol, A addend, P address of the field.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FixupKind {
    /// S + A in 8 bits.
    Abs8,
    /// S + A in 16 bits.
    Abs16,
    /// S + A in 32 bits, zero-extended.
    Abs32,
    /// S + A in 32 bits, sign-extended.
    Abs32Signed,
    /// S + A in 64 bits.
    Abs64,
    /// S + A - P in 8 bits.
    PcRel8,
    /// S + A - P in 16 bits.
    PcRel16,
    /// S + A - P in 32 bits.
    PcRel32,
    /// S + A - P in 32 bits, where a linker may go through a procedure linkage table.
    Plt32,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Severity {
    /// GNU as accepts it with a warning.
    Warning,
    /// Not accepted.
    Error,
}

/// Stable class of a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ErrorKind {
    /// No such mnemonic.
    UnknownMnemonic,
    /// The operands fit no form of the mnemonic.
    OperandForm,
    /// An immediate or displacement out of range.
    ImmediateRange,
    /// The operand size cannot be told.
    AmbiguousSize,
    /// Not in this mode.
    WrongMode,
    /// Not an operand or statement.
    Syntax,
    /// A directive that is unknown or makes no sense here.
    Directive,
    /// A faulty expression.
    Expression,
    /// A label that is doubled or missing.
    Label,
    /// A prefix that does not go with the instruction.
    Prefix,
    /// Known, but not encodable here.
    Unencodable,
    /// A limit of size or depth.
    Limit,
}

/// A replacement of text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fix {
    /// What is replaced.
    pub span: Range<usize>,
    /// The new text.
    pub text: String,
}

/// A finding at a place in the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Its class.
    pub kind: ErrorKind,
    /// Byte range in the text.
    pub span: Range<usize>,
    /// The message: makes sense alone.
    pub message: String,
    /// A few words to show under the span; may be empty.
    pub label: String,
    /// Further facts.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// A change that mends it.
    pub fix: Option<Fix>,
}
