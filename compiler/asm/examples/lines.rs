//! Assembles each line of standard input alone: `lines [16|32|64] [att|intel]`.

use pvc_asm::{Mode, Options, Syntax, assemble_lines};
use std::io::{Read, Write};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let mode = match arguments.get(1).map(String::as_str) {
        Some("16") => Mode::Bits16,
        Some("32") => Mode::Bits32,
        _ => Mode::Bits64,
    };
    let syntax = if arguments.get(2).is_some_and(|word| word == "intel") { Syntax::Intel } else { Syntax::Att };
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let (out, _) = assemble_lines(&text, &Options { mode, syntax });
    std::io::stdout().write_all(out.as_bytes())
}
