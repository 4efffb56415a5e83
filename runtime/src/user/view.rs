//! How a live batch writes to text that stays executable.

use super::memory;
use super::runs::{GAP, Runs};
use super::shared::{Shared, shared};
use super::sys::{self, File, PAGE, PROT_EXEC, PROT_READ, PROT_WRITE};
use crate::error::{Error, Step};
use crate::live::driver::{Part, Port};
use crate::live::{Change, INT3, Progress};
use crate::table::Scratch;
use core::ops::Range;
use core::sync::atomic::Ordering::SeqCst;

/// Live text through `/proc/self/mem`. Changes are collected in a copy of the pages around them, and go there in one piece with
/// the text between them: a system call costs as much as many sites. Bytes between them are written as they were read, so
/// a thread that executes them sees what it saw before. A batch whose pages the copy can hold reads them once.
pub(crate) struct Memory<'a> {
    file: &'a File,
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

impl<'a> Memory<'a> {
    /// Through this file; `probe` writes to a page of the patcher's own first.
    ///
    /// # Safety
    ///
    /// The caller is the only patcher in the process while this lives.
    pub(crate) unsafe fn new(file: &'a File, probe: bool) -> Result<Self, Error> {
        /// Not on the stack: it may be that of a small thread's signal handler.
        static COPY: Scratch<Aligned> = Scratch::new(Aligned([0; WINDOW]));
        if probe {
            memory::probe(file)?;
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

impl Port for Memory<'_> {
    fn progress(&self) -> Progress {
        progress()
    }

    fn announce(&mut self, progress: Progress) {
        shared().announce(progress);
    }

    fn write(&mut self, changes: &[Change], part: Part) -> Result<(), i32> {
        let Range { mut start, mut end } = self.changed.clone(); // not in memory: that takes longer than the stores
        for change in changes {
            let (address, len) = (change.address(), change.new_bytes().len());
            let mut at = address.wrapping_sub(self.start);
            if at.saturating_add(len) > self.filled {
                self.changed = start..end;
                self.reach(address, len)?;
                Range { start, end } = self.changed.clone();
                at = address.wrapping_sub(self.start);
            }
            let (first, behind) = if matches!(part, Part::Tail(_)) { (1, len) } else { (0, 1) };
            start = start.min(at.wrapping_add(first));
            end = end.max(at.wrapping_add(behind));
            // SAFETY: (176) the site is inside what was filled of the window, which is ours.
            unsafe { store(change, part, self.window.as_mut_ptr().wrapping_add(at)) };
        }
        self.changed = start..end;
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

/// Stores a part of a change where `to` stands for its address. Without calling memcpy: most tails by two stores that overlap.
///
/// # Safety
///
/// The bytes there can be written, and nobody else looks at more than one of them.
#[inline]
unsafe fn store(change: &Change, part: Part, to: *mut u8) {
    match part {
        // SAFETY: (175) the caller's promise; so below. Changes have at least one byte.
        Part::Breakpoint => unsafe { to.write_volatile(INT3) },
        // SAFETY: (178) as (175).
        Part::Head(side) => unsafe { to.write_volatile(change.short(side) as u8) },
        Part::Tail(side) => {
            let (bytes, short) = (change.bytes(side), change.short(side));
            if let len @ 5..=8 = bytes.len() {
                let (first, last) = ((short >> 8) as u32, (short >> (8 * (len - 4))) as u32);
                // SAFETY: (106) as (175). Not volatile: x86 stores may be unaligned, `write_volatile` may not.
                unsafe {
                    to.wrapping_add(1).cast::<u32>().write_unaligned(first);
                    to.wrapping_add(len - 4).cast::<u32>().write_unaligned(last);
                }
                return;
            }
            for (offset, byte) in bytes.iter().enumerate().skip(1) {
                // SAFETY: (148) as (175).
                unsafe { to.wrapping_add(offset).write_volatile(*byte) };
            }
        }
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
    /// Changes that are looked at together: their extent needs no branches.
    const TOGETHER: usize = 32;
    let mut runs = Runs::new();
    for some in changes.chunks(TOGETHER) {
        let (mut low, mut high) = (usize::MAX, 0);
        for change in some {
            low = low.min(change.address());
            high = high.max(change.address().wrapping_add(change.new_bytes().len()));
        }
        if high.wrapping_sub(low) <= GAP {
            runs.add(low, high.wrapping_sub(low));
        } else {
            for change in some {
                runs.add(change.address(), change.new_bytes().len());
            }
        }
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

impl Port for Window {
    fn progress(&self) -> Progress {
        progress()
    }

    fn announce(&mut self, progress: Progress) {
        shared().announce(progress);
    }

    fn write(&mut self, changes: &[Change], part: Part) -> Result<(), i32> {
        for change in changes {
            let text = core::ptr::with_exposed_provenance_mut::<u8>(change.address());
            // SAFETY: (177) a verified site, on pages that `open` made writable, in the order of the protocol.
            unsafe { store(change, part, text) };
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        sys::membarrier()
    }
}
