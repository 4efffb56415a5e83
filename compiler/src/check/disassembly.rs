//! Code as text: AT&T syntax the way that kernels write it, with symbols for the fields that the patcher fills in.

use super::flow::Graph;
use crate::arch::Arch;
use crate::model::Code;
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, OpKind, SymbolResolver, SymbolResult};

/// The code as one line, instructions joined by `; `; bytes that control never reaches as `.byte`.
pub(super) fn line(code: &Code, graph: &Graph) -> String {
    let mut formatter = None;
    let mut parts = Vec::new();
    let mut at = 0;
    for node in graph.nodes.values() {
        // What begins inside another instruction was reported; the text shows the first reading.
        if node.offset() < at {
            continue;
        }
        parts.extend(data(&code.bytes[at as usize..node.offset() as usize]));
        let plain = if code.fixups.is_empty() { super::plain::text(&node.instruction) } else { None };
        parts.push(plain.unwrap_or_else(|| {
            let mut text = String::new();
            formatter
                .get_or_insert_with(|| self::formatter(Some(Symbols::new(code, graph))))
                .format(&node.instruction, &mut text);
            text
        }));
        at = node.end();
    }
    parts.extend(code.bytes.get(at as usize..).and_then(data));
    parts.join("; ")
}

/// Bytes, one instruction after the other; what is none as `.byte`.
pub(super) fn bytes(bytes: &[u8], arch: Arch) -> String {
    let mut decoder = Decoder::new(arch.bits(), bytes, DecoderOptions::NONE);
    let mut parts = Vec::new();
    while decoder.can_decode() {
        let at = decoder.position();
        let one = decoder.decode();
        if one.is_invalid() {
            parts.extend(data(&bytes[at..]));
            break;
        }
        parts.push(instruction(&one));
    }
    parts.join("; ")
}

/// One instruction.
pub(super) fn instruction(instruction: &Instruction) -> String {
    let mut text = String::new();
    formatter(Some(Symbols(branch(instruction).into_iter().collect()))).format(instruction, &mut text);
    text
}

pub(super) fn formatter(symbols: Option<Symbols>) -> GasFormatter {
    let resolver = symbols.filter(|symbols| !symbols.0.is_empty());
    let mut formatter =
        GasFormatter::with_options(resolver.map(|symbols| Box::new(symbols) as Box<dyn SymbolResolver>), None);
    let options = formatter.options_mut();
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_small_hex_numbers_in_decimal(true);
    options.set_show_useless_prefixes(true);
    options.set_rip_relative_addresses(true);
    formatter
}

fn data(bytes: &[u8]) -> Option<String> {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04x}")).collect();
    (!bytes.is_empty()).then(|| format!(".byte {}", bytes.join(", ")))
}

/// The operands that stand for an address: address of the instruction, whether it is the memory operand, text.
pub(super) struct Symbols(Vec<(u64, bool, String)>);

impl Symbols {
    fn new(code: &Code, graph: &Graph) -> Self {
        let symbol = |fixup: &pvc_asm::Fixup| {
            let (&start, node) = graph.nodes.range(..=fixup.offset).next_back()?;
            let relative = matches!(
                fixup.kind,
                pvc_asm::FixupKind::PcRel8
                    | pvc_asm::FixupKind::PcRel16
                    | pvc_asm::FixupKind::PcRel32
                    | pvc_asm::FixupKind::Plt32
            );
            // The CPU counts from the end of the instruction, the fixup from its field.
            let from = if relative { i64::from(node.end()) - i64::from(fixup.offset) } else { 0 };
            let memory = fixup.offset + u32::from(fixup.width) < node.end()
                || (0..node.instruction.op_count()).any(|op| node.instruction.op_kind(op) == OpKind::Memory)
                    && !has_immediate(&node.instruction);
            let text = match fixup.addend + from {
                0 => fixup.symbol.clone(),
                addend => format!("{}{addend:+}", fixup.symbol),
            };
            Some((u64::from(start), memory, text))
        };
        // A fixup comes before the branch whose target it is.
        let branches = graph.nodes.values().filter_map(|node| branch(&node.instruction));
        Self(code.fixups.iter().filter_map(symbol).chain(branches).collect())
    }
}

/// A direct branch shows its distance, from its own address as `.` is in assembly: the bytes stand at many addresses.
fn branch(instruction: &Instruction) -> Option<(u64, bool, String)> {
    let near = matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    let distance = instruction.near_branch_target().wrapping_sub(instruction.ip());
    let distance =
        if instruction.op0_kind() == OpKind::NearBranch64 { distance as i64 } else { i64::from(distance as i32) };
    near.then(|| (instruction.ip(), false, format!(".{distance:+}")))
}

impl SymbolResolver for Symbols {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        operand: Option<u32>,
        address: u64,
        _size: u32,
    ) -> Option<SymbolResult<'_>> {
        let memory = instruction.op_kind(operand?) == OpKind::Memory;
        let (_, _, text) = self.0.iter().find(|(ip, is_memory, _)| *ip == instruction.ip() && *is_memory == memory)?;
        Some(SymbolResult::with_str(address, text))
    }
}

fn has_immediate(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|op| instruction.try_immediate(op).is_ok())
}
