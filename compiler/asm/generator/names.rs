//! Names: which spelling, in which syntax and mode, stands for which forms in which order.

use super::aliases::aliases;
use super::form::Encoding;
use super::forms::Candidate;
use super::kinds::{self, KINDS};
use super::quirks::*;
use super::spellings::{att_names, intel_names, intel_sized_names};
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

pub(crate) fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
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
