//! Whether the row that stands for "returns its argument" does that and nothing else.

use super::RowCheck;
use super::effects::Memory;
use super::registers::Cell;
use super::state::Value;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};

/// Checks the row if it is marked `identity`: it is written over sites of all ops of its shape, whatever their clobbers.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let contract = row.context.contract;
    let ([param], [result]) = (&contract.params[..], &contract.results[..]) else { return };
    let (Some((from, _)), Some((to, _))) = (Cell::of(param.register), Cell::of(result.register)) else { return };
    if !row.row.row.identity {
        return;
    }
    let changed = row.changed();
    let returned = row.contract_exits().all(|exit| exit.state.get(to).value == Value::Entry(from));
    let name = |cell: Cell| cell.name(contract.arch);
    let label = if !returned {
        format!("{} does not end with what {} held", name(to), name(from))
    } else if let Some(&other) = changed.cells.iter().find(|&&cell| cell != to) {
        format!("changes {} too", name(other))
    } else if changed.flags != 0 {
        "changes flags too".to_owned()
    } else if row.summary.memory() != Memory::None || row.summary.barrier() {
        "does something to memory too".to_owned()
    } else {
        return;
    };
    diagnostics.push(
        Diagnostic::new(
            Code::CONTRACT,
            row.asm_span(),
            format!("the identity row of `{}` is not \"returns its argument\" and no more", row.context.op.name),
        )
        .label(label)
        .note("it is written over sites of every op that takes one word and returns one, when the backend is the identity")
        .help("drop `identity`, or move the argument to the result and nothing else"),
    );
}
