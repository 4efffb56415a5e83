//! What a row writes, against what its op declares.

use super::analysis::{Exit, Leaving};
use super::effects::{ARITHMETIC, CONTROL, Memory, flag_names};
use super::fixes::{self, Word};
use super::registers::Cell;
use super::state::Value;
use super::transfer::Event;
use super::{Context, RowCheck};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::{Abi, Clobber, FPCW, MXCSR};
use crate::source::Span;
use iced_x86::RflagsBits;
use std::collections::BTreeSet;

/// Checks registers, flags, memory and barriers of a row whose op comes back.
pub(super) fn check(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    if row.context.op.diverges() {
        // Nobody is left to whom a register could matter.
        return;
    }
    let changed = row.changed();
    undeclared(row, &changed, diagnostics);
    broken_promises(row, &changed, diagnostics);
    memory(row, diagnostics);
    results(row, diagnostics);
}

/// What differs from the entry state on some way out.
#[derive(Default, Debug)]
pub(super) struct Changed {
    pub(super) cells: BTreeSet<Cell>,
    pub(super) flags: u32,
    pub(super) direction: bool,
    /// Control registers, as the bits [`MXCSR`] and [`FPCW`].
    pub(super) control: u32,
}

impl RowCheck<'_> {
    /// The ways out behind the site; the others are errors of an op that comes back.
    pub(super) fn contract_exits(&self) -> impl Iterator<Item = &Exit> {
        self.summary.exits.iter().filter(|exit| exit.how == Leaving::End)
    }

    pub(super) fn changed(&self) -> Changed {
        let mut changed = Changed::default();
        for exit in self.contract_exits() {
            changed.cells.extend(Cell::all().filter(|&cell| cell != Cell::SP && !exit.state.keeps(cell)));
            changed.flags |= ARITHMETIC & !exit.state.kept_flags;
            changed.direction |= exit.state.direction_set;
            changed.control |= CONTROL & !exit.state.kept_flags;
        }
        changed
    }

    /// Where the row first writes a register.
    fn written_at(&self, cell: Cell) -> Span {
        self.span(self.summary.written.get(&cell).copied())
    }

    /// Where the row first writes one of these flags.
    fn flags_written_at(&self, mask: u32) -> Span {
        let first = self.summary.flags_written.iter().filter(|(bit, _)| **bit & mask != 0).map(|(_, &offset)| offset);
        self.span(first.min())
    }
}

impl Context<'_> {
    /// Whether the op may change a register.
    pub(super) fn allows(&self, cell: Cell) -> bool {
        let arch = self.contract.arch;
        let clobbers = &self.contract.clobbers;
        let is = |register| Cell::of(register).is_some_and(|(other, _)| other == cell);
        let result = || {
            let mut registers =
                self.contract.results.iter().flat_map(|result| [Some(result.register), result.high]).flatten();
            registers.any(is)
        };
        let named = || {
            clobbers.items.iter().any(|item| match item.what {
                Clobber::Register(register) | Clobber::Other(register) => is(register),
                _ => false,
            })
        };
        let by_call = || {
            if cell.is_general() {
                clobbers.registers(arch).into_iter().any(is)
            } else {
                cell.is_vector_state() && self.vector_state_is_lost()
            }
        };
        result() || named() || by_call()
    }

    /// Whether the op names one of the registers for which `is` holds.
    pub(super) fn names(&self, is: impl Fn(Cell) -> bool) -> bool {
        self.contract.clobbers.items.iter().any(|item| match item.what {
            Clobber::Other(register) => Cell::of(register).is_some_and(|(cell, _)| is(cell)),
            _ => false,
        })
    }

    /// Whether calls destroy the vector, mask and x87 state anyway.
    fn vector_state_is_lost(&self) -> bool {
        self.set.abi == Abi::User && !self.op.preserves.vector
    }
}

/// Whether a register belongs to the state that a control register rules.
pub(super) fn goes_with(bit: u32, cell: Cell) -> bool {
    if bit == FPCW { cell == Cell::FPU } else { cell != Cell::FPU && cell.is_vector_state() }
}

/// The control registers, with the words that declare them.
pub(super) const CONTROL_WORDS: [(u32, &str); 2] = [(MXCSR, "mxcsr"), (FPCW, "fpcw")];

