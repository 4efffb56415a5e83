//! Forked children: a crash or a hang is then one failed case, and every case starts with unpatched text.

#![allow(dead_code, reason = "not all users of this module use all of it")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// As long as a case may take; what `PVC_LIVE_TOGGLES` asks for takes as long as it takes.
fn limit() -> Duration {
    Duration::from_secs(if std::env::var_os("PVC_LIVE_TOGGLES").is_some() { 4 * 3600 } else { 300 })
}

/// The status of a child of this process at its end. One that does not come to it in time is killed: who waits for a lock
/// blocks the signals by which it could end itself.
pub(crate) fn wait(child: i32, limit: Duration) -> i32 {
    let milliseconds = limit.as_millis().try_into().expect("hours");
    let mut status = 0;
    // SAFETY: a child of this process, and a descriptor of our own.
    unsafe {
        let descriptor = libc::syscall(libc::SYS_pidfd_open, child, 0) as i32;
        assert!(descriptor >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
        let mut end = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
        if libc::poll(&mut end, 1, milliseconds) == 0 {
            eprintln!("child {child} still runs after {limit:?}");
            libc::kill(child, libc::SIGKILL);
        }
        libc::close(descriptor);
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
    }
    status
}

/// Forks a child that does this and ends; its id.
pub(crate) fn fork(case: impl FnOnce()) -> i32 {
    // SAFETY: what the child does is the caller's part: if there are more threads it calls the patcher and the sites alone.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let failed = catch_unwind(AssertUnwindSafe(case)).is_err();
        // SAFETY: ends this process.
        unsafe { libc::_exit(if failed { 101 } else { 0 }) };
    }
    child
}

/// Does this in a child; its status at its end.
pub(crate) fn run(case: impl FnOnce()) -> i32 {
    wait(fork(case), limit())
}

/// The main function of a test without harness: runs the cases whose names hold a word of the command line, each in a child.
pub(crate) fn run_all(cases: &[(&str, fn())]) {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let mut failed = 0;
    for (name, case) in cases {
        if !words.is_empty() && !words.iter().any(|word| name.contains(word.as_str())) {
            continue;
        }
        let status = run(case);
        println!("{name}: {}", if status == 0 { "ok" } else { "FAILED" });
        if status != 0 {
            println!("  status {status:#x}");
            failed += 1;
        }
    }
    assert_eq!(failed, 0, "cases failed");
}
