//! One live batch after the other: lock, collect, look at the threads, write.

use super::live::{Request, View, observe_all, settle_unfinished};
use super::shared::{Locked, shared};
use super::sys::{File, PAGE, PROT_READ, PROT_WRITE, Pages, SignalsBlocked};
use super::threads::Threads;
use super::trap;
use super::view::{Memory, Window, in_one_word};
use crate::batch::{Options, remember, sites};
use crate::branch::Branch;
use crate::error::{Error, Status, Step};
use crate::features::Features;
use crate::live::Change;
use crate::live::driver::{Port, Side, collect, finished, run, take_back};
use crate::report::{Report, Way};
use crate::set::Set;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

/// Patches live, again and again, and keeps what each batch otherwise opens and closes: `/proc/self/mem`, `/proc/self/task`, and
/// the `stat` files of up to 64 threads.
///
/// It looks at every thread before every batch, as the functions of [`live`](super::live) do, which are these methods of a
/// patcher for one batch. What is safe to do is said there.
///
/// The descriptors are its own and are closed on exec. A program that closes all descriptors, its patcher's among them, has to
/// drop the patcher first. In a forked child, whose inherited descriptors lead to its parent, a patcher opens new ones.
///
/// ```no_run
/// use pvc_runtime::{Branch, Error, user::live::Patcher};
///
/// fn pulse(trace: Branch) -> Result<(), Error> {
///     let mut patcher = Patcher::new();
///     for value in [true, false, true, false] {
///         // SAFETY: no handler of SIGTRAP contains a site, and no thread blocks it.
///         unsafe { patcher.set_branch(trace, value) }?;
///     }
///     Ok(())
/// }
/// ```
pub struct Patcher {
    /// Whether there will be a next batch.
    keep: bool,
    /// Who opened the files: the process that took over from its parent by this id, or the first one.
    owner: u32,
    threads: Option<Threads>,
    memory: Option<File>,
}

impl Default for Patcher {
    fn default() -> Self {
        Self::new()
    }
}

impl core::fmt::Debug for Patcher {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.debug_struct("Patcher").finish_non_exhaustive()
    }
}

impl Patcher {
    /// A patcher that has opened nothing yet.
    pub const fn new() -> Self {
        Self::that_keeps(true)
    }

    pub(crate) const fn for_one_batch() -> Self {
        Self::that_keeps(false)
    }

    const fn that_keeps(keep: bool) -> Self {
        Self { keep, owner: 0, threads: None, memory: None }
    }

