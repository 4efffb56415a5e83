//! The asm text of sites and their records.
//!
//! A record is linked to a label at its site (section flag `o`), which must have a name. Rust has no unique number for an
//! `asm!` statement, and the statement may be emitted many times, so the assembler counts: a symbol that is set anew, and
//! macros of the alternate syntax that take its value as an argument. The macros live as long as the assembler does (one
//! codegen unit, or the program under LTO), hence the guard.

use super::Context;
use super::names::Quoted;
use crate::arch::{Arch, SiteOperand};
use crate::check::CheckedRow;
use crate::emit::nops::{nop_site, padding};
use crate::emit::text::{Bytes, Text, line, put};
use crate::model::{Op, Site};

/// `PV_SITE_NOCALL` in the kind byte of a record.
const NOCALL: u8 = 0x10;
/// `PV_SITE_LIVE`.
const LIVE: u8 = 0x20;

/// A class of sites: kind code, length, and what the original form refers to.
#[derive(Clone, Copy)]
pub(super) struct Class {
    pub(super) code: u8,
    pub(super) len: u8,
    pub(super) operand: SiteOperand,
}

impl Class {
    pub(super) fn of(site: &Site) -> Self {
        Self { code: site.kind.code, len: site.len.unwrap_or(0), operand: site.kind.operand }
    }
}

/// The class that the wrapper of an op uses. `asm!` keeps the red zone clear and aligns the stack itself, so no stub is
/// needed: the call through the slot does, and is as long.
pub(super) fn wrapper_class(site: &Site) -> Class {
    match (site.kind.operand, Arch::X86_64.table().kind("call.mem")) {
        (SiteOperand::Stub, Some(call)) => Class { code: call.code, len: call.len.unwrap_or(0), operand: call.operand },
        _ => Class::of(site),
    }
}

/// Flags of the kind byte.
pub(super) fn flags(op: &Op<CheckedRow>) -> u8 {
    (if op.nocall { NOCALL } else { 0 }) | (if op.live { LIVE } else { 0 })
}

/// Name of the macro that puts a record beside a site.
pub(super) fn macro_name(cx: &Context<'_>) -> String {
    format!("pv_{}_site", cx.unit().set.name)
}

/// The original form of a site, as asm text with the operands `{pv_ops}` or `{pv_call}`.
pub(super) fn body(cx: &Context<'_>, id: usize, class: Class) -> String {
    let entry = &cx.layout.ops[id];
    let kind = Arch::X86_64.table().kinds.iter().find(|kind| kind.code == class.code);
    let opcode = kind.map_or(&[][..], |kind| kind.opcode);
    let (offset, live) = (8 * id, cx.unit().ops[id].live);
    match (class.operand, opcode) {
        (SiteOperand::Trampoline, [0xe8]) => "call {pv_call}".to_owned(),
        (SiteOperand::SlotRel, [0xff, 0x15]) => format!("call *{{pv_ops}}+{offset}(%rip)"),
        (SiteOperand::SlotRel, [0xff, 0x25]) => format!("jmp *{{pv_ops}}+{offset}(%rip)"),
        // As bytes, because the assembler would choose a shorter form (a short jump, an address without SIB byte).
        (SiteOperand::Trampoline, _) => format!("{}; .long {{pv_call}} - . - 4", bytes(opcode)),
        (SiteOperand::SlotRel, _) => format!("{}; .long {{pv_ops}} + {offset} - . - 4", bytes(opcode)),
        (SiteOperand::SlotAbs, _) => format!("{}; .long {{pv_ops}} + {offset}", bytes(opcode)),
        (SiteOperand::Stub, _) => String::new(),
        (SiteOperand::None, _) => match entry.inline_row {
            Some(row) if is_inline(class.code) => {
                let row = cx.layout.rows[row].row;
                let (before, behind) = padding(live, 64, &row.code.bytes, usize::from(class.len));
                let around = |padding: &[u8]| (!padding.is_empty()).then(|| bytes(padding));
                let parts = [around(&before), Some(code(row)), around(&behind)];
                parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
            }
            _ => bytes(&nop_site(live, 64, usize::from(class.len))),
        },
    }
}

fn is_inline(code: u8) -> bool {
    Arch::X86_64.table().kind("inline").is_some_and(|kind| kind.code == code)
}

/// Bytes as a directive.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(6 + 6 * bytes.len());
    put!(text, ".byte ", Bytes(bytes));
    text
}

