//! What a row reads that holds nothing, and stack memory that is not its own.

use super::RowCheck;
use super::effects::flag_names;
use super::fixes;
use super::registers::Cell;
use super::transfer::Event;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::Abi;
use std::collections::BTreeMap;

/// Checks what the row reads.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    undefined_registers(row, diagnostics);
    undefined_flags(row, diagnostics);
    stack_memory(row, diagnostics);
    stack_pointer(row, diagnostics);
}

fn undefined_registers(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let arch = row.context.contract.arch;
    let mut first: BTreeMap<Cell, u32> = BTreeMap::new();
    for (&offset, events) in &row.summary.events {
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

fn stack_memory(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    let red_zone = match context.set.abi {
        Abi::User => i64::from(context.contract.arch.table().red_zone),
        Abi::Kernel => 0,
    };
    // A call at the site overwrites the red zone by itself: then it is up to the site to have none.
    let site = context.contract.sites.iter().find(|site| {
        !site.kind.is_jump() && (site.kind.opcode.is_empty() || site.kind.operand == crate::arch::SiteOperand::Stub)
    });
    let mut reported = false;
    // A return is judged by where it goes.
    let judged = row.summary.events.iter().filter(|(offset, _)| context.op.diverges() || !row.is_return(**offset));
    for (&offset, events) in judged {
        for event in events {
            let error = |message: String| Diagnostic::new(Code::STACK_USE, row.span(Some(offset)), message);
            let name = &context.op.name;
            let found = match *event {
                Event::StackWrite(..) if context.op.nocall => Some(
                    error(format!("`{name}` is `nocall`, and this row writes to the stack"))
                        .label("writes below the stack pointer")
                        .note("a nocall site may be reached when the stack pointer points anywhere"),
                ),
                Event::StackRead(..) if context.op.nocall && !context.op.diverges() => Some(
                    error(format!("`{name}` is `nocall`, and this row reads the stack"))
                        .label("reads at the stack pointer")
                        .note("a nocall site may be reached when the stack pointer points anywhere"),
                ),
                Event::StackWrite(_, end) if end > 0 && !context.op.diverges() => Some(
                    error(format!("`{name}` writes into the stack frame that its site stands in"))
                        .label(format!("writes up to {end} bytes above the stack pointer on entry")),
                ),
                Event::StackRead(_, end) if end > 0 && !context.op.diverges() => Some(
                    error(format!("`{name}` reads from the stack frame that its site stands in"))
                        .label(format!("reads up to {end} bytes above the stack pointer on entry"))
                        .note("what lies there differs from site to site, and again in a called default"),
                ),
                Event::BelowStackPointer(below) if below > red_zone => Some(
                    error(format!("`{name}` uses memory {below} bytes below the stack pointer"))
                        .label("an interrupt or a signal may overwrite it")
                        .help("move the stack pointer first: sub, push or lea"),
                ),
                Event::BelowStackPointer(_) | Event::StackWrite(..)
                    if red_zone > 0
                        && site.is_some()
                        && !context.op.diverges()
                        && writes_red_zone(*event, red_zone) =>
                {
                    Some(
                        error(format!("`{name}` overwrites the red zone of the function that its site stands in"))
                            .label(format!("writes within {red_zone} bytes below the stack pointer on entry"))
                            .note(format!(
                                "under `abi user` a leaf function keeps variables there; a {} site does not tell the \
                                 compiler otherwise",
                                site.map_or_else(String::new, crate::model::Site::label)
                            ))
                            .help("step over it: `lea -128(%rsp), %rsp` before, `lea 128(%rsp), %rsp` after"),
                    )
                }
                _ => None,
            };
            if let Some(found) = found.filter(|_| !reported) {
                reported = true;
                diagnostics.push(found);
            }
        }
    }
}

fn writes_red_zone(event: Event, red_zone: i64) -> bool {
    matches!(event, Event::StackWrite(low, high) if low < 0 && high > -red_zone)
}

/// The stack pointer and the x87 stack have to end where they began.
fn stack_pointer(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    if context.op.diverges() {
        return;
    }
    let register = Cell::SP.name(context.contract.arch);
    for exit in row.contract_exits() {
        let label = match exit.state.stack_pointer() {
            Some(0) => continue,
            Some(ends) if ends < 0 => format!("{register} ends {} bytes lower than it began", -ends),
            Some(ends) => format!("{register} ends {ends} bytes higher than it began"),
            None => format!("{register} ends at an address that is not known to be the one it began with"),
        };
        diagnostics.push(
            Diagnostic::new(
                Code::STACK_POINTER,
                row.span(exit.from),
                format!("`{}` does not give the stack pointer back as it was", context.op.name),
            )
            .label(label)
            .note("the function around the site finds its variables and its return address by it"),
        );
        return;
    }
    if let Some(exit) = row.contract_exits().find(|exit| exit.state.x87_depth != 0) {
        let depth = exit.state.x87_depth;
        let (many, how) = (depth.unsigned_abs(), if depth < 0 { "pushed" } else { "popped" });
        diagnostics.push(
            Diagnostic::new(
                Code::STACK_POINTER,
                row.span(exit.from),
                format!("`{}` does not give the x87 stack back as it was", context.op.name),
            )
            .label(format!(
                "{many} more {} {how} than the other way",
                fixes::plural(many, "register is", "registers are")
            )),
        );
    }
}
