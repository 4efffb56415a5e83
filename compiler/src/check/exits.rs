//! How control leaves a row, against what its sites and its op allow.

use super::RowCheck;
use super::analysis::Leaving;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::Span;
use iced_x86::FlowControl;

/// What to cut out to drop the item at `span`, with the separator before it, if it is the row's last and not its only.
fn last_item(row: &RowCheck<'_>, span: Span) -> Option<Span> {
    let sources = row.context.sources;
    let asm = row.asm_span();
    let text = &sources.file(span.file).text;
    let behind = text.get(span.end as usize..asm.end as usize)?;
    let before = text.get(asm.start as usize..span.start as usize)?.trim_end_matches([' ', '\t']);
    if !behind.trim_matches([' ', '\t', ';', '\r', '\n']).is_empty() || before.trim().is_empty() {
        return None;
    }
    match before.strip_suffix(';') {
        Some(before) => Some(Span { start: asm.start + before.len() as u32, ..span }),
        None => Some(sources.cut(span)),
    }
}

/// Checks the ways out.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    let name = &context.op.name;
    for exit in &row.summary.exits {
        let span = row.span(exit.from);
        let found = match exit.how {
            Leaving::End if context.op.diverges() => Diagnostic::new(
                Code::FALLS_OUT,
                span,
                format!("`{name}` does not come back, and control falls out of this row"),
            )
            .label("control runs on into what follows the site")
            .help("end the row in an instruction that leaves (a jump, a return, sysret, iret) or never ends (ud2)"),
            Leaving::Return if !context.op.diverges() => {
                let instruction = exit.from.and_then(|from| row.graph.nodes.get(&from)).map(|node| &node.instruction);
                let near = instruction.is_some_and(|one| one.mnemonic() == iced_x86::Mnemonic::Ret);
                let found = Diagnostic::new(
                    Code::RETURN,
                    span,
                    format!("this row of `{name}` returns, but its bytes stand in the middle of a function"),
                );
                if near {
                    let found = found
                        .label("would return from the function around the site")
                        .help("leave the `ret` out: control runs on behind the site by itself");
                    match last_item(row, span) {
                        Some(cut) => found.fix("drop it", cut, ""),
                        None => found,
                    }
                } else {
                    found
                        .label("control does not come back to the site")
                        .help("declare the op with `-> !` and a jmp.* site if it never comes back")
                }
            }
            Leaving::Away if !context.op.diverges() => {
                let conditional = exit
                    .from
                    .and_then(|from| row.graph.nodes.get(&from))
                    .is_some_and(|node| node.instruction.flow_control() == FlowControl::ConditionalBranch);
                Diagnostic::new(
                    Code::BRANCH,
                    span,
                    format!("this row of `{name}` jumps away, and nothing brings control back behind the site"),
                )
                .label(if conditional { "leaves the patchlet if the condition holds" } else { "leaves the patchlet" })
                .help("call it, or declare the op with `-> !` and a jmp.* site")
            }
            _ => continue,
        };
        diagnostics.push(found);
    }
}
