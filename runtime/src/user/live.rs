//! Patching while other threads run through the sites.
//!
//! The breakpoint protocol of [`crate::live`], with `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)` three times a batch, whatever
//! the number of sites, ops and sets. Threads that run into a breakpoint sleep on a futex in the handler of SIGTRAP, which
//! hands all other traps to the handler that was there before.
//!
//! ```no_run
//! use pvc_runtime::{Error, Features, Set, user::live};
//!
//! fn install(set: &'static Set, backend: impl FnOnce()) -> Result<(), Error> {
//!     backend(); // store function pointers in the ops structure
//!     // SAFETY: backends keep their contracts and are never unloaded; no signal handler of SIGTRAP contains a site.
//!     let report = unsafe { live::patch(set, Features::NONE) }?;
//!     println!("{report}, batch {}", live::generation());
//!     Ok(())
//! }
//! ```

pub use super::patcher::Patcher;
use super::shared::{Locked, shared};
use super::sys::{self, SignalsBlocked};
use super::threads::Threads;
use super::view::{self, Memory, close_window};
use crate::batch::Options;
use crate::branch::Branch;
use crate::choose::Goal;
use crate::error::Error;
#[cfg(doc)]
use crate::error::{Status, Step};
use crate::features::Features;
use crate::live::driver::{Port, Side, finished, run};
use crate::live::{Change, State};
use crate::report::Report;
use crate::set::Set;
use core::ffi::c_void;
use core::sync::atomic::Ordering::SeqCst;

/// How text is written in a live batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum View {
    /// Breakpoints, through `/proc/self/mem`: no page is ever writable and executable.
    #[default]
    Memory,
    /// Breakpoints, through pages that are writable *and executable* while the batch runs. Faster where many sites are far
    /// apart; policies that forbid such pages refuse it. No thread may fork meanwhile: the kernel copies a child's pages one
    /// after the other, and stores to them go on. (Writes to `/proc/self/mem` wait for a fork to end.)
    Window,
    /// One store of an aligned 8-byte word a site, no breakpoints and no waiting, through pages as in `Window`. Refused
    /// unless every site that changes lies in one such word ([`Status::NotLive`]). AMD promises that such a store is seen
    /// whole (APM volume 2, 7.6.1); Intel does not for code that another CPU executes.
    Word,
}

/// One set of a batch, and what it is to become.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub(crate) set: &'a Set,
    pub(crate) goal: Goal,
}

impl<'a> Request<'a> {
    /// What these features and the installed backends ask for; the CPU has all of them.
    pub const fn patch(set: &'a Set, features: Features) -> Self {
        Self { set, goal: Goal::Patch(features) }
    }

    /// What the compiler left.
    pub const fn unpatch(set: &'a Set) -> Self {
        Self { set, goal: Goal::Unpatch }
    }

    /// The wanted values of its static branches; the sites of ops stay as they are.
    pub const fn branches(set: &'a Set) -> Self {
        Self { set, goal: Goal::Branches }
    }
}

/// [`user::patch`](super::patch) while other threads run through the sites.
///
/// # Errors
///
/// On an error nothing has changed: see [`Error`]. A site that would change and is not live is
/// [`Status::NotLive`]; a thread that blocks SIGTRAP is [`Step::TrapBlocked`].
///
/// # Safety
///
/// - Every function in the ops structure keeps the contract of its op, and a former one stays in place while threads may
///   be in it: when this returns, no thread enters it from a site any more, but some may not have left it yet.
/// - No handler of SIGTRAP, and no observer, contains a site that changes.
/// - No thread blocks SIGTRAP after this was called and then runs through a site.
pub unsafe fn patch(set: &Set, declared: Features) -> Result<Report, Error> {
    // SAFETY: (107) the caller's promise.
    unsafe { Patcher::for_one_batch().patch(set, declared) }
}

/// [`user::unpatch`](super::unpatch) while other threads run through the sites.
///
/// # Errors
///
/// As [`patch`].
///
/// # Safety
///
/// As [`patch`].
pub unsafe fn unpatch(set: &Set) -> Result<Report, Error> {
    // SAFETY: (108) the caller's promise.
    unsafe { Patcher::for_one_batch().unpatch(set) }
}

/// Changes the value of a static branch at all its sites.
///
/// # Errors
///
/// As [`patch`]; the branch keeps the value that it had.
///
/// # Safety
///
/// As [`patch`].
pub unsafe fn set_branch(branch: Branch, value: bool) -> Result<Report, Error> {
    // SAFETY: (138) the caller's promise.
    unsafe { Patcher::for_one_batch().set_branch(branch, value) }
}

