//! The Rust output: one module for `include!`, with wrappers, ops structure, backends and tables. x86_64 only.

mod backend;
mod branches;
mod names;
mod safety;
mod site;
mod table;
mod thunk;
mod wrapper;

use crate::arch::Arch;
use crate::check::{Checked, CheckedRow};
use crate::emit::contract;
use crate::emit::layout::Layout;
use crate::emit::text::{Text, line};
use crate::model::{Abi, Unit};
use crate::source::SourceMap;
use askama::Template;
use std::collections::BTreeMap;

/// What the parts of the emitter look at.
struct Context<'a> {
    checked: &'a Checked,
    sources: &'a SourceMap,
    layout: &'a Layout<'a>,
    contract: &'a str,
}

impl<'a> Context<'a> {
    fn unit(&self) -> &'a Unit<CheckedRow> {
        self.checked.unit()
    }

    fn abi(&self) -> Abi {
        self.unit().set.abi
    }
}

/// The layout of the file; its lines arrive ready.
#[derive(Template)]
#[template(path = "rust.rs.txt", escape = "none")]
struct File<'a> {
    source: &'a str,
    name: &'a str,
    module: String,
    docs: String,
    contract: &'a str,
    site_macro: String,
    branch_macro: String,
    branches: String,
    branch_statics: String,
    has_branches: bool,
    features: String,
    wrappers: String,
    op_fields: String,
    op_values: String,
    backends: String,
    sites: String,
    functions: String,
    fixups: String,
    statics: String,
    root: String,
    has_sites: bool,
}

/// Room for what the template itself has, and for the smaller parts.
const TEMPLATE: usize = 16 << 10;

/// The function that is generated for callers of an op, by its index, without its body; `None` if there is none.
#[must_use]
pub fn signature(checked: &Checked, index: usize) -> Option<String> {
    let unit = checked.unit();
    let op = &unit.ops[index];
    let contract = op.on(Arch::X86_64)?;
    let (modules, function) = names::path(&op.name);
    let danger = safety::danger(unit.set.abi, op, contract);
    let path: Vec<&str> = std::iter::once(unit.set.name.as_str()).chain(modules.iter().map(String::as_str)).collect();
    wrapper::has_wrapper(op, contract)
        .then(|| format!("// in {}\n{}", path.join("::"), wrapper::head(contract, &function, danger.is_some())))
}

/// `NAME.rs`.
#[must_use]
pub fn module(checked: &Checked, sources: &SourceMap) -> String {
    let layout = Layout::new(checked, Arch::X86_64, |contract| {
        let class = site::wrapper_class(contract.sites.first()?);
        Some((class.code, class.len))
    });
    let contract = contract::symbol(checked);
    let cx = Context { checked, sources, layout: &layout, contract };
    let set = &checked.unit().set;
    let file = sources.files().next().map_or("", |(_, file)| file.path.as_str());
    let sites = block(2, |text| site::asm_macros(&cx, text));
    let template = File {
        source: file.rsplit('/').next().unwrap_or(file),
        name: &set.name,
        module: names::ident(&set.name),
        docs: block(0, |text| docs(text, &set.docs, format_args!("Patch set `{}`.", set.name))),
        contract,
        site_macro: block(1, |text| site::site_macro(&cx, text)),
        branch_macro: block(1, |text| branches::site_macro(&cx, text)),
        branches: block(2, |text| branches::handles(&cx, text)),
        branch_statics: block(2, |text| branches::statics(&cx, text)),
        has_branches: !cx.unit().branches.is_empty(),
        features: block(2, |text| features(&cx, text)),
        wrappers: block(1, |text| wrappers(&cx, text)),
        op_fields: block(2, |text| table::op_fields(&cx, text)),
        op_values: block(2, |text| table::op_values(&cx, text)),
        backends: block(2, |text| backend::render(&cx, text)),
        has_sites: !sites.is_empty(),
        sites,
        functions: block(2, |text| table::functions(&cx, text)),
        fixups: block(2, |text| table::fixups(&cx, text)),
        statics: block(2, |text| table::statics(&cx, text)),
        root: table::root(&cx),
    };
    let mut text = String::with_capacity(
        TEMPLATE
            + [&template.wrappers, &template.backends, &template.sites, &template.functions, &template.statics]
                .iter()
                .map(|part| part.len())
                .sum::<usize>(),
    );
    template.render_into(&mut text).expect("writing to a String does not fail");
    text
}

/// A part of the file, indented by `depth` levels.
fn block(depth: usize, content: impl FnOnce(&mut Text)) -> String {
    let mut text = Text::new("    ", depth);
    content(&mut text);
    text.finish()
}

/// `///` lines, with a line in place of missing documentation.
fn docs(text: &mut Text, docs: &[String], otherwise: std::fmt::Arguments<'_>) {
    if docs.is_empty() {
        line!(text, "/// ", otherwise);
    }
    for line in docs {
        match line.trim_start() {
            "" => text.line("///"),
            line => line!(text, "/// ", line),
        }
    }
}

fn features(cx: &Context<'_>, text: &mut Text) {
    for (bit, feature) in cx.unit().features.iter().enumerate() {
        docs(text, &feature.docs, format_args!("CPU feature `{}`.", feature.name));
        let name = names::constant(&feature.name);
        line!(text, "pub const ", name, ": ::pvc_runtime::Features = ::pvc_runtime::Features(1 << ", bit, ");");
    }
}

/// The modules that the dots of names make, with the ids of the ops and branches in each.
#[derive(Default)]
struct Module {
    ops: Vec<(usize, String)>,
    branches: Vec<(usize, String)>,
    modules: BTreeMap<String, Module>,
}

impl Module {
    /// The module of a dotted name, and the function that the name is in there.
    fn of(&mut self, name: &str) -> (&mut Self, String) {
        let (modules, function) = names::path(name);
        let module = modules.into_iter().fold(self, |module, name| module.modules.entry(name).or_default());
        (module, function)
    }
}

/// The wrappers in their modules.
fn wrappers(cx: &Context<'_>, text: &mut Text) {
    let mut root = Module::default();
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        if entry.contract.is_none_or(|contract| !wrapper::has_wrapper(entry.op, contract)) {
            continue;
        }
        let (module, function) = root.of(&entry.op.name);
        module.ops.push((id, function));
    }
    for (id, branch) in cx.unit().branches.iter().enumerate().filter(|(_, branch)| branches::exists(branch)) {
        let (module, function) = root.of(&branch.name);
        module.branches.push((id, function));
    }
    module_content(cx, &root, "", 0, text);
}

/// The content of a module that stands `depth` modules below the set's own.
fn module_content(cx: &Context<'_>, module: &Module, path: &str, depth: usize, text: &mut Text) {
    for (id, function) in &module.ops {
        let entry = &cx.layout.ops[*id];
        let Some(contract) = entry.contract else { continue };
        wrapper::results_struct(entry.op, contract, function, text);
        wrapper::render(cx, *id, function, depth, text);
    }
    for (id, function) in &module.branches {
        branches::function(cx, *id, function, text);
    }
    for (name, inner) in &module.modules {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        line!(text, "/// Operations and branches `", path.replace("r#", ""), ".*`.");
        line!(text, "pub mod ", name, " {");
        text.nested(1, |text| module_content(cx, inner, &path, depth + 1, text));
        text.line("}");
    }
}
