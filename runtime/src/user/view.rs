//! How a live batch writes to text that stays executable.

use super::memory;
use super::runs::Runs;
use super::shared::{Shared, shared};
use super::sys::{self, File, PAGE, PROT_EXEC, PROT_READ, PROT_WRITE};
use crate::error::{Error, Step};
use crate::live::{Change, LiveText, Progress};
use crate::table::Scratch;
use core::ops::Range;
use core::sync::atomic::Ordering::SeqCst;

/// Live text through `/proc/self/mem`. Changes are collected in a copy of the pages around them, and go there in one piece with
/// the text between them: a system call costs as much as many sites. Bytes between them are written as they were read, so
/// a thread that executes them sees what it saw before. A batch whose pages the copy can hold reads them once.
pub(crate) struct Memory {
    file: File,
    window: &'static mut [u8],
    /// The page that the window begins with, and how many bytes were copied from there on: between flushes, what the text
    /// holds.
    start: usize,
    filled: usize,
    /// What has to be written.
    changed: Range<usize>,
}

const WINDOW: usize = 64 * PAGE;

/// As pages of text are: CPUs copy much faster between equal offsets.
#[repr(align(4096))]
struct Aligned([u8; WINDOW]);

impl Memory {
    /// Through this file; `probe` writes to a page of the patcher's own first.
    ///
    /// # Safety
    ///
    /// The caller is the only patcher in the process while this lives.
    pub(crate) unsafe fn new(file: File, probe: bool) -> Result<Self, Error> {
        /// Not on the stack: it may be that of a small thread's signal handler.
        static COPY: Scratch<Aligned> = Scratch::new(Aligned([0; WINDOW]));
        if probe {
            memory::probe(&file)?;
        }
        // SAFETY: (135) the caller's promise: nobody else uses it.
        let Aligned(window) = unsafe { &mut *COPY.get() };
        Ok(Self { file, window, start: 0, filled: 0, changed: UNCHANGED })
    }

    /// Has the window hold these bytes: some more pages, or other ones.
    #[cold]
    fn reach(&mut self, address: usize, len: usize) -> Result<(), i32> {
        let page = address & !(PAGE - 1);
        let behind = self.start.wrapping_add(self.filled);
        // A page without sites may be no text, or not be there at all.
        let continues = (self.start..=behind).contains(&page) && address.wrapping_add(len) <= self.start + WINDOW;
        if !continues {
            self.flush()?;
            (self.start, self.filled) = (page, 0);
        }
        while self.start.wrapping_add(self.filled) < address.wrapping_add(len) {
            let (at, filled) = (self.start.wrapping_add(self.filled), self.filled.wrapping_add(PAGE));
            const ENOMEM: i32 = 12;
            crate::verify::read(at, self.window.get_mut(self.filled..filled).ok_or(ENOMEM)?);
            self.filled = filled;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), i32> {
        let mut changed = core::mem::replace(&mut self.changed, UNCHANGED);
        if changed.start / PAGE < changed.end / PAGE {
            // Whole pages: the kernel copies page by page, from a page of its own, and pieces across pages twice.
            changed = changed.start & !(PAGE - 1)..changed.end.next_multiple_of(PAGE);
        }
        let at = self.start.wrapping_add(changed.start);
        // SAFETY: (102) what changes are verified sites, in the order of the protocol.
        let result = unsafe { self.file.write_at(self.window.get(changed).unwrap_or(&[]), at) };
        if result.is_err() {
            self.filled = 0; // nobody knows how much of it the text holds
        }
        result
    }
}

#[allow(clippy::reversed_empty_ranges, reason = "the smallest start and the largest end are kept")]
const UNCHANGED: Range<usize> = usize::MAX..0;

impl LiveText for Memory {
    fn admit(&mut self, _: usize, _: usize) -> Result<(), i32> {
        Ok(())
    }

    fn begin(&mut self, changes: &[Change]) {
        shared().begin(changes);
    }

    fn progress(&self) -> Progress {
        progress()
    }

    fn announce(&mut self, progress: Progress) {
        shared().announce(progress);
    }

