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

use super::shared::{Locked, shared};
use super::sys::{self, SignalsBlocked};
use super::view::{self, Memory, Window, close_window, in_one_word};
use super::{threads, trap};
use crate::batch::{Options, remember, sites};
use crate::branch::Branch;
use crate::choose::Goal;
use crate::error::{Error, Status, Step};
use crate::features::Features;
use crate::live::driver::{Port, Side, collect, finished, run, take_back};
use crate::live::{Change, State};
use crate::report::{Report, Way};
use crate::set::Set;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

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
    set: &'a Set,
    goal: Goal,
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
    let request = Request::patch(set, Features::detect(set, declared));
    // SAFETY: (107) the caller's promise.
    unsafe { patch_all(&[request], Options::default(), View::Memory) }
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
    unsafe { patch_all(&[Request::unpatch(set)], Options { allow_empty: true }, View::Memory) }
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
    let before = branch.want(value);
    // SAFETY: (138) the caller's promise.
    unsafe { patch_branches(branch.set()) }.inspect_err(|_| {
        branch.want(before);
    })
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
    unsafe { patch_all(&[Request::branches(set)], Options { allow_empty: true }, View::Memory) }
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
    if functions.len() != set.ops().len() {
        return Err(Error::new(Status::BadTable));
    }
    let mut former = [core::ptr::null(); MAX_OPS];
    let former = former.get_mut(..functions.len()).ok_or_else(|| Error::new(Status::JournalFull))?;
    for (id, (former, function)) in former.iter_mut().zip(functions).enumerate() {
        *former = set.installed(id as u16);
        // SAFETY: (109) the caller's promise.
        unsafe { set.install(id as u16, function) };
    }
    // SAFETY: (110) the caller's promise.
    let result = unsafe { patch_all(&[Request::patch(set, features)], Options::default(), View::Memory) };
    if result.is_err() {
        for (id, function) in former.iter().enumerate() {
            // SAFETY: (111) what was there before.
            unsafe { set.install(id as u16, function) };
        }
    }
    result
}

/// Ops that [`switch`] can handle.
const MAX_OPS: usize = 512;

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
    // A handler of this thread could have sites in it, or call this function.
    let _blocked = SignalsBlocked::but_traps();
    let mut locked = Locked::new();
    if !settle_unfinished() {
        return Err(Error::refused(Step::Unfinished, 0, 0));
    }
    let room = requests.iter().fold(0usize, |room, request| {
        let stubs = if request.set.stub().is_empty() { 1 } else { 2 };
        let sites = sites(request.set, request.goal).len().saturating_mul(stubs);
        room.saturating_add(sites).saturating_add(request.set.branch_sites().len())
    });
    let mapped = |errno| Error::refused(Step::Map, errno, 0);
    let mut journal = locked.journal(room).map_err(mapped)?;
    let mut total = Report::default();
    for request in requests {
        // SAFETY: (112) the lock makes this the only patcher.
        total += unsafe { collect(request.set, request.goal, options, &mut journal, |_, _| Ok(())) }?;
    }
    let changes: *const [Change] = journal.changes();
    // SAFETY: (113) the journal is not written to before the lock is released.
    let changes = unsafe { &*changes };
    if !changes.is_empty() {
        locked.set_up().map_err(|(step, errno)| Error::refused(step, errno, 0))?;
        total.way = write(changes, view)?;
        shared().count_batch();
    }
    for request in requests {
        // SAFETY: (114) written.
        unsafe { remember(request.set, request.goal) };
    }
    observe_all(changes);
    locked.trim();
    Ok(total)
}

fn write(changes: &[Change], view: View) -> Result<Way, Error> {
    let failed = |errno| Error::refused(Step::LiveWrite, errno, changes.first().map_or(0, Change::address));
    if view == View::Word {
        let crossing = changes.iter().find(|change| !in_one_word(change));
        if let Some(change) = crossing {
            return Err(Error::new(Status::NotLive).at(crate::table::NONE, change.address()));
        }
        Window::open(changes)?.store_words(changes).map_err(failed)?;
        return Ok(Way::Window);
    }
    trap::install().map_err(|errno| Error::refused(Step::TrapHandler, errno, 0))?;
    let tasks = threads::directory()?;
    threads::none_blocks_traps(&tasks)?;
    match view {
        View::Window => through(&mut Window::open(changes)?, changes).map_err(failed).map(|()| Way::Window),
        _ => {
            static PROBED: AtomicU32 = AtomicU32::new(0);
            // SAFETY: (146) the lock is held.
            let mut memory = unsafe { Memory::new(threads::memory(&tasks)?, PROBED.load(SeqCst) == 0) }?;
            PROBED.store(1, SeqCst);
            through(&mut memory, changes).map_err(failed).map(|()| Way::ProcMem)
        }
    }
}

/// Runs the batch; if that fails, back.
fn through(text: &mut impl Port, changes: &[Change]) -> Result<(), i32> {
    text.begin(changes);
    let result = run(text, changes, Side::New, false);
    if result.is_ok() || take_back(text, changes) {
        text.announce(finished(text.progress()));
    }
    result
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
    // SAFETY: (147) the caller's promise.
    let Ok(mut memory) = threads::directory().and_then(|tasks| unsafe { Memory::new(threads::memory(&tasks)?, false) })
    else {
        return false;
    };
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

fn observe_all(changes: &[Change]) {
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
