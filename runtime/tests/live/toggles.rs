//! Toggling all sites while two threads run through them.

use crate::table::{self, FIRST, ONE, SECOND, SET, TWO};
use pvc_runtime::Options;
use pvc_runtime::user::live::{self, Patcher, Request, View};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// How often to toggle, and how often threads must run into breakpoints meanwhile.
fn count() -> (u64, u64) {
    std::env::var("PVC_LIVE_TOGGLES").map_or((1000, 100), |count| (count.parse().expect("a number"), 1000))
}

/// Ends the threads, also when a check fails.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs `patch` while two threads call all functions. Results that were neither number.
fn watch(patch: impl FnOnce(&AtomicU64)) -> u64 {
    let (stop, torn, calls) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    for value in table::values() {
                        torn.fetch_add(u64::from(!matches!(value(), FIRST | SECOND)), Relaxed);
                    }
                    for word in table::words() {
                        let whole = matches!(word(), w if w == FIRST as u32 || w == SECOND as u32);
                        torn.fetch_add(u64::from(!whole), Relaxed);
                    }
                    calls.fetch_add(1, Relaxed);
                }
            });
        }
        while calls.load(Relaxed) < 10 {
            std::thread::yield_now();
        }
        let _stop = Stop(&stop);
        patch(&torn);
    });
    torn.load(Relaxed)
}

/// The other state of `features`: the two sites of `call` and the one that is not live keep theirs.
fn toggle(round: u64, view: View, patcher: &mut Patcher) {
    let features = if round.is_multiple_of(2) { ONE } else { TWO };
    let request = [Request::patch(&SET, features)];
    // SAFETY: no backends; the table's rows alone. Two toggles by one that keeps its files, then two by one that does not.
    let result = unsafe {
        match round / 2 % 2 {
            0 => patcher.patch_all(&request, Options::default(), view),
            _ => live::patch_all(&request, Options::default(), view),
        }
    };
    result.expect("toggles");
    // This thread sees the new state at once.
    let expected = if round.is_multiple_of(2) { FIRST } else { SECOND };
    for value in [0, 17, 60, table::VALUES - 1] {
        assert_eq!(table::values()[value](), expected);
    }
}

/// The sites are where they are said to be: at all offsets of a line, and with each number of bytes before a page edge.
fn look_at_places() {
    let sites = table::values().map(|value| value as *const () as usize);
    assert!((0..64).all(|offset| sites.iter().any(|site| site % 64 == offset)));
    assert!((1..10).all(|before| sites.iter().any(|site| 4096 - site % 4096 == before)));
}

fn breakpoints(view: View) {
    look_at_places();
    crate::start();
    let (count, enough) = count();
    let before = live::breakpoints();
    let (mut rounds, mut patcher) = (0, Patcher::new());
    let torn = watch(|_| {
        // As many as asked for, and as it takes for the handler to be used.
        while rounds < count || live::breakpoints() - before < enough {
            toggle(rounds, view, &mut patcher);
            rounds += 1;
        }
    });
    println!("{view:?}: {rounds} toggles, {} breakpoints, {torn} torn", live::breakpoints() - before);
    assert_eq!((torn, live::generation()), (0, rounds));
    crate::maps::assert_protection();
    naive(&table::values().map(|value| (value as *const () as usize + 2, 8)));
}

pub(crate) fn memory() {
    breakpoints(View::Memory);
}

pub(crate) fn window() {
    breakpoints(View::Window);
}

/// Aligned words, whole, without breakpoints. The other sites are in the way: they cross words.
pub(crate) fn word() {
    crate::start();
    let refused = crate::live_as(ONE, View::Word).unwrap_err();
    assert_eq!(refused.status, pvc_runtime::Status::NotLive);
    let (count, words) = (count().0, table::words_alone());
    let torn = watch(|_| {
        for round in 0..count {
            let features = if round.is_multiple_of(2) { ONE } else { TWO };
            // SAFETY: as in `toggle`.
            unsafe { live::patch_all(&[Request::patch(&words, features)], Options::default(), View::Word) }.unwrap();
            assert_eq!(table::words()[3](), if round.is_multiple_of(2) { FIRST as u32 } else { SECOND as u32 });
        }
    });
    println!("Word: {count} toggles, {torn} torn");
    assert_eq!((torn, live::breakpoints(), live::generation()), (0, 0, count));
    crate::maps::assert_protection();
    naive(&table::words().map(|word| (word as *const () as usize + 1, 4)));
}

/// The numbers in the same sites (address and length of each), byte by byte: the threads see mixes, so the tests above can.
fn naive(numbers: &[(usize, usize)]) {
    let memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
    let torn = watch(|torn| {
        for round in 0..100_000u32 {
            let byte = if round.is_multiple_of(2) { 0x11 } else { 0x22 };
            for &(number, len) in numbers {
                for at in number..number + len {
                    memory.write_all_at(&[byte], at as u64).unwrap();
                }
            }
            if torn.load(Relaxed) > 1000 {
                break;
            }
        }
    });
    println!("plain stores: {torn} torn");
    assert!(torn > 0, "the test cannot see a torn site");
}
