//! Text with as many sites as wanted, in memory of its own: pages of a file, mapped privately, as a program's are.

#[path = "../parts/mod.rs"]
mod parts;

use parts::{EMPTY, op, row};
use pvc_runtime::Set;
use pvc_runtime::table::*;
use std::ffi::c_void;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;

/// Memory of one round: records and slot in front, text behind, near enough for 32-bit displacements.
pub(crate) struct Arena {
    start: *mut u8,
    len: usize,
    pub(crate) text: *mut u8,
}

const TEXT_AT: usize = 16 << 20;

impl Arena {
    /// Maps the text of `file` with this protection behind room for the records.
    pub(crate) fn new(file: &File, text_len: usize, protection: i32) -> Self {
        let len = TEXT_AT + text_len;
        // SAFETY: a new mapping, and one of the file over its end.
        unsafe {
            let start = libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(start, libc::MAP_FAILED);
            let start = start.cast::<u8>();
            let text = start.add(TEXT_AT);
            let mapped =
                libc::mmap(text.cast(), text_len, protection, libc::MAP_PRIVATE | libc::MAP_FIXED, file.as_raw_fd(), 0);
            assert_eq!(mapped, text.cast());
            Self { start, len, text }
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: mapped above.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

extern "C" fn default_fn() {}

/// One op, one row (`cli; nop`-like bytes), one class: `call *slot(%rip)`.
pub(crate) struct Fixture {
    op: [Op; 1],
    row: [Row; 1],
    bytes: [u8; 3],
    plans: [Plan; 1],
    applied: [*const c_void; 1],
}

impl Fixture {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            op: [op(c"bench", default_fn as *const c_void, (0, 1), (0, 1))],
            row: [row(0, 3, 0)],
            bytes: [0x48, 0x89, 0xf8],
            plans: [Plan::new(1, 6)],
            applied: [std::ptr::null()],
        })
    }

    /// The same with a live op.
    #[allow(dead_code, reason = "not all users of this module patch live")]
    pub(crate) fn live() -> Box<Self> {
        let mut fixture = Self::new();
        fixture.op[0].flags = OP_LIVE;
        fixture
    }

    /// The set over an arena whose records and slot were written.
    pub(crate) fn set(&mut self, arena: &Arena, count: usize) -> Set {
        let sites = arena.start.wrapping_add(4096).cast::<Site>().cast_const();
        let table = Table {
            nops: 1,
            nrows: 1,
            nplans: 1,
            name: c"bench".as_ptr(),
            ops: self.op.as_ptr(),
            rows: self.row.as_ptr(),
            bytes: self.bytes.as_ptr(),
            slots: arena.start.cast::<*const c_void>().cast_const(),
            sites,
            sites_end: sites.wrapping_add(count),
            plans: self.plans.as_mut_ptr(),
            applied: self.applied.as_mut_ptr(),
            ..EMPTY
        };
        // SAFETY: a table as FORMAT.md says, which lives as long as the round.
        unsafe { Set::new(table) }
    }
}

/// Writes the slot and the records, as the linker would have.
#[allow(dead_code, reason = "not all users of this module patch at start")]
pub(crate) fn fill(arena: &Arena, sites: usize, step: usize) {
    fill_as(arena, sites, step, 1);
}

/// The same with records of live sites.
#[allow(dead_code, reason = "not all users of this module patch live")]
pub(crate) fn fill_live(arena: &Arena, sites: usize, step: usize) {
    fill_as(arena, sites, step, 1 | SITE_LIVE);
}

fn fill_as(arena: &Arena, sites: usize, step: usize, kind: u8) {
    // SAFETY: inside the arena's first, writable part.
    unsafe {
        arena.start.cast::<*const c_void>().write(default_fn as *const c_void);
        let records = arena.start.add(4096).cast::<Site>();
        for index in 0..sites {
            let record = records.add(index);
            let site = arena.text.add(index * step);
            let disp = (site.addr() as isize - record.addr() as isize) as i32;
            record.write(Site { disp, op: 0, len: 6, kind });
        }
    }
}

/// Text with a call through the slot every `step` bytes. The displacements are right for every arena.
pub(crate) fn text(sites: usize, step: usize) -> (File, usize) {
    let len = (sites * step).next_multiple_of(4096) + 4096;
    let mut text = vec![0x90u8; len];
    for index in 0..sites {
        let at = index * step;
        let disp = -((TEXT_AT + at + 6) as i32);
        text[at..at + 2].copy_from_slice(&[0xff, 0x15]);
        text[at + 2..at + 6].copy_from_slice(&disp.to_le_bytes());
    }
    let mut file = tempfile();
    file.write_all(&text).expect("a scratch file can be written");
    (file, len)
}

fn tempfile() -> File {
    // SAFETY: a new descriptor, owned by the File.
    unsafe {
        let fd = libc::memfd_create(c"text".as_ptr(), 0);
        assert!(fd >= 0);
        <File as std::os::fd::FromRawFd>::from_raw_fd(fd)
    }
}
