//! What a site may destroy.

use crate::arch::Arch;
use crate::source::Span;
use iced_x86::{Register, RflagsBits};
use std::fmt;

/// What a site may destroy besides its results.
#[derive(Clone, Default, Debug)]
pub struct Clobbers {
    /// The items as declared for this arch, in order.
    pub items: Vec<ClobberItem>,
    /// Where the clause stands, or where one would go (after the signature).
    pub span: Option<Span>,
    /// Where a `clobbers` line is to be inserted if there is none.
    pub insert_at: Option<Span>,
}

impl Clobbers {
    /// Whether the clause names `what` itself.
    #[must_use]
    pub fn has(&self, what: Clobber) -> bool {
        self.items.iter().any(|item| item.what == what)
    }

    /// Whether a plain function keeps the contract.
    #[must_use]
    pub fn caller_saved(&self) -> bool {
        self.has(Clobber::CallerSaved)
    }

    /// The general registers that may be destroyed, `caller_saved` expanded, in the arch's order and without doubles.
    #[must_use]
    pub fn registers(&self, arch: Arch) -> Vec<Register> {
        let table = arch.table();
        table
            .caller_saved
            .iter()
            .chain(table.callee_saved)
            .filter(|&&register| {
                self.has(Clobber::Register(register)) || (self.caller_saved() && table.caller_saved.contains(&register))
            })
            .copied()
            .collect()
    }

    /// Whether the arithmetic flags may be destroyed.
    #[must_use]
    pub fn flags(&self) -> bool {
        self.has(Clobber::Flags) || self.caller_saved()
    }

    /// Whether compilers must assume that memory was read and written.
    #[must_use]
    pub fn memory(&self) -> bool {
        self.has(Clobber::Memory) || self.has(Clobber::Barrier) || self.caller_saved()
    }
}

/// One declared clobber.
#[derive(Clone, Debug)]
pub struct ClobberItem {
    /// What.
    pub what: Clobber,
    /// Where.
    pub span: Span,
}

/// What a clobber names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clobber {
    /// A general register, always its full form (RAX, EAX).
    Register(Register),
    /// A vector, mask, x87, segment or other register.
    Other(Register),
    /// OF SF ZF AF PF CF.
    Flags,
    /// One system flag: its bit of iced-x86's `RflagsBits` (IF, DF, AC), or [`MXCSR`] or [`FPCW`].
    SystemFlag(u32),
    /// Memory that is not an operand.
    Memory,
    /// Orders the compiler's memory accesses.
    Barrier,
    /// All that the ABI lets a call destroy.
    CallerSaved,
}

/// As a `clobbers` clause names it.
impl fmt::Display for Clobber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::Register(register) | Self::Other(register) => crate::arch::register_name(register),
            Self::Flags => "flags",
            Self::SystemFlag(RflagsBits::IF) => "if",
            Self::SystemFlag(RflagsBits::DF) => "df",
            Self::SystemFlag(RflagsBits::AC) => "ac",
            Self::SystemFlag(RflagsBits::UIF) => "uif",
            Self::SystemFlag(MXCSR) => "mxcsr",
            Self::SystemFlag(FPCW) => "fpcw",
            Self::SystemFlag(bit) => return write!(f, "flag {bit:#x}"),
            Self::Memory => "memory",
            Self::Barrier => "barrier",
            Self::CallerSaved => "caller_saved",
        })
    }
}

/// The MXCSR register, as a bit beside those of iced-x86's `RflagsBits`: like a system flag it is a mode of the CPU.
pub const MXCSR: u32 = 1 << 30;

/// The x87 control word, as such a bit.
pub const FPCW: u32 = 1 << 31;
