//! Failure paths on generated code, one a run (named by the argument): nothing is written, and the program runs on.

include!(concat!(env!("PV_OUT"), "/shapes.rs"));

use pvc_runtime::{Error, Report, Status, Step, Way, user};
use shapes::{OPS, SET, features, narrow, word};
use std::os::unix::fs::FileExt;

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

unsafe extern "C" {
    fn prctl(option: i32, a: usize, b: usize, c: usize, d: usize) -> i32;
    fn setrlimit(resource: i32, limit: *const [u64; 2]) -> i32;
}

#[inline(never)]
fn values() -> (usize, u8) {
    (word::add(2, 3), narrow::byte(9))
}

fn patch() -> Result<Report, Error> {
    // SAFETY: one thread.
    unsafe { user::patch_as(&SET, features::FAST, pvc_runtime::Options::default()) }
}

/// Address of every site, and what stands there.
fn sites() -> Vec<(usize, Vec<u8>)> {
    SET.sites()
        .iter()
        .map(|site| {
            let at = site.anchor();
            // SAFETY: sites are text; volatile because the patcher writes there.
            (at, (0..site.len).map(|byte| unsafe { (at as *const u8).add(byte.into()).read_volatile() }).collect())
        })
        .collect()
}

fn poke(at: usize, byte: u8) {
    let memory = std::fs::File::options().write(true).open("/proc/self/mem").expect("opens");
    memory.write_all_at(&[byte], at as u64).expect("writes");
}

/// No page is writable and executable, and the text is executable.
fn check_maps() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("reads");
    assert!(!maps.lines().any(|line| line.contains("wx")), "{maps}");
    let text = values as *const () as usize;
    let holds = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        let parse = |text| usize::from_str_radix(text, 16).ok();
        Some((parse(start)?..parse(end)?).contains(&text) && line.contains(" r-xp "))
    };
    assert!(maps.lines().any(|line| holds(line) == Some(true)), "{maps}");
}

fn deny_write_execute() {
    const PR_SET_MDWE: i32 = 65;
    // SAFETY: concerns this process only.
    assert_eq!(unsafe { prctl(PR_SET_MDWE, 1, 0, 0, 0) }, 0, "needs Linux 6.3");
}

fn main() {
    assert_eq!(values(), (5, 9));
    let before = sites();
    match std::env::args().nth(1).as_deref() {
        Some("foreign") => {
            let (last, bytes) = before.last().expect("has sites").clone();
            poke(last, 0xcc);
            let planted = sites();
            let error = patch().expect_err("a foreign byte");
            assert_eq!((error.status, error.address), (Status::Foreign, last));
            assert_eq!(error.found.as_slice(), planted.last().expect("has sites").1);
            assert_eq!(sites(), planted, "something was written");
            poke(last, bytes[0]);
            assert_eq!(values(), (5, 9));
            patch().expect("patches when the byte is gone");
        }
        Some("mdwe") => {
            deny_write_execute();
            assert_eq!(patch().expect("has another way").way, Way::ProcMem);
        }
        Some("nothing") => {
            deny_write_execute();
            const RLIMIT_NOFILE: i32 = 7;
            // SAFETY: concerns this process only.
            assert_eq!(unsafe { setrlimit(RLIMIT_NOFILE, &[0, 0]) }, 0);
            let error = patch().expect_err("no way is left");
            assert_eq!((error.status, error.step, error.errno), (Status::Refused, Step::OpenMemory, 24));
            assert_eq!(sites(), before);
            assert_eq!(values(), (5, 9), "the program runs on with its calls");
            return;
        }
        Some("far") => {
            // SAFETY: never called: the batch is refused.
            unsafe { OPS.word_add.install_address((patch as *const () as usize ^ (1 << 40)) as *const _) };
            assert_eq!(patch().expect_err("out of reach").status, Status::OutOfRange);
            assert_eq!(sites(), before);
            return;
        }
        Some("plain") => assert_eq!(patch().expect("patches").way, Way::Protect),
        other => panic!("{other:?}"),
    }
    assert_eq!(values(), (6, 9));
    assert_ne!(sites(), before);
    check_maps();
    // SAFETY: one thread.
    unsafe { user::unpatch(&SET) }.expect("unpatches");
    assert_eq!(sites(), before);
    check_maps();
}
