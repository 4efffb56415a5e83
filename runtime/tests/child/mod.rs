//! Forked children: a crash or a hang is then one failed case, and every case starts with unpatched text.

#![allow(dead_code, reason = "not all users of this module use all of it")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::time::{Duration, Instant};

/// As long as a case may take; what `PVC_LIVE_TOGGLES` asks for takes as long as it takes.
fn limit() -> Duration {
    Duration::from_secs(if std::env::var_os("PVC_LIVE_TOGGLES").is_some() { 4 * 3600 } else { 300 })
}

/// The status of a child of this process at its end. One that does not come to it in time is killed: who waits for a lock
/// blocks the signals by which it could end itself.
pub(crate) fn wait(child: i32, limit: Duration) -> i32 {
    let (started, mut status, mut killed) = (Instant::now(), 0, false);
    loop {
        // SAFETY: a child of this process.
        match unsafe { libc::waitpid(child, &mut status, libc::WNOHANG) } {
            0 if started.elapsed() > limit && !killed => {
                eprintln!("child {child} still runs after {limit:?}");
                // SAFETY: as above; its end comes next.
                unsafe { libc::kill(child, libc::SIGKILL) };
                killed = true;
            }
            0 => std::thread::sleep(Duration::from_millis(1)),
            ended => {
                assert_eq!(ended, child, "waitpid: {}", std::io::Error::last_os_error());
                return status;
            }
        }
    }
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

/// Set where [`under_valgrind`] runs this program: valgrind has pages of its own that are writable and executable.
pub(crate) const VALGRIND: &str = "PVC_UNDER_VALGRIND";

/// Runs cases of this program under valgrind. It translates code before it runs: told that code changes, it must see what the CPU
/// sees, and no use of what was never set.
pub(crate) fn under_valgrind(cases: &[&str]) {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["-q", "--smc-check=all", "--error-exitcode=99"]).arg(std::env::current_exe().expect("runs"));
    let output = valgrind.args(cases).env(VALGRIND, "1").output();
    let output = output.unwrap_or_else(|error| panic!("valgrind: {error}; tests/run installs what the tests need"));
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}{complaints}", output.status);
    assert_eq!(said.matches(": ok").count(), cases.len(), "{said}");
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
