//! Formatting, by the formatter of `pvc fmt`.

use super::symbols::range as range_of;
use super::workspace::View;
use crate::format::{FormatOptions, format};
use gen_lsp_types::{Range, TextEdit};

/// The change that formats a document; `None` if it cannot be read.
pub(super) fn whole(view: &View<'_>) -> Option<Vec<TextEdit>> {
    let text = &view.text().file.text;
    let formatted = format(text, &FormatOptions::default()).ok()?;
    Some(change(view, 0, text, &formatted).into_iter().collect())
}

/// The changes that format the items in a range.
pub(super) fn range(view: &View<'_>, range: Range) -> Option<Vec<TextEdit>> {
    let changes = view.items_in(range).filter_map(|item| {
        // White space between items stays as it is.
        let old = item.piece.text.trim_end();
        let formatted = format(old, &FormatOptions::default()).ok()?;
        change(view, item.range.start, old, formatted.trim_end())
    });
    Some(changes.collect())
}

/// The change from one text to another, without the lines at both ends that are the same.
fn change(view: &View<'_>, base: usize, old: &str, new: &str) -> Option<TextEdit> {
    if old == new {
        return None;
    }
    let same = |a: &str, b: &str| a == b;
    let lines = |text: &'_ str| text.split_inclusive('\n').map(str::to_owned).collect::<Vec<_>>();
    let (old_lines, new_lines) = (lines(old), lines(new));
    let head = old_lines.iter().zip(&new_lines).take_while(|(a, b)| same(a, b)).count();
    let (old_lines, new_lines) = (&old_lines[head..], &new_lines[head..]);
    let tail = old_lines.iter().rev().zip(new_lines.iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let len = |lines: &[String]| lines.iter().map(String::len).sum::<usize>();
    let start = base + old.len() - len(old_lines);
    let end = base + old.len() - len(&old_lines[old_lines.len() - tail..]);
    let new_text = new_lines[..new_lines.len() - tail].concat();
    Some(TextEdit { range: range_of(view, start, end), new_text })
}
