//! The tables: defaults, trampolines, and the statics that `runtime/FORMAT.md` describes.

use super::{Context, backend, site, thunk};
use crate::arch::{Arch, SiteOperand};
use crate::emit::layout::RowEntry;
use crate::model::FeatureSource;
use pvc_asm::FixupKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Whether the field counts from its own address.
pub(super) fn is_relative(kind: FixupKind) -> bool {
    matches!(kind, FixupKind::PcRel8 | FixupKind::PcRel16 | FixupKind::PcRel32 | FixupKind::PcRel64 | FixupKind::Plt32)
}

/// The constant of the table format; `None` for kinds that the patcher does not know, which the checks refuse.
fn fixup_kind(kind: FixupKind) -> Option<&'static str> {
    Some(match kind {
        FixupKind::PcRel8 => "FIXUP_REL8",
        FixupKind::PcRel32 | FixupKind::Plt32 => "FIXUP_REL32",
        FixupKind::Abs32 => "FIXUP_ABS32",
        FixupKind::Abs32Signed => "FIXUP_ABS32S",
        FixupKind::Abs64 => "FIXUP_ABS64",
        FixupKind::Abs8 => "FIXUP_ABS8",
        FixupKind::Abs16 => "FIXUP_ABS16",
        _ => return None,
    })
}

/// `// irq.save_fl: pushf; pop %rax (x86_64.pv:31)`
fn comment(cx: &Context<'_>, entry: &RowEntry<'_>) -> String {
    let row = entry.row;
    let when = row.row.when.as_ref().map_or(String::new(), |when| format!(" when {}", when.text));
    let file = &cx.sources.file(row.row.file).path;
    let file = file.rsplit('/').next().unwrap_or(file);
    format!("// {}{when}: {} ({file}:{})", entry.op.name, row.disassembly.replace('\n', "; "), row.row.line)
}

fn naked(name: &str, doc: &str, asm: &[String], operands: &[String]) -> Vec<String> {
    let mut lines = vec![
        format!("/// {doc}"),
        "#[unsafe(naked)]".to_owned(),
        format!("pub unsafe extern \"sysv64\" fn {name}() {{"),
        "    ::core::arch::naked_asm!(".to_owned(),
    ];
    lines.extend(asm.iter().map(|line| format!("        \"{line}\",")));
    lines.extend(operands.iter().map(|operand| format!("        {operand},")));
    lines.extend(["        options(att_syntax)".to_owned(), "    )".to_owned(), "}".to_owned()]);
    lines
}

/// The first row without a condition.
fn unconditional<'a>(cx: &'a Context<'_>, id: usize) -> Option<&'a RowEntry<'a>> {
    let entry = &cx.layout.ops[id];
    cx.layout.rows[entry.row..][..entry.rows].iter().find(|row| row.row.row.when.is_none())
}

/// The expression of an op's default function.
fn default_fn(cx: &Context<'_>, id: usize) -> String {
    let entry = &cx.layout.ops[id];
    match entry.contract {
        None => "super::nop as *const c_void".to_owned(),
        Some(_) => format!("default_{} as *const c_void", entry.op.ident()),
    }
}

