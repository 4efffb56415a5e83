//! How control leaves a row, against what its sites and its op allow.

use super::RowCheck;
use super::analysis::Leaving;
use super::flow::Next;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::Abi;
use crate::source::Span;
use iced_x86::{FlowControl, Mnemonic};

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

/// Whether the instruction at `from` is a near return of which no mitigation knows. One with an `int3` behind it is
/// guarded against straight-line speculation by its author, and the last one of a retpoline goes to an address which a
/// call of the row has made room for.
fn is_plain_return(row: &RowCheck<'_>, from: Option<u32>) -> bool {
    let Some(node) = from.and_then(|from| row.graph.nodes.get(&from)) else { return false };
    let guarded = row.code.bytes.get(node.end() as usize) == Some(&0xcc);
    let retpoline = || row.graph.nodes.values().any(|node| matches!(node.next[..], [Next::Enter(_)]));
    node.instruction.mnemonic() == Mnemonic::Ret && !guarded && !retpoline()
}

/// Whether the text at `span` is a return without an operand, and no data.
fn written_as_return(row: &RowCheck<'_>, span: Span) -> bool {
    let words = row.context.sources.text(span).split_whitespace();
    matches!(words.last(), Some("ret" | "retq" | "retl"))
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
                let near = instruction.is_some_and(|one| one.mnemonic() == Mnemonic::Ret);
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
            Leaving::Return if context.set.abi == Abi::Kernel && is_plain_return(row, exit.from) => {
                let found = Diagnostic::new(
                    Code::RETURN,
                    span,
                    format!("this row of `{name}` returns by an instruction of its own"),
                )
                .label("a plain return: the mitigations of the kernel know nothing of it")
                .note(
                    "kernels replace returns by a jump to a thunk (retbleed, SLS) when they are built and when they \
                     boot; a return that is written over a site escapes both",
                )
                .help("jump to the thunk, `jmp __x86_return_thunk`, or guard it: `ret; int3`");
                if written_as_return(row, span) {
                    found.guess("jump to the thunk", span, "jmp __x86_return_thunk")
                } else {
                    found
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
