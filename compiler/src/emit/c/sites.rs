//! The asm text of sites: in C a string for extended asm, in a `.S` file the body of a macro.

use super::names;
use crate::arch::{Arch, SiteOperand};
use crate::check::CheckedRow;
use crate::emit::nops::{nop_site, padding};
use crate::model::{Code, Contract, Op, Site};
use pvc_asm::FixupKind;
use std::fmt::{Arguments, Write};

/// What the text of a site refers to.
pub(super) struct Context<'a> {
    /// Name of the set.
    pub(super) set: &'a str,
    /// The contract symbol; it stands at the start of the ops structure.
    pub(super) contract: &'a str,
    /// Whether it is of `abi user`.
    pub(super) user: bool,
}

/// Bits of a record's kind byte above the code (runtime/FORMAT.md).
const NOCALL: u8 = 0x10;
const LIVE: u8 = 0x20;

/// Where the text will stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    /// Strings of extended asm, the rest of a `#define`: `%` is doubled, `%=` makes labels unique.
    C,
    /// Lines of an assembler macro: `\@` makes labels unique.
    Assembler,
}

/// The asm text of one site as it grows.
struct SiteText {
    flavour: Flavour,
    text: String,
}

impl SiteText {
    /// What makes a label unique.
    fn unique(&self) -> &'static str {
        match self.flavour {
            Flavour::C => "%=",
            Flavour::Assembler => "\\@",
        }
    }

    /// A quotation mark inside the text.
    fn quote(&self) -> &'static str {
        match self.flavour {
            Flavour::C => "\\\"",
            Flavour::Assembler => "\"",
        }
    }

    fn push(&mut self, line: Arguments<'_>) {
        let (start, end) = match self.flavour {
            Flavour::C => (" \\\n\t\"", "\\n\""),
            Flavour::Assembler => ("\t", "\n"),
        };
        self.text.push_str(start);
        self.text.write_fmt(line).expect("writing to a String does not fail");
        self.text.push_str(end);
    }
}

/// A site: its bytes, its record, and its stub if it has one.
pub(super) fn text(
    context: &Context<'_>,
    id: usize,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    site: &Site,
    flavour: Flavour,
) -> String {
    let mut text = SiteText { flavour, text: String::with_capacity(512) };
    let (unique, quote, set) = (text.unique(), text.quote(), context.set);
    let len = site.len.unwrap_or_default();
    let slot = slot(context, contract.arch, id);
    // What the record is linked to: a site and its record are dropped together.
    let mut anchor = ".Lpv";
    if op.live && len <= 8 {
        // An aligned 8-byte word is fetched and stored at once; a site across two words could be seen half written.
        text.push(format_args!(".p2align 3,,{}", len.saturating_sub(1)));
    }
    text.push(format_args!(".Lpv{unique}:"));
    match site.kind.operand {
        SiteOperand::None => {
            let row = inline_row(contract, site);
            let (len, bits) = (usize::from(len), contract.arch.bits());
            let (before, behind) = match row {
                Some(row) => padding(op.live, bits, &row.code.bytes, len),
                None => (Vec::new(), nop_site(op.live, bits, len)),
            };
            let code = row.map(|row| code(&row.code)).unwrap_or_default();
            for line in bytes(&before).into_iter().chain(code).chain(bytes(&behind)) {
                text.push(format_args!("{line}"));
            }
        }
        SiteOperand::Trampoline => {
            let (opcode, ident) = (byte_list(site.kind.opcode), names::ident(op));
            text.push(format_args!("{opcode}; .long pv_{set}_call_{ident} - . - 4"));
        }
        SiteOperand::SlotRel => text.push(format_args!("{}; .long {slot} - . - 4", byte_list(site.kind.opcode))),
        SiteOperand::SlotAbs => text.push(format_args!("{}; .long {slot}", byte_list(site.kind.opcode))),
        SiteOperand::Stub => {
            text.push(format_args!("{}; .long .Lpvstub{unique} - . - 4", byte_list(site.kind.opcode)));
            text.push(format_args!(".subsection 1"));
            text.push(format_args!(".Lpvstub{unique}:"));
            for line in contract.arch.table().stub {
                // Bytes instead of `jmp`, which an assembler may shorten.
                if line.ends_with("jmp BACK") {
                    text.push(format_args!(".byte 0xe9; .long .Lpv{unique} + {len} - . - 4"));
                    continue;
                }
                let line = line.replace("SLOT", &slot);
                match flavour {
                    Flavour::C => text.push(format_args!("{}", line.replace('%', "%%"))),
                    Flavour::Assembler => text.push(format_args!("{line}")),
                }
            }
            anchor = ".Lpvend";
            text.push(format_args!(".Lpvend{unique}:"));
            text.push(format_args!(".previous"));
        }
    }
    if matches!(site.kind.operand, SiteOperand::None | SiteOperand::Trampoline) {
        // Nothing else of such a site names the ops structure.
        text.push(format_args!(".pushsection pv_contract_{set}, {quote}ao{quote}, @progbits, .Lpv{unique}"));
        text.push(format_args!(".long {} - .; .popsection", context.contract));
    }
    // C in user space may have live data below the stack pointer and need not have it aligned: no call there.
    let nocall = op.nocall || (context.user && site.kind.operand == SiteOperand::None && flavour == Flavour::C);
    let kind = site.kind.code | if nocall { NOCALL } else { 0 } | if op.live { LIVE } else { 0 };
    text.push(format_args!(".pushsection pv_sites_{set}, {quote}ao{quote}, @progbits, .Lpv{unique}; .p2align 2"));
    text.push(format_args!(".long {anchor}{unique} - .; .short {id}; .byte {len}, {kind:#04x}"));
    text.push(format_args!(".popsection"));
    text.text
}

