//! Memory operands where only CS is known to be the kernel's.
//!
//! 32-bit entry and exit code runs with the user's DS and ES, which may hold a null selector or, in vm86 mode, a
//! paragraph; and SS need not be flat (espfix). Sites for such code are `jmp.mem.cs` and `nocall` ones: Linux's own
//! jump there reads its pointer through CS for that reason, and VERW had to learn it (Linux e4d210201854).

use super::RowCheck;
use super::effects;
use super::flow::Node;
use crate::arch::Arch;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::Abi;
use crate::source::Span;
use iced_x86::{InstructionInfoFactory, OpKind, Register};
use pvc_asm::Syntax;

/// Reports the first access of a row through a segment that may be the user's.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    let entry_code = context.op.nocall || context.contract.sites.iter().any(|site| site.kind.name == "jmp.mem.cs");
    if context.contract.arch != Arch::I386 || context.set.abi != Abi::Kernel || !entry_code {
        return;
    }
    let mut factory = InstructionInfoFactory::new();
    for node in row.graph.nodes.values() {
        let accesses = factory.info(&node.instruction).used_memory();
        let through = accesses.iter().find(|access| {
            let (segment, on_stack) = (access.segment(), access.base() == Register::ESP);
            let touched = effects::reads(access.access()) || effects::writes(access.access());
            touched && !on_stack && matches!(segment, Register::DS | Register::ES | Register::SS)
        });
        let Some(access) = through else { continue };
        let segment = format!("{:?}", access.segment()).to_ascii_lowercase();
        let writes = effects::writes(access.access());
        let found = Diagnostic::new(
            Code::SEGMENT,
            node.span,
            format!(
                "`{}` addresses memory through {segment}, which may still be the user's at its site",
                context.op.name
            ),
        )
        .label(format!("goes through {segment}"))
        .note(
            "entry and exit code cannot rely on DS, ES and SS: a null selector faults, and in vm86 mode none is flat",
        );
        let found = if writes {
            found.help("CS cannot be written through: do this where the kernel's segments are loaded")
        } else {
            found.help("read it through CS, the kernel's own flat segment: `%cs:` before the address")
        };
        diagnostics.push(match address(row, node).filter(|_| !writes) {
            Some(at) => found.fix("read it through CS", at, "%cs:"),
            None => found,
        });
        return;
    }
}

/// Where the address of a one-operand instruction begins in AT&T text, if it names no segment yet.
fn address(row: &RowCheck<'_>, node: &Node) -> Option<Span> {
    let instruction = &node.instruction;
    let alone = instruction.op_count() == 1 && instruction.op_kind(0) == OpKind::Memory;
    if row.context.set.syntax != Syntax::Att || !alone {
        return None;
    }
    let text = row.context.sources.text(node.span);
    let (mnemonic, operand) = text.split_once([' ', '\t'])?;
    let plain = mnemonic.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !operand.contains(':');
    let start = node.span.end - operand.trim_start().len() as u32;
    plain.then_some(Span { start, end: start, ..node.span })
}
