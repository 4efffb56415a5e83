//! Changing text that other CPUs are running through: the breakpoint protocol.
//!
//! No CPU may ever execute a mix of old and new bytes. So the first byte of each site becomes `int3`; when every CPU has
//! serialized, none is inside a site nor has fetched an old one, and the other bytes can be written in any order; when every
//! CPU has serialized again, the first bytes take their new values, and all serialize a last time. A CPU that runs into a
//! breakpoint meanwhile waits in its handler, then executes the site again: nothing is emulated, so any instruction can be
//! changed into any other. (Intel SDM volume 3A, 9.1.3, demands a serializing instruction on each CPU that executes
//! modified code; AMD APM volume 2, 7.6.1. The order is that of Linux's `text_poke_bp`, commit fd4363fff3d9.)
//!
//! A site must hold exactly one instruction before and after: a CPU that was interrupted between two instructions of a site
//! would come back into the middle of the new ones. The compiler proves it for the rows of ops that are `live`, and their
//! forms are padded with prefixes instead of NOPs.
//!
//! | module | holds |
//! |---|---|
//! | `step` | the protocol as a pure function |
//! | `change` | the journal: old and new bytes of each site |
//! | `port` | what the protocol writes through, pass by pass |
//! | `batch` | collect, run, take back; the breakpoint handler |

mod batch;
mod change;
mod port;
mod step;
#[cfg(test)]
mod tests;

pub use batch::handle;
use batch::{collect, finished, run, take_back};
pub use change::{Change, MAX_INSTRUCTION};
use change::{Journal, Side};
pub use step::{Action, Progress, State, Verdict, step, verdict};

#[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod driver {
    //! What user space needs of the protocol.
    pub(crate) use super::batch::{collect, finished, run, take_back};
    pub(crate) use super::change::{Journal, Side};
    pub(crate) use super::port::{Part, Port};
}

use crate::batch::{Options, remember};
use crate::choose::Goal;
use crate::error::{Error, Step};
use crate::features::Features;
use crate::report::{Report, Way};
use crate::set::Set;

/// The breakpoint instruction.
pub const INT3: u8 = 0xcc;

/// What a kernel implements to change text under the feet of its other CPUs. [`Waiter`] is the part of its #BP handler.
///
/// `tests/ring0/guest64/crossmod.rs` is a worked example: inter-processor interrupts, and a handler that acknowledges them
/// itself, so that a CPU with interrupts off does not wait for a patcher that waits for it.
pub trait LiveText {
    /// As [`Text::admit`](crate::Text::admit).
    ///
    /// # Errors
    ///
    /// An error number of the port's own choice; it refuses the batch before anything was written.
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32>;

    /// The batch is about to begin: from the next [`announce`](Self::announce) on, handlers must find these changes.
    fn begin(&mut self, changes: &[Change]);

    /// The last progress made known.
    fn progress(&self) -> Progress;

    /// Makes progress known to the handlers, before anything that belongs to it is done.
    fn announce(&mut self, progress: Progress);

    /// Writes bytes that no CPU executes now, or a single byte. May be put off until [`synchronize`](Self::synchronize).
    ///
    /// # Errors
    ///
    /// An error number; the batch is taken back.
    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32>;

    /// Returns when every other CPU has executed a serializing instruction after all writes so far.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    fn synchronize(&mut self) -> Result<(), i32>;
}

/// What the breakpoint handler of any CPU needs: see [`handle`].
pub trait Waiter {
    /// The last progress made known.
    fn progress(&self) -> Progress;
    /// Whether a site of the batch under way begins at `address`. The answer does not count if there was progress meanwhile, so it
    /// may look at changes that are no more, as long as looking at them does no harm.
    fn in_batch(&self, address: usize) -> bool;
    /// The byte at `address`.
    fn byte(&self, address: usize) -> u8;
    /// Called while the batch goes on: answer a request to serialize, then return, at the latest when there is progress.
    fn wait(&self, progress: Progress);
}

/// [`apply`](crate::apply) while other CPUs run through the sites. `journal` has room for what changes: one entry per site,
/// and one per stub.
///
/// # Errors
///
/// As [`apply`](crate::apply); [`Status::NotLive`](crate::Status::NotLive) for a site that would change and is not live;
/// [`Status::JournalFull`](crate::Status::JournalFull). Then nothing was written. If the port failed during the batch, it was
/// taken back.
///
/// # Safety
///
/// One CPU at a time patches. Every other CPU's breakpoint handler calls [`handle`]. No code that the port or those handlers
/// reach contains a site of the set. Every function installed in the ops structure keeps the contract of its op, and a
/// former one stays in place while CPUs may be in it.
pub unsafe fn apply<T: LiveText>(
    set: &Set,
    features: Features,
    options: Options,
    journal: &mut [Change],
    text: &mut T,
) -> Result<Report, Error> {
    // SAFETY: (192) the caller's promise.
    unsafe { through_port(set, Goal::Patch(features), options, journal, text) }
}

/// [`apply_branches`](crate::apply_branches) while other CPUs run through the sites.
///
/// # Errors
///
/// As [`apply`].
///
/// # Safety
///
/// As [`apply`].
pub unsafe fn apply_branches<T: LiveText>(
    set: &Set,
    options: Options,
    journal: &mut [Change],
    text: &mut T,
) -> Result<Report, Error> {
    // SAFETY: (137) the caller's promise.
    unsafe { through_port(set, Goal::Branches, options, journal, text) }
}

/// [`restore`](crate::restore) while other CPUs run through the sites.
///
/// # Errors
///
/// As [`apply`].
///
/// # Safety
///
/// As [`apply`].
pub unsafe fn restore<T: LiveText>(
    set: &Set,
    options: Options,
    journal: &mut [Change],
    text: &mut T,
) -> Result<Report, Error> {
    // SAFETY: (193) the caller's promise.
    unsafe { through_port(set, Goal::Unpatch, options, journal, text) }
}

unsafe fn through_port<T: LiveText>(
    set: &Set,
    goal: Goal,
    options: Options,
    journal: &mut [Change],
    text: &mut T,
) -> Result<Report, Error> {
    let mut journal = Journal::new(journal);
    let admit = |address, len| text.admit(address, len);
    // SAFETY: (194) the caller's promise.
    let mut report = unsafe { collect(set, goal, options, &mut journal, admit) }?;
    let changes = journal.changes();
    if let Some(first) = changes.first() {
        text.begin(changes);
        let result = run(text, changes, Side::New, false);
        let failed = |errno| Error::refused(Step::LiveWrite, errno, first.address());
        if let Err(errno) = result {
            if take_back(text, changes) {
                text.announce(finished(text.progress()));
            }
            return Err(failed(errno));
        }
        text.announce(finished(text.progress()));
        report.way = Way::Port;
    }
    // SAFETY: (195) the batch was written.
    unsafe { remember(set, goal) };
    Ok(report)
}
