//! The asm text of sites: in C a string for extended asm, in a `.S` file the body of a macro.

use super::frame;
use super::names::SiteMacro;
use crate::arch::{Arch, SiteOperand};
use crate::check::{Checked, CheckedRow};
use crate::emit::contract;
use crate::emit::nops::{nop_site, padding};
use crate::emit::text::{Bytes, Hex, Piece, put};
use crate::model::{Abi, Code, Contract, Op, Set, Site};

/// What all parts of the C outputs refer to.
pub(super) struct Context<'a> {
    /// The set.
    pub(super) set: &'a Set,
    /// Its name in upper case.
    pub(super) upper: String,
    /// The contract symbol; it stands at the start of the ops structure.
    pub(super) contract: &'a str,
}

impl<'a> Context<'a> {
    /// That of the outputs of `checked`.
    pub(super) fn new(checked: &'a Checked) -> Self {
        let set = &checked.unit().set;
        Self { set, upper: set.name.to_uppercase(), contract: contract::symbol(checked) }
    }
}

/// An op on one arch.
pub(super) struct OpOn<'a> {
    pub(super) context: &'a Context<'a>,
    /// Its id.
    pub(super) id: usize,
    pub(super) op: &'a Op<CheckedRow>,
    /// Its identifier.
    pub(super) ident: &'a str,
    pub(super) contract: &'a Contract<CheckedRow>,
}

impl<'a> OpOn<'a> {
    /// The name of a site's macro.
    pub(super) fn site_macro(&self, site: &'a Site) -> SiteMacro<'a> {
        SiteMacro { set: &self.context.set.name, ident: self.ident, site }
    }

    /// The address of its slot.
    pub(super) fn slot(&self) -> Slot<'a> {
        Slot { contract: self.context.contract, offset: self.id * word(self.contract.arch) }
    }
}

/// The address of an op's slot.
#[derive(Clone, Copy)]
pub(super) struct Slot<'a> {
    contract: &'a str,
    offset: usize,
}

impl Piece for Slot<'_> {
    fn append(&self, text: &mut String) {
        put!(*text, self.contract, "+", self.offset);
    }
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
pub(super) struct SiteText<'t> {
    pub(super) flavour: Flavour,
    pub(super) text: &'t mut String,
}

impl SiteText<'_> {
    /// What makes a label unique.
    pub(super) fn unique(&self) -> &'static str {
        match self.flavour {
            Flavour::C => "%=",
            Flavour::Assembler => "\\@",
        }
    }

    /// A quotation mark inside the text.
    pub(super) fn quote(&self) -> &'static str {
        match self.flavour {
            Flavour::C => "\\\"",
            Flavour::Assembler => "\"",
        }
    }

    /// Appends a line.
    pub(super) fn line(&mut self, pieces: &[&dyn Piece]) {
        let (start, end) = match self.flavour {
            Flavour::C => (" \\\n\t\"", "\\n\""),
            Flavour::Assembler => ("\t", "\n"),
        };
        self.text.push_str(start);
        pieces.iter().for_each(|piece| piece.append(self.text));
        self.text.push_str(end);
    }

    /// Appends machine code.
    fn code(&mut self, code: &Code) {
        directives(code, |directive| self.line(directive));
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.line(&[&".byte ", &Bytes(bytes)]);
        }
    }

    /// Appends the user's mark of an indirect call or jump, which comes next.
    fn indirect(&mut self) {
        self.text.push_str(match self.flavour {
            Flavour::C => " \\\n\tPV_ANNOTATE_INDIRECT",
            Flavour::Assembler => "\tPV_ANNOTATE_INDIRECT\n",
        });
    }
}

