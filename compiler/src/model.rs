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

use crate::arch::Arch;
use crate::source::{FileId, Span};
use iced_x86::{Instruction, Register, RflagsBits};
use std::collections::BTreeSet;
use std::fmt;

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

/// The MXCSR register, as a bit beside those of iced-x86's `RflagsBits`: like a system flag it is a mode of the CPU.
pub const MXCSR: u32 = 1 << 30;
/// The x87 control word, as such a bit.
pub const FPCW: u32 = 1 << 31;

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

/// One row on one arch, resolved.
#[derive(Clone, Debug)]
pub struct ResolvedRow {
    /// The row in the source; a row of two arches gives two of these with the same span.
    pub span: Span,
    /// Its file.
    pub file: FileId,
    /// Its 1-based line.
    pub line: u32,
    /// Its condition; `None`: always.
    pub when: Option<When>,
    /// Whether it stands for "returns its argument".
    pub identity: bool,
    /// Its assembly.
    pub asm: Asm,
    /// The bytes written beside it for this arch.
    pub expected: Option<Expected>,
}

/// A condition.
#[derive(Clone, Debug)]
pub struct When {
    /// As written, with the usual spaces.
    pub text: String,
    /// Disjunctive normal form over [`Unit::features`]: it holds if any term does. Never empty.
    pub terms: Vec<Term>,
    /// Where the condition stands.
    pub span: Span,
}

/// A conjunction of features and negated features.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Term {
    /// Features that must be there.
    pub all: u64,
    /// Features that must not.
    pub none: u64,
}

/// An asm body.
#[derive(Clone, Debug)]
pub struct Asm {
    /// The text for the assembler: roles replaced by registers (`pushf; pop %rax`).
    pub text: String,
    /// Where each piece of `text` comes from: (offset in text, offset in the file), ascending. Between two entries
    /// text and file run in step; inside a replaced role each byte has an entry, to the start of the role.
    pub map: Vec<(u32, u32)>,
    /// The body in the source, without its braces.
    pub span: Span,
}

impl Asm {
    /// The span in the source of a byte range of `text`.
    #[must_use]
    pub fn source_span(&self, range: std::ops::Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        let end = self.source_end(range.end).max(start);
        Span { file: self.span.file, start, end }
    }

    /// The offset in the source at which a range that ends at `offset` ends: past the role if that is inside one.
    fn source_end(&self, offset: usize) -> u32 {
        let after = self.map.partition_point(|&(text, _)| text as usize <= offset);
        let (before, rest) = self.map.split_at(after);
        match before {
            [.., (_, role), (at, last)] if role == last && *at as usize == offset => {
                rest.iter().find(|(_, source)| source != last).map_or(self.span.end, |&(_, source)| source)
            }
            _ => self.source_offset(offset),
        }
    }

    fn source_offset(&self, offset: usize) -> u32 {
        let after = self.map.partition_point(|&(text, _)| text as usize <= offset);
        let next = self.map.get(after).map_or(self.span.end, |&(_, source)| source);
        match after.checked_sub(1).map(|before| self.map[before]) {
            Some((text, source)) => (source + (offset as u32 - text)).min(next),
            None => self.span.start,
        }
    }
}

/// The bytes beside a row.
#[derive(Clone, Debug)]
pub struct Expected {
    /// One entry a byte; `None` for `??`.
    pub bytes: Vec<Option<u8>>,
    /// The group in the source.
    pub span: Span,
}

/// A row with its code.
#[derive(Clone, Debug)]
pub struct AssembledRow {
    /// What it was assembled from.
    pub row: ResolvedRow,
    /// Its code; `None` if it is poisoned.
    pub code: Option<Code>,
}

/// Machine code of a row.
#[derive(Clone, Debug)]
pub struct Code {
    /// The bytes; fields of fixups hold zero.
    pub bytes: Vec<u8>,
    /// The instructions and data directives, in order.
    pub items: Vec<CodeItem>,
    /// The fields that the patcher fills in.
    pub fixups: Vec<pvc_asm::Fixup>,
}

/// One instruction or data directive of a row.
#[derive(Clone, Debug)]
pub struct CodeItem {
    /// Offset of its first byte.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
    /// Where it stands.
    pub span: Span,
    /// The instructions that the CPU finds there: one for an instruction, any number for `.byte` and the like; an
    /// invalid one ends the list. Decoded at address `offset`.
    pub instructions: Vec<Instruction>,
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
