//! The tables: defaults, trampolines, and the statics that `runtime/FORMAT.md` describes.

use super::names::Quoted;
use super::{Context, backend, site, thunk};
use crate::arch::{Arch, SiteOperand};
use crate::emit::layout::RowEntry;
use crate::emit::text::{Bytes, Text, line};
use crate::model::FeatureSource;
use pvc_asm::FixupKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

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

/// `// irq.save_fl: pushf; pop %rax (x86_64.pv:31); effects: writes rax; stack 8`
fn comment(cx: &Context<'_>, entry: &RowEntry<'_>, text: &mut Text) {
    let row = entry.row;
    let when = row.row.when.as_ref().map(|when| [" when ", &when.text].concat());
    let file = &cx.sources.file(row.row.file).path;
    let file = file.rsplit('/').next().unwrap_or(file);
    let asm = row.disassembly.replace('\n', "; ");
    let effects = format_args!("{}", row.effects);
    line!(text, "// ", entry.op.name, when, ": ", asm, " (", file, ":", row.row.line, "); effects: ", effects);
}

/// A function that is nothing but `asm`; `operands` end in a comma.
fn naked(text: &mut Text, name: &str, asm: &[&str], operands: &str) {
    text.line("#[unsafe(naked)]");
    line!(text, "pub unsafe extern \"sysv64\" fn ", name, "() {");
    text.nested(1, |text| {
        text.line("::core::arch::naked_asm!(");
        text.nested(1, |text| {
            text.line(r#""endbr64","#);
            asm.iter().for_each(|line| line!(text, "\"", line, "\","));
            if !operands.is_empty() {
                text.line(operands);
            }
            text.line("options(att_syntax)");
        });
        text.line(")");
    });
    text.line("}");
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
pub(super) fn functions(cx: &Context<'_>, text: &mut Text) {
    let mut external = BTreeMap::new();
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let (op, Some(contract)) = (entry.op, entry.contract) else { continue };
        let name = format!("default_{}", op.ident());
        let ends = !op.diverges() && !contract.sites.first().is_some_and(|site| site.kind.is_jump());
        match (&op.default, unconditional(cx, id)) {
            (Some(symbol), _) => {
                let signature = backend::external_signature(op, contract);
                external.entry(symbol).or_insert_with(|| format!("fn {symbol}{signature};"));
                if backend::slot_kind(cx.abi(), op, contract) == backend::SlotKind::Thunk {
                    line!(
                        text,
                        "/// The default of `",
                        op.name,
                        "`: `",
                        symbol,
                        "` behind the thunk that saves what the op does not clobber."
                    );
                    text.line("#[unsafe(naked)]");
                    line!(text, "pub unsafe extern \"sysv64\" fn ", name, "() {");
                    text.nested(1, |text| thunk::render(cx, op, contract, symbol, text));
                    text.line("}");
                } else {
                    line!(text, "/// The default of `", op.name, "`: `", symbol, "`.");
                    naked(text, &name, &["jmp {pv_backend}"], &format!("pv_backend = sym {symbol},"));
                }
            }
            (None, Some(row)) => {
                let code = site::code(row.row);
                comment(cx, row, text);
                line!(text, "/// The default of `", op.name, "`: its unconditional row.");
                naked(text, &name, &[&code, "ret"][..1 + usize::from(ends)], "");
            }
            (None, None) => {
                line!(text, "/// The default of `", op.name, "`: there is none for every CPU.");
                naked(text, &name, &["ud2"], "");
            }
        }
        if has_trampoline(cx, id) {
            line!(text, "/// What a direct call of `", op.name, "` reaches before patching.");
            let jump = format!("jmp *{{pv_ops}}+{}(%rip)", 8 * id);
            naked(text, &format!("call_{}", op.ident()), &[&jump], "pv_ops = sym super::OPS,");
        }
    }
    if !external.is_empty() {
        text.line("unsafe extern \"sysv64\" {");
        text.nested(1, |text| external.values().for_each(|line| text.line(line)));
        text.line("}");
    }
}

fn has_trampoline(cx: &Context<'_>, id: usize) -> bool {
    let contract = cx.layout.ops[id].contract;
    contract.is_some_and(|contract| contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline))
}