/// Appends a site: its bytes, its record, and its stub if it has one.
pub(super) fn text(on: &OpOn<'_>, site: &Site, flavour: Flavour, text: &mut String) {
    let OpOn { context, id, op, contract, .. } = on;
    let mut text = SiteText { flavour, text };
    let (unique, quote, set) = (text.unique(), text.quote(), &context.set.name);
    let len = site.len.unwrap_or_default();
    let opcode = Bytes(site.kind.opcode);
    let slot = on.slot();
    // What the record is linked to: a site and its record are dropped together.
    let mut anchor = ".Lpv";
    if op.live && len <= 8 {
        // An aligned 8-byte word is fetched and stored at once; a site across two words could be seen half written.
        text.line(&[&".p2align 3,,", &len.saturating_sub(1)]);
    }
    text.line(&[&".Lpv", &unique, &":"]);
    match site.kind.operand {
        SiteOperand::None => {
            let row = inline_row(contract, site);
            let (len, bits) = (usize::from(len), contract.arch.bits());
            let (before, behind) = match row {
                Some(row) => padding(op.live, bits, &row.code.bytes, len),
                None => (Vec::new(), nop_site(op.live, bits, len)),
            };
            text.bytes(&before);
            row.into_iter().for_each(|row| text.code(&row.code));
            text.bytes(&behind);
        }
        SiteOperand::Trampoline => {
            text.line(&[&".byte ", &opcode, &"; .long pv_", set, &"_call_", &on.ident, &" - . - 4"]);
        }
        SiteOperand::SlotRel => {
            text.indirect();
            text.line(&[&".byte ", &opcode, &"; .long ", &slot, &" - . - 4"]);
        }
        SiteOperand::SlotAbs => {
            text.indirect();
            text.line(&[&".byte ", &opcode, &"; .long ", &slot]);
        }
        SiteOperand::Stub => {
            text.line(&[&".byte ", &opcode, &"; .long .Lpvstub", &unique, &" - . - 4"]);
            text.line(&[&".subsection 1"]);
            text.line(&[&".Lpvstub", &unique, &":"]);
            for line in contract.arch.table().stub {
                // Bytes instead of `jmp`, which an assembler may shorten.
                if line.ends_with("jmp BACK") {
                    text.line(&[&".byte 0xe9; .long .Lpv", &unique, &" + ", &len, &" - . - 4"]);
                    continue;
                }
                let mut own = String::new();
                put!(own, slot);
                let line = line.replace("SLOT", &own);
                if line.starts_with("call") {
                    text.indirect();
                }
                match flavour {
                    Flavour::C => text.line(&[&line.replace('%', "%%")]),
                    Flavour::Assembler => text.line(&[&line]),
                }
            }
            anchor = ".Lpvend";
            text.line(&[&".Lpvend", &unique, &":"]);
            text.line(&[&".previous"]);
            frame::invoke(&mut text);
        }
    }
    if matches!(site.kind.operand, SiteOperand::None | SiteOperand::Trampoline) {
        // Nothing else of such a site names the ops structure.
        text.line(&[&".pushsection pv_contract_", set, &", ", &quote, &"ao", &quote, &", @progbits, .Lpv", &unique]);
        text.line(&[&".long ", &context.contract, &" - .; .popsection"]);
    }
    // C in user space may have live data below the stack pointer and need not have it aligned: no call there.
    let user = context.set.abi == Abi::User;
    let nocall = op.nocall || (user && site.kind.operand == SiteOperand::None && flavour == Flavour::C);
    let kind = site.kind.code | if nocall { NOCALL } else { 0 } | if op.live { LIVE } else { 0 };
    text.line(&[
        &".pushsection pv_sites_",
        set,
        &", ",
        &quote,
        &"ao",
        &quote,
        &", @progbits, .Lpv",
        &unique,
        &"; .p2align 2",
    ]);
    text.line(&[&".long ", &anchor, &unique, &" - .; .short ", id, &"; .byte ", &len, &", ", &Hex(kind)]);
    text.line(&[&".popsection"]);
}

/// What a site of this kind does before it is patched, for a comment.
pub(super) fn describe(on: &OpOn<'_>, site: &Site) -> String {
    let mut text = String::new();
    let verb = if site.kind.is_jump() { "jmp" } else { "call" };
    match site.kind.operand {
        SiteOperand::None => match inline_row(on.contract, site) {
            Some(row) => put!(text, row.disassembly),
            None => put!(text, site.len.unwrap_or_default(), " bytes of NOPs"),
        },
        SiteOperand::Trampoline => put!(text, verb, " trampoline of ", on.ident),
        SiteOperand::SlotRel | SiteOperand::SlotAbs => put!(text, verb, " *slot of ", on.ident),
        SiteOperand::Stub => put!(text, "jmp to a stub that calls *slot of ", on.ident, " and jumps back"),
    }
    text
}

/// The row that an `inline` site holds: the one without a condition.
pub(super) fn inline_row<'a>(contract: &'a Contract<CheckedRow>, site: &Site) -> Option<&'a CheckedRow> {
    if site.kind.name == "inline" { fallback(contract) } else { None }
}

/// The row that is taken on every machine if no earlier one is.
pub(super) fn fallback(contract: &Contract<CheckedRow>) -> Option<&CheckedRow> {
    contract.rows.iter().find(|row| row.row.when.is_none())
}

/// Bytes of a pointer.
pub(super) fn word(arch: Arch) -> usize {
    arch.bits() as usize / 8
}

/// Machine code as directives, one after the other: the table's own bytes, so that no assembler can choose others.
pub(super) fn directives(code: &Code, mut each: impl FnMut(&[&dyn Piece])) {
    let mut at = 0;
    let mut fixups: Vec<_> = code.fixups.iter().collect();
    fixups.sort_by_key(|fixup| fixup.offset);
    for fixup in fixups {
        let start = fixup.offset as usize;
        if at < start {
            each(&[&".byte ", &Bytes(&code.bytes[at..start])]);
        }
        at = start + usize::from(fixup.width);
        let directive = match fixup.width {
            1 => ".byte ",
            2 => ".short ",
            4 => ".long ",
            _ => ".quad ",
        };
        let symbol = if fixup.symbol == "*ABS*" { "" } else { &fixup.symbol };
        let from = if fixup.kind.is_relative() { " - ." } else { "" };
        each(&[&directive, &symbol, &format_args!("{:+}", fixup.addend), &from]);
    }
    if at < code.bytes.len() {
        each(&[&".byte ", &Bytes(&code.bytes[at..])]);
    }
}
