//! What rows need, as text to paste into a patch set: the smallest clobbers, the missing conditions, the bytes.

use crate::arch::{Arch, LEVELS};
use crate::assemble::{self, group_of};
use crate::check::{self, Needs, RowNeeds};
use crate::diagnostics::Diagnostics;
use crate::emit::json::{EffectsJson, effects};
use crate::format::{FormatOptions, format};
use crate::model::{
    Abi, Asm, Assembled, Clobbers, Contract, Op, Preserves, Resolved, ResolvedRow, Returns, Set, Site, Unit,
};
use crate::source::{FileId, Loader, SourceMap, Span};
use crate::syntax::ast::{self, ClauseKind, Item};
use crate::{resolve, syntax};
use serde::Serialize;
use std::collections::BTreeMap;

/// Why nothing could be inferred: the findings, and the files that they point into.
pub type Failure = Box<(Diagnostics, SourceMap)>;

/// What the rows of some ops need.
#[derive(Debug)]
pub struct Inference {
    unit: Assembled,
    needs: Vec<Needs>,
    sources: SourceMap,
    /// Each op's index, and its text with the clobbers, conditions and bytes that it should have.
    ops: Vec<(usize, String)>,
}

/// What a piece of asm is taken for.
#[derive(Clone, Copy, Debug)]
pub struct AsmOptions {
    /// The arch.
    pub arch: Arch,
    /// The syntax of the text.
    pub syntax: pvc_asm::Syntax,
    /// The ABI at the site.
    pub abi: Abi,
}

/// Works out what the rows of the file at `path` need: those of the op `name`, or all.
///
/// What is declared may be wrong or missing; the asm must make sense.
///
/// # Errors
///
/// The findings about the file if it cannot be resolved and assembled. An unknown name gives an empty [`Inference`].
///
/// ```
/// use pvc::source::MemoryLoader;
/// let files = MemoryLoader::from_iter([("irq.pv", "
///     patchset demo { arch x86_64 }
///     op time.stamp() -> low: u32 { x86_64 { rdtscp } }
/// ")]);
/// let inference = pvc::infer::file("irq.pv", &files, Some("time.stamp")).unwrap();
/// assert!(inference.text().ends_with("\
/// op time.stamp() -> low: u32 {
///     clobbers rcx, rdx
///     x86_64 when rdtscp { rdtscp }                   = 0f 01 f9
/// }
/// "));
/// ```
pub fn file(path: &str, loader: &dyn Loader, name: Option<&str>) -> Result<Inference, Failure> {
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let mut ast = syntax::parse(path, loader, &mut sources, &mut diagnostics);
    let written = ast.clone();
    ast.forget_claims();
    let resolved = resolve::resolve(&ast, &sources, &mut diagnostics);
    let unit = resolved.map(|unit| assemble::assemble(unit, &sources, &mut diagnostics));
    crate::format::keep_what_hinders(&mut diagnostics);
    let Some(unit) = unit.filter(|_| !diagnostics.has_errors()) else {
        diagnostics.sort();
        return Err(Box::new((diagnostics, sources)));
    };
    let needs = check::infer(&unit, &sources);
    let mut ops = Vec::new();
    for op in written.items.iter().filter_map(|item| match item {
        Item::Op(op) => Some(op),
        _ => None,
    }) {
        let index = unit.ops.iter().position(|other| other.span == op.name.span);
        if let Some(index) = index.filter(|_| name.is_none_or(|name| name == op.name.text)) {
            ops.push((index, mended(op, index, &unit, &needs, &sources)));
        }
    }
    Ok(Inference { unit, needs, sources, ops })
}

/// Works out what a piece of asm needs, as a row of an op without operands: all that it leaves changed is a clobber.
///
/// # Errors
///
/// What the assembler finds.
///
/// ```
/// use pvc::{arch::Arch, infer::AsmOptions, model::Abi};
/// let options = AsmOptions { arch: Arch::X86_64, syntax: pvc_asm::Syntax::Att, abi: Abi::Kernel };
/// let inference = pvc::infer::asm("rdtsc; shl $32, %rdx; or %rdx, %rax", &options).unwrap();
/// assert!(inference.text().contains("\n    clobbers rax, rdx, flags\n"));
/// ```
pub fn asm(text: &str, options: &AsmOptions) -> Result<Inference, Failure> {
    // The asm as the row of an op, which is what comes out in the end.
    let source = format!("op asm() {{\n{} {{{text}\n}}\n}}\n", options.arch.name());
    let files = crate::source::MemoryLoader::from_iter([("asm", source)]);
    let mut own = SourceMap::default();
    let ast = syntax::parse("asm", &files, &mut own, &mut Diagnostics::default());
    let written = ast.items.first().and_then(|item| match item {
        Item::Op(op) => Some((op, op.clauses.first()?.span)),
        _ => None,
    });
    let mut sources = SourceMap::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("asm".to_owned(), text.to_owned());
    let row = written.map_or(Span::new(file, 0..0), |(_, row)| row);
    let unit = assemble::assemble(alone(text, file, row, options), &sources, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(Box::new((diagnostics, sources)));
    }
    let needs = check::infer(&unit, &sources);
    let ops = written.map(|(op, _)| (0, mended(op, 0, &unit, &needs, &own))).into_iter().collect();
    Ok(Inference { unit, needs, sources, ops })
}

