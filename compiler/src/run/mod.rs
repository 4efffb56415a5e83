//! `pvc test`: rows that can run in user mode are run on this CPU, from random states, and held against their contract.
//!
//! The checks of the compiler decide from what manuals say of instructions; here the CPU itself is asked. For each row:
//!
//! - nothing outside the contract changes: registers, flags, memory, stack;
//! - nothing outside the inputs matters: other registers, flags and vectors differing, the results are the same;
//! - all rows of an op do the same: results and memory.
//!
//! Arguments are random: any number, or an address where a row uses them as one; never zero where a row scans them with
//! `bsf` or `bsr`, whose result is undefined then. Rows of i386 run in the 32-bit code segment that Linux has for every
//! program. A row that cannot run here (privileged, a feature that this CPU lacks) is listed as such, and is not a row
//! that passed.

mod judge;
pub(crate) mod machine;
pub(crate) mod native;
pub(crate) mod random;
pub(crate) mod rows;
#[cfg(test)]
mod tests;

use crate::arch::Arch;
use crate::check::Checked;
use judge::Judge;
use machine::Vectors;
use native::Native;
use rows::Runnable;
use std::fmt;

/// How thoroughly.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Random states a row is run from.
    pub states: usize,
    /// Which random states: the same seed gives the same ones.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { states: 10_000, seed: 1 }
    }
}

/// What came of one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It kept its contract from that many states. `compared` is false if two runs from one state end differently (a
    /// time stamp, a random number): then its results were held against nothing.
    Agrees {
        /// Number of states from which it came to its end.
        states: usize,
        /// Whether its results could be compared.
        compared: bool,
    },
    /// It did not: how, and from which state.
    Differs(String),
    /// It could not run here: why.
    NotRun(String),
}

/// A row and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RowReport {
    /// Name of its op.
    pub op: String,
    /// Its arch.
    pub arch: Arch,
    /// Its number among the op's rows on that arch, from 1.
    pub row: usize,
    /// Its instructions.
    pub asm: String,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a set, in the order of its ops.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Report {
    /// One entry a row and arch.
    pub rows: Vec<RowReport>,
}

impl Report {
    /// Rows that ran and kept their contract, rows that did not keep it, rows that could not run.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |wanted: fn(&Verdict) -> bool| self.rows.iter().filter(|row| wanted(&row.verdict)).count();
        (
            count(|verdict| matches!(verdict, Verdict::Agrees { .. })),
            count(|verdict| matches!(verdict, Verdict::Differs(_))),
            count(|verdict| matches!(verdict, Verdict::NotRun(_))),
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agrees { states, compared: true } => write!(f, "ok, {states} states"),
            Self::Agrees { states, compared: false } => {
                write!(f, "ok, {states} states; its result changes from run to run and was not compared")
            }
            Self::Differs(how) => write!(f, "FAILED: {how}"),
            Self::NotRun(why) => write!(f, "not run: {why}"),
        }
    }
}

/// Runs every row of a set that can run here.
///
/// ```
/// use pvc::run::{Options, Verdict};
/// use pvc::source::MemoryLoader;
/// let files = MemoryLoader::from_iter([("bits.pv", "
///     patchset demo { arch x86_64 }
///     op bits.clear_lowest(x: word) -> word {
///         clobbers flags
///         site call.abs
///         x86_64 when bmi1 { blsr %rdi, %rax }
///         x86_64           { lea -1(%rdi), %rax; and %rdi, %rax }
///     }
/// ")]);
/// let checked = pvc::compile("bits.pv", &files).checked.expect("no error");
/// let report = pvc::run::test(&checked, &Options { states: 100, seed: 1 })?;
/// assert!(matches!(report.rows[1].verdict, Verdict::Agrees { states: 100, compared: true }));
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
///
/// What the system refused: no XSAVE, no memory, no child process.
pub fn test(checked: &Checked, options: &Options) -> Result<Report, String> {
    test_watched(checked, options, &mut |_| {})
}

/// [`test()`], which tells `watch` how many ops are done each time it begins another.
///
/// # Errors
///
/// As [`test()`].
pub fn test_watched(checked: &Checked, options: &Options, watch: &mut dyn FnMut(usize)) -> Result<Report, String> {
    let mut native = Native::new()?;
    let (place, mask) = (native.place(), native.mask());
    let vectors = Vectors::new(mask, rows::cpuid);
    let unit = checked.unit();
    let mut report = Report::default();
    for (done, op) in unit.ops.iter().enumerate() {
        watch(done);
        for contract in &op.contracts {
            let mut runnable = Vec::new();
            let first = report.rows.len();
            for (index, row) in contract.rows.iter().enumerate() {
                let verdict = match Runnable::new(op, contract, row, index + 1, place, mask) {
                    Ok(row) => {
                        runnable.push(row);
                        // Replaced below.
                        Verdict::NotRun(String::new())
                    }
                    Err(why) => Verdict::NotRun(why),
                };
                report.rows.push(RowReport {
                    op: op.name.clone(),
                    arch: contract.arch,
                    row: index + 1,
                    asm: row.disassembly.clone(),
                    verdict,
                });
            }
            let judge = Judge { set: &unit.set, op, contract, place, mask, vectors };
            for (row, verdict) in runnable.iter().zip(judge.judge(&mut native, &runnable, options)?) {
                report.rows[first + row.number - 1].verdict = verdict;
            }
        }
    }
    Ok(report)
}
