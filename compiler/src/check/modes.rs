//! Bytes that a row has in common on two arches have to be the same instructions on both.

use super::flow::{Graph, item_span};
use crate::arch::Arch;
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::AssembledRow;
use crate::source::Span;
use iced_x86::{Instruction, Mnemonic};

/// Compares what the two modes make of the same bytes.
///
/// `66 66 48 31 c0` is one `xor` in 64-bit mode and two instructions, `dec` and `xor`, in 32-bit mode: Linux patched it
/// into 32-bit code for six releases (1cd5f059d956).
pub(super) fn check(
    op: &str,
    one: (&AssembledRow, Arch, &Graph),
    other: (&AssembledRow, Arch, &Graph),
    diagnostics: &mut Diagnostics,
) {
    let (Some(one_code), Some(other_code)) = (&one.0.code, &other.0.code) else { return };
    if one_code.bytes != other_code.bytes || one_code.bytes.is_empty() {
        return;
    }
    let differs = one
        .2
        .nodes
        .values()
        .zip(other.2.nodes.values())
        .find(|(one, other)| !same(&one.instruction, &other.instruction))
        .map(|(one, other)| one.offset().min(other.offset()));
    let extra = one.2.nodes.len() != other.2.nodes.len();
    let Some(at) = differs.or(extra.then_some(0)) else { return };
    let show = |graph: &Graph, arch: Arch| {
        let text: Vec<String> =
            graph.nodes.values().map(|node| super::disassembly::instruction(&node.instruction)).collect();
        format!("{}: {}", arch.name(), text.join("; "))
    };
    // What the instructions of the wrong mode do to the contract follows from this.
    let row = one.0.row.asm.span;
    let inside = |span: Span| span.file == row.file && row.start <= span.start && span.end <= row.end;
    diagnostics.retain(|found| !(inside(found.primary.span) && found.code.0 / 100 == 5));
    diagnostics.push(
        Diagnostic::new(
            Code::MODES,
            item_span(one.0, one_code, at),
            format!(
                "the bytes of this row of `{op}` are other instructions on {} than on {}",
                one.1.name(),
                other.1.name()
            ),
        )
        .label("the same bytes on both arches")
        .note(show(one.2, one.1))
        .note(show(other.2, other.1))
        .help("write a row for each arch"),
    );
}

fn same(one: &Instruction, other: &Instruction) -> bool {
    one.ip() == other.ip()
        && family(one.mnemonic()) == family(other.mnemonic())
        && one.is_ip_rel_memory_operand() == other.is_ip_rel_memory_operand()
}

/// The mnemonic without the operand size that it shows.
fn family(mnemonic: Mnemonic) -> Mnemonic {
    match mnemonic {
        Mnemonic::Pushfq => Mnemonic::Pushfd,
        Mnemonic::Popfq => Mnemonic::Popfd,
        Mnemonic::Iretq => Mnemonic::Iretd,
        other => other,
    }
}
