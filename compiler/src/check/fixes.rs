//! Changes that a machine can make: of a `clobbers` clause, and at the ends of a row.

use super::registers::Cell;
use super::{Context, RowCheck};
use crate::diagnostics::Diagnostic;
use crate::source::Span;
use pvc_asm::Syntax;

/// A word to declare.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    /// The word: `rdx`, `flags`.
    pub(super) text: String,
    /// Whether it names something of one arch.
    pub(super) of_arch: bool,
}

impl Word {
    /// A word that all arches have.
    pub(super) fn common(text: &str) -> Self {
        Self { text: text.to_owned(), of_arch: false }
    }
}

/// A group of a clause: `x86_64: rax, rbx`.
struct Group {
    /// What stands before its colon.
    arches: Option<String>,
    words: Vec<String>,
}

/// Adds to `found` the change that declares `words` on the arch of the context.
pub(super) fn declare(context: &Context<'_>, found: Diagnostic, words: &[Word]) -> Diagnostic {
    let clobbers = &context.contract.clobbers;
    let several = context.op_arches > 1;
    let arch = context.contract.arch.name();
    let mut groups = match clobbers.span {
        Some(span) => match read(context.sources.text(span)) {
            Some(groups) => groups,
            None => return found,
        },
        None => Vec::new(),
    };
    for word in words {
        let fits = |group: &Group| match &group.arches {
            Some(arches) => (word.of_arch || !several) && arches == arch,
            None => !(word.of_arch && several),
        };
        let index = groups.iter().position(fits).unwrap_or_else(|| {
            let own = word.of_arch && several;
            groups.push(Group { arches: own.then(|| arch.to_owned()), words: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[index];
        group.words.retain(|old| old != "none" && *old != word.text);
        group.words.push(word.text.clone());
    }
    let clause = write(&groups);
    let title = "declare it in the clobbers";
    match (clobbers.span, clobbers.insert_at) {
        (Some(span), _) => found.fix(title, span, clause),
        (None, Some(at)) => found.fix(title, at, insertion(context, at, &clause)),
        (None, None) => found,
    }
}

/// Where instructions can be added behind all others of a row: every way through comes by there.
fn end(row: &RowCheck<'_>) -> Option<Span> {
    let last = row.code.items.last()?;
    let mut exits = row.contract_exits();
    let node = row.graph.nodes.get(&exits.next()?.from?)?;
    let only = exits.next().is_none() && node.end() == row.graph.end && last.offset + last.len == row.graph.end;
    // A label at the end of the row would stand in front of what is added.
    let behind =
        row.context.sources.file(last.span.file).text.get(last.span.end as usize..row.asm_span().end as usize)?;
    (only && !behind.contains(':')).then_some(Span { start: last.span.end, ..last.span })
}

/// Adds to `found` the guess that `asm` is missing at the end of the row.
pub(super) fn append(row: &RowCheck<'_>, found: Diagnostic, title: &str, asm: &str) -> Diagnostic {
    match end(row) {
        Some(at) => found.guess(title, at, format!("; {asm}")),
        None => found,
    }
}

/// Adds to `found` the guess that the row wants `first` before its instructions and `last` behind them.
pub(super) fn surround(row: &RowCheck<'_>, found: Diagnostic, title: &str, first: &str, last: &str) -> Diagnostic {
    let (Some(start), Some(end)) = (row.code.items.first().map(|item| item.span), end(row)) else { return found };
    let whole = Span { start: start.start, end: end.end, ..start };
    let text = row.context.sources.text(whole);
    found.guess(title, whole, format!("{first}; {text}; {last}"))
}

/// `lea` of the stack pointer by some bytes, as the set writes asm.
pub(super) fn move_stack_pointer(context: &Context<'_>, bytes: i64) -> String {
    let register = Cell::SP.name(context.contract.arch);
    match context.set.syntax {
        Syntax::Att => format!("lea {bytes}(%{register}), %{register}"),
        Syntax::Intel => format!("lea {register}, [{register}{bytes:+}]"),
    }
}

/// The clause as a line of its own behind the opening brace at `at`.
fn insertion(context: &Context<'_>, at: Span, clause: &str) -> String {
    let rest = &context.sources.file(at.file).text[at.start as usize..];
    let line = rest.lines().next().unwrap_or_default();
    if line.trim().is_empty() { format!("\n    {clause}") } else { format!("\n    {clause}\n   ") }
}

/// Adds to `found` the change that takes away the word at `item`.
pub(super) fn remove(context: &Context<'_>, found: Diagnostic, item: Span) -> Diagnostic {
    let Some(span) = context.contract.clobbers.span else {
        return found;
    };
    let text = context.sources.text(span);
    let (Some(start), Some(end)) = (item.start.checked_sub(span.start), item.end.checked_sub(span.start)) else {
        return found;
    };
    let Some((before, after)) = text.get(..start as usize).zip(text.get(end as usize..)) else { return found };
    // The word is marked by a sign that no word can have, then the clause is written without it.
    let Some(mut groups) = read(&format!("{before}\0{after}")) else { return found };
    for group in &mut groups {
        group.words.retain(|word| word != "\0");
    }
    groups.retain(|group| !group.words.is_empty());
    if groups.is_empty() {
        return found.fix("drop the clause", context.sources.cut(span), "");
    }
    found.fix("drop it from the clobbers", span, write(&groups))
}

/// The groups of a clause; `None` if there is more in it than words.
fn read(clause: &str) -> Option<Vec<Group>> {
    let body = clause.strip_prefix("clobbers")?;
    if body.contains('#') || body.contains("//") {
        return None;
    }
    let mut groups = Vec::new();
    for part in body.trim().trim_end_matches(';').split(';') {
        let (arches, words) = match part.split_once(':') {
            Some((arches, words)) => (Some(arches.trim().to_owned()), words),
            None => (None, part),
        };
        let words = words.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect();
        groups.push(Group { arches, words });
    }
    Some(groups)
}

fn write(groups: &[Group]) -> String {
    let parts: Vec<String> = groups
        .iter()
        .filter(|group| !group.words.is_empty())
        .map(|group| match &group.arches {
            Some(arches) => format!("{arches}: {}", group.words.join(", ")),
            None => group.words.join(", "),
        })
        .collect();
    format!("clobbers {}", parts.join("; "))
}

/// Words as a list in a sentence: `rax, rdx and flags`.
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The form of a word that goes with a number.
pub(super) fn plural<'a>(many: u32, one: &'a str, more: &'a str) -> &'a str {
    if many == 1 { one } else { more }
}
