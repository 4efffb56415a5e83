//! Names: which spelling, in which syntax and mode, stands for which forms in which order.

use super::form::{Encoding, Form};
use super::forms::{self, Candidate};
use super::kinds::{self, KINDS};
use super::quirks::*;
use iced_x86::Code;
use std::collections::{BTreeMap, BTreeSet};

/// One candidate list: the forms in the order of preference, and what to do when the size is open.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct List {
    pub forms: Vec<usize>,
    pub flags: u8,
}

/// One name and its lists: `[att16, att32, att64, intel16, intel32, intel64]`.
#[derive(Default, Clone)]
pub struct Name {
    pub lists: [List; 6],
    pub immediate: Option<u8>,
    pub flags: u8,
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

fn banned(code: Code) -> bool {
    let name = format!("{code:?}");
    BANNED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *pattern,
    })
}

fn fma4(mnemonic: &str) -> bool {
    let stem = mnemonic.strip_prefix("vfn").or(mnemonic.strip_prefix("vf")).unwrap_or("");
    (stem.starts_with("madd") || stem.starts_with("msub")) && !stem.contains(|c: char| c.is_ascii_digit())
}

/// All forms, iced's and the variants.
pub fn candidates() -> Vec<Candidate> {
    let want_vex = words(WANT_VEX);
    let mut out = Vec::new();
    for mut candidate in forms::all() {
        if banned(candidate.code) || words(BANNED_MNEMONICS).contains(candidate.mnemonic.as_str()) {
            continue;
        }
        if candidate.form.enc == Encoding::Vex && want_vex.contains(candidate.mnemonic.as_str()) {
            candidate.form.flags |= Form::WANT_VEX;
        }
        adjust(&mut candidate);
        if !variants(&candidate, &mut out) {
            out.push(candidate);
        }
    }
    out
}

/// Corrections where GNU as differs from the shortest-first order or from iced's description.
fn adjust(candidate: &mut Candidate) {
    use Code::*;
    let form = &mut candidate.form;
    match candidate.code {
        // The accumulator form loses against the sign-extended byte at equal length.
        Add_AX_imm16 | Or_AX_imm16 | Adc_AX_imm16 | Sbb_AX_imm16 | And_AX_imm16 | Sub_AX_imm16 | Xor_AX_imm16
        | Cmp_AX_imm16 => {
            candidate.rank = 1;
        }
        // A selector has 16 bits. GNU as leaves out every size prefix that cannot change the result: REX.W where
        // the upper half is written as zero either way, 66 where a register is only read.
        Mov_Sreg_rm16 | Mov_Sreg_r32m16 | Mov_Sreg_r64m16 | Lldt_rm16 | Ltr_rm16 | Verr_rm16 | Verw_rm16
        | Lmsw_rm16 | Arpl_rm16_r16 => form.osz = 0,
        Sldt_r64m16 | Str_r64m16 | Mov_r64m16_Sreg => form.osz = 32,
        Lkgs_rm16 | Lkgs_r32m16 | Lkgs_r64m16 => form.osz = 0,
        // With all four operands registers, FMA4 has two encodings of one instruction; GNU as takes VEX.W = 1.
        // Intel `fword ptr` means a 32-bit base, also in 16-bit code.
        Lgdt_m1632_16 | Lidt_m1632_16 | Sgdt_m1632_16 | Sidt_m1632_16 => form.mem = 5,
        _ if form.enc == Encoding::Vex && form.map == 3 && form.flags & Form::W != 0 && fma4(&candidate.mnemonic) => {
            candidate.rank = -1;
            return;
        }
        _ => {}
    }
    // To and from memory a selector has 16 bits, which `movl` and `movq` deny.
    if matches!(
        candidate.code,
        Mov_r32m16_Sreg
            | Mov_r64m16_Sreg
            | Mov_Sreg_r32m16
            | Mov_Sreg_r64m16
            | Sldt_r32m16
            | Sldt_r64m16
            | Str_r32m16
            | Str_r64m16
            | Smsw_r32m16
            | Smsw_r64m16
    ) {
        for op in &mut form.ops {
            *op = match *op {
                R32_OR_MEM => R32_ONLY,
                R64_OR_MEM => R64_ONLY,
                other => other,
            };
        }
    }
    // These write or read 32 bits or less of the register; GNU as leaves REX.W and VEX.W out for the 64-bit name.
    let narrow = ["extractps", "movmskps", "movmskpd", "pextrb", "pextrw", "pinsrb", "pinsrw", "pmovmskb"];
    let stem = candidate.mnemonic.strip_prefix('v').unwrap_or(&candidate.mnemonic);
    if narrow.contains(&stem) {
        form.osz = 0;
        form.flags &= !Form::W;
    }
    // What is at the address does not matter, so any size word will do; a state area has a size of its own.
    let hint = ["prefetch", "clflush", "clwb", "cldemote"].iter().any(|stem| candidate.mnemonic.starts_with(stem));
    if hint {
        form.mem = 0;
    } else if ["xsave", "xrstor"].iter().any(|stem| candidate.mnemonic.starts_with(stem)) {
        form.mem = Form::UNSIZED;
    }
    if candidate.mnemonic.starts_with("bnd") {
        form.flags |= Form::NO_ADDR32;
        if matches!(candidate.mnemonic.as_str(), "bndmk" | "bndldx" | "bndstx") {
            form.flags |= Form::NO_RIP;
        }
    }
}

