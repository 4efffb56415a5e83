//! What all users of a runtime in this process share: Rust and C, each shared object.
//!
//! One state of a fixed layout (FORMAT.md, "Shared state") holds the lock, the progress of the batch under way, and the
//! handler of SIGTRAP. Whoever installed that handler, it serves the batches of all. [`place`](super::place) says where it is.

use super::sys::{self, PAGE, PROT_READ, PROT_WRITE, Pages, Sigaction, SignalsBlocked};
use crate::live::driver::Journal;
use crate::live::{Change, Progress, State};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::*, fence};

/// The state, zero at first.
#[repr(C)]
pub(crate) struct Shared {
    /// 0 free, 1 taken, 2 taken and waited for.
    lock: AtomicU32,
    /// [`Progress`] of the batch under way.
    progress: AtomicU32,
    /// Threads that look at the changes, or sleep until the batch is at its end.
    waiters: AtomicU32,
    /// Forked processes on the way from the first one to this one that have taken over: another number in each.
    forks: AtomicU32,
    /// Batches written so far.
    generation: AtomicU64,
    /// The changes of the batch under way, or of the last one.
    changes: AtomicPtr<Change>,
    count: AtomicUsize,
    /// Two words on a page that is zero in a forked child. The first one is 1 where the patcher lives, the second one while a
    /// child is taking over, and after it.
    token: AtomicPtr<[AtomicU32; 2]>,
    /// Address of the handler of SIGTRAP that serves batches; 0 if none is installed yet.
    pub(crate) handler: AtomicUsize,
    /// What it was installed over; written before `handler`.
    pub(crate) former: UnsafeCell<Sigaction>,
    /// `extern "C" fn(context, address, old, new, len)`, or 0.
    pub(crate) observer: AtomicUsize,
    pub(crate) observer_context: AtomicUsize,
    /// Memory for the changes, kept for the next batch.
    journal: AtomicPtr<Change>,
    journal_room: AtomicUsize,
    /// 1: registered for `membarrier`.
    registered: AtomicU32,
    /// 1: text is writable and executable while this batch runs.
    pub(crate) window: AtomicU32,
    /// How often a thread ran into a breakpoint of a batch.
    pub(crate) trapped: AtomicU64,
    /// The first bytes of the handler: other ones, or none, stand there when the object that it is in has left.
    pub(crate) handler_code: AtomicU64,
}

// SAFETY: (80) `former` is written by the holder of the lock before `handler` is, and read only after.
unsafe impl Sync for Shared {}

const _: () = assert!(size_of::<Shared>() == 144);

core::arch::global_asm!(
    ".pushsection .bss.pv_live_1,\"aw\",@nobits",
    ".p2align 6",
    ".weak pv_live_1",
    ".type pv_live_1, @object",
    "pv_live_1: .zero 144",
    ".size pv_live_1, 144",
    ".popsection",
    options(att_syntax)
);

unsafe extern "C" {
    #[link_name = "pv_live_1"]
    static SHARED: Shared;
}

/// The state of this process, or, where a page for it cannot be had, of the objects that share one symbol.
#[inline]
pub(crate) fn shared() -> &'static Shared {
    static FOUND: AtomicPtr<Shared> = AtomicPtr::new(core::ptr::null_mut());

    #[cold]
    fn find() -> &'static Shared {
        // SAFETY: (81) defined above, or in the C runtime with the same layout; zero is a valid value.
        let place = super::place::find().unwrap_or(unsafe { &SHARED });
        // Who was first may have had to take the symbol.
        let first =
            FOUND.compare_exchange(core::ptr::null_mut(), core::ptr::from_ref(place).cast_mut(), SeqCst, SeqCst);
        // SAFETY: (158) as stored here.
        first.map_or_else(|first| unsafe { &*first }, |_| place)
    }

    // SAFETY: (159) null, or a state that stays for ever.
    unsafe { FOUND.load(SeqCst).as_ref() }.unwrap_or_else(find)
}

