//! The protocol, explored: every state of the text that a CPU can see, and every moment at which its handler can look.

use super::{Action, INT3, Progress, State, Waiter, handle, step};
use std::cell::Cell;
use std::prelude::v1::*;

const OLD: [u8; 3] = [1, 2, 3];
const NEW: [u8; 3] = [4, 5, 6];

/// What CPUs can fetch: of each byte, any value that it had since they serialized last, whatever they fetched of the others.
struct Seen([Vec<u8>; 3]);

impl Seen {
    fn only(text: [u8; 3]) -> Self {
        Self(text.map(|byte| vec![byte]))
    }

    /// Whether every instruction that can be fetched is a breakpoint or one of these.
    fn is_one_of(&self, whole: &[[u8; 3]]) -> bool {
        let [first, second, third] = &self.0;
        first.iter().all(|&a| {
            let fetched = second.iter().flat_map(|&b| third.iter().map(move |&c| [a, b, c]));
            a == INT3 || fetched.into_iter().all(|site| whole.contains(&site))
        })
    }
}

/// Runs a batch of one site, looking after every store. `barriers` says which of them work; `tails` is the order of the stores.
fn explore(barriers: [bool; 3], tails: [usize; 2]) -> bool {
    let (mut text, mut seen, mut barrier) = (OLD, Seen::only(OLD), 0);
    let mut progress = Progress::NONE.next();
    loop {
        let stores: Vec<(usize, u8)> = match step(progress.state()) {
            Action::WriteBreakpoints => vec![(0, INT3)],
            Action::WriteTails => tails.map(|byte| (byte, NEW[byte])).to_vec(),
            Action::WriteHeads => vec![(0, NEW[0])],
            Action::Synchronize => {
                if barriers[barrier] {
                    seen = Seen::only(text);
                }
                barrier += 1;
                vec![]
            }
            Action::Finish => break,
        };
        for (byte, value) in stores {
            text[byte] = value;
            seen.0[byte].push(value);
            if !seen.is_one_of(&[OLD, NEW]) {
                return false;
            }
        }
        progress = progress.next();
    }
    assert_eq!((barrier, progress.state()), (3, State::Idle));
    // When the batch is done, no CPU can see anything but the new text: not even a breakpoint.
    seen.is_one_of(&[NEW]) && !seen.0[0].contains(&INT3)
}

#[test]
fn no_cpu_sees_a_mix() {
    for tails in [[1, 2], [2, 1]] {
        assert!(explore([true; 3], tails));
        for missing in 0..3 {
            let mut barriers = [true; 3];
            barriers[missing] = false;
            assert!(!explore(barriers, tails), "barrier {missing} is not needed");
        }
    }
}

/// A moment of two batches.
#[derive(Clone, Copy, Debug)]
struct Moment {
    progress: Progress,
    byte: u8,
    in_batch: bool,
}

/// Two batches, which change the site or do not.
fn history(batches: [bool; 2]) -> Vec<Moment> {
    let mut moments = Vec::new();
    let (mut progress, mut byte) = (Progress::NONE, OLD[0]);
    for in_batch in batches {
        moments.push(Moment { progress, byte, in_batch });
        loop {
            progress = progress.next();
            moments.push(Moment { progress, byte, in_batch });
            match step(progress.state()) {
                Action::WriteBreakpoints if in_batch => byte = INT3,
                Action::WriteHeads if in_batch => byte = NEW[0],
                Action::Finish => break,
                _ => {}
            }
            moments.push(Moment { progress, byte, in_batch });
        }
    }
    moments
}

/// A handler whose reads happen at these moments, and then at the last one.
struct Replay<'a> {
    history: &'a [Moment],
    at: [usize; 4],
    /// What it finds in the journal between batches, while the next one is being written there.
    garbage: bool,
    reads: Cell<usize>,
    waits: Cell<usize>,
}

impl Replay<'_> {
    fn now(&self) -> Moment {
        let read = self.reads.replace(self.reads.get() + 1);
        self.history[self.at.get(read).copied().unwrap_or(self.history.len() - 1)]
    }
}

impl Waiter for Replay<'_> {
    fn progress(&self) -> Progress {
        self.now().progress
    }
    fn in_batch(&self, _: usize) -> bool {
        let now = self.now();
        if now.progress.state() == State::Idle { self.garbage } else { now.in_batch }
    }
    fn byte(&self, _: usize) -> u8 {
        self.now().byte
    }
    fn wait(&self, _: Progress) {
        self.waits.set(self.waits.get() + 1);
    }
}

#[test]
fn a_handler_never_takes_our_breakpoint_for_a_foreign_one() {
    for (batches, garbage) in [([true, false], false), ([true, false], true), ([true; 2], false), ([true; 2], true)] {
        explore_handler(&history(batches), garbage);
    }
}

fn explore_handler(history: &[Moment], garbage: bool) {
    let (mut runs, mut waited) = (0, 0);
    let trapped: Vec<usize> = (0..history.len()).filter(|&at| history[at].byte == INT3).collect();
    for &trap in &trapped {
        for a in trap..history.len() {
            for b in a..history.len() {
                for c in b..history.len() {
                    for d in c..history.len() {
                        let (reads, waits) = (Cell::new(0), Cell::new(0));
                        let replay = Replay { history, at: [a, b, c, d], garbage, reads, waits };
                        assert!(handle(&replay, 0), "trapped at {trap}, read at {a} {b} {c} {d}");
                        runs += 1;
                        waited += replay.waits.get();
                    }
                }
            }
        }
    }
    assert!(runs > 10_000 && waited > 100, "{runs} runs, {waited} waits");
}

#[test]
fn a_foreign_breakpoint_stays_foreign() {
    for state in 0..7 {
        let moment = Moment { progress: Progress(state), byte: INT3, in_batch: false };
        let (reads, waits) = (Cell::new(0), Cell::new(0));
        let replay = Replay { history: &[moment], at: [0; 4], garbage: true, reads, waits };
        assert!(!handle(&replay, 0), "{state}");
    }
}

#[test]
fn progress_only_grows() {
    let mut progress = Progress(u32::MAX - 20);
    for _ in 0..100 {
        let next = progress.next();
        assert!(next.0.wrapping_sub(progress.0) < 8 && next != progress);
        assert!(progress.again().0.wrapping_sub(progress.0) <= 9);
        assert_eq!(progress.again().state(), State::Guarding);
        progress = next;
    }
}
