//! Live patching of a program whose threads run through the sites. No test harness: each case runs in a forked child.
//!
//! `PVC_LIVE_TOGGLES=1000000` sets how often the sites are toggled for each protocol; without it, a thousandth of that.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "../child/mod.rs"]
mod child;
mod faults;
mod forks;
#[path = "../maps/mod.rs"]
mod maps;
#[path = "../parts/mod.rs"]
mod parts;
mod patchers;
mod policies;
mod table;
mod toggles;
mod traps;

use pvc_runtime::user::{self, live};
use pvc_runtime::{Error, Features, Options, Report, Status, Way};
use std::sync::atomic::Ordering::SeqCst;
use table::{SECOND, SET, SITE_COUNT, SLOTS, TWO};

fn live_as(features: Features, view: live::View) -> Result<Report, Error> {
    // SAFETY: backends of these tests keep their contracts, and handlers have no sites.
    unsafe { live::patch_all(&[live::Request::patch(&SET, features)], Options::default(), view) }
}

fn live(features: Features) -> Result<Report, Error> {
    live_as(features, live::View::Memory)
}

/// At the start of the program, before there are threads: the site that is not live gets its row, too.
fn start() {
    // SAFETY: one thread.
    unsafe { user::patch_as(&SET, TWO, Options::default()) }.unwrap();
}

fn assert_all(expected: u64) {
    for (index, value) in table::values().iter().enumerate() {
        assert_eq!(value(), expected, "value {index}");
    }
    for (index, word) in table::words().iter().enumerate() {
        assert_eq!(word(), expected as u32, "word {index}");
    }
}

/// Every kind changes and comes back, and only what is marked live.
fn what_is_not_live_is_refused() {
    let before = table::text();
    let error = live(TWO).unwrap_err();
    assert_eq!((error.status, error.op), (Status::NotLive, 3));
    assert_eq!(table::text(), before);
    start();
    for view in [live::View::Memory, live::View::Window] {
        let way = if view == live::View::Memory { Way::ProcMem } else { Way::Window };
        SLOTS.0[2].store(table::backend_call as *mut (), SeqCst);
        let report = live_as(TWO, view).unwrap();
        assert_eq!((report.sites, report.calls, report.unchanged, report.way), (SITE_COUNT, 2, SITE_COUNT - 2, way));
        SLOTS.0[2].store(unreachable_call as *mut (), SeqCst);
        assert_eq!((table::via_call(), table::via_stub()), (4, 4), "direct calls");
        assert_all(SECOND);
        SLOTS.0[2].store(table::default_call as *mut (), SeqCst);
        assert_eq!(live_as(TWO, view).unwrap().rows, SITE_COUNT);
        assert_eq!((table::via_call(), table::via_stub()), (0x1111_1111, 0x1111_1111), "rows, padded in front");
        maps::assert_protection();
    }
}

extern "C" fn unreachable_call() -> u32 {
    std::process::abort()
}

/// A batch covers several ops; nothing to do is no batch.
fn generations() {
    start();
    assert_eq!(live::generation(), 0);
    let report = live(TWO).unwrap();
    assert_eq!((report.way, live::generation()), (Way::None, 0));
    SLOTS.0[2].store(table::backend_call as *mut (), SeqCst);
    live(TWO).unwrap();
    assert_eq!(live::generation(), 1);
    let error = live(Features::NONE).unwrap_err();
    assert_eq!((error.status, live::generation()), (Status::NotLive, 1), "the fixed site would call again");
    assert_all(SECOND);
}