fn undeclared(row: &RowCheck<'_>, changed: &Changed, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    let arch = context.contract.arch;
    let mut words = Vec::new();
    let mut places: Vec<(Span, String)> = Vec::new();
    for &cell in &changed.cells {
        if context.allows(cell) || (cell.is_vector_state() && context.op.preserves.vector) {
            continue;
        }
        let name = cell.name(arch);
        places.push((row.written_at(cell), name.to_owned()));
        // On i386 the same names as on x86_64 exist for all but the general registers.
        words.push(Word { text: name.to_owned(), of_arch: cell.is_general() });
    }
    if changed.flags != 0 && !context.contract.clobbers.flags() && !context.op.preserves.flags {
        let undefined = changed.flags & row.summary.flags_undefined;
        let label = if undefined == changed.flags && !row.leaves_defined(changed.flags) {
            format!("flags (leaves {} undefined)", flag_names(undefined))
        } else {
            format!("flags ({})", flag_names(changed.flags))
        };
        places.push((row.flags_written_at(changed.flags), label));
        words.push(Word::common("flags"));
    }
    if changed.direction && !context.contract.clobbers.has(Clobber::SystemFlag(RflagsBits::DF)) {
        places.push((row.flags_written_at(RflagsBits::DF), "the direction flag".to_owned()));
        words.push(Word::common("df"));
    }
    for (bit, name) in CONTROL_WORDS {
        if changed.control & bit != 0 && !row.may_change_control(bit) {
            places.push((row.flags_written_at(bit), format!("{name}, which says how floating point rounds and traps")));
            words.push(Word::common(name));
        }
    }
    if words.is_empty() {
        return;
    }
    let names: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
    let message = format!("`{}` clobbers {}, which it does not declare", context.op.name, fixes::list(&names));
    let found = row.at_places(Code::UNDECLARED_CLOBBER, message, places, "writes");
    let found = found.note("the code around a patch site relies on every register and flag that the op does not name");
    diagnostics.push(fixes::declare(context, found, &words));
}

fn broken_promises(row: &RowCheck<'_>, changed: &Changed, diagnostics: &mut Diagnostics) {
    let op = row.context.op;
    // Where the op both promises and clobbers them, that is the finding.
    if op.preserves.flags && changed.flags != 0 && !row.context.contract.clobbers.flags() {
        let flags = flag_names(changed.flags);
        diagnostics.push(
            Diagnostic::new(
                Code::BROKEN_PROMISE,
                row.flags_written_at(changed.flags),
                format!("`{}` promises `preserves flags`, and this row changes {flags}", op.name),
            )
            .label(format!("changes {flags}"))
            .help("use instructions that keep the flags (lea for add, mov for xor), or drop the promise"),
        );
    }
    if op.preserves.vector {
        let lost: Vec<Cell> = changed.cells.iter().copied().filter(|cell| cell.is_vector_state()).collect();
        if !lost.is_empty() {
            let names: Vec<&str> = lost.iter().take(4).map(|cell| cell.name(row.context.contract.arch)).collect();
            let more = if lost.len() > names.len() { " and more" } else { "" };
            diagnostics.push(
                Diagnostic::new(
                    Code::BROKEN_PROMISE,
                    row.written_at(lost[0]),
                    format!(
                        "`{}` promises `preserves vector`, and this row changes {}{more}",
                        op.name,
                        names.join(", ")
                    ),
                )
                .label("changes vector, mask or x87 state")
                .help("save and restore it, use general registers, or drop the promise"),
            );
        }
    }
}

fn memory(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let context = &row.context;
    let clobbers = &context.contract.clobbers;
    // Without a compiler-made wrapper there is no compiler that could move anything.
    let needs_barrier = !clobbers.has(Clobber::Barrier) && context.has_wrapper();
    let mut barrier_reported = false;
    for (&offset, events) in &row.summary.events {
        for event in events {
            if let Event::Barrier(how) = *event
                && needs_barrier
                && !barrier_reported
            {
                barrier_reported = true;
                let found = Diagnostic::new(
                    Code::UNDECLARED_BARRIER,
                    row.span(Some(offset)),
                    format!("`{}` needs `barrier` in its clobbers", context.op.name),
                )
                .label(how)
                .note("without it a compiler may move loads and stores from one side of the site to the other");
                diagnostics.push(fixes::declare(context, found, &[Word::common("barrier")]));
            }
        }
    }
    let touched = row.summary.memory();
    if touched != Memory::None && !clobbers.memory() && !barrier_reported {
        let verb = match touched {
            Memory::Read => "reads",
            Memory::Write => "writes",
            _ => "reads and writes",
        };
        let first = row.summary.events.iter().find(|(_, events)| {
            events.iter().any(|event| matches!(event, Event::Memory(memory) if *memory != Memory::None))
        });
        let found = Diagnostic::new(
            Code::UNDECLARED_MEMORY,
            row.span(first.map(|(&offset, _)| offset)),
            format!("`{}` {verb} memory, which it does not declare", context.op.name),
        )
        .label(format!("{verb} memory"))
        .note(
            "operands are passed in registers: what a pointer points to is memory that the compiler does not know of",
        );
        diagnostics.push(fixes::declare(context, found, &[Word::common("memory")]));
    }
}

