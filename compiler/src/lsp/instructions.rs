//! What iced-x86 knows of an instruction, in Markdown.

use super::mnemonics::sentence;
use crate::arch::Arch;
use crate::check::flag_list;
use iced_x86::{Code, Instruction, Mnemonic};
use std::fmt::Write;

/// The most forms that are listed.
const MAX_FORMS: usize = 16;

/// An instruction of a row: what it does, its form, encoding, flags and CPU features, then the other forms of its mnemonic.
pub(super) fn describe(written: &str, instruction: &Instruction, arch: Arch) -> String {
    let code = instruction.op_code();
    let mut text = format!("**{written}** on {}\n\n", arch.name());
    if let Some(sentence) = sentence(written) {
        let _ = writeln!(text, "{sentence}\n");
    }
    let _ = writeln!(text, "```\n{}\n```\n", code.instruction_string());
    let mut facts = vec![format!("encoding `{}`, {} bytes here", code.op_code_string(), instruction.len())];
    for (what, bits) in [
        ("reads", instruction.rflags_read()),
        ("writes", instruction.rflags_written()),
        ("clears", instruction.rflags_cleared()),
        ("sets", instruction.rflags_set()),
        ("leaves undefined", instruction.rflags_undefined()),
    ] {
        if bits != 0 {
            facts.push(format!("{what} the flags {}", flag_list(bits).join(" ")));
        }
    }
    if instruction.rflags_modified() == 0 && instruction.rflags_read() == 0 {
        facts.push("does not touch the flags".to_owned());
    }
    let features: Vec<String> = instruction.cpuid_features().iter().map(|feature| format!("{feature:?}")).collect();
    facts.push(format!("needs {}", features.join(" and ")));
    if instruction.is_privileged() {
        facts.push("privileged".to_owned());
    }
    if code.can_use_lock_prefix() {
        facts.push("may have `lock`".to_owned());
    }
    if instruction.is_stack_instruction() {
        facts.push(format!("moves the stack pointer by {}", instruction.stack_pointer_increment()));
    }
    for fact in facts {
        let _ = writeln!(text, "- {fact}");
    }
    text + &forms(instruction.mnemonic(), arch)
}

/// The instruction of a name that stands in no row that assembles.
pub(super) fn describe_name(written: &str, arch: Arch) -> Option<String> {
    let forms = named(written).map(|(mnemonic, _)| forms(mnemonic, arch));
    let sentence = sentence(written).or_else(|| forms.as_ref().map(|_| String::new()))?;
    Some(format!("**{written}**\n\n{sentence}\n{}", forms.unwrap_or_default()))
}

/// The mnemonic of the manual that a name stands for, and the general registers (`r32`) that its size suffix means.
pub(super) fn named(written: &str) -> Option<(Mnemonic, Option<&'static str>)> {
    let find = |name: &str| Mnemonic::values().find(|mnemonic| format!("{mnemonic:?}").eq_ignore_ascii_case(name));
    if let Some(mnemonic) = find(written) {
        return Some((mnemonic, None));
    }
    // AT&T size suffixes are no part of the manual's name.
    let (name, suffix) = written.split_at_checked(written.len().checked_sub(1)?)?;
    let width = match suffix {
        "b" => "r8",
        "w" => "r16",
        "l" => "r32",
        "q" => "r64",
        _ => return None,
    };
    Some((find(name)?, Some(width)))
}

/// The forms of a mnemonic in the mode of an arch.
fn forms(mnemonic: Mnemonic, arch: Arch) -> String {
    let in_mode = |code: &Code| {
        let code = code.op_code();
        if arch == Arch::X86_64 { code.mode64() } else { code.mode32() }
    };
    let codes: Vec<Code> = Code::values().filter(|code| code.mnemonic() == mnemonic && in_mode(code)).collect();
    if codes.len() < 2 {
        return String::new();
    }
    let mut text = format!("\n{} forms:\n\n```\n", codes.len());
    for code in codes.iter().take(MAX_FORMS) {
        let _ = writeln!(text, "{}", code.op_code().instruction_string());
    }
    if codes.len() > MAX_FORMS {
        text.push_str("...\n");
    }
    text + "```\n"
}
