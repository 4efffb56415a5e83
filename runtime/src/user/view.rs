//! How a live batch writes to text that stays executable.

use super::memory;
use super::runs::Runs;
use super::shared::{Shared, shared};
use super::sys::{self, File, PAGE, PROT_EXEC, PROT_READ, PROT_WRITE, Pages};
use crate::error::{Error, Step};
use crate::live::{Change, LiveText, Progress};
use core::sync::atomic::Ordering::SeqCst;

/// Live text through `/proc/self/mem`: neighbouring sites go in one system call, with the text between them.
pub(crate) struct Memory {
    file: File,
    /// Where the window belongs, and how much of it is used.
    start: usize,
    used: usize,
    /// The window. Not on the stack: it may be that of a small thread's signal handler.
    bytes: Pages,
}

const WINDOW: usize = 16 * PAGE;

impl Memory {
    /// Opens it; `probe` writes to a page of the patcher's own first.
    pub(crate) fn open(probe: bool) -> Result<Self, Error> {
        let open = |errno| Error::refused(Step::OpenMemory, errno, 0);
        let file = File::open(c"/proc/self/mem", true).map_err(open)?;
        if probe {
            memory::probe(&file)?;
        }
        let map = |errno| Error::refused(Step::Map, errno, 0);
        let bytes = Pages::map(WINDOW, PROT_READ | PROT_WRITE, None).map_err(map)?;
        Ok(Self { file, start: 0, used: 0, bytes })
    }

    fn window(&mut self) -> &mut [u8] {
        // SAFETY: (135) our pages, this long, and borrowed as this is.
        unsafe { core::slice::from_raw_parts_mut(self.bytes.start(), WINDOW) }
    }

    fn flush(&mut self) -> Result<(), i32> {
        let used = core::mem::take(&mut self.used);
        // SAFETY: (102) what changes are verified sites, in the order of the protocol; the window is longer.
        unsafe { self.file.write_at(core::slice::from_raw_parts(self.bytes.start(), used), self.start) }
    }
}

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

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32> {
        let mut offset = address.wrapping_sub(self.start);
        // A gap below a page reaches over no page but those of the two sites: all of it is text.
        let near = address >= self.start && offset < self.used.wrapping_add(PAGE);
        if self.used > 0 && !(near && offset.wrapping_add(bytes.len()) <= WINDOW) {
            self.flush()?;
        }
        if self.used == 0 {
            self.start = address;
            offset = 0;
        }
        let (start, used) = (self.start, self.used);
        if let Some(gap) = self.window().get_mut(used..offset) {
            crate::verify::read(start.wrapping_add(used), gap);
        }
        let end = offset.wrapping_add(bytes.len());
        for (to, from) in self.window().get_mut(offset..end).unwrap_or(&mut []).iter_mut().zip(bytes) {
            *to = *from;
        }
        self.used = self.used.max(end);
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        self.flush()?;
        sys::membarrier()
    }
}

/// Live text that is writable and executable while this lives: only when asked for.
pub(crate) struct Window(());

impl Window {
    /// Opens the pages of the changes.
    pub(crate) fn open(changes: &[Change]) -> Result<Self, Error> {
        let runs = runs(changes);
        shared().window.store(1, SeqCst);
        shared().begin(changes); // what a forked child has to close
        let window = Self(());
        for run in runs.as_slice() {
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

/// Takes the write permission from the pages of the changes.
pub(crate) fn close_window(changes: &[Change]) {
    const ATTEMPTS: usize = 1000;
    for run in runs(changes).as_slice() {
        // SAFETY: (105) text was readable and executable before. There is no other way on than to try again.
        let _ = (0..ATTEMPTS).any(|_| unsafe { sys::protect(run.start, run.len(), PROT_READ | PROT_EXEC) }.is_ok());
    }
    shared().window.store(0, SeqCst);
}

impl Drop for Window {
    fn drop(&mut self) {
        close_window(shared().changes());
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
        for (offset, byte) in bytes.iter().enumerate() {
            let text = core::ptr::with_exposed_provenance_mut::<u8>(address.wrapping_add(offset));
            // SAFETY: (106) part of a verified site, on a page that `open` made writable.
            unsafe { text.write_volatile(*byte) };
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        sys::membarrier()
    }
}
