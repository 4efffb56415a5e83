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

/// A batch of either runtime, and whether the other one was at work, too.
fn batch(patch: impl FnOnce()) {
    MEETINGS.fetch_add(u64::from(PATCHERS.fetch_add(1, SeqCst) > 0), SeqCst);
    patch();
    PATCHERS.fetch_sub(1, SeqCst);
}

fn by_rust(round: u64) {
    // SAFETY: no handler of SIGTRAP has a site in it, and no thread blocks the signal.
    unsafe { user::live::set_branch(STATS, round % 2 == 0) }.expect("can be switched");
    assert_eq!(stats(), round % 2 == 0);
}

fn by_c(round: u64) {
    // SAFETY: as for the other runtime.
    assert_eq!(unsafe { c_patch((round % 2 == 0).into()) }, 0);
    assert_eq!(c_value(), if round % 2 == 0 { 0x2222_2222_2222_2222 } else { 0x1111_1111_1111_1111 });
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
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    assert!(matches!(c_value(), 0x1111_1111_1111_1111 | 0x2222_2222_2222_2222));
                    std::hint::black_box(stats());
                }
            });
        }
        let rust = scope.spawn(|| (1..ROUNDS).for_each(|round| batch(|| by_rust(round))));
        (1..ROUNDS).for_each(|round| batch(|| by_c(round)));
        rust.join().expect("no batch fails");
        stop.store(true, SeqCst);
    });
    assert_eq!(OVERLAPS.load(SeqCst), 0, "batches take turns");
    assert!(MEETINGS.load(SeqCst) > 0, "and there was a time when both wanted one");
    assert!(CHANGES.iter().all(|changes| changes.load(SeqCst) as u64 >= ROUNDS), "{CHANGES:?}");
    assert_eq!((user::live::generation(), c_generation()), (2 * ROUNDS, 2 * ROUNDS), "one count of batches");
    assert_eq!(c_breakpoint(), 1, "a breakpoint that belongs to no site goes to the program's own handler");
}