/// The lock, held.
pub(crate) struct Locked(&'static Shared);

impl Locked {
    /// Waits for the lock. All signals but SIGTRAP must be blocked: a handler that patches would wait for its own thread.
    pub(crate) fn new() -> Self {
        let shared = shared();
        // Before the lock: a child made while it is taken must be able to tell. If that fails a live batch says so.
        let _ = shared.make_token();
        if shared.is_forked() {
            shared.adopt();
        }
        if shared.lock.compare_exchange(0, 1, SeqCst, SeqCst).is_err() {
            while shared.lock.swap(2, SeqCst) != 0 {
                sys::futex_wait(&shared.lock, 2);
            }
        }
        Self(shared)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.0.lock.swap(0, SeqCst) == 2 {
            sys::futex_wake(&self.0.lock, 1);
        }
    }
}

impl Locked {
    /// What must be there before the first live batch: the token, and the registration for membarrier.
    pub(crate) fn set_up(&self) -> Result<(), (crate::Step, i32)> {
        use crate::Step;
        let shared = self.0;
        shared.make_token().map_err(|errno| (Step::Map, errno))?;
        if shared.registered.load(SeqCst) == 0 {
            sys::register_membarrier().map_err(|errno| (Step::Register, errno))?;
            shared.registered.store(1, SeqCst);
        }
        Ok(())
    }

    /// Room for the changes of a batch of up to `count` sites. Valid until the lock is released.
    pub(crate) fn journal(&mut self, count: usize) -> Result<Journal<'_>, i32> {
        let shared = self.0;
        if shared.journal_room.load(SeqCst) < count {
            self.drop_journal();
            let len = count.saturating_mul(size_of::<Change>()).wrapping_add(PAGE - 1) & !(PAGE - 1);
            let pages = Pages::map(len, PROT_READ | PROT_WRITE, None)?;
            shared.journal.store(pages.leak().cast(), SeqCst);
            shared.journal_room.store(len / size_of::<Change>(), SeqCst);
        }
        fence(Release); // the end of the last batch, before what is written over its changes: `in_batch`
        // SAFETY: (83) mapped above with that room, zero or old changes; the lock makes it exclusive.
        Ok(unsafe { Journal::from_raw(shared.journal.load(SeqCst), count) })
    }

    /// Gives memory back that is more than the next batch is likely to need.
    pub(crate) fn trim(&self) {
        const KEPT: usize = 4 << 20;
        if self.0.journal_room.load(SeqCst).saturating_mul(size_of::<Change>()) > KEPT {
            self.drop_journal();
        }
    }

    fn drop_journal(&self) {
        let shared = self.0;
        shared.count.store(0, SeqCst);
        let room = shared.journal_room.swap(0, SeqCst);
        let journal = shared.journal.swap(core::ptr::null_mut(), SeqCst);
        // A handler that came before `count` was 0 may still look at it: then the memory is lost.
        if room > 0 && shared.waiters.load(SeqCst) == 0 {
            let len = room.saturating_mul(size_of::<Change>()).wrapping_add(PAGE - 1) & !(PAGE - 1);
            // SAFETY: (84) mapped by `journal`, and no handler looks at it any more.
            drop(unsafe { Pages::from_raw(journal.cast(), len) });
        }
    }
}

impl Shared {
    /// Makes the page by which a forked child is known, if there is none. Needs no lock.
    fn make_token(&self) -> Result<(), i32> {
        if !self.token.load(SeqCst).is_null() {
            return Ok(());
        }
        let page = Pages::map(PAGE, PROT_READ | PROT_WRITE, None)?;
        page.wipe_on_fork()?;
        let token = page.start().cast::<[AtomicU32; 2]>();
        // SAFETY: (82) a page of our own.
        let [is_here, _] = unsafe { &*token };
        is_here.store(1, SeqCst);
        if self.token.compare_exchange(core::ptr::null_mut(), token, SeqCst, SeqCst).is_ok() {
            let _ = page.leak(); // for ever; otherwise another thread was faster, and this page goes
        }
        Ok(())
    }

