//! Hover: what stands under the cursor, and what the compiler found out about it.

use super::names::{self, Kind, Name, PREFIXES};
use super::words::{self, about};
use super::workspace::View;
use super::{instructions, mnemonics};
use crate::arch::{self, Arch, register_name};
use crate::check::CheckedRow;
use crate::emit;
use crate::incremental::{Detail, Placed};
use crate::model::{AssembledRow, Contract, Op};
use crate::source::Span;
use crate::syntax::ast::{Branch, BranchClauseKind, Item};
use gen_lsp_types::{Contents, Hover, MarkupContent, MarkupKind, Position};
use std::fmt::Write;

/// What stands at a position.
pub(super) fn hover(view: View<'_>, position: Position) -> Option<Hover> {
    let (item, at) = view.item_at(view.offset(position))?;
    let name = names::of_piece(&item.piece, view.syntax()).into_iter().find(|name| covers(name.span, at));
    let detail = view.session.detail(item);
    let declared = || {
        view.items().find_map(|item| match item {
            Item::Feature(feature) if name.as_ref().is_some_and(|name| name.text == feature.name.text) => Some(feature),
            _ => None,
        })
    };
    let set = view.items().find_map(|item| match item {
        Item::Patchset(set) => Some(set.name.text.clone()),
        _ => None,
    });
    let set = set.unwrap_or_default();
    let (span, text) = match &name {
        Some(name) => {
            let text = match name.kind {
                Kind::Feature | Kind::FeatureUse => {
                    feature(&name.text, declared().map(|feature| feature.docs.join("\n")))
                }
                _ => of_name(name, item, detail.as_ref(), &set),
            };
            (name.span, text)
        }
        None => (Span { start: at as u32, end: at as u32, ..Span::new(view.file, 0..0) }, None),
    };
    let (span, text) = match text {
        Some(text) => (span, text),
        None => row(detail.as_ref()?, at)?,
    };
    let range = view.range(item.span(span));
    let contents = Contents::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value: text });
    Some(Hover { contents, range: Some(range) })
}

fn covers(span: Span, at: usize) -> bool {
    span.start as usize <= at && at <= span.end as usize
}

