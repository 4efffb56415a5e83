//! Writing text that other CPUs are running through: the breakpoint protocol.
//!
//! No CPU may ever execute a mix of old and new bytes. So the first byte of each site becomes `int3` first; when every CPU
//! has serialized, none is inside a site nor has fetched an old one, and the other bytes can be written in any order; then
//! the first bytes take their new values. A CPU that runs into a breakpoint meanwhile waits in its handler and executes
//! the site again. (Intel SDM volume 3A, 9.1.3, demands a serializing instruction on each CPU that executes modified code.)
//!
//! Each site must hold one instruction before and after: a CPU that was interrupted between two instructions of a site
//! would come back into the middle of the new ones.
//!
//! How far the patcher is stands in one number, its *progress*, which only grows: [`State::at`] is what it means, and two
//! equal readings mean that nothing happened between them.

/// The breakpoint instruction.
pub(crate) const INT3: u8 = 0xcc;

/// How far a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// No batch is under way.
    Idle,
    /// Breakpoints are being written.
    Guarding,
    /// All sites begin with a breakpoint; not all CPUs know.
    Guarded,
    /// No CPU executes a site; all bytes but the first are being written.
    WritingTails,
    /// They stand; not all CPUs know.
    TailsStand,
    /// First bytes are being written.
    WritingHeads,
    /// They stand; not all CPUs know.
    HeadsStand,
}

/// What the patching CPU does in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Write a breakpoint over the first byte of every site.
    WriteBreakpoints,
    /// Write the rest of every site.
    WriteTails,
    /// Write the first byte of every site.
    WriteHeads,
    /// Make every other CPU serialize, and wait until each has.
    Synchronize,
    /// Nothing: the batch is done.
    Finish,
}

/// What a CPU does that ran into a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// Wait for the patcher.
    Wait,
    /// Execute the site again.
    Again,
    /// It is somebody else's breakpoint.
    Foreign,
}

impl State {
    const CYCLE: [Self; 7] = [
        Self::Idle,
        Self::Guarding,
        Self::Guarded,
        Self::WritingTails,
        Self::TailsStand,
        Self::WritingHeads,
        Self::HeadsStand,
    ];

    /// What a progress number means.
    pub(crate) const fn at(progress: u64) -> Self {
        Self::CYCLE[(progress % Self::CYCLE.len() as u64) as usize]
    }

    /// What the patching CPU does, after it has made the state known.
    pub(crate) const fn action(self) -> Action {
        match self {
            Self::Guarding => Action::WriteBreakpoints,
            Self::Guarded | Self::TailsStand | Self::HeadsStand => Action::Synchronize,
            Self::WritingTails => Action::WriteTails,
            Self::WritingHeads => Action::WriteHeads,
            Self::Idle => Action::Finish,
        }
    }

    /// What a CPU does that ran into a breakpoint in this state. `in_batch`: at a site of the batch under way; `stands`: the
    /// breakpoint is still there.
    pub(crate) const fn verdict(self, in_batch: bool, stands: bool) -> Verdict {
        match (self, in_batch, stands) {
            (Self::Idle, _, true) | (_, false, true) => Verdict::Foreign,
            (Self::Idle, _, false) | (_, false, false) => Verdict::Again,
            (_, true, _) => Verdict::Wait,
        }
    }
}

/// One site of a batch and its new bytes.
#[derive(Clone, Copy)]
pub(crate) struct Patch<'a> {
    /// Where.
    pub(crate) address: usize,
    /// Its new bytes; at least one.
    pub(crate) bytes: &'a [u8],
}

/// What the patching CPU needs of the machine.
pub(crate) trait Machine {
    /// The last progress made known.
    fn progress(&self) -> u64;
    /// Makes progress known to the handlers, before anything that belongs to it is done.
    fn announce(&mut self, progress: u64);
    /// Stores bytes that no CPU executes now, or a single byte.
    fn store(&mut self, address: usize, bytes: &[u8]);
    /// Returns when every other CPU has serialized after all stores so far.
    fn synchronize(&mut self);
}

/// Runs one batch: three synchronizations, whatever the number of sites. One CPU at a time may be in here.
pub(crate) fn run(machine: &mut impl Machine, batch: &[Patch<'_>]) {
    loop {
        let progress = machine.progress().wrapping_add(1);
        machine.announce(progress);
        match State::at(progress).action() {
            Action::WriteBreakpoints => batch.iter().for_each(|patch| machine.store(patch.address, &[INT3])),
            Action::WriteTails => {
                for patch in batch {
                    machine.store(patch.address.wrapping_add(1), patch.bytes.get(1..).unwrap_or(&[]));
                }
            }
            Action::WriteHeads => {
                for patch in batch {
                    machine.store(patch.address, patch.bytes.get(..1).unwrap_or(&[]));
                }
            }
            Action::Synchronize => machine.synchronize(),
            Action::Finish => return,
        }
    }
}

/// What the breakpoint handler of any CPU needs of the machine.
pub(crate) trait Waiter {
    /// The last progress made known.
    fn progress(&self) -> u64;
    /// Whether a site of the batch under way begins at `address`.
    fn in_batch(&self, address: usize) -> bool;
    /// The byte at `address`.
    fn byte(&self, address: usize) -> u8;
    /// Serializes, and says so, if a patcher waits for that: it may be waiting for this very CPU, whose interrupts are off.
    fn answer(&self);
}

/// The breakpoint handler: returns when the instruction at `address` can be executed (again); false if the breakpoint there
/// is somebody else's.
pub(crate) fn handle(waiter: &impl Waiter, address: usize) -> bool {
    loop {
        waiter.answer();
        let progress = waiter.progress();
        let (in_batch, stands) = (waiter.in_batch(address), waiter.byte(address) == INT3);
        if waiter.progress() != progress {
            continue; // what was read may belong to two batches
        }
        match State::at(progress).verdict(in_batch, stands) {
            Verdict::Wait => core::hint::spin_loop(),
            Verdict::Again => return true,
            Verdict::Foreign => return false,
        }
    }
}
