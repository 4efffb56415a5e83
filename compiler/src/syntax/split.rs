//! Cuts a file into its items before they are parsed.
//!
//! An item begins on a line of its own, and no line inside an item begins with an item's keyword. So the cuts need no
//! look at braces: a brace that is missing or doubled spoils its own item and no other.

use std::ops::Range;

/// The words that begin an item.
pub(super) const ITEM_KEYWORDS: [&str; 5] = ["patchset", "feature", "include", "op", "branch"];

/// The pieces of a file: first what stands before the first item, then one piece an item, each with the doc comments
/// above it. Together they are the whole text.
pub(crate) fn split(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    let mut cuts = item_starts(text).chain(std::iter::once(text.len()));
    std::iter::from_fn(move || {
        let end = cuts.next()?;
        let piece = start..end;
        start = end;
        Some(piece)
    })
}

/// Where items begin: at their keyword's line, or at the first line of the comments right above it.
fn item_starts(text: &str) -> impl Iterator<Item = usize> + '_ {
    // A byte order mark is no part of the first line.
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = text.len() - body.len();
    let mut comments = None;
    body.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        let content = line.trim_start_matches([' ', '\t']);
        if content.starts_with("//") && !content.starts_with("//!") {
            comments = comments.or(Some(start));
            return None;
        }
        let above = comments.take();
        begins_item(content).then(|| above.unwrap_or(start))
    })
}

/// Whether a line, without its indentation, begins with an item's keyword.
pub(crate) fn begins_item(line: &str) -> bool {
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
    // `op:` would be a label of an asm body.
    ITEM_KEYWORDS.contains(&&line[..end]) && !line[end..].starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::split;

    fn pieces(text: &str) -> Vec<&str> {
        split(text).map(|piece| &text[piece]).collect()
    }

    #[test]
    fn cuts_at_keywords_and_the_comments_above_them() {
        let text = "//! set\n// x\n\n/// doc\n/// more\nop a() {\n x86 { cli }\n\n}\n// c\nfeature b\nop";
        assert_eq!(
            pieces(text),
            ["//! set\n// x\n\n", "/// doc\n/// more\nop a() {\n x86 { cli }\n\n}\n", "// c\nfeature b\n", "op"]
        );
    }

    #[test]
    fn an_open_brace_does_not_hide_the_next_item() {
        assert_eq!(pieces("op a() {\n x86 {\n  op b() {\n"), ["", "op a() {\n x86 {\n", "  op b() {\n"]);
    }

    #[test]
    fn words_that_only_look_alike_do_not_cut() {
        assert_eq!(pieces("operation\nop: nop\nopcode x\n.include"), ["operation\nop: nop\nopcode x\n.include"]);
        assert_eq!(pieces(""), [""]);
        assert_eq!(pieces("\u{feff}op a"), ["\u{feff}", "op a"]);
    }
}
