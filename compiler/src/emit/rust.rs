//! The Rust output: one module for `include!`, with wrappers, ops structure, backends and tables. x86_64 only.

mod backend;
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
use crate::model::{Abi, Unit};
use crate::source::SourceMap;
use askama::Template;
use std::collections::BTreeMap;

/// What the parts of the emitter look at.
struct Context<'a> {
    checked: &'a Checked,
    sources: &'a SourceMap,
    layout: &'a Layout<'a>,
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
    docs: Vec<String>,
    contract: String,
    site_macro: String,
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

/// `NAME.rs`.
#[must_use]
pub fn module(checked: &Checked, sources: &SourceMap) -> String {
    let layout = Layout::new(checked, Arch::X86_64, |contract| {
        let class = site::wrapper_class(contract.sites.first()?);
        Some((class.code, class.len))
    });
    let cx = Context { checked, sources, layout: &layout };
    let set = &checked.unit().set;
    let (fields, values) = table::ops(&cx);
    let file = sources.files().next().map_or("", |(_, file)| file.path.as_str());
    let sites = site::asm_macros(&cx);
    let template = File {
        source: file.rsplit('/').next().unwrap_or(file),
        name: &set.name,
        module: names::ident(&set.name),
        docs: docs(&set.docs, &format!("Patch set `{}`.", set.name)),
        contract: contract::symbol(checked),
        site_macro: lines(site::site_macro(&cx), 1),
        features: lines(features(&cx), 2),
        wrappers: lines(wrappers(&cx), 1),
        op_fields: lines(fields, 2),
        op_values: lines(values, 2),
        backends: lines(backend::render(&cx), 2),
        has_sites: !sites.is_empty(),
        sites: lines(sites, 2),
        functions: lines(table::functions(&cx), 2),
        fixups: lines(table::fixups(&cx), 2),
        statics: lines(table::statics(&cx), 2),
        root: table::root(&cx),
    };
    template.render().expect("rendering into a String fails only if a value's Display does, and strings do not")
}

/// Joins lines, indented by `depth` levels.
fn lines(lines: Vec<String>, depth: usize) -> String {
    let indent = "    ".repeat(depth);
    let mut text = String::with_capacity(lines.iter().map(|line| indent.len() + line.len() + 1).sum());
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        if !line.is_empty() {
            text.push_str(&indent);
            text.push_str(line);
        }
    }
    text
}

/// `///` lines, with a line in place of missing documentation.
fn docs(docs: &[String], otherwise: &str) -> Vec<String> {
    if docs.is_empty() {
        return vec![format!("/// {otherwise}")];
    }
    docs.iter()
        .map(|line| if line.is_empty() { "///".to_owned() } else { format!("/// {}", line.trim_start()) })
        .collect()
}

fn features(cx: &Context<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (bit, feature) in cx.unit().features.iter().enumerate() {
        lines.extend(docs(&feature.docs, &format!("CPU feature `{}`.", feature.name)));
        let name = names::constant(&feature.name);
        lines.push(format!("pub const {name}: ::pvc_runtime::Features = ::pvc_runtime::Features(1 << {bit});"));
    }
    lines
}

/// The wrappers in their modules.
fn wrappers(cx: &Context<'_>) -> Vec<String> {
    #[derive(Default)]
    struct Node {
        items: Vec<String>,
        modules: BTreeMap<String, Node>,
    }
    impl Node {
        fn render(self, name: &str) -> Vec<String> {
            let mut lines = self.items;
            for (module, node) in self.modules {
                let path = if name.is_empty() { module.clone() } else { format!("{name}.{module}") };
                lines.push(format!("/// Operations `{}.*`.", path.replace("r#", "")));
                lines.push(format!("pub mod {module} {{"));
                lines.extend(
                    node.render(&path)
                        .into_iter()
                        .map(|line| if line.is_empty() { line } else { format!("    {line}") }),
                );
                lines.push("}".to_owned());
            }
            lines
        }
    }
    let mut root = Node::default();
    for (id, entry) in cx.layout.ops.iter().enumerate() {
        let (modules, function) = names::path(&entry.op.name);
        let depth = modules.len();
        let Some(wrapper) = wrapper::render(cx, id, &function, depth) else { continue };
        let Some(contract) = entry.contract else { continue };
        let node = modules.into_iter().fold(&mut root, |node, module| node.modules.entry(module).or_default());
        node.items.extend(wrapper::results_struct(entry.op, contract, &function));
        node.items.extend(wrapper);
    }
    root.render("")
}
