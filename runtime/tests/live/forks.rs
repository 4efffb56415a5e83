//! Children that are made while a batch is under way.

use crate::child;
use crate::table::{self, FIRST, ONE, SECOND, TWO};
use pvc_runtime::user::live;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

fn toggling(mut children: impl FnMut()) {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0;
            while !stop.load(Relaxed) {
                let features = if round % 2 == 0 { ONE } else { TWO };
                crate::live(features).expect("patches");
                round += 1;
            }
        });
        let _stop = crate::toggles::Stop(&stop);
        // A child by vfork that is older than the handler has its own table of handlers, without it.
        while live::generation() == 0 {
            std::thread::yield_now();
        }
        children();
    });
}

fn wait_for(child: i32, what: &str) {
    let status = child::wait(child, Duration::from_secs(60));
    assert_eq!(status, 0, "{what}: {status:#x}");
}

/// The child has its own copy of half-written text and no patcher: it runs through all sites, then patches itself.
fn in_the_child() {
    let seen: Vec<u64> = table::values().iter().map(|value| value()).collect();
    assert!(seen.iter().all(|&value| value == FIRST) || seen.iter().all(|&value| value == SECOND), "{seen:x?}");
    for features in [ONE, TWO] {
        crate::live(features).expect("the child patches");
    }
    crate::assert_all(SECOND);
}

pub(crate) fn children_of_a_batch() {
    crate::start();
    toggling(|| {
        for round in 0..200 {
            wait_for(child::fork(in_the_child), &format!("child {round}"));
        }
    });
    crate::maps::assert_protection();
    assert!(live::generation() > 100);
}

/// A child that shares memory: it waits at breakpoints for its parent's patcher.
pub(crate) fn vfork() {
    crate::start();
    toggling(|| {
        for round in 0..200 {
            let mut stack = vec![0u64; 4096];
            extern "C" fn run(_: *mut libc::c_void) -> i32 {
                for _ in 0..20 {
                    if table::values().iter().any(|value| !matches!(value(), FIRST | SECOND)) {
                        return 3;
                    }
                }
                0
            }
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            // SAFETY: vfork with a stack of its own.
            let pid = unsafe { libc::clone(run, stack.as_mut_ptr().add(4096).cast(), flags, std::ptr::null_mut()) };
            wait_for(pid, &format!("child {round}"));
        }
    });
}