/// The default implementations, the trampolines, and the external functions that defaults call.
pub(super) fn functions(cx: &Context<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut external = BTreeMap::new();
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let (op, Some(contract)) = (entry.op, entry.contract) else { continue };
        let name = format!("default_{}", op.ident());
        let doc = format!("The default of `{}`", op.name);
        let ends = !op.diverges() && !contract.sites.first().is_some_and(|site| site.kind.is_jump());
        match (&op.default, unconditional(cx, id)) {
            (Some(symbol), _) => {
                let signature = backend::external_signature(op, contract);
                external.entry(symbol).or_insert_with(|| format!("fn {symbol}{signature};"));
                if backend::slot_kind(cx.abi(), op, contract) == backend::SlotKind::Thunk {
                    lines.push(format!(
                        "/// {doc}: `{symbol}` behind the thunk that saves what the op does not clobber."
                    ));
                    lines.push("#[unsafe(naked)]".to_owned());
                    lines.push(format!("pub unsafe extern \"sysv64\" fn {name}() {{"));
                    lines.extend(thunk::render(cx, op, contract, symbol).into_iter().map(|line| format!("    {line}")));
                    lines.push("}".to_owned());
                } else {
                    let asm = ["endbr64".to_owned(), "jmp {pv_backend}".to_owned()];
                    lines.extend(naked(
                        &name,
                        &format!("{doc}: `{symbol}`."),
                        &asm,
                        &[format!("pv_backend = sym {symbol}")],
                    ));
                }
            }
            (None, Some(row)) => {
                let mut asm = vec!["endbr64".to_owned(), site::code(row.row)];
                if ends {
                    asm.push("ret".to_owned());
                }
                lines.push(comment(cx, row));
                lines.extend(naked(&name, &format!("{doc}: its unconditional row."), &asm, &[]));
            }
            (None, None) => {
                let asm = ["endbr64".to_owned(), "ud2".to_owned()];
                lines.extend(naked(&name, &format!("{doc}: there is none for every CPU."), &asm, &[]));
            }
        }
        if has_trampoline(cx, id) {
            let asm = ["endbr64".to_owned(), format!("jmp *{{pv_ops}}+{}(%rip)", 8 * id)];
            let doc = format!("What a direct call of `{}` reaches before patching.", op.name);
            lines.extend(naked(&format!("call_{}", op.ident()), &doc, &asm, &["pv_ops = sym super::OPS".to_owned()]));
        }
    }
    if !external.is_empty() {
        lines.push("unsafe extern \"sysv64\" {".to_owned());
        lines.extend(external.into_values().map(|line| format!("    {line}")));
        lines.push("}".to_owned());
    }
    lines
}

fn has_trampoline(cx: &Context<'_>, id: usize) -> bool {
    let contract = cx.layout.ops[id].contract;
    contract.is_some_and(|contract| contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline))
}

/// `a, b, c,` lines of an array, each element by `element`.
fn array<T>(name: &str, ty: &str, items: &[T], mut element: impl FnMut(&T) -> Vec<String>) -> Vec<String> {
    let mut lines = vec![format!("static {name}: [{ty}; {}] = [", items.len())];
    for item in items {
        lines.extend(element(item).into_iter().map(|line| format!("    {line}")));
    }
    lines.push("];".to_owned());
    lines
}

fn bytes_list(bytes: &[u8]) -> String {
    let list: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x},")).collect();
    list.join(" ")
}

