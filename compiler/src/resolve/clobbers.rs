//! The `clobbers` clause.

use super::registers;
use super::signature::{forbidden, no_register};
use super::{Context, sites};
use crate::arch::{Arch, register_name};
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Clobber, ClobberItem, Clobbers, FPCW, MXCSR};
use crate::source::Span;
use crate::suggest::{Near, nearest};
use crate::syntax::ast::{Group, Word};
use iced_x86::RflagsBits;

/// The clobbers that are not registers.
const WORDS: [(&str, Clobber); 10] = [
    ("flags", Clobber::Flags),
    ("memory", Clobber::Memory),
    ("barrier", Clobber::Barrier),
    ("caller_saved", Clobber::CallerSaved),
    ("if", Clobber::SystemFlag(RflagsBits::IF)),
    ("df", Clobber::SystemFlag(RflagsBits::DF)),
    ("ac", Clobber::SystemFlag(RflagsBits::AC)),
    ("uif", Clobber::SystemFlag(RflagsBits::UIF)),
    ("mxcsr", Clobber::SystemFlag(MXCSR)),
    ("fpcw", Clobber::SystemFlag(FPCW)),
];

/// The flags that `flags` stands for.
const ARITHMETIC: [&str; 6] = ["of", "sf", "zf", "af", "pf", "cf"];

/// The clobbers on each arch, and whether all of the clause made sense.
pub(super) fn resolve(
    context: &mut Context<'_>,
    groups: &[Group<Word>],
    arches: &[Arch],
    clause: Span,
    of: &str,
) -> (Vec<(Arch, Clobbers)>, bool) {
    let mut list: Vec<(Arch, Clobbers)> =
        arches.iter().map(|&arch| (arch, Clobbers { span: Some(clause), ..Clobbers::default() })).collect();
    let mut good = true;
    let single = groups.iter().map(|group| group.items.len()).sum::<usize>() == 1;
    for group in groups {
        let Some(of_group) = sites::group_arches(context, &group.arches, arches, of) else {
            good = false;
            continue;
        };
        for word in &group.items {
            if word.text == "none" {
                if !single {
                    good = false;
                    let found = Diagnostic::new(Code::CONTRACT, word.span, "`none` stands beside other clobbers")
                        .help("`clobbers none` says that a site destroys nothing: it stands alone");
                    context.report(context.drop_item(found, word.span));
                }
                continue;
            }
            for (arch, clobbers) in list.iter_mut().filter(|(arch, _)| of_group.contains(arch)) {
                match item(word, *arch, arches, group) {
                    Ok(what) => clobbers.items.push(ClobberItem { what, span: word.span }),
                    Err(found) => {
                        good = false;
                        context.report(*found);
                    }
                }
            }
        }
    }
    let single = drop_redundant(context, &mut list);
    (list, good && single)
}

/// What a word names on `arch`.
fn item(word: &Word, arch: Arch, arches: &[Arch], group: &Group<Word>) -> Result<Clobber, Box<Diagnostic>> {
    let name = word.text.as_str();
    if let Some((_, what)) = WORDS.iter().find(|(known, _)| *known == name) {
        return Ok(*what);
    }
    if ARITHMETIC.contains(&name) {
        return Err(Box::new(
            Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("`{name}` is not a clobber of its own"))
                .note("compilers treat OF, SF, ZF, AF, PF and CF as one")
                .fix("write `flags`", word.span, "flags"),
        ));
    }
    let register = registers::find(name, arch).map_err(|problem| {
        if problem == registers::NoRegister::Unknown {
            return unknown(word, arch);
        }
        let found = no_register(word, arch, problem, Code::CONTRACT);
        let elsewhere = arches.iter().find(|&&other| other != arch && registers::find(name, other).is_ok());
        Box::new(match elsewhere {
            Some(other) if group.arches.is_empty() && found.fix.is_none() => {
                found.help(format!("say for which arch it is meant: `{}: {name}`", other.name()))
            }
            _ => found,
        })
    })?;
    let whole = registers::full(register, arch);
    if forbidden(whole) {
        let whole = register_name(whole);
        return Err(Box::new(
            Diagnostic::new(Code::CONTRACT, word.span, format!("{whole} cannot be clobbered"))
                .label("the code around a site finds its stack and its variables with it"),
        ));
    }
    Ok(if register.is_gpr() { Clobber::Register(whole) } else { Clobber::Other(whole) })
}

fn unknown(word: &Word, arch: Arch) -> Box<Diagnostic> {
    let table = arch.table();
    let registers = table.caller_saved.iter().chain(table.callee_saved).map(|&register| register_name(register));
    let known = WORDS.iter().map(|(name, _)| *name).chain(["none"]).chain(registers);
    let found =
        Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("no register or effect is called `{}`", word.text));
    let near = match word.text.as_str() {
        "cc" | "eflags" | "rflags" => Some(Near::sure("flags")),
        "mem" => Some(Near::sure("memory")),
        "all" | "call" | "volatile" => Some(Near::guess("caller_saved")),
        other => nearest(other, known),
    };
    Box::new(match near {
        Some(near) => near.offer(found, word.span),
        None => found.note(
            "a clobber is a register, `flags`, `if`, `df`, `ac`, `memory`, `barrier`, `caller_saved`, or `none` alone",
        ),
    })
}

/// Reports items that others say already on every arch that they are for, and leaves them out; `true` if there
/// are none.
fn drop_redundant(context: &mut Context<'_>, lists: &mut [(Arch, Clobbers)]) -> bool {
    let mut spans: Vec<Span> = lists.iter().flat_map(|(_, clobbers)| &clobbers.items).map(|item| item.span).collect();
    spans.sort_unstable();
    spans.dedup();
    let mut dropped: Vec<Span> = Vec::new();
    // From the last: of two that say the same the first stays.
    for &span in spans.iter().rev() {
        let others = |arch: Arch, clobbers: &Clobbers| -> Option<Option<Span>> {
            let item = clobbers.items.iter().find(|item| item.span == span)?;
            let volatile = match item.what {
                Clobber::Register(register) => arch.table().caller_saved.contains(&register),
                Clobber::Flags => true,
                _ => false,
            };
            let says = |other: &&ClobberItem| {
                other.span != span
                    && !dropped.contains(&other.span)
                    && (other.what == item.what || volatile && other.what == Clobber::CallerSaved)
            };
            Some(clobbers.items.iter().find(says).map(|other| other.span))
        };
        let Some(covers) = lists.iter().filter_map(|(arch, list)| others(*arch, list)).collect::<Option<Vec<Span>>>()
        else {
            continue;
        };
        let Some(&cover) = covers.first() else { continue };
        dropped.push(span);
        let (text, other) = (context.sources.text(span), context.sources.text(cover));
        let message = if text == other {
            format!("`{text}` is declared twice")
        } else {
            format!("`{text}` says again what `{other}` says")
        };
        let found = Diagnostic::new(Code::DUPLICATE, span, message).also(cover, "declared here");
        context.report(context.drop_item(found, span));
    }
    for (_, clobbers) in lists {
        clobbers.items.retain(|item| !dropped.contains(&item.span));
    }
    dropped.is_empty()
}