/// An array, the lines of each element by `element`.
fn array<T>(text: &mut Text, name: &str, ty: &str, items: &[T], mut element: impl FnMut(&mut Text, &T)) {
    line!(text, "static ", name, ": [", ty, "; ", items.len(), "] = [");
    text.nested(1, |text| items.iter().for_each(|item| element(text, item)));
    text.line("];");
}

/// The statics.
pub(super) fn statics(cx: &Context<'_>, text: &mut Text) {
    let layout = cx.layout;
    // Bytes, row by row, with what they are.
    line!(text, "static BYTES: [u8; ", layout.bytes.len(), "] = [");
    text.nested(1, |text| {
        for row in &layout.rows {
            comment(cx, row, text);
            line!(text, Bytes(&row.row.code.bytes), ",");
        }
    });
    text.line("];");

    array(text, "ROWS", "Row", &layout.rows, |text, row| {
        line!(
            text,
            format_args!(
                "Row {{ bytes: {}, len: {}, flags: 0, term: {}, nterms: {}, fixup: {}, nfixups: {} }}, // {}",
                row.bytes,
                row.row.code.bytes.len(),
                row.term,
                row.terms(),
                row.fixup,
                row.row.code.fixups.len(),
                row.op.name
            )
        );
    });
    array(text, "TERMS", "Term", &layout.terms, |text, term| {
        line!(text, format_args!("Term {{ all: {:#x}, none: {:#x} }},", term.all, term.none));
    });
    array(text, "FEATURES", "Feature", &cx.unit().features, |text, feature| {
        let (leaf, subleaf, register, bit, os, source) = match &feature.source {
            FeatureSource::Cpuid(cpuid) => {
                (cpuid.leaf, cpuid.subleaf, cpuid.register as u8, cpuid.bit, cpuid.os as u8, "SOURCE_CPUID")
            }
            FeatureSource::Declared => (0, 0, 0, 0, 0, "SOURCE_DECLARED"),
        };
        line!(
            text,
            format_args!(
                "Feature {{ name: {}, leaf: {leaf:#x}, subleaf: {subleaf}, reg: {register}, bit: {bit}, os: {os}, source: {source}, reserved: 0 }},",
                c_string(&feature.name)
            )
        );
    });
    kinds(text);
    line!(text, "static STUB: [u8; ", layout.stub.bytes.len(), "] = [", Bytes(&layout.stub.bytes), "];");
    let ids: Vec<usize> = (0..layout.ops.len()).collect();
    array(text, "OP_TABLE", "Op", &ids, |text, &id| op(cx, id, text));
    line!(
        text,
        format_args!(
            "static PLANS: Scratch<[Plan; {}]> = Scratch::new([{}]);",
            layout.plans.len(),
            layout.plans.iter().map(|(kind, len)| format!("Plan::new({kind}, {len})")).collect::<Vec<_>>().join(", ")
        )
    );
    let ops = layout.ops.len();
    // A list that is empty has no element to repeat: clippy takes that for a mistake.
    let nulls = if ops == 0 { "[]".to_owned() } else { format!("[::core::ptr::null(); {ops}]") };
    line!(text, "static APPLIED: Scratch<[*const c_void; ", ops, "]> = Scratch::new(", nulls, ");");
}