/// The code of a row as directives: bytes, and an expression for each fixup.
pub(super) fn code(row: &CheckedRow) -> String {
    let mut parts = Vec::new();
    let mut done = 0usize;
    let code = &row.code;
    let mut fixups: Vec<_> = code.fixups.iter().collect();
    fixups.sort_by_key(|fixup| fixup.offset);
    for fixup in fixups {
        let at = fixup.offset as usize;
        if at > done {
            parts.push(bytes(&code.bytes[done..at]));
        }
        let directive = match fixup.width {
            1 => ".byte",
            2 => ".short",
            4 => ".long",
            _ => ".quad",
        };
        let place = if fixup.kind.is_relative() { " - ." } else { "" };
        parts.push(format!("{directive} {} + {}{place}", fixup.symbol, fixup.addend));
        done = at + usize::from(fixup.width);
    }
    if done < code.bytes.len() {
        parts.push(bytes(&code.bytes[done..]));
    }
    parts.join("; ")
}

/// What stands before the body of a site, as it goes into the assembler. The contract symbol is named once a unit, in a
/// section of its own: linkers do not take a relocation that does nothing for a reference.
const BEFORE: &str = r#"".altmacro\n",
".ifndef .Lpv_{set}_sites\n",
".set .Lpv_{set}_sites, 0\n",
".macro pv_{set}_at pv_n\n",
".Lpv_{set}_at\\pv_n:\n",
".endm\n",
".macro pv_{set}_record pv_n, pv_op, pv_len, pv_kind\n",
".pushsection pv_sites_{set},\"ao\",@progbits,.Lpv_{set}_at\\pv_n\n",
".p2align 2\n",
".Lpv_{set}_record\\pv_n:\n",
".long .Lpv_{set}_at\\pv_n - .Lpv_{set}_record\\pv_n\n",
".short \\pv_op\n",
".byte \\pv_len, \\pv_kind\n",
".popsection\n",
".endm\n",
".pushsection .rodata.pv_{set}_contract,\"aR\",@progbits\n",
".p2align 2\n",
".long {contract} - .\n",
".popsection\n",
".endif\n",
".set .Lpv_{set}_sites, .Lpv_{set}_sites + 1\n",
"pv_{set}_at %.Lpv_{set}_sites\n",
"#;

fn before(cx: &Context<'_>) -> String {
    BEFORE.replace("{set}", &cx.unit().set.name).replace("{contract}", cx.contract)
}

/// The macro of the wrappers: `(op, len, kind, body)` to asm text.
pub(super) fn site_macro(cx: &Context<'_>, text: &mut Text) {
    let set = &cx.unit().set.name;
    line!(text, "macro_rules! ", macro_name(cx), " {");
    text.line("    ($op:literal, $len:literal, $kind:literal, $body:literal) => {");
    text.line("        ::core::concat!(");
    text.nested(3, |text| {
        text.lines(before(cx).lines());
        text.line("$body,");
        let record = r#""\npv_{set}_record %.Lpv_{set}_sites, ", $op, ", ", $len, ", ", $kind,"#;
        text.line(&record.replace("{set}", set));
        text.line(r#""\n.noaltmacro\n","#);
    });
    text.lines(["        )", "    };", "}"]);
}

/// A macro without arguments for each kind that the contract lists: the text of one site for `global_asm!` and `naked_asm!`.
pub(super) fn asm_macros(cx: &Context<'_>, text: &mut Text) {
    let set = &cx.unit().set.name;
    let before = before(cx);
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let Some(contract) = entry.contract else { continue };
        for site in contract.sites.iter().filter(|site| site.kind.operand != SiteOperand::Stub) {
            let class = Class::of(site);
            let plain = format!("{}_{}", entry.op.ident(), site.label().replace(['.', '(', ')'], "_"));
            let public = plain.trim_end_matches('_');
            let operand = match class.operand {
                SiteOperand::SlotRel | SiteOperand::SlotAbs => " Needs `pv_ops = sym OPS`.",
                SiteOperand::Trampoline => " Needs `pv_call = sym` of the op's trampoline in `table`.",
                SiteOperand::None | SiteOperand::Stub => "",
            };
            line!(text, "/// A `", site.label(), "` site of `", entry.op.name, "`: ", class.len, " bytes.", operand);
            line!(text, "macro_rules! pv_", set, "_", public, " {");
            text.lines(["    () => {", "        ::core::concat!("]);
            text.nested(3, |text| {
                text.lines(before.lines());
                line!(text, '"', Quoted(&body(cx, id, class)), "\\n\",");
                let (len, kind) = (class.len, class.code | flags(entry.op));
                let counter = [".Lpv_", set, "_sites"].concat();
                line!(text, "\"pv_", set, "_record %", counter, ", ", id, ", ", len, ", ", kind, "\\n\",");
                text.line(r#"".noaltmacro\n","#);
            });
            text.lines(["        )", "    };", "}"]);
            line!(text, "pub(crate) use pv_", set, "_", public, " as ", public, ";");
        }
    }
}
