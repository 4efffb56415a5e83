//! Writing text through `/proc/self/mem`, where policy forbids to change its protection.
//!
//! The kernel writes to a private copy of the page as a debugger would; the page stays executable all the time.

use super::runs::Run;
use super::sys::{File, PAGE, PROT_READ, PROT_WRITE, Pages};
use crate::batch::write_all;
use crate::choose::Goal;
use crate::error::{Error, Step};
use crate::set::Set;

/// Stores every site as planned.
///
/// The runs are copied, changed in the copy, and written back in one piece each; on a failure the old ones are.
///
/// # Safety
///
/// A batch was prepared for this set, and the runs cover every site that changes.
pub(crate) unsafe fn store(set: &Set, goal: Goal, runs: &[Run]) -> Result<(), Error> {
    let open = |errno| Error::refused(Step::OpenMemory, errno, 0);
    let file = File::open(c"/proc/self/mem", true).map_err(open)?;
    probe(&file)?;
    let total = runs.iter().fold(0usize, |sum, run| sum.wrapping_add(run.len()));
    let map = |errno| Error::refused(Step::Map, errno, 0);
    let old = Pages::map(total, PROT_READ | PROT_WRITE, None).map_err(map)?;
    let new = Pages::map(total, PROT_READ | PROT_WRITE, None).map_err(map)?;
    let copies = |pages: &Pages| {
        let mut at = pages.start();
        runs.iter().map(move |&run| {
            let copy = at;
            at = at.wrapping_add(run.len());
            (run, copy)
        })
    };
    for (run, copy) in copies(&old).chain(copies(&new)) {
        let text = core::ptr::with_exposed_provenance::<u8>(run.start);
        // SAFETY: (41) the run is readable text, and its copy has its length.
        unsafe { core::ptr::copy_nonoverlapping(text, copy, run.len()) };
    }
    let change = |address: usize, bytes: &[u8]| {
        let Some((run, copy)) = copies(&new).find(|(run, _)| run.start <= address && address < run.end) else {
            return; // not in a run: the site does not change
        };
        // SAFETY: (42) a run covers whole sites and stubs, so the bytes end inside it and inside its copy.
        unsafe {
            let to = copy.wrapping_add(address.wrapping_sub(run.start));
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    };
    // SAFETY: (43) prepared, says the caller.
    unsafe { write_all(set, goal, change) };
    for (done, (run, copy)) in copies(&new).enumerate() {
        // SAFETY: (44) the copy has the run's length.
        let bytes = unsafe { core::slice::from_raw_parts(copy, run.len()) };
        // SAFETY: (45) what changes are verified sites that no thread runs through.
        if let Err(errno) = unsafe { file.write_at(bytes, run.start) } {
            for (run, copy) in copies(&old).take(done.wrapping_add(1)) {
                // SAFETY: (46) as (44); the old text.
                let bytes = unsafe { core::slice::from_raw_parts(copy, run.len()) };
                // SAFETY: (47) these are the bytes that were there.
                let _ = unsafe { file.write_at(bytes, run.start) };
            }
            return Err(Error::refused(Step::WriteMemory, errno, run.start));
        }
    }
    Ok(())
}

/// Whether the file writes to pages that are not writable: some kernels are told not to (proc_mem.force_override).
pub(crate) fn probe(file: &File) -> Result<(), Error> {
    let refused = |errno| Error::refused(Step::WriteMemory, errno, 0);
    let page = Pages::map(PAGE, PROT_READ, None).map_err(|errno| Error::refused(Step::Map, errno, 0))?;
    // SAFETY: (48) the page is the probe's own.
    unsafe { file.write_at(&[0x90], page.start().expose_provenance()) }.map_err(refused)?;
    // SAFETY: (49) mapped and readable.
    let written = unsafe { page.start().read_volatile() };
    const EIO: i32 = 5;
    if written == 0x90 { Ok(()) } else { Err(refused(EIO)) }
}