/// All functions of a set at once, and back on a refusal.
fn a_whole_variant_is_switched() {
    start();
    let native: Vec<_> = SLOTS.0.iter().map(|slot| slot.load(SeqCst).cast_const().cast()).collect();
    let mut backend = native.clone();
    backend[2] = table::backend_call as *const _;
    // SAFETY: as in `live`.
    let switch = |functions: &[_]| unsafe { live::switch(&SET, functions, TWO) };
    assert_eq!(switch(&backend).unwrap().calls, 2);
    assert_eq!((table::via_call(), table::via_stub()), (4, 4));
    backend[3] = table::backend_call as *const _;
    assert_eq!(switch(&backend).unwrap_err().status, Status::NotLive);
    assert_eq!(SLOTS.0[3].load(SeqCst).cast_const().cast(), native[3], "the former function is back");
    switch(&native).unwrap();
    assert_eq!((table::via_call(), table::via_stub()), (0x1111_1111, 0x1111_1111));
    assert_eq!(switch(&native[1..]).unwrap_err().status, Status::BadTable);
}

fn an_observer_sees_every_change() {
    use std::ffi::c_void;
    unsafe extern "C" fn note(seen: *mut c_void, at: *const c_void, old: *const u8, new: *const u8, len: usize) {
        // SAFETY: a vector of `an_observer_sees_every_change`, and bytes of that length.
        unsafe {
            let seen = &mut *seen.cast::<Vec<(usize, Vec<u8>, Vec<u8>)>>();
            let bytes = |from| std::slice::from_raw_parts(from, len).to_vec();
            seen.push((at.addr(), bytes(old), bytes(new)));
        }
    }
    start();
    let mut seen: Vec<(usize, Vec<u8>, Vec<u8>)> = Vec::new();
    // SAFETY: `note` does not patch, and `seen` outlives its use.
    unsafe { live::observe(Some(note), (&raw mut seen).cast()) };
    SLOTS.0[2].store(table::backend_call as *mut (), SeqCst);
    live(TWO).unwrap();
    assert_eq!(seen.len(), 3, "the site that calls, the call in the stub, and the jump to it");
    let bytes = |at| table::text()[at - table::start()..][..5].to_vec();
    assert!(seen.iter().all(|(at, old, new)| old != new && new[..5] == bytes(*at)));
}

/// One thread: valgrind runs one at a time, so that none comes by while another one patches.
fn under_valgrind() {
    child::under_valgrind(&[
        "what_is_not_live_is_refused",
        "generations",
        "a_whole_variant_is_switched",
        "an_observer_sees_every_change",
        "traps::chain_to_a_handler",
    ]);
}

const CASES: &[(&str, fn())] = &[
    ("under_valgrind", under_valgrind),
    ("what_is_not_live_is_refused", what_is_not_live_is_refused),
    ("generations", generations),
    ("a_whole_variant_is_switched", a_whole_variant_is_switched),
    ("an_observer_sees_every_change", an_observer_sees_every_change),
    ("toggles::memory", toggles::memory),
    ("toggles::window", toggles::window),
    ("toggles::word", toggles::word),
    ("traps::chain_to_a_handler", traps::chain_to_a_handler),
    ("traps::without_a_handler_the_process_ends", traps::without_a_handler_the_process_ends),
    ("traps::a_thread_that_blocks_them_is_found", traps::a_thread_that_blocks_them_is_found),
    ("traps::a_handler_over_ours_is_refused", traps::a_handler_over_ours_is_refused),
    ("forks::children_of_a_batch", forks::children_of_a_batch),
    ("forks::vfork", forks::vfork),
    ("patchers::threads_come_and_go", patchers::threads_come_and_go),
    ("patchers::many_threads", patchers::many_threads),
    ("patchers::nothing_is_opened_again", patchers::nothing_is_opened_again),
    ("patchers::a_forked_child_leaves_its_parent_alone", patchers::a_forked_child_leaves_its_parent_alone),
    ("policies::mdwe", policies::mdwe),
    ("policies::sealed", policies::sealed),
    ("faults::every_system_call", faults::every_system_call),
    ("faults::every_byte", faults::every_byte),
    ("faults::three_barriers", faults::three_barriers),
    ("faults::no_barrier", faults::no_barrier),
];

fn main() {
    child::run_all(CASES);
}
