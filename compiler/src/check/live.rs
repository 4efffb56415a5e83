//! Ops that may be changed while other CPUs run through them.

use super::RowCheck;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};

/// Every state of a live site has to be one instruction: a CPU that was stopped between two of them would go on in the
/// middle of the new one.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let count = row.graph.nodes.len();
    if !row.context.op.live || count == 1 || !row.graph.sound {
        return;
    }
    diagnostics.push(
        Diagnostic::new(
            Code::LIVE,
            row.asm_span(),
            format!("`{}` is live, and this row is {count} instructions", row.context.op.name),
        )
        .label("has to be one instruction")
        .note("a CPU that was interrupted between two of them would resume inside whatever is written here meanwhile")
        .help("call a function instead, or drop `live`"),
    );
}
