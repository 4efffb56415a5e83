//! Canonical NOPs: what pads a row, and what an op without effect becomes.
//!
//! The multi-byte forms of Intel SDM volume 2B, NOP, table 4-12, without the 9-byte one (its second prefix is slow to
//! decode on some cores). They exist on every P6 and later, in 32-bit mode too. The table format says so (FORMAT.md): the compiler
//! pads with the same ones.

const NOPS: [&[u8]; 9] = [
    &[],
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// Length of the longest canonical NOP.
pub const LONGEST: usize = 8;

/// Fills `gap` with NOPs: as many 8-byte ones as fit, then the one of the remaining length.
pub fn fill(gap: &mut [u8]) {
    for chunk in gap.chunks_mut(8) {
        if let Some(nop) = NOPS.get(chunk.len()) {
            for (to, from) in chunk.iter_mut().zip(nop.iter()) {
                *to = *from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::v1::*;

    #[test]
    fn every_length_is_made_of_the_longest_nops() {
        for len in 0..=64usize {
            let mut gap = [0xcc; 64];
            fill(&mut gap[..len]);
            let mut expected = Vec::new();
            while len - expected.len() >= 8 {
                expected.extend_from_slice(NOPS[8]);
            }
            expected.extend_from_slice(NOPS[len - expected.len()]);
            assert_eq!(&gap[..len], &expected[..], "{len} bytes");
            assert!(gap[len..].iter().all(|&byte| byte == 0xcc), "{len} bytes: wrote past the gap");
        }
    }
}
