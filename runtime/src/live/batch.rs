//! A live batch: which sites change, and the run through the protocol.

use super::change::{Change, Journal, MAX_INSTRUCTION, Side};
use super::port::{Part, Port};
use super::step::{Action, Progress, State, Verdict, step, verdict};
use super::{INT3, Waiter};
use crate::batch::{Options, Visit, begin, verify_each};
use crate::branch;
use crate::choose::Goal;
use crate::error::{Error, Status, Step};
use crate::known::{Known, Short8};
use crate::report::Report;
use crate::set::Set;
use crate::table::{BRANCH_LIVE, BranchSite, NONE, SITE_LIVE};
use crate::verify::{Verified, pieces};

/// Fills the plans of a set, verifies all its sites, and enters those that change into the journal.
///
/// # Safety
///
/// The caller patches this set alone.
pub(crate) unsafe fn collect(
    set: &Set,
    goal: Goal,
    options: Options,
    journal: &mut Journal<'_>,
    admit: impl FnMut(usize, usize) -> Result<(), i32>,
) -> Result<Report, Error> {
    // SAFETY: (65) the caller's promise.
    let mut report = unsafe { begin(set, goal, options) }?;
    let mut collector = Collector { journal, admit };
    let visit_branch = |record: &BranchSite, address, bytes: &[u8]| {
        let flags = set.branches().get(usize::from(record.branch)).map_or(0, |branch| branch.flags);
        let live = flags & BRANCH_LIVE != 0 && record.flags & SITE_LIVE != 0;
        collector.admit(live, address, bytes.len())?;
        entered(collector.journal.enter(address, bytes), address)
    };
    // SAFETY: (136) the caller's promise.
    unsafe { branch::prepare(set, goal, &mut report, visit_branch) }?;
    // SAFETY: (191) begun above.
    unsafe { verify_each(set, goal, &mut report, &mut collector) }?;
    Ok(report)
}

/// Enters what changes into the journal, if it may.
struct Collector<'a, 'room, F> {
    journal: &'a mut Journal<'room>,
    admit: F,
}

/// Refuses a change for which there was no room.
#[inline]
fn entered(entered: bool, address: usize) -> Result<(), Error> {
    if entered { Ok(()) } else { Err(Error::new(Status::JournalFull).at(NONE, address)) }
}

impl<F: FnMut(usize, usize) -> Result<(), i32>> Collector<'_, '_, F> {
    /// Whether a site may change.
    #[inline]
    fn admit(&mut self, live: bool, address: usize, len: usize) -> Result<(), Error> {
        if !live || !(1..=MAX_INSTRUCTION).contains(&len) {
            return Err(Error::new(Status::NotLive).at(NONE, address));
        }
        (self.admit)(address, len).map_err(|errno| Error::refused(Step::Admit, errno, address))
    }
}

impl<F: FnMut(usize, usize) -> Result<(), i32>> Visit for Collector<'_, '_, F> {
    #[inline]
    fn short(&mut self, known: &Known<'_>, seen: Short8) -> Result<(), Error> {
        let (address, len) = (seen.address, known.plan.len);
        self.admit(known.live, address, usize::from(len))
            .and_then(|()| entered(self.journal.enter_short(address, len, seen.found, seen.wanted), address))
            .map_err(|error| Error { op: known.class.id, ..error })
    }

    fn any(&mut self, known: &Known<'_>, verified: &Verified<'_>) -> Result<(), Error> {
        let here = |error: Error| Error { op: known.class.id, ..error };
        let (piece, stub) = pieces(verified.plan, verified.place)
            .map_err(|status| Error::new(status).at(known.class.id, verified.place.site))?;
        for piece in stub.iter().chain([&piece]) {
            if !piece.stands() {
                self.admit(known.live, piece.address, piece.len).map_err(here)?;
                entered(self.journal.enter(piece.address, piece.bytes()), piece.address).map_err(here)?;
            }
        }
        Ok(())
    }
}

/// Runs the text through the protocol. With `resume`, only those sites that are not yet as they are to be on this side. Ends in
/// the state in which all CPUs know the new text; the caller announces the end.
///
/// # Errors
///
/// What a port said; the batch is in an intermediate state, which a run to the other side ends.
pub(crate) fn run(port: &mut impl Port, changes: &[Change], side: Side, resume: bool) -> Result<(), i32> {
    let mut progress = match port.progress() {
        idle if idle.state() == State::Idle => idle.next(),
        unfinished => unfinished.again(),
    };
    loop {
        port.announce(progress);
        let part = match step(progress.state()) {
            Action::WriteBreakpoints => Some(Part::Breakpoint),
            Action::WriteTails => Some(Part::Tail(side)),
            Action::WriteHeads => Some(Part::Head(side)),
            Action::Synchronize => None,
            Action::Finish => return Ok(()),
        };
        match part {
            None => port.synchronize()?,
            Some(part) if resume => {
                for change in changes.iter().filter(|change| !change.stands(side)) {
                    port.write(core::slice::from_ref(change), part)?;
                }
            }
            Some(part) => port.write(changes, part)?,
        }
        match progress.next() {
            idle if idle.state() == State::Idle => return Ok(()),
            next => progress = next,
        }
    }
}

/// How often each way back is tried: a site that stays half written stops every CPU that comes by.
const ATTEMPTS: usize = 100;

/// Takes a batch back that did not get to its end. False: breakpoints are left, and CPUs wait at them.
pub(crate) fn take_back(port: &mut impl Port, changes: &[Change]) -> bool {
    (0..ATTEMPTS).any(|_| run(port, changes, Side::Old, true).is_ok())
}

/// What a breakpoint handler does with the breakpoint at `address`: returns true when the instruction there can be executed
/// (again), false if the breakpoint is somebody else's.
pub fn handle(waiter: &impl Waiter, address: usize) -> bool {
    loop {
        let progress = waiter.progress();
        let in_batch = progress.state() != State::Idle && waiter.in_batch(address);
        let stands = waiter.byte(address) == INT3;
        if waiter.progress() != progress {
            continue; // what was read may belong to two batches
        }
        match verdict(progress.state(), in_batch, stands) {
            Verdict::Wait => waiter.wait(progress),
            Verdict::Again => return true,
            Verdict::Foreign => return false,
        }
    }
}

/// The number of the batch after this progress was announced last, back in [`State::Idle`].
pub(crate) const fn finished(mut progress: Progress) -> Progress {
    while !matches!(progress.state(), State::Idle) {
        progress = progress.next();
    }
    progress
}
