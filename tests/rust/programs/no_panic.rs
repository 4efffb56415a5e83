//! The core of the runtime without a way to panic: the handler refers to a symbol that does not exist, so a path to it
//! that the compiler could not remove is an error of the linker.

#![no_std]
#![no_main]

use core::ffi::c_void;
use pvc_runtime::{Features, Options, Set, Text, apply, restore};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn the_runtime_can_panic() -> !;
    }
    // SAFETY: does not link.
    unsafe { the_runtime_can_panic() }
}

struct Port;

impl Text for Port {
    fn admit(&mut self, address: usize, _len: usize) -> Result<(), i32> {
        if address == 0 { Err(1) } else { Ok(()) }
    }
    fn write(&mut self, address: usize, bytes: &[u8]) {
        // SAFETY: never run.
        unsafe { core::ptr::copy(bytes.as_ptr(), address as *mut u8, bytes.len()) }
    }
}

#[unsafe(no_mangle)]
extern "C" fn use_everything(set: &'static Set, features: u64, out: *mut c_void) -> usize {
    let features = Features::detect(set, Features(features));
    // SAFETY: never run; so below.
    let results = unsafe {
        [
            apply(set, features, Options::default(), &mut Port),
            restore(set, Options::default(), &mut Port),
            pvc_runtime::user::patch(set, features),
            pvc_runtime::user::unpatch(set),
        ]
    };
    results.iter().flatten().map(|report| report.sites).sum::<usize>() + out.addr()
}
