//! Both runtimes in one process: two threads patch live at the same time, one the sites of this file through the Rust runtime,
//! one those of a C part through the C runtime, while two more run through all of them.

include!(concat!(env!("PV_OUT"), "/switches.rs"));

use pvc_runtime::{Features, user};
use std::ffi::{c_int, c_ulong, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use switches::branches::STATS;
use switches::{SET, stats};

// tests/c/fixtures/shared.c.
unsafe extern "C" {
    fn c_start() -> c_int;
    fn c_patch(second: c_int) -> c_int;
    safe fn c_value() -> c_ulong;
    safe fn c_generation() -> u64;
    safe fn c_breakpoint() -> c_int;
}

const ROUNDS: u64 = 1000;
/// What `c_value` returns: a mix of the two forms of its site would be a third number.
const FIRST: c_ulong = 0x1111_1111_1111_1111;
const SECOND: c_ulong = 0x2222_2222_2222_2222;

/// Changes of this file's sites and of the C part's that the observer was told of.
static CHANGES: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
/// Observers at work, and how often there was more than one.
static OBSERVERS: AtomicUsize = AtomicUsize::new(0);
static OVERLAPS: AtomicUsize = AtomicUsize::new(0);
/// Patchers that want the lock or have it, and how often a second one came.
static PATCHERS: AtomicUsize = AtomicUsize::new(0);
static MEETINGS: AtomicU64 = AtomicU64::new(0);

/// Called at the end of each batch, under its lock.
unsafe extern "C" fn observer(_: *mut c_void, address: *const c_void, _: *const u8, _: *const u8, _: usize) {
    OVERLAPS.fetch_add(usize::from(OBSERVERS.fetch_add(1, SeqCst) > 0), SeqCst);
    let ours = SET.branch_sites().iter().any(|site| site.address() == address as usize);
    CHANGES[usize::from(!ours)].fetch_add(1, SeqCst);
    (0..1000).for_each(|_| std::hint::spin_loop());
    OBSERVERS.fetch_sub(1, SeqCst);
}

/// What the threads that run through the sites saw: a bit for each form of each site.
static SEEN: AtomicUsize = AtomicUsize::new(0);
const EVERYTHING: usize = 0b1111;

/// Batches of one runtime, and how often the other one was at work, too: [`ROUNDS`], and until all forms of all sites were
/// seen. How many there were.
fn batches(mut patch: impl FnMut(u64)) -> u64 {
    let mut rounds = 1; // that of `main`
    while rounds < ROUNDS || SEEN.load(SeqCst) != EVERYTHING {
        MEETINGS.fetch_add(u64::from(PATCHERS.fetch_add(1, SeqCst) > 0), SeqCst);
        patch(rounds);
        PATCHERS.fetch_sub(1, SeqCst);
        rounds += 1;
    }
    rounds
}

/// Runs through the sites of both runtimes.
fn run_through() {
    SEEN.fetch_or(if stats() { 1 } else { 2 }, SeqCst);
    SEEN.fetch_or(
        match c_value() {
            FIRST => 4,
            SECOND => 8,
            mix => panic!("{mix:#x}"),
        },
        SeqCst,
    );
}

fn by_rust(round: u64) {
    // SAFETY: no handler of SIGTRAP has a site in it, and no thread blocks the signal.
    unsafe { user::live::set_branch(STATS, round % 2 == 0) }.expect("can be switched");
    assert_eq!(stats(), round % 2 == 0);
}

fn by_c(round: u64) {
    // SAFETY: as for the other runtime.
    assert_eq!(unsafe { c_patch((round % 2 == 0).into()) }, 0);
    assert_eq!(c_value(), if round % 2 == 0 { SECOND } else { FIRST });
}

fn main() {
    // A thread that fails ends them all.
    std::panic::set_hook(Box::new(|failure| {
        eprintln!("{failure}");
        std::process::exit(1);
    }));
    // SAFETY: one thread, and the ops structures hold their defaults.
    unsafe {
        assert_eq!(c_start(), 0);
        user::patch(&SET, Features::NONE).expect("can be patched");
        user::live::observe(Some(observer), std::ptr::null_mut());
    }
    // The runtime of the first batch installs the handler; the other one finds it.
    let rust_first = std::env::args().any(|argument| argument == "rust");
    if rust_first {
        by_rust(0);
        by_c(0);
    } else {
        by_c(0);
        by_rust(0);
    }
    let stop = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    run_through();
                }
            });
        }
        let rust = scope.spawn(|| batches(by_rust));
        let rounds = batches(by_c) + rust.join().expect("no batch fails");
        stop.store(true, SeqCst);
        rounds
    });
    assert_eq!(OVERLAPS.load(SeqCst), 0, "batches take turns");
    assert!(MEETINGS.load(SeqCst) > 0, "and there was a time when both wanted one");
    assert!(CHANGES.iter().all(|changes| changes.load(SeqCst) as u64 >= ROUNDS), "{CHANGES:?}");
    assert_eq!((user::live::generation(), c_generation()), (rounds, rounds), "one count of batches");
    assert_eq!(c_breakpoint(), 1, "a breakpoint that belongs to no site goes to the program's own handler");
}
