//! The forms that names can stand for: iced's, corrected, and variants of them with operands left out or written out.

use super::form::{Encoding, Form};
use super::forms::{self, Candidate};
use super::kinds::{self, KINDS};
use super::names::words;
use super::quirks::*;
use iced_x86::Code;

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
pub(crate) const MEM_ONLY: u8 = 4;
const R64_OR_MEM: u8 = 17;
const R64_ONLY: u8 = 38;
/// iced's `r32_or_mem` and `r32_rm`.
const R32_OR_MEM: u8 = 15;
const R32_ONLY: u8 = 33;
