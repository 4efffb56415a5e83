//! A patcher that keeps its files: what it knows of the process must not grow old.

use crate::table::{self, ONE, SET, TWO};
use pvc_runtime::user::live::{Patcher, Request, View};
use pvc_runtime::{Error, Features, Options, Report, Status, Step};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

pub(crate) fn patch(patcher: &mut Patcher, features: Features, view: View) -> Result<Report, Error> {
    // SAFETY: as `crate::live_as`.
    unsafe { patcher.patch_all(&[Request::patch(&SET, features)], Options::default(), view) }
}

fn toggle(patcher: &mut Patcher) {
    for features in [ONE, TWO] {
        patch(patcher, features, View::Memory).expect("patches");
    }
}

/// A thread does this, and its id; it blocks SIGTRAP first if it is to.
fn block_traps(blocks: bool) {
    // SAFETY: of this thread alone.
    unsafe {
        let mut traps = std::mem::zeroed();
        libc::sigaddset(&mut traps, libc::SIGTRAP);
        let how = if blocks { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
        libc::pthread_sigmask(how, &traps, std::ptr::null_mut());
        LAST.store(libc::gettid() as usize, SeqCst);
    }
}

static LAST: AtomicUsize = AtomicUsize::new(0);

/// The last thread of these is found, and nothing is written.
fn refuses(patcher: &mut Patcher) {
    let before = table::text();
    let error = patch(patcher, ONE, View::Memory).unwrap_err();
    assert_eq!((error.status, error.step, error.address), (Status::Refused, Step::TrapBlocked, LAST.load(SeqCst)));
    assert!(table::text() == before);
}

pub(crate) fn threads_come_and_go() {
    crate::start();
    let mut patcher = Patcher::new();
    toggle(&mut patcher);
    for known_before in [false, true] {
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                block_traps(!known_before);
                for blocks in [true, false] {
                    barrier.wait();
                    barrier.wait();
                    block_traps(blocks);
                }
                barrier.wait();
                barrier.wait();
            });
            barrier.wait();
            if known_before {
                toggle(&mut patcher);
            } else {
                refuses(&mut patcher); // new, and as it was born
            }
            for blocks in [true, false] {
                barrier.wait();
                barrier.wait();
                if blocks { refuses(&mut patcher) } else { toggle(&mut patcher) }
            }
            barrier.wait();
        });
        // It has ended. Another one takes its place: as many threads as before.
        let barrier = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                block_traps(true);
                barrier.wait();
                barrier.wait();
            });
            barrier.wait();
            refuses(&mut patcher);
            barrier.wait();
        });
        toggle(&mut patcher);
    }
}

pub(crate) fn many_threads() {
    const THREADS: usize = 100;
    crate::start();
    let mut patcher = Patcher::new();
    let barrier = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for index in 0..THREADS {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                barrier.wait();
                if index == THREADS - 1 {
                    block_traps(true);
                }
                barrier.wait();
                barrier.wait();
            });
        }
        barrier.wait();
        let files = open_files();
        toggle(&mut patcher);
        assert!(open_files() < files + 64 + 4);
        barrier.wait();
        barrier.wait();
        refuses(&mut patcher);
        barrier.wait();
    });
    toggle(&mut patcher);
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("a directory").count()
}

/// The first batch opens all that later ones need.
pub(crate) fn nothing_is_opened_again() {
    crate::start();
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            barrier.wait();
        });
        barrier.wait();
        let before = open_files();
        let mut patcher = Patcher::new();
        toggle(&mut patcher);
        assert_eq!(open_files(), before + 3, "memory, tasks, a thread");
        // SAFETY: concerns this process only.
        unsafe {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 4096 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &none), 0);
        }
        toggle(&mut patcher);
        assert_eq!(crate::live(ONE).unwrap_err().errno, libc::EMFILE);
        drop(patcher);
        // SAFETY: as above.
        unsafe {
            let some = libc::rlimit { rlim_cur: 4096, rlim_max: 4096 };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &some), 0);
        }
        assert_eq!(open_files(), before);
        barrier.wait();
    });
}

/// The files that it inherits lead to its parent's memory and threads.
pub(crate) fn a_forked_child_leaves_its_parent_alone() {
    crate::start();
    let mut patcher = Patcher::new();
    toggle(&mut patcher);
    let before = table::text();
    let status = crate::child::run(|| {
        let files = open_files();
        patch(&mut patcher, ONE, View::Memory).expect("patches");
        assert!(table::text() != before, "the child's own text");
        crate::assert_all(table::FIRST);
        assert_eq!(open_files(), files);
    });
    assert_eq!(status, 0);
    assert!(table::text() == before);
    toggle(&mut patcher);
}
