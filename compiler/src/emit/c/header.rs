//! `NAME.h`.

use super::names::{self, comment, doc_lines};
use super::sites::{self, Context, Flavour, OpOn};
use super::{branches, calls, frame, thunks};
use crate::arch::{Arch, SiteOperand};
use crate::check::{Checked, CheckedRow};
use crate::emit::text::put;
use crate::model::{Abi, Feature, Op, Unit};
use crate::source::SourceMap;
use askama::Template;

/// Layout of the header; its parts arrive ready, each line of theirs with its end.
#[derive(Template)]
#[template(path = "header.h", escape = "none")]
struct Header<'a> {
    set: &'a str,
    upper: &'a str,
    source: &'a str,
    docs: String,
    contract: &'a str,
    user: bool,
    red_zone: bool,
    identity: bool,
    op_names: String,
    ops: usize,
    branch_names: String,
    branches: usize,
    features: String,
    result_structs: String,
    arches: Vec<ArchPart>,
}

/// What stands under the condition of an arch.
struct ArchPart {
    name: &'static str,
    condition: &'static str,
    /// Types of the fields of the ops structure.
    types: String,
    fields: String,
    /// Sites, wrappers, backend macros, functions of the static branches.
    code: String,
    /// For the assembler.
    macros: String,
}

/// Room for what the template itself has and for what stands in it twice.
const TEMPLATE: usize = 12 << 10;

/// The text of the header.
pub(super) fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let context = Context::new(checked);
    let header = Header {
        set: &unit.set.name,
        upper: &context.upper,
        source: super::source_name(sources),
        docs: set_docs(&unit.set.docs),
        contract: context.contract,
        user: unit.set.abi == Abi::User,
        red_zone: unit
            .ops
            .iter()
            .any(|op| op.on(Arch::X86_64).is_some_and(|contract| calls::endangers_red_zone(op, contract))),
        identity: has_identity(unit),
        op_names: enumerators(&context, "OP", unit.ops.iter().map(Op::ident)),
        ops: unit.ops.len(),
        branch_names: enumerators(&context, "BRANCH", unit.branches.iter().map(|branch| branch.ident())),
        branches: unit.branches.len(),
        features: features(&context, &unit.features),
        result_structs: result_structs(unit),
        arches: unit.set.arches.iter().map(|&arch| arch_part(unit, arch, &context)).collect(),
    };
    let parts =
        header.arches.iter().map(|arch| arch.types.len() + arch.fields.len() + arch.code.len() + arch.macros.len());
    let mut text = String::with_capacity(TEMPLATE + header.op_names.len() + parts.sum::<usize>());
    header.render_into(&mut text).expect("writing to a String does not fail");
    text
}

/// The condition under which the preprocessor compiles for an arch.
pub(super) fn condition(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "defined(__x86_64__)",
        Arch::I386 => "defined(__i386__)",
    }
}

/// Whether any row of the set is the identity row.
pub(super) fn has_identity(unit: &Unit<CheckedRow>) -> bool {
    unit.ops.iter().flat_map(|op| &op.contracts).flat_map(|contract| &contract.rows).any(|row| row.row.identity)
}

/// The documentation of the set as the rest of a comment.
fn set_docs(docs: &[String]) -> String {
    let mut text = String::new();
    if !docs.is_empty() {
        text.push_str(" *\n");
    }
    for line in docs {
        match comment(line.trim_end()) {
            line if line.is_empty() => text.push_str(" *\n"),
            line => put!(text, " * ", line, "\n"),
        }
    }
    text
}

/// The ids of ops or branches.
fn enumerators(context: &Context<'_>, what: &str, names: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for (id, name) in names.enumerate() {
        put!(text, "\tPV_", context.upper, "_", what, "_", name, " = ", id, ",\n");
    }
    text
}

fn features(context: &Context<'_>, features: &[Feature]) -> String {
    let mut text = String::new();
    for (bit, feature) in features.iter().enumerate() {
        put!(text, "#define PV_", context.upper, "_FEATURE_", feature.name, " ((uint64_t)1 << ", bit, ")");
        let docs = feature.docs.iter().map(|line| comment(line.trim())).collect::<Vec<_>>().join(" ");
        let docs = docs.trim();
        if !docs.is_empty() {
            put!(text, " /* ", docs, " */");
        }
        text.push('\n');
    }
    text
}

