//! Loops through patched sites beside the same loops with the instruction written by hand: `tests/sites.rs` reads the times.

include!(concat!(env!("PV_OUT"), "/sites.rs"));

use core::arch::asm;
use pvc_runtime::{Features, user};
use sites::{OPS, SET, nop_, word};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 1001;
const PASSES: usize = 1000;
const STEPS: usize = 32;

/// A loop of 32 equal steps; `chain`: each waits for the one before.
macro_rules! loops {
    ($($name:literal: |$value:ident, $other:ident| $step:expr;)*) => {
        [$(($name, {
            #[inline(never)]
            fn run(passes: usize) -> usize {
                let mut $value = 1;
                for $other in 0..passes {
                    loops!(@four { $step; $step; $step; $step; $step; $step; $step; $step; });
                }
                $value
            }
            run as fn(usize) -> usize
        })),*]
    };
    (@four $eight:block) => { $eight $eight $eight $eight };
}

/// By hand, with the operands where the op has them.
macro_rules! bare {
    ($text:literal, $value:expr, $other:expr) => {{
        let result: usize;
        // SAFETY: registers only.
        unsafe {
            asm!($text, in("rdi") $value, in("rsi") $other, lateout("rax") result, options(att_syntax, readonly))
        };
        result
    }};
}

macro_rules! bare_extend {
    ($value:expr) => {{
        let mut result = $value;
        // SAFETY: registers only.
        unsafe { asm!("cltq", inout("rax") result, options(att_syntax, readonly)) };
        result
    }};
}

/// An addition that takes a cycle and waits for the one before.
macro_rules! step {
    ($value:ident) => {
        // SAFETY: registers only.
        unsafe { asm!("add {0}, 0", inout(reg) $value, options(nomem, nostack)) }
    };
}

fn sink(value: usize) {
    // SAFETY: nothing.
    unsafe { asm!("/* {0} */", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

fn main() {
    let loops = loops! {
        "cycle": |v, _i| step!(v);
        "nothing": |_v, i| sink(i);
        "extend chain site": |v, _i| v = word::extend(v as u32);
        "extend beside site": |v, i| { sink(word::extend(i as u32)); step!(v) };
        "extend dense site": |_v, i| sink(word::extend(i as u32));
        "extend chain bare": |v, _i| v = bare_extend!(v);
        "extend beside bare": |v, i| { sink(bare_extend!(i)); step!(v) };
        "extend dense bare": |_v, i| sink(bare_extend!(i));
        "add chain site": |v, i| v = word::add(v, i);
        "add beside site": |v, i| { sink(word::add(i, i)); step!(v) };
        "add dense site": |_v, i| sink(word::add(i, i));
        "add chain bare": |v, i| v = bare!("lea (%rdi,%rsi), %rax", v, i);
        "add beside bare": |v, i| { sink(bare!("lea (%rdi,%rsi), %rax", i, i)); step!(v) };
        "add dense bare": |_v, i| sink(bare!("lea (%rdi,%rsi), %rax", i, i));
        "count chain site": |v, _i| v = word::count(v);
        "count beside site": |v, i| { sink(word::count(i)); step!(v) };
        "count dense site": |_v, i| sink(word::count(i));
        "count chain bare": |v, i| v = bare!("popcnt %rdi, %rax", v, i);
        "count beside bare": |v, i| { sink(bare!("popcnt %rdi, %rax", i, i)); step!(v) };
        "count dense bare": |_v, i| sink(bare!("popcnt %rdi, %rax", i, i));
        "nop5 beside": |v, _i| { nop_::five(); step!(v) };
        "nop5 dense": |_v, _i| nop_::five();
        "nop6 beside": |v, _i| { nop_::six(); step!(v) };
        "nop6 dense": |_v, _i| nop_::six();
        "nop7 beside": |v, _i| { nop_::seven(); step!(v) };
        "nop7 dense": |_v, _i| nop_::seven();
        "nop8 beside": |v, _i| { nop_::eight(); step!(v) };
        "nop8 dense": |_v, _i| nop_::eight();
        "called beside": |v, _i| { nop_::called(); step!(v) };
        "called dense": |_v, _i| nop_::called();
    };
    // SAFETY: the set's own, for ops without results.
    unsafe {
        OPS.nop_five.install_address(sites::nop as *const _);
        OPS.nop_six.install_address(sites::nop as *const _);
        OPS.nop_seven.install_address(sites::nop as *const _);
        OPS.nop_eight.install_address(sites::nop as *const _);
        OPS.nop_called.install_address(sites::nop as *const _);
    }
    // SAFETY: one thread.
    let report = unsafe { user::patch(&SET, Features::NONE) }.expect("can be patched");
    assert_eq!((report.rows, report.nops, report.calls), (9 * STEPS, 10 * STEPS, 0), "{report}");
    let mut times = vec![Vec::new(); loops.len()];
    for _ in 0..ROUNDS {
        for ((_, run), times) in loops.iter().zip(&mut times) {
            let start = Instant::now();
            black_box(run(black_box(PASSES)));
            times.push(start.elapsed().as_nanos());
        }
    }
    for ((name, _), times) in loops.iter().zip(&mut times) {
        times.sort_unstable();
        println!("{name}\t{}\t{}", times[0], times[ROUNDS / 2]);
    }
}
