//! How a form is spelled in either syntax.

use super::form::Encoding;
use super::forms::Candidate;
use super::kinds::{self, KINDS};
use super::quirks::*;
use super::variants::MEM_ONLY;
use std::collections::BTreeSet;

/// Whether it is a far jump or call.
fn is_far(code: &str) -> bool {
    code.contains("_ptr16") || code.starts_with("Call_m16") || code.starts_with("Jmp_m16")
}

/// The AT&T spellings of a form.
pub(crate) fn att_names(candidate: &Candidate, sized: &BTreeSet<&str>, xyz: &BTreeSet<&str>) -> Vec<String> {
    let m = candidate.mnemonic.as_str();
    let code = format!("{:?}", candidate.code);
    let letter = if candidate.letter != 0 { (candidate.letter as char).to_string() } else { Default::default() };
    let ops = &candidate.form.ops[..candidate.op_count()];
    if m == "movd" && ops.contains(&MEM_ONLY) {
        // AT&T syntax has no way to say how much memory is meant.
        return Vec::new();
    }
    let is_memory = ops.iter().any(|&op| KINDS[op as usize].classes & kinds::ANY_MEM != 0);
    let both = |stem: &str| {
        let mut names = vec![stem.to_string()];
        if !letter.is_empty() {
            names.push(format!("{stem}{letter}"));
        }
        names
    };
    if let Some((_, names)) = ATT_RENAMED.iter().find(|(name, _)| *name == m) {
        return names.split_whitespace().map(str::to_string).collect();
    }
    if candidate.form.enc == Encoding::Legacy {
        if let Some((_, stem)) = STRING_STEMS.iter().find(|(name, _)| *name == m) {
            // movsd and cmpsd are SSE instructions too.
            let is_string = candidate.form.map == 0;
            if is_string {
                let mut names = both(stem);
                if m == "movsd" || m == "cmpsd" {
                    names.push(m.to_string());
                }
                return names;
            }
        }
        if code == "Sysexitd" {
            return vec!["sysexit".into(), "sysexitl".into()];
        }
        if let Some((_, stem)) = STEMS.iter().find(|(name, _)| *name == m) {
            return both(stem);
        }
        if is_far(&code) {
            let stem = if m == "call" { "lcall" } else { "ljmp" };
            // GNU as knows no q here; `rex64 ljmp` is its spelling of the 80-bit pointer.
            let mut names = if letter == "q" { Vec::new() } else { both(stem) };
            // Two immediates say that it is far.
            if code.contains("_ptr16") {
                names.extend(both(m));
            }
            return names;
        }
        if m == "movsx" || m == "movzx" {
            let sign = if m == "movsx" { "movs" } else { "movz" };
            let from = if code.ends_with("rm8") { "b" } else { "w" };
            let to = &letter;
            // 16 bits into 16 bits has no name of its own.
            if from == *to {
                return vec![m.to_string(), format!("{m}{from}")];
            }
            return vec![m.to_string(), format!("{m}{from}"), format!("{sign}{from}"), format!("{sign}{from}{to}")];
        }
        if code.starts_with("Jmp_rel") {
            // GNU as knows a size letter at the indirect jump only.
            return vec![m.to_string()];
        }
        if m == "movsxd" {
            return match code.as_str() {
                "Movsxd_r64_rm32" => {
                    vec!["movslq".into(), "movsxd".into(), "movsl".into(), "movsx".into(), "movsxl".into()]
                }
                "Movsxd_r32_rm32" => vec!["movsxd".into(), "movsxl".into(), "movsx".into()],
                _ => vec!["movsxd".into()],
            };
        }
        if code.starts_with("Mov_r64_imm64") || code.contains("moffs") {
            let mut names = both("mov");
            names.extend(both("movabs"));
            return names;
        }
        if code.starts_with("Set") && m.starts_with("set") && m != "setssbsy" {
            return both(m);
        }
        if matches!(m, "fldenv" | "fnstenv" | "fstenv" | "fnsave" | "fsave" | "frstor") {
            return vec![m.to_string(), format!("{m}{}", if letter == "w" { "s" } else { "l" })];
        }
        if matches!(m, "fldcw" | "fnstcw" | "fstcw" | "fnstsw" | "fstsw") && is_memory {
            return vec![m.to_string(), format!("{m}w")];
        }
        if let Some(names) = x87_names(candidate, &code) {
            return names;
        }
    }
    if sized.contains(m) && !(m == "nop" && ops.is_empty()) {
        return both(m);
    }
    if xyz.contains(m) && is_memory {
        let source = ["x", "y", "z"][candidate.form.ll as usize];
        return vec![m.to_string(), format!("{m}{source}")];
    }
    vec![m.to_string()]
}

