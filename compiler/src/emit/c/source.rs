//! `NAME.c`.

use super::branches;
use super::header::{condition, has_identity};
use super::names;
use super::sites::{self, Context};
use super::tables::{self, Tables};
use crate::arch::{Arch, SiteOperand};
use crate::check::{Checked, CheckedRow};
use crate::emit::contract;
use crate::emit::layout::Layout;
use crate::model::{Abi, Contract, Op, Unit};
use crate::source::SourceMap;
use askama::Template;

/// Layout of the source; every string is ready.
#[derive(Template)]
#[template(path = "source.c", escape = "none")]
struct Source {
    set: String,
    upper: String,
    source: String,
    arches: Vec<ArchPart>,
    features: Vec<String>,
    features_name: &'static str,
    branches: Vec<String>,
    branch_states: Vec<String>,
}

struct ArchPart {
    name: &'static str,
    condition: &'static str,
    mode: u32,
    symbols: Vec<String>,
    functions: Vec<String>,
    slots: Vec<String>,
    byte_fields: Vec<String>,
    bytes: Vec<String>,
    rows: Vec<String>,
    terms: Vec<String>,
    fixups: Vec<String>,
    ops: Vec<String>,
    plans: Vec<String>,
    kinds: Vec<String>,
    stub: Vec<String>,
    stub_call: usize,
    identity_row: String,
    identity: String,
    rows_name: &'static str,
    bytes_name: &'static str,
    terms_name: &'static str,
    fixups_name: &'static str,
}

/// The text of the source.
pub(super) fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let contract = contract::symbol(checked);
    let context = Context { set: &unit.set.name, contract, user: unit.set.abi == Abi::User };
    let features = unit.features.iter().map(tables::feature).collect::<Vec<_>>();
    let source = Source {
        set: unit.set.name.clone(),
        upper: unit.set.name.to_uppercase(),
        source: sources.files().next().map(|(_, file)| file.name().to_owned()).unwrap_or_default(),
        arches: unit.set.arches.iter().map(|&arch| arch_part(checked, arch, &context, sources)).collect(),
        features_name: if features.is_empty() { "0" } else { "pv_features" },
        features,
        branches: branches::table(unit),
        branch_states: branches::states(unit),
    };
    super::tidy(&source.render().expect("writing to a String does not fail"))
}

fn arch_part(checked: &Checked, arch: Arch, context: &Context<'_>, sources: &SourceMap) -> ArchPart {
    let unit = checked.unit();
    let layout = Layout::new(checked, arch, |_| None);
    let tables = Tables::new(&unit.set.name, &layout, sources);
    let name_if = |there: bool, name: &'static str| if there { name } else { "0" };
    ArchPart {
        name: arch.name(),
        condition: condition(arch),
        mode: arch.bits(),
        functions: functions(unit, arch, context),
        slots: unit.ops.iter().map(|op| slot(unit, op, arch)).collect(),
        identity_row: layout.identity_row.map_or_else(|| "PV_NONE".to_owned(), |row| row.to_string()),
        identity: if layout.identity_row.is_some() {
            format!("PV_ADDRESS(pv_{}_identity)", unit.set.name)
        } else {
            "0".to_owned()
        },
        rows_name: name_if(!tables.rows.is_empty(), "pv_rows"),
        bytes_name: name_if(!tables.byte_fields.is_empty(), "(const unsigned char *)&pv_bytes"),
        terms_name: name_if(!tables.terms.is_empty(), "pv_terms"),
        fixups_name: name_if(!tables.fixups.is_empty(), "pv_fixups"),
        kinds: tables::kinds(arch),
        stub: tables::stub(arch, &layout.stub),
        stub_call: layout.stub.call,
        symbols: tables.symbols,
        byte_fields: tables.byte_fields,
        bytes: tables.bytes,
        rows: tables.rows,
        terms: tables.terms,
        fixups: tables.fixups,
        ops: tables.ops,
        plans: tables.plans,
    }
}

/// Initial value of a slot.
fn slot(unit: &Unit<CheckedRow>, op: &Op<CheckedRow>, arch: Arch) -> String {
    let (name, ident) = (&unit.set.name, names::ident(op));
    match op.on(arch) {
        None => format!(".{ident} = 0,"),
        Some(contract) if super::calls::is_plain(op, contract) => {
            format!(".{ident} = (__typeof__(pv_{name}_ops.{ident}))pv_{name}_default_{ident},")
        }
        Some(_) => {
            format!(".{ident} = __extension__(const struct pv_{name}_{ident}_slot *)pv_{name}_default_{ident},")
        }
    }
}

