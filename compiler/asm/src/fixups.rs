//! Fields that are not known inside the block.

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

const MODIFIERS: &[(&str, FixupKind)] = &[
    ("plt", FixupKind::Plt32),
    ("got", FixupKind::Got32),
    ("gotpcrel", FixupKind::GotPcRel),
    ("gotoff", FixupKind::GotOff),
    ("gotplt", FixupKind::Got32),
    ("pltoff", FixupKind::GotOff),
    ("tpoff", FixupKind::TpOff),
    ("ntpoff", FixupKind::NtpOff),
    ("dtpoff", FixupKind::DtpOff),
    ("gottpoff", FixupKind::GotTpOff),
    ("gotntpoff", FixupKind::GotNtpOff),
    ("indntpoff", FixupKind::IndNtpOff),
    ("tlsgd", FixupKind::TlsGd),
    ("tlsld", FixupKind::TlsLd),
    ("tlsldm", FixupKind::TlsLdm),
    ("tlsdesc", FixupKind::TlsDesc),
    ("tlscall", FixupKind::TlsCall),
    ("size", FixupKind::Size),
];

/// The number of a relocation modifier, written without `@`.
pub(crate) fn modifier(word: &[u8]) -> Option<u8> {
    MODIFIERS.iter().position(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)).map(|index| index as u8 + 1)
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
    MODIFIERS.get((modifier as usize).checked_sub(1)?).map(|&(_, kind)| kind)
}

/// For messages.
pub(crate) fn modifier_names() -> String {
    MODIFIERS.iter().map(|(name, _)| format!("@{}", name.to_uppercase())).collect::<Vec<_>>().join(", ")
}
