//! What a live batch changes: for each site its address, its old bytes and its new ones.

use crate::error::Bytes;

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

    /// Makes this the change at `address` from what stands there to `new`, which has at most [`MAX_INSTRUCTION`] bytes.
    pub(crate) fn set(&mut self, address: usize, new: &[u8]) {
        (self.address, self.len) = (address, new.len() as u8);
        if let Some(old) = self.old.get_mut(..new.len()) {
            crate::verify::read(address, old);
        }
        for (to, from) in self.new.iter_mut().zip(new) {
            *to = *from;
        }
    }

    /// Makes this the change of a site of up to 8 bytes. In place: to build a change elsewhere and copy it costs more than to
    /// verify the site.
    #[inline]
    pub(crate) fn set_short(&mut self, address: usize, len: u8, old: u64, new: u64) {
        (self.address, self.len) = (address, len);
        for (to, from) in [(&mut self.old, old), (&mut self.new, new)] {
            if let Some(to) = to.first_chunk_mut() {
                *to = from.to_le_bytes();
            }
        }
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
pub(crate) struct Journal<'a> {
    room: &'a mut [Change],
    used: usize,
}

impl<'a> Journal<'a> {
    pub(crate) fn new(room: &'a mut [Change]) -> Self {
        Self { room, used: 0 }
    }

    /// The next entry, which is then one of the changes, if there is room.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<&mut Change> {
        let change = self.room.get_mut(self.used)?;
        self.used = self.used.wrapping_add(1);
        Some(change)
    }

    pub(crate) fn changes(&self) -> &[Change] {
        self.room.get(..self.used).unwrap_or(&[])
    }
}
