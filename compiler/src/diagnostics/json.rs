//! Findings as rustc writes them: one JSON object a line, so that what reads rustc's messages reads these.
//!
//! The shape is that of the rustc book, "JSON Output": offsets count bytes from 0, lines and columns from 1, columns in
//! characters, and ends lie one past the last.

use super::human::{Color, draw_one};
use super::{Applicability, Diagnostic, Diagnostics};
use crate::source::{SourceFile, SourceMap, Span};
use serde::Serialize;

/// The most lines of source that one span repeats, and the longest that it does.
const MAX_LINES: u32 = 32;
const MAX_LINE: usize = 8 << 10;

const TOP: Option<&str> = Some("diagnostic");

#[derive(Serialize)]
struct Message<'a> {
    /// Of messages that are nobody's child.
    #[serde(rename = "$message_type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    message: &'a str,
    code: Option<CodeOf>,
    level: &'static str,
    spans: Vec<Place<'a>>,
    children: Vec<Message<'a>>,
    rendered: Option<String>,
}

#[derive(Serialize)]
struct CodeOf {
    code: String,
    explanation: &'static str,
}

#[derive(Serialize)]
struct Place<'a> {
    file_name: &'a str,
    byte_start: u32,
    byte_end: u32,
    line_start: u32,
    line_end: u32,
    column_start: u32,
    column_end: u32,
    is_primary: bool,
    text: Vec<Line<'a>>,
    label: Option<&'a str>,
    suggested_replacement: Option<&'a str>,
    suggestion_applicability: Option<&'static str>,
    /// Macros, which this language has none of.
    expansion: Option<()>,
}

#[derive(Serialize)]
struct Line<'a> {
    text: &'a str,
    highlight_start: u32,
    highlight_end: u32,
}

/// All findings, each as one line of JSON.
#[must_use]
pub fn json(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    let mut text: String = diagnostics.list().iter().map(|found| line(&finding(found, sources))).collect();
    if diagnostics.left_out() > 0 {
        let message = format!("{} more findings are not shown", diagnostics.left_out());
        text.push_str(&line(&Message { kind: TOP, ..bare("note", &message) }));
    }
    text
}

/// A message that is about no place of a source file, as one line of JSON: an I/O error, say.
#[must_use]
pub fn json_message(message: &str) -> String {
    let rendered = Some(format!("error: {message}\n"));
    line(&Message { kind: TOP, rendered, ..bare("error", message) })
}

fn line(message: &Message<'_>) -> String {
    // Strings and numbers have no way to fail.
    serde_json::to_string(message).expect("a message of plain data") + "\n"
}

fn bare<'a>(level: &'static str, message: &'a str) -> Message<'a> {
    Message { kind: None, message, code: None, level, spans: Vec::new(), children: Vec::new(), rendered: None }
}

fn finding<'a>(found: &'a Diagnostic, sources: &'a SourceMap) -> Message<'a> {
    let label = |text: &'a str| (!text.is_empty()).then_some(text);
    let mut spans = vec![Place { label: label(&found.primary.text), ..place(found.primary.span, true, sources) }];
    spans.extend(
        found.secondary.iter().map(|other| Place { label: label(&other.text), ..place(other.span, false, sources) }),
    );
    let mut children: Vec<Message<'a>> = found.notes.iter().map(|note| bare("note", note)).collect();
    children.extend(found.help.iter().map(|help| bare("help", help)));
    children.extend(found.fix.iter().map(|fix| {
        let applicability = match fix.applicability {
            Applicability::Safe => "MachineApplicable",
            Applicability::Maybe => "MaybeIncorrect",
        };
        let place = Place {
            suggested_replacement: Some(&fix.text),
            suggestion_applicability: Some(applicability),
            ..place(fix.span, true, sources)
        };
        Message { spans: vec![place], ..bare("help", &fix.title) }
    }));
    let mut rendered = String::new();
    draw_one(&mut rendered, found, sources, Color::Never);
    Message {
        kind: TOP,
        message: &found.message,
        code: Some(CodeOf { code: found.code.to_string(), explanation: found.code.info().page }),
        level: found.severity.name(),
        spans,
        children,
        rendered: Some(rendered),
    }
}

fn place(span: Span, is_primary: bool, sources: &SourceMap) -> Place<'_> {
    let file = sources.file(span.file);
    let (line_start, column_start) = file.line_column(span.start);
    let (line_end, column_end) = file.line_column(span.end);
    Place {
        file_name: &file.path,
        byte_start: span.start,
        byte_end: span.end,
        line_start,
        line_end,
        column_start,
        column_end,
        is_primary,
        text: lines(file, (line_start, column_start), (line_end, column_end)),
        label: None,
        suggested_replacement: None,
        suggestion_applicability: None,
        expansion: None,
    }
}

/// The lines between two places, and the part of each that lies between them.
fn lines(file: &SourceFile, start: (u32, u32), end: (u32, u32)) -> Vec<Line<'_>> {
    let shown = start.0..=end.0.min(start.0.saturating_add(MAX_LINES - 1));
    shown
        .filter_map(|number| {
            let range = file.line_range(number as usize - 1)?;
            let text = file.text[range].trim_end_matches(['\n', '\r']);
            if text.len() > MAX_LINE {
                return None;
            }
            Some(Line {
                text,
                highlight_start: if number == start.0 { start.1 } else { 1 },
                highlight_end: if number == end.0 { end.1 } else { text.chars().count() as u32 + 1 },
            })
        })
        .collect()
}