fn op(cx: &Context<'_>, id: usize, text: &mut Text) {
    let entry = &cx.layout.ops[id];
    let trampoline = match has_trampoline(cx, id) {
        true => format!("call_{} as *const c_void", entry.op.ident()),
        false => "::core::ptr::null()".to_owned(),
    };
    let inline_row = entry.inline_row.map_or("NONE".to_owned(), |row| row.to_string());
    text.line("Op {");
    text.nested(1, |text| {
        line!(text, "name: ", c_string(&entry.op.name), ",");
        line!(text, "default_fn: ", default_fn(cx, id), ",");
        line!(text, "trampoline: ", trampoline, ",");
        line!(text, "row: ", entry.row, ", nrows: ", entry.rows, ", inline_row: ", inline_row, ",");
        line!(text, "plan: ", entry.plan, ", nplans: ", entry.plans, ", flags: ", entry.flags, ",");
    });
    text.line("},");
}

/// The kinds, by code; codes that the arch does not use stay empty.
fn kinds(text: &mut Text) {
    let kinds = Arch::X86_64.table().kinds;
    let count = kinds.iter().map(|kind| kind.code + 1).max().unwrap_or(0);
    let codes: Vec<u8> = (0..count).collect();
    array(text, "KINDS", "Kind", &codes, |text, &code| {
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
        let [first, second, third, fourth] = opcode;
        line!(
            text,
            format_args!(
                "Kind {{ opcode: [{first:#04x}, {second:#04x}, {third:#04x}, {fourth:#04x}], opcode_len: {opcode_len}, \
             len: {len}, operand: {operand}, direct: {direct:#04x} }}, // {name}"
            )
        );
    });
}

/// A NUL-terminated name. Edition 2018 has no `c""`.
fn c_string(text: &str) -> String {
    format!("name(b\"{}\\0\")", text.escape_default())
}

/// The fixups, as assembly: a symbol that a row names may be code or data, of any language, and Rust would have to know.
pub(super) fn fixups(cx: &Context<'_>, text: &mut Text) {
    let layout = cx.layout;
    let name = &cx.unit().set.name;
    if layout.fixups.is_empty() {
        text.line("const FIXUPS: *const Fixup = ::core::ptr::null();");
        return;
    }
    text.line("::core::arch::global_asm!(");
    let mut push = |line: &str| line!(text, "    \"", Quoted(line), "\",");
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
    kinds.iter().for_each(|kind| line!(text, "    ", kind, " = const ", kind, ","));
    text.lines(["    options(att_syntax)", ");", "unsafe extern \"C\" {"]);
    line!(text, "    #[link_name = \"pv_", name, "_fixups\"]");
    text.lines(["    static FIXUP_TABLE: Fixup;", "}", "const FIXUPS: *const Fixup = &raw const FIXUP_TABLE;"]);
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
         nfixups: {}, nfeatures: {}, nplans: {}, identity_row: {identity}, nbranches: {},",
        layout.stub.bytes.len(),
        layout.stub.call,
        layout.ops.len(),
        layout.rows.len(),
        layout.terms.len(),
        layout.fixups.len(),
        cx.unit().features.len(),
        layout.plans.len(),
        cx.unit().branches.len(),
    );
    text
}

/// The fields of the ops structure.
pub(super) fn op_fields(cx: &Context<'_>, text: &mut Text) {
    for entry in &cx.layout.ops {
        let name = super::names::ident(&entry.op.ident());
        let ty = backend::slot_type(entry.op, entry.contract);
        let note = if entry.contract.is_none() { ", which x86_64 does not have" } else { "" };
        line!(text, "/// `", entry.op.name, "`", note, ".");
        line!(text, "pub ", name, ": ", ty, ",");
    }
}

/// Their first values.
pub(super) fn op_values(cx: &Context<'_>, text: &mut Text) {
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let name = super::names::ident(&entry.op.ident());
        let value = default_fn(cx, id);
        let value = value.strip_prefix("super::").map_or_else(|| format!("table::{value}"), str::to_owned);
        let value =
            value.replace("table::(&raw const ", "(&raw const table::").replace("c_void", "::core::ffi::c_void");
        text.line("// SAFETY: the default keeps the contract of its op.");
        line!(text, name, ": unsafe { ::pvc_runtime::Slot::new(", value, ") },");
    }
}