/// Every result has to be set on every way out.
fn results(row: &RowCheck<'_>, diagnostics: &mut Diagnostics) {
    let arch = row.context.contract.arch;
    for result in &row.context.contract.results {
        let halves = [(Some(result.register), false), (result.high, true)];
        for (register, high) in halves {
            let Some((cell, _)) = register.and_then(Cell::of) else { continue };
            let lanes = super::lanes_of(result.ty, arch);
            let missing = row.contract_exits().find(|exit| exit.state.get(cell).defined & lanes != lanes);
            let Some(exit) = missing else { continue };
            let name = match (result.name.as_str(), high) {
                ("", false) => "the result".to_owned(),
                ("", true) => "the upper half of the result".to_owned(),
                (name, false) => format!("the result `{name}`"),
                (name, true) => format!("the upper half of the result `{name}`"),
            };
            if let (Value::SavedFlags { overflow: true, .. }, Some(from)) = (exit.state.get(cell).value, exit.from) {
                diagnostics.push(
                    Diagnostic::new(
                        Code::UNDEFINED_READ,
                        row.span(Some(from)),
                        format!("`{}` returns OF, which nothing before has set", row.context.op.name),
                    )
                    .label("depends on OF")
                    .note("flags are no inputs of an op"),
                );
                continue;
            }
            let partly = exit.state.get(cell).defined & lanes != 0;
            let how = if partly { "sets only a part of" } else { "does not set" };
            let register = cell.name(arch);
            diagnostics.push(
                Diagnostic::new(
                    Code::MISSING_RESULT,
                    row.asm_span(),
                    format!("this row of `{}` {how} {name} in {register}", row.context.op.name),
                )
                .label(match partly {
                    true => format!("the rest of {register} keeps what was there"),
                    false => format!("{register} is not set on every way through"),
                })
                .note("the caller would go on with whatever the register happened to hold"),
            );
        }
    }
}

impl RowCheck<'_> {
    /// Whether the op may change a control register: it names it, or the registers that the row loads together with it.
    fn may_change_control(&self, bit: u32) -> bool {
        let context = &self.context;
        context.contract.clobbers.has(Clobber::SystemFlag(bit))
            || !self.loads_alone(bit) && context.names(|cell| goes_with(bit, cell))
    }

    /// Whether an instruction loads a control register and nothing else.
    pub(super) fn loads_alone(&self, bit: u32) -> bool {
        self.graph.nodes.values().any(|node| {
            let nothing_else = node.facts.is_some_and(|facts| facts.writes.is_empty());
            nothing_else && super::effects::flags(&node.instruction, node.facts).writes & bit != 0
        })
    }

    /// Whether some of these flags have a value to rely on in the end.
    fn leaves_defined(&self, flags: u32) -> bool {
        self.contract_exits().any(|exit| exit.state.defined_flags & flags & !exit.state.kept_flags != 0)
    }

    /// A finding at the first of `places`, with a label at each.
    fn at_places(&self, code: Code, message: String, mut places: Vec<(Span, String)>, verb: &str) -> Diagnostic {
        places.sort_by_key(|(span, _)| span.start);
        let mut merged: Vec<(Span, Vec<String>)> = Vec::new();
        for (span, what) in places {
            match merged.last_mut().filter(|(last, _)| *last == span) {
                Some((_, list)) => list.push(what),
                None => merged.push((span, vec![what])),
            }
        }
        let mut merged = merged.into_iter();
        let (span, what) = merged.next().unwrap_or((self.asm_span(), Vec::new()));
        let found = Diagnostic::new(code, span, message).label(format!("{verb} {}", fixes::list(&what)));
        merged.fold(found, |found, (span, what)| found.also(span, format!("{verb} {}", fixes::list(&what))))
    }
}
