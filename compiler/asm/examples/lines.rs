//! Assembles each line of standard input alone: `lines [16|32|64] [att|intel]`.

use pvc_asm::{Mode, Options, Syntax};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let mode = match arguments.get(1).map(String::as_str) {
        Some("16") => Mode::Bits16,
        Some("32") => Mode::Bits32,
        _ => Mode::Bits64,
    };
    let syntax = if arguments.get(2).is_some_and(|word| word == "intel") { Syntax::Intel } else { Syntax::Att };
    pvc_asm::assemble_lines_stream(std::io::stdin().lock(), std::io::stdout().lock(), &Options { mode, syntax })?;
    Ok(())
}
