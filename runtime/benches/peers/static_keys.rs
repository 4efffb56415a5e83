//! What the crate `static-keys` takes to switch a thousand sites: prints nanoseconds of CPU time a site. Built by the benchmark
//! `start` in a directory of its own.

use static_keys::{define_static_key_false, static_branch_unlikely};

define_static_key_false!(KEY);

macro_rules! times {
    ($body:block) => {
        $body
    };
    ($ten:tt $($more:tt)*) => {
        times!($($more)*); times!($($more)*); times!($($more)*); times!($($more)*); times!($($more)*);
        times!($($more)*); times!($($more)*); times!($($more)*); times!($($more)*); times!($($more)*);
    };
}

#[inline(never)]
fn sites(mut value: u64) -> u64 {
    times!(10 10 10 {
        if static_branch_unlikely!(KEY) {
            value = std::hint::black_box(value) + 1;
        }
    });
    value
}

fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn main() {
    static_keys::global_init();
    assert_eq!(sites(0), 0);
    let start = now();
    unsafe { KEY.enable() };
    let time = now() - start;
    assert_eq!(sites(0), 1000);
    println!("{}", time / 1000.0);
}
