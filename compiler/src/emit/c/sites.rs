//! The asm text of sites: in C a string for extended asm, in a `.S` file the body of a macro.

use super::names;
use crate::arch::{Arch, SiteOperand};
use crate::check::CheckedRow;
use crate::emit::nops::nops;
use crate::model::{Code, Contract, Op, Site};
use pvc_asm::FixupKind;

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

/// What makes labels unique: a placeholder until the flavour is known.
const UNIQUE: &str = "\u{1}";

/// Where the text will stand.
#[derive(Clone, Copy)]
pub(super) enum Flavour {
    /// A string of extended asm: `%` is doubled, `%=` makes labels unique.
    C,
    /// A macro of the assembler: `\@` makes labels unique.
    Assembler,
}

/// The lines of a site: its bytes, its record, and its stub if it has one.
pub(super) fn lines(
    context: &Context<'_>,
    id: usize,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    site: &Site,
    flavour: Flavour,
) -> Vec<String> {
    let mut text = Vec::new();
    let len = site.len.unwrap_or_default();
    let slot = slot(context, contract.arch, id);
    let label = format!(".Lpv{UNIQUE}");
    if op.live {
        // An aligned 8-byte word is fetched and stored at once; a site across two words could be seen half written.
        text.push(format!(".p2align 3,,{}", len.saturating_sub(1)));
    }
    text.push(format!("{label}:"));
    let mut anchor = label.clone();
    match site.kind.operand {
        SiteOperand::None => {
            match inline_row(contract, site) {
                Some(row) => {
                    text.extend(code(&row.code));
                    text.extend(bytes(&nops(usize::from(len) - row.code.bytes.len())));
                }
                None => text.extend(bytes(&nops(usize::from(len)))),
            }
            // Nothing else of such a site names the ops structure.
            text.push(format!(".pushsection pv_contract_{}, \"ao\", @progbits, {label}", context.set));
            text.push(format!(".long {} - .; .popsection", context.contract));
        }
        SiteOperand::Trampoline => {
            let target = format!("pv_{}_call_{}", context.set, names::ident(op));
            text.push(format!("{}; .long {target} - . - 4", byte_list(site.kind.opcode)));
            text.push(format!(".pushsection pv_contract_{}, \"ao\", @progbits, {label}", context.set));
            text.push(format!(".long {} - .; .popsection", context.contract));
        }
        SiteOperand::SlotRel => text.push(format!("{}; .long {slot} - . - 4", byte_list(site.kind.opcode))),
        SiteOperand::SlotAbs => text.push(format!("{}; .long {slot}", byte_list(site.kind.opcode))),
        SiteOperand::Stub => {
            text.push(format!("{}; .long .Lpvstub{UNIQUE} - . - 4", byte_list(site.kind.opcode)));
            anchor = format!(".Lpvend{UNIQUE}");
            text.push(".subsection 1".to_owned());
            text.push(format!(".Lpvstub{UNIQUE}:"));
            for line in contract.arch.table().stub {
                // Bytes instead of `jmp`, which an assembler may shorten.
                match line.strip_suffix("jmp BACK") {
                    Some(_) => text.push(format!(".byte 0xe9; .long {label} + {len} - . - 4")),
                    None => text.push(line.replace("SLOT", &slot)),
                }
            }
            text.push(format!("{anchor}:"));
            text.push(".previous".to_owned());
        }
    }
    // C in user space may have live data below the stack pointer and need not have it aligned: no call there.
    let nocall = op.nocall || (context.user && site.kind.operand == SiteOperand::None && matches!(flavour, Flavour::C));
    let kind = site.kind.code | if nocall { NOCALL } else { 0 } | if op.live { LIVE } else { 0 };
    text.push(format!(".pushsection pv_sites_{}, \"ao\", @progbits, {label}; .p2align 2", context.set));
    text.push(format!(".long {anchor} - .; .short {id}; .byte {len}, {kind:#04x}"));
    text.push(".popsection".to_owned());
    text.into_iter().map(|line| finish(&line, flavour)).collect()
}

fn finish(line: &str, flavour: Flavour) -> String {
    match flavour {
        Flavour::C => line.replace('%', "%%").replace(UNIQUE, "%="),
        Flavour::Assembler => line.replace(UNIQUE, "\\@"),
    }
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
    let list: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    format!(".byte {}", list.join(", "))
}