/// x87 names: the memory size is a letter, and AT&T exchanges subtraction and reversed subtraction (and division)
/// where the destination is not the stack top. The exchange is as old as the System V assembler (GNU as manual,
/// "AT&T Syntax bugs").
fn x87_names(candidate: &Candidate, code: &str) -> Option<Vec<String>> {
    let m = candidate.mnemonic.as_str();
    if !m.starts_with('f') {
        return None;
    }
    let exchange = |name: &str| match name {
        "fsub" => "fsubr",
        "fsubr" => "fsub",
        "fdiv" => "fdivr",
        "fdivr" => "fdiv",
        "fsubp" => "fsubrp",
        "fsubrp" => "fsubp",
        "fdivp" => "fdivrp",
        "fdivrp" => "fdivp",
        _ => "",
    };
    // `fadd` alone is `faddp`.
    if candidate.op_count() == 0 && candidate.form.opcode == 0xde && m.ends_with('p') && m != "fcompp" {
        let popping = exchange(m);
        let popping = if popping.is_empty() { m } else { popping };
        return Some(vec![popping.to_string(), popping[..popping.len() - 1].to_string()]);
    }
    if code.contains("_sti_st0") {
        let other = exchange(m);
        return Some(vec![if other.is_empty() { m.to_string() } else { other.to_string() }]);
    }
    let letter = if code.ends_with("_m32fp") {
        "s"
    } else if code.ends_with("_m64fp") {
        "l"
    } else if code.ends_with("_m80fp") {
        "t"
    } else if code.ends_with("_m16int") {
        "s"
    } else if code.ends_with("_m32int") {
        "l"
    } else if code.ends_with("_m64int") {
        return Some(vec![m.to_string(), format!("{m}q"), format!("{m}ll")]);
    } else {
        return None;
    };
    Some(vec![m.to_string(), format!("{m}{letter}")])
}

/// The Intel spellings of a form.
pub(crate) fn intel_names(candidate: &Candidate) -> Vec<String> {
    let m = candidate.mnemonic.as_str();
    let code = format!("{:?}", candidate.code);
    match m {
        "getsecq" => return Vec::new(),
        "pcmpestri64" | "pcmpestrm64" | "vpcmpestri64" | "vpcmpestrm64" => return vec![m.replace("64", "q")],
        _ => {}
    }
    let mut names = vec![m.to_string()];
    if candidate.form.enc == Encoding::Legacy {
        if is_far(&code) {
            names.push(if m == "call" { "lcall" } else { "ljmp" }.into());
            return names;
        }
        if let Some((_, stem)) = STEMS.iter().find(|(name, _)| *name == m) {
            let stem = if *stem == "lret" { "retf" } else { stem };
            let letter = match candidate.letter {
                b'w' => "w",
                b'l' => "d",
                _ => "q",
            };
            return vec![stem.to_string(), format!("{stem}{letter}")];
        }
        if let Some((_, stem)) = STRING_STEMS.iter().find(|(name, _)| *name == m)
            && candidate.form.map == 0
            && candidate.op_count() != 0
        {
            names.push((*stem).to_string());
        }
        if code.starts_with("Mov_r64_imm64")
            || code.contains("moffs64")
            || (code.contains("moffs") && candidate.modes & 4 != 0)
        {
            names.push("movabs".into());
        }
        if matches!(code.as_str(), "Movsxd_r64_rm32" | "Movsxd_r32_rm32") {
            names.push("movsx".into());
        }
    }
    names
}

/// Intel spellings with a size letter, which is `d` for 32 bits: GNU as takes it off where the rest is an instruction.
pub(crate) fn intel_sized_names(candidate: &Candidate, att: &[String], intel: &[String]) -> Vec<String> {
    let m = candidate.mnemonic.as_str();
    let code = format!("{:?}", candidate.code);
    // Here the letter is that of the memory or of the source.
    let own = match m {
        "movsx" | "movzx" if candidate.letter != b'w' || code.ends_with("rm8") => {
            if code.ends_with("rm8") {
                "b"
            } else {
                "w"
            }
        }
        "fldenv" | "fnstenv" | "fstenv" | "fnsave" | "fsave" | "frstor" => {
            if candidate.letter == b'w' {
                "w"
            } else {
                "d"
            }
        }
        _ if m.starts_with('f') && (code.ends_with("_m32fp") || code.ends_with("_m32int")) => "d",
        _ if m.starts_with('f') && code.ends_with("_m16int") => "w",
        _ if m.starts_with('f') && code.ends_with("_m64int") => "q",
        _ => "",
    };
    if !own.is_empty() {
        return vec![format!("{m}{own}")];
    }
    let letter = match candidate.letter {
        b'l' => 'd',
        0 => return Vec::new(),
        // `jmpq target` is an indirect jump to GNU as.
        _ if format!("{:?}", candidate.code).starts_with("Jmp_rel") => return Vec::new(),
        other => other as char,
    };
    let stems = intel.iter().filter(|stem| {
        let spelled = format!("{stem}{}", candidate.letter as char);
        att.contains(&spelled) && (stem.as_str() != "movabs")
    });
    let mut names: Vec<String> = stems.map(|stem| format!("{stem}{letter}")).collect();
    if intel.iter().any(|name| name == "retf") {
        names.extend(["lret".to_string(), format!("lret{letter}")]);
    }
    names
}
