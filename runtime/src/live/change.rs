//! What a live batch changes: for each site its address, its old bytes and its new ones.

use crate::error::Bytes;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The longest x86 instruction, hence the longest site that can be live.
pub const MAX_INSTRUCTION: usize = 15;

/// One change of a batch: one instruction becomes another one of the same length.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Change {
    address: usize,
    len: u8,
    old: [u8; MAX_INSTRUCTION],
    new: [u8; MAX_INSTRUCTION],
}

impl Change {
    /// A change of nothing, to fill a journal with.
    pub const NONE: Self = Self { address: 0, len: 0, old: [0; MAX_INSTRUCTION], new: [0; MAX_INSTRUCTION] };

    /// [`address`](Self::address) of an entry that the next batch may be overwriting: then any value.
    ///
    /// # Safety
    ///
    /// Part of a journal's memory.
    #[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
    pub(crate) unsafe fn address_of(this: *const Self) -> usize {
        // SAFETY: (174) the caller's promise; journals write addresses as atomics.
        unsafe { AtomicUsize::from_ptr((&raw const (*this).address).cast_mut()) }.load(Relaxed)
    }

    /// Where.
    pub const fn address(&self) -> usize {
        self.address
    }

    /// The bytes before the batch.
    pub fn old_bytes(&self) -> &[u8] {
        self.old.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// The bytes after the batch.
    pub fn new_bytes(&self) -> &[u8] {
        self.new.get(..usize::from(self.len)).unwrap_or(&[])
    }

    /// Up to eight bytes on one side of the batch, and behind them, anything.
    #[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
    pub(crate) fn short(&self, side: Side) -> u64 {
        let bytes = if matches!(side, Side::Old) { &self.old } else { &self.new };
        bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    /// The bytes on one side of the batch.
    pub(crate) fn bytes(&self, side: Side) -> &[u8] {
        match side {
            Side::Old => self.old_bytes(),
            Side::New => self.new_bytes(),
        }
    }

    /// Whether the text is already what it is to be on this side.
    pub(crate) fn stands(&self, side: Side) -> bool {
        crate::verify::stands(self.address, self.bytes(side))
    }
}

impl core::fmt::Debug for Change {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{:#x}: {} -> {}", self.address, Bytes::of(self.old_bytes()), Bytes::of(self.new_bytes()))
    }
}

/// Where a batch goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// Back, after a failure.
    Old,
    /// On.
    New,
}

/// The changes of one batch, in memory of the caller's.
///
/// In user space a handler of SIGTRAP that was late may still look at the addresses of the batch before, and finds out afterwards
/// that it looked at nothing. So there are no references to the entries while they are written, and addresses are atomics.
pub(crate) struct Journal<'a> {
    room: *mut Change,
    len: usize,
    used: usize,
    memory: PhantomData<&'a mut [Change]>,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(room: &'a mut [Change]) -> Self {
        Self { room: room.as_mut_ptr(), len: room.len(), used: 0, memory: PhantomData }
    }

    /// # Safety
    ///
    /// There is initialized room for `len` changes. While the journal lives nobody writes there, and of others only
    /// [`Change::address_of`] reads.
    #[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
    pub(crate) unsafe fn from_raw(room: *mut Change, len: usize) -> Self {
        Self { room, len, used: 0, memory: PhantomData }
    }

    /// Enters the change at `address` from what stands there to `new`, which has at most [`MAX_INSTRUCTION`] bytes. False: no
    /// room is left.
    #[must_use]
    pub(crate) fn enter(&mut self, address: usize, new: &[u8]) -> bool {
        let (mut before, mut after) = ([0; MAX_INSTRUCTION], [0; MAX_INSTRUCTION]);
        if let Some(before) = before.get_mut(..new.len()) {
            crate::verify::read(address, before);
        }
        for (to, from) in after.iter_mut().zip(new) {
            *to = *from;
        }
        let Some(change) = self.next(address, new.len() as u8) else { return false };
        // SAFETY: (170) an entry of ours, says `next`.
        unsafe {
            (&raw mut (*change).old).write(before);
            (&raw mut (*change).new).write(after);
        }
        true
    }

    /// The same for a site of up to 8 bytes, whose old and new ones are known.
    #[inline]
    #[must_use]
    pub(crate) fn enter_short(&mut self, address: usize, len: u8, old: u64, new: u64) -> bool {
        let Some(change) = self.next(address, len) else { return false };
        // SAFETY: (171) as (170); what lies behind these 8 bytes is of no change and never read.
        unsafe {
            (&raw mut (*change).old).cast::<[u8; 8]>().write(old.to_le_bytes());
            (&raw mut (*change).new).cast::<[u8; 8]>().write(new.to_le_bytes());
        }
        true
    }

    /// The next entry, with its address and length.
    #[inline]
    fn next(&mut self, address: usize, len: u8) -> Option<*mut Change> {
        if self.used == self.len {
            return None;
        }
        let change = self.room.wrapping_add(self.used);
        self.used = self.used.wrapping_add(1);
        // SAFETY: (172) inside the room. A handler that looks at the address meanwhile does so as an atomic, too.
        unsafe {
            AtomicUsize::from_ptr(&raw mut (*change).address).store(address, Relaxed);
            (&raw mut (*change).len).write(len);
        }
        Some(change)
    }

    /// What was entered.
    pub(crate) fn changes(&self) -> &[Change] {
        // SAFETY: (173) initialized, and written by this journal only, whose borrow prevents that.
        unsafe { core::slice::from_raw_parts(self.room, self.used) }
    }
}
