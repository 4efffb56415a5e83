//! Text to bytes: no panic, no hang, spans inside the text. `cargo +nightly fuzz run text`

#![no_main]

use libfuzzer_sys::fuzz_target;
use pvc_asm::{Mode, Options, Syntax, assemble, assemble_lines, listing};

fuzz_target!(|input: (u8, &str)| {
    let (choice, text) = input;
    let mode = [Mode::Bits16, Mode::Bits32, Mode::Bits64][choice as usize % 3];
    let syntax = if choice & 0x80 == 0 { Syntax::Att } else { Syntax::Intel };
    let options = Options { mode, syntax };
    match assemble(text, &options) {
        Ok(code) => {
            let _ = listing(text, &code);
        }
        Err(errors) => {
            for error in errors {
                assert!(text.get(error.span).is_some());
            }
        }
    }
    let (out, _) = assemble_lines(text, &options);
    assert_eq!(out.matches('\n').count(), text.split_inclusive('\n').count());
});
