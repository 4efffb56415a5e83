//! The tables of runtime/FORMAT.md as C initialisers, for one arch.

use super::names::comment;
use super::patchlets::RowName;
use crate::arch::{Arch, SiteOperand};
use crate::emit::layout::{
    Layout, OP_IDENTITY, OP_LIVE, OP_NOCALL, OP_NORETURN, OP_PARTIAL, OP_RESULT, OpEntry, RowEntry, Stub,
};
use crate::emit::text::{Bytes, Hex, put};
use crate::model::{Feature, FeatureSource};
use crate::source::SourceMap;
use pvc_asm::FixupKind;
use std::borrow::Cow;

/// Initialisers, one element a line.
#[derive(Default)]
pub(super) struct Tables {
    /// Declarations of the symbols that fixups name.
    pub(super) symbols: String,
    /// Fields of the struct of bytes.
    pub(super) byte_fields: String,
    /// The bytes.
    pub(super) bytes: String,
    /// `pv_row`
    pub(super) rows: String,
    /// `pv_term`
    pub(super) terms: String,
    /// `pv_fixup`
    pub(super) fixups: String,
    /// `pv_op`
    pub(super) ops: String,
    /// `pv_plan`
    pub(super) plans: String,
}

impl Tables {
    /// The tables of all ops of the set.
    pub(super) fn new(set: &str, layout: &Layout<'_>, sources: &SourceMap) -> Self {
        let mut tables = Self::default();
        for entry in &layout.ops {
            let ident = &entry.op.ident();
            tables.op(set, ident, entry);
            for (index, row) in layout.rows[entry.row..entry.row + entry.rows].iter().enumerate() {
                tables.row(RowName { ident, index }, row, sources);
            }
        }
        for term in &layout.terms {
            put!(tables.terms, format_args!("\t{{ .all = {:#x}, .none = {:#x} }},\n", term.all, term.none));
        }
        tables.fixups(layout);
        for &(code, len) in &layout.plans {
            let name = layout.arch.table().kinds.iter().find(|kind| kind.code == code).map_or("", |kind| kind.name);
            put!(tables.plans, "\t{ .kind = ", code, ", .len = ", len, " }, /* ", name, " */\n");
        }
        tables
    }

    fn op(&mut self, set: &str, ident: &str, entry: &OpEntry<'_>) {
        let text = &mut self.ops;
        put!(*text, "\t{ .name = \"", entry.op.name, "\",");
        if let Some(contract) = entry.contract {
            put!(*text, " .default_fn = PV_ADDRESS(pv_", set, "_default_", ident, "),");
            if contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline) {
                put!(*text, " .trampoline = PV_ADDRESS(pv_", set, "_call_", ident, "),");
            }
        }
        put!(*text, "\n\t  .row = ", entry.row, ", .nrows = ", entry.rows, ", .inline_row = ");
        match entry.inline_row {
            Some(row) => put!(*text, row),
            None => text.push_str("PV_NONE"),
        }
        put!(*text, ", .plan = ", entry.plan, ", .nplans = ", entry.plans, ", .flags = ");
        flags(entry.flags, text);
        text.push_str(" },\n");
    }

    fn row(&mut self, name: RowName<'_>, entry: &RowEntry<'_>, sources: &SourceMap) {
        let (row, code) = (entry.row, &entry.row.code);
        let len = code.bytes.len();
        if len > 0 {
            put!(self.byte_fields, "\tunsigned char ", name, "[", len, "];\n");
            let file = sources.file(row.row.file).name();
            put!(self.bytes, "\t.", name, " = { ", Bytes(&code.bytes), " }, /* ", comment(&row.disassembly));
            put!(self.bytes, " */ /* ", file, ":", row.row.line);
            if let Some(when) = &row.row.when {
                put!(self.bytes, " when ", comment(&when.text));
            }
            put!(self.bytes, " */ /* effects: ", format_args!("{}", row.effects), " */\n");
        }
        self.rows.push_str("\t{ .bytes = ");
        match len {
            0 => self.rows.push('0'),
            _ => put!(self.rows, "PV_BYTES(", name, ")"),
        }
        put!(self.rows, ", .len = ", len, ", .term = ", entry.term, ", .nterms = ", entry.terms());
        put!(self.rows, ", .fixup = ", entry.fixup, ", .nfixups = ", code.fixups.len(), " },\n");
    }

    /// The fixups, and C names for the symbols of the program that they refer to, whatever the types of those and even if
    /// C has a builtin of that name.
    fn fixups(&mut self, layout: &Layout<'_>) {
        let mut names: Vec<&str> = Vec::new();
        for fixup in &layout.fixups {
            self.fixups.push_str("\t{ .target = ");
            if fixup.symbol == "*ABS*" {
                self.fixups.push('0');
            } else {
                let index = names.iter().position(|name| *name == fixup.symbol).unwrap_or_else(|| {
                    put!(
                        self.symbols,
                        "extern const char pv_symbol_",
                        names.len(),
                        "[] __asm__(\"",
                        fixup.symbol,
                        "\");\n"
                    );
                    names.push(&fixup.symbol);
                    names.len() - 1
                });
                put!(self.fixups, "pv_symbol_", index);
            }
            put!(
                self.fixups,
                ", .addend = ",
                format_args!("{}", fixup.addend),
                ", .offset = ",
                fixup.offset,
                ", .kind = "
            );
            put!(self.fixups, fixup_kind(fixup.kind), " },\n");
        }
    }
}

