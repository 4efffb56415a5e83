//! Assembles a file as one block and prints the rate: `speed FILE [16|32|64] [att|intel]`.

use pvc_asm::{Mode, Options, Syntax, assemble};
use std::time::Instant;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let text = std::fs::read_to_string(&arguments[1])?;
    let mode = match arguments.get(2).map(String::as_str) {
        Some("16") => Mode::Bits16,
        Some("32") => Mode::Bits32,
        _ => Mode::Bits64,
    };
    let syntax = if arguments.get(3).is_some_and(|word| word == "intel") { Syntax::Intel } else { Syntax::Att };
    let start = Instant::now();
    match assemble(&text, &Options { mode, syntax }) {
        Ok(code) => {
            let elapsed = start.elapsed();
            let per = elapsed.as_nanos() as f64 / code.items.len() as f64;
            println!(
                "{} instructions, {} bytes, {:.1} ms, {per:.1} ns each",
                code.items.len(),
                code.bytes.len(),
                elapsed.as_secs_f64() * 1e3
            );
        }
        Err(errors) => {
            println!("{} errors, first: {} at {:?}", errors.len(), errors[0].message, text.get(errors[0].span.clone()))
        }
    }
    Ok(())
}
