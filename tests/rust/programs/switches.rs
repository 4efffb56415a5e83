//! Static branches: near and far targets, switched one by one and together, with ops in the same set, and put back.

include!(concat!(env!("PV_OUT"), "/switches.rs"));

use pvc_runtime::{Branch, Features, Status, user};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use switches::branches::{NET_OFFLOAD, STATS, TRACE_ENABLED};
use switches::{SET, net, stats, trace};

static TRACED: AtomicU32 = AtomicU32::new(0);

#[inline(never)]
fn traced() {
    TRACED.fetch_add(1, Ordering::Relaxed);
}

/// Straight through but for one NOP; the test reads its code.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn hot_path(value: u32) -> u32 {
    if trace::enabled() {
        traced();
    }
    value.wrapping_add(1)
}

/// The same for a branch that is true at first.
#[unsafe(no_mangle)]
#[inline(never)]
pub fn offload_path(value: u32) -> u32 {
    if net::offload() {
        return value;
    }
    traced();
    value.wrapping_sub(1)
}

/// So much code between the site and its target that a short jump does not reach it.
#[inline(never)]
fn far_path(values: &mut [u32; 64]) -> bool {
    macro_rules! much {
        ($($index:literal)*) => { $( values[$index] = black_box(values[$index] ^ $index); )* };
    }
    if stats() {
        much!(32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63);
        true
    } else {
        much!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31);
        false
    }
}

/// Its other side is at the edge of what a short jump reaches, behind an alignment: the assembler must come to an end with it.
#[inline(never)]
fn edge<const N: usize>() -> usize {
    if stats() {
        return N;
    }
    // SAFETY: instructions without an effect.
    unsafe { std::arch::asm!(".skip {}, 0x90", ".p2align 4, 0x90", ".skip 50, 0x90", const N, options(nomem, nostack)) };
    0
}

fn check_edges(counting: bool) {
    macro_rules! edges {
        ($($n:literal)*) => { $( assert_eq!(edge::<$n>(), if counting { $n } else { 0 }); )* };
    }
    edges!(60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75);
}

/// What is asked in a function that is copied into its callers, in a generic one, and in a closure.
#[inline]
fn copied() -> bool {
    stats()
}

fn generic<T: Default + PartialEq>(value: T) -> (bool, bool) {
    (stats(), value == T::default())
}

fn in_closures(rounds: usize) -> usize {
    let ask = || usize::from(stats());
    let nested = |times: usize| (0..times).map(|_| ask() + usize::from(copied())).sum::<usize>();
    nested(rounds) + ask()
}

/// Many copies of one wrapper.
#[inline(always)]
fn each<const N: usize>(rounds: usize) -> usize {
    (0..rounds).filter(|_| stats()).count() + N
}

