//! The table as one HTML page that needs nothing else.

use super::{OpCells, RowCells, Table};
use askama::Template;

#[derive(Template)]
#[template(path = "show.html")]
struct Page<'a> {
    table: &'a Table,
    version: &'static str,
}

/// The table as a page: no scripts, no other files, colours as the reader's system has them. Each op and each row has
/// an anchor (`#irq_save_fl`, `#irq_save_fl-x86_64-31`, the last the line of the source).
#[must_use]
pub fn html(table: &Table) -> String {
    let page = Page { table, version: env!("CARGO_PKG_VERSION") };
    let mut text = page.render().expect("writing to a string never fails");
    text.push('\n');
    text
}

impl Table {
    /// Its docs, a paragraph each.
    fn paragraphs(&self) -> Vec<Vec<Piece>> {
        paragraphs(&self.docs)
    }
}

impl OpCells {
    /// Its docs, a paragraph each.
    fn paragraphs(&self) -> Vec<Vec<Piece>> {
        paragraphs(&self.docs)
    }
}

impl RowCells {
    /// The bytes that are left in the smallest site.
    fn least_slack(&self) -> usize {
        self.sites.iter().map(|site| site.slack).min().unwrap_or(0)
    }
}

/// A part of a paragraph.
struct Piece {
    /// Whether it stood between backticks.
    code: bool,
    text: String,
}

/// Lines of documentation, joined up to the next empty one and cut at backticks.
fn paragraphs(docs: &[String]) -> Vec<Vec<Piece>> {
    let joined = docs.split(|line| line.is_empty()).map(|lines| lines.join(" ")).filter(|text| !text.is_empty());
    joined
        .map(|text| {
            let pieces: Vec<&str> = text.split('`').collect();
            // A last backtick without its twin is one.
            let even = pieces.len().is_multiple_of(2);
            let last = pieces.len() - 1;
            let piece = |(at, text): (usize, &&str)| match even && at == last {
                true => Piece { code: false, text: format!("`{text}") },
                false => Piece { code: at % 2 == 1, text: (*text).to_owned() },
            };
            pieces.iter().enumerate().map(piece).filter(|piece| !piece.text.is_empty()).collect()
        })
        .collect()
}
