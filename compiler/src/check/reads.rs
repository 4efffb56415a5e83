//! What a row reads that holds nothing to rely on.

use super::RowCheck;
use super::effects::flag_names;
use super::registers::Cell;
use super::transfer::Event;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use std::collections::BTreeMap;

/// Checks what the row reads.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    undefined_registers(row, diagnostics);
    undefined_flags(row, diagnostics);
}

fn undefined_registers(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let arch = row.context.contract.arch;
    let mut first: BTreeMap<Cell, u32> = BTreeMap::new();
    for (&offset, events) in &row.summary.events {
        // What leaves an op that comes back is the mistake there, not what it would take along.
        if row.is_return(offset) && !row.context.op.diverges() {
            continue;
        }
        for event in events {
            if let Event::UndefinedRegister(cell) = *event {
                first.entry(cell).or_insert(offset);
            }
        }
    }
    for (cell, offset) in first {
        let name = cell.name(arch);
        let inputs: Vec<String> = row
            .context
            .contract
            .params
            .iter()
            .map(|param| format!("{} in {}", param.name, crate::arch::register_name(param.register)))
            .collect();
        let inputs = if inputs.is_empty() { "none".to_owned() } else { inputs.join(", ") };
        diagnostics.push(
            Diagnostic::new(
                Code::UNDEFINED_READ,
                row.span(Some(offset)),
                format!("`{}` reads {name}, which is no input and which nothing has set", row.context.op.name),
            )
            .label(format!("uses {name}"))
            .note(format!("inputs here: {inputs}")),
        );
    }
    let unset = row.summary.events.iter().find(|(_, events)| events.contains(&Event::UndefinedStack));
    if let Some((&offset, _)) = unset {
        diagnostics.push(
            Diagnostic::new(
                Code::UNDEFINED_READ,
                row.span(Some(offset)),
                format!("`{}` reads stack memory that nothing was put into", row.context.op.name),
            )
            .label("holds whatever was left there"),
        );
    }
}

fn undefined_flags(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let mut seen = 0;
    for (&offset, events) in &row.summary.events {
        for event in events {
            let Event::UndefinedFlags(mask) = *event else { continue };
            let fresh = mask & !seen;
            seen |= mask;
            if fresh == 0 {
                continue;
            }
            let names = flag_names(fresh);
            diagnostics.push(
                Diagnostic::new(
                    Code::UNDEFINED_READ,
                    row.span(Some(offset)),
                    format!("`{}` depends on {names}, which nothing before has set", row.context.op.name),
                )
                .label(format!("depends on {names}"))
                .note("flags are no inputs of an op, and some instructions leave some of them undefined"),
            );
        }
    }
}