    /// [`live::patch`](super::live::patch).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn patch(&mut self, set: &Set, declared: Features) -> Result<Report, Error> {
        let request = Request::patch(set, Features::detect(set, declared));
        // SAFETY: (181) the caller's promise.
        unsafe { self.patch_all(&[request], Options::default(), View::Memory) }
    }

    /// [`live::unpatch`](super::live::unpatch).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn unpatch(&mut self, set: &Set) -> Result<Report, Error> {
        // SAFETY: (182) the caller's promise.
        unsafe { self.patch_all(&[Request::unpatch(set)], Options { allow_empty: true }, View::Memory) }
    }

    /// [`live::set_branch`](super::live::set_branch).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn set_branch(&mut self, branch: Branch, value: bool) -> Result<Report, Error> {
        let before = branch.want(value);
        // SAFETY: (183) the caller's promise.
        unsafe { self.patch_branches(branch.set()) }.inspect_err(|_| {
            branch.want(before);
        })
    }

    /// [`live::patch_branches`](super::live::patch_branches).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn patch_branches(&mut self, set: &Set) -> Result<Report, Error> {
        // SAFETY: (184) the caller's promise.
        unsafe { self.patch_all(&[Request::branches(set)], Options { allow_empty: true }, View::Memory) }
    }

    /// [`live::switch`](super::live::switch).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn switch(
        &mut self,
        set: &Set,
        functions: &[*const c_void],
        features: Features,
    ) -> Result<Report, Error> {
        if functions.len() != set.ops().len() {
            return Err(Error::new(Status::BadTable));
        }
        let len = size_of_val(functions).max(1).next_multiple_of(PAGE);
        let pages =
            Pages::map(len, PROT_READ | PROT_WRITE, None).map_err(|errno| Error::refused(Step::Map, errno, 0))?;
        // SAFETY: (188) pages of our own, which live as long, full of null pointers.
        let former = unsafe { core::slice::from_raw_parts_mut(pages.start().cast::<*const c_void>(), functions.len()) };
        for (id, (former, function)) in former.iter_mut().zip(functions).enumerate() {
            *former = set.installed(id as u16);
            // SAFETY: (109) the caller's promise.
            unsafe { set.install(id as u16, function) };
        }
        // SAFETY: (185) the caller's promise.
        let result = unsafe { self.patch_all(&[Request::patch(set, features)], Options::default(), View::Memory) };
        if result.is_err() {
            for (id, function) in former.iter().enumerate() {
                // SAFETY: (111) what was there before.
                unsafe { set.install(id as u16, function) };
            }
        }
        result
    }

    /// [`live::patch_all`](super::live::patch_all).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Safety
    ///
    /// As there.
    pub unsafe fn patch_all(
        &mut self,
        requests: &[Request<'_>],
        options: Options,
        view: View,
    ) -> Result<Report, Error> {
        // A handler of this thread could have sites in it, or patch.
        let _blocked = SignalsBlocked::but_traps();
        let mut locked = Locked::new();
        let owner = shared().process();
        if self.owner != owner {
            self.close(); // this process's copies of descriptors that lead to its parent
            self.owner = owner;
        }
        // SAFETY: (186) the caller's promise, and the lock is held.
        let result = unsafe { self.batch(&mut locked, requests, options, view) };
        if !self.keep {
            self.close();
        }
        result
    }

    fn close(&mut self) {
        (self.threads, self.memory) = (None, None);
    }

    /// # Safety
    ///
    /// As [`Self::patch_all`].
    unsafe fn batch(
        &mut self,
        locked: &mut Locked,
        requests: &[Request<'_>],
        options: Options,
        view: View,
    ) -> Result<Report, Error> {
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
            // SAFETY: (187) the lock makes this the only patcher.
            total += unsafe { collect(request.set, request.goal, options, &mut journal, |_, _| Ok(())) }?;
        }
        let changes: *const [Change] = journal.changes();
        // SAFETY: (113) the journal is not written to before the lock is released.
        let changes = unsafe { &*changes };
        if !changes.is_empty() {
            locked.set_up().map_err(|(step, errno)| Error::refused(step, errno, 0))?;
            total.way = self.write(changes, view)?;
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

    fn write(&mut self, changes: &[Change], view: View) -> Result<Way, Error> {
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
        let threads = opened(&mut self.threads, Threads::open)?;
        threads.none_blocks_traps(self.keep)?;
        match view {
            View::Window => through(&mut Window::open(changes)?, changes).map_err(failed).map(|()| Way::Window),
            _ => {
                static PROBED: AtomicU32 = AtomicU32::new(0);
                let file = opened(&mut self.memory, || threads.memory())?;
                // SAFETY: (146) the lock is held.
                let mut memory = unsafe { Memory::new(file, PROBED.load(SeqCst) == 0) }?;
                PROBED.store(1, SeqCst);
                through(&mut memory, changes).map_err(failed).map(|()| Way::ProcMem)
            }
        }
    }
}

/// What is kept, or else is opened now.
fn opened<T>(kept: &mut Option<T>, open: impl FnOnce() -> Result<T, Error>) -> Result<&mut T, Error> {
    match kept {
        Some(file) => Ok(file),
        None => Ok(kept.insert(open()?)),
    }
}

/// Runs the batch; if that fails, back.
fn through(text: &mut impl Port, changes: &[Change]) -> Result<(), i32> {
    shared().begin(changes);
    let result = run(text, changes, Side::New, false);
    if result.is_ok() || take_back(text, changes) {
        text.announce(finished(text.progress()));
    }
    result
}
