//! Fields that are not known inside the block.

use crate::Mode;
use crate::kinds::{Classes, I32, I32S64, I64};
use std::ops::Range;

/// What goes into the field, in the terms of the ELF psABI.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FixupKind {
    /// S + A, 8 bits.
    Abs8,
    /// S + A, 16 bits.
    Abs16,
    /// S + A, 32 bits, zero-extended (`R_X86_64_32`, `R_386_32`).
    Abs32,
    /// S + A, 32 bits, sign-extended (`R_X86_64_32S`).
    Abs32Signed,
    /// S + A, 64 bits.
    Abs64,
    /// S + A - P, 8 bits.
    PcRel8,
    /// S + A - P, 16 bits.
    PcRel16,
    /// S + A - P, 32 bits.
    PcRel32,
    /// S + A - P, 64 bits.
    PcRel64,
    /// L + A - P: a call or jump that may go through the procedure linkage table (`R_X86_64_PLT32`).
    Plt32,
    /// G + A: offset in the global offset table (`@GOT`).
    Got32,
    /// G + GOT + A - P (`@GOTPCREL`).
    GotPcRel,
    /// S + A - GOT (`@GOTOFF`).
    GotOff,
    /// `@TPOFF`
    TpOff,
    /// `@NTPOFF`
    NtpOff,
    /// `@DTPOFF`
    DtpOff,
    /// `@GOTTPOFF`
    GotTpOff,
    /// `@GOTNTPOFF`
    GotNtpOff,
    /// `@INDNTPOFF`
    IndNtpOff,
    /// `@TLSGD`
    TlsGd,
    /// `@TLSLD`
    TlsLd,
    /// `@TLSLDM`
    TlsLdm,
    /// `@TLSDESC`
    TlsDesc,
    /// `@TLSCALL`
    TlsCall,
    /// `@SIZE`
    Size,
}

impl FixupKind {
    /// Whether the field holds a distance from itself.
    #[must_use]
    pub fn is_relative(self) -> bool {
        matches!(self, Self::PcRel8 | Self::PcRel16 | Self::PcRel32 | Self::PcRel64 | Self::Plt32)
    }
}

/// A field that the linker or the user of the block fills in: `symbol + addend`, less the field's own address for the
/// PC-relative kinds (ELF's RELA convention).
///
/// ```
/// use pvc_asm::{FixupKind, assemble};
/// let code = assemble("call func", &Default::default()).unwrap();
/// assert_eq!(code.bytes, [0xe8, 0, 0, 0, 0]);
/// let fixup = &code.fixups[0];
/// assert_eq!((fixup.offset, fixup.width, fixup.kind), (1, 4, FixupKind::Plt32));
/// assert_eq!((fixup.symbol.as_str(), fixup.addend), ("func", -4));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fixup {
    /// Offset of the field.
    pub offset: u32,
    /// Bytes of the field.
    pub width: u8,
    /// What goes into it.
    pub kind: FixupKind,
    /// The symbol; `*ABS*` for an absolute branch target, `.text` for a label of the block itself.
    pub symbol: String,
    /// What is added to it.
    pub addend: i64,
    /// Where the text says so.
    pub span: Range<usize>,
}

/// A relocation modifier.
struct Modifier {
    name: &'static str,
    kind: FixupKind,
    /// The fields of ELF64 that can hold it as an immediate (System V ABI, AMD64 supplement, table 4.9; `@SIZE` is
    /// unsigned, offsets from the GOT have 64 bits).
    long: Classes,
}

const fn modifier_of(name: &'static str, kind: FixupKind, long: Classes) -> Modifier {
    Modifier { name, kind, long }
}

const ANY: Classes = I32 | I32S64 | I64;

const MODIFIERS: &[Modifier] = &[
    modifier_of("plt", FixupKind::Plt32, I32 | I32S64),
    modifier_of("got", FixupKind::Got32, ANY),
    modifier_of("gotpcrel", FixupKind::GotPcRel, I32 | I32S64),
    modifier_of("gotoff", FixupKind::GotOff, I64),
    modifier_of("gotplt", FixupKind::Got32, I64),
    modifier_of("pltoff", FixupKind::GotOff, I64),
    modifier_of("tpoff", FixupKind::TpOff, ANY),
    modifier_of("ntpoff", FixupKind::NtpOff, 0),
    modifier_of("dtpoff", FixupKind::DtpOff, ANY),
    modifier_of("gottpoff", FixupKind::GotTpOff, I32 | I32S64),
    modifier_of("gotntpoff", FixupKind::GotNtpOff, 0),
    modifier_of("indntpoff", FixupKind::IndNtpOff, 0),
    modifier_of("tlsgd", FixupKind::TlsGd, I32 | I32S64),
    modifier_of("tlsld", FixupKind::TlsLd, I32 | I32S64),
    modifier_of("tlsldm", FixupKind::TlsLdm, 0),
    modifier_of("tlsdesc", FixupKind::TlsDesc, I32 | I32S64),
    modifier_of("tlscall", FixupKind::TlsCall, I32 | I32S64),
    modifier_of("size", FixupKind::Size, I32 | I64),
];

/// The number of a relocation modifier, written without `@`.
pub(crate) fn modifier(word: &[u8]) -> Option<u8> {
    MODIFIERS.iter().position(|one| one.name.as_bytes().eq_ignore_ascii_case(word)).map(|index| index as u8 + 1)
}

/// The classes of an immediate with a modifier.
#[cold]
pub(crate) fn immediate_classes(modifier: u8, mode: Mode) -> Classes {
    match MODIFIERS.get((modifier as usize).wrapping_sub(1)) {
        Some(modifier) if mode == Mode::Bits64 => modifier.long,
        // ELF32 has relocations of 32 bits alone.
        _ => I32,
    }
}

/// Whether the modifier is `@GOT`.
pub(crate) fn is_got(modifier: u8) -> bool {
    modifier_kind(modifier) == Some(FixupKind::Got32)
}

/// Whether the modifier only marks an instruction for the linker (`call *x@tlscall(%eax)`).
pub(crate) fn is_call_mark(modifier: u8) -> bool {
    modifier_kind(modifier) == Some(FixupKind::TlsCall)
}

/// What a modifier makes of the field.
pub(crate) fn modifier_kind(modifier: u8) -> Option<FixupKind> {
    MODIFIERS.get((modifier as usize).checked_sub(1)?).map(|modifier| modifier.kind)
}

/// For messages.
pub(crate) fn modifier_names() -> String {
    MODIFIERS.iter().map(|modifier| format!("@{}", modifier.name.to_uppercase())).collect::<Vec<_>>().join(", ")
}
