//! Findings: what they are, how they are collected beside the phases, and how they are shown.

mod codes;
mod human;
mod json;
mod levels;
mod sarif;
mod short;

pub use codes::{CODES, Code, CodeInfo};
pub use human::{Color, render};
pub use json::{json, json_message};
pub use levels::{Level, Levels, UnknownCode};
pub use sarif::Sarif;
pub use short::short;

use crate::source::Span;

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth knowing; the outputs are right.
    Warning,
    /// The outputs would be wrong: nothing is written.
    Error,
}

/// A place that a finding points to, with a few words to show under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is to be seen there; may be empty.
    pub text: String,
}

/// A change of the source that mends a finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fix {
    /// What it does, as an instruction to the reader: "declare the clobber".
    pub title: String,
    /// What is replaced (empty: an insertion).
    pub span: Span,
    /// The new text.
    pub text: String,
    /// Whether a machine may apply it unasked.
    pub applicability: Applicability,
}

/// How sure a fix is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Applicability {
    /// What it leads to is right by itself, whatever the author had in mind: `pvc check --fix` applies it.
    Safe,
    /// A good guess that the author has to look at: `pvc check --fix --unsafe-fixes` applies it.
    Maybe,
}

/// One finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// Its severity.
    pub severity: Severity,
    /// The message: makes sense alone, without the source.
    pub message: String,
    /// The place it is about.
    pub primary: Label,
    /// Other places that explain it.
    pub secondary: Vec<Label>,
    /// Further facts, one sentence or block each.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// A change that a machine can apply.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A finding with the code's own severity, at `span`.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.info().severity,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            notes: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// Sets the words under the primary span.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Sets the help.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Sets the machine fix, one that is [`Applicability::Safe`].
    #[must_use]
    pub fn fix(mut self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let applicability = Applicability::Safe;
        self.fix = Some(Fix { title: title.into(), span, text: text.into(), applicability });
        self
    }

    /// Sets a machine fix that is a guess: [`Applicability::Maybe`].
    #[must_use]
    pub fn guess(mut self, title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        let applicability = Applicability::Maybe;
        self.fix = Some(Fix { title: title.into(), span, text: text.into(), applicability });
        self
    }
}

/// The most findings that are kept of one compilation; after that a last one says how many were left out.
pub const MAX_DIAGNOSTICS: usize = 1000;

/// The collector that runs beside the phases.
#[derive(Clone, Default, Debug)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    left_out: usize,
    errors: usize,
}

impl Diagnostics {
    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        if self.list.len() < MAX_DIAGNOSTICS {
            self.list.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    /// Whether an error was found: then nothing may be emitted.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors were found, those left out of the list included.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many findings did not fit into the list.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The findings in the order of the source: by file, start, then code.
    pub fn sort(&mut self) {
        self.list.sort_by(|a, b| {
            (a.primary.span.file, a.primary.span.start, a.code, &a.message).cmp(&(
                b.primary.span.file,
                b.primary.span.start,
                b.code,
                &b.message,
            ))
        });
        // A mistake is one finding, on however many arches it shows; the labels may name the registers of each.
        let before = self.error_count();
        self.list.dedup_by(|a, b| (a.code, a.primary.span, &a.message) == (b.code, b.primary.span, &b.message));
        self.errors -= before - self.error_count();
    }

    /// Keeps the findings for which `keep` holds, and counts the errors anew.
    pub fn retain(&mut self, keep: impl FnMut(&Diagnostic) -> bool) {
        let before = self.error_count();
        self.list.retain(keep);
        self.errors -= before - self.error_count();
    }

    /// Gives each warning the level that the user wants for its code.
    pub fn apply(&mut self, levels: &Levels) {
        let level = |found: &Diagnostic| match found.severity {
            Severity::Warning => levels.of(found.code),
            Severity::Error => Level::Warn,
        };
        self.list.retain(|found| level(found) != Level::Allow);
        for found in self.list.iter_mut().filter(|found| level(found) == Level::Deny) {
            found.severity = Severity::Error;
            found.notes.push(format!("a warning by itself; `{}` makes it an error", levels.denied_by(found.code)));
            self.errors += 1;
        }
    }

    fn error_count(&self) -> usize {
        self.list.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// The findings.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }
}
