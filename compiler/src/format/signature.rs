//! The head of an op: on one line, or with a parameter a line.

use super::WIDTH;
use super::item::{Leaf, joined};
use super::layout::width;
use crate::syntax::Rule;

/// An item of a list, with the comments around it.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) above: Vec<String>,
    pub(super) text: String,
    pub(super) beside: Option<String>,
}

/// A list in parentheses.
#[derive(Default)]
pub(super) struct List {
    pub(super) entries: Vec<Entry>,
    /// Comments behind the last item.
    pub(super) tail: Vec<String>,
    /// Whether each item stands on its line.
    pub(super) broken: bool,
}

/// A part of the head.
pub(super) enum Part {
    Text(String),
    List(List),
}

/// The head of an op in parts, and the comments in it that stand in no list.
pub(super) fn parts(source: &str, leaves: &[Leaf<'_>]) -> (Vec<Part>, Vec<String>) {
    let mut parts = Vec::new();
    let mut comments = Vec::new();
    let mut plain: Vec<Leaf<'_>> = Vec::new();
    let mut at = 0;
    while let Some(leaf) = leaves.get(at) {
        at += 1;
        match leaf.rule {
            Rule::comment => comments.push(leaf.text.trim_end().to_owned()),
            Rule::lparen => {
                let space = if plain.last().is_some_and(|last| last.rule == Rule::arrow) { " " } else { "" };
                parts.push(Part::Text(joined(&plain) + space));
                plain.clear();
                let len = leaves[at..].iter().take_while(|leaf| leaf.rule != Rule::rparen).count();
                parts.push(Part::List(list(source, leaf.end, &leaves[at..at + len], leaves.get(at + len))));
                at += len + 1;
            }
            _ => plain.push(*leaf),
        }
    }
    if !plain.is_empty() {
        let space = if parts.is_empty() { "" } else { " " };
        parts.push(Part::Text(space.to_owned() + &joined(&plain)));
    } else if let [Part::Text(_), Part::List(_), Part::Text(arrow), Part::List(_)] = &mut parts[..] {
        arrow.insert(0, ' ');
    }
    break_wide(&mut parts);
    (parts, comments)
}

/// The items between two parentheses. A list whose author left a comma at the end of its last line stays broken.
fn list(source: &str, open: usize, leaves: &[Leaf<'_>], close: Option<&Leaf<'_>>) -> List {
    let mut list = List::default();
    let mut entry = Entry::default();
    let mut tokens: Vec<Leaf<'_>> = Vec::new();
    let mut end = open;
    // Comments on lines of their own behind an item that its comma has not ended yet.
    let mut behind: Vec<String> = Vec::new();
    for leaf in leaves {
        let same_line = !source[end..leaf.start].contains('\n');
        end = leaf.end;
        if leaf.rule == Rule::comment {
            list.broken = true;
            let comment = leaf.text.trim_end().to_owned();
            match list.entries.last_mut() {
                _ if !tokens.is_empty() && same_line && entry.beside.is_none() => entry.beside = Some(comment),
                _ if !tokens.is_empty() => behind.push(comment),
                Some(last) if same_line && last.beside.is_none() => last.beside = Some(comment),
                _ => entry.above.push(comment),
            }
        } else if leaf.rule == Rule::comma {
            entry.above.append(&mut behind);
            entry.text = joined(&std::mem::take(&mut tokens));
            list.entries.push(std::mem::take(&mut entry));
        } else {
            tokens.push(*leaf);
        }
    }
    let last_comma = tokens.is_empty() && leaves.iter().any(|leaf| leaf.rule == Rule::comma);
    if last_comma && close.is_some_and(|close| source[end..close.start].contains('\n')) {
        list.broken = true;
    }
    if tokens.is_empty() {
        list.tail = entry.above;
    } else {
        entry.text = joined(&tokens);
        list.entries.push(entry);
        list.tail = behind;
    }
    list
}

/// Breaks lists, the first first, until each line of the head is short enough.
fn break_wide(parts: &mut [Part]) {
    let mut line = "op ".len();
    for at in 0..parts.len() {
        // What comes up to the next list that may be broken; the last part has ` {` behind it.
        let rest: usize = parts[at + 1..].iter().map(flat_width).sum::<usize>() + " {".len();
        let flat = flat_width(&parts[at]);
        match &mut parts[at] {
            Part::List(list) => {
                list.broken |= line + flat + rest > WIDTH && !list.entries.is_empty();
                line = if list.broken { ")".len() } else { line + flat };
            }
            Part::Text(_) => line += flat,
        }
    }
}

fn flat_width(part: &Part) -> usize {
    match part {
        Part::Text(text) => width(text),
        Part::List(list) => flat(list).len(),
    }
}

/// A list on one line.
pub(super) fn flat(list: &List) -> String {
    let items: Vec<&str> = list.entries.iter().map(|entry| entry.text.as_str()).collect();
    format!("({})", items.join(", "))
}
