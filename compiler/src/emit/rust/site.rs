//! The asm text of sites and their records.
//!
//! A record is linked to a label at its site (section flag `o`), which must have a name. Rust has no unique number for an
//! `asm!` statement, and the statement may be emitted many times, so the assembler counts: a symbol that is set anew, and
//! macros of the alternate syntax that take its value as an argument. The macros live as long as the assembler does (one
//! codegen unit, or the program under LTO), hence the guard.

use super::Context;
use super::names::quoted;
use crate::arch::{Arch, SiteOperand};
use crate::check::CheckedRow;
use crate::emit::contract;
use crate::emit::nops::nops;
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
    let offset = 8 * id;
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
                let padding = nops(usize::from(class.len).saturating_sub(row.code.bytes.len()));
                if padding.is_empty() { code(row) } else { format!("{}; {}", code(row), bytes(&padding)) }
            }
            _ => bytes(&nops(usize::from(class.len))),
        },
    }
}

fn is_inline(code: u8) -> bool {
    Arch::X86_64.table().kind("inline").is_some_and(|kind| kind.code == code)
}

/// Bytes as a directive.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let list: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    format!(".byte {}", list.join(", "))
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
        let place = if super::table::is_relative(fixup.kind) { " - ." } else { "" };
        parts.push(format!("{directive} {} + {}{place}", fixup.symbol, fixup.addend));
        done = at + usize::from(fixup.width);
    }
    if done < code.bytes.len() {
        parts.push(bytes(&code.bytes[done..]));
    }
    parts.join("; ")
}

/// The lines before and after the body of a site, as they go into the assembler. `(op, len, kind)` are what the record says.
fn around(cx: &Context<'_>) -> (Vec<String>, Vec<String>) {
    let name = &cx.unit().set.name;
    let contract = contract::symbol(cx.checked);
    let before = [
        ".altmacro",
        &format!(".ifndef .Lpv_{name}_sites"),
        &format!(".set .Lpv_{name}_sites, 0"),
        &format!(".macro pv_{name}_at pv_n"),
        &format!(".Lpv_{name}_at\\pv_n:"),
        ".endm",
        &format!(".macro pv_{name}_record pv_n, pv_op, pv_len, pv_kind"),
        &format!(".pushsection pv_sites_{name},\"ao\",@progbits,.Lpv_{name}_at\\pv_n"),
        ".p2align 2",
        &format!(".Lpv_{name}_record\\pv_n:"),
        &format!(".long .Lpv_{name}_at\\pv_n - .Lpv_{name}_record\\pv_n"),
        ".short \\pv_op",
        ".byte \\pv_len, \\pv_kind",
        ".popsection",
        ".endm",
        // Once a unit. Kept by linkers, for which a relocation that does nothing would not be a reference.
        &format!(".pushsection .rodata.pv_{name}_contract,\"aR\",@progbits"),
        ".p2align 2",
        &format!(".long {contract} - ."),
        ".popsection",
        ".endif",
        &format!(".set .Lpv_{name}_sites, .Lpv_{name}_sites + 1"),
        &format!("pv_{name}_at %.Lpv_{name}_sites"),
    ];
    let after = [format!("pv_{name}_record %.Lpv_{name}_sites, "), ".noaltmacro".to_owned()];
    (before.map(str::to_owned).to_vec(), after.to_vec())
}

/// The macro of the wrappers: `(op, len, kind, body)` to asm text.
pub(super) fn site_macro(cx: &Context<'_>) -> Vec<String> {
    let (before, after) = around(cx);
    let mut lines = vec![
        format!("macro_rules! {} {{", macro_name(cx)),
        "    ($op:literal, $len:literal, $kind:literal, $body:literal) => {".to_owned(),
        "        ::core::concat!(".to_owned(),
    ];
    lines.extend(before.iter().map(|line| format!("            {},", quoted(&format!("{line}\n")))));
    lines.push("            $body,".to_owned());
    lines.push(format!("            {}, $op, \", \", $len, \", \", $kind,", quoted(&format!("\n{}", after[0]))));
    lines.push(format!("            {},", quoted(&format!("\n{}\n", after[1]))));
    lines.extend(["        )".to_owned(), "    };".to_owned(), "}".to_owned()]);
    lines
}

/// A macro without arguments for each kind that the contract lists: the text of one site for `global_asm!` and `naked_asm!`.
pub(super) fn asm_macros(cx: &Context<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let (before, after) = around(cx);
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let Some(contract) = entry.contract else { continue };
        for site in contract.sites.iter().filter(|site| site.kind.operand != SiteOperand::Stub) {
            let class = Class::of(site);
            let plain = format!("{}_{}", entry.op.ident(), site.label().replace(['.', '(', ')'], "_"));
            let public = plain.trim_end_matches('_');
            let name = format!("pv_{}_{public}", cx.unit().set.name);
            let operand = match class.operand {
                SiteOperand::SlotRel | SiteOperand::SlotAbs => " Needs `pv_ops = sym OPS`.",
                SiteOperand::Trampoline => " Needs `pv_call = sym` of the op's trampoline in `table`.",
                SiteOperand::None | SiteOperand::Stub => "",
            };
            lines.push(format!("/// A `{}` site of `{}`: {} bytes.{operand}", site.label(), entry.op.name, class.len));
            lines.push(format!("macro_rules! {name} {{"));
            lines.push("    () => {".to_owned());
            lines.push("        ::core::concat!(".to_owned());
            lines.extend(before.iter().map(|line| format!("            {},", quoted(&format!("{line}\n")))));
            lines.push(format!("            {},", quoted(&format!("{}\n", body(cx, id, class)))));
            let record = format!("{}{id}, {}, {}\n", after[0], class.len, class.code | flags(entry.op));
            lines.push(format!("            {},", quoted(&record)));
            lines.push(format!("            {},", quoted(&format!("{}\n", after[1]))));
            lines.extend(["        )".to_owned(), "    };".to_owned(), "}".to_owned()]);
            lines.push(format!("pub(crate) use {name} as {public};"));
        }
    }
    lines
}
