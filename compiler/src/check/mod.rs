//! The checks: whether each row keeps the contract of its op. The only way to a [`Checked`].

use crate::model::{Code, ResolvedRow, Unit};

/// A patch set in which every row was found to keep its contract. Outputs are made from nothing else.
#[derive(Clone, Debug)]
pub struct Checked(Unit<CheckedRow>);

impl Checked {
    /// The patch set. Every [`Site::len`](crate::model::Site::len) is known now.
    #[must_use]
    pub fn unit(&self) -> &Unit<CheckedRow> {
        &self.0
    }
}

/// A row with its code and what the checks found out about it.
#[derive(Clone, Debug)]
pub struct CheckedRow {
    /// What it was assembled from.
    pub row: ResolvedRow,
    /// Its code.
    pub code: Code,
    /// How it fits into each site of its contract, in the order of [`Contract::sites`](crate::model::Contract::sites).
    pub fits: Vec<Fit>,
    /// Its instructions, disassembled in AT&T syntax and joined by `; `.
    pub disassembly: String,
}

/// How a row fits into a site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fit {
    /// Bytes of the site.
    pub len: u8,
    /// Bytes that are left for NOPs.
    pub slack: u8,
}