/// A set of one op of one row.
fn alone(text: &str, file: FileId, row: Span, options: &AsmOptions) -> Resolved {
    let span = Span::new(file, 0..text.len());
    let kind = options.arch.table().kinds.iter().find(|kind| kind.name == "inline");
    let row = ResolvedRow {
        span: row,
        file,
        line: 1,
        when: None,
        identity: false,
        asm: Asm { text: text.to_owned(), map: vec![(0, 0)], span },
        expected: None,
    };
    let contract = Contract {
        arch: options.arch,
        params: Vec::new(),
        results: Vec::new(),
        sites: kind.into_iter().map(|kind| Site { kind, len: None, span }).collect(),
        clobbers: Clobbers::default(),
        rows: vec![row],
    };
    let op = Op {
        name: "asm".to_owned(),
        span,
        docs: Vec::new(),
        params: Vec::new(),
        returns: Returns::Values(Vec::new()),
        partial: true,
        live: false,
        nocall: false,
        default: None,
        preserves: Preserves::default(),
        allows: Vec::new(),
        damaged: false,
        contracts: vec![contract],
    };
    let level = match options.arch {
        Arch::X86_64 => "x86_64_v1",
        Arch::I386 => "i686",
    };
    let set = Set {
        name: "asm".to_owned(),
        docs: Vec::new(),
        arches: vec![options.arch],
        abi: options.abi,
        syntax: options.syntax,
        baseline: LEVELS.get(level).into_iter().flat_map(|level| level.has).map(|&name| name.to_owned()).collect(),
        span,
    };
    Unit { set, features: Vec::new(), ops: vec![op], branches: Vec::new() }
}

/// The text of an op with what it lacks put in and its clobbers as small as they can be.
fn mended(op: &ast::Op, index: usize, unit: &Assembled, needs: &[Needs], sources: &SourceMap) -> String {
    let of_op: Vec<&Needs> = needs.iter().filter(|needs| needs.op == index).collect();
    let mut edits: BTreeMap<(u32, u32), String> = BTreeMap::new();
    let clause = clause(&of_op);
    // Behind the line of the brace if nothing but a comment follows there.
    let rest = &sources.file(op.span.file).text[op.open.end as usize..];
    let line = rest.split('\n').next().unwrap_or_default();
    let ends_line = line.trim().is_empty() || line.trim_start().starts_with("//");
    let at = op.open.end + if ends_line { line.trim_end().len() as u32 } else { 0 };
    let insertion = match clause.as_str() {
        "" => String::new(),
        clause if ends_line => format!("\n{clause}"),
        clause => format!("\n{clause}\n"),
    };
    edits.insert((at, at), insertion);
    for written in &op.clauses {
        match &written.kind {
            ClauseKind::Clobbers(_) => {
                // With the white space before it, so that no blank line is left.
                let before = &sources.file(op.span.file).text[..written.span.start as usize];
                edits.insert((before.trim_end().len() as u32, written.span.end), String::new());
            }
            ClauseKind::Row(row) => mend_row(row, written.span, &mut edits, &unit.ops[index], &of_op),
            _ => {}
        }
    }
    let mut text = sources.text(op.span).to_owned();
    for ((start, end), new) in edits.into_iter().rev() {
        let at = |offset: u32| (offset - op.span.start) as usize;
        text.replace_range(at(start)..at(end), &new);
    }
    format(&text, &FormatOptions::default()).unwrap_or(text)
}

/// Adds what a row lacks to the edits.
fn mend_row(
    row: &ast::Row,
    span: Span,
    edits: &mut BTreeMap<(u32, u32), String>,
    op: &Op<crate::model::AssembledRow>,
    needs: &[&Needs],
) {
    let mut groups = Vec::new();
    let mut missing: Vec<&String> = Vec::new();
    for contract in &op.contracts {
        let of_arch = needs.iter().find(|needs| needs.arch == contract.arch);
        for (at, assembled) in contract.rows.iter().enumerate().filter(|(_, other)| other.row.span == span) {
            groups.extend(assembled.code.as_ref().map(|code| (contract.arch, group_of(code))));
            let features = of_arch.and_then(|needs| needs.rows[at].as_ref()).into_iter().flat_map(|row| &row.features);
            for feature in features {
                if !missing.contains(&feature) {
                    missing.push(feature);
                }
            }
        }
    }
    let words: Vec<&str> = row.arches.iter().map(|word| word.text.as_str()).collect();
    let bytes = crate::format::in_order(&words.join(" "), groups);
    match &row.bytes {
        _ if bytes.is_empty() => {}
        Some(old) => drop(edits.insert((old.span.start, old.span.end), bytes)),
        None => drop(edits.insert((row.asm.end + 1, row.asm.end + 1), format!(" = {bytes}"))),
    }
    if missing.is_empty() {
        return;
    }
    let features: Vec<&str> = missing.into_iter().map(String::as_str).collect();
    let features = features.join(" && ");
    match &row.when {
        Some(when) if when.text.contains("||") => {
            edits.insert((when.span.start, when.span.end), format!("({}) && {features}", when.text));
        }
        Some(when) => drop(edits.insert((when.span.end, when.span.end), format!(" && {features}"))),
        None => {
            let at = row.identity.map_or(row.asm.start - 1, |identity| identity.start);
            edits.insert((at, at), format!(" when {features} "));
        }
    }
}

