//! Static branches in C: the function that a program asks, the macro for `.S` files, and the tables.

use super::names;
use super::sites::Context;
use crate::arch::Arch;
use crate::check::CheckedRow;
use crate::emit::branch;
use crate::emit::text::put;
use crate::model::{Branch, Unit};

/// The length of a site in C, a macro of the header.
const LEN: &str = "PV_BRANCH_LEN";

/// What a header holds of the static branches of one arch: for C, and for the assembler.
pub(super) struct Parts {
    pub(super) functions: Vec<String>,
    pub(super) macros: Vec<String>,
}

/// The parts for `arch`.
pub(super) fn parts(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>) -> Parts {
    let there = || unit.branches.iter().enumerate().filter(|(_, branch)| branch.arches.contains(&arch));
    Parts {
        functions: there().map(|(id, branch)| function(context, id, branch)).collect(),
        macros: there().map(|(id, branch)| assembler_macro(context, id, branch)).collect(),
    }
}

/// Alignment, label, and after the NOPs the record: what stands around them in every flavour. `unique` makes the labels.
fn around(
    context: &Context<'_>,
    id: usize,
    branch: &Branch,
    unique: &str,
    target: &str,
    len: &str,
) -> (Vec<String>, Vec<String>) {
    let set = context.set;
    let label = format!(".Lpv{unique}");
    let mut before = Vec::new();
    before.extend(branch::alignment(branch));
    before.push(format!("{label}:"));
    let after = vec![
        format!(".pushsection pv_contract_{set}, \"ao\", @progbits, {label}"),
        format!(".long {} - .; .popsection", context.contract),
        format!(".pushsection pv_branches_{set}, \"ao\", @progbits, {label}; .p2align 2"),
        format!(".long {label} - .; .long {target} - .; .short {id}; .byte {len}, {:#04x}", branch::flags(branch)),
        ".popsection".to_owned(),
    ];
    (before, after)
}

/// `bool pv_SET_branch_IDENT(void)`.
fn signature(set: &str, branch: &Branch) -> String {
    format!("bool pv_{set}_branch_{}(void)", branch.ident())
}

/// The function that a program asks.
fn function(context: &Context<'_>, id: usize, branch: &Branch) -> String {
    let set = context.set;
    let (before, after) = around(context, id, branch, "%=", "%l[pv_other]", LEN);
    let string = |line: &String| {
        let text = format!("\"{}\\n\"", line.replace('"', "\\\""));
        text.replace(LEN, &format!("\" {LEN} \""))
    };
    let mut asm: Vec<String> = before.iter().map(string).collect();
    asm.push("PV_BRANCH_NOPS".to_owned());
    asm.extend(after.iter().map(string));
    let mut text = docs(branch);
    put!(text, "PV_WRAPPER {}\n{{\n\t__asm__ goto(", signature(set, branch));
    text.push_str(&asm.join("\n\t             "));
    text.push_str("\n\t             : : : : pv_other);\n");
    let (usual, other) = (branch.initial, !branch.initial);
    put!(text, "\treturn {usual};\npv_other: PV_UNLIKELY;\n\treturn {other};\n}}\n\n");
    text
}

fn docs(branch: &Branch) -> String {
    let mut text = format!("/* Static branch {}, {} at first", branch.name, branch.initial);
    for (index, line) in branch.docs.iter().enumerate() {
        let line = names::comment(line.trim());
        text.push_str(&if index == 0 { format!(": {line}") } else { format!("\n * {line}") });
    }
    text + " */\n"
}

/// `PV_BRANCH_SET_IDENT TARGET[, 2]`.
fn assembler_macro(context: &Context<'_>, id: usize, branch: &Branch) -> String {
    let (before, after) = around(context, id, branch, "\\@", "\\pv_target", "\\pv_len");
    let mut lines = vec![
        format!("/* Falls through while {} is {}, goes to the target otherwise. */", branch.name, branch.initial),
        format!(".macro PV_BRANCH_{}_{} pv_target:req, pv_len=5", context.set, branch.ident()),
    ];
    let nops = [".if \\pv_len == 2", ".byte 0x66, 0x90", ".else", ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00", ".endif"];
    let nops = nops.iter().map(|&line| line.to_owned());
    lines.extend(before.into_iter().chain(nops).chain(after).map(|line| format!("\t{line}")));
    lines.push(".endm\n".to_owned());
    lines.join("\n")
}

/// The elements of the table of branches.
pub(super) fn table(unit: &Unit<CheckedRow>) -> Vec<String> {
    let element = |branch: &Branch| {
        let flags = if branch.live { "PV_BRANCH_LIVE" } else { "0" };
        format!("{{ .name = \"{}\", .initial = {}, .flags = {flags} }},", branch.name, u8::from(branch.initial))
    };
    unit.branches.iter().map(element).collect()
}

/// The elements of the table of their states.
pub(super) fn states(unit: &Unit<CheckedRow>) -> Vec<String> {
    let element = |branch: &Branch| {
        let value = u8::from(branch.initial);
        format!("{{ .wanted = {value}, .goal = {value}, .held = {value} }}, /* {} */", branch.name)
    };
    unit.branches.iter().map(element).collect()
}