fn flags(flags: u16, text: &mut String) {
    let names = [
        (OP_RESULT, "PV_OP_RESULT"),
        (OP_LIVE, "PV_OP_LIVE"),
        (OP_NOCALL, "PV_OP_NOCALL"),
        (OP_NORETURN, "PV_OP_NORETURN"),
        (OP_IDENTITY, "PV_OP_IDENTITY"),
        (OP_PARTIAL, "PV_OP_PARTIAL"),
    ];
    let mut between = "";
    for (_, name) in names.into_iter().filter(|(flag, _)| flags & flag != 0) {
        put!(*text, between, name);
        between = " | ";
    }
    if flags == 0 {
        text.push('0');
    }
}

/// The patcher's name of a field. A kind that it does not know has none: such a table does not compile.
fn fixup_kind(kind: FixupKind) -> Cow<'static, str> {
    match kind {
        FixupKind::PcRel8 => "PV_FIXUP_REL8".into(),
        FixupKind::PcRel32 | FixupKind::Plt32 => "PV_FIXUP_REL32".into(),
        FixupKind::Abs8 => "PV_FIXUP_ABS8".into(),
        FixupKind::Abs16 => "PV_FIXUP_ABS16".into(),
        FixupKind::Abs32 => "PV_FIXUP_ABS32".into(),
        FixupKind::Abs32Signed => "PV_FIXUP_ABS32S".into(),
        FixupKind::Abs64 => "PV_FIXUP_ABS64".into(),
        other => format!("PV_FIXUP_{}_IS_NOT_SUPPORTED", format!("{other:?}").to_uppercase()).into(),
    }
}

/// The feature table.
pub(super) fn features(features: &[Feature]) -> String {
    let mut text = String::new();
    for feature in features {
        put!(text, "\t{ .name = \"", feature.name, "\", ");
        match feature.source {
            FeatureSource::Declared => text.push_str(".source = PV_DECLARED },\n"),
            FeatureSource::Cpuid(cpuid) => {
                put!(text, format_args!(".leaf = {:#x}", cpuid.leaf), ", .subleaf = ", cpuid.subleaf, ", .reg = ");
                put!(text, cpuid.register as u8, ", .bit = ", cpuid.bit, ", .os = ");
                let os = ["PV_OS_NONE", "PV_OS_SSE", "PV_OS_AVX", "PV_OS_AVX512", "PV_OS_AMX"][cpuid.os as usize];
                put!(text, os, ", .source = PV_CPUID },\n");
            }
        }
    }
    text
}

/// The kinds of site, by code.
pub(super) fn kinds(arch: Arch) -> String {
    let mut text = String::new();
    for kind in arch.table().kinds {
        put!(text, "\t[", kind.code, "] = {");
        if !kind.opcode.is_empty() {
            put!(text, " .opcode = { ", Bytes(kind.opcode), " },");
        }
        let operand = match kind.operand {
            SiteOperand::None => "PV_OPERAND_NONE",
            SiteOperand::Trampoline => "PV_OPERAND_TRAMPOLINE",
            SiteOperand::SlotRel => "PV_OPERAND_SLOT_REL",
            SiteOperand::SlotAbs => "PV_OPERAND_SLOT_ABS",
            SiteOperand::Stub => "PV_OPERAND_STUB",
        };
        put!(text, " .opcode_len = ", kind.opcode.len(), ", .len = ", kind.len.unwrap_or(0), ", .operand = ", operand);
        put!(text, ", .direct = ", Hex(kind.direct.unwrap_or(0)), " }, /* ", kind.name, " */\n");
    }
    text
}

/// The stub of `jmp.stub` sites.
pub(super) fn stub(arch: Arch, stub: &Stub) -> String {
    let mut text = String::new();
    put!(text, "\t/* ", arch.table().stub.join("; "), " */\n");
    for bytes in stub.bytes.chunks(16) {
        put!(text, "\t", Bytes(bytes), ",\n");
    }
    text
}
