//! The stack: whose memory a row uses there, and where it leaves the stack pointer.

use super::registers::Cell;
use super::transfer::Event;
use super::{Context, RowCheck, fixes};
use crate::arch::SiteOperand;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::{Abi, Site};

/// Checks what the row does with the stack.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    memory(row, diagnostics);
    pointer(row, diagnostics);
}

/// Reports the first access to stack memory that is not the row's own.
fn memory(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    for (&offset, events) in &row.summary.events {
        // A return in an op that comes back is judged by where it goes.
        if row.is_return(offset) && !context.op.diverges() {
            continue;
        }
        let found = events.iter().find_map(|&event| {
            let error = |message: String| Diagnostic::new(Code::STACK_USE, row.span(Some(offset)), message);
            nocall(context, event, &error)
                .or_else(|| frame(context, event, &error))
                .or_else(|| below(context, event, &error))
        });
        if let Some(found) = found {
            let crosses = matches!(context.set.abi, Abi::User) && !context.op.nocall && !context.op.diverges();
            let own = |event: &Event| matches!(event, Event::StackWrite(_, end) if *end <= 0);
            diagnostics.push(if crosses && events.iter().any(own) {
                let red_zone = i64::from(context.contract.arch.table().red_zone);
                let (down, up) = (-red_zone, red_zone);
                let [down, up] = [down, up].map(|bytes| fixes::move_stack_pointer(context, bytes));
                fixes::surround(row, found, "step over the red zone", &down, &up)
            } else {
                found
            });
            return;
        }
    }
}

/// A `nocall` site has no stack. (An op that does not come back may still pop what the entry code pushed.)
fn nocall(context: &Context<'_>, event: Event, error: &dyn Fn(String) -> Diagnostic) -> Option<Diagnostic> {
    if !context.op.nocall {
        return None;
    }
    let (verb, label) = match event {
        Event::StackWrite(..) => ("writes to", "writes below the stack pointer"),
        Event::StackRead(..) if !context.op.diverges() => ("reads", "reads at the stack pointer"),
        _ => return None,
    };
    let message = format!("`{}` is `nocall`, and this row {verb} the stack", context.op.name);
    Some(error(message).label(label).note("a nocall site may be reached when the stack pointer points anywhere"))
}

/// What lies above the entry stack pointer belongs to the function around the site.
fn frame(context: &Context<'_>, event: Event, error: &dyn Fn(String) -> Diagnostic) -> Option<Diagnostic> {
    let name = &context.op.name;
    match event {
        Event::StackWrite(_, end) if end > 0 && !context.op.diverges() => Some(
            error(format!("`{name}` writes into the stack frame that its site stands in"))
                .label(format!("writes up to {end} bytes above the stack pointer on entry")),
        ),
        Event::StackRead(_, end) if end > 0 && !context.op.diverges() => Some(
            error(format!("`{name}` reads from the stack frame that its site stands in"))
                .label(format!("reads up to {end} bytes above the stack pointer on entry"))
                .note("what lies there differs from site to site, and again in a called default"),
        ),
        // Popping the frame is what an exit is for, but only a jump leaves it where the row expects it.
        Event::StackRead(_, end) if end > 0 && !context.op.nocall => {
            let called = context.contract.sites.iter().find(|site| !site.kind.is_jump())?;
            Some(
                error(format!("`{name}` pops what its site's caller pushed, and that site may be a call"))
                    .label(format!("reads up to {end} bytes above the stack pointer on entry"))
                    .also(called.span, format!("a call at this {} site pushes a return address", called.label()))
                    .help("use a jmp.* site, or mark the op `nocall`"),
            )
        }
        _ => None,
    }
}

/// Below the stack pointer nothing lasts, and in user space the first bytes there are the red zone of the function
/// around the site.
fn below(context: &Context<'_>, event: Event, error: &dyn Fn(String) -> Diagnostic) -> Option<Diagnostic> {
    let name = &context.op.name;
    let red_zone = match context.set.abi {
        Abi::User => i64::from(context.contract.arch.table().red_zone),
        Abi::Kernel => 0,
    };
    match event {
        Event::BelowStackPointer(below) if below > red_zone => Some(
            error(format!("`{name}` uses memory {below} bytes below the stack pointer"))
                .label("an interrupt or a signal may overwrite it")
                .help("move the stack pointer first: sub, push or lea"),
        ),
        Event::StackWrite(low, end) if low < 0 && end > -red_zone && !context.op.diverges() => {
            // A call at the site overwrites the red zone by itself: then it is up to the site to have none.
            let keeps = |site: &&Site| site.kind.opcode.is_empty() || site.kind.operand == SiteOperand::Stub;
            let site = context.contract.sites.iter().find(keeps)?;
            Some(
                error(format!("`{name}` overwrites the red zone of the function that its site stands in"))
                    .label(format!("writes within {red_zone} bytes below the stack pointer on entry"))
                    .note(format!(
                        "under `abi user` a leaf function keeps variables there; a {} site does not tell the compiler \
                         otherwise",
                        site.label()
                    ))
                    .help("step over it: `lea -128(%rsp), %rsp` before, `lea 128(%rsp), %rsp` after"),
            )
        }
        _ => None,
    }
}

/// The stack pointer and the x87 stack have to end where they began.
fn pointer(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
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
        let found = Diagnostic::new(
            Code::STACK_POINTER,
            row.span(exit.from),
            format!("`{}` does not give the stack pointer back as it was", context.op.name),
        )
        .label(label)
        .note("the function around the site finds its variables and its return address by it");
        diagnostics.push(match exit.state.stack_pointer() {
            Some(ends) if ends < 0 => {
                let back = fixes::move_stack_pointer(context, -ends);
                fixes::append(row, found, "move it back at the end", &back)
            }
            _ => found,
        });
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
        return;
    }
    if let Some(exit) = row.contract_exits().find(|exit| exit.state.mmx && !context.names(|cell| cell == Cell::FPU)) {
        let found = Diagnostic::new(
            Code::STACK_POINTER,
            row.span(exit.from),
            format!("`{}` leaves the x87 registers marked as in use", context.op.name),
        )
        .label("MMX instructions mark all eight, and nothing frees them again")
        .note("the ABI has the x87 stack empty around calls: the next x87 load would give a NaN")
        .help("end in `emms`, or name `st0` in the clobbers if the code around the sites does so");
        diagnostics.push(fixes::append(row, found, "end in `emms`", "emms"));
    }
}
