//! Resolved rows to code: each row's text through `pvc-asm`, and the bytes beside it held against what came out.

use crate::arch::Arch;
use crate::check::disassemble;
use crate::decode::decode;
use crate::diagnostics::{Code as Finding, Diagnostic, Diagnostics};
use crate::model::{Asm, Assembled, AssembledRow, Code, CodeItem, Contract, Expected, Op, Resolved, ResolvedRow, Unit};
use crate::source::{SourceMap, Span};
use iced_x86::Instruction;
use pvc_asm::{ErrorKind, Fixup, FixupKind, Options, Syntax};
use std::collections::BTreeMap;

/// The most fields of a row that depend on where it is written: what the patcher's scratch space holds for a site.
const MAX_RELATIVE: usize = 4;

/// Assembles every row of the set. A row that cannot be is poisoned, with the reasons in `diagnostics`.
#[must_use]
pub fn assemble(unit: Resolved, sources: &SourceMap, diagnostics: &mut Diagnostics) -> Assembled {
    let Unit { set, features, ops, branches } = unit;
    let ops = ops.into_iter().map(|op| assemble_op(op, set.syntax, sources, diagnostics)).collect();
    Unit { set, features, ops, branches }
}

/// What came of a row on one arch.
struct Outcome {
    arch: Arch,
    code: Option<Code>,
    found: Vec<Diagnostic>,
}

fn assemble_op(
    op: Op<ResolvedRow>,
    syntax: Syntax,
    sources: &SourceMap,
    diagnostics: &mut Diagnostics,
) -> Op<AssembledRow> {
    let (op, contracts) = op.with_contracts::<AssembledRow>(Vec::new());
    // A row of two arches is one row to its author: what is wrong on both is told once.
    let mut by_source: BTreeMap<Span, Vec<(Outcome, Option<Expected>)>> = BTreeMap::new();
    let mut assembled = Vec::with_capacity(contracts.len());
    for contract in contracts {
        let (contract, rows) = contract.take_rows();
        let arch = contract.arch;
        let mut done = Vec::with_capacity(rows.len());
        for row in rows {
            let outcome = assemble_row(&row, arch, syntax, sources);
            let code = outcome.code.clone();
            by_source.entry(row.span).or_default().push((outcome, row.expected.clone()));
            done.push(AssembledRow { row, code });
        }
        assembled.push((contract, done));
    }
    for outcomes in by_source.values() {
        report(outcomes, diagnostics);
        compare(&op.name, outcomes, diagnostics);
    }
    let contracts: Vec<Contract<AssembledRow>> =
        assembled.into_iter().map(|(contract, rows)| contract.take_rows_with(rows)).collect();
    op.with_contracts(contracts).0
}

fn report(outcomes: &[(Outcome, Option<Expected>)], diagnostics: &mut Diagnostics) {
    for (outcome, _) in outcomes {
        for found in &outcome.found {
            let everywhere = outcomes.iter().all(|(other, _)| other.found.contains(found));
            let first = std::ptr::eq(outcome, &outcomes[0].0);
            if everywhere && !first {
                continue;
            }
            let mut found = found.clone();
            if !everywhere {
                found = found.note(format!("this is so on {}", outcome.arch.name()));
            }
            diagnostics.push(found);
        }
    }
}

fn assemble_row(row: &ResolvedRow, arch: Arch, syntax: Syntax, sources: &SourceMap) -> Outcome {
    let asm = &row.asm;
    let options = Options { mode: arch.mode(), syntax };
    match pvc_asm::assemble(&asm.text, &options) {
        Err(errors) => {
            let found = errors.into_iter().map(|error| translate(error, asm, syntax, sources)).collect();
            Outcome { arch, code: None, found }
        }
        Ok(assembly) => {
            let mut found: Vec<Diagnostic> =
                assembly.warnings.into_iter().map(|warning| translate(warning, asm, syntax, sources)).collect();
            found.extend(unusable_fixups(&assembly.fixups, asm));
            found.extend(assembly.items.iter().filter_map(|item| alignment(item.span(), asm, sources)));
            let mut bytes = assembly.bytes;
            for fixup in &assembly.fixups {
                // The addend is in the fixup; 32-bit object files have it in the field too.
                let field = fixup.offset as usize..fixup.offset as usize + usize::from(fixup.width);
                bytes[field].fill(0);
            }
            let items = assembly
                .items
                .iter()
                .map(|item| CodeItem {
                    offset: item.offset,
                    len: item.len,
                    span: asm.source_span(item.span()),
                    instructions: decode_item(&bytes, item.offset, item.len, arch),
                })
                .collect();
            Outcome { arch, code: Some(Code { bytes, items, fixups: assembly.fixups }), found }
        }
    }
}

