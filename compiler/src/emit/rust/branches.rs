//! Static branches: the macro of their sites, the functions that a program asks, their handles and tables.
//!
//! Labels and the count that makes them unique work as for the sites of ops (`site`).

use super::{Context, docs, names};
use crate::arch::Arch;
use crate::emit::branch;
use crate::emit::text::{Text, line};
use crate::model::Branch;

/// Whether the branch can be asked in Rust.
pub(super) fn exists(branch: &Branch) -> bool {
    branch.arches.contains(&Arch::X86_64)
}

/// The macro of the functions: `(branch, flags, alignment)` to asm text with the operand `pv_other`.
pub(super) fn site_macro(cx: &Context<'_>, text: &mut Text) {
    if !cx.unit().branches.iter().any(exists) {
        return;
    }
    let (name, contract) = (&cx.unit().set.name, cx.contract);
    forms(name, text);
    text.line("// A site of a static branch: NOPs as long as the jump that may take their place.");
    line!(text, format_args!("macro_rules! pv_{name}_branch {{"));
    text.line("    ($branch:literal, $flags:literal, $align:literal) => {");
    text.line("        ::core::concat!(");
    text.nested(3, |text| {
        text.line(r#"".altmacro\n","#);
        line!(text, format_args!(r#"".ifndef .Lpv_{name}_branches\n","#));
        line!(text, format_args!(r#"".set .Lpv_{name}_branches, 0\n","#));
        line!(text, format_args!(r#"".macro pv_{name}_branch pv_n, pv_branch, pv_flags, pv_target\n","#));
        line!(text, format_args!(r#"".Lpv_{name}_from\\pv_n:\n","#));
        line!(text, format_args!("pv_{name}_branch_form!(nops),"));
        line!(text, format_args!(r#"".pushsection pv_branches_{name},\"ao\",@progbits,.Lpv_{name}_from\\pv_n\n","#));
        text.line(r#"".p2align 2\n","#);
        line!(text, format_args!(r#"".Lpv_{name}_branch\\pv_n:\n","#));
        line!(text, format_args!(r#"".long .Lpv_{name}_from\\pv_n - .Lpv_{name}_branch\\pv_n\n","#));
        line!(text, format_args!(r#"".long \\pv_target - .Lpv_{name}_branch\\pv_n - 4\n","#));
        text.line(r#"".short \\pv_branch\n","#);
        line!(text, format_args!(r#"".byte ", pv_{name}_branch_form!(length), ", \\pv_flags\n","#));
        text.line(r#"".popsection\n","#);
        text.line(r#"".endm\n","#);
        line!(text, format_args!(r#"".pushsection .rodata.pv_{name}_contract,\"aR\",@progbits\n","#));
        text.line(r#"".p2align 2\n","#);
        line!(text, format_args!(r#"".long {contract} - .\n","#));
        text.line(r#"".popsection\n","#);
        text.line(r#"".endif\n","#);
        line!(text, format_args!(r#"".set .Lpv_{name}_branches, .Lpv_{name}_branches + 1\n","#));
        text.line("$align,");
        line!(
            text,
            format_args!(r#""pv_{name}_branch %.Lpv_{name}_branches, ", $branch, ", ", $flags, ", {{pv_other}}\n","#)
        );
        text.line(r#"".noaltmacro\n","#);
    });
    text.lines(["        )", "    };", "}"]);
}

/// The macro of what a site holds at first, and of its length: one form, or two between which the assembler chooses.
///
/// The distance is counted from the start of the site: its own length must not change it, or an alignment in between makes
/// the assembler go back and forth between the two.
fn forms(name: &str, text: &mut Text) {
    text.lines([
        "// 5 bytes; with the cfg also 2 where the target is near. It takes a rustc with LLVM 22 (1.95): earlier assemblers lay",
        "// such code out wrongly. `pvc::Builder` sets it, other builds may.",
        "#[cfg(not(pv_branch_short))]",
    ]);
    line!(text, format_args!("macro_rules! pv_{name}_branch_form {{"));
    text.line(r#"    (nops) => { ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n" };"#);
    text.line(r#"    (length) => { "5" };"#);
    text.line("}");
    text.line("#[cfg(pv_branch_short)]");
    line!(text, format_args!("macro_rules! pv_{name}_branch_form {{"));
    text.line("    (nops) => {");
    text.line("        ::core::concat!(");
    // The expression is 1 if the target is out of reach of a short jump, else 0: a comparison that holds is -1.
    let distance = format!(r"\\pv_target - .Lpv_{name}_from\\pv_n");
    let far = format!("-(({distance} < -126) | ({distance} > 129))");
    text.nested(3, |text| {
        for byte in ["0x0f", "0x1f", "0x44", "0x00", "0x00"] {
            line!(text, format_args!(r#"".skip {far}, {byte}\n","#));
        }
        for byte in ["0x66", "0x90"] {
            line!(text, format_args!(r#"".skip 1 - ({far}), {byte}\n","#));
        }
    });
    text.lines(["        )", "    };"]);
    line!(text, format_args!(r#"    (length) => {{ "2 + 3 * ({far})" }};"#));
    text.line("}");
}

/// The head of the function with this name.
fn head(function: &str) -> String {
    format!("pub fn {function}() -> bool")
}

/// The function of branch `id`.
pub(super) fn function(cx: &Context<'_>, id: usize, function: &str, text: &mut Text) {
    let branch = &cx.unit().branches[id];
    let (usual, other) = (branch.initial, !branch.initial);
    docs(text, &branch.docs, format_args!("Static branch `{}`.", branch.name));
    text.line("///");
    line!(
        text,
        format_args!("/// Static branch, {usual} at first; `branches::{}` switches it.", names::constant(&branch.name))
    );
    text.line("#[inline(always)]");
    text.line("#[must_use]");
    line!(text, format_args!("{} {{", head(function)));
    text.line(
        "    // SAFETY: the site holds NOPs or a jump to the label: neither touches a register, a flag or memory.",
    );
    text.line("    unsafe {");
    text.line("        ::core::arch::asm!(");
    let alignment = branch::alignment(branch).map_or_else(String::new, |line| line + "\\n");
    let name = &cx.unit().set.name;
    line!(
        text,
        format_args!("            pv_{name}_branch!(\"{id}\", \"{}\", \"{alignment}\"),", branch::flags(branch))
    );
    line!(text, format_args!("            pv_other = label {{ return {other} }},"));
    text.line("            options(att_syntax, nomem, nostack, preserves_flags),");
    text.lines(["        );", "    }"]);
    line!(text, format_args!("    {usual}"));
    text.line("}");
}

/// The handles by which a program switches its branches.
pub(super) fn handles(cx: &Context<'_>, text: &mut Text) {
    for (id, branch) in cx.unit().branches.iter().enumerate().filter(|(_, branch)| exists(branch)) {
        docs(text, &branch.docs, format_args!("Static branch `{}`.", branch.name));
        let name = names::constant(&branch.name);
        line!(
            text,
            format_args!("pub const {name}: ::pvc_runtime::Branch = ::pvc_runtime::Branch::new(&super::SET, {id});")
        );
    }
}

/// The tables.
pub(super) fn statics(cx: &Context<'_>, text: &mut Text) {
    let branches = &cx.unit().branches;
    if branches.is_empty() {
        return;
    }
    line!(text, format_args!("static BRANCHES: [Branch; {}] = [", branches.len()));
    for branch in branches {
        let (initial, flags) = (u8::from(branch.initial), u8::from(branch.live));
        line!(
            text,
            format_args!(
                "    Branch {{ name: name(b\"{}\\0\"), initial: {initial}, flags: {flags}, reserved: 0 }},",
                branch.name
            )
        );
    }
    text.line("];");
    line!(text, format_args!("static BRANCH_STATES: [BranchState; {}] = [", branches.len()));
    for branch in branches {
        line!(text, format_args!("    BranchState::new({}), // {}", u8::from(branch.initial), branch.name));
    }
    text.line("];");
}