fn of_name(name: &Name, item: &Placed, detail: Option<&Detail>, set: &str) -> Option<String> {
    let word =
        |tables: &[&[(&str, &'static str)]]| about(tables, &name.text).map(|text| format!("`{}`: {text}", name.text));
    match name.kind {
        Kind::Keyword => word(keywords(item)),
        Kind::Type => word(&[words::TYPES]),
        Kind::Arch => word(&[words::ARCHES]),
        Kind::Value => word(&[words::VALUES]),
        Kind::Clobber => word(&[words::CLOBBERS]),
        Kind::Site => site(&name.text),
        Kind::Level => {
            let level = arch::LEVELS.get(&name.text)?;
            Some(format!("`{}` guarantees {}", name.text, level.has.join(", ")))
        }
        Kind::Code => {
            let code = crate::diagnostics::CODES.iter().find(|info| info.code.to_string() == name.text)?;
            Some(code.page.to_owned())
        }
        Kind::Op => match item.piece.item() {
            Some(Item::Op(op)) => Some(operation(&op.docs, detail?)),
            _ => None,
        },
        Kind::Branch => match item.piece.item() {
            Some(Item::Branch(branch)) => Some(static_branch(branch, set)),
            _ => None,
        },
        Kind::Set => match item.piece.item() {
            Some(Item::Patchset(set)) => Some(format!("patch set `{}`\n\n{}", name.text, set.docs.join("\n"))),
            _ => None,
        },
        Kind::Symbol => Some(format!("`{}`: an external function, the initial target of the op's calls", name.text)),
        Kind::Operand => operand(&name.text, detail?),
        Kind::Role => operand(name.text.trim_matches(['{', '}']), detail?),
        Kind::Mnemonic => instruction(name, detail),
        _ => None,
    }
}

/// The tables of the keywords of an item; a word may mean something else in another.
fn keywords(item: &Placed) -> &'static [&'static [(&'static str, &'static str)]] {
    match item.piece.item() {
        Some(Item::Patchset(_)) => &[words::ITEMS, words::SET_CLAUSES],
        Some(Item::Branch(_)) => &[words::ITEMS, words::BRANCH_CLAUSES],
        _ => &[words::ITEMS, words::OP_CLAUSES, words::ROW_WORDS],
    }
}

fn site(name: &str) -> Option<String> {
    let mut text = format!("`{name}`: {}\n", about(&[words::SITES], name)?);
    for arch in Arch::ALL {
        if let Some(kind) = arch.table().kind(name) {
            let len = kind
                .len
                .map_or_else(|| "as long as the clause or the rows say".to_owned(), |len| format!("{len} bytes"));
            let _ = write!(text, "\n- {}: {len}", arch.name());
        }
    }
    Some(text)
}

fn feature(name: &str, docs: Option<String>) -> Option<String> {
    if let Some(docs) = docs {
        return Some(format!("feature `{name}`, set by the program before patching\n\n{docs}"));
    }
    let info = arch::feature(name)?;
    let cpuid = info.cpuid;
    let register = format!("{:?}", cpuid.register).to_ascii_uppercase();
    let mut text = format!(
        "CPU feature `{name}`\n\n- CPUID leaf {:#x}, subleaf {}, {register} bit {}",
        cpuid.leaf, cpuid.subleaf, cpuid.bit
    );
    let implied: Vec<&str> = info.implies.iter().copied().filter(|other| *other != name).collect();
    if !implied.is_empty() {
        let _ = write!(text, "\n- implies {}", implied.join(", "));
    }
    Some(text)
}

/// The register of an operand on each arch.
fn operand(name: &str, detail: &Detail) -> Option<String> {
    let op = detail.assembled.ops.first()?;
    let mut text = format!("operand `{name}`\n");
    let mut found = false;
    for contract in &op.contracts {
        for (role, operands) in [("parameter", &contract.params), ("result", &contract.results)] {
            for operand in operands.iter().filter(|operand| operand.name == name) {
                let high = operand.high.map(|high| format!("{}:", register_name(high))).unwrap_or_default();
                let register = register_name(operand.register);
                let _ = write!(text, "\n- {}: {role} in {high}{register}, {:?}", contract.arch.name(), operand.ty);
                found = true;
            }
        }
    }
    found.then_some(text)
}

/// The contract of an op and the functions that are generated for it.
fn operation(docs: &[String], detail: &Detail) -> String {
    let mut text = docs.join("\n");
    let Some(op) = detail.assembled.ops.first() else { return text };
    let _ = writeln!(text, "\n\n**{}**\n", op.name);
    for contract in &op.contracts {
        let _ = writeln!(text, "- {}", contract_line(contract));
    }
    let notes = crate::show::notes(op);
    if !notes.is_empty() {
        let _ = writeln!(text, "- {}", notes.join(", "));
    }
    if let Some(checked) = &detail.checked {
        let _ = writeln!(text, "\n```c\n{}\n```", emit::c::signature(checked, 0));
        if let Some(signature) = emit::rust::signature(checked, 0) {
            let _ = writeln!(text, "\n```rust\n{signature}\n```");
        }
    }
    text
}

/// What a static branch is and the functions that are generated for it.
fn static_branch(branch: &Branch, set: &str) -> String {
    let arches = branch.clauses.iter().find_map(|clause| match &clause.kind {
        BranchClauseKind::Arch(words) => {
            Some(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(", "))
        }
        BranchClauseKind::Live => None,
    });
    let live = branch.clauses.iter().any(|clause| matches!(clause.kind, BranchClauseKind::Live));
    let mut text = format!("{}\n\n**{}**, a static branch\n\n", branch.docs.join("\n"), branch.name.text);
    let _ = writeln!(text, "- {} until it is switched: its sites hold NOPs as long", branch.initial);
    let _ = writeln!(text, "- on {}", arches.as_deref().unwrap_or("all arches of the set"));
    if live {
        text.push_str("- live: may change while other CPUs run through its sites\n");
    }
    let (ident, path) = (branch.name.text.replace('.', "_"), branch.name.text.replace('.', "::"));
    let _ = writeln!(text, "\n```c\nbool pv_{set}_branch_{ident}(void);\n```");
    let _ = writeln!(text, "\n```rust\n{set}::{path}() -> bool\n```");
    text
}

/// One line: `x86_64: msr in rcx; site call.mem (6 bytes); clobbers barrier`.
fn contract_line<R>(contract: &Contract<R>) -> String {
    let place = |operand: &crate::model::Operand| {
        let high = operand.high.map(|high| format!("{}:", register_name(high))).unwrap_or_default();
        let name = if operand.name.is_empty() { "result" } else { &operand.name };
        format!("{name} in {high}{}", register_name(operand.register))
    };
    let mut parts: Vec<String> = Vec::new();
    if !contract.params.is_empty() {
        parts.push(contract.params.iter().map(place).collect::<Vec<_>>().join(", "));
    }
    if !contract.results.is_empty() {
        parts.push(format!("returns {}", contract.results.iter().map(place).collect::<Vec<_>>().join(", ")));
    }
    let sites = contract.sites.iter().map(|site| match site.len {
        Some(len) => format!("{} ({len} bytes)", site.label()),
        None => site.label(),
    });
    parts.push(format!("site {}", sites.collect::<Vec<_>>().join(", ")));
    let clobbers: Vec<String> = contract.clobbers.items.iter().map(|item| item.what.to_string()).collect();
    if !clobbers.is_empty() {
        parts.push(format!("clobbers {}", clobbers.join(", ")));
    }
    format!("{}: {}", contract.arch.name(), parts.join("; "))
}

/// The instruction whose mnemonic this is, on each arch of its row.
fn instruction(name: &Name, detail: Option<&Detail>) -> Option<String> {
    if PREFIXES.contains(&name.text.as_str()) {
        return Some(format!("prefix `{}`: {}", name.text, mnemonics::sentence(&name.text)?));
    }
    let mut texts = Vec::new();
    let ops = detail.iter().flat_map(|detail| &detail.assembled.ops);
    for contract in ops.flat_map(|op| &op.contracts) {
        let codes = contract.rows.iter().filter_map(|row| row.code.as_ref());
        let item = codes.flat_map(|code| &code.items).find(|item| covers(item.span, name.span.start as usize));
        if let Some(instruction) = item.and_then(|item| item.instructions.first()) {
            let written = &name.text;
            let text = instructions::describe(written, instruction, contract.arch);
            if !texts.iter().any(|known: &String| same_but_arch(known, &text)) {
                texts.push(text);
            }
        }
    }
    if texts.is_empty() {
        return instructions::describe_name(&name.text, Arch::X86_64);
    }
    Some(texts.join("\n---\n\n"))
}

/// Whether two descriptions differ in their first line only.
fn same_but_arch(one: &str, other: &str) -> bool {
    one.lines().skip(1).eq(other.lines().skip(1))
}

/// The row around an offset: its code on each arch.
fn row(detail: &Detail, at: usize) -> Option<(Span, String)> {
    let op = detail.assembled.ops.first()?;
    let rows = op.contracts.iter().flat_map(|contract| &contract.rows);
    let span = rows.map(|row| row.row.span).find(|span| covers(*span, at))?;
    Some((span, row_text(op, detail, span)))
}

/// What a row encodes to and does, an arch at a time.
pub(super) fn row_text(op: &Op<AssembledRow>, detail: &Detail, span: Span) -> String {
    let mut text = String::new();
    for contract in &op.contracts {
        for row in contract.rows.iter().filter(|row| row.row.span == span) {
            let Some(code) = &row.code else {
                let _ = writeln!(text, "**{}**: does not assemble\n", contract.arch.name());
                continue;
            };
            let bytes = code.bytes.len();
            let _ =
                writeln!(text, "**{}**: {bytes} {}\n", contract.arch.name(), if bytes == 1 { "byte" } else { "bytes" });
            let _ = writeln!(text, "```\n{}\n```\n", crate::assemble::group_of(code));
            for site in &contract.sites {
                let checked = checked_site(detail, contract.arch, &site.label());
                if let Some(len) = site.len.or(checked) {
                    let slack = i64::from(len) - bytes as i64;
                    let fit = if slack < 0 { format!("**{} too long**", -slack) } else { format!("slack {slack}") };
                    let _ = writeln!(text, "- site `{}`: {bytes}/{len} bytes, {fit}", site.label());
                }
            }
            if let Some(checked) = checked_row(detail, contract.arch, span) {
                let _ = writeln!(text, "- `{}`", checked.disassembly);
                let _ = writeln!(text, "- {}", checked.effects);
                if !checked.effects.features.is_empty() {
                    let _ = writeln!(text, "- needs {}", checked.effects.features.join(", "));
                }
            }
            text.push('\n');
        }
    }
    text
}

/// The length of an `inline` site, which the check phase works out.
fn checked_site(detail: &Detail, arch: Arch, label: &str) -> Option<u8> {
    let op = detail.checked.as_ref()?.unit().ops.first()?;
    op.on(arch)?.sites.iter().find(|site| site.label() == label)?.len
}

/// A row as it was checked.
pub(super) fn checked_row(detail: &Detail, arch: Arch, span: Span) -> Option<&CheckedRow> {
    let op = detail.checked.as_ref()?.unit().ops.first()?;
    op.on(arch)?.rows.iter().find(|row| row.row.span == span)
}
