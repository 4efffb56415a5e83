//! Copies of one patch set in one process: in this program, and in shared objects in Rust and in C that come and go while it runs.

include!(concat!(env!("PV_OUT"), "/demo.rs"));

use demo::SET;
use pvc_runtime::{Features, user};
use std::ffi::{CString, c_char, c_int, c_void};

unsafe extern "C" {
    fn dlopen(path: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(object: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlclose(object: *mut c_void) -> c_int;
    fn mmap(at: *mut c_void, len: usize, protection: c_int, flags: c_int, file: c_int, offset: i64) -> *mut c_void;
    fn munmap(at: *mut c_void, len: usize) -> c_int;
}

const RTLD_NOW: c_int = 2;
const PROT_READ: c_int = 1;
const PROT_WRITE: c_int = 2;
const MAP_PRIVATE_ANONYMOUS: c_int = 0x22;
const MAP_FIXED_NOREPLACE: c_int = 0x10_0000;

#[inline(never)]
fn add(a: usize, b: usize) -> usize {
    demo::r#do::add(a, b)
}

/// What the lines of `/proc/self/maps` that hold `path` say: first address, last address, protection.
fn mappings(path: &str) -> Vec<(usize, usize, String)> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("can be read");
    let mapping = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (first, last) = range.split_once('-')?;
        let parse = |text| usize::from_str_radix(text, 16).ok();
        Some((parse(first)?, parse(last)?, rest[..4].to_owned()))
    };
    maps.lines().filter(|line| line.ends_with(path)).map(|line| mapping(line).expect("a mapping")).collect()
}

struct Plugin<'a> {
    path: &'a str,
    object: *mut c_void,
    add: extern "C" fn(usize, usize) -> usize,
    subtract: extern "C" fn() -> c_int,
    /// 0: patched, or unpatched.
    live: extern "C" fn(c_int) -> c_int,
}

impl<'a> Plugin<'a> {
    fn load(path: &'a str) -> Self {
        let name = CString::new(path).expect("a path");
        // SAFETY: the objects of this test, whose functions have these signatures.
        unsafe {
            let object = dlopen(name.as_ptr(), RTLD_NOW);
            assert!(!object.is_null(), "{path}");
            let function = |name: &std::ffi::CStr| {
                let found = dlsym(object, name.as_ptr());
                assert!(!found.is_null(), "{path}: {name:?}");
                found
            };
            let arrived: extern "C" fn() -> c_int = std::mem::transmute(function(c"plugin_arrived"));
            assert_eq!(arrived(), 1, "{path} was patched as it arrived");
            let add = std::mem::transmute::<*mut c_void, extern "C" fn(usize, usize) -> usize>(function(c"plugin_add"));
            let subtract = std::mem::transmute::<*mut c_void, extern "C" fn() -> c_int>(function(c"plugin_subtract"));
            let live = std::mem::transmute::<*mut c_void, extern "C" fn(c_int) -> c_int>(function(c"plugin_live"));
            assert_eq!(add(40, 2), 42);
            Self { path, object, add, subtract, live }
        }
    }

    /// Unloads it, and puts other pages where its text was: these.
    fn leave(self) -> &'static [u8] {
        let is_text = |(_, _, protection): &(usize, usize, String)| protection == "r-xp";
        let (first, last, _) = mappings(self.path).into_iter().find(is_text).expect("its text is there");
        let len = last - first;
        // SAFETY: nobody calls its functions any more; then the place is free.
        unsafe {
            assert_eq!(dlclose(self.object), 0);
            assert!(mappings(self.path).is_empty(), "{} is gone", self.path);
            let flags = MAP_PRIVATE_ANONYMOUS | MAP_FIXED_NOREPLACE;
            let pages = mmap(first as *mut c_void, len, PROT_READ | PROT_WRITE, flags, -1, 0).cast::<u8>();
            assert_eq!(pages.addr(), first, "its place is free");
            pages.write_bytes(0xa5, len);
            std::slice::from_raw_parts(pages, len)
        }
    }
}

/// This program's own copy, back and forth.
fn patch_twice() {
    // SAFETY: one thread.
    let (restored, report) = unsafe { (user::unpatch(&SET), user::patch(&SET, Features::NONE)) };
    assert_eq!(restored.expect("can be restored").originals, 1);
    let report = report.expect("can be patched");
    assert_eq!((report.sites, report.rows, report.unchanged), (1, 1, 0), "the program's own site and no other");
}

/// Every copy back and forth, by one lock and one handler, which leaves with the copy that came first.
fn patch_live(plugins: &[Plugin]) {
    let before = user::live::generation();
    for plugin in plugins {
        assert_eq!(((plugin.live)(0), (plugin.add)(40, 2)), (0, 42), "{}", plugin.path);
        assert_eq!(((plugin.live)(1), (plugin.add)(40, 2)), (0, 42), "{}", plugin.path);
        // SAFETY: backends stay, and there is no other handler of SIGTRAP.
        unsafe {
            user::live::unpatch(&SET).expect("can be restored");
            user::live::patch(&SET, Features::NONE).expect("can be patched");
        }
    }
    assert_eq!(user::live::generation() - before, 4 * plugins.len() as u64, "batches of all are counted");
}

fn main() {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    assert_eq!(paths.len(), 3, "three shared objects");
    assert_eq!(add(40, 2), 42);
    // SAFETY: one thread.
    assert_eq!(unsafe { user::patch(&SET, Features::NONE) }.expect("can be patched").rows, 1);
    for round in 0..30 {
        // Each in its turn has another function and leaves first.
        let mut plugins: Vec<Plugin> = paths.iter().map(|path| Plugin::load(path)).collect();
        plugins.rotate_left(round % 3);
        patch_live(&plugins);
        let other = plugins.swap_remove(0);
        assert_eq!((other.subtract)(), 1);
        assert_eq!((other.add)(40, 2), 38);
        assert!(plugins.iter().all(|plugin| (plugin.add)(40, 2) == 42) && add(40, 2) == 42, "the others do not");
        let place = other.leave();
        patch_twice();
        assert!(place.iter().all(|&byte| byte == 0xa5), "nobody wrote where it was");
        // SAFETY: mapped by `leave`.
        assert_eq!(unsafe { munmap(place.as_ptr().cast_mut().cast(), place.len()) }, 0);
        for plugin in plugins {
            assert_eq!(((plugin.add)(40, 2), (plugin.subtract)(), (plugin.add)(40, 2)), (42, 1, 38));
            // SAFETY: nobody calls its functions any more.
            assert_eq!(unsafe { dlclose(plugin.object) }, 0);
        }
        assert_eq!(add(40, 2), 42);
        assert!(mappings("").iter().all(|(_, _, protection)| !protection.contains("wx")), "writable and executable");
    }
}
