//! The JSON output: everything that the tables hold, for other tools.
//!
//! The contract: fields are added, never renamed or removed, while `format_version` stays the same.

use crate::check::{Checked, CheckedRow, Effects, flag_list};
use crate::emit::branch::{FORMS, Form};
use crate::model::{Branch, Contract, FeatureSource, Op, Operand, Type};
use crate::source::SourceMap;
use serde::Serialize;

/// Version of the JSON contract.
pub const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    format_version: u32,
    patchset: &'a str,
    docs: String,
    abi: &'static str,
    arches: Vec<&'static str>,
    baseline: Vec<&'a str>,
    features: Vec<FeatureJson<'a>>,
    ops: Vec<OpJson<'a>>,
    branches: Vec<BranchJson<'a>>,
}

#[derive(Serialize)]
struct BranchJson<'a> {
    id: usize,
    name: &'a str,
    ident: String,
    docs: String,
    initial: bool,
    live: bool,
    arches: Vec<&'static str>,
    /// What a site can hold, by its length.
    sites: Vec<BranchSiteJson>,
    file: &'a str,
    line: u32,
}

#[derive(Serialize)]
struct BranchSiteJson {
    len: u8,
    /// While the branch has its initial value.
    nop: String,
    /// While it has the other one.
    jump: String,
}

#[derive(Serialize)]
struct FeatureJson<'a> {
    name: &'a str,
    source: &'static str,
    docs: String,
}

#[derive(Serialize)]
struct OpJson<'a> {
    id: usize,
    name: &'a str,
    ident: String,
    docs: String,
    partial: bool,
    live: bool,
    nocall: bool,
    diverges: bool,
    default: Option<&'a str>,
    contracts: Vec<ContractJson<'a>>,
    rows: Vec<RowJson<'a>>,
}

#[derive(Serialize)]
struct ContractJson<'a> {
    arch: &'static str,
    params: Vec<OperandJson<'a>>,
    results: Vec<OperandJson<'a>>,
    clobbers: Vec<String>,
}

#[derive(Serialize)]
struct OperandJson<'a> {
    name: &'a str,
    r#type: &'static str,
    register: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    high: Option<&'static str>,
}

#[derive(Serialize)]
struct RowJson<'a> {
    arch: &'static str,
    asm: &'a str,
    bytes: String,
    len: usize,
    when: Option<&'a str>,
    identity: bool,
    file: &'a str,
    line: u32,
    sites: Vec<SiteJson>,
    disassembly: &'a str,
    fixups: Vec<FixupJson<'a>>,
    effects: EffectsJson<'a>,
}

/// What the checks found the row to do.
#[derive(Serialize)]
pub(crate) struct EffectsJson<'a> {
    reads: Vec<&'static str>,
    writes: Vec<&'static str>,
    flags_read: Vec<&'static str>,
    flags_written: Vec<&'static str>,
    flags_undefined: Vec<&'static str>,
    reads_memory: bool,
    writes_memory: bool,
    stack: u32,
    barrier: bool,
    privileged: bool,
    features: &'a [String],
}

#[derive(Serialize)]
struct SiteJson {
    kind: String,
    len: u8,
    slack: u8,
}

#[derive(Serialize)]
struct FixupJson<'a> {
    offset: u32,
    width: u8,
    kind: String,
    symbol: &'a str,
    addend: i64,
}

/// The JSON text, pretty-printed and with a newline at its end.
#[must_use]
pub fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let document = Document {
        format_version: FORMAT_VERSION,
        patchset: &unit.set.name,
        docs: unit.set.docs.join("\n"),
        abi: match unit.set.abi {
            crate::model::Abi::Kernel => "kernel",
            crate::model::Abi::User => "user",
        },
        arches: unit.set.arches.iter().map(|arch| arch.name()).collect(),
        baseline: unit.set.baseline.iter().map(String::as_str).collect(),
        features: unit
            .features
            .iter()
            .map(|feature| FeatureJson {
                name: &feature.name,
                source: match feature.source {
                    FeatureSource::Cpuid(_) => "cpuid",
                    FeatureSource::Declared => "declared",
                },
                docs: feature.docs.join("\n"),
            })
            .collect(),
        ops: unit.ops.iter().enumerate().map(|(id, op)| op_json(id, op, sources)).collect(),
        branches: unit.branches.iter().enumerate().map(|(id, branch)| branch_json(id, branch, sources)).collect(),
    };
    // Room for a set of some tens of rows, so that the text is not moved as it grows.
    let mut text = Vec::with_capacity(64 << 10);
    let mut serializer = serde_json::Serializer::pretty(&mut text);
    document.serialize(&mut serializer).expect("strings and numbers always serialize");
    let mut text = String::from_utf8(text).expect("JSON is UTF-8");
    text.push('\n');
    text
}

