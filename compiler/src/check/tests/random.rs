//! Rows of random bytes: whatever they are, the checks come to an end and say something sensible.

use super::*;
use crate::arch::Arch;
use crate::model::{Code as RowCode, CodeItem};
use crate::source::{FileId, Span};

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Bytes of which many are the beginning of something: prefixes, branches, stack instructions, opcode maps.
    fn bytes(&mut self) -> Vec<u8> {
        const LIKELY: [u8; 40] = [
            0x0f, 0x48, 0x4c, 0x66, 0xf2, 0xf3, 0x67, 0x64, 0xf0, 0xeb, 0xe8, 0xe9, 0x74, 0x75, 0xe2, 0xc3, 0x50, 0x53,
            0x58, 0x5b, 0x9c, 0x9d, 0xc8, 0xc9, 0x8b, 0x89, 0x8d, 0x83, 0x81, 0xff, 0xfe, 0xfc, 0x24, 0x04, 0xc4, 0xc5,
            0x62, 0xd9, 0xcd, 0xc7,
        ];
        let len = 1 + (self.next() % 24) as usize;
        (0..len)
            .map(|_| match self.next() {
                pick if pick & 1 == 0 => LIKELY[(pick >> 8) as usize % LIKELY.len()],
                pick => (pick >> 8) as u8,
            })
            .collect()
    }
}

#[test]
fn random_bytes_are_judged_without_a_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut clean = 0;
    for set in [KERNEL, USER, I386] {
        let arch = if set == I386 { "i386" } else { "x86_64" };
        for op in ["op a()", "op a(x: word) -> word", "op a() -> !"] {
            let site = if op.ends_with('!') { " site jmp.mem\n" } else { "" };
            let ops = format!("{op} {{\n{site} clobbers memory, barrier\n {arch} {{ nop }}\n}}");
            let (sources, unit) = assembled(set, &ops);
            for _ in 0..400 {
                let mut unit = unit.clone();
                let contract = &mut unit.ops[0].contracts[0];
                contract.rows[0].code = Some(code(&random.bytes(), contract.arch));
                let mut diagnostics = crate::diagnostics::Diagnostics::default();
                let checked = crate::check::check(unit, &sources, &mut diagnostics);
                clean += u32::from(checked.is_some() && !diagnostics.has_errors());
                for found in diagnostics.list() {
                    assert!(!found.message.is_empty() && !sources.text(found.primary.span).is_empty());
                }
            }
        }
    }
    // Random bytes seldom keep a contract; if all did, nothing was looked at, and if none did, the test is too narrow.
    assert!((1..1200).contains(&clean), "{clean}");
}

fn code(bytes: &[u8], arch: Arch) -> RowCode {
    let mut decoder = iced_x86::Decoder::new(arch.bits(), bytes, iced_x86::DecoderOptions::NONE);
    let instructions = decoder.iter().collect();
    let span = Span { file: FileId(0), start: 0, end: 8 };
    let item = CodeItem { offset: 0, len: bytes.len() as u32, span, instructions };
    RowCode { bytes: bytes.to_vec(), items: vec![item], fixups: Vec::new() }
}