fn result_structs(unit: &Unit<CheckedRow>) -> String {
    let mut text = String::new();
    for op in unit.ops.iter().filter(|op| op.results().len() > 1) {
        put!(text, "struct ", calls::result_struct(&unit.set, op), " {\n");
        op.results().iter().for_each(|result| put!(text, "\t", names::declare(result), ";\n"));
        text.push_str("};\n\n");
    }
    text
}

fn arch_part(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>) -> ArchPart {
    let mut part = ArchPart {
        name: arch.name(),
        condition: condition(arch),
        types: String::with_capacity(unit.ops.len() << 7),
        fields: String::with_capacity(unit.ops.len() << 7),
        code: String::with_capacity(unit.ops.len() << 11),
        macros: String::with_capacity(unit.ops.len() << 9),
    };
    if frame::is_needed(unit, arch) {
        frame::define(arch, Flavour::C, &mut part.code);
        frame::define(arch, Flavour::Assembler, &mut part.macros);
    }
    for (id, op) in unit.ops.iter().enumerate() {
        let ident = &op.ident();
        match op.on(arch) {
            Some(contract) => op_part(&OpOn { context, id, op, ident, contract }, &mut part),
            None => put!(part.fields, "\tconst void *", ident, "; /* not on ", arch.name(), " */\n"),
        }
    }
    branches::functions(unit, arch, context, &mut part.code);
    branches::macros(unit, arch, context, &mut part.macros);
    part
}

fn op_part(on: &OpOn<'_>, part: &mut ArchPart) {
    let OpOn { context, op, ident, contract, .. } = on;
    let (name, upper) = (&context.set.name, &context.upper);
    let plain = calls::is_plain(op, contract);
    part.fields.push('\t');
    if plain {
        calls::plain_slot(on, &mut part.fields);
    } else {
        put!(part.types, "struct pv_", name, "_", ident, "_slot; /* never defined: ");
        put!(part.types, "no plain function keeps the contract of ", op.name, " */\n");
        put!(part.fields, "const struct pv_", name, "_", ident, "_slot *", ident, ";");
    }
    part.fields.push('\n');

    let code = &mut part.code;
    docs(op, code);
    match op.default.as_deref() {
        Some(symbol) if thunks::wraps_default(op, contract) => {
            thunks::default_declaration(on, symbol, code);
            put!(*code, "extern void pv_", name, "_default_", ident, "(void) PV_HIDDEN;\n");
        }
        Some(symbol) => put!(*code, "extern void pv_", name, "_default_", ident, "(void) __asm__(\"", symbol, "\");\n"),
        None => put!(*code, "extern void pv_", name, "_default_", ident, "(void) PV_HIDDEN;\n"),
    }
    if contract.sites.iter().any(|site| site.kind.operand == SiteOperand::Trampoline) {
        put!(*code, "extern void pv_", name, "_call_", ident, "(void) PV_HIDDEN;\n");
    }
    for site in &contract.sites {
        put!(*code, "#define ", on.site_macro(site), " /* ", comment(&sites::describe(on, site)), " */");
        sites::text(on, site, Flavour::C, code);
        code.push('\n');
        put!(part.macros, ".macro ", on.site_macro(site), "\n");
        sites::text(on, site, Flavour::Assembler, &mut part.macros);
        part.macros.push_str(".endm\n");
    }
    if calls::has_wrapper(op, contract) {
        calls::wrapper(on, code);
    }
    // What diverges or is entry code has no backend in C.
    if !op.diverges() && !op.nocall {
        if plain {
            put!(*code, "#define PV_", upper, "_BACKEND_", ident, "(pv_fn) struct pv_", name, "_ops\n");
            put!(*code, "#define PV_", upper, "_THUNK_", ident, "(pv_fn) (pv_fn)\n");
        } else {
            thunks::backend_macro(on, code);
            put!(*code, "#define PV_", upper, "_THUNK_", ident, "(pv_fn) \\\n\t((const struct pv_", name, "_", ident);
            put!(*code, "_slot *)(unsigned long)pv_", name, "_", ident, "_thunk_##pv_fn)\n");
        }
    }
    code.push('\n');
}

fn docs(op: &Op<CheckedRow>, text: &mut String) {
    put!(*text, "/* ", op.name);
    doc_lines(&op.docs, text);
}
