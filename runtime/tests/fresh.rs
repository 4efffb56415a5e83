//! The short way for text that is as compiled, and the way back from it.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod many;

use many::{Arena, Fixture, fill, text};
use pvc_runtime::{Features, Options, Set, Status, Way, user};

const SITES: usize = 5000;
const STEP: usize = 17;
const ROW: [u8; 6] = [0x48, 0x89, 0xf8, 0x0f, 0x1f, 0x00];

fn arena() -> Arena {
    let (file, len) = text(SITES, STEP);
    let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
    fill(&arena, SITES, STEP);
    arena
}

fn bytes(arena: &Arena) -> Vec<u8> {
    // SAFETY: that much text is mapped; a copy, because the patcher changes it.
    unsafe { std::slice::from_raw_parts(arena.text, SITES * STEP) }.to_vec()
}

fn poke(arena: &Arena, site: usize, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
    memory.write_all_at(bytes, arena.text as u64 + (site * STEP) as u64).unwrap();
}

fn patch(set: &Set) -> Result<pvc_runtime::Report, pvc_runtime::Error> {
    // SAFETY: nothing runs the text, and the threads of these tests have text and table of their own.
    unsafe { user::patch_as(set, Features::NONE, Options::default()) }
}

fn holds_rows(arena: &Arena) -> bool {
    bytes(arena).chunks(STEP).all(|site| site[..6] == ROW && site[6..].iter().all(|&byte| byte == 0x90))
}

#[test]
fn all_sites_change_and_nothing_else() {
    let arena = arena();
    let mut fixture = Fixture::new();
    let set = fixture.set(&arena, SITES);
    let before = bytes(&arena);
    let report = patch(&set).unwrap();
    assert_eq!((report.rows, report.bytes, report.runs, report.way), (SITES, 6 * SITES, 1, Way::Protect));
    assert!(holds_rows(&arena));
    assert_eq!(patch(&set).unwrap().unchanged, SITES);
    // SAFETY: as in `patch`.
    unsafe { user::unpatch(&set) }.unwrap();
    assert_eq!(bytes(&arena), before);
}

/// Also at a page edge, and as the last one.
#[test]
fn a_foreign_site_takes_all_back() {
    let edge = (0..SITES).find(|site| site * STEP % 4096 > 4090).unwrap();
    for foreign in [0, 1, edge, SITES - 1] {
        let arena = arena();
        let mut fixture = Fixture::new();
        let set = fixture.set(&arena, SITES);
        poke(&arena, foreign, &[0xcc]);
        let before = bytes(&arena);
        let error = patch(&set).unwrap_err();
        assert_eq!((error.status, error.address), (Status::Foreign, arena.text as usize + foreign * STEP));
        assert_eq!(bytes(&arena), before, "site {foreign}");
    }
}

#[test]
fn a_site_that_was_patched_before_takes_the_long_way() {
    let arena = arena();
    let mut fixture = Fixture::new();
    let set = fixture.set(&arena, SITES);
    poke(&arena, 4000, &ROW);
    let report = patch(&set).unwrap();
    assert_eq!((report.rows, report.unchanged), (SITES, 1));
    assert!(holds_rows(&arena));
}
