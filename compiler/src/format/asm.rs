//! Asm bodies: what stands between the braces is the author's; only its place is chosen.

use crate::syntax::begins_item;

/// A body.
pub(super) enum Body {
    /// On one line, braces included.
    Line(String),
    /// On lines of its own: without indentation but for what they have among each other; empty: a blank line.
    Lines(Vec<String>),
}

/// The body of an asm token's text, which stands between its braces.
pub(super) fn body(text: &str) -> Body {
    let trimmed = text.trim();
    // A mark of a comment or constant may take in what is joined to it.
    let joins = !trimmed.contains('\n') && (!text.contains('\n') || !trimmed.contains(['#', '/', '\'', '"', '\\']));
    if joins || begins_item(trimmed) {
        return Body::Line(if trimmed.is_empty() { "{ }".to_owned() } else { format!("{{ {trimmed} }}") });
    }
    let mut lines: Vec<String> = text.split('\n').map(|line| untabbed(line.trim_end())).collect();
    // The first line begins behind the brace: it has no indentation of its own.
    let first = lines[0].trim_start().to_owned();
    let indent = lines[1..].iter().filter(|line| !line.is_empty()).map(|line| indentation(line)).min().unwrap_or(0);
    lines[0] = if first.is_empty() { first } else { " ".repeat(indent) + &first };
    let mut dedented: Vec<String> = lines.iter().map(|line| line.get(indent..).unwrap_or("").to_owned()).collect();
    dedented.dedup_by(|line, before| line.is_empty() && before.is_empty());
    let from = usize::from(dedented.first().is_some_and(String::is_empty));
    let to = dedented.len() - usize::from(dedented.last().is_some_and(String::is_empty));
    Body::Lines(dedented.drain(from..to).collect())
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// The line with the tabs of its indentation as blanks.
fn untabbed(line: &str) -> String {
    let content = line.trim_start_matches([' ', '\t']);
    let mut column = 0;
    for byte in line[..line.len() - content.len()].bytes() {
        column = if byte == b'\t' { (column / 8 + 1) * 8 } else { column + 1 };
    }
    " ".repeat(column) + content
}
