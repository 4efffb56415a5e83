//! What the protocol is run through: one of its three passes over all changes at a time.

use super::change::{Change, Side};
use super::step::Progress;
use super::{INT3, LiveText};

/// What a pass writes of each change.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// A breakpoint over the first byte.
    Breakpoint,
    /// All bytes but the first.
    Tail(Side),
    /// The first byte.
    Head(Side),
}

/// A way to write live text. Kernels have a [`LiveText`].
pub(crate) trait Port {
    /// As [`LiveText::progress`]; so for the next two.
    fn progress(&self) -> Progress;
    fn announce(&mut self, progress: Progress);
    fn synchronize(&mut self) -> Result<(), i32>;
    /// Writes this part of all changes, in their order.
    fn write(&mut self, changes: &[Change], part: Part) -> Result<(), i32>;
}

impl<T: LiveText> Port for T {
    fn progress(&self) -> Progress {
        LiveText::progress(self)
    }

    fn announce(&mut self, progress: Progress) {
        LiveText::announce(self, progress);
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        LiveText::synchronize(self)
    }

    fn write(&mut self, changes: &[Change], part: Part) -> Result<(), i32> {
        changes.iter().try_for_each(|change| {
            let at = change.address();
            match part {
                Part::Breakpoint => LiveText::write(self, at, &[INT3]),
                Part::Tail(side) => {
                    LiveText::write(self, at.wrapping_add(1), change.bytes(side).get(1..).unwrap_or(&[]))
                }
                Part::Head(side) => LiveText::write(self, at, change.bytes(side).get(..1).unwrap_or(&[])),
            }
        })
    }
}
