//! The three questions: does a row keep what its contract says, does it depend on nothing but its inputs, and does it
//! do what the other rows of its op do.

use super::machine::{ARENA_LEN, Outcome, Place, STACK_TOP, Sample, Vectors, WORK_LEN, signal_name};
use super::native::Native;
use super::random::Random;
use super::rows::{Runnable, Use, usage};
use super::{Options, Verdict};
use crate::arch::{Arch, register_name};
use crate::check::CheckedRow;
use crate::model::{Abi, Clobber, Contract, FPCW, MXCSR, Op, Operand, Set, Type};
use iced_x86::Register;

/// The most samples that are held in memory at a time.
const CHUNK: usize = 256;
/// RFLAGS: OF SF ZF AF PF CF.
const ARITHMETIC: u64 = 0x8d5;
/// RFLAGS: DF.
const DIRECTION: u64 = 0x400;
/// RFLAGS: AC.
const ALIGNMENT: u64 = 0x4_0000;

/// What an op's rows are judged by.
pub(super) struct Judge<'a> {
    pub(super) set: &'a Set,
    pub(super) op: &'a Op<CheckedRow>,
    pub(super) contract: &'a Contract<CheckedRow>,
    pub(super) place: Place,
    pub(super) mask: u64,
    pub(super) vectors: Vectors,
}

/// What is known of a row so far.
#[derive(Default)]
struct Progress {
    states: usize,
    signals: usize,
    last_signal: i32,
    /// Whether two runs from one state ended alike.
    repeats: bool,
    fault: Option<String>,
}