    #[inline]
    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32> {
        let mut start = address.wrapping_sub(self.start);
        if start.saturating_add(bytes.len()) > self.filled {
            self.reach(address, bytes.len())?;
            start = address.wrapping_sub(self.start);
        }
        let end = start.saturating_add(bytes.len());
        copy_short(self.window.get_mut(start..end).unwrap_or(&mut []), bytes);
        if start < self.changed.start {
            self.changed.start = start;
        }
        if end > self.changed.end {
            self.changed.end = end;
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        self.flush()?;
        sys::membarrier()
    }
}

/// Live text that is writable and executable while this lives: only when asked for.
pub(crate) struct Window(Runs);

impl Window {
    /// Opens the pages of the changes.
    pub(crate) fn open(changes: &[Change]) -> Result<Self, Error> {
        shared().window.store(1, SeqCst);
        shared().begin(changes); // what a forked child has to close
        let window = Self(runs(changes));
        for run in window.0.as_slice() {
            // SAFETY: (103) text stays as it is, and executable.
            unsafe { sys::protect(run.start, run.len(), PROT_READ | PROT_WRITE | PROT_EXEC) }
                .map_err(|errno| Error::refused(Step::Writable, errno, run.start))?;
        }
        Ok(window)
    }

    /// Stores each change whole, by one store of its aligned word, and lets every thread know. No thread waits.
    pub(crate) fn store_words(&mut self, changes: &[Change]) -> Result<(), i32> {
        for change in changes {
            let shift = change.address() % 8;
            let word = core::ptr::with_exposed_provenance_mut::<u64>(change.address().wrapping_sub(shift));
            // SAFETY: (104) the word holds the site (`in_one_word`), hence lies on its page, which is writable.
            unsafe {
                let mut bytes = word.read_volatile().to_le_bytes();
                for (to, from) in bytes.iter_mut().skip(shift).zip(change.new_bytes()) {
                    *to = *from;
                }
                word.write_volatile(u64::from_le_bytes(bytes));
            }
        }
        sys::membarrier()
    }
}

/// Copies a part of a site without calling memcpy: 4 to 8 bytes by two moves that may overlap.
#[inline]
fn copy_short(to: &mut [u8], from: &[u8]) {
    if from.len() <= 8
        && let (Some(first), Some(last)) = (from.first_chunk(), from.last_chunk())
    {
        let (first, last) = (u32::from_ne_bytes(*first), u32::from_ne_bytes(*last));
        if let Some(to) = to.first_chunk_mut() {
            *to = first.to_ne_bytes();
        }
        if let Some(to) = to.last_chunk_mut() {
            *to = last.to_ne_bytes();
        }
        return;
    }
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// How far the batch under way is.
pub(crate) fn progress() -> Progress {
    Shared::progress(shared())
}

/// Whether the site lies within one aligned word of 8 bytes.
pub(crate) fn in_one_word(change: &Change) -> bool {
    change.address() % 8 + change.new_bytes().len() <= 8
}

fn runs(changes: &[Change]) -> Runs {
    let mut runs = Runs::new();
    for change in changes {
        runs.add(change.address(), change.new_bytes().len());
    }
    runs
}

/// In a forked child: takes the write permission from the pages of the changes.
pub(crate) fn close_window(changes: &[Change]) {
    close(&runs(changes));
}

fn close(runs: &Runs) {
    const ATTEMPTS: usize = 1000;
    for run in runs.as_slice() {
        // SAFETY: (105) text was readable and executable before. There is no other way on than to try again.
        let _ = (0..ATTEMPTS).any(|_| unsafe { sys::protect(run.start, run.len(), PROT_READ | PROT_EXEC) }.is_ok());
    }
    shared().window.store(0, SeqCst);
}

impl Drop for Window {
    fn drop(&mut self) {
        close(&self.0);
    }
}

impl LiveText for Window {
    fn admit(&mut self, _: usize, _: usize) -> Result<(), i32> {
        Ok(())
    }

    fn begin(&mut self, _: &[Change]) {}

    fn progress(&self) -> Progress {
        progress()
    }

    fn announce(&mut self, progress: Progress) {
        shared().announce(progress);
    }

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32> {
        let text = core::ptr::with_exposed_provenance_mut::<u8>(address);
        match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) if bytes.len() <= 8 => {
                let (first, last) = (u32::from_ne_bytes(*first), u32::from_ne_bytes(*last));
                // SAFETY: (106) part of a verified site, on pages that `open` made writable. The two may overlap, and hold
                // the same bytes there. Not volatile: x86 stores may be unaligned, `write_volatile` may not.
                unsafe {
                    text.cast::<u32>().write_unaligned(first);
                    text.wrapping_add(bytes.len() - 4).cast::<u32>().write_unaligned(last);
                }
            }
            _ => {
                for (offset, byte) in bytes.iter().enumerate() {
                    // SAFETY: (148) as (106).
                    unsafe { text.wrapping_add(offset).write_volatile(*byte) };
                }
            }
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        sys::membarrier()
    }
}
