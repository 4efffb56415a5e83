//! Thousands of sites, some in functions that nobody calls.

include!(concat!(env!("PV_OUT"), "/shapes.rs"));

use pvc_runtime::{Features, Options, user};
use shapes::{OPS, SET, features, word};

#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
static shapes_counter: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_external(value: usize) -> usize {
    value
}

#[unsafe(no_mangle)]
extern "sysv64" fn shapes_plain(value: usize) -> usize {
    value
}

macro_rules! sites {
    ($value:expr;) => { $value };
    ($value:expr; $head:tt $($tail:tt)*) => { sites!(word::add($value, $head); $($tail)*) };
}

/// Ten sites: adds 10, or 20 with the feature.
#[inline(always)]
fn ten(value: usize) -> usize {
    sites!(value; 1 1 1 1 1 1 1 1 1 1)
}

macro_rules! functions {
    ($($name:ident)*) => {
        $(#[inline(never)]
        fn $name(value: usize) -> usize {
            std::hint::black_box(stringify!($name)); // or equal functions become one
            ten(ten(ten(ten(ten(ten(ten(ten(ten(ten(value))))))))))
        })*
        const ALL: &[fn(usize) -> usize] = &[$($name),*];
    };
}

functions! {
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9
}

#[unsafe(no_mangle)]
extern "C" fn nobody_calls_this(value: usize) -> usize {
    ten(value)
}

extern "sysv64" fn poisoned() {
    std::process::abort()
}

fn main() {
    let run = || ALL.iter().fold(0, |sum, function| function(sum));
    assert_eq!(run(), 3000);
    // SAFETY: one thread.
    let report = unsafe { user::patch_as(&SET, features::FAST, Options::default()) }.expect("patches");
    assert_eq!(report.rows, report.sites);
    let expected = std::env::args().nth(1).expect("the number of sites is an argument");
    let (least, most) = expected.split_once('-').expect("a range");
    let range = least.parse().expect("a number")..=most.parse().expect("a number");
    assert!(range.contains(&report.sites), "{} sites", report.sites);
    // SAFETY: poisoned is called by nobody.
    unsafe { OPS.word_add.install_address(poisoned as *const _) };
    assert_eq!(run(), 6000);
    let _ = Features::NONE;
}
