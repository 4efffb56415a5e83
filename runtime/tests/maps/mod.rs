//! What `/proc/self/maps` says about the pages of this process.

use std::ffi::c_void;
use std::ops::Range;

/// The executable segments of the program and of all its shared objects, as their headers want them.
fn text_segments() -> Vec<Range<usize>> {
    extern "C" fn note(object: *mut libc::dl_phdr_info, _: usize, segments: *mut c_void) -> i32 {
        // SAFETY: the linker's own, for the time of the call, and the vector below.
        let (object, segments) = unsafe { (&*object, &mut *segments.cast::<Vec<Range<usize>>>()) };
        // SAFETY: as above.
        let headers = unsafe { std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()) };
        let text = headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_X != 0);
        segments.extend(text.map(|header| {
            let start = object.dlpi_addr as usize + header.p_vaddr as usize;
            start & !4095..(start + header.p_memsz as usize).next_multiple_of(4096)
        }));
        0
    }
    let mut segments = Vec::new();
    // SAFETY: `note` is what it calls, and the vector lives.
    unsafe { libc::dl_iterate_phdr(Some(note), (&raw mut segments).cast()) };
    assert!(segments.len() > 1, "the program and libc");
    segments
}

/// No page is writable and executable, and no page of anybody's text has lost its execute right or got another one.
pub(crate) fn assert_protection() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let own = std::env::var_os(crate::child::VALGRIND).is_none();
    assert!(!own || !maps.lines().any(|line| line.contains("wx")), "writable and executable:\n{maps}");
    let mut executable: Vec<Range<usize>> = Vec::new();
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| usize::from_str_radix(text, 16).unwrap());
        match executable.last_mut() {
            _ if !rest.starts_with("r-xp") => {}
            Some(before) if before.end == start => before.end = end,
            _ => executable.push(start..end),
        }
    }
    for segment in text_segments() {
        let whole = executable.iter().any(|range| range.start <= segment.start && segment.end <= range.end);
        assert!(whole, "the text at {segment:x?} is not executable:\n{maps}");
    }
}
