//! `NAME.h`.

use super::branches;
use super::calls;
use super::names;
use super::sites::{self, Context, Flavour};
use crate::arch::Arch;
use crate::check::{Checked, CheckedRow};
use crate::emit::contract;
use crate::emit::text::put;
use crate::model::{Abi, Contract, Op, Unit};
use crate::source::SourceMap;
use askama::Template;

/// Layout of the header; every string is ready.
#[derive(Template)]
#[template(path = "header.h", escape = "none")]
struct Header {
    set: String,
    upper: String,
    guard: String,
    source: String,
    docs: Vec<String>,
    contract: String,
    user: bool,
    red_zone: bool,
    identity: bool,
    op_names: Vec<String>,
    branch_names: Vec<String>,
    features: Vec<String>,
    result_structs: Vec<String>,
    arches: Vec<ArchPart>,
}

struct ArchPart {
    name: &'static str,
    condition: &'static str,
    ops: Vec<OpPart>,
    branches: Vec<String>,
    macros: Vec<String>,
}

struct OpPart {
    /// Documentation and function type.
    types: String,
    /// Field of the ops structure.
    field: String,
    /// Sites, wrapper, backend macros.
    code: String,
}

/// The text of the header.
pub(super) fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let set = unit.set.name.clone();
    let upper = set.to_uppercase();
    let contract = contract::symbol(checked);
    let context = Context { set: &set, contract, user: unit.set.abi == Abi::User };
    let header = Header {
        guard: format!("PV_{upper}"),
        source: sources.files().next().map(|(_, file)| file.name().to_owned()).unwrap_or_default(),
        docs: comment_lines(&unit.set.docs),
        user: unit.set.abi == Abi::User,
        red_zone: unit
            .ops
            .iter()
            .any(|op| op.on(Arch::X86_64).is_some_and(|contract| calls::endangers_red_zone(op, contract))),
        identity: has_identity(unit),
        op_names: unit.ops.iter().map(names::ident).collect(),
        branch_names: unit.branches.iter().map(|branch| branch.ident()).collect(),
        features: unit.features.iter().enumerate().map(|(bit, feature)| feature_macro(&upper, bit, feature)).collect(),
        result_structs: unit.ops.iter().filter(|op| op.results().len() > 1).map(|op| result_struct(unit, op)).collect(),
        arches: unit.set.arches.iter().map(|&arch| arch_part(unit, arch, &context)).collect(),
        set: set.clone(),
        upper,
        contract: contract.to_owned(),
    };
    super::tidy(&header.render().expect("writing to a String does not fail"))
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

fn comment_lines(docs: &[String]) -> Vec<String> {
    if docs.is_empty() {
        return Vec::new();
    }
    std::iter::once(String::new()).chain(docs.iter().map(|line| names::comment(line))).collect()
}

fn feature_macro(upper: &str, bit: usize, feature: &crate::model::Feature) -> String {
    let docs = feature.docs.iter().map(|line| names::comment(line.trim())).collect::<Vec<_>>().join(" ");
    let comment = if docs.is_empty() { String::new() } else { format!(" /* {docs} */") };
    format!("#define PV_{upper}_FEATURE_{} ((uint64_t)1 << {bit}){comment}", feature.name)
}

fn result_struct(unit: &Unit<CheckedRow>, op: &Op<CheckedRow>) -> String {
    let mut text = format!("struct {} {{\n", calls::result_struct(&unit.set, op));
    for result in op.results() {
        put!(text, "\t{};\n", names::declare(result));
    }
    text + "};"
}

fn arch_part(unit: &Unit<CheckedRow>, arch: Arch, context: &Context<'_>) -> ArchPart {
    let ops = unit.ops.iter().enumerate().map(|(id, op)| op_part(unit, id, op, arch, context)).collect();
    let macros = unit
        .ops
        .iter()
        .enumerate()
        .filter_map(|(id, op)| Some((id, op, op.on(arch)?)))
        .map(|(id, op, contract)| assembler_macros(context, id, op, contract));
    let branches = branches::parts(unit, arch, context);
    ArchPart {
        name: arch.name(),
        condition: condition(arch),
        macros: macros.chain(branches.macros).collect(),
        ops,
        branches: branches.functions,
    }
}

