//! The tables of runtime/FORMAT.md as C initialisers, for one arch.

use super::names;
use super::patchlets::row_name;
use crate::arch::{Arch, SiteOperand};
use crate::emit::layout::{
    Layout, OP_IDENTITY, OP_LIVE, OP_NOCALL, OP_NORETURN, OP_PARTIAL, OP_RESULT, OpEntry, RowEntry, Stub,
};
use crate::emit::text::put;
use crate::model::{Feature, FeatureSource};
use crate::source::SourceMap;
use pvc_asm::FixupKind;

/// Initialisers, one element a string.
#[derive(Default)]
pub(super) struct Tables {
    /// Declarations of the symbols that fixups name.
    pub(super) symbols: Vec<String>,
    /// Fields of the struct of bytes.
    pub(super) byte_fields: Vec<String>,
    /// The bytes.
    pub(super) bytes: Vec<String>,
    /// `pv_row`
    pub(super) rows: Vec<String>,
    /// `pv_term`
    pub(super) terms: Vec<String>,
    /// `pv_fixup`
    pub(super) fixups: Vec<String>,
    /// `pv_op`
    pub(super) ops: Vec<String>,
    /// `pv_plan`
    pub(super) plans: Vec<String>,
    symbol_names: Vec<String>,
}

impl Tables {
    /// The tables of all ops of the set.
    pub(super) fn new(set: &str, layout: &Layout<'_>, sources: &SourceMap) -> Self {
        let mut tables = Self::default();
        for entry in &layout.ops {
            tables.op(set, entry);
            for (index, row) in layout.rows[entry.row..entry.row + entry.rows].iter().enumerate() {
                tables.row(index, row, sources);
            }
        }
        tables.terms = layout
            .terms
            .iter()
            .map(|term| format!("{{ .all = {:#x}, .none = {:#x} }},", term.all, term.none))
            .collect();
        for fixup in &layout.fixups {
            let target = if fixup.symbol == "*ABS*" { "0".to_owned() } else { tables.symbol(&fixup.symbol) };
            tables.fixups.push(format!(
                "{{ .target = {target}, .addend = {}, .offset = {}, .kind = {} }},",
                fixup.addend,
                fixup.offset,
                fixup_kind(fixup.kind)
            ));
        }
        let kind_name =
            |code| layout.arch.table().kinds.iter().find(|kind| kind.code == code).map_or("", |kind| kind.name);
        tables.plans = layout
            .plans
            .iter()
            .map(|&(code, len)| format!("{{ .kind = {code}, .len = {len} }}, /* {} */", kind_name(code)))
            .collect();
        tables
    }

    fn op(&mut self, set: &str, entry: &OpEntry<'_>) {
        let ident = names::ident(entry.op);
        let mut functions = String::new();
        if let Some(contract) = entry.contract {
            put!(functions, " .default_fn = PV_ADDRESS(pv_{set}_default_{ident}),");
            if contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline) {
                put!(functions, " .trampoline = PV_ADDRESS(pv_{set}_call_{ident}),");
            }
        }
        self.ops.push(format!(
            "{{ .name = \"{}\",{functions}\n\t  .row = {}, .nrows = {}, .inline_row = {}, .plan = {}, .nplans = {}, .flags = {} }},",
            entry.op.name,
            entry.row,
            entry.rows,
            entry.inline_row.map_or_else(|| "PV_NONE".to_owned(), |row| row.to_string()),
            entry.plan,
            entry.plans,
            flags(entry.flags)
        ));
    }

    fn row(&mut self, index: usize, entry: &RowEntry<'_>, sources: &SourceMap) {
        let name = row_name(entry.op, index);
        let (row, code) = (entry.row, &entry.row.code);
        let len = code.bytes.len();
        if len > 0 {
            self.byte_fields.push(format!("unsigned char {name}[{len}];"));
            let when = row.row.when.as_ref().map(|when| format!(" when {}", when.text)).unwrap_or_default();
            self.bytes.push(format!(
                ".{name} = {{ {} }}, /* {} */ /* {}:{}{} */ /* effects: {} */",
                byte_list(&code.bytes),
                names::comment(&row.disassembly),
                sources.file(row.row.file).name(),
                row.row.line,
                names::comment(&when),
                row.effects
            ));
        }
        let offset = if len > 0 { format!("PV_BYTES({name})") } else { "0".to_owned() };
        self.rows.push(format!(
            "{{ .bytes = {offset}, .len = {len}, .term = {}, .nterms = {}, .fixup = {}, .nfixups = {} }},",
            entry.term,
            entry.terms(),
            entry.fixup,
            code.fixups.len(),
        ));
    }

    /// A C name for a symbol of the program, whatever its type and even if C has a builtin of that name.
    fn symbol(&mut self, symbol: &str) -> String {
        let index = self.symbol_names.iter().position(|name| name == symbol).unwrap_or_else(|| {
            self.symbol_names.push(symbol.to_owned());
            let index = self.symbol_names.len() - 1;
            self.symbols.push(format!("extern const char pv_symbol_{index}[] __asm__(\"{symbol}\");"));
            index
        });
        format!("pv_symbol_{index}")
    }
}

