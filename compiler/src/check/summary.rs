//! What a row was found to do, for the outputs: evidence that a reviewer can read.

use super::RowCheck;
use super::effects::{ARITHMETIC, flag_names};
use super::registers::Cell;
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
    /// Flags that may differ from entry on some way out.
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
            flags_written |= !exit.state.kept_flags & (ARITHMETIC | super::effects::SYSTEM);
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

impl fmt::Display for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registers =
            |list: &[Register]| list.iter().map(|&one| crate::arch::register_name(one).to_owned()).collect::<Vec<_>>();
        let mut parts = Vec::new();
        let mut reads = registers(&self.reads);
        if self.flags_read != 0 {
            reads.push(format!("flags {}", flag_names(self.flags_read).replace(", ", " ")));
        }
        if self.reads_memory {
            reads.push("memory".to_owned());
        }
        if !reads.is_empty() {
            parts.push(format!("reads {}", reads.join(", ")));
        }
        // All vector registers at once are one fact, not thirty-two.
        let (vectors, others): (Vec<_>, Vec<_>) = self.writes.iter().partition(|one| one.is_vector_register());
        let mut writes = registers(&others);
        match vectors.len() {
            0..=4 => writes.extend(registers(&vectors)),
            many => writes.push(format!("{many} vector registers")),
        }
        let defined = self.flags_written & !self.flags_undefined;
        if defined != 0 {
            writes.push(format!("flags {}", flag_names(defined).replace(", ", " ")));
        }
        if self.writes_memory {
            writes.push("memory".to_owned());
        }
        if !writes.is_empty() {
            parts.push(format!("writes {}", writes.join(", ")));
        }
        if self.flags_undefined != 0 {
            parts.push(format!("undefines {}", flag_names(self.flags_undefined).replace(", ", " ")));
        }
        if self.stack != 0 {
            parts.push(format!("stack {}", self.stack));
        }
        if self.barrier {
            parts.push("barrier".to_owned());
        }
        if self.privileged {
            parts.push("privileged".to_owned());
        }
        if parts.is_empty() { f.write_str("nothing") } else { f.write_str(&parts.join("; ")) }
    }
}