/// Forms with operands left out or written out.
///
/// `true` if the form itself is not to be had with the operands iced gives it.
fn variants(candidate: &Candidate, out: &mut Vec<Candidate>) -> bool {
    let name = format!("{:?}", candidate.code);
    let mut memory_selector = None;
    let mut dropped = false;
    let mut make = |ops: &[u8], second: Option<u8>| {
        let mut variant = candidate.clone();
        variant.variant = true;
        variant.form.ops = [0; 5];
        variant.form.ops[..ops.len()].copy_from_slice(ops);
        variant.rank += 2;
        if name == "Movsxd_r16_rm16" {
            variant.form.mem = 4;
        }
        if let Some(second) = second {
            variant.form.second = second;
            variant.form.flags |= Form::TWO;
        }
        out.push(variant);
    };
    macro_rules! push {
        ($ops:expr) => {
            make($ops, None)
        };
    }
    for &(prefix, ops) in EXPLICIT_OPERANDS {
        if name.starts_with(prefix) && !ops.contains(&0) && !ops.is_empty() {
            // `Mwait` must not catch `Mwaitx`.
            if name.len() > prefix.len()
                && !prefix.ends_with('_')
                && name.as_bytes()[prefix.len()].is_ascii_alphabetic()
            {
                continue;
            }
            if prefix.contains("rm") && name != prefix {
                continue;
            }
            push!(ops);
        }
    }
    // To memory a selector is always stored as 16 bits, so the size of the register forms is not theirs.
    if matches!(name.as_str(), "Mov_rm16_Sreg" | "Sldt_rm16" | "Str_rm16" | "Smsw_rm16") {
        let mut variant = candidate.clone();
        variant.variant = true;
        variant.form.osz = 0;
        variant.form.ops[0] = MEM_ONLY;
        variant.length -= 1;
        memory_selector = Some(variant);
    }
    // GNU as takes the 32-bit register that the CPU does not read all of.
    if name == "Movsxd_r16_rm16" {
        push!(&[27, 15]);
    }
    if matches!(name.as_str(), "Lar_r32_r32m16" | "Lsl_r32_r32m16" | "Lar_r64_r64m16" | "Lsl_r64_r64m16") {
        push!(&[candidate.form.ops[0], 14]);
    }
    let ops = &candidate.form.ops[..candidate.op_count()];
    let is_string =
        ops.iter().any(|&op| matches!(KINDS[op as usize].slot, kinds::Slot::StringSource | kinds::Slot::StringDest));
    if is_string {
        push!(&[]);
        // stos, lods and scas may leave the accumulator out.
        if ops.contains(&73) || ops.contains(&75) || ops.contains(&77) || ops.contains(&78) {
            let rest: Vec<u8> = ops.iter().copied().filter(|op| ![73, 75, 77, 78].contains(op)).collect();
            push!(&rest);
        }
    }
    // x87: the stack top may be left out, and both operands of the popping forms.
    if candidate.mnemonic.starts_with('f') && ops.len() == 2 && ops.contains(&79) && ops.contains(&80) {
        let only_one = ["fcom", "fcomp", "fucom", "fucomp", "fxch"].contains(&candidate.mnemonic.as_str());
        if !candidate.mnemonic.starts_with("fcmov") {
            push!(&[80]);
        }
        if only_one {
            dropped = true;
        }
        let zero = [
            "faddp", "fmulp", "fsubp", "fsubrp", "fdivp", "fdivrp", "fcom", "fcomp", "fucom", "fucomp", "fxch",
            "fcomi", "fcomip", "fucomi", "fucomip",
        ];
        if zero.contains(&candidate.mnemonic.as_str()) {
            make(&[], Some(candidate.form.second + 1));
        }
    }
    // in and out: the port or accumulator may be left out after a size letter; `in`/`out` with one operand.
    if matches!(candidate.mnemonic.as_str(), "in" | "out") {
        let acc = [73, 75, 77];
        let rest: Vec<u8> = ops.iter().copied().filter(|op| !acc.contains(op)).collect();
        push!(&rest);
    }
    if matches!(candidate.mnemonic.as_str(), "shl" | "shr" | "sar" | "rol" | "ror" | "rcl" | "rcr")
        && ops.get(1) == Some(&83)
    {
        push!(&ops[..1]);
    }
    if matches!(candidate.mnemonic.as_str(), "aad" | "aam") {
        make(&[], Some(10));
    }
    // `test mem,reg` and `test reg,mem` are the same instruction, as are both orders of xchg.
    if matches!(
        name.as_str(),
        "Test_rm8_r8"
            | "Test_rm16_r16"
            | "Test_rm32_r32"
            | "Test_rm64_r64"
            | "Xchg_rm8_r8"
            | "Xchg_rm16_r16"
            | "Xchg_rm32_r32"
            | "Xchg_rm64_r64"
    ) {
        push!(&[ops[1], ops[0]]);
    }
    if matches!(name.as_str(), "Xchg_r16_AX" | "Xchg_r32_EAX" | "Xchg_r64_RAX") {
        push!(&[ops[1], ops[0]]);
    }
    if matches!(name.as_str(), "Fnstsw_AX" | "Fstsw_AX") {
        push!(&[]);
    }
    // `shld %bx,%dx` counts by %cl.
    if matches!(candidate.mnemonic.as_str(), "shld" | "shrd") && ops.get(2) == Some(&74) {
        push!(&ops[..2]);
    }
    // `clr %eax` is `xor %eax,%eax`.
    let clear = match name.as_str() {
        "Xor_rm8_r8" => kinds::REGRM8,
        "Xor_rm16_r16" => kinds::REGRM16,
        "Xor_rm32_r32" => kinds::REGRM32,
        "Xor_rm64_r64" => kinds::REGRM64,
        _ => 0,
    };
    if clear != 0 {
        let mut variant = Candidate { variant: true, mnemonic: "clr".into(), ..candidate.clone() };
        variant.form.ops = [clear, 0, 0, 0, 0];
        out.push(variant);
    }
    if WIDE_MOVD.contains(&name.as_str()) {
        let mut ops = candidate.form.ops;
        for op in &mut ops {
            *op = if *op == R64_OR_MEM { R64_ONLY } else { *op };
        }
        let mut variant = Candidate { variant: true, ..candidate.clone() };
        variant.form.ops = ops;
        variant.mnemonic = variant.mnemonic.replace("movq", "movd");
        if !name.starts_with("VEX") {
            // `movd xmm0, qword ptr [rax]`
            let mut memory = variant.clone();
            memory.form.ops = ops.map(|op| if op == R64_ONLY { MEM_ONLY } else { op });
            out.push(memory);
        }
        out.push(variant);
    }
    out.extend(memory_selector);
    dropped
}