fn op_part(unit: &Unit<CheckedRow>, id: usize, op: &Op<CheckedRow>, arch: Arch, context: &Context<'_>) -> OpPart {
    let (set, ident) = (&unit.set, names::ident(op));
    let name = &set.name;
    let Some(contract) = op.on(arch) else {
        return OpPart {
            types: String::new(),
            field: format!("const void *{ident}; /* not on {} */", arch.name()),
            code: String::new(),
        };
    };
    let plain = calls::is_plain(op, contract);
    let callable = !op.diverges() && !op.nocall;
    let types = if plain {
        String::new()
    } else {
        format!(
            "struct pv_{name}_{ident}_slot; /* never defined: no plain function keeps the contract of {} */\n",
            op.name
        )
    };
    let field =
        if plain { calls::plain_slot(set, op) } else { format!("const struct pv_{name}_{ident}_slot *{ident};") };

    let mut code = docs(op);
    if let Some(symbol) = op.default.as_deref().filter(|_| calls::wraps_default(op, contract)) {
        code.push_str(&calls::default_declaration(set, op, symbol));
    }
    code.push_str(&match op.default.as_deref().filter(|_| !calls::wraps_default(op, contract)) {
        Some(symbol) => format!("extern void pv_{name}_default_{ident}(void) __asm__(\"{symbol}\");\n"),
        None => format!("extern void pv_{name}_default_{ident}(void) PV_HIDDEN;\n"),
    });
    if contract.sites.iter().any(|site| site.kind.operand == crate::arch::SiteOperand::Trampoline) {
        put!(code, "extern void pv_{name}_call_{ident}(void) PV_HIDDEN;\n");
    }
    for site in &contract.sites {
        let what = sites::describe(op, contract, site);
        put!(code, "#define {} /* {} */", site_macro(context, op, site), names::comment(&what));
        code.push_str(&sites::text(context, id, op, contract, site, Flavour::C));
        code.push('\n');
    }
    if calls::has_wrapper(op, contract) {
        code.push_str(&calls::wrapper(set, op, contract, &site_macro(context, op, &contract.sites[0])));
    }
    if callable {
        let upper = name.to_uppercase();
        if plain {
            put!(code, "#define PV_{upper}_BACKEND_{ident}(pv_fn) struct pv_{name}_ops\n");
            put!(code, "#define PV_{upper}_THUNK_{ident}(pv_fn) (pv_fn)\n");
        } else {
            code.push_str(&calls::backend_macro(context, set, op, contract));
            put!(
                code,
                "#define PV_{upper}_THUNK_{ident}(pv_fn) \\\n\t((const struct pv_{name}_{ident}_slot *)(unsigned long)pv_{name}_{ident}_thunk_##pv_fn)\n"
            );
        }
    }
    code.push('\n');
    OpPart { types, field, code }
}

fn docs(op: &Op<CheckedRow>) -> String {
    let mut text = format!("/* {}", op.name);
    for (index, line) in op.docs.iter().enumerate() {
        let line = names::comment(line.trim_end());
        let mark = if index == 0 { ": " } else { "\n * " };
        put!(text, "{mark}{}", line.trim_start());
    }
    text + " */\n"
}

/// `PV_SITE_NAME_IDENT_kind`.
fn site_macro(context: &Context<'_>, op: &Op<CheckedRow>, site: &crate::model::Site) -> String {
    format!("PV_SITE_{}_{}_{}", context.set, names::ident(op), names::kind(site))
}

fn assembler_macros(context: &Context<'_>, id: usize, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> String {
    let mut text = String::new();
    for site in &contract.sites {
        put!(text, ".macro {}\n", site_macro(context, op, site));
        text.push_str(&sites::text(context, id, op, contract, site, Flavour::Assembler));
        text.push_str(".endm\n");
    }
    text
}
