//! Random states, the same ones for the same seed.

use super::machine::{ARENA_LEN, Place, Sample, Vectors, WORK_LEN};

/// A xorshift generator: small, and its numbers are good enough to choose states by.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        // Any state but zero; near seeds are to give far sequences.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number of the kind that shows mistakes: small, near a border, of one bit, or any.
    pub(crate) fn number(&mut self) -> u64 {
        let any = self.next();
        match self.below(8) {
            0 => 0,
            1 => any % 100,
            2 => (any % 4).wrapping_neg(),
            3 => 1 << (any % 64),
            4 => (1_u64 << (any % 64)).wrapping_add(any >> 62).wrapping_sub(1),
            5 => any >> 32,
            _ => any,
        }
    }

    /// An address in the arena, aligned, with room on both sides.
    pub(crate) fn pointer(&mut self, place: Place) -> u64 {
        const ROOM: u64 = 1024;
        place.work + ROOM + 64 * self.below((ARENA_LEN as u64 - 2 * ROOM) / 64)
    }

    /// Arithmetic flags.
    pub(crate) fn flags(&mut self) -> u64 {
        const ALWAYS: u64 = 2;
        // Bits of RFLAGS, which iced-x86 numbers its own way.
        const RFLAGS: [u32; 6] = [0, 2, 4, 6, 7, 11];
        let any = self.next();
        RFLAGS.iter().filter(|&&bit| any >> bit & 1 != 0).fold(ALWAYS, |flags, bit| flags | 1 << bit)
    }

    /// Memory of which half is addresses in the arena, so that what is loaded can be followed.
    pub(crate) fn memory(&mut self, place: Place) -> Box<[u8; WORK_LEN]> {
        let mut bytes = Box::new([0; WORK_LEN]);
        for word in bytes.chunks_exact_mut(8) {
            let value = if self.below(2) == 0 { self.pointer(place) } else { self.number() };
            word.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// Everything at random but the stack pointer, the direction flag and the control registers. Most of the memory is
    /// that of `template`.
    pub(crate) fn fill(&mut self, vectors: &Vectors, template: &[u8; WORK_LEN], sample: &mut Sample) {
        const WORDS: usize = 64;
        let stack_pointer = sample.state.general[4];
        for register in &mut sample.state.general {
            *register = self.number();
        }
        sample.state.general[4] = stack_pointer;
        sample.state.flags = self.flags();
        sample.work = *template;
        for _ in 0..WORDS {
            let at = 8 * self.below(WORK_LEN as u64 / 8) as usize;
            sample.work[at..at + 8].copy_from_slice(&self.number().to_le_bytes());
        }
        self.vectors(vectors, sample);
    }

    /// Vector and mask registers at random.
    pub(crate) fn vectors(&mut self, vectors: &Vectors, sample: &mut Sample) {
        for range in (0..vectors.count()).flat_map(|index| vectors.lanes(index)) {
            for word in sample.state.extended[range].chunks_exact_mut(8) {
                word.copy_from_slice(&self.number().to_le_bytes());
            }
        }
        for range in (0..vectors.masks()).map(|index| vectors.mask(index)) {
            sample.state.extended[range].copy_from_slice(&self.next().to_le_bytes());
        }
    }
}