/// Default implementations, trampolines and the functions of the set.
fn functions(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>) -> Vec<String> {
    let mut functions = Vec::new();
    let set = &unit.set.name;
    for (id, op) in unit.ops.iter().enumerate() {
        let Some(contract) = op.on(arch) else { continue };
        let ident = names::ident(op);
        match &op.default {
            None => functions.push(default_function(set, op, contract)),
            Some(symbol) if super::calls::wraps_default(op, contract) => {
                functions.push(super::calls::default_thunk(context, &unit.set, op, contract, symbol));
            }
            Some(_) => {}
        }
        if contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline) {
            let slot = sites::slot(context, arch, id);
            let jump = match arch {
                Arch::X86_64 => format!("jmp *{slot}(%rip)"),
                Arch::I386 => format!("jmp *{slot}"),
            };
            functions.push(function(&format!("pv_{set}_call_{ident}"), &[jump], "", None));
        }
    }
    let identity =
        unit.ops.iter().filter_map(|op| op.on(arch)).flat_map(|contract| &contract.rows).find(|row| row.row.identity);
    match identity {
        Some(row) => functions.push(function(
            &format!("pv_{set}_identity"),
            &sites::code(&row.code),
            " PV_RET",
            Some(&row.disassembly),
        )),
        // Declared for the other arch.
        None if has_identity(unit) => {
            functions.push(function(&format!("pv_{set}_identity"), &["ud2".into()], "", None))
        }
        None => {}
    }
    if unit.ops.iter().any(|op| op.preserves.vector) {
        functions.push(vector_functions(context.contract, arch));
    }
    functions
}

/// What the slot holds at first: the unconditional row, and a return if control comes back.
fn default_function(set: &str, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> String {
    let name = format!("pv_{set}_default_{}", names::ident(op));
    match sites::fallback(contract) {
        Some(row) => {
            let end = if op.diverges() { "" } else { " PV_RET" };
            function(&name, &sites::code(&row.code), end, Some(&row.disassembly))
        }
        None => function(&name, &["ud2".to_owned()], "", Some("no row for every machine")),
    }
}

fn function(name: &str, lines: &[String], end: &str, comment: Option<&str>) -> String {
    let comment = comment.map(|text| format!("/* {} */\n", names::comment(text))).unwrap_or_default();
    let strings: Vec<String> = lines.iter().map(|line| format!("\"{line}\\n\"")).collect();
    let body = strings.join("\n\t                 ");
    let body = if body.is_empty() { end.trim().to_owned() } else { body + end };
    format!("{comment}PV_CODE {name}(void)\n{{\n\t__asm__ volatile({body});\n}}\n")
}

/// Save and load vector, mask and x87 state for thunks of `preserves vector`. %rax: 2688 bytes, aligned to 64.
///
/// XSAVE with the mask of these components if the OS has enabled it (CPUID.1:ECX.OSXSAVE, asked once), else FXSAVE.
/// XRSTOR wants the header of the area, bytes 512 to 575, zero but for the bits that XSAVE writes (SDM volume 1, 13.4.2).
/// The callee finds an empty x87 stack, as the ABI demands, with the control word of the caller.
fn vector_functions(contract: &str, arch: Arch) -> String {
    let (suffix, bx, ax, cx, mode) = match arch {
        Arch::X86_64 => ("64", "%rbx", "%rax", "%rcx", format!("{contract}_vector_mode(%rip)")),
        Arch::I386 => ("", "%ebx", "%eax", "%ecx", format!("{contract}_vector_mode")),
    };
    let zero: String = (0..64).step_by(sites::word(arch)).map(|at| format!("mov %DX%, {}({cx}); ", 512 + at)).collect();
    let zero = zero.replace("%DX%", if arch == Arch::X86_64 { "%rdx" } else { "%edx" });
    format!(
        "/* 0: not known yet, 1: FXSAVE, 2: XSAVE. */\n\
         unsigned char {contract}_vector_mode PV_HIDDEN __attribute__((used));\n\
         extern void {contract}_save_vectors(void) PV_HIDDEN;\nextern void {contract}_load_vectors(void) PV_HIDDEN;\n\
         PV_CODE {contract}_save_vectors(void)\n{{\n\
         \t__asm__ volatile(\"cmpb $1, {mode}; je 1f; ja 2f\\n\"\n\
         \t                 \"push {bx}; push {ax}; mov $1, %eax; cpuid; bt $27, %ecx\\n\"\n\
         \t                 \"mov $1, %cl; adc $0, %cl; pop {ax}; pop {bx}; mov %cl, {mode}; cmp $1, %cl; ja 2f\\n\"\n\
         \t                 \"1: fxsave{suffix} ({ax}); fninit; fldcw ({ax})\\n\" PV_RET\n\
         \t                 \"2: mov {ax}, {cx}; xor %edx, %edx\\n\"\n\
         \t                 \"{zero}\\n\"\n\
         \t                 \"mov $0xe7, %eax; xsave{suffix} ({cx}); fninit; fldcw ({cx})\\n\" PV_RET);\n}}\n\n\
         PV_CODE {contract}_load_vectors(void)\n{{\n\
         \t__asm__ volatile(\"cmpb $1, {mode}; ja 2f; fxrstor{suffix} ({ax})\\n\" PV_RET\n\
         \t                 \"2: mov {ax}, {cx}; xor %edx, %edx; mov $0xe7, %eax; xrstor{suffix} ({cx})\\n\" PV_RET);\n}}\n"
    )
}