fn flags(flags: u16) -> String {
    let names: Vec<&str> = [
        (OP_RESULT, "PV_OP_RESULT"),
        (OP_LIVE, "PV_OP_LIVE"),
        (OP_NOCALL, "PV_OP_NOCALL"),
        (OP_NORETURN, "PV_OP_NORETURN"),
        (OP_IDENTITY, "PV_OP_IDENTITY"),
        (OP_PARTIAL, "PV_OP_PARTIAL"),
    ]
    .into_iter()
    .filter_map(|(flag, name)| (flags & flag != 0).then_some(name))
    .collect();
    if names.is_empty() { "0".to_owned() } else { names.join(" | ") }
}

/// The patcher's name of a field. A kind that it does not know has none: such a table does not compile.
fn fixup_kind(kind: FixupKind) -> String {
    match kind {
        FixupKind::PcRel8 => "PV_FIXUP_REL8".to_owned(),
        FixupKind::PcRel32 | FixupKind::Plt32 => "PV_FIXUP_REL32".to_owned(),
        FixupKind::Abs8 => "PV_FIXUP_ABS8".to_owned(),
        FixupKind::Abs16 => "PV_FIXUP_ABS16".to_owned(),
        FixupKind::Abs32 => "PV_FIXUP_ABS32".to_owned(),
        FixupKind::Abs32Signed => "PV_FIXUP_ABS32S".to_owned(),
        FixupKind::Abs64 => "PV_FIXUP_ABS64".to_owned(),
        other => format!("PV_FIXUP_{}_IS_NOT_SUPPORTED", format!("{other:?}").to_uppercase()),
    }
}

/// One element of the feature table.
pub(super) fn feature(feature: &Feature) -> String {
    match feature.source {
        FeatureSource::Declared => format!("{{ .name = \"{}\", .source = PV_DECLARED }},", feature.name),
        FeatureSource::Cpuid(cpuid) => format!(
            "{{ .name = \"{}\", .leaf = {:#x}, .subleaf = {}, .reg = {}, .bit = {}, .os = {}, .source = PV_CPUID }},",
            feature.name,
            cpuid.leaf,
            cpuid.subleaf,
            cpuid.register as u8,
            cpuid.bit,
            ["PV_OS_NONE", "PV_OS_SSE", "PV_OS_AVX", "PV_OS_AVX512", "PV_OS_AMX"][cpuid.os as usize],
        ),
    }
}

/// The kinds of site, by code.
pub(super) fn kinds(arch: Arch) -> Vec<String> {
    arch.table()
        .kinds
        .iter()
        .map(|kind| {
            let opcode = if kind.opcode.is_empty() {
                String::new()
            } else {
                format!(" .opcode = {{ {} }},", byte_list(kind.opcode))
            };
            let operand = match kind.operand {
                SiteOperand::None => "PV_OPERAND_NONE",
                SiteOperand::Trampoline => "PV_OPERAND_TRAMPOLINE",
                SiteOperand::SlotRel => "PV_OPERAND_SLOT_REL",
                SiteOperand::SlotAbs => "PV_OPERAND_SLOT_ABS",
                SiteOperand::Stub => "PV_OPERAND_STUB",
            };
            format!(
                "[{}] = {{{opcode} .opcode_len = {}, .len = {}, .operand = {operand}, .direct = {:#04x} }}, /* {} */",
                kind.code,
                kind.opcode.len(),
                kind.len.unwrap_or(0),
                kind.direct.unwrap_or(0),
                kind.name
            )
        })
        .collect()
}

/// The stub of `jmp.stub` sites.
pub(super) fn stub(arch: Arch, stub: &Stub) -> Vec<String> {
    let text = arch.table().stub.join("; ");
    let mut lines = vec![format!("/* {text} */")];
    lines.extend(stub.bytes.chunks(16).map(|bytes| byte_list(bytes) + ","));
    lines
}

fn byte_list(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(6 * bytes.len());
    for (index, byte) in bytes.iter().enumerate() {
        put!(text, "{}{byte:#04x}", if index == 0 { "" } else { ", " });
    }
    text
}
