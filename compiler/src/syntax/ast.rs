//! What the parser makes of the text: the items as they are written, names not yet looked up.

use crate::source::Span;

/// A piece of text with its place: a name, a keyword, a number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// All files of a patch set, the included ones spliced in where they are first included.
#[derive(Clone, Debug)]
pub struct Ast {
    /// The `//!` lines of the root file, without their marks.
    pub docs: Vec<String>,
    /// The items in order.
    pub items: Vec<Item>,
    /// The empty span at the start of the root file.
    pub start: Span,
}

/// An item.
#[derive(Clone, Debug)]
pub enum Item {
    /// `patchset NAME { ... }`
    Patchset(Patchset),
    /// `feature NAME`
    Feature(Feature),
    /// `op NAME(...) { ... }`
    Op(Op),
    /// `branch NAME = true|false [{ ... }]`
    Branch(Branch),
    /// An item whose text made no sense; it has been reported. Holds the op's name if that could be read.
    Bad(Option<Word>),
}

/// The `patchset` block.
#[derive(Clone, Debug)]
pub struct Patchset {
    /// Its `///` lines, without their marks.
    pub docs: Vec<String>,
    /// The name.
    pub name: Word,
    /// Its clauses in order.
    pub clauses: Vec<SetClause>,
}

/// A clause of a `patchset` block.
#[derive(Clone, Debug)]
pub struct SetClause {
    /// What it says.
    pub kind: SetClauseKind,
    /// The whole clause.
    pub span: Span,
}

/// What a clause of a `patchset` block says.
#[derive(Clone, Debug)]
pub enum SetClauseKind {
    /// `arch ARCH, ...`
    Arch(Vec<Word>),
    /// `abi kernel|user`
    Abi(Word),
    /// `baseline LEVEL-OR-FEATURE, ...`
    Baseline(Vec<Word>),
    /// `syntax att|intel`
    Syntax(Word),
    /// `site KIND, ...`
    Site(Vec<Group<SiteKind>>),
}

/// `feature NAME`
#[derive(Clone, Debug)]
pub struct Feature {
    /// Its `///` lines, without their marks.
    pub docs: Vec<String>,
    /// The name.
    pub name: Word,
}

/// `branch NAME = true|false [{ ... }]`
#[derive(Clone, Debug)]
pub struct Branch {
    /// Its `///` lines, without their marks.
    pub docs: Vec<String>,
    /// The dotted name.
    pub name: Word,
    /// `true` or `false`.
    pub initial: bool,
    /// Its clauses in order.
    pub clauses: Vec<BranchClause>,
}

/// A clause of a branch.
#[derive(Clone, Debug)]
pub struct BranchClause {
    /// What it says.
    pub kind: BranchClauseKind,
    /// The whole clause.
    pub span: Span,
}

/// What a clause of a branch says.
#[derive(Clone, Debug)]
pub enum BranchClauseKind {
    /// `arch ARCH, ...`
    Arch(Vec<Word>),
    /// `live`
    Live,
}

/// `op NAME(...) -> ... { ... }`
#[derive(Clone, Debug)]
pub struct Op {
    /// Its `///` lines, without their marks.
    pub docs: Vec<String>,
    /// The dotted name.
    pub name: Word,
    /// From `op` to the closing brace.
    pub span: Span,
    /// What goes in and comes out; `None` if it could not be read, which has been reported.
    pub signature: Option<Signature>,
    /// The opening brace.
    pub open: Span,
    /// Its clauses in order.
    pub clauses: Vec<Clause>,
    /// Whether some clause could not be read, which has been reported.
    pub damaged: bool,
}

/// What goes in and comes out.
#[derive(Clone, Debug)]
pub struct Signature {
    /// The parameters.
    pub params: Vec<Param>,
    /// The results.
    pub returns: Returns,
    /// From the opening parenthesis to the last result.
    pub span: Span,
}

/// A parameter or result.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name; `None` for an unnamed result.
    pub name: Option<Word>,
    /// The type.
    pub ty: Word,
    /// `in REG`
    pub place: Option<Word>,
    /// The whole of it.
    pub span: Span,
}

/// What comes back.
#[derive(Clone, Debug)]
pub enum Returns {
    /// These, possibly none.
    Values(Vec<Param>),
    /// `-> !`
    Never(Span),
}

/// A clause of an op.
#[derive(Clone, Debug)]
pub struct Clause {
    /// What it says.
    pub kind: ClauseKind,
    /// The whole clause.
    pub span: Span,
}

/// What a clause of an op says.
#[derive(Clone, Debug)]
pub enum ClauseKind {
    /// `clobbers ...`
    Clobbers(Vec<Group<Word>>),
    /// `preserves ...`
    Preserves(Vec<Word>),
    /// `site ...`
    Site(Vec<Group<SiteKind>>),
    /// `default SYMBOL`
    Default(Word),
    /// `allow(CODE, "reason")`
    Allow {
        /// The code as written.
        code: Word,
        /// The reason.
        reason: Word,
    },
    /// `live`
    Live,
    /// `nocall`
    Nocall,
    /// `partial`
    Partial,
    /// A row.
    Row(Row),
}

/// Items for all arches of the op, or for those that are named before the colon.
#[derive(Clone, Debug)]
pub struct Group<T> {
    /// The arches; empty: all.
    pub arches: Vec<Word>,
    /// The items.
    pub items: Vec<T>,
}

/// A kind of site.
#[derive(Clone, Debug)]
pub struct SiteKind {
    /// The kind.
    pub name: Word,
    /// The number in parentheses.
    pub len: Option<Word>,
    /// Both.
    pub span: Span,
}

/// `ARCH, ... [when COND] [identity] { ASM } [= BYTES]`
#[derive(Clone, Debug)]
pub struct Row {
    /// The arches as named.
    pub arches: Vec<Word>,
    /// The text of the condition.
    pub when: Option<Word>,
    /// `identity`
    pub identity: Option<Span>,
    /// The body without its braces.
    pub asm: Span,
    /// The text after `=`, trimmed.
    pub bytes: Option<Word>,
}