impl Judge<'_> {
    /// Runs all rows; one verdict each.
    ///
    /// # Errors
    ///
    /// What the system refused.
    pub(super) fn judge(
        &self,
        native: &mut Native,
        rows: &[Runnable<'_>],
        options: &Options,
    ) -> Result<Vec<Verdict>, String> {
        let mut random = Random::new(options.seed);
        let uses: Vec<Use> = self.contract.params.iter().map(|param| usage(rows, param.register, param.ty)).collect();
        let mut progress: Vec<Progress> =
            rows.iter().map(|_| Progress { repeats: true, ..Progress::default() }).collect();
        let mut left = options.states;
        while left > 0 && progress.iter().any(|row| row.fault.is_none()) {
            let count = left.min(CHUNK);
            let template = random.memory(self.place);
            let samples: Vec<Sample> = (0..count).map(|_| self.sample(&mut random, &template, &uses)).collect();
            let template = random.memory(self.place);
            let others: Vec<Sample> =
                samples.iter().map(|sample| self.disturbed(&mut random, &template, sample)).collect();
            // The first row whose result can be compared with.
            let mut reference: Option<(usize, Vec<Outcome>)> = None;
            for (row, progress) in rows.iter().zip(&mut progress) {
                if progress.fault.is_some() {
                    continue;
                }
                let ends = native.run(&row.code, &samples)?;
                if progress.states == 0 {
                    let again = native.run(&row.code, &samples)?;
                    progress.repeats = ends.iter().zip(&again).all(|(one, other)| self.same(one, other).is_none());
                }
                progress.states += count;
                let signals = ends.iter().filter_map(|end| match end {
                    Outcome::Signal(signal) => Some(*signal),
                    Outcome::Ended(_) => None,
                });
                for signal in signals {
                    progress.signals += 1;
                    progress.last_signal = signal;
                }
                let broken = samples.iter().zip(&ends).find_map(|(sample, end)| {
                    let Outcome::Ended(end) = end else { return None };
                    let what = self.outside_contract(sample, end)?;
                    Some(format!("{what}, which the contract keeps; from {}", self.arguments(sample)))
                });
                progress.fault = broken;
                if progress.fault.is_some() || !progress.repeats {
                    continue;
                }
                let others = if row.carries_flags { with_flags_of(&others, &samples) } else { others.clone() };
                let changed = native.run(&row.code, &others)?;
                progress.fault = samples.iter().zip(ends.iter().zip(&changed)).find_map(|(sample, (end, changed))| {
                    let what = self.same(end, changed)?;
                    Some(format!(
                        "depends on what is no input: from {}, and whatever else differing, {}",
                        self.arguments(sample),
                        what.shown("one run", "another")
                    ))
                });
                match &reference {
                    _ if progress.fault.is_some() => {}
                    None => reference = Some((row.number, ends)),
                    Some((number, expected)) => {
                        progress.fault =
                            samples.iter().zip(expected.iter().zip(&ends)).find_map(|(sample, (one, end))| {
                                let what = self.same(one, end)?;
                                Some(format!(
                                    "differs from row {number}: from {}, {}",
                                    self.arguments(sample),
                                    what.shown(&format!("row {number}"), "this row")
                                ))
                            });
                    }
                }
            }
            left -= count;
        }
        Ok(progress.into_iter().map(Progress::verdict).collect())
    }

    /// A random state that the contract allows.
    fn sample(&self, random: &mut Random, template: &[u8; WORK_LEN], uses: &[Use]) -> Sample {
        let mut sample = Sample::new(self.place, self.mask);
        random.fill(&self.vectors, template, &mut sample);
        for (param, used) in self.contract.params.iter().zip(uses) {
            let value = match used {
                Use::Pointer => random.pointer(self.place),
                Use::Small => random.below(64),
                Use::NonZero => random.number() | 1 << random.below(8),
                Use::Number => random.number(),
            };
            sample.state.general[param.register.number()] = value & width(param.ty) & self.word();
        }
        sample
    }

    /// The same inputs, and everything else different.
    fn disturbed(&self, random: &mut Random, template: &[u8; WORK_LEN], sample: &Sample) -> Sample {
        let mut other = Sample::new(self.place, self.mask);
        random.fill(&self.vectors, template, &mut other);
        other.work[..ARENA_LEN].copy_from_slice(sample.arena());
        for param in &self.contract.params {
            let register = param.register.number();
            other.state.general[register] = sample.state.general[register];
        }
        other
    }

    /// What a run changed although the contract keeps it.
    fn outside_contract(&self, before: &Sample, after: &Sample) -> Option<String> {
        let (one, other) = (&before.state, &after.state);
        for number in 0..16_usize {
            let register = Register::RAX + number as u32;
            let (was, is) = (one.general[number] & self.word(), other.general[number] & self.word());
            if was != is && !self.may_change(register) {
                return Some(format!("changes {} from {was:#x} to {is:#x}", register_name(register)));
            }
        }
        let clobbers = &self.contract.clobbers;
        let mut kept = ALIGNMENT | DIRECTION;
        if !clobbers.flags() {
            kept |= ARITHMETIC;
        }
        for (bit, flag) in [(iced_x86::RflagsBits::DF, DIRECTION), (iced_x86::RflagsBits::AC, ALIGNMENT)] {
            if clobbers.has(Clobber::SystemFlag(bit)) {
                kept &= !flag;
            }
        }
        let changed = (one.flags ^ other.flags) & kept;
        if changed != 0 {
            return Some(format!("changes the flags {}", flag_names(changed)));
        }
        if let Some(what) = self.vector_state(before, after) {
            return Some(what);
        }
        if !clobbers.memory() && before.arena() != after.arena() {
            return Some("changes memory".to_owned());
        }
        if before.stack()[STACK_TOP..] != after.stack()[STACK_TOP..] {
            return Some("changes the stack above its stack pointer".to_owned());
        }
        None
    }

    fn vector_state(&self, before: &Sample, after: &Sample) -> Option<String> {
        let (one, other) = (&before.state, &after.state);
        let named = |register| self.contract.clobbers.has(Clobber::Other(register));
        let may_load = |bit, with| self.contract.clobbers.has(Clobber::SystemFlag(bit)) || named(with);
        if one.sse_control() != other.sse_control() && !may_load(MXCSR, Register::XMM0)
            || one.x87_control() != other.x87_control() && !may_load(FPCW, Register::ST0)
        {
            return Some("changes how floating point rounds and traps".to_owned());
        }
        if one.x87_stack() != other.x87_stack() && !named(Register::ST0) {
            return Some("changes the x87 stack".to_owned());
        }
        if self.set.abi == Abi::User && !self.op.preserves.vector {
            return None;
        }
        for index in 0..self.vectors.count() {
            let register = Register::XMM0 + index as u32;
            let lost =
                self.vectors.lanes(index).into_iter().any(|lane| one.extended[lane.clone()] != other.extended[lane]);
            if lost && !named(register) {
                return Some(format!("changes {}", register_name(register)));
            }
        }
        for index in 0..self.vectors.masks() {
            let register = Register::K0 + index as u32;
            let lane = self.vectors.mask(index);
            if one.extended[lane.clone()] != other.extended[lane] && !named(register) {
                return Some(format!("changes {}", register_name(register)));
            }
        }
        None
    }

    /// Whether a general register may change.
    fn may_change(&self, register: Register) -> bool {
        let arch = self.contract.arch;
        let results = self.contract.results.iter().flat_map(|result| [Some(result.register), result.high]).flatten();
        self.contract
            .clobbers
            .registers(arch)
            .into_iter()
            .chain(results)
            .any(|allowed| allowed.full_register() == register)
    }

    /// The bits of a general register that the arch has.
    fn word(&self) -> u64 {
        match self.contract.arch {
            Arch::X86_64 => u64::MAX,
            Arch::I386 => u64::from(u32::MAX),
        }
    }

    /// What of two ends differs that the op's caller sees.
    fn same(&self, one: &Outcome, other: &Outcome) -> Option<Difference> {
        match (one, other) {
            (Outcome::Ended(one), Outcome::Ended(other)) => {
                for result in &self.contract.results {
                    let half = |end: &Sample, register: Register| end.state.general[register.number()] & self.word();
                    let value = |end: &Sample| {
                        let high = result.high.map_or(0, |register| half(end, register) << 32);
                        (half(end, result.register) | high) & width(result.ty)
                    };
                    if value(one) != value(other) {
                        return Some(Difference::Value(result_name(result), value(one), value(other)));
                    }
                }
                let at = one.arena().iter().zip(other.arena()).position(|(one, other)| one != other)?;
                let byte = |end: &Sample| u64::from(end.arena()[at]);
                Some(Difference::Value(
                    format!("the byte at {:#x}", self.place.work + at as u64),
                    byte(one),
                    byte(other),
                ))
            }
            (Outcome::Signal(one), Outcome::Signal(other)) if one == other => None,
            _ => Some(Difference::Ending(ending(one), ending(other))),
        }
    }

    /// The arguments of a sample, for a message.
    fn arguments(&self, sample: &Sample) -> String {
        let shown: Vec<String> = self
            .contract
            .params
            .iter()
            .map(|param| format!("{} = {:#x}", param.name, sample.state.general[param.register.number()]))
            .collect();
        if shown.is_empty() { "any state".to_owned() } else { shown.join(", ") }
    }
}