fn branch_site_json(form: &Form) -> BranchSiteJson {
    let bytes = |spaced: &str| spaced.replace(' ', "");
    BranchSiteJson { len: form.len, nop: bytes(form.nop), jump: bytes(form.jump) }
}

fn branch_json<'a>(id: usize, branch: &'a Branch, sources: &'a SourceMap) -> BranchJson<'a> {
    let file = sources.file(branch.span.file);
    BranchJson {
        id,
        name: &branch.name,
        ident: branch.ident(),
        docs: branch.docs.join("\n"),
        initial: branch.initial,
        live: branch.live,
        arches: branch.arches.iter().map(|arch| arch.name()).collect(),
        sites: FORMS.iter().map(branch_site_json).collect(),
        file: file.name(),
        line: sources.line(branch.span),
    }
}

fn op_json<'a>(id: usize, op: &'a Op<CheckedRow>, sources: &'a SourceMap) -> OpJson<'a> {
    OpJson {
        id,
        name: &op.name,
        ident: op.ident(),
        docs: op.docs.join("\n"),
        partial: op.partial,
        live: op.live,
        nocall: op.nocall,
        diverges: op.diverges(),
        default: op.default.as_deref(),
        contracts: op
            .contracts
            .iter()
            .map(|contract| ContractJson {
                arch: contract.arch.name(),
                params: contract.params.iter().map(operand).collect(),
                results: contract.results.iter().map(operand).collect(),
                clobbers: contract.clobbers.items.iter().map(|item| item.what.to_string()).collect(),
            })
            .collect(),
        rows: op
            .contracts
            .iter()
            .flat_map(|contract| contract.rows.iter().map(|row| row_json(contract, row, sources)))
            .collect(),
    }
}

fn row_json<'a>(contract: &Contract<CheckedRow>, row: &'a CheckedRow, sources: &'a SourceMap) -> RowJson<'a> {
    RowJson {
        arch: contract.arch.name(),
        asm: row.row.asm.text.trim(),
        bytes: hex(row),
        len: row.code.bytes.len(),
        when: row.row.when.as_ref().map(|when| when.text.as_str()),
        identity: row.row.identity,
        file: sources.file(row.row.file).name(),
        line: row.row.line,
        sites: contract
            .sites
            .iter()
            .zip(&row.fits)
            .map(|(site, fit)| SiteJson { kind: site.label(), len: fit.len, slack: fit.slack })
            .collect(),
        disassembly: &row.disassembly,
        fixups: row
            .code
            .fixups
            .iter()
            .map(|fixup| FixupJson {
                offset: fixup.offset,
                width: fixup.width,
                kind: format!("{:?}", fixup.kind).to_ascii_lowercase(),
                symbol: &fixup.symbol,
                addend: fixup.addend,
            })
            .collect(),
        effects: effects(&row.effects),
    }
}

/// The effects of a row as the JSON output has them.
pub(crate) fn effects(effects: &Effects) -> EffectsJson<'_> {
    let registers = |list: &[iced_x86::Register]| list.iter().copied().map(crate::arch::register_name).collect();
    EffectsJson {
        reads: registers(&effects.reads),
        writes: registers(&effects.writes),
        flags_read: flag_list(effects.flags_read),
        flags_written: flag_list(effects.flags_written),
        flags_undefined: flag_list(effects.flags_undefined),
        reads_memory: effects.reads_memory,
        writes_memory: effects.writes_memory,
        stack: effects.stack,
        barrier: effects.barrier,
        privileged: effects.privileged,
        features: &effects.features,
    }
}

/// The bytes as lower-case hex without spaces, `??` for those of a fixup.
fn hex(row: &CheckedRow) -> String {
    let in_fixup = |at: usize| {
        row.code.fixups.iter().any(|fixup| {
            let start = fixup.offset as usize;
            (start..start + usize::from(fixup.width)).contains(&at)
        })
    };
    let byte = |(at, byte): (usize, &u8)| if in_fixup(at) { "??".to_owned() } else { format!("{byte:02x}") };
    row.code.bytes.iter().enumerate().map(byte).collect()
}

fn operand(operand: &Operand) -> OperandJson<'_> {
    OperandJson {
        name: &operand.name,
        r#type: type_name(operand.ty),
        register: crate::arch::register_name(operand.register),
        high: operand.high.map(crate::arch::register_name),
    }
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Word => "word",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::Ptr => "ptr",
        Type::Bool => "bool",
    }
}
