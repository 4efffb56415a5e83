//! Positions of the protocol as byte offsets. What a column counts was agreed on with the client.

use crate::source::{SourceFile, Span};
use gen_lsp_types::{Position, PositionEncodingKind, Range};

/// What a column counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    /// Bytes.
    Utf8,
    /// UTF-16 code units.
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    /// The first of the client's that is known; UTF-16 without any.
    pub(super) fn negotiate(offered: &[PositionEncodingKind]) -> Self {
        let known = |kind: &PositionEncodingKind| match kind {
            PositionEncodingKind::UTF8 => Some(Self::Utf8),
            PositionEncodingKind::UTF16 => Some(Self::Utf16),
            PositionEncodingKind::UTF32 => Some(Self::Utf32),
            _ => None,
        };
        offered.iter().find_map(known).unwrap_or(Self::Utf16)
    }

    pub(super) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    fn width(self, c: char) -> usize {
        match self {
            Self::Utf8 => c.len_utf8(),
            Self::Utf16 => c.len_utf16(),
            Self::Utf32 => 1,
        }
    }

    /// The length of a text on one line.
    pub(super) fn len(self, text: &str) -> u32 {
        match self {
            Self::Utf8 => text.len() as u32,
            _ if text.is_ascii() => text.len() as u32,
            _ => text.chars().map(|c| self.width(c)).sum::<usize>() as u32,
        }
    }

    /// The byte offset of a column in a line; a column behind the end is the end, one inside a character its start.
    pub(super) fn offset(self, line: &str, column: u32) -> usize {
        let mut left = column as usize;
        for (at, c) in line.char_indices() {
            let width = self.width(c);
            if left < width || c == '\n' || (c == '\r' && line[at..].starts_with("\r\n")) {
                return at;
            }
            left -= width;
        }
        line.len()
    }
}

/// A text with what its columns count.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) encoding: Encoding,
}

impl Text<'_> {
    pub(super) fn position(self, offset: usize) -> Position {
        let mut offset = offset.min(self.file.text.len());
        while !self.file.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.file.line(offset as u32) as usize - 1;
        let start = self.file.line_range(line).map_or(0, |range| range.start);
        Position { line: line as u32, character: self.encoding.len(&self.file.text[start..offset]) }
    }

    pub(super) fn range(self, span: Span) -> Range {
        Range { start: self.position(span.start as usize), end: self.position(span.end as usize) }
    }

    pub(super) fn offset(self, position: Position) -> usize {
        match self.file.line_range(position.line as usize) {
            Some(range) => range.start + self.encoding.offset(&self.file.text[range], position.character),
            None => self.file.text.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceMap;

    #[test]
    fn columns_count_what_was_agreed_on() {
        let line = "a\u{e4}\u{1f600}b\r\n";
        for (encoding, columns) in
            [(Encoding::Utf8, [0, 1, 3, 7, 8]), (Encoding::Utf16, [0, 1, 2, 4, 5]), (Encoding::Utf32, [0, 1, 2, 3, 4])]
        {
            let mut map = SourceMap::default();
            let id = map.add("x.pv".into(), format!("first\n{line}"));
            let text = Text { file: map.file(id), encoding };
            for (column, offset) in columns.into_iter().zip([0, 1, 3, 7, 8]) {
                assert_eq!(encoding.offset(line, column), offset, "{encoding:?}");
                assert_eq!(text.position(6 + offset), Position { line: 1, character: column });
                assert_eq!(text.offset(Position { line: 1, character: column }), 6 + offset);
            }
            // Behind the end of a line is its end, before the line end.
            assert_eq!(encoding.offset(line, 99), 8);
            assert_eq!(text.offset(Position { line: 9, character: 0 }), text.file.text.len());
        }
        // Half of a surrogate pair is no position: the character's start stands for it.
        assert_eq!(Encoding::Utf16.offset(line, 3), 3);
    }
}