fn check(enabled: bool, offload: bool, counting: bool) {
    TRACED.store(0, Ordering::Relaxed);
    assert_eq!(hot_path(7), 8);
    assert_eq!(TRACED.swap(0, Ordering::Relaxed), u32::from(enabled));
    assert_eq!(offload_path(7), if offload { 7 } else { 6 });
    assert_eq!(far_path(&mut [1; 64]), counting);
    let seen = if counting { 30 } else { 0 };
    assert_eq!(each::<1>(10) + each::<2>(10) + each::<3>(black_box(10)), 6 + seen);
    check_edges(counting);
    assert_eq!((generic(0_u8), generic("a".to_owned())), ((counting, true), (counting, false)));
    assert_eq!(in_closures(black_box(3)), if counting { 7 } else { 0 });
    assert_eq!(switches::r#do::add(2, 3), 5);
    assert_eq!((TRACE_ENABLED.value(), NET_OFFLOAD.value(), STATS.value()), (enabled, offload, counting));
}

fn set(branch: Branch, value: bool) -> pvc_runtime::Report {
    // SAFETY: this process has one thread.
    unsafe { user::set_branch(branch, value) }.expect("can be switched")
}

/// Two threads ask while this one switches; what is not live is refused.
fn live() {
    let toggles = std::env::var("PVC_LIVE_TOGGLES").map_or(1000, |count| count.parse().expect("a number"));
    let (stop, wrong, asked) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let mut values = [1; 64];
                    let on = far_path(&mut values);
                    let touched = |index: usize| values[index] != 1;
                    let whole = touched(2) != on && touched(33) == on;
                    let good = whole && matches!(offload_path(7), 6 | 7) && hot_path(7) == 8;
                    wrong.fetch_add(u32::from(!good), Ordering::Relaxed);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while asked.load(Ordering::Relaxed) < 10 {
            std::thread::yield_now();
        }
        for round in 0..toggles {
            let on = round % 2 == 0;
            STATS.want(on);
            NET_OFFLOAD.want(!on);
            // SAFETY: no handler of SIGTRAP has a site in it, and no thread blocks the signal.
            let report = unsafe { user::live::patch_branches(&SET) }.expect("can be switched");
            assert_eq!(report.jumps, if on { report.branch_sites - 1 } else { 0 }, "all but the one of hot_path");
            assert_eq!((far_path(&mut [1; 64]), offload_path(7)), (on, if on { 6 } else { 7 }));
        }
        // SAFETY: as above.
        let error = unsafe { user::live::set_branch(TRACE_ENABLED, true) }.expect_err("is not live");
        assert_eq!((error.status, error.branch), (Status::NotLive, 0));
        assert!(!TRACE_ENABLED.value() && hot_path(7) == 8);
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(wrong.load(Ordering::Relaxed), 0);
    println!("{toggles} batches, {} breakpoints hit", user::live::breakpoints());
}

fn main() {
    if std::env::args().any(|argument| argument == "live") {
        return live();
    }
    check(false, true, false);
    let sites = SET.branch_sites().len();
    assert!(sites >= 6);
    let (mut short, mut long) = (0, 0);
    for record in SET.branch_sites() {
        // SAFETY: a site of this program.
        let text = unsafe { std::slice::from_raw_parts(record.address() as *const u8, usize::from(record.len)) };
        match record.len {
            2 => short += usize::from(text == [0x66, 0x90]),
            5 => long += usize::from(text == [0x0f, 0x1f, 0x44, 0, 0]),
            _ => {}
        }
        if record.flags & pvc_runtime::table::SITE_LIVE != 0 {
            assert!(record.address() % 8 + text.len() <= 8, "a live site lies in one word");
        }
    }
    assert_eq!(short + long, sites, "NOPs of the recorded length");
    // Only optimisers move the other side far away; the test says whether they were asked to.
    let told = |word: &str| std::env::args().any(|argument| argument == word);
    assert!((short == 0) == told("long") && (long > 0) >= told("far"), "{} short, {} long", short, long);

    // SAFETY: one thread, and the ops structure holds its defaults.
    let report = unsafe { user::patch(&SET, Features::NONE) }.expect("can be patched");
    assert_eq!((report.branch_sites, report.branches_unchanged, report.jumps), (sites, sites, 0));
    assert_eq!(report.rows, report.sites);
    check(false, true, false);

    assert!(set(TRACE_ENABLED, true).jumps > 0);
    check(true, true, false);
    set(NET_OFFLOAD, false);
    check(true, false, false);
    assert_eq!(set(STATS, true).jumps, sites);
    check(true, false, true);
    assert_eq!(set(STATS, true).bytes, 0, "nothing to do");
    set(TRACE_ENABLED, false);
    check(false, false, true);

    assert!(!TRACE_ENABLED.want(true) && STATS.want(false));
    check(false, false, true);
    // SAFETY: one thread.
    let report = unsafe { user::patch_branches(&SET) }.expect("can be switched");
    assert_eq!(report.sites, 0);
    check(true, false, false);
    for round in 0..100 {
        set(STATS, round % 2 == 0);
        check(true, false, round % 2 == 0);
    }

    // SAFETY: one thread.
    unsafe { user::unpatch(&SET) }.expect("can be put back");
    check(false, true, false);
    // SAFETY: as above.
    unsafe { user::patch(&SET, Features::NONE) }.expect("can be patched again");
    check(true, false, false);
    for (branch, value) in [(TRACE_ENABLED, false), (NET_OFFLOAD, true)] {
        set(branch, value);
    }

    foreign_bytes_are_refused();
}

/// A breakpoint at any site refuses the batch, and nothing changes.
fn foreign_bytes_are_refused() {
    for record in SET.branch_sites() {
        let page = (record.address() & !4095) as *mut u8;
        // SAFETY: text of this program, made writable for the test alone.
        assert_eq!(unsafe { mprotect(page.cast(), 8192, 7) }, 0);
    }
    for record in SET.branch_sites() {
        let site = record.address() as *mut u8;
        // SAFETY: made writable above; nobody runs through it meanwhile.
        let old = unsafe { site.replace(0xcc) };
        let before = (TRACE_ENABLED.value(), NET_OFFLOAD.value(), STATS.value());
        for branch in [TRACE_ENABLED, NET_OFFLOAD, STATS] {
            branch.want(!branch.value());
        }
        // SAFETY: one thread.
        let error = unsafe { user::patch_branches(&SET) }.expect_err("a foreign byte");
        let id = record.branch;
        assert_eq!((error.status, error.branch, error.address), (Status::Foreign, id, site.addr()));
        assert_eq!((error.found.as_slice()[0], error.op), (0xcc, pvc_runtime::table::NONE));
        for branch in [TRACE_ENABLED, NET_OFFLOAD, STATS] {
            branch.want(branch.value());
        }
        assert_eq!((TRACE_ENABLED.value(), NET_OFFLOAD.value(), STATS.value()), before);
        // SAFETY: as above.
        unsafe { site.write(old) };
        check(before.0, before.1, before.2);
    }
}

unsafe extern "C" {
    fn mprotect(address: *mut std::ffi::c_void, len: usize, protection: i32) -> i32;
}
