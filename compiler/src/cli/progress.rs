//! How far long work has come: one line on standard error, on a terminal only, and gone when the work is done.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Work that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(400);
/// The time between two changes of the line.
const PACE: Duration = Duration::from_millis(100);
/// The longest line, in characters: it must not wrap, or it could not be taken back.
const WIDTH: usize = 78;

/// The line. It is cleared when this is dropped.
pub(super) struct Progress {
    terminal: bool,
    next: Instant,
    shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), next: Instant::now() + PATIENCE, shown: false }
    }

    /// Says that `done` pieces of `total` are done and `what` is next.
    pub(super) fn step(&mut self, done: usize, total: usize, what: &str) {
        let now = Instant::now();
        if !self.terminal || now < self.next {
            return;
        }
        self.next = now + PACE;
        self.shown = true;
        let line: String = format!("{done}/{total} {what}").chars().filter(|c| !c.is_control()).take(WIDTH).collect();
        self.write(&format!("\r\x1b[K{line}"));
    }

    /// Takes the line away, before something else is written.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        // Nothing depends on it.
        let mut error = std::io::stderr().lock();
        let _ = error.write_all(text.as_bytes()).and_then(|()| error.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
