//! A shared object with sites and a table of its own: patched as it arrives, before anybody can run its text.

include!(concat!(env!("PV_OUT"), "/demo.rs"));

use demo::{OPS, SET, backends};
use pvc_runtime::{Features, user};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static ARRIVED: AtomicBool = AtomicBool::new(false);

extern "C" fn arrive() {
    // SAFETY: nobody runs this object's text before `dlopen` returns.
    let report = unsafe { user::patch(&SET, Features::NONE) };
    let patched = report.is_ok_and(|report| (report.sites, report.rows, report.unchanged) == (1, 1, 0));
    ARRIVED.store(patched, Relaxed);
}

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn() = arrive;

/// Whether it was, when it arrived.
#[unsafe(no_mangle)]
extern "C" fn plugin_arrived() -> i32 {
    ARRIVED.load(Relaxed).into()
}

#[unsafe(no_mangle)]
extern "C" fn plugin_add(a: usize, b: usize) -> usize {
    demo::r#do::add(a, b)
}

struct Subtract;
impl backends::DoAddBackend for Subtract {
    extern "sysv64" fn call(a: usize, b: usize) -> usize {
        a - b
    }
}

/// Installs the other function in this copy of the table, and patches this copy's sites.
#[unsafe(no_mangle)]
extern "C" fn plugin_subtract() -> i32 {
    OPS.do_add.install(backends::DoAdd::of::<Subtract>());
    // SAFETY: one thread runs this object's text: this one.
    let report = unsafe { user::patch(&SET, Features::NONE) };
    report.is_ok_and(|report| report.calls == 1).into()
}

/// Patches this copy while threads run through it; the other way round, if `on` is 0.
#[unsafe(no_mangle)]
extern "C" fn plugin_live(on: i32) -> i32 {
    // SAFETY: backends stay, and there is no other handler of SIGTRAP.
    let result = unsafe { if on == 0 { user::live::unpatch(&SET) } else { user::live::patch(&SET, Features::NONE) } };
    i32::from(result.is_err()) // PV_OK is 0
}
