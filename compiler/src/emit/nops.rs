//! The canonical NOPs of the table format (`runtime/FORMAT.md`). Both runtimes have the same ones; that the assembler fills
//! alignments with these bytes, too (`compiler/asm/src/padding.rs`), is GNU as's choice and may change with it.

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

/// The longest instruction of the architecture, hence the longest site that can be live.
const MAX_INSTRUCTION: usize = 15;

/// What stands before and behind `code` in a site of `len` bytes: NOPs behind it, or before the one instruction of a live op as
/// many prefixes that change nothing (runtime/FORMAT.md, "Sites of live ops"), so that the site is one instruction.
pub(super) fn padding(live: bool, bits: u32, code: &[u8], len: usize) -> (Vec<u8>, Vec<u8>) {
    let gap = len.saturating_sub(code.len());
    if !live || code.is_empty() || len > MAX_INSTRUCTION {
        return (Vec::new(), nops(gap));
    }
    let overrides = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
    let prefixes =
        code.iter().take_while(|byte| overrides.contains(byte) || [0x66, 0x67, 0xf0, 0xf2, 0xf3].contains(byte));
    let own = prefixes.copied().find(|byte| overrides.contains(byte));
    let prefix = own.unwrap_or(if bits == 64 { 0x2e } else { 0x3e });
    (vec![prefix; gap], Vec::new())
}

/// A site that does nothing.
pub(super) fn nop_site(live: bool, bits: u32, len: usize) -> Vec<u8> {
    let longest = NOPS[7];
    if live && (longest.len() + 1..=MAX_INSTRUCTION).contains(&len) {
        return [padding(live, bits, longest, len).0, longest.to_vec()].concat();
    }
    nops(len)
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

    #[test]
    fn live_sites_are_one_instruction() {
        assert_eq!(padding(true, 64, &[0x90], 3), (vec![0x2e, 0x2e], vec![]));
        assert_eq!(padding(true, 32, &[0x90], 3), (vec![0x3e, 0x3e], vec![]));
        assert_eq!(padding(true, 64, &[0x66, 0x65, 0x90], 4), (vec![0x65], vec![]));
        assert_eq!(padding(false, 64, &[0x90], 3), (vec![], vec![0x66, 0x90]));
        assert_eq!(nop_site(true, 64, 9), [0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);
        assert_eq!(nop_site(true, 64, 5), nops(5));
        assert_eq!(nop_site(true, 64, 16), nops(16));
    }
}