/// The instructions of an item; an invalid one ends the list.
fn decode_item(bytes: &[u8], offset: u32, len: u32, arch: Arch) -> Vec<Instruction> {
    let (mut at, end) = (offset as usize, (offset + len) as usize);
    let mut instructions = Vec::with_capacity(1);
    while at < end {
        let (instruction, _) = decode(&bytes[at..end], at as u32, arch);
        instructions.push(instruction);
        if instruction.is_invalid() {
            break;
        }
        at += instruction.len();
    }
    instructions
}

/// The longest row, in bytes, that a note repeats.
const MAX_SHOWN: usize = 120;

/// A finding of the assembler as one of ours, at its place in the source.
fn translate(found: pvc_asm::Diagnostic, asm: &Asm, syntax: Syntax, sources: &SourceMap) -> Diagnostic {
    let code = match found.severity {
        pvc_asm::Severity::Error => Finding::ASSEMBLE,
        pvc_asm::Severity::Warning => Finding::ASSEMBLER_WARNING,
    };
    let mut ours = Diagnostic::new(code, asm.source_span(found.span), found.message).label(found.label);
    ours.notes = found.notes;
    ours.help = found.help;
    // What a role stands for is not to be seen in the source.
    let (resolved, written) = (asm.text.trim(), sources.text(asm.span).trim());
    if resolved != written && !resolved.contains('\n') && resolved.len() <= MAX_SHOWN {
        ours = ours.note(format!("with its operands in place the row is `{resolved}`"));
    }
    if found.severity == pvc_asm::Severity::Warning {
        ours = ours.note("GNU as takes this with a warning; a patch set does not");
    } else if ours.help.is_none()
        && syntax == Syntax::Att
        && crate::arch::register(sources.text(ours.primary.span)).is_some()
    {
        let name = sources.text(ours.primary.span);
        ours = ours.help(format!("in AT&T syntax `{name}` is a symbol, the register is `%{name}`; for the other syntax write `syntax intel` into the patchset block"));
    }
    if let Some(fix) = found.fix {
        // Inside a replaced role the text of the row is not the text of the file.
        let span = asm.source_span(fix.span.clone());
        if asm.text.get(fix.span) == Some(sources.text(span)) {
            let title = format!("write `{}`", fix.text);
            // The nearest name is a guess; what GNU as makes of a text that it warns of is not.
            ours = match found.kind {
                ErrorKind::UnknownMnemonic | ErrorKind::UnknownRegister | ErrorKind::Directive => {
                    ours.guess(title, span, fix.text)
                }
                _ => ours.fix(title, span, fix.text),
            };
        }
    }
    ours
}

/// Reports a directive that aligns: it aligns to the start of the row, and the row stands at any address.
fn alignment(item: std::ops::Range<usize>, asm: &Asm, sources: &SourceMap) -> Option<Diagnostic> {
    let directive = asm.text.get(item.clone())?.split([' ', '\t']).next()?;
    if ![".align", ".balign", ".p2align"].contains(&directive) {
        return None;
    }
    let span = asm.source_span(item);
    let found = Diagnostic::new(Finding::POSITION, span, format!("`{directive}` aligns to where the row stands"))
        .label("the bytes are copied over sites at any address")
        .note("what is aligned here is so at no site, and the padding makes the row longer")
        .help("leave it out; NOPs of a fixed length are written as `nop` or `.skip`");
    // A separator is left behind, which the assembler takes.
    Some(found.guess("drop it", sources.cut(span), ""))
}

/// Reports the fixups that the runtime cannot apply.
fn unusable_fixups<'a>(fixups: &'a [Fixup], asm: &'a Asm) -> impl Iterator<Item = Diagnostic> + 'a {
    let relative = fixups.iter().filter(|fixup| fixup.kind.is_relative());
    let too_many = relative.clone().nth(MAX_RELATIVE).map(|fixup| {
        Diagnostic::new(
            Finding::FIXUP,
            asm.source_span(fixup.span.clone()),
            format!("a row has at most {MAX_RELATIVE} PC-relative fields, this is the next"),
        )
        .label("one too many for the patcher")
        .help("load an address once and use it from a register, or put the code into a function")
    });
    let unusable = fixups.iter().filter_map(|fixup| {
        let reason = match fixup.kind {
            _ if fixup.symbol == "*ABS*" => "the target is a number: the patcher needs a symbol to measure from",
            _ if fixup.symbol.starts_with('.') && !fixup.kind.is_relative() => {
                "the absolute address of a label in the row: the row stands at many addresses"
            }
            FixupKind::Abs8
            | FixupKind::Abs16
            | FixupKind::Abs32
            | FixupKind::Abs32Signed
            | FixupKind::Abs64
            | FixupKind::PcRel8
            | FixupKind::PcRel32
            | FixupKind::Plt32 => return None,
            _ => "a kind of relocation that only a linker can resolve",
        };
        Some(
            Diagnostic::new(
                Finding::FIXUP,
                asm.source_span(fixup.span.clone()),
                match asm.text.get(fixup.span.clone()) {
                    Some(target) if fixup.symbol == "*ABS*" => {
                        format!("the patcher cannot work out the distance to `{target}`")
                    }
                    _ => format!("the patcher cannot fill in `{}` here", fixup.symbol),
                },
            )
            .label(reason)
            .note("it knows fields of 8, 16, 32 and 64 bits with an address, and of 8 and 32 bits with a distance"),
        )
    });
    unusable.chain(too_many)
}

