//! `NAME.S`: the patchlets as data, for patchers that want labels instead of a table.

use super::header::condition;
use super::names::comment;
use super::sites;
use crate::check::{Checked, CheckedRow};
use crate::emit::text::{Piece, put};
use crate::source::SourceMap;
use askama::Template;

#[derive(Template)]
#[template(path = "patchlets.S", escape = "none")]
struct Patchlets<'a> {
    set: &'a str,
    source: &'a str,
    arches: Vec<ArchPart>,
}

struct ArchPart {
    name: &'static str,
    condition: &'static str,
    patchlets: String,
}

/// The text of the `.S` file.
pub(super) fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let set = &unit.set.name;
    let mut arches = Vec::new();
    for &arch in &unit.set.arches {
        let mut patchlets = String::with_capacity(unit.ops.len() << 8);
        for op in &unit.ops {
            let ident = &op.ident();
            for (index, row) in op.on(arch).iter().flat_map(|contract| &contract.rows).enumerate() {
                patchlet(set, RowName { ident, index }, row, sources, &mut patchlets);
            }
        }
        arches.push(ArchPart { name: arch.name(), condition: condition(arch), patchlets });
    }
    let patchlets = Patchlets { set, source: super::source_name(sources), arches };
    patchlets.render().expect("writing to a String does not fail")
}

fn patchlet(set: &str, name: RowName<'_>, row: &CheckedRow, sources: &SourceMap, text: &mut String) {
    let file = sources.file(row.row.file).name();
    put!(*text, "\t.globl start_", set, "_", name, ", end_", set, "_", name, "\n");
    put!(*text, "start_", set, "_", name, ": /* ", comment(&row.disassembly), " */ ");
    put!(*text, "/* ", file, ":", row.row.line, " */\n");
    sites::directives(&row.code, |directive| {
        text.push('\t');
        directive.iter().for_each(|piece| piece.append(text));
        text.push('\n');
    });
    put!(*text, "end_", set, "_", name, ":\n");
}

/// `irq_save_fl`, `irq_save_fl_row2`, …
#[derive(Clone, Copy)]
pub(super) struct RowName<'a> {
    /// The op's identifier.
    pub(super) ident: &'a str,
    /// Which of the op's rows on its arch.
    pub(super) index: usize,
}

impl Piece for RowName<'_> {
    fn append(&self, text: &mut String) {
        put!(*text, self.ident);
        if self.index > 0 {
            put!(*text, "_row", self.index + 1);
        }
    }
}
