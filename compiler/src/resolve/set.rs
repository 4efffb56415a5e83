//! The `patchset` block.

use super::{Context, names, quoted, sites};
use crate::arch::{Arch, FEATURES, LEVELS, feature};
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Abi, Set, Site};
use crate::suggest::{Near, nearest};
use crate::syntax::Ast;
use crate::syntax::ast::{Item, Patchset, SetClause, SetClauseKind, Word};
use std::collections::BTreeSet;

/// The set's block, and what ops take from it.
pub(super) struct SetDefaults {
    pub(super) set: Set,
    /// The kinds of site of an op that names none, by arch in the order of `set.arches`.
    pub(super) sites: Vec<(Arch, Vec<Site>)>,
    /// Whether there is a block with a name: otherwise nothing can be emitted.
    pub(super) named: bool,
}

/// Resolves the first `patchset` block; the others are reported.
pub(super) fn resolve(context: &mut Context<'_>, ast: &Ast) -> SetDefaults {
    let mut blocks = ast.items.iter().filter_map(|item| match item {
        Item::Patchset(block) => Some(block),
        _ => None,
    });
    let first = blocks.next();
    if let Some(first) = first {
        for second in blocks {
            context.report(
                Diagnostic::new(Code::DUPLICATE, second.name.span, "a file defines one patch set")
                    .label("a second `patchset` block")
                    .also(first.name.span, "the first"),
            );
        }
    } else if !context.diagnostics.has_errors() {
        context.report(
            Diagnostic::new(Code::EMPTY, ast.start, "the file defines no patch set")
                .help("begin it with `patchset NAME { arch x86_64 }`"),
        );
    }
    let mut set = Set {
        name: String::new(),
        docs: ast.docs.clone(),
        arches: Vec::new(),
        abi: Abi::Kernel,
        syntax: pvc_asm::Syntax::Att,
        baseline: BTreeSet::new(),
        span: ast.start,
    };
    let Some(block) = first else {
        set.arches = Arch::ALL.to_vec();
        let sites = sites::defaults(&set);
        return SetDefaults { set, sites, named: false };
    };
    set.name.clone_from(&block.name.text);
    if !set.docs.is_empty() && !block.docs.is_empty() {
        set.docs.push(String::new());
    }
    set.docs.extend(block.docs.iter().cloned());
    set.span = block.name.span;
    names::check_set(context, &block.name);
    report_doubles(context, block);
    let clause = |wanted: fn(&SetClauseKind) -> bool| block.clauses.iter().find(move |clause| wanted(&clause.kind));
    match clause(|kind| matches!(kind, SetClauseKind::Arch(_))) {
        Some(SetClause { kind: SetClauseKind::Arch(names), .. }) => set.arches = arches(context, names),
        _ => {
            // An arch clause that could not be read has been reported.
            if !context.diagnostics.has_errors() {
                context.report(
                    Diagnostic::new(Code::CONTRACT, block.name.span, "the patch set names no arch")
                        .help("add a line `arch x86_64`, `arch i386` or `arch x86_64, i386`"),
                );
            }
        }
    }
    if set.arches.is_empty() {
        set.arches = Arch::ALL.to_vec();
    }
    if let Some(SetClause { kind: SetClauseKind::Abi(word), .. }) = clause(|kind| matches!(kind, SetClauseKind::Abi(_)))
    {
        set.abi = choose(context, "ABI", word, &[("kernel", Abi::Kernel), ("user", Abi::User)]).unwrap_or(set.abi);
    }
    if let Some(SetClause { kind: SetClauseKind::Syntax(word), .. }) =
        clause(|kind| matches!(kind, SetClauseKind::Syntax(_)))
    {
        let syntaxes = [("att", pvc_asm::Syntax::Att), ("intel", pvc_asm::Syntax::Intel)];
        set.syntax = choose(context, "asm syntax", word, &syntaxes).unwrap_or(set.syntax);
    }
    match clause(|kind| matches!(kind, SetClauseKind::Baseline(_))) {
        Some(SetClause { kind: SetClauseKind::Baseline(names), .. }) => {
            set.baseline = baseline(context, names, &set.arches);
        }
        // Every CPU in 64-bit mode has what the first level lists. The patcher's own multi-byte NOPs need an i686.
        _ => {
            let level = if set.arches == [Arch::X86_64] { "x86_64_v1" } else { "i686" };
            set.baseline = LEVELS.get(level).map(|level| owned(level.has)).unwrap_or_default();
        }
    }
    let sites = match clause(|kind| matches!(kind, SetClauseKind::Site(_))) {
        Some(SetClause { kind: SetClauseKind::Site(groups), span }) => {
            sites::resolve(context, groups, &set.arches, *span, "the patch set")
        }
        _ => sites::defaults(&set),
    };
    SetDefaults { set, sites, named: true }
}