impl Progress {
    fn verdict(self) -> Verdict {
        match self.fault {
            Some(fault) => Verdict::Differs(fault),
            None if self.signals == self.states => {
                Verdict::NotRun(format!("ends in {} from every state", signal_name(self.last_signal)))
            }
            None => Verdict::Agrees { states: self.states - self.signals, compared: self.repeats },
        }
    }
}

/// What differs between two ends.
enum Difference {
    Value(String, u64, u64),
    Ending(&'static str, &'static str),
}

impl Difference {
    /// As words, with names for the two ends.
    fn shown(&self, one: &str, other: &str) -> String {
        match self {
            Self::Value(what, first, second) => format!("{what} is {first:#x} in {one} and {second:#x} in {other}"),
            Self::Ending(first, second) => format!("{one} ends in {first} and {other} in {second}"),
        }
    }
}

fn ending(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ended(_) => "the next instruction",
        Outcome::Signal(signal) => signal_name(*signal),
    }
}

fn result_name(result: &Operand) -> String {
    match result.name.as_str() {
        "" => format!("the result in {}", register_name(result.register)),
        name => format!("the result `{name}`"),
    }
}

/// The bits of a register that a type fills.
fn width(ty: Type) -> u64 {
    match ty {
        Type::Bool => 1,
        Type::U8 => 0xff,
        Type::U16 => 0xffff,
        Type::U32 => 0xffff_ffff,
        Type::Word | Type::Ptr | Type::U64 => u64::MAX,
    }
}

fn with_flags_of(samples: &[Sample], of: &[Sample]) -> Vec<Sample> {
    let mut samples = samples.to_vec();
    samples.iter_mut().zip(of).for_each(|(sample, of)| sample.state.flags = of.state.flags);
    samples
}

fn flag_names(flags: u64) -> String {
    const NAMES: [(u64, &str); 8] = [
        (1, "CF"),
        (4, "PF"),
        (0x10, "AF"),
        (0x40, "ZF"),
        (0x80, "SF"),
        (DIRECTION, "DF"),
        (0x800, "OF"),
        (ALIGNMENT, "AC"),
    ];
    let names: Vec<&str> = NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|&(_, name)| name).collect();
    names.join(" ")
}
