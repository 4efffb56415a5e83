//! Guesses which brace of an item was left open.

/// The offset of the brace that was most likely left open in an item that never closes.
///
/// By balance alone it is always an outer one, because a missing brace takes the next that comes. By layout: a closing
/// brace that begins its line closes a brace whose line has the same indentation; what was opened deeper inside and is
/// still open then is the culprit.
pub(super) fn unclosed(text: &str) -> Option<usize> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches([' ', '\t']);
        let indent = line.len() - content.len();
        let begins_with_close = content.starts_with('}');
        for (offset, byte) in line.bytes().enumerate() {
            match byte {
                b'{' => open.push((at + offset, indent)),
                b'}' => {
                    let outer = open.first().is_some_and(|&(_, of)| of <= indent);
                    let inner = open.last().filter(|&&(_, of)| of > indent);
                    if let (true, Some(&(culprit, _))) = (outer && begins_with_close && offset == indent, inner) {
                        return Some(culprit);
                    }
                    open.pop();
                }
                // A comment may hold any braces. Strings may too, but a guess need not be perfect.
                b'#' => break,
                b'/' if line[offset..].starts_with("//") => break,
                _ => {}
            }
        }
        at += line.len();
    }
    open.first().map(|&(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use super::unclosed;

    #[test]
    fn layout_tells_the_inner_brace() {
        let text = "op a() {\n    x86_64 { pause\n}\n";
        assert_eq!(unclosed(text), text.rfind('{'));
        let text = "op a() {\n    x86_64 { pause }\n\n";
        assert_eq!(unclosed(text), text.find('{'));
        let text = "op a() { // {\n    x86_64 {\n        cli # }\n    }\n";
        assert_eq!(unclosed(text), text.find('{'));
        assert_eq!(unclosed("op a()"), None);
    }
}
