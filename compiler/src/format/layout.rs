//! Lines with their columns, and the text that they make.

use super::WIDTH;

/// Where the brace of a row stands in an op that has room: right of `x86_64, i386`, in columns from the row's start.
const ASM_COLUMN: usize = 15;
/// Where its `=` stands.
const BYTES_COLUMN: usize = 48;
/// Columns that one cell would push further right than this are not aligned for its sake.
const FAR: usize = 92;
/// Between the widest line of a block and the comments beside its lines.
const COMMENT_GAP: usize = 4;

/// One line of the formatted file, or a row whose bytes may take several.
#[derive(Debug)]
pub(super) struct Line {
    /// Whether a blank line stands above.
    pub(super) blank: bool,
    /// Indentation, in columns.
    pub(super) indent: usize,
    /// Lines of one number are aligned with each other.
    pub(super) block: usize,
    pub(super) content: Content,
    /// The comment beside it, with its mark.
    pub(super) comment: Option<String>,
}

/// What stands on a line.
#[derive(Debug)]
pub(super) enum Content {
    /// Text that is aligned with nothing.
    Text(String),
    /// A clause of a `patchset` block: its keyword and the rest.
    Clause(String, String),
    /// A row that fits on a line.
    Row(Row),
}

/// The cells of a row.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) arches: String,
    /// `when ...`, `identity`, both, or nothing.
    pub(super) condition: String,
    /// With its braces.
    pub(super) asm: String,
    /// The groups; empty: none are written.
    pub(super) bytes: Vec<String>,
}

/// The columns of a block.
#[derive(Default)]
struct Columns {
    keyword: usize,
    condition: usize,
    asm: usize,
    bytes: usize,
}

impl Columns {
    fn of(lines: &[Line]) -> Self {
        let mut columns = Self { asm: ASM_COLUMN, bytes: BYTES_COLUMN, ..Self::default() };
        let rows = || {
            lines.iter().filter_map(|line| match &line.content {
                Content::Row(row) => Some(row),
                _ => None,
            })
        };
        for line in lines {
            if let Content::Clause(keyword, _) = &line.content {
                columns.keyword = columns.keyword.max(width(keyword) + 1);
            }
        }
        for row in rows().filter(|row| !row.condition.is_empty()) {
            columns.condition = columns.condition.max(width(&row.arches) + 1);
        }
        for row in rows() {
            columns.asm = aligned(columns.asm, columns.head(row));
        }
        for row in rows().filter(|row| !row.bytes.is_empty()) {
            columns.bytes = aligned(columns.bytes, columns.row(row));
        }
        columns
    }

    /// The width of a row before its asm.
    fn head(&self, row: &Row) -> usize {
        match row.condition.as_str() {
            "" => width(&row.arches),
            condition => self.condition + width(condition),
        }
    }

    /// The width of a row before its bytes.
    fn row(&self, row: &Row) -> usize {
        self.asm.max(self.head(row) + 1) + width(&row.asm)
    }

    fn text(&self, line: &Line) -> String {
        match &line.content {
            Content::Text(text) => text.clone(),
            Content::Clause(keyword, rest) => format!("{keyword:<0$}{rest}", self.keyword),
            Content::Row(row) => self.row_text(row, line.indent),
        }
    }

    fn row_text(&self, row: &Row, indent: usize) -> String {
        let mut text = row.arches.clone();
        if !row.condition.is_empty() {
            pad(&mut text, self.condition);
            text.push_str(&row.condition);
        }
        pad(&mut text, self.asm);
        text.push_str(&row.asm);
        if row.bytes.is_empty() {
            return text;
        }
        pad(&mut text, self.bytes);
        text.push_str("= ");
        let start = width(&text);
        let all = row.bytes.join(" | ");
        if indent + start + width(&all) <= WIDTH {
            text.push_str(&all);
        } else {
            text.push_str(&row.bytes.join(&format!(" |\n{:1$}", "", indent + start)));
        }
        text
    }
}

/// A column that is right of `end`, unless that is too far.
fn aligned(column: usize, end: usize) -> usize {
    if end < FAR { column.max(end + 1) } else { column }
}

/// Fills up with blanks to a column, at least one.
fn pad(text: &mut String, column: usize) {
    let blanks = column.saturating_sub(width(text)).max(1);
    text.extend(std::iter::repeat_n(' ', blanks));
}

/// Characters, as near to columns as a terminal needs here: only comments and strings are not ASCII.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// The text of all lines.
pub(super) fn render(lines: &[Line]) -> String {
    let mut text = String::new();
    for block in lines.chunk_by(|one, other| one.block == other.block) {
        let columns = Columns::of(block);
        let texts: Vec<String> = block.iter().map(|line| columns.text(line)).collect();
        let beside = block.iter().zip(&texts).filter(|(line, _)| line.comment.is_some());
        let comments = beside.map(|(line, text)| line.indent + last_width(text)).max().unwrap_or(0) + COMMENT_GAP;
        for (line, content) in block.iter().zip(&texts) {
            if line.blank {
                text.push('\n');
            }
            let start = text.len();
            if !content.is_empty() {
                text.extend(std::iter::repeat_n(' ', line.indent));
                text.push_str(content);
            }
            if let Some(comment) = &line.comment {
                let at = text[start..].rfind('\n').map_or(start, |at| start + at + 1);
                let blanks = comments.saturating_sub(width(&text[at..]));
                text.extend(std::iter::repeat_n(' ', blanks));
                text.push_str(comment);
            }
            text.push('\n');
        }
    }
    text
}

/// The width of the last line of a text.
fn last_width(text: &str) -> usize {
    match text.rsplit_once('\n') {
        // Its continuation lines carry the indentation already; the difference does not matter for a comment.
        Some((_, last)) => width(last),
        None => width(text),
    }
}