/// The statics.
pub(super) fn statics(cx: &Context<'_>) -> Vec<String> {
    let layout = cx.layout;
    let mut lines = Vec::new();
    // Bytes, row by row, with what they are.
    lines.push(format!("static BYTES: [u8; {}] = [", layout.bytes.len()));
    for row in &layout.rows {
        lines.push(format!("    {}", comment(cx, row)));
        lines.push(format!("    {}", bytes_list(&row.row.code.bytes)));
    }
    lines.push("];".to_owned());

    lines.extend(array("ROWS", "Row", &layout.rows, |row| {
        vec![format!(
            "Row {{ bytes: {}, len: {}, flags: 0, term: {}, nterms: {}, fixup: {}, nfixups: {} }}, // {}",
            row.bytes,
            row.row.code.bytes.len(),
            row.term,
            row.terms(),
            row.fixup,
            row.row.code.fixups.len(),
            row.op.name
        )]
    }));
    lines.extend(array("TERMS", "Term", &layout.terms, |term| {
        vec![format!("Term {{ all: {:#x}, none: {:#x} }},", term.all, term.none)]
    }));
    lines.extend(array("FEATURES", "Feature", &cx.unit().features, |feature| {
        let (leaf, subleaf, register, bit, os, source) = match &feature.source {
            FeatureSource::Cpuid(cpuid) => {
                (cpuid.leaf, cpuid.subleaf, cpuid.register as u8, cpuid.bit, cpuid.os as u8, "SOURCE_CPUID")
            }
            FeatureSource::Declared => (0, 0, 0, 0, 0, "SOURCE_DECLARED"),
        };
        vec![format!(
            "Feature {{ name: {}, leaf: {leaf:#x}, subleaf: {subleaf}, reg: {register}, bit: {bit}, os: {os}, source: {source}, reserved: 0 }},",
            c_string(&feature.name)
        )]
    }));
    lines.extend(kinds());
    lines.push(format!("static STUB: [u8; {}] = [{}];", layout.stub.bytes.len(), bytes_list(&layout.stub.bytes)));
    let ids: Vec<usize> = (0..layout.ops.len()).collect();
    lines.extend(array("OP_TABLE", "Op", &ids, |&id| op(cx, id)));
    lines.push(format!(
        "static PLANS: Scratch<[Plan; {}]> = Scratch::new([{}]);",
        layout.plans.len(),
        layout.plans.iter().map(|(kind, len)| format!("Plan::new({kind}, {len})")).collect::<Vec<_>>().join(", ")
    ));
    lines.push(format!(
        "static APPLIED: Scratch<[*const c_void; {0}]> = Scratch::new([::core::ptr::null(); {0}]);",
        layout.ops.len()
    ));
    lines
}

fn op(cx: &Context<'_>, id: usize) -> Vec<String> {
    let entry = &cx.layout.ops[id];
    let trampoline = match has_trampoline(cx, id) {
        true => format!("call_{} as *const c_void", entry.op.ident()),
        false => "::core::ptr::null()".to_owned(),
    };
    let inline_row = entry.inline_row.map_or("NONE".to_owned(), |row| row.to_string());
    vec![
        "Op {".to_owned(),
        format!("    name: {},", c_string(&entry.op.name)),
        format!("    default_fn: {},", default_fn(cx, id)),
        format!("    trampoline: {trampoline},"),
        format!("    row: {}, nrows: {}, inline_row: {inline_row},", entry.row, entry.rows),
        format!("    plan: {}, nplans: {}, flags: {},", entry.plan, entry.plans, entry.flags),
        "},".to_owned(),
    ]
}

/// The kinds, by code; codes that the arch does not use stay empty.
fn kinds() -> Vec<String> {
    let kinds = Arch::X86_64.table().kinds;
    let count = kinds.iter().map(|kind| kind.code + 1).max().unwrap_or(0);
    let codes: Vec<u8> = (0..count).collect();
    array("KINDS", "Kind", &codes, |&code| {
        let kind = kinds.iter().find(|kind| kind.code == code);
        let mut opcode = [0u8; 4];
        let (mut opcode_len, mut len, mut operand, mut direct, mut name) = (0, 0, 0, 0, "not on this arch");
        if let Some(kind) = kind {
            opcode_len = kind.opcode.len().min(4);
            opcode[..opcode_len].copy_from_slice(&kind.opcode[..opcode_len]);
            (len, operand) = (kind.len.unwrap_or(0), kind.operand as u8);
            direct = kind.direct.unwrap_or(0);
            name = kind.name;
        }
        let opcode: Vec<String> = opcode.iter().map(|byte| format!("{byte:#04x}")).collect();
        vec![format!(
            "Kind {{ opcode: [{}], opcode_len: {opcode_len}, len: {len}, operand: {operand}, direct: {direct:#04x} }}, // {name}",
            opcode.join(", ")
        )]
    })
}

/// A NUL-terminated name. Edition 2018 has no `c""`.
fn c_string(text: &str) -> String {
    format!("name(b\"{}\\0\")", text.escape_default())
}

