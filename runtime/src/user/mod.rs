//! Patching an ordinary program on Linux: at its start, or [`live`] while its threads run.
//!
//! At start there are two ways, tried in this order, each on a scratch page before it touches text:
//!
//! 1. Per stretch of pages with sites: `mprotect` to readable and writable, populate, store, `mprotect` back. Never
//!    writable and executable at once.
//! 2. `/proc/self/mem`, where a policy refuses to make written pages executable (`PR_SET_MDWE`, SELinux `execmod`), or
//!    where the pages are sealed.
//!
//! If neither works, the error names the step and its errno, and the program runs on with its calls.

mod fresh;
mod leaf;
pub mod live;
mod memory;
mod patcher;
mod place;
mod runs;
mod shared;
mod sys;
mod threads;
mod trap;
mod view;

use crate::batch::{Options, begin, prepare, remember, sites};
use crate::branch::Branch;
use crate::choose::Goal;
use crate::error::{Error, Step};
use crate::features::Features;
use crate::report::{Report, Way};
use crate::set::Set;
use runs::Runs;
use shared::Locked;
use sys::{File, PAGE, PROT_EXEC, PROT_READ, PROT_WRITE, Pages, SignalsBlocked};

/// Patches every site of `set` for this CPU, the `declared` features and the backends installed now.
///
/// # Errors
///
/// On an error nothing was changed, and the program can run on as it is; see [`Error`].
///
/// # Safety
///
/// - This process has one thread.
/// - Every function in the ops structure keeps the contract of its op.
/// - All sites lie in the text of one loaded object, without pages that are not executable between them.
///
/// ```no_run
/// # fn main_of(set: &'static pvc_runtime::Set) {
/// use pvc_runtime::{Features, user};
/// // SAFETY: first thing in `main`: one thread, and the ops structure holds its defaults.
/// match unsafe { user::patch(set, Features::NONE) } {
///     Ok(report) => println!("{report}"),
///     Err(error) => eprintln!("running unpatched: {error}"),
/// }
/// # }
/// ```
pub unsafe fn patch(set: &Set, declared: Features) -> Result<Report, Error> {
    // SAFETY: (50) the caller's promise.
    unsafe { patch_as(set, Features::detect(set, declared), Options::default()) }
}

/// [`patch`], with features that the caller chose and with options.
///
/// # Errors
///
/// As [`patch`].
///
/// # Safety
///
/// As [`patch`], and the CPU has every one of `features`.
pub unsafe fn patch_as(set: &Set, features: Features, options: Options) -> Result<Report, Error> {
    // SAFETY: (51) the caller's promise.
    unsafe { run(set, Goal::Patch(features), options) }
}

/// Gives a static branch a value, and all of its sites. The sites of ops stay as they are.
///
/// # Errors
///
/// As [`patch`]; the branch then keeps its value.
///
/// # Safety
///
/// As [`patch`].
///
/// ```no_run
/// # fn trace(enabled: pvc_runtime::Branch) {
/// // SAFETY: this process has one thread.
/// if let Err(error) = unsafe { pvc_runtime::user::set_branch(enabled, true) } {
///     eprintln!("{} stays {}: {error}", enabled.name(), enabled.value());
/// }
/// # }
/// ```
pub unsafe fn set_branch(branch: Branch, value: bool) -> Result<Report, Error> {
    let before = branch.want(value);
    // SAFETY: (70) the caller's promise.
    unsafe { run(branch.set(), Goal::Branches, Options { allow_empty: true }) }.inspect_err(|_| {
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
    // SAFETY: (196) the caller's promise.
    unsafe { run(set, Goal::Branches, Options { allow_empty: true }) }
}

/// Puts back what the compiler left in every site: all calls go through the ops structure again.
///
/// # Errors
///
/// As [`patch`].
///
/// # Safety
///
/// As [`patch`].
pub unsafe fn unpatch(set: &Set) -> Result<Report, Error> {
    // SAFETY: (52) the caller's promise.
    unsafe { run(set, Goal::Unpatch, Options { allow_empty: true }) }
}

unsafe fn run(set: &Set, goal: Goal, options: Options) -> Result<Report, Error> {
    // A handler could have sites in it, and lies in text that is not executable for a moment.
    let _waiting = SignalsBlocked::but_traps();
    let _locked = Locked::new();
    let _patching = SignalsBlocked::new();
    // SAFETY: (144) one thread, says the caller, and this is the only patcher.
    unsafe { begin(set, goal, options) }?;
    // SAFETY: (145) begun.
    if let Some(result) = unsafe { fresh::patch(set, goal) } {
        let report = result?;
        // SAFETY: (197) written.
        unsafe { remember(set, goal) };
        return Ok(report);
    }
    let mut runs = Runs::new();
    let note = |address, len| {
        runs.add(address, len);
        Ok(())
    };
    // SAFETY: (53) one thread, says the caller.
    let mut report = unsafe { prepare(set, goal, options, note) }?;
    if report.bytes > 0 {
        // SAFETY: (54) prepared above.
        report.way = unsafe { write(set, goal, &mut runs) }?;
        report.runs = runs.as_slice().len();
    }
    // SAFETY: (55) the batch was written.
    unsafe { remember(set, goal) };
    Ok(report)
}

/// Writes a prepared batch, by the first way that works.
unsafe fn write(set: &Set, goal: Goal, runs: &mut Runs) -> Result<Way, Error> {
    let (start, end) = leaf::pages();
    if may_make_written_pages_executable() && runs.exclude(start, end) {
        // SAFETY: (56) prepared; the runs cover all that changes, and not the leaf.
        match unsafe { leaf::store(set, sites(set, goal), runs.as_slice()) } {
            Ok(()) => return Ok(Way::Protect),
            Err((step @ Step::Executable, errno, address)) => {
                return Err(Error::refused(step, errno, address));
            }
            // Nothing was stored: sealed pages, or a limit. The other way does not need what failed.
            Err((step, errno, address)) => {
                let first = Error::refused(step, errno, address);
                // SAFETY: (57) as (56).
                return unsafe { memory::store(set, goal, runs.as_slice()) }.map(|()| Way::ProcMem).map_err(|_| first);
            }
        }
    }
    // SAFETY: (58) as (56).
    unsafe { memory::store(set, goal, runs.as_slice()) }.map(|()| Way::ProcMem)
}

/// Tries on a scratch page what would be fatal to find out on text: whether a page that was written becomes executable.
///
/// A private page of the program's own file, as its text is one: policies tell files from anonymous memory.
fn may_make_written_pages_executable() -> bool {
    let file = File::open(c"/proc/self/exe", false).ok();
    let Ok(page) = Pages::map(PAGE, PROT_READ | PROT_WRITE, file.as_ref()) else { return false };
    // SAFETY: (59) the page is the probe's own, mapped readable and writable.
    unsafe { page.start().write_volatile(page.start().read_volatile()) };
    page.protect(PROT_READ | PROT_EXEC).is_ok()
}