/// Holds the bytes that are written beside a row against its code.
fn compare(op: &str, outcomes: &[(Outcome, Option<Expected>)], diagnostics: &mut Diagnostics) {
    let pairs: Vec<(Arch, &Code, &Expected)> = outcomes
        .iter()
        .filter_map(|(outcome, expected)| Some((outcome.arch, outcome.code.as_ref()?, expected.as_ref()?)))
        .collect();
    if let [(one_arch, one, group), (other_arch, other, other_group)] = pairs[..]
        && group.span == other_group.span
    {
        // One group stands for both arches.
        let (first, second) = (group_of(one), group_of(other));
        if first != second {
            diagnostics.push(
                Diagnostic::new(
                    Finding::BYTES_DIFFER,
                    group.span,
                    format!("one group of bytes for two encodings of this row of `{op}`"),
                )
                .label("stands for both arches")
                .note(shown(one_arch.name(), &first, one, one_arch))
                .note(shown(other_arch.name(), &second, other, other_arch))
                .fix("write a group for each arch", group.span, format!("{first} | {second}")),
            );
            return;
        }
        mismatch(op, one_arch, one, group, diagnostics);
        return;
    }
    for (arch, code, expected) in pairs {
        mismatch(op, arch, code, expected, diagnostics);
    }
}

fn mismatch(op: &str, arch: Arch, code: &Code, expected: &Expected, diagnostics: &mut Diagnostics) {
    if expected.bytes.iter().copied().eq(known_bytes(code)) {
        return;
    }
    let actual = group_of(code);
    let written: Vec<String> = expected.bytes.iter().map(hex_byte).collect();
    let written = written.join(" ");
    let known: Vec<u8> = expected.bytes.iter().map(|byte| byte.unwrap_or(0)).collect();
    let same_but_fixups = known.len() == code.bytes.len()
        && known.iter().zip(&code.bytes).enumerate().all(|(at, (one, other))| one == other || is_fixup(code, at));
    let label = if same_but_fixups {
        if expected.bytes.iter().enumerate().any(|(at, byte)| byte.is_none() && !is_fixup(code, at)) {
            "`??` stands for bytes that the patcher fills in, and one of these is known"
        } else {
            "the patcher fills in some of these: write `??` for them"
        }
    } else {
        "not what the asm encodes to"
    };
    let mut found = Diagnostic::new(
        Finding::BYTES_DIFFER,
        expected.span,
        format!("the bytes beside this row of `{op}` are not those of its asm on {}", arch.name()),
    )
    .label(label)
    .note(shown("the asm is", &actual, code, arch));
    if !same_but_fixups {
        found = found.note(format!("the bytes are {written} ({})", disassemble(&known, arch)));
    }
    diagnostics.push(found.fix("write the bytes of the asm", expected.span, actual));
}

fn shown(what: &str, group: &str, code: &Code, arch: Arch) -> String {
    format!("{what} {group} ({})", disassemble(&code.bytes, arch))
}

fn is_fixup(code: &Code, at: usize) -> bool {
    code.fixups
        .iter()
        .any(|fixup| (fixup.offset as usize..fixup.offset as usize + usize::from(fixup.width)).contains(&at))
}

/// The bytes as a patch set writes them: `e8 ?? ?? ?? ??`.
pub(crate) fn group_of(code: &Code) -> String {
    let text: Vec<String> = known_bytes(code).map(|byte| hex_byte(&byte)).collect();
    text.join(" ")
}

/// The bytes; `None` where the patcher fills one in.
fn known_bytes(code: &Code) -> impl Iterator<Item = Option<u8>> {
    code.bytes.iter().enumerate().map(|(at, &byte)| (!is_fixup(code, at)).then_some(byte))
}

fn hex_byte(byte: &Option<u8>) -> String {
    byte.map_or_else(|| "??".to_owned(), |byte| format!("{byte:02x}"))
}
