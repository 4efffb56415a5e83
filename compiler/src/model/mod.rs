//! What the phases hand to each other.
//!
//! A patch set has the same shape in every phase; what grows is the row. Hence one [`Unit`] with the row type as its
//! parameter, and one name per phase:
//!
//! | phase | type | a row has |
//! |---|---|---|
//! | resolve | [`Resolved`] | its condition, its asm with the roles replaced by registers |
//! | assemble | [`Assembled`] | bytes, instructions and fixups too |
//! | check | [`Checked`](crate::check::Checked) | its fit into every site, its disassembly and its effects too |
//!
//! An item that failed in a phase is *poisoned*: [`AssembledRow::code`] stays `None`, the later phases pass over it, and its
//! diagnostics say why. Only the check phase can make a `Checked`, and only when there was no error.

mod clobbers;
mod op;
mod row;

pub use clobbers::{Clobber, ClobberItem, Clobbers, FPCW, MXCSR};
pub use op::{Allow, Contract, Op, Operand, Parameter, Preserves, Returns, Site, Type};
pub use row::{Asm, AssembledRow, Code, CodeItem, Expected, ResolvedRow, Term, When};

use crate::arch::Arch;
use crate::source::Span;
use std::collections::BTreeSet;

/// A patch set after names and contracts were resolved.
pub type Resolved = Unit<ResolvedRow>;

/// A patch set after assembly.
pub type Assembled = Unit<AssembledRow>;

/// A patch set: its defaults, its features, its ops.
#[derive(Clone, Debug)]
pub struct Unit<R> {
    /// The `patchset` block.
    pub set: Set,
    /// CPU and declared features that conditions name; the index is the bit in a [`Term`]. At most 64.
    pub features: Vec<Feature>,
    /// The ops in declaration order; the index is the op id of the site records.
    pub ops: Vec<Op<R>>,
    /// The static branches in declaration order; the index is the branch id of the site records.
    pub branches: Vec<Branch>,
}

impl<R> Unit<R> {
    /// The unit with each row replaced by what `map` makes of it, given the set, the op and the contract around it.
    #[must_use]
    pub fn map_rows<S>(self, mut map: impl FnMut(&Set, &Op<()>, &Contract<()>, R) -> S) -> Unit<S> {
        let Self { set, features, ops, branches } = self;
        let ops = ops
            .into_iter()
            .map(|mut op| {
                let contracts = std::mem::take(&mut op.contracts);
                let (bare, _) = op.with_contracts::<()>(Vec::new());
                let contracts = contracts
                    .into_iter()
                    .map(|contract| {
                        let (bare_contract, rows) = contract.take_rows();
                        let rows = rows.into_iter().map(|row| map(&set, &bare, &bare_contract, row)).collect();
                        bare_contract.take_rows_with(rows)
                    })
                    .collect();
                bare.with_contracts(contracts).0
            })
            .collect();
        Unit { set, features, ops, branches }
    }
}

/// The `patchset` block.
#[derive(Clone, Debug)]
pub struct Set {
    /// Name: a C and Rust identifier; prefixes every generated symbol.
    pub name: String,
    /// The `//!` lines of the root file, without their marks.
    pub docs: Vec<String>,
    /// The arches of the set, x86_64 first.
    pub arches: Vec<Arch>,
    /// The ABI of all call sites.
    pub abi: Abi,
    /// Syntax of the asm bodies.
    pub syntax: pvc_asm::Syntax,
    /// CPU features that need no `when`, closed under implication, by name.
    pub baseline: BTreeSet<String>,
    /// Where the name stands.
    pub span: Span,
}

/// The ABI under which a patch site is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Abi {
    /// No red zone; backends use general registers only.
    Kernel,
    /// System V with its red zone; a call clobbers vector, mask and x87 state.
    User,
}

/// A feature that a condition names.
#[derive(Clone, Debug)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// Its documentation (declared features only).
    pub docs: Vec<String>,
    /// How it is found out.
    pub source: FeatureSource,
}

/// How a feature is found out at run time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FeatureSource {
    /// By CPUID.
    Cpuid(crate::arch::Cpuid),
    /// Told by the caller (`feature NAME` in the file).
    Declared,
}

/// A static branch: at each of its sites one instruction, NOPs or a jump, that follows its value.
#[derive(Clone, Debug)]
pub struct Branch {
    /// Dotted name: `trace.enabled`.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// Its `///` lines, without their marks.
    pub docs: Vec<String>,
    /// Its value in the code that compilers make: sites hold NOPs, and the code for the other value stands out of line.
    pub initial: bool,
    /// `live`: may be changed while other CPUs run through its sites.
    pub live: bool,
    /// The arches that it exists on, in the set's order. Never empty.
    pub arches: Vec<Arch>,
}

impl Branch {
    /// Its identifier in C: the name with `_` for `.`.
    #[must_use]
    pub fn ident(&self) -> String {
        self.name.replace('.', "_")
    }
}
