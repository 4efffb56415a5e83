//! What a row reads that holds nothing to rely on.

use super::effects::flag_names;
use super::registers::Cell;
use super::transfer::Event;
use super::{RowCheck, fixes};
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
    // What one instruction reads is one finding.
    let mut read: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (cell, offset) in first {
        read.entry(offset).or_default().push(cell.name(arch).to_string());
    }
    let params = row.context.contract.params.iter();
    let inputs: Vec<String> =
        params.map(|param| format!("{} in {}", param.name, crate::arch::register_name(param.register))).collect();
    let inputs = if inputs.is_empty() { "none".to_owned() } else { inputs.join(", ") };
    for (offset, names) in read {
        let are = if names.len() == 1 { "is no input" } else { "are no inputs" };
        let names = fixes::list(&names);
        diagnostics.push(
            Diagnostic::new(
                Code::UNDEFINED_READ,
                row.span(Some(offset)),
                format!("`{}` reads {names}, which {are} and which nothing has set", row.context.op.name),
            )
            .label(format!("uses {names}"))
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
