//! The breakpoint protocol as a pure state machine: what the patching CPU does in each state, and what a CPU does that runs
//! into a breakpoint. Kernels, user space and the tests drive the same one.

/// How far a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// No batch is under way.
    Idle = 0,
    /// Breakpoints are being written over the first byte of every site.
    Guarding = 1,
    /// All sites begin with a breakpoint; not all CPUs know.
    Guarded = 2,
    /// No CPU executes a site: all bytes but the first are being written.
    WritingTails = 3,
    /// They stand; not all CPUs know.
    TailsStand = 4,
    /// First bytes are being written.
    WritingHeads = 5,
    /// They stand; not all CPUs know.
    HeadsStand = 6,
}

/// What the patching CPU does in a state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Nothing: the batch is done.
    Finish,
    /// Write a breakpoint over the first byte of every site.
    WriteBreakpoints,
    /// Make every other CPU serialize, and wait until each has.
    Synchronize,
    /// Write the rest of every site.
    WriteTails,
    /// Write the first byte of every site.
    WriteHeads,
}

/// What a CPU does that ran into a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Wait for the patcher.
    Wait,
    /// Execute the site again.
    Again,
    /// It is somebody else's breakpoint.
    Foreign,
}

/// What the patching CPU does, after it has made the state known and before it goes to the next one.
///
/// ```
/// use pvc_runtime::live::{Action, Progress, State, step};
/// // Three synchronizations, whatever the number of sites.
/// let mut progress = Progress::NONE.next();
/// let mut barriers = 0;
/// while step(progress.state()) != Action::Finish {
///     barriers += usize::from(step(progress.state()) == Action::Synchronize);
///     progress = progress.next();
/// }
/// assert_eq!((barriers, progress.state()), (3, State::Idle));
/// ```
pub const fn step(state: State) -> Action {
    match state {
        State::Idle => Action::Finish,
        State::Guarding => Action::WriteBreakpoints,
        State::Guarded | State::TailsStand | State::HeadsStand => Action::Synchronize,
        State::WritingTails => Action::WriteTails,
        State::WritingHeads => Action::WriteHeads,
    }
}

/// What a CPU does that ran into a breakpoint in this state. `in_batch`: at a site of the batch under way; `stands`: the
/// breakpoint is still there.
pub const fn verdict(state: State, in_batch: bool, stands: bool) -> Verdict {
    match (state, in_batch, stands) {
        (State::Idle, _, true) | (_, false, true) => Verdict::Foreign,
        (State::Idle, _, false) | (_, false, false) => Verdict::Again,
        (_, true, _) => Verdict::Wait,
    }
}

/// How far the patcher is, in one word: the state in the low three bits, the number of the batch above. It only grows, so
/// two equal readings mean that nothing happened between them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress(pub u32);

impl Progress {
    /// Before the first batch.
    pub const NONE: Self = Self(0);

    /// The state.
    pub const fn state(self) -> State {
        match self.0 & 7 {
            0 => State::Idle,
            1 => State::Guarding,
            2 => State::Guarded,
            3 => State::WritingTails,
            4 => State::TailsStand,
            5 => State::WritingHeads,
            _ => State::HeadsStand,
        }
    }

    /// The next state; after the last one, no batch is under way.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.state() {
            State::HeadsStand => self.batch(State::Idle),
            _ => Self(self.0 + 1),
        }
    }

    /// The first state once more, from any: the batch is taken back. CPUs that wait go on waiting.
    #[must_use]
    pub const fn again(self) -> Self {
        self.batch(State::Guarding)
    }

    /// The next batch, in this state.
    const fn batch(self, state: State) -> Self {
        Self((self.0 | 7).wrapping_add(1) | state as u32)
    }
}
