//! Findings for people, drawn by codespan-reporting.

use super::{Applicability, Code, Diagnostic, Diagnostics, Severity};
use crate::source::SourceMap;
use codespan_reporting::diagnostic::{self as draw, LabelStyle};
use codespan_reporting::files::{self, Files};
use codespan_reporting::term::{self, termcolor};
use std::collections::BTreeSet;
use std::ops::Range;

/// Whether to colour the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Color {
    /// Plain text.
    Never,
    /// ANSI escape sequences.
    Always,
}

/// All findings as text, followed by the command that tells more about their codes.
#[must_use]
pub fn render(diagnostics: &Diagnostics, sources: &SourceMap, color: Color) -> String {
    let mut text = String::new();
    for found in diagnostics.list() {
        draw_one(&mut text, found, sources, color);
    }
    if diagnostics.left_out() > 0 {
        text.push_str(&format!("note: {} more findings are not shown\n", diagnostics.left_out()));
    }
    let codes: BTreeSet<Code> = diagnostics.list().iter().map(|found| found.code).collect();
    if !codes.is_empty() {
        let codes: Vec<String> = codes.iter().map(Code::to_string).collect();
        text.push_str(&format!("for more: pvc explain {}\n", codes.join(" ")));
    }
    text
}

/// Appends the drawing of one finding.
pub(super) fn draw_one(text: &mut String, found: &Diagnostic, sources: &SourceMap, color: Color) {
    let config = term::Config::default();
    let files = Drawn(sources);
    let drawn = drawing(found);
    let drawn_well = match color {
        Color::Never => term::emit_to_string(text, &config, &files, &drawn),
        Color::Always => {
            let mut buffer = termcolor::Buffer::ansi();
            let result = term::emit_to_write_style(&mut buffer, &config, &files, &drawn);
            text.push_str(&String::from_utf8_lossy(buffer.as_slice()));
            result
        }
    };
    // A span that is off is our defect, but the user must still see the message.
    if drawn_well.is_err() {
        text.push_str(&format!("{}: {}\n", found.code, found.message));
    }
}

fn drawing(found: &Diagnostic) -> draw::Diagnostic<u32> {
    let label = |style, label: &super::Label| draw::Label {
        style,
        file_id: label.span.file.0,
        range: label.span.range(),
        message: label.text.clone(),
    };
    let mut labels = vec![label(LabelStyle::Primary, &found.primary)];
    labels.extend(found.secondary.iter().map(|other| label(LabelStyle::Secondary, other)));
    let mut notes = found.notes.clone();
    notes.extend(found.help.iter().map(|help| format!("help: {help}")));
    if let Some(fix) = &found.fix {
        let sure = match fix.applicability {
            Applicability::Safe => "fix",
            Applicability::Maybe => "perhaps",
        };
        notes.push(match fix.text.trim() {
            text if text.is_empty() || fix.title.contains(text) => format!("{sure}: {}", fix.title),
            text => format!("{sure}: {}: `{text}`", fix.title),
        });
    }
    draw::Diagnostic {
        severity: match found.severity {
            Severity::Error => draw::Severity::Error,
            Severity::Warning => draw::Severity::Warning,
        },
        code: Some(found.code.to_string()),
        message: found.message.clone(),
        labels,
        notes,
    }
}

/// The source map in the shape that codespan-reporting reads.
struct Drawn<'a>(&'a SourceMap);

impl<'a> Files<'a> for Drawn<'a> {
    type FileId = u32;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: u32) -> Result<&'a str, files::Error> {
        self.file(id).map(|file| file.path.as_str())
    }

    fn source(&'a self, id: u32) -> Result<&'a str, files::Error> {
        self.file(id).map(|file| file.text.as_str())
    }

    fn line_index(&'a self, id: u32, offset: usize) -> Result<usize, files::Error> {
        Ok(self.file(id)?.line(offset as u32) as usize - 1)
    }

    fn line_range(&'a self, id: u32, line: usize) -> Result<Range<usize>, files::Error> {
        self.file(id)?.line_range(line).ok_or(files::Error::LineTooLarge { given: line, max: 0 })
    }
}

impl<'a> Drawn<'a> {
    fn file(&self, id: u32) -> Result<&'a crate::source::SourceFile, files::Error> {
        self.0.files().nth(id as usize).map(|(_, file)| file).ok_or(files::Error::FileMissing)
    }
}
