//! C: `NAME.h`, the contract that call sites compile against, and `NAME.c`, the tables.

mod branches;
mod calls;
mod frame;
mod header;
mod names;
mod patchlets;
mod sites;
mod source;
mod tables;
mod thunks;

use crate::check::Checked;
use crate::emit::text::put;
use crate::source::SourceMap;
use names::SiteMacro;

/// `NAME.h`: for C11, C++17 and, with `__ASSEMBLER__`, for `.S` files.
#[must_use]
pub fn header(checked: &Checked, sources: &SourceMap) -> String {
    header::render(checked, sources)
}

/// `NAME.c`: C11; wants `NAME.h` and the runtime's `pvc.h`.
#[must_use]
pub fn source(checked: &Checked, sources: &SourceMap) -> String {
    source::render(checked, sources)
}

/// `NAME.S`: the patchlets between `start_` and `end_` labels.
#[must_use]
pub fn patchlets(checked: &Checked, sources: &SourceMap) -> String {
    patchlets::render(checked, sources)
}

/// The name of the root file, without its directory.
fn source_name(sources: &SourceMap) -> &str {
    sources.files().next().map_or("", |(_, file)| file.name())
}

/// The declaration of what is generated for callers of an op, by its index: the call wrapper, or the asm macros of its sites.
#[must_use]
pub fn signature(checked: &Checked, index: usize) -> String {
    let unit = checked.unit();
    let (set, op) = (&unit.set, &unit.ops[index]);
    if op.contracts.iter().any(|contract| calls::has_wrapper(op, contract)) {
        let returned = calls::return_type(set, op);
        return format!("{returned} pv_{}_{}({});", set.name, op.ident(), calls::parameters(op));
    }
    let sites = op.contracts.iter().flat_map(|contract| &contract.sites);
    let ident = &op.ident();
    let mut macros: Vec<String> = sites
        .map(|site| {
            let mut text = String::new();
            put!(text, SiteMacro { set: &set.name, ident, site });
            text
        })
        .collect();
    macros.sort();
    macros.dedup();
    macros.join("\n")
}
