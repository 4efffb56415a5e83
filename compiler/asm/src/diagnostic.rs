//! What is wrong with a text, where, and what would be right.

use std::fmt;
use std::ops::Range;

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The bytes are what GNU as gives, and it warns too.
    Warning,
    /// There are no bytes.
    Error,
}

/// The class of a finding; stable, so that tools can act on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No such mnemonic in this syntax.
    UnknownMnemonic,
    /// The instruction exists, but iced's opcode tables (and so this crate) do not have it.
    Unsupported,
    /// The operands fit no form of the instruction.
    OperandForm,
    /// The number of operands fits no form of the instruction.
    OperandCount,
    /// An immediate or displacement that the field cannot hold.
    ImmediateRange,
    /// Nothing settles the operand size.
    AmbiguousSize,
    /// Exists, but not in this mode.
    WrongMode,
    /// A register name that does not exist.
    UnknownRegister,
    /// A memory operand that no addressing form can express.
    Addressing,
    /// The text cannot be read.
    Syntax,
    /// A directive that is unknown, malformed or senseless in a block of code.
    Directive,
    /// An expression that cannot be evaluated.
    Expression,
    /// A label defined twice or referred to and missing.
    Label,
    /// A prefix that the instruction cannot carry.
    Prefix,
    /// A mask, zeroing, broadcast or rounding decorator that the instruction cannot carry.
    Decorator,
    /// The operands fit a form, but no encoding can hold them together (`%ah` beside a REX prefix).
    Unencodable,
    /// A limit of this crate.
    Limit,
    /// `call` or `jmp` through a register or memory without `*`.
    MissingStar,
}

/// A replacement that a tool can apply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fix {
    /// Byte range in the text.
    pub span: Range<usize>,
    /// What goes there instead.
    pub text: String,
}

/// One finding.
///
/// ```
/// let errors = pvc_asm::assemble("xro %eax,%eax", &Default::default()).unwrap_err();
/// assert_eq!(errors[0].kind, pvc_asm::ErrorKind::UnknownMnemonic);
/// assert_eq!(errors[0].span, 0..3);
/// assert_eq!(errors[0].fix.as_ref().unwrap().text, "xor");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The class.
    pub kind: ErrorKind,
    /// Byte range in the text, as narrow as the finding.
    pub span: Range<usize>,
    /// A sentence that makes sense alone.
    pub message: String,
    /// A few words to show under the span.
    pub label: String,
    /// Further facts, such as the operand forms that exist.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    /// The same as a replacement.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    pub(crate) fn error(kind: ErrorKind, span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind,
            span,
            message: message.into(),
            label: String::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
        }
    }

    pub(crate) fn warning(kind: ErrorKind, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(kind, span, message) }
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn fix(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, text: text.into() });
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Diagnostic {}