/// What a site of this kind does before it is patched, for a comment.
pub(super) fn describe(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>, site: &Site) -> String {
    let ident = names::ident(op);
    match site.kind.operand {
        SiteOperand::None => inline_row(contract, site)
            .map_or_else(|| format!("{} bytes of NOPs", site.len.unwrap_or_default()), |row| row.disassembly.clone()),
        SiteOperand::Trampoline => {
            format!("{} trampoline of {ident}", if site.kind.is_jump() { "jmp" } else { "call" })
        }
        SiteOperand::SlotRel | SiteOperand::SlotAbs => {
            format!("{} *slot of {ident}", if site.kind.is_jump() { "jmp" } else { "call" })
        }
        SiteOperand::Stub => format!("jmp to a stub that calls *slot of {ident} and jumps back"),
    }
}

/// The row that an `inline` site holds: the one without a condition.
pub(super) fn inline_row<'a>(contract: &'a Contract<CheckedRow>, site: &Site) -> Option<&'a CheckedRow> {
    if site.kind.name == "inline" { fallback(contract) } else { None }
}

/// The row that is taken on every machine if no earlier one is.
pub(super) fn fallback(contract: &Contract<CheckedRow>) -> Option<&CheckedRow> {
    contract.rows.iter().find(|row| row.row.when.is_none())
}

/// The address of an op's slot.
pub(super) fn slot(context: &Context<'_>, arch: Arch, id: usize) -> String {
    format!("{}+{}", context.contract, id * word(arch))
}

/// Bytes of a pointer.
pub(super) fn word(arch: Arch) -> usize {
    arch.bits() as usize / 8
}

/// Machine code as directives: the table's own bytes, so that no assembler can choose others.
pub(super) fn code(code: &Code) -> Vec<String> {
    let mut lines = Vec::new();
    let mut at = 0;
    let mut fixups: Vec<_> = code.fixups.iter().collect();
    fixups.sort_by_key(|fixup| fixup.offset);
    for fixup in fixups {
        let start = fixup.offset as usize;
        lines.extend(bytes(&code.bytes[at..start]));
        at = start + usize::from(fixup.width);
        let directive = match fixup.width {
            1 => ".byte",
            2 => ".short",
            4 => ".long",
            _ => ".quad",
        };
        let symbol = if fixup.symbol == "*ABS*" { "" } else { &fixup.symbol };
        let from = if relative(fixup.kind) { " - ." } else { "" };
        lines.push(format!("{directive} {symbol}{:+}{from}", fixup.addend));
    }
    lines.extend(bytes(&code.bytes[at..]));
    lines
}

/// Whether the field holds a distance from itself.
pub(super) fn relative(kind: FixupKind) -> bool {
    matches!(kind, FixupKind::PcRel8 | FixupKind::PcRel16 | FixupKind::PcRel32 | FixupKind::PcRel64 | FixupKind::Plt32)
}

fn bytes(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| byte_list(bytes))
}

fn byte_list(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(6 + 6 * bytes.len());
    for (index, byte) in bytes.iter().enumerate() {
        let before = if index == 0 { ".byte " } else { ", " };
        write!(text, "{before}{byte:#04x}").expect("writing to a String does not fail");
    }
    text
}
