//! A table and no sites: the section is empty, its bounds are defined, and the runtime says so.

include!(concat!(env!("PV_OUT"), "/shapes.rs"));

use pvc_runtime::{Features, Options, Status, user};
use shapes::SET;

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

fn main() {
    assert_eq!(SET.sites().len(), 0);
    // SAFETY: one thread; so below.
    let error = unsafe { user::patch(&SET, Features::NONE) }.expect_err("no sites where some were expected");
    assert_eq!(error.status, Status::NoSites);
    // SAFETY: as above.
    let report = unsafe { user::patch_as(&SET, Features::NONE, Options { allow_empty: true }) }.expect("allowed");
    assert_eq!(report.sites, 0);
}