/// The fixups, as assembly: a symbol that a row names may be code or data, of any language, and Rust would have to know.
pub(super) fn fixups(cx: &Context<'_>) -> Vec<String> {
    let layout = cx.layout;
    let name = &cx.unit().set.name;
    let mut lines = Vec::new();
    if layout.fixups.is_empty() {
        lines.push("const FIXUPS: *const Fixup = ::core::ptr::null();".to_owned());
        return lines;
    }
    lines.push("::core::arch::global_asm!(".to_owned());
    let mut push = |line: &str| lines.push(format!("    \"{}\",", line.escape_default()));
    push(&format!(".pushsection .data.rel.ro.pv_{name}_fixups,\"aw\",@progbits"));
    push(".p2align 3");
    push(&format!(".globl pv_{name}_fixups"));
    push(&format!(".hidden pv_{name}_fixups"));
    push(&format!("pv_{name}_fixups:"));
    for fixup in &layout.fixups {
        match fixup_kind(fixup.kind) {
            Some(kind) => push(&format!(
                ".quad {}; .long {}; .byte {}, {{{kind}}}; .short 0",
                fixup.symbol, fixup.addend, fixup.offset
            )),
            None => push(&format!(".error \"{:?} fixups cannot be patched\"", fixup.kind)),
        }
    }
    push(".popsection");
    let kinds: BTreeSet<&str> = layout.fixups.iter().filter_map(|fixup| fixup_kind(fixup.kind)).collect();
    lines.extend(kinds.iter().map(|kind| format!("    {kind} = const {kind},")));
    lines.push("    options(att_syntax)".to_owned());
    lines.push(");".to_owned());
    lines.push("unsafe extern \"C\" {".to_owned());
    lines.push(format!("    #[link_name = \"pv_{name}_fixups\"]"));
    lines.push("    static FIXUP_TABLE: Fixup;".to_owned());
    lines.push("}".to_owned());
    lines.push("const FIXUPS: *const Fixup = &raw const FIXUP_TABLE;".to_owned());
    lines
}

/// The fields of the set's root that are numbers.
pub(super) fn root(cx: &Context<'_>) -> String {
    let layout = cx.layout;
    let nkinds = Arch::X86_64.table().kinds.iter().map(|kind| kind.code + 1).max().unwrap_or(0);
    let identity = layout.identity_row.map_or("NONE".to_owned(), |row| row.to_string());
    let mut text = String::new();
    let _ = write!(
        text,
        "format: FORMAT, mode: 64, stub_len: {}, stub_call: {}, nkinds: {nkinds}, nops: {}, nrows: {}, nterms: {}, \
         nfixups: {}, nfeatures: {}, nplans: {}, identity_row: {identity}, nbranches: 0,",
        layout.stub.bytes.len(),
        layout.stub.call,
        layout.ops.len(),
        layout.rows.len(),
        layout.terms.len(),
        layout.fixups.len(),
        cx.unit().features.len(),
        layout.plans.len(),
    );
    text
}

/// The fields of the ops structure, and its first values.
pub(super) fn ops(cx: &Context<'_>) -> (Vec<String>, Vec<String>) {
    let mut fields = Vec::new();
    let mut values = Vec::new();
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let name = super::names::ident(&entry.op.ident());
        let ty = backend::slot_type(entry.op, entry.contract);
        let note = if entry.contract.is_none() { ", which x86_64 does not have" } else { "" };
        fields.push(format!("/// `{}`{note}.", entry.op.name));
        fields.push(format!("pub {name}: {ty},"));
        let value = default_fn(cx, id);
        let value = value.strip_prefix("super::").map_or_else(|| format!("table::{value}"), str::to_owned);
        let value =
            value.replace("table::(&raw const ", "(&raw const table::").replace("c_void", "::core::ffi::c_void");
        values.push("// SAFETY: the default keeps the contract of its op.".to_owned());
        values.push(format!("{name}: unsafe {{ ::pvc_runtime::Slot::new({value}) }},"));
    }
    (fields, values)
}
