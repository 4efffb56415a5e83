//! The instructions of a row as a graph: found by following control flow from its first byte, as the CPU does.
//!
//! Data directives are followed like instructions (`.byte 0x2e` before a `call` is its prefix), and bytes that control
//! never reaches need not be instructions.

use super::effects::{self, Facts};
use crate::arch::Arch;
use crate::decode::decode;
use crate::diagnostics::{Code as Finding, Diagnostic, Diagnostics};
use crate::model::{AssembledRow, Code};
use crate::source::Span;
use iced_x86::{ConstantOffsets, FlowControl, Instruction, Mnemonic, OpKind};
use std::collections::BTreeMap;

/// An instruction and where control goes from it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The instruction, decoded at its offset.
    pub(super) instruction: Instruction,
    /// What our own table says of it.
    pub(super) facts: Option<&'static Facts>,
    /// Where it stands.
    pub(super) span: Span,
    /// Where control may go.
    pub(super) next: Vec<Next>,
    /// The offset in the row that its address relative to the instruction pointer stands for, its end included.
    pub(super) own_address: Option<u32>,
}

/// Where control goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// To the instruction at this offset.
    To(u32),
    /// Into a function of the patchlet itself, at this offset; the return address is pushed.
    Enter(u32),
    /// To the end of the patchlet, hence on to what follows the site.
    End,
    /// Back to the address on the stack.
    Return,
    /// To somewhere else, for good.
    Away,
}

/// The instructions that control can reach, by offset.
#[derive(Clone, Default, Debug)]
pub(super) struct Graph {
    /// The instructions.
    pub(super) nodes: BTreeMap<u32, Node>,
    /// Whether all of it was understood: no finding of this module.
    pub(super) sound: bool,
    /// Where the row ends, in bytes.
    pub(super) end: u32,
}

impl Node {
    /// Offset of the first byte.
    pub(super) fn offset(&self) -> u32 {
        self.instruction.ip32()
    }

    /// Offset of the byte after it.
    pub(super) fn end(&self) -> u32 {
        self.instruction.next_ip32()
    }
}

/// The graph of a row. Branches that miss, bytes that are no instruction and addresses that would move are reported.
pub(super) fn graph(row: &AssembledRow, code: &Code, arch: Arch, diagnostics: &mut Diagnostics) -> Graph {
    let mut walk = Walk { row, code, arch, found: Vec::new(), nodes: BTreeMap::new() };
    let mut todo = Vec::new();
    if !code.bytes.is_empty() {
        todo.push(0);
    }
    while let Some(offset) = todo.pop() {
        if !walk.nodes.contains_key(&offset) {
            walk.visit(offset, &mut todo);
        }
    }
    walk.overlaps();
    let sound = walk.found.is_empty();
    walk.found.into_iter().for_each(|found| diagnostics.push(found));
    Graph { nodes: walk.nodes, sound, end: code.bytes.len() as u32 }
}

/// The span of the item that `offset` lies in.
pub(super) fn item_span(row: &AssembledRow, code: &Code, offset: u32) -> Span {
    let after = code.items.partition_point(|item| item.offset <= offset);
    after.checked_sub(1).map_or(row.row.asm.span, |index| code.items[index].span)
}

struct Walk<'a> {
    row: &'a AssembledRow,
    code: &'a Code,
    arch: Arch,
    found: Vec<Diagnostic>,
    nodes: BTreeMap<u32, Node>,
}

