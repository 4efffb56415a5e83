//! Whether the rows of an op order memory alike: which of them runs depends on the CPU, and what it promises must not.

use super::effects::{self, Order};
use super::flow::Node;
use super::{Context, RowCheck};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::{Clobber, FeatureSource};
use iced_x86::{FlowControl, Mnemonic, OpKind};

/// Reports the rows of a contract that order less than a fence which stands in their place on other CPUs.
///
/// Only rows that consist of fences promise anything by themselves: a fence among other instructions may be needed for
/// these alone (`sfence` behind non-temporal stores). Rows for a declared feature are the author's own decision.
pub(super) fn check(context: &Context<'_>, rows: &[RowCheck<'_>], diagnostics: &mut Diagnostics) {
    if !context.contract.clobbers.has(Clobber::Barrier) {
        return;
    }
    let rows = || rows.iter().filter(|row| row.graph.sound && chosen_by_cpu(row));
    let Some((strongest, promised)) = rows()
        .filter_map(|row| Some((row, fences(row)?)))
        .max_by_key(|&(row, promised)| (promised.count_ones(), std::cmp::Reverse(row.asm_span().start)))
    else {
        return;
    };
    for row in rows() {
        let missing = promised & !orders(row);
        if missing == 0 {
            continue;
        }
        let fence = strongest.graph.nodes.values().find_map(|node| node.facts?.orders.map(|_| node.span));
        let what = describe(missing);
        diagnostics.push(
            Diagnostic::new(
                Code::WEAKER_ROW,
                row.asm_span(),
                format!("this row of `{}` does not order {what}, and another row does", context.op.name),
            )
            .label("orders less")
            .also(fence.unwrap_or(strongest.asm_span()), format!("orders {}", describe(promised)))
            .note("which row runs depends on the CPU: on some of them the op would be no fence")
            .help(
                "use a fence that the CPU of this row has: a locked instruction such as `lock addl $0, (%rsp)` orders \
                 loads and stores, `cpuid` serializes",
            ),
        );
    }
}

/// Whether nothing but CPU features decides about the row.
fn chosen_by_cpu(row: &RowCheck<'_>) -> bool {
    let terms = row.row.row.when.iter().flat_map(|when| &when.terms);
    let named = terms.fold(0, |bits, term| bits | term.all | term.none);
    let declared = |(bit, feature): (usize, &crate::model::Feature)| {
        named >> bit & 1 != 0 && feature.source == FeatureSource::Declared
    };
    !row.context.features.iter().enumerate().any(declared)
}

/// What a row of nothing but fences orders; `None` for any other row.
fn fences(row: &RowCheck<'_>) -> Option<u8> {
    let bits = row.graph.nodes.values().map(|node| match node.facts.and_then(|facts| facts.orders) {
        Some(order) => node.facts.is_some_and(|facts| facts.barrier.is_some()).then(|| order.bits()),
        None if effects::is_fence(&node.instruction) => Some(Order::All.bits()),
        None => (node.instruction.mnemonic() == Mnemonic::Nop).then_some(0),
    });
    let bits = bits.collect::<Option<Vec<u8>>>()?.into_iter().fold(0, |all, bits| all | bits);
    (bits != 0).then_some(bits)
}

/// What a row orders, whatever else it does. What leaves the row, or has a meaning of its own for memory, counts in full.
fn orders(row: &RowCheck<'_>) -> u8 {
    let of = |node: &Node| {
        let instruction = &node.instruction;
        let known = node.facts.and_then(|facts| facts.orders);
        if let Some(order) = known {
            return order.bits();
        }
        let exchanges = instruction.mnemonic() == Mnemonic::Xchg
            && (0..instruction.op_count()).any(|index| instruction.op_kind(index) == OpKind::Memory);
        let elsewhere = matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::IndirectCall | FlowControl::Interrupt | FlowControl::Exception
        );
        match () {
            () if elsewhere || node.facts.is_some_and(|facts| facts.barrier.is_some()) => Order::Stream.bits(),
            () if exchanges || instruction.has_lock_prefix() => Order::All.bits(),
            () => 0,
        }
    };
    row.graph.nodes.values().fold(0, |all, node| all | of(node))
}

fn describe(bits: u8) -> &'static str {
    match bits {
        0b001 => "loads",
        0b010 => "stores",
        0b011 => "loads and stores",
        0b100 => "the instruction stream",
        _ => "memory accesses and the instruction stream",
    }
}