/// iced's `mem`, `r64_or_mem` and `r64_rm`.
const MEM_ONLY: u8 = 4;
const R64_OR_MEM: u8 = 17;
const R64_ONLY: u8 = 38;
/// iced's `r32_or_mem` and `r32_rm`.
const R32_OR_MEM: u8 = 15;
const R32_ONLY: u8 = 33;

/// Whether it is a far jump or call.
fn is_far(code: &str) -> bool {
    code.contains("_ptr16") || code.starts_with("Call_m16") || code.starts_with("Jmp_m16")
}

/// The AT&T spellings of a form.
fn att_names(candidate: &Candidate, sized: &BTreeSet<&str>, xyz: &BTreeSet<&str>) -> Vec<String> {
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
fn intel_names(candidate: &Candidate) -> Vec<String> {
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
fn intel_sized_names(candidate: &Candidate, att: &[String], intel: &[String]) -> Vec<String> {
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

/// The order in which GNU as tries the forms of one name in one mode.
fn sort_key(
    candidate: &Candidate,
    mode: usize,
    mode_sized: &BTreeSet<&str>,
    stem: &str,
) -> (u32, u32, u32, i32, usize) {
    let default = [16, 32, 64][mode];
    let encoding = match candidate.form.enc {
        Encoding::Legacy | Encoding::D3now => 0,
        Encoding::Vex | Encoding::Xop => 1,
        Encoding::Evex => 2,
    };
    let form = &candidate.form;
    let size = if mode_sized.contains(stem) {
        // loop and jcxz are sized by their counter.
        let size = if form.asz != 0 { form.asz } else { form.osz };
        (size != 0 && size != default) as u32
    } else {
        0
    };
    let foreign = (form.asz != 0 && form.asz != default) as u32;
    let prefix = foreign + ((form.osz == 16 && mode != 0) || (form.osz == 32 && mode == 0)) as u32;
    (encoding, size, candidate.length + prefix, candidate.rank, candidate.code as usize)
}

/// The name whose list applies when no operand settles the size: GNU as takes `l`, in 16-bit code `w`.
pub fn default_name(text: &str, column: usize, candidates: &[Candidate], list: &List) -> Option<String> {
    if column >= 3 {
        let far = matches!(text, "lcall" | "ljmp");
        return far.then(|| format!("{text}{}", if column == 3 { 'w' } else { 'd' }));
    }
    let mnemonic = list.forms.first().map_or("", |&form| candidates[form].mnemonic.as_str());
    if words(XYZ).contains(mnemonic) {
        return None;
    }
    let x87 = list
        .forms
        .first()
        .is_some_and(|&form| (0xd8..=0xdf).contains(&candidates[form].form.opcode) && candidates[form].form.map == 0);
    if x87 {
        return Some(format!("{text}s"));
    }
    if text == "movzx" || text == "movsx" {
        return Some(format!("{text}b"));
    }
    Some(format!("{text}{}", if column == 0 { 'w' } else { 'l' }))
}

pub const AMBIGUOUS: u8 = 1;
pub const BRANCH: u8 = 2;
pub const MOVABS: u8 = 4;
pub const NO_REVERSE: u8 = 8;
pub const DEFAULT_SIZE: u8 = 16;
pub const SIZE_SHIFT: u8 = 5;

/// Whether the operands of two forms can be the same text while the sizes differ.
pub fn can_confuse(a: &Candidate, b: &Candidate) -> bool {
    let (n, m) = (a.op_count(), b.op_count());
    if n != m || n == 0 {
        return false;
    }
    let mut memory = false;
    for i in 0..n {
        let both = KINDS[a.form.ops[i] as usize].classes & KINDS[b.form.ops[i] as usize].classes;
        let immediates = KINDS[a.form.ops[i] as usize].classes & kinds::IMM != 0
            && KINDS[b.form.ops[i] as usize].classes & kinds::IMM != 0;
        if both & kinds::ANY_MEM != 0 {
            memory = true;
        } else if both == 0 && !immediates {
            return false;
        }
    }
    memory && a.form.mem != b.form.mem
}

/// The name under which a form would leave its size open for want of operands: `stos`, `in $3`.
fn open_without_operands(candidate: &Candidate) -> Option<&'static str> {
    let m = candidate.mnemonic.as_str();
    match candidate.op_count() {
        0 => STRING_STEMS.iter().find(|(name, _)| *name == m).map(|&(_, stem)| stem),
        1 => ["in", "out"].into_iter().find(|&name| name == m),
        _ => None,
    }
}

/// All names with their lists.
pub fn names(candidates: &[Candidate]) -> BTreeMap<String, Name> {
    let sized = words(SIZED);
    let xyz = words(XYZ);
    let mode_sized = words(MODE_SIZED);
    let mut raw: BTreeMap<String, [Vec<usize>; 6]> = BTreeMap::new();
    let mut late: Vec<(String, usize, usize)> = Vec::new();
    let mut grown: BTreeSet<String> = BTreeSet::new();
    for (index, candidate) in candidates.iter().enumerate() {
        for mode in 0..3 {
            if candidate.modes & 1 << mode == 0 {
                continue;
            }
            // In 64-bit mode the near forms with a 16-bit operand size are vendor-dependent
            // (SDM volume 2, JMP); only `data16` asks for them.
            let code = format!("{:?}", candidate.code);
            if mode == 2
                && near_branch_16(&code)
                && (code.starts_with('J') && !code.starts_with("Jmp_rm")
                    || code.starts_with("Loop")
                    || code.starts_with("Xbegin"))
            {
                continue;
            }
            if mode == 1
                && near_branch_16(&code)
                && !matches!(candidate.mnemonic.as_str(), "call" | "jmp" | "ret" | "loop" | "xbegin")
            {
                continue;
            }
            if mode == 0 && near_branch_32(&code) && !matches!(candidate.mnemonic.as_str(), "call" | "jmp" | "ret") {
                continue;
            }
            // `int $3` is the one-byte breakpoint.
            if candidate.form.ops[0] == kinds::CONST_3 {
                raw.entry("int".into()).or_default()[mode].push(index);
                raw.entry("int".into()).or_default()[3 + mode].push(index);
                continue;
            }
            if code == "Movsxd_r16_rm16" && !candidate.variant {
                continue;
            }
            let mut att = att_names(candidate, &sized, &xyz);
            let mut intel = intel_names(candidate);
            for name in intel_sized_names(candidate, &att, &intel) {
                late.push((name, 3 + mode, index));
            }
            if let Some(open) = open_without_operands(candidate) {
                att.retain(|name| name != open);
                intel.retain(|name| name != open);
            }
            for (names, column) in [(att, mode), (intel, 3 + mode)] {
                for name in names {
                    if mode == 2 || !name.starts_with("movabs") {
                        push_unique(&mut raw.entry(name).or_default()[column], index);
                    }
                }
            }
        }
    }
    // An instruction's own name comes before another one's with a size letter: `shld` is not `shl` with `d`.
    for (name, column, index) in late {
        let taken = raw.get(&name).is_some_and(|lists| lists[3..].iter().any(|list| !list.is_empty()));
        if !taken || grown.contains(&name) || matches!(name.as_str(), "movd" | "movq") {
            grown.insert(name.clone());
            push_unique(&mut raw.entry(name).or_default()[column], index);
        }
    }
    let mut names: BTreeMap<String, Name> = BTreeMap::new();
    for (text, mut lists) in raw {
        let mut name = Name::default();
        for (column, list) in lists.iter_mut().enumerate() {
            let mode = column % 3;
            list.sort_by_key(|&index| {
                let candidate = &candidates[index];
                let stem = STEMS
                    .iter()
                    .find(|(m, _)| *m == candidate.mnemonic)
                    .map_or(candidate.mnemonic.as_str(), |(_, stem)| stem);
                sort_key(candidate, mode, &mode_sized, stem)
            });
            let mut flags = 0;
            let confused = list
                .iter()
                .enumerate()
                .any(|(i, &a)| list[i + 1..].iter().any(|&b| can_confuse(&candidates[a], &candidates[b])));
            let stem = list.first().map_or("", |&index| candidates[index].mnemonic.as_str());
            let far = text.starts_with("lcall") || text.starts_with("ljmp");
            let stem = if far { "far" } else { stem };
            let stem = STEMS.iter().find(|(m, _)| *m == stem).map_or(stem, |(_, stem)| stem);
            // `movd` of memory without a size is the 32-bit one.
            if confused && !mode_sized.contains(stem) && text != "movd" {
                flags |= AMBIGUOUS;
            }
            if mode_sized.contains(stem) {
                flags |= DEFAULT_SIZE;
            }
            if list.iter().any(|&index| is_near_branch(&candidates[index])) {
                flags |= BRANCH;
            }
            if text.starts_with("movabs") {
                flags |= MOVABS;
            }
            if column < 3
                && matches!(
                    stem,
                    "enter"
                        | "bound"
                        | "invlpga"
                        | "invlpgb"
                        | "monitor"
                        | "mwait"
                        | "monitorx"
                        | "mwaitx"
                        | "pvalidate"
                        | "rmpadjust"
                        | "rmpupdate"
                        | "umwait"
                        | "tpause"
                )
            {
                flags |= NO_REVERSE;
            }
            // The size letter of the name, for the reading of immediates.
            let letter = list.first().map_or(0, |&index| candidates[index].letter);
            let written = if column >= 3 && letter == b'l' { b'd' } else { letter };
            if (column < 3 || grown.contains(&text))
                && letter != 0
                && text.as_bytes().last() == Some(&written)
                && list.iter().all(|&index| candidates[index].letter == letter)
            {
                flags |= (b"bwlq".iter().position(|&other| other == letter).unwrap_or(0) as u8 + 1) << SIZE_SHIFT;
            }
            name.lists[column] = List { forms: std::mem::take(list), flags };
        }
        names.insert(text, name);
    }
    aliases(&mut names);
    names
}

/// A branch to a target, or an indirect jump, whose operand could be mistaken for one.
fn is_near_branch(candidate: &Candidate) -> bool {
    let target = candidate.form.ops.iter().any(|&op| KINDS[op as usize].classes & kinds::REL != 0);
    target || format!("{:?}", candidate.code).starts_with("Jmp_rm")
}

fn near_branch_16(code: &str) -> bool {
    let near = ["Call_rel16", "Call_rm16", "Jmp_rel16", "Jmp_rel8_16", "Jmp_rm16", "Retnw"];
    near.contains(&code)
        || code.starts_with("Retnw")
        || (code.starts_with('J') && (code.ends_with("_rel8_16") || code.ends_with("_rel16")))
        || code.starts_with("Loop") && code.contains("rel8_16")
        || code == "Xbegin_rel16"
}

fn near_branch_32(code: &str) -> bool {
    (code.starts_with('J') && (code.ends_with("_rel8_32") || code.ends_with("_rel32_32")))
        || code.starts_with("Loop") && code.contains("rel8_32")
        || code == "Xbegin_rel32"
}

fn push_unique(list: &mut Vec<usize>, index: usize) {
    if list.last() != Some(&index) {
        list.push(index);
    }
}

fn alias(
    names: &mut BTreeMap<String, Name>,
    alias: &str,
    of: &str,
    immediate: Option<u8>,
    columns: std::ops::Range<usize>,
) {
    let Some(target) = names.get(of).cloned() else { return };
    let entry = names.entry(alias.to_string()).or_default();
    for column in columns {
        if entry.lists[column].forms.is_empty() {
            entry.lists[column] = target.lists[column].clone();
        }
    }
    entry.immediate = immediate;
}

fn aliases(names: &mut BTreeMap<String, Name>) {
    for &(condition, others) in CONDITIONS {
        for &other in others {
            alias(names, &format!("j{other}"), &format!("j{condition}"), None, 0..6);
            for suffix in ["", "b"] {
                alias(names, &format!("set{other}{suffix}"), &format!("set{condition}{suffix}"), None, 0..6);
            }
            for suffix in ["", "w", "l", "q"] {
                alias(names, &format!("cmov{other}{suffix}"), &format!("cmov{condition}{suffix}"), None, 0..6);
            }
        }
        for &other in others.iter().chain([&condition]) {
            alias(names, &format!("cmp{other}xadd"), &format!("cmp{}xadd", iced_condition(condition)), None, 0..6);
        }
    }
    for &(predicate, value, legacy) in CMP_PREDICATES {
        for kind in ["ps", "pd", "ss", "sd", "ph", "sh"] {
            if legacy && kind.as_bytes()[1] != b'h' {
                alias(names, &format!("cmp{predicate}{kind}"), &format!("cmp{kind}"), Some(value), 0..6);
            }
            alias(names, &format!("vcmp{predicate}{kind}"), &format!("vcmp{kind}"), Some(value), 0..6);
        }
    }
    // cmpsd and movsd without operands are string instructions; the predicate names are not.
    for kind in ["b", "w", "d", "q", "ub", "uw", "ud", "uq"] {
        for &(predicate, value) in VPCMP_PREDICATES {
            let text = format!("vpcmp{predicate}{kind}");
            if !names.contains_key(&text) {
                alias(names, &text, &format!("vpcmp{kind}"), Some(value), 0..6);
            }
        }
        for &(predicate, value) in VPCOM_PREDICATES {
            alias(names, &format!("vpcom{predicate}{kind}"), &format!("vpcom{kind}"), Some(value), 0..6);
        }
    }
    for &(predicate, value) in CLMUL_PREDICATES {
        let (first, second) = predicate.split_at(2);
        alias(names, &format!("pclmul{first}{second}dq"), "pclmulqdq", Some(value), 0..6);
        alias(names, &format!("vpclmul{first}{second}dq"), "vpclmulqdq", Some(value), 0..6);
    }
    for &(text, of) in ALIASES {
        if text != of {
            alias(names, text, of, None, 0..6);
        }
    }
}

fn iced_condition(condition: &str) -> &str {
    match condition {
        "e" => "z",
        "ne" => "nz",
        "ae" => "nb",
        "a" => "nbe",
        "ge" => "nl",
        "g" => "nle",
        other => other,
    }
}