fn report_doubles(context: &mut Context<'_>, block: &Patchset) {
    for (at, clause) in block.clauses.iter().enumerate() {
        let same = |other: &&SetClause| std::mem::discriminant(&other.kind) == std::mem::discriminant(&clause.kind);
        if let Some(first) = block.clauses[..at].iter().find(same) {
            let keyword = context.sources.text(clause.span).split([' ', '\t']).next().unwrap_or_default();
            context.report(
                Diagnostic::new(
                    Code::DUPLICATE,
                    clause.span,
                    format!("`{keyword}` stands twice in the patchset block"),
                )
                .also(first.span, "first here"),
            );
        }
    }
}

/// The arches that a list names, in the order of the outputs.
fn arches(context: &mut Context<'_>, words: &[Word]) -> Vec<Arch> {
    let mut named: Vec<Arch> = Vec::new();
    for word in words {
        let meant = arch_names(context, word);
        for arch in meant.arches {
            if !meant.known {
                named.retain(|other| *other != arch);
            }
            if named.contains(&arch) {
                let found = Diagnostic::new(Code::DUPLICATE, word.span, format!("{} is listed twice", arch.name()))
                    .help("`x86` stands for x86_64 and i386");
                context.report(if word.text == "x86" { found } else { context.drop_item(found, word.span) });
            } else {
                named.push(arch);
            }
        }
    }
    named.sort_unstable();
    named
}

/// The arches that a word names.
pub(super) struct Meant {
    /// Those that it stands for, or most likely does.
    pub(super) arches: Vec<Arch>,
    /// Whether there is an arch of that name; otherwise it has been reported.
    pub(super) known: bool,
}

fn known_arch(name: &str) -> Option<Vec<Arch>> {
    match name {
        "x86" => Some(Arch::ALL.to_vec()),
        _ => Arch::ALL.into_iter().find(|arch| arch.name() == name).map(|arch| vec![arch]),
    }
}

/// Looks up an arch name.
pub(super) fn arch_names(context: &mut Context<'_>, word: &Word) -> Meant {
    if let Some(arches) = known_arch(&word.text) {
        return Meant { arches, known: true };
    }
    let mut found = Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("no arch is called `{}`", word.text));
    let usual = match word.text.as_str() {
        "amd64" | "x64" | "x86-64" | "x86_64h" => Some(Near::sure("x86_64")),
        "x86_32" | "i486" | "i586" | "i686" | "ia32" => Some(Near::sure("i386")),
        other => nearest(other, ["x86_64", "i386", "x86"]),
    };
    found = match usual {
        Some(near) => near.offer(found, word.span),
        None => found.note("the arches are `x86_64`, `i386`, and `x86` for both"),
    };
    context.report(found);
    let arches = usual.and_then(|near| known_arch(near.name)).unwrap_or_default();
    Meant { arches, known: false }
}

/// The value of a word out of a few.
fn choose<T: Copy>(context: &mut Context<'_>, what: &str, word: &Word, values: &[(&str, T)]) -> Option<T> {
    if let Some((_, value)) = values.iter().find(|(name, _)| *name == word.text) {
        return Some(*value);
    }
    let names: Vec<_> = values.iter().map(|(name, _)| *name).collect();
    let mut found = Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("no {what} is called `{}`", word.text));
    found = match nearest(&word.text, names.iter().copied()) {
        Some(near) => near.offer(found, word.span),
        None => found.note(format!("there are {}", quoted(&names))),
    };
    context.report(found);
    None
}

fn owned(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The features that the named levels and features give together.
fn baseline(context: &mut Context<'_>, names: &[Word], arches: &[Arch]) -> BTreeSet<String> {
    let mut has = BTreeSet::new();
    for word in names {
        if let Some(level) = LEVELS.get(&word.text) {
            if let Some(arch) = arches.iter().find(|arch| !level.arches.contains(arch)) {
                context.report(
                    Diagnostic::new(
                        Code::CONTRACT,
                        word.span,
                        format!("the baseline `{}` says nothing about {}", word.text, arch.name()),
                    )
                    .help("the x86_64 levels hold for 32-bit code on such CPUs too"),
                );
            }
            has.extend(owned(level.has));
        } else if let Some(info) = feature(&word.text) {
            has.extend(owned(info.implies));
        } else {
            let known = LEVELS.keys().chain(FEATURES.keys());
            let mut found = Diagnostic::new(
                Code::UNKNOWN_NAME,
                word.span,
                format!("no baseline or CPU feature is called `{}`", word.text),
            );
            found = match nearest(&word.text, known) {
                Some(near) => near.offer(found, word.span),
                None => {
                    let all: Vec<_> = LEVELS.keys().collect();
                    found.note(format!("the baselines are {}", quoted(&all)))
                }
            };
            context.report(found);
        }
    }
    has
}