impl Walk<'_> {
    fn visit(&mut self, offset: u32, todo: &mut Vec<u32>) {
        let bytes = &self.code.bytes[offset as usize..];
        let (instruction, constants) = decode(bytes, offset, self.arch);
        let span = item_span(self.row, self.code, offset);
        let facts = effects::facts(&instruction);
        let mut node = Node { instruction, facts, span, next: Vec::new(), own_address: None };
        if instruction.is_invalid() {
            self.found.push(
                Diagnostic::new(Finding::NOT_CODE, span, "control reaches bytes that are no instruction")
                    .label(format!("at offset {offset}: {}", hex(bytes)))
                    .note("the CPU would raise an invalid-opcode exception here, or run on into what follows the site"),
            );
            self.nodes.insert(offset, node);
            return;
        }
        node.own_address = self.check_address(&node, &constants);
        self.follow(&mut node, &constants);
        for next in &node.next {
            match *next {
                Next::To(target) => todo.push(target),
                // The function may come back.
                Next::Enter(target) => todo.extend([target].into_iter().chain(self.inside(node.end()))),
                Next::End | Next::Return | Next::Away => {}
            }
        }
        self.nodes.insert(offset, node);
    }

    fn follow(&mut self, node: &mut Node, constants: &ConstantOffsets) {
        let instruction = &node.instruction;
        let on = self.inside(node.end()).map_or(Next::End, Next::To);
        match instruction.flow_control() {
            FlowControl::Next | FlowControl::IndirectCall | FlowControl::Interrupt => node.next.push(on),
            FlowControl::Exception => {}
            FlowControl::Return => node.next.push(Next::Return),
            FlowControl::IndirectBranch => node.next.push(Next::Away),
            FlowControl::UnconditionalBranch => node.next.extend(self.target(node, constants)),
            FlowControl::ConditionalBranch => {
                node.next.push(on);
                node.next.extend(self.target(node, constants));
            }
            FlowControl::XbeginXabortXend if instruction.mnemonic() == Mnemonic::Xbegin => {
                node.next.push(on);
                node.next.extend(self.target(node, constants));
            }
            FlowControl::XbeginXabortXend => node.next.push(on),
            FlowControl::Call => {
                let near = matches!(
                    instruction.op0_kind(),
                    OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
                );
                if !near || self.has_fixup(node.offset(), constants.immediate_offset()) {
                    node.next.push(on);
                } else {
                    node.next.extend(self.target(node, constants).map(|next| match next {
                        Next::To(target) => Next::Enter(target),
                        other => other,
                    }));
                }
            }
        }
    }

    /// Where a direct branch goes.
    fn target(&mut self, node: &Node, constants: &ConstantOffsets) -> Option<Next> {
        if self.has_fixup(node.offset(), constants.immediate_offset())
            || matches!(node.instruction.op0_kind(), OpKind::FarBranch16 | OpKind::FarBranch32)
        {
            return Some(Next::Away);
        }
        let target = node.instruction.near_branch_target() as i64;
        // A 32-bit target wraps; what lies before the patchlet is negative.
        let target = if self.arch == Arch::I386 { i64::from(target as i32) } else { target };
        let len = self.code.bytes.len() as i64;
        if target == len {
            return Some(Next::End);
        }
        if (0..len).contains(&target) {
            return Some(Next::To(target as u32));
        }
        let place = if target < 0 {
            format!("{} bytes before its start", -target)
        } else {
            format!("{} bytes after its end", target - len)
        };
        self.found.push(
            Diagnostic::new(Finding::BRANCH, node.span, "a branch leaves the patchlet")
                .label(format!("goes to {place}"))
                .note("the bytes are copied over call sites: what lies around them differs from site to site")
                .help("branch to a label inside the row, or to a symbol: the patcher then fills in the distance"),
        );
        None
    }

    /// An address relative to the instruction pointer has to be a fixup, unless it lies in the patchlet itself: then its
    /// offset there.
    fn check_address(&mut self, node: &Node, constants: &ConstantOffsets) -> Option<u32> {
        let instruction = &node.instruction;
        if !instruction.is_ip_rel_memory_operand() || self.has_fixup(node.offset(), constants.displacement_offset()) {
            return None;
        }
        let target = instruction.ip_rel_memory_address();
        let own = u32::try_from(target).ok().filter(|&target| target as usize <= self.code.bytes.len());
        if own.is_none() {
            self.found.push(
                Diagnostic::new(Finding::POSITION, node.span, "an address is relative to where the bytes stand")
                    .label("relative to the instruction pointer, without a symbol")
                    .note("the bytes are copied over call sites: the same distance is another address at each")
                    .help("name the symbol, `sym(%rip)`: the patcher then fills in the distance"),
            );
        }
        own
    }

    fn has_fixup(&self, offset: u32, field: usize) -> bool {
        field != 0 && self.code.fixups.iter().any(|fixup| fixup.offset == offset + field as u32)
    }

    fn inside(&self, offset: u32) -> Option<u32> {
        ((offset as usize) < self.code.bytes.len()).then_some(offset)
    }

    /// Whether `offset` lies within what was written as one instruction.
    fn within_item(&self, offset: u32) -> bool {
        let after = self.code.items.partition_point(|item| item.offset < offset);
        after.checked_sub(1).map(|index| &self.code.items[index]).is_some_and(|item| {
            offset < item.offset + item.len
                && matches!(&item.instructions[..], [one] if !one.is_invalid() && one.len() == item.len as usize)
        })
    }

    /// Reports instructions that begin in the middle of another one.
    fn overlaps(&mut self) {
        let mut previous: Option<&Node> = None;
        for node in self.nodes.values() {
            let overlapped = previous.filter(|before| before.end() > node.offset());
            if overlapped.is_some() || self.within_item(node.offset()) {
                let branch = self.nodes.values().find(|from| {
                    from.next.iter().any(|next| matches!(*next, Next::To(to) | Next::Enter(to) if to == node.offset()))
                        && from.end() != node.offset()
                });
                let found = Diagnostic::new(
                    Finding::BRANCH,
                    branch.unwrap_or(node).span,
                    "a branch goes into the middle of an instruction",
                )
                .label(format!("goes to offset {}", node.offset()));
                let into = overlapped.map_or(node.span, |before| before.span);
                // What follows from there on is off as well.
                self.found.push(found.also(into, "this is taken apart"));
                return;
            }
            previous = Some(node);
        }
    }
}

/// The first bytes as hex.
fn hex(bytes: &[u8]) -> String {
    let text: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    text.join(" ")
}
