//! Generated text, written into one buffer as it comes.

use std::fmt::{self, Write};

/// What a text is made of.
///
/// Strings and numbers are appended as they are: most lines are short, and for them the machinery of format strings costs
/// several times what the text does.
pub(super) trait Piece {
    /// Appends it.
    fn append(&self, text: &mut String);
}

/// Appends pieces to a string.
macro_rules! put {
    ($text:expr, $($piece:expr),+ $(,)?) => {{
        let text: &mut String = &mut $text;
        $($crate::emit::text::Piece::append(&$piece, text);)+
    }};
}
pub(super) use put;

impl Piece for str {
    fn append(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl Piece for String {
    fn append(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl<T: Piece + ?Sized> Piece for &T {
    fn append(&self, text: &mut String) {
        (**self).append(text);
    }
}

impl Piece for std::borrow::Cow<'_, str> {
    fn append(&self, text: &mut String) {
        text.push_str(self);
    }
}

impl<T: Piece> Piece for Option<T> {
    fn append(&self, text: &mut String) {
        if let Some(piece) = self {
            piece.append(text);
        }
    }
}

impl Piece for char {
    fn append(&self, text: &mut String) {
        text.push(*self);
    }
}

impl Piece for fmt::Arguments<'_> {
    fn append(&self, text: &mut String) {
        text.write_fmt(*self).expect("writing to a String does not fail");
    }
}

impl Piece for bool {
    fn append(&self, text: &mut String) {
        text.push_str(if *self { "true" } else { "false" });
    }
}

macro_rules! decimal {
    ($($number:ty),+) => {
        $(impl Piece for $number {
            fn append(&self, text: &mut String) {
                decimal(*self as u64, text);
            }
        })+
    };
}
decimal!(u8, u16, u32, u64, usize);

fn decimal(number: u64, text: &mut String) {
    if number > 9 {
        decimal(number / 10, text);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// A byte as `0x0f`.
pub(super) struct Hex(pub(super) u8);

impl Piece for Hex {
    fn append(&self, text: &mut String) {
        let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
        text.push_str("0x");
        text.push(digit(self.0 >> 4));
        text.push(digit(self.0 & 15));
    }
}

/// Bytes as `0x0f, 0x1f`.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl Piece for Bytes<'_> {
    fn append(&self, text: &mut String) {
        for (index, &byte) in self.0.iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            Hex(byte).append(text);
        }
    }
}

/// Appends a piece, with `, ` before it unless it is the first.
pub(super) fn item(list: &mut String, pieces: &[&str]) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    pieces.iter().for_each(|piece| list.push_str(piece));
}

/// Room for a usual part of an output, so that it is not moved as it grows.
const PART: usize = 4 << 10;

/// Lines of a text under construction.
#[derive(Default)]
pub(super) struct Text {
    text: String,
    indent: &'static str,
    depth: usize,
}

/// Appends a line made of pieces to a [`Text`].
macro_rules! line {
    ($text:expr, $($piece:expr),+ $(,)?) => {
        $text.write_line(|line: &mut String| {
            $($crate::emit::text::Piece::append(&$piece, line);)+
        })
    };
}
pub(super) use line;

impl Text {
    /// An empty text whose lines begin with `depth` times `indent`.
    pub(super) fn new(indent: &'static str, depth: usize) -> Self {
        Self { text: String::with_capacity(PART), indent, depth }
    }

    /// Appends one line; an empty one gets no indentation.
    pub(super) fn line(&mut self, line: &str) {
        if !line.is_empty() {
            self.start_line();
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// What [`line!`] stands for.
    pub(super) fn write_line(&mut self, line: impl FnOnce(&mut String)) {
        self.start_line();
        line(&mut self.text);
        self.text.push('\n');
    }

    /// Appends each line.
    pub(super) fn lines<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        lines.into_iter().for_each(|line| self.line(line));
    }

    /// The lines that `content` appends stand deeper by `depth`.
    pub(super) fn nested(&mut self, depth: usize, content: impl FnOnce(&mut Self)) {
        self.depth += depth;
        content(self);
        self.depth -= depth;
    }

    /// The text without its last line feed.
    pub(super) fn finish(mut self) -> String {
        self.text.pop();
        self.text
    }

    fn start_line(&mut self) {
        for _ in 0..self.depth {
            self.text.push_str(self.indent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_what_format_strings_would_make_of_them() {
        let mut text = String::new();
        put!(
            text,
            "a",
            'b',
            0_u8,
            90_u32,
            u64::MAX,
            true,
            Some("c"),
            None::<&str>,
            format_args!("{}", -1),
            Bytes(&[0, 255])
        );
        assert_eq!(text, format!("ab090{}truec-10x00, 0xff", u64::MAX));
        let mut list = String::new();
        item(&mut list, &["a"]);
        item(&mut list, &["b", "c"]);
        assert_eq!(list, "a, bc");
    }
}
