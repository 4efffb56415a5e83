//! Bytes to text to the same bytes. `cargo +nightly fuzz run bytes`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pvc_asm::{Lines, Mode, Options, Syntax, disassemble};

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, bytes) = input;
    let mode = [Mode::Bits16, Mode::Bits32, Mode::Bits64][choice as usize % 3];
    let syntax = if choice & 0x80 == 0 { Syntax::Att } else { Syntax::Intel };
    let options = Options { mode, syntax };
    let all = disassemble(bytes, &options);
    let mut lines = Lines::new(options);
    for one in &all {
        let again = lines.assemble(&one.text).expect("disassembled text assembles");
        assert_eq!(again, &bytes[one.offset..one.offset + one.len], "{}", one.text);
    }
});