/// Brings the values that [`Branch::want`] asked for to the sites of static branches: many branches in one batch.
///
/// # Errors
///
/// As [`patch`].
///
/// # Safety
///
/// As [`patch`].
pub unsafe fn patch_branches(set: &Set) -> Result<Report, Error> {
    // SAFETY: (139) the caller's promise.
    unsafe { Patcher::for_one_batch().patch_branches(set) }
}

/// Installs a whole variant of a set at once: one function for each op, in the order of their ids (an ops structure), then
/// patches. On an error the former functions are back.
///
/// # Errors
///
/// As [`patch`]; [`Status::BadTable`] if there are not as many functions as ops.
///
/// # Safety
///
/// As [`patch`], for the new functions. Nobody else stores to the ops structure meanwhile.
pub unsafe fn switch(set: &Set, functions: &[*const c_void], features: Features) -> Result<Report, Error> {
    // SAFETY: (110) the caller's promise.
    unsafe { Patcher::for_one_batch().switch(set, functions, features) }
}

/// One batch over any number of sets: all of them change, or none does. The report counts the sites of all.
///
/// # Errors
///
/// As [`patch`].
///
/// # Safety
///
/// As [`patch`], for every set.
pub unsafe fn patch_all(requests: &[Request<'_>], options: Options, view: View) -> Result<Report, Error> {
    // SAFETY: (112) the caller's promise.
    unsafe { Patcher::for_one_batch().patch_all(requests, options, view) }
}

/// Ends a batch that was left unfinished: its patcher could not go on, or was not forked along. False if that fails too.
/// The lock is held, or this is the only patcher.
pub(crate) fn settle_unfinished() -> bool {
    let shared = shared();
    if shared.window.load(SeqCst) != 0 {
        close_window(shared.changes());
    }
    if view::progress().state() == State::Idle {
        return true;
    }
    let _ = sys::register_membarrier();
    let Ok(file) = Threads::open().and_then(|threads| threads.memory()) else { return false };
    // SAFETY: (147) the caller's promise.
    let Ok(mut memory) = (unsafe { Memory::new(&file, false) }) else { return false };
    // On if a site has its new form already, which somebody may have seen; else back.
    let changes = shared.changes();
    let side = if changes.iter().any(|change| change.stands(Side::New)) { Side::New } else { Side::Old };
    let settled = (0..ATTEMPTS).any(|_| run(&mut memory, changes, side, true).is_ok());
    if settled {
        memory.announce(finished(memory.progress()));
    }
    settled
}

/// How often that is tried at a time.
const ATTEMPTS: usize = 100;

/// Number of live batches that were written in this process, by any user of a runtime. Two equal readings: no site changed in
/// between, start-up patching aside.
pub fn generation() -> u64 {
    shared().generation()
}

/// How often a thread of this process ran into a breakpoint of a batch and waited.
pub fn breakpoints() -> u64 {
    shared().trapped.load(SeqCst)
}

/// What an observer is told of each change: its context, the address, the old bytes, the new bytes, their length.
pub type Observer = unsafe extern "C" fn(*mut c_void, *const c_void, *const u8, *const u8, usize);

/// Has `observer` told of every change of every live batch in this process, after the batch and before the next one. One at a
/// time; `None` ends it. Returns the former one.
///
/// # Safety
///
/// The observer is called with all signals but SIGTRAP blocked and must not patch; `context` is valid for it from any thread.
pub unsafe fn observe(observer: Option<Observer>, context: *mut c_void) -> Option<Observer> {
    let _blocked = SignalsBlocked::but_traps();
    let _locked = Locked::new();
    let shared = shared();
    shared.observer_context.store(context.expose_provenance(), SeqCst);
    let former = shared.observer.swap(observer.map_or(0, |observer| observer as usize), SeqCst);
    // SAFETY: (115) only observers are stored, and 0 is `None`.
    unsafe { core::mem::transmute::<usize, Option<Observer>>(former) }
}

/// Tells the observer of a batch that was written. The lock is held.
pub(crate) fn observe_all(changes: &[Change]) {
    let shared = shared();
    // SAFETY: (116) as (115).
    let observer = unsafe { core::mem::transmute::<usize, Option<Observer>>(shared.observer.load(SeqCst)) };
    let Some(observer) = observer else { return };
    let context = core::ptr::with_exposed_provenance_mut(shared.observer_context.load(SeqCst));
    for change in changes {
        let (old, new) = (change.old_bytes(), change.new_bytes());
        let address = core::ptr::with_exposed_provenance(change.address());
        // SAFETY: (117) the promise of `observe`.
        unsafe { observer(context, address, old.as_ptr(), new.as_ptr(), new.len()) };
    }
}
