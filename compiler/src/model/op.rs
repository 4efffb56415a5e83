//! An op, its signature, and its contract on each arch.

use super::Clobbers;
use crate::arch::Arch;
use crate::source::Span;
use iced_x86::Register;
use std::fmt;

/// One operation: the contract that every call site compiles against, and its rows.
#[derive(Clone, Debug)]
pub struct Op<R> {
    /// Dotted name: `irq.save_fl`.
    pub name: String,
    /// Where the name stands.
    pub span: Span,
    /// Its `///` lines, without their marks.
    pub docs: Vec<String>,
    /// Parameters in order, arch by arch in [`Contract::params`]; here their names and types.
    pub params: Vec<Parameter>,
    /// What comes back.
    pub returns: Returns,
    /// `partial`: there may be no unconditional row; the site may stay a call.
    pub partial: bool,
    /// `live`: may be changed while other CPUs run through it.
    pub live: bool,
    /// `nocall`: no stack at the site; a replacement by a call is refused.
    pub nocall: bool,
    /// `default SYMBOL`: the external function that is the slot's initial value instead of a generated one.
    pub default: Option<String>,
    /// `preserves flags`, `preserves vector`.
    pub preserves: Preserves,
    /// `allow(PVnnnn, "reason")`.
    pub allows: Vec<Allow>,
    /// Whether a row or clause was dropped after an error: a phase says nothing that may only follow from the gap.
    pub damaged: bool,
    /// The contract on each arch that the op exists on, in the set's order.
    pub contracts: Vec<Contract<R>>,
}

impl<R> Op<R> {
    /// Its identifier in C: the name with `_` for `.`.
    #[must_use]
    pub fn ident(&self) -> String {
        self.name.replace('.', "_")
    }

    /// Its contract on `arch`.
    #[must_use]
    pub fn on(&self, arch: Arch) -> Option<&Contract<R>> {
        self.contracts.iter().find(|contract| contract.arch == arch)
    }

    /// Whether control does not come back.
    #[must_use]
    pub fn diverges(&self) -> bool {
        matches!(self.returns, Returns::Never)
    }

    /// The results; none for `-> !`.
    #[must_use]
    pub fn results(&self) -> &[Parameter] {
        match &self.returns {
            Returns::Values(results) => results,
            Returns::Never => &[],
        }
    }

    /// The op with contracts of another row type; the old ones come back too.
    pub fn with_contracts<S>(self, contracts: Vec<Contract<S>>) -> (Op<S>, Vec<Contract<R>>) {
        let Self {
            name,
            span,
            docs,
            params,
            returns,
            partial,
            live,
            nocall,
            default,
            preserves,
            allows,
            damaged,
            contracts: old,
        } = self;
        let op = Op {
            name,
            span,
            docs,
            params,
            returns,
            partial,
            live,
            nocall,
            default,
            preserves,
            allows,
            damaged,
            contracts,
        };
        (op, old)
    }
}

/// A parameter or result as the signature has it.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Name; empty for an unnamed single result.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// Where it stands.
    pub span: Span,
}

/// What comes back from an op.
#[derive(Clone, Debug)]
pub enum Returns {
    /// Results, possibly none.
    Values(Vec<Parameter>),
    /// `-> !`: control does not come back.
    Never,
}

/// Type of an operand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// The width of a general register.
    Word,
    /// 8 bits.
    U8,
    /// 16 bits.
    U16,
    /// 32 bits.
    U32,
    /// 64 bits; on i386 only as a result, in edx:eax.
    U64,
    /// An address.
    Ptr,
    /// 0 or 1 in 8 bits.
    Bool,
}

/// As a signature names it.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Word => "word",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Ptr => "ptr",
            Self::Bool => "bool",
        })
    }
}

/// What an op promises to keep although calls usually do not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Preserves {
    /// The arithmetic flags.
    pub flags: bool,
    /// Vector, mask and x87 state.
    pub vector: bool,
}

/// One silenced finding.
#[derive(Clone, Debug)]
pub struct Allow {
    /// Which.
    pub code: crate::diagnostics::Code,
    /// Why.
    pub reason: String,
    /// Where.
    pub span: Span,
}

/// An op on one arch.
#[derive(Clone, Debug)]
pub struct Contract<R> {
    /// The arch.
    pub arch: Arch,
    /// Where each parameter sits, in the order of [`Op::params`].
    pub params: Vec<Operand>,
    /// Where each result sits; empty for `-> !`.
    pub results: Vec<Operand>,
    /// The sites it can have; the first is the wrapper's. Never empty.
    pub sites: Vec<Site>,
    /// What a site may destroy besides its results.
    pub clobbers: Clobbers,
    /// The rows in order of preference.
    pub rows: Vec<R>,
}

impl<R> Contract<R> {
    pub(crate) fn take_rows(self) -> (Contract<()>, Vec<R>) {
        let Self { arch, params, results, sites, clobbers, rows } = self;
        (Contract { arch, params, results, sites, clobbers, rows: Vec::new() }, rows)
    }

    pub(crate) fn take_rows_with<S>(self, rows: Vec<S>) -> Contract<S> {
        let Self { arch, params, results, sites, clobbers, .. } = self;
        Contract { arch, params, results, sites, clobbers, rows }
    }
}

/// An operand in its register.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Name, as in the signature.
    pub name: String,
    /// Type.
    pub ty: Type,
    /// The full register (RDI on x86_64, EAX on i386).
    pub register: Register,
    /// The register of the upper half: EDX for a u64 on i386.
    pub high: Option<Register>,
}

/// A kind of patch site that an op can have.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name as the arch table has it: `call.mem`, `nop`.
    pub kind: &'static crate::arch::Kind,
    /// Bytes at the site. `None` for `inline` until the check phase has seen the longest row.
    pub len: Option<u8>,
    /// Where the clause stands (of the op, or the set's default).
    pub span: Span,
}

impl Site {
    /// Name with its length where that is not fixed: `call.mem`, `nop(5)`, `inline`.
    #[must_use]
    pub fn label(&self) -> String {
        match (self.kind.len, self.kind.name, self.len) {
            (None, "nop", Some(len)) => format!("nop({len})"),
            (_, name, _) => name.to_owned(),
        }
    }
}
