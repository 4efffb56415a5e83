//! Static branches in C: the function that a program asks, the macro for `.S` files, and the tables.

use super::names::doc_lines;
use super::sites::Context;
use crate::arch::Arch;
use crate::check::CheckedRow;
use crate::emit::branch;
use crate::emit::text::{Hex, put};
use crate::model::{Branch, Unit};

/// The branches of an arch with their ids.
fn of(unit: &Unit<CheckedRow>, arch: Arch) -> impl Iterator<Item = (usize, &Branch)> {
    unit.branches.iter().enumerate().filter(move |(_, branch)| branch.arches.contains(&arch))
}

/// What stands behind the NOPs of a site, in every flavour: its record. `unique` makes the labels.
fn record(context: &Context<'_>, id: usize, branch: &Branch, unique: &str, target: &str, len: &str) -> [String; 5] {
    let set = &context.set.name;
    let mut record = String::new();
    put!(record, ".long .Lpv", unique, " - .; .long ", target, " - .; .short ", id, "; .byte ", len, ", ");
    put!(record, Hex(branch::flags(branch)));
    [
        format!(".pushsection pv_contract_{set}, \"ao\", @progbits, .Lpv{unique}"),
        format!(".long {} - .; .popsection", context.contract),
        format!(".pushsection pv_branches_{set}, \"ao\", @progbits, .Lpv{unique}; .p2align 2"),
        record,
        ".popsection".to_owned(),
    ]
}

/// The functions `pv_SET_branch_IDENT()` of an arch.
pub(super) fn functions(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>, text: &mut String) {
    for (id, branch) in of(unit, arch) {
        function(context, id, branch, text);
    }
}

fn function(context: &Context<'_>, id: usize, branch: &Branch, text: &mut String) {
    docs(branch, text);
    put!(*text, "PV_WRAPPER bool pv_", context.set.name, "_branch_", branch.ident(), "(void)\n{\n\tPV_ASM goto(");
    if let Some(alignment) = branch::alignment(branch) {
        put!(*text, "\"", alignment, "\\n\"\n\t             ");
    }
    text.push_str("\".Lpv%=:\\n\"\n\t             PV_BRANCH_NOPS");
    for line in record(context, id, branch, "%=", "%l[pv_other]", "PV_BRANCH_LEN") {
        // The length is a macro: it stands between the strings.
        let line = line.replace('"', "\\\"").replace("PV_BRANCH_LEN", "\" PV_BRANCH_LEN \"");
        put!(*text, "\n\t             \"", line, "\\n\"");
    }
    put!(*text, "\n\t             : : : : pv_other);\n\treturn ", branch.initial);
    put!(*text, ";\npv_other: PV_UNLIKELY;\n\treturn ", !branch.initial, ";\n}\n\n");
}

fn docs(branch: &Branch, text: &mut String) {
    put!(*text, "/* Static branch ", branch.name, ", ", branch.initial, " at first");
    doc_lines(&branch.docs, text);
}

/// The macros `PV_BRANCH_SET_IDENT TARGET[, 2]` of an arch.
pub(super) fn macros(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>, text: &mut String) {
    for (id, branch) in of(unit, arch) {
        assembler_macro(context, id, branch, text);
    }
}

fn assembler_macro(context: &Context<'_>, id: usize, branch: &Branch, text: &mut String) {
    put!(*text, "/* Falls through while ", branch.name, " is ", branch.initial, ", goes to the target otherwise. */\n");
    put!(*text, ".macro PV_BRANCH_", context.set.name, "_", branch.ident(), " pv_target:req, pv_len=5\n");
    if let Some(alignment) = branch::alignment(branch) {
        put!(*text, "\t", alignment, "\n");
    }
    text.push_str("\t.Lpv\\@:\n\t.if \\pv_len == 2\n\t.byte 0x66, 0x90\n\t.else\n");
    text.push_str("\t.byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n\t.endif\n");
    for line in record(context, id, branch, "\\@", "\\pv_target", "\\pv_len") {
        put!(*text, "\t", line, "\n");
    }
    text.push_str(".endm\n");
}

/// The elements of the table of branches.
pub(super) fn table(branches: &[Branch]) -> String {
    let mut text = String::new();
    for branch in branches {
        put!(text, "\t{ .name = \"", branch.name, "\", .initial = ", u8::from(branch.initial), ", .flags = ");
        put!(text, if branch.live { "PV_BRANCH_LIVE" } else { "0" }, " },\n");
    }
    text
}

/// The elements of the table of their states.
pub(super) fn states(branches: &[Branch]) -> String {
    let mut text = String::new();
    for branch in branches {
        let value = u8::from(branch.initial);
        put!(text, "\t{ .wanted = ", value, ", .goal = ", value, ", .held = ", value, " }, /* ", branch.name, " */\n");
    }
    text
}
