//! What asking a static branch costs that is off: beside no question at all, the crate `static-keys`, and a flag that is loaded
//! and tested. All in one run, in turns; `cargo bench -p userspace-rust` prints cycles a question (the best of 1,001 short rounds: what else runs only adds time), measured
//! by a chain of additions that take a cycle each. Then what switching costs.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one thread; no site is run while it changes")]

include!(concat!(env!("OUT_DIR"), "/switches.rs"));

use pvc_runtime::user;
use static_keys::{define_static_key_false, static_branch_unlikely};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use switches::branches::TRACE_ENABLED;

define_static_key_false!(STATIC_KEY);
static FLAG: AtomicBool = AtomicBool::new(false);

const ROUNDS: usize = 1001;
/// Passes of a loop, and questions in one.
const PASSES: u64 = 2_000;
const QUESTIONS: u64 = 32;

/// Asks in this many passes; returns how often the answer was yes.
type Loop = fn(u64) -> u64;

#[cold]
#[inline(never)]
fn traced(seen: u64) -> u64 {
    seen + 1
}

/// A loop whose body asks a question 32 times, with something to do in between that the compiler cannot join.
macro_rules! asking {
    ($name:ident, $question:expr) => {
        #[inline(never)]
        fn $name(passes: u64) -> u64 {
            let mut seen = 0_u64;
            for _ in 0..passes {
                asking!(@eight $question, seen);
                asking!(@eight $question, seen);
                asking!(@eight $question, seen);
                asking!(@eight $question, seen);
            }
            seen
        }
    };
    (@eight $question:expr, $seen:ident) => {
        asking!(@two $question, $seen);
        asking!(@two $question, $seen);
        asking!(@two $question, $seen);
        asking!(@two $question, $seen);
    };
    (@two $question:expr, $seen:ident) => {
        asking!(@one $question, $seen);
        asking!(@one $question, $seen);
    };
    (@one $question:expr, $seen:ident) => {
        // SAFETY: nothing; the addition is 1 cycle of a chain, so that the loop is not bound by the front end alone.
        unsafe { core::arch::asm!("add {0}, 0", inout(reg) $seen, options(nomem, nostack)) };
        if $question {
            $seen = traced($seen);
        }
    };
}

asking!(nothing, false);
asking!(static_branch, switches::trace::enabled());
asking!(static_key, static_branch_unlikely!(STATIC_KEY));
asking!(load_and_test, FLAG.load(Relaxed));

fn time(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

fn best(times: Vec<Duration>) -> f64 {
    times.into_iter().min().unwrap_or_default().as_nanos() as f64
}

fn main() {
    static_keys::global_init();
    let loops: [(&str, Loop); 4] = [
        ("no question", nothing),
        ("static branch, off", static_branch),
        ("static-keys crate, off", static_key),
        ("load and test", load_and_test),
    ];
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..ROUNDS {
        for ((_, run), times) in loops.iter().zip(&mut times) {
            times.push(time(|| assert_eq!(black_box(run(black_box(PASSES))), 0)));
        }
    }
    let best_times = times.map(best);
    // A pass of the bare loop is a chain of as many additions as it has questions.
    let cycle = best_times[0] / (PASSES * QUESTIONS) as f64;
    println!("a cycle is {cycle:.3} ns");
    for ((name, _), time) in loops.iter().zip(best_times).skip(1) {
        let cost = (time - best_times[0]) / (PASSES * QUESTIONS) as f64 / cycle;
        println!("{name:24} {cost:6.3} cycles a question, the loop {:.3} x the bare one", time / best_times[0]);
    }

    let mut on = false;
    let switch = |on: bool| {
        // SAFETY: this process has one thread.
        unsafe { user::set_branch(TRACE_ENABLED, on) }.expect("can be switched");
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        on = !on;
        ours.push(time(|| switch(on)));
        theirs.push(time(|| unsafe { if on { STATIC_KEY.enable() } else { STATIC_KEY.disable() } }));
    }
    println!("switching {QUESTIONS} sites: {:.1} us, static-keys crate {:.1} us", best(ours) / 1e3, best(theirs) / 1e3);
    switch(true);
    assert_eq!(static_branch(1), QUESTIONS);
}
