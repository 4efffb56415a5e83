//! Everything that the runtime offers, made into one object file, so that a test can see what it asks of others: with
//! `--cfg kernel` what a kernel uses, without it the user-space way, too.
//!
//! The panic handler calls a function of its own: a path to it that the compiler could not remove is an undefined symbol.

#![no_std]
#![no_main]

use pvc_runtime::live::{self, Change, LiveText, Progress, Waiter};
use pvc_runtime::{Branch, Error, Features, Options, Report, Set, Text, apply, apply_branches, restore};

unsafe extern "C" {
    fn the_runtime_can_panic() -> !;
    // What a kernel would do.
    safe fn port_admit(address: usize, len: usize) -> i32;
    safe fn port_write(address: usize, bytes: *const u8, len: usize) -> i32;
    safe fn port_begin(changes: *const Change, count: usize);
    safe fn port_announce(progress: u32);
    safe fn port_synchronize() -> i32;
    safe fn port_progress() -> u32;
    safe fn port_in_batch(address: usize) -> bool;
    safe fn port_byte(address: usize) -> u8;
    safe fn port_wait(progress: u32);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: does not link.
    unsafe { the_runtime_can_panic() }
}

fn answer(errno: i32) -> Result<(), i32> {
    if errno == 0 { Ok(()) } else { Err(errno) }
}

struct Port;

impl Text for Port {
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32> {
        answer(port_admit(address, len))
    }

    fn write(&mut self, address: usize, bytes: &[u8]) {
        port_write(address, bytes.as_ptr(), bytes.len());
    }
}

impl LiveText for Port {
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32> {
        answer(port_admit(address, len))
    }

    fn begin(&mut self, changes: &[Change]) {
        port_begin(changes.as_ptr(), changes.len());
    }

    fn progress(&self) -> Progress {
        Progress(port_progress())
    }

    fn announce(&mut self, progress: Progress) {
        port_announce(progress.0);
    }

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32> {
        answer(port_write(address, bytes.as_ptr(), bytes.len()))
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        answer(port_synchronize())
    }
}

impl Waiter for Port {
    fn progress(&self) -> Progress {
        Progress(port_progress())
    }

    fn in_batch(&self, address: usize) -> bool {
        port_in_batch(address)
    }

    fn byte(&self, address: usize) -> u8 {
        port_byte(address)
    }

    fn wait(&self, progress: Progress) {
        port_wait(progress.0);
    }
}

/// Puts the result where the compiler must make it.
fn tell(to: &mut Result<Report, Error>, result: Result<Report, Error>) {
    *to = result;
}

#[unsafe(no_mangle)]
fn kernel(set: &'static Set, features: u64, journal: &mut [Change; 64], out: &mut [Result<Report, Error>; 6]) {
    let features = Features::detect(set, Features(features));
    let [a, b, c, d, e, f] = out;
    // SAFETY: never run.
    unsafe {
        tell(a, apply(set, features, Options::default(), &mut Port));
        tell(b, apply_branches(set, Options::default(), &mut Port));
        tell(c, restore(set, Options::default(), &mut Port));
        tell(d, live::apply(set, features, Options::default(), journal, &mut Port));
        tell(e, live::apply_branches(set, Options::default(), journal, &mut Port));
        tell(f, live::restore(set, Options::default(), journal, &mut Port));
    }
}

#[unsafe(no_mangle)]
fn want(branch: Branch, value: bool) -> bool {
    branch.want(value) == branch.value()
}

#[unsafe(no_mangle)]
fn breakpoint(address: usize) -> bool {
    live::handle(&Port, address)
}

#[cfg(not(kernel))]
mod program {
    use super::tell;
    use core::ffi::c_void;
    use pvc_runtime::user::{self, live};
    use pvc_runtime::{Branch, Error, Features, Options, Report, Set};

    #[unsafe(no_mangle)]
    fn at_start(set: &'static Set, branch: Branch, out: &mut [Result<Report, Error>; 5]) {
        let [a, b, c, d, e] = out;
        // SAFETY: never run.
        unsafe {
            tell(a, user::patch(set, Features::NONE));
            tell(b, user::patch_as(set, Features::NONE, Options::default()));
            tell(c, user::set_branch(branch, true));
            tell(d, user::patch_branches(set));
            tell(e, user::unpatch(set));
        }
    }

    #[unsafe(no_mangle)]
    fn while_threads_run(
        set: &'static Set,
        branch: Branch,
        functions: &[*const c_void; 8],
        observer: live::Observer,
        view: live::View,
        out: &mut [Result<Report, Error>; 6],
    ) -> u64 {
        let [a, b, c, d, e, f] = out;
        // SAFETY: never run.
        unsafe {
            live::observe(Some(observer), core::ptr::null_mut());
            tell(a, live::patch(set, Features::NONE));
            tell(b, live::unpatch(set));
            tell(c, live::set_branch(branch, true));
            tell(d, live::patch_branches(set));
            tell(e, live::switch(set, functions, Features::NONE));
            let requests = [live::Request::patch(set, Features::NONE)];
            tell(f, live::patch_all(&requests, Options::default(), view));
        }
        live::generation() + live::breakpoints()
    }
}
