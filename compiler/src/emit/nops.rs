//! The canonical NOPs of the table format.

const NOPS: [&[u8]; 8] = [
    &[0x90],
    &[0x66, 0x90],
    &[0x0f, 0x1f, 0x00],
    &[0x0f, 0x1f, 0x40, 0x00],
    &[0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
    &[0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00],
    &[0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00],
];

/// `len` bytes of NOPs: as many of 8 bytes as fit, then one for the rest.
pub(super) fn nops(len: usize) -> Vec<u8> {
    let mut bytes = NOPS[7].repeat(len / 8);
    if let Some(rest) = (len % 8).checked_sub(1) {
        bytes.extend_from_slice(NOPS[rest]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nops_have_their_length() {
        for len in 0..=64 {
            assert_eq!(nops(len).len(), len);
        }
        assert_eq!(nops(9)[8], 0x90);
    }
}
