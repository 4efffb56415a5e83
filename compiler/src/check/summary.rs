//! What a row was found to do, for the outputs: evidence that a reviewer can read.

use super::RowCheck;
use super::effects::{ARITHMETIC, CONTROL, SYSTEM, flag_list};
use super::registers::Cell;
use crate::arch::register_name;
use iced_x86::Register;
use std::fmt;

/// The computed effects of a row.
///
/// Registers are full ones (RAX on x86_64, EAX on i386); the stack pointer and the instruction pointer are left out.
/// [`Display`](fmt::Display) gives one line: `reads rdi; writes rax, flags OF SF; stack 8`.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Effects {
    /// Registers whose value on entry it uses.
    pub reads: Vec<Register>,
    /// Registers that it leaves changed on some way out.
    pub writes: Vec<Register>,
    /// Flags whose value on entry it looks at, as bits of iced-x86's `RflagsBits`.
    pub flags_read: u32,
    /// Flags that may differ from entry on some way out; [`MXCSR`](crate::model::MXCSR) and
    /// [`FPCW`](crate::model::FPCW) count as such.
    pub flags_written: u32,
    /// Those of them that some instruction leaves undefined.
    pub flags_undefined: u32,
    /// Whether it reads memory other than its own stack.
    pub reads_memory: bool,
    /// Whether it writes memory other than its own stack.
    pub writes_memory: bool,
    /// Bytes of stack below the entry stack pointer that it uses.
    pub stack: u32,
    /// Whether an instruction orders the memory accesses of the code around.
    pub barrier: bool,
    /// Whether an instruction faults outside ring 0.
    pub privileged: bool,
    /// CPU features that its instructions need, the baseline's included, sorted.
    pub features: Vec<String>,
}

impl Effects {
    pub(super) fn of(row: &RowCheck<'_>) -> Self {
        let arch = row.context.contract.arch;
        let summary = &row.summary;
        let mut changed = super::clobbers::Changed::default();
        let mut flags_written = 0;
        for exit in &summary.exits {
            changed.cells.extend(Cell::all().filter(|&cell| cell != Cell::SP && !exit.state.keeps(cell)));
            flags_written |= !exit.state.kept_flags & (ARITHMETIC | SYSTEM | CONTROL);
        }
        let memory = summary.memory();
        Self {
            reads: summary.read.iter().filter(|&&cell| cell != Cell::SP).map(|cell| cell.register(arch)).collect(),
            writes: changed.cells.iter().map(|cell| cell.register(arch)).collect(),
            flags_read: summary.flags_read,
            flags_written,
            flags_undefined: summary.flags_undefined & flags_written,
            reads_memory: memory.reads(),
            writes_memory: memory.writes(),
            stack: u32::try_from(summary.stack).unwrap_or(u32::MAX),
            barrier: summary.barrier(),
            privileged: summary.privileged,
            features: super::features::needed(row),
        }
    }
}

/// A list of lists under construction: `reads a, b; writes c`.
struct Lists<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    /// The word that the last item came under; empty before the first.
    under: &'static str,
}

impl Lists<'_, '_> {
    /// An item under a word such as `reads`, which stands before the first one.
    fn item(&mut self, word: &'static str, item: fmt::Arguments<'_>) -> fmt::Result {
        if self.under == word {
            self.f.write_str(", ")?;
        } else {
            self.start(word)?;
            self.f.write_str(" ")?;
        }
        self.f.write_fmt(item)
    }

    /// A word that says all.
    fn start(&mut self, word: &'static str) -> fmt::Result {
        if !self.under.is_empty() {
            self.f.write_str("; ")?;
        }
        self.under = word;
        self.f.write_str(word)
    }

    fn registers<'r>(&mut self, word: &'static str, registers: impl Iterator<Item = &'r Register>) -> fmt::Result {
        for &register in registers {
            self.item(word, format_args!("{}", register_name(register)))?;
        }
        Ok(())
    }

    fn flags(&mut self, word: &'static str, mask: u32) -> fmt::Result {
        if mask != 0 {
            self.item(word, format_args!("flags {}", flag_list(mask).join(" ")))?;
        }
        Ok(())
    }
}

impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lists = Lists { f, under: "" };
        lists.registers("reads", self.reads.iter())?;
        lists.flags("reads", self.flags_read)?;
        if self.reads_memory {
            lists.item("reads", format_args!("memory"))?;
        }
        lists.registers("writes", self.writes.iter().filter(|one| !one.is_vector_register()))?;
        // All vector registers at once are one fact, not thirty-two.
        let vectors = || self.writes.iter().filter(|one| one.is_vector_register());
        match vectors().count() {
            0..=4 => lists.registers("writes", vectors())?,
            many => lists.item("writes", format_args!("{many} vector registers"))?,
        }
        lists.flags("writes", self.flags_written & !self.flags_undefined)?;
        if self.writes_memory {
            lists.item("writes", format_args!("memory"))?;
        }
        if self.flags_undefined != 0 {
            lists.item("undefines", format_args!("{}", flag_list(self.flags_undefined).join(" ")))?;
        }
        if self.stack != 0 {
            lists.item("stack", format_args!("{}", self.stack))?;
        }
        if self.barrier {
            lists.start("barrier")?;
        }
        if self.privileged {
            lists.start("privileged")?;
        }
        if lists.under.is_empty() { lists.f.write_str("nothing") } else { Ok(()) }
    }
}
