//! Lines of generated text, written into one buffer as they come.

use std::fmt::{self, Write};

/// A text under construction.
#[derive(Default)]
pub(super) struct Text {
    text: String,
    indent: &'static str,
    depth: usize,
}

/// Appends a line: a text, and a format string and its arguments as for `format!`.
macro_rules! line {
    ($text:expr, $($format:tt)+) => {
        $text.write_line(format_args!($($format)+))
    };
}
pub(super) use line;

/// Appends to a string: format string and arguments as for `format!`.
macro_rules! put {
    ($text:expr, $($format:tt)+) => {
        ::std::fmt::Write::write_fmt(&mut $text, format_args!($($format)+)).expect("writing to a String does not fail")
    };
}
pub(super) use put;

impl Text {
    /// An empty text whose lines begin with `depth` times `indent`.
    pub(super) fn new(indent: &'static str, depth: usize) -> Self {
        Self { text: String::new(), indent, depth }
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
    pub(super) fn write_line(&mut self, line: fmt::Arguments<'_>) {
        self.start_line();
        self.text.write_fmt(line).expect("writing to a String does not fail");
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