/// The `clobbers` clause for all arches of an op; empty: none is needed.
fn clause(needs: &[&Needs]) -> String {
    let common = |word: &String| needs.iter().all(|other| other.clobbers.contains(word));
    let mut groups: Vec<String> = needs
        .iter()
        .map(|needs| (needs.arch, needs.clobbers.iter().filter(|word| !common(word)).cloned().collect::<Vec<_>>()))
        .filter(|(_, own)| !own.is_empty())
        .map(|(arch, own)| format!("{}: {}", arch.name(), own.join(", ")))
        .collect();
    let shared: Vec<String> = needs
        .first()
        .map(|needs| needs.clobbers.iter().filter(|word| common(word)).cloned().collect())
        .unwrap_or_default();
    groups.extend((!shared.is_empty()).then(|| shared.join(", ")));
    if groups.is_empty() { String::new() } else { format!("clobbers {}", groups.join("; ")) }
}

/// One row of the JSON.
#[derive(Serialize)]
struct RowJson<'a> {
    op: &'a str,
    arch: &'static str,
    when: Option<&'a str>,
    line: u32,
    asm: &'a str,
    bytes: String,
    len: usize,
    /// What the row needs of the op's clobbers.
    clobbers: &'a [String],
    /// What all rows of the op on this arch need together.
    op_clobbers: &'a [String],
    missing_features: &'a [String],
    smallest_site: &'static str,
    site_len: usize,
    effects: EffectsJson<'a>,
}

impl Inference {
    /// Whether there is no op in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether the patch set has a static branch of this name.
    #[must_use]
    pub fn has_branch(&self, name: &str) -> bool {
        self.unit.branches.iter().any(|branch| branch.name == name)
    }

    /// The ops in the language, each below comments that say what its rows do.
    #[must_use]
    pub fn text(&self) -> String {
        let mut texts = Vec::new();
        for (index, text) in &self.ops {
            let mut shown = String::new();
            for (arch, row, needs, _) in self.rows(*index) {
                let len = row.code.as_ref().map_or(0, |code| code.bytes.len());
                let name = self.sources.file(row.row.file).name();
                let site = format!("{len} bytes, smallest site {} ({})", needs.site, needs.site_len);
                shown += &format!("// {name}:{}, {}, {site}: {}\n", row.row.line, arch.name(), needs.effects);
            }
            texts.push(shown + text);
        }
        texts.join("\n")
    }

    /// The rows as a JSON array, with a newline at its end.
    #[must_use]
    pub fn json(&self) -> String {
        let rows: Vec<RowJson<'_>> = self
            .ops
            .iter()
            .flat_map(|(index, _)| self.rows(*index).map(move |row| (&self.unit.ops[*index].name, row)))
            .map(|(op, (arch, row, needs, all))| RowJson {
                op,
                arch: arch.name(),
                when: row.row.when.as_ref().map(|when| when.text.as_str()),
                line: row.row.line,
                asm: row.row.asm.text.trim(),
                bytes: row.code.as_ref().map(|code| group_of(code).replace(' ', "")).unwrap_or_default(),
                len: row.code.as_ref().map_or(0, |code| code.bytes.len()),
                clobbers: &needs.clobbers,
                op_clobbers: &all.clobbers,
                missing_features: &needs.features,
                smallest_site: needs.site,
                site_len: needs.site_len,
                effects: effects(&needs.effects),
            })
            .collect();
        let mut text = serde_json::to_string_pretty(&rows).expect("strings and numbers always serialize");
        text.push('\n');
        text
    }

    /// The rows of an op that make sense, with what they need.
    fn rows(&self, op: usize) -> impl Iterator<Item = (Arch, &crate::model::AssembledRow, &RowNeeds, &Needs)> {
        self.needs.iter().filter(move |needs| needs.op == op).flat_map(move |needs| {
            let rows = self.unit.ops[op].on(needs.arch).map(|contract| contract.rows.as_slice()).unwrap_or_default();
            rows.iter().zip(&needs.rows).filter_map(move |(row, found)| Some((needs.arch, row, found.as_ref()?, needs)))
        })
    }
}
