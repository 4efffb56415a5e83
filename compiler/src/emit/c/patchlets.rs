//! `NAME.S`: the patchlets as data, for patchers that want labels instead of a table.

use super::header::condition;
use super::names;
use super::sites;
use crate::check::{Checked, CheckedRow};
use crate::model::Op;
use crate::source::SourceMap;
use askama::Template;

#[derive(Template)]
#[template(path = "patchlets.S", escape = "none")]
struct Patchlets {
    set: String,
    source: String,
    arches: Vec<ArchPart>,
}

struct ArchPart {
    name: &'static str,
    condition: &'static str,
    lines: Vec<String>,
}

/// The text of the `.S` file.
pub(super) fn render(checked: &Checked, sources: &SourceMap) -> String {
    let unit = checked.unit();
    let arches = unit
        .set
        .arches
        .iter()
        .map(|&arch| ArchPart {
            name: arch.name(),
            condition: condition(arch),
            lines: unit
                .ops
                .iter()
                .filter_map(|op| Some((op, op.on(arch)?)))
                .flat_map(|(op, contract)| contract.rows.iter().enumerate().map(move |(index, row)| (op, index, row)))
                .flat_map(|(op, index, row)| lines(&unit.set.name, op, index, row, sources))
                .collect(),
        })
        .collect();
    let source = sources.files().next().map(|(_, file)| file.name().to_owned()).unwrap_or_default();
    let patchlets = Patchlets { set: unit.set.name.clone(), source, arches };
    super::tidy(&patchlets.render().expect("writing to a String does not fail"))
}

fn lines(set: &str, op: &Op<CheckedRow>, index: usize, row: &CheckedRow, sources: &SourceMap) -> Vec<String> {
    let name = format!("{set}_{}", row_name(op, index));
    let file = sources.file(row.row.file).name();
    let mut lines = vec![
        format!("\t.globl start_{name}, end_{name}"),
        format!("start_{name}: /* {} */ /* {file}:{} */", names::comment(&row.disassembly), row.row.line),
    ];
    lines.extend(sites::code(&row.code).into_iter().map(|line| format!("\t{line}")));
    lines.push(format!("end_{name}:"));
    lines
}

/// `irq_save_fl`, `irq_save_fl_row2`, …
pub(super) fn row_name(op: &Op<CheckedRow>, index: usize) -> String {
    match index {
        0 => names::ident(op),
        _ => format!("{}_row{}", names::ident(op), index + 1),
    }
}