    /// Whether this process is a forked child that has not taken over yet.
    pub(crate) fn is_forked(&self) -> bool {
        // SAFETY: (85) null or a page that is never unmapped.
        unsafe { self.token.load(SeqCst).as_ref() }.is_some_and(|[is_here, _]| is_here.load(SeqCst) == 0)
    }

    /// In a forked child: ends what the parent's patcher was about when the child was made. That thread does not exist
    /// here, and the text is a copy of the child's own. (A child by vfork shares memory and token with its parent.)
    pub(crate) fn adopt(&self) {
        let _blocked = SignalsBlocked::new();
        // SAFETY: (86) as (85).
        let Some([is_here, is_taken]) = (unsafe { self.token.load(SeqCst).as_ref() }) else { return };
        if is_taken.swap(1, SeqCst) == 1 {
            while self.is_forked() {
                sys::pause(100_000);
            }
            return;
        }
        self.lock.store(1, SeqCst);
        self.waiters.store(0, SeqCst);
        self.registered.store(0, SeqCst);
        while !super::live::settle_unfinished() {
            sys::pause(1_000_000);
        }
        self.forks.fetch_add(1, SeqCst);
        self.lock.store(0, SeqCst);
        is_here.store(1, SeqCst);
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress(self.progress.load(SeqCst))
    }

    /// Makes progress known; at the end of a batch, to those that sleep.
    pub(crate) fn announce(&self, progress: Progress) {
        self.progress.store(progress.0, SeqCst);
        if progress.state() == State::Idle && self.waiters.load(SeqCst) != 0 {
            sys::futex_wake(&self.progress, i32::MAX as usize);
        }
    }

    /// Sleeps until the batch is at its end, or for a while.
    pub(crate) fn wait(&self, progress: Progress) {
        self.waiters.fetch_add(1, SeqCst);
        sys::futex_wait(&self.progress, progress.0);
        self.waiters.fetch_sub(1, SeqCst);
    }

    /// Whether the batch under way changes the site at `address`. For handlers, which ask for the progress before and after: if
    /// there was any, the answer is about nothing.
    pub(crate) fn in_batch(&self, address: usize) -> bool {
        self.waiters.fetch_add(1, SeqCst);
        let progress = self.progress();
        let (count, changes) = (self.count.load(SeqCst), self.changes.load(SeqCst));
        let of_one_batch = progress.state() != State::Idle && self.progress() == progress;
        // SAFETY: (179) of a batch that was under way when `waiters` said so already: its journal is there as long as that does.
        let is_here = |index| unsafe { Change::address_of(changes.wrapping_add(index)) } == address;
        let found = of_one_batch && (0..count).any(is_here);
        // The next batch may have begun to write its changes over these. Who has seen one of them sees the end of this batch, too.
        fence(Acquire);
        self.waiters.fetch_sub(1, SeqCst);
        found
    }

    /// The changes of the batch under way, or of the last one. The lock is held, or this is the only patcher.
    pub(crate) fn changes(&self) -> &[Change] {
        let count = self.count.load(SeqCst);
        let changes = self.changes.load(SeqCst);
        if count == 0 || changes.is_null() {
            return &[];
        }
        // SAFETY: (87) `begin` stored both from a slice of the journal, which lives until `count` is 0.
        unsafe { core::slice::from_raw_parts(changes, count) }
    }

    /// These are the changes from now on.
    pub(crate) fn begin(&self, changes: &[Change]) {
        self.count.store(0, SeqCst);
        self.changes.store(changes.as_ptr().cast_mut(), SeqCst);
        self.count.store(changes.len(), SeqCst);
    }

    /// Which process this is: different in a parent and its forked child, as soon as that holds the lock.
    pub(crate) fn process(&self) -> u32 {
        self.forks.load(SeqCst)
    }

    /// Counts a batch that was written.
    pub(crate) fn count_batch(&self) {
        self.generation.fetch_add(1, SeqCst);
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(SeqCst)
    }
}
