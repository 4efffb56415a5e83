//! C: `NAME.h`, the contract that call sites compile against, and `NAME.c`, the tables.

mod branches;
mod calls;
mod header;
mod names;
mod patchlets;
mod sites;
mod source;
mod tables;

use crate::check::Checked;
use crate::source::SourceMap;

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

/// Without white space at line ends and without two empty lines in a row.
fn tidy(text: &str) -> String {
    let mut tidied = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines() {
        let line = line.trim_end_matches([' ', '\t']);
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    tidied
}

/// The declaration of what is generated for callers of an op, by its index: the call wrapper, or the asm macros of its sites.
#[must_use]
pub fn signature(checked: &Checked, index: usize) -> String {
    let unit = checked.unit();
    let (set, op) = (&unit.set, &unit.ops[index]);
    if op.contracts.iter().any(|contract| calls::has_wrapper(op, contract)) {
        let returned = calls::return_type(set, op);
        return format!("{returned} pv_{}_{}({});", set.name, names::ident(op), calls::parameters(op));
    }
    let sites = op.contracts.iter().flat_map(|contract| &contract.sites);
    let mut macros: Vec<String> =
        sites.map(|site| format!("PV_SITE_{}_{}_{}", set.name, names::ident(op), names::kind(site))).collect();
    macros.sort();
    macros.dedup();
    macros.join("\n")
}
