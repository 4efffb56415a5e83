//! What an object file says about the patcher in it: nothing is asked of others, and no instruction ends the program.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic};
use object::{File, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};
use std::collections::BTreeSet;

/// What must hold for the object file `data`: all that it leaves to others is `allowed`, it defines all `functions`, and it
/// has no patch site of its own, no breakpoint, no trap, and no system call unless `calls_linux`.
///
/// # Errors
///
/// What does not hold.
pub fn check(data: &[u8], allowed: impl Fn(&str) -> bool, functions: &[&str], calls_linux: bool) -> Result<(), String> {
    let file = File::parse(data).map_err(|error| error.to_string())?;
    let named = |undefined: bool| {
        let symbols = file.symbols().filter(move |symbol| symbol.is_undefined() == undefined);
        symbols.filter_map(|symbol| symbol.name().ok().map(str::to_owned)).filter(|name| !name.is_empty())
    };
    let asked: Vec<String> = named(true).filter(|name| !allowed(name)).collect();
    if !asked.is_empty() {
        return Err(format!("the runtime asks for {asked:?}"));
    }
    if let Some(missing) = functions.iter().find(|function| !named(false).any(|name| name == **function)) {
        return Err(format!("`{missing}` is not in the object: not all was looked at"));
    }
    for name in file.sections().filter_map(|section| section.name().ok().map(str::to_owned)) {
        if name.starts_with("pv_sites_") || name.starts_with("pv_branches_") {
            return Err(format!("the patcher has sites of its own: {name}"));
        }
    }
    instructions(&file, calls_linux)
}

/// Decodes all functions.
fn instructions(file: &File<'_>, calls_linux: bool) -> Result<(), String> {
    let bits = if file.is_64() { 64 } else { 32 };
    let mut count = 0;
    for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
        let Some(section) = symbol.section_index().and_then(|index| file.section_by_index(index).ok()) else {
            continue;
        };
        if section.kind() != SectionKind::Text {
            continue;
        }
        let (start, name) = (symbol.address() as usize, symbol.name().unwrap_or("?"));
        let code = section.data().ok().and_then(|data| data.get(start..start + symbol.size() as usize));
        let code = code.ok_or_else(|| format!("`{name}` is not in its section"))?;
        let code: Vec<Instruction> =
            Decoder::with_ip(bits, code, symbol.address(), DecoderOptions::NONE).iter().collect();
        let targets: BTreeSet<u64> = code.iter().map(Instruction::near_branch_target).collect();
        let mut falls_through = true;
        for instruction in &code {
            let reached = falls_through || targets.contains(&instruction.ip());
            let forbidden = match instruction.mnemonic() {
                // gcc ends naked functions with the one, pages are filled with the other: both behind a jump, or behind
                // the system call that ends a signal handler.
                Mnemonic::Ud2 | Mnemonic::Int3 => reached,
                Mnemonic::INVALID | Mnemonic::Ud1 | Mnemonic::Ud0 | Mnemonic::Hlt => true,
                Mnemonic::Syscall | Mnemonic::Int | Mnemonic::Sysenter => !calls_linux,
                _ => false,
            };
            let ends = matches!(
                instruction.flow_control(),
                FlowControl::Return | FlowControl::UnconditionalBranch | FlowControl::Interrupt
            ) || instruction.mnemonic() == Mnemonic::Syscall;
            falls_through = reached && !ends;
            if forbidden {
                return Err(format!("{name}+{:#x}: {instruction}", instruction.ip() - symbol.address()));
            }
            count += 1;
        }
    }
    // The smaller of both runtimes has 3000, the least of all its builds 2000.
    if count < 1000 { Err(format!("{count} instructions are not the runtime")) } else { Ok(()) }
}
