//! The outputs. Each is a function of a [`Checked`] patch set and of nothing else.

pub mod asm;
pub(crate) mod branch;
pub mod c;
pub mod contract;
pub mod depfile;
pub mod json;
pub mod layout;
mod nops;
pub mod rust;
mod text;

use crate::arch::Arch;
use crate::check::Checked;
use crate::source::SourceMap;
use std::path::PathBuf;

/// A kind of output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// `NAME.h`: the contract, for C, C++ and `.S` files.
    Header,
    /// `NAME.c`: the tables.
    Source,
    /// `NAME.rs`: contract and tables in one file for `include!`; x86_64 only.
    Rust,
    /// `NAME.S`: the patchlets between `start_` and `end_` labels.
    Asm,
    /// `NAME.json`: everything, for other tools.
    Json,
}

impl Kind {
    /// All kinds, in the order in which they are written.
    pub const ALL: [Self; 5] = [Self::Header, Self::Source, Self::Rust, Self::Asm, Self::Json];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Source => "source",
            Self::Rust => "rust",
            Self::Asm => "asm",
            Self::Json => "json",
        }
    }

    /// The name of the file, for a set of that name.
    #[must_use]
    pub fn file_name(self, set: &str) -> PathBuf {
        let extension = match self {
            Self::Header => "h",
            Self::Source => "c",
            Self::Rust => "rs",
            Self::Asm => "S",
            Self::Json => "json",
        };
        PathBuf::from(format!("{set}.{extension}"))
    }

    /// Whether the set has anything to put into it: the Rust output knows x86_64 only.
    #[must_use]
    pub fn applies(self, checked: &Checked) -> bool {
        self != Self::Rust || checked.unit().set.arches.contains(&Arch::X86_64)
    }

    /// The text.
    #[must_use]
    pub fn render(self, checked: &Checked, sources: &SourceMap) -> String {
        match self {
            Self::Header => c::header(checked, sources),
            Self::Source => c::source(checked, sources),
            Self::Rust => rust::module(checked, sources),
            Self::Asm => asm::source(checked, sources),
            Self::Json => json::render(checked, sources),
        }
    }
}
