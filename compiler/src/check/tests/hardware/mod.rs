//! The effects that the checks compute for an instruction, held against what this CPU does from random states: for every
//! form that user mode allows. Soundness in both directions that matter:
//!
//! - what the CPU changes, the checks say is changed (registers, flags, memory, the x87 stack);
//! - what the checks say does not matter (a lane of a register, a flag, memory), the CPU's results do not depend on.
//!
//! Each lane of each register is disturbed by itself. A sample of the forms is run by default; all of them with
//! `PVC_HARDWARE=all`.

mod branches;
mod forms;

use super::super::analysis::{self, Leaving, Summary};
use super::super::effects::{self, ARITHMETIC, Memory, facts};
use super::super::flow::{Graph, Next, Node};
use super::super::registers::Cell;
use super::super::state::{Content, State as Known};
use super::super::transfer::Event;
use crate::arch::Arch;
use crate::model::{Abi, FPCW, MXCSR};
use crate::run::machine::{Outcome, Place, Sample, Vectors};
use crate::run::native::Native;
use crate::run::random::Random;
use crate::run::rows::{cpuid, has_feature};
use crate::source::{FileId, Span};
use forms::Form;
use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpKind, Register, RflagsBits};
use std::collections::{BTreeMap, BTreeSet};

/// States that each form is run from.
const STATES: usize = 12;

/// Disagreements that are meant, by how they begin.
const DOCUMENTED: [(&str, &str); 4] = [
    ("lahf: rax depends on ", "it carries the flags, whatever they are (LANGUAGE.md, clobbers)"),
    ("fxsave: memory depends on ", "it saves registers, whatever they hold: no use of them"),
    ("fxsave64: memory depends on ", "the same"),
    ("xsave", "the same: xsave, xsavec, xsaveopt and their 64-bit forms"),
];

/// Flags of RFLAGS and of iced-x86.
const FLAGS: [(u64, u32); 7] = [
    (1, RflagsBits::CF),
    (4, RflagsBits::PF),
    (0x10, RflagsBits::AF),
    (0x40, RflagsBits::ZF),
    (0x80, RflagsBits::SF),
    (0x400, RflagsBits::DF),
    (0x800, RflagsBits::OF),
];

#[test]
fn effects_are_those_of_the_cpu() {
    let all = std::env::var("PVC_HARDWARE").is_ok_and(|value| value == "all");
    let mut bench = Bench::new();
    let mut disagreements: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut run, mut dead) = (0, Vec::new());
    let mut random = Random::new(11);
    for (number, code) in Code::values().enumerate() {
        if !all && number % 16 != 3 {
            continue;
        }
        for (memory, repeat) in [(false, false), (true, false), (false, true)] {
            let Some(form) = forms::form(code, memory, repeat, &mut random) else { continue };
            if !bench.can_run(&form.instruction) {
                continue;
            }
            match bench.judge(&form, &mut random) {
                None => dead.push(format!("{code:?}")),
                Some(found) => {
                    run += 1;
                    for what in found {
                        disagreements
                            .entry(what)
                            .or_default()
                            .push(format!("{code:?}{}", if memory { " (memory)" } else { "" }));
                    }
                }
            }
        }
    }
    let mut meant = BTreeSet::new();
    disagreements.retain(|what, _| {
        let known = DOCUMENTED.iter().find(|(start, _)| what.starts_with(start));
        meant.extend(known.map(|(start, _)| *start));
        known.is_none()
    });
    for (start, reason) in DOCUMENTED.iter().filter(|(start, _)| meant.contains(start)) {
        println!("documented: {start}...: {reason}");
    }
    assert!(!all || meant.len() == DOCUMENTED.len(), "one of them is no disagreement any more: {meant:?}");
    let shown: Vec<String> = disagreements.iter().map(|(what, forms)| format!("{what}: {}", forms.join(" "))).collect();
    println!("{run} forms ran; {} always fault: {}", dead.len(), dead.join(" "));
    assert!(run > if all { 1200 } else { 80 }, "{run} forms");
    assert!(shown.is_empty(), "{} kinds of disagreement:\n{}", shown.len(), shown.join("\n"));
}

struct Bench {
    native: Native,
    place: Place,
    mask: u64,
    vectors: Vectors,
    info: InstructionInfoFactory,
}

/// Something that can be disturbed by itself.
#[derive(Clone, Copy, Debug)]
enum Part {
    Lane(Cell, u8),
    Flag(u64, u32),
    Memory,
}

impl Bench {
    fn new() -> Self {
        let native = Native::new().expect("code can be run here");
        let (place, mask) = (native.place(), native.mask());
        Self { native, place, mask, vectors: Vectors::new(mask, cpuid), info: InstructionInfoFactory::new() }
    }

    fn can_run(&self, instruction: &Instruction) -> bool {
        let named = |iced: &str| {
            crate::arch::PROVIDERS.get(iced).is_none_or(|names| names.iter().any(|name| has_feature(name, self.mask)))
        };
        let ours = !matches!(
            instruction.mnemonic(),
            // These wait, or leave the program in another state than the next sample begins with.
            Mnemonic::Mwaitx | Mnemonic::Umwait | Mnemonic::Tpause
        );
        let features = instruction.cpuid_features().iter().all(|feature| {
            let known = format!("{feature:?}");
            // What no name stands for is left out, but for the first CPUs' instructions.
            named(&known)
                && (crate::arch::PROVIDERS.get(&known).is_some() || super::super::features::need(*feature).is_none())
        });
        ours && features
    }

    /// The disagreements about a form; `None` if it faults from every state.
    fn judge(&mut self, form: &Form, random: &mut Random) -> Option<BTreeSet<String>> {
        let name = format!("{:?}", form.instruction.mnemonic()).to_ascii_lowercase();
        let mut found = BTreeSet::new();
        let template = random.memory(self.place);
        let samples: Vec<Sample> = (0..STATES).map(|_| self.sample(form, &template, random)).collect();
        let ends = self.native.run(&form.bytes, &samples).expect("the system runs it");
        let pairs: Vec<(&Sample, &Sample)> = samples
            .iter()
            .zip(&ends)
            .filter_map(|(sample, end)| match end {
                Outcome::Ended(end) => Some((sample, &**end)),
                Outcome::Signal(_) => None,
            })
            .collect();
        if pairs.is_empty() {
            return None;
        }
        let (summary, after) = analyse(&form.instruction, Known::entry(Arch::X86_64, &[], true));
        self.written(&name, &pairs, &summary, &after, &mut found);
        // All runs of a form in one go, since a child costs more than they do: the same again, then each part disturbed.
        let parts: Vec<(Part, Known)> =
            self.parts(form).into_iter().filter_map(|part| Some((part, independent(form, part)?))).collect();
        let mut runs = samples.clone();
        for (part, _) in &parts {
            runs.extend(samples.iter().map(|sample| self.disturbed(sample, *part, random)));
        }
        let others = self.native.run(&form.bytes, &runs).expect("the system runs it");
        let (again, others) = others.split_at(samples.len());
        // Time stamps and random numbers are held against nothing.
        let repeats = ends.iter().zip(again).all(|(one, other)| match (one, other) {
            (Outcome::Ended(one), Outcome::Ended(other)) => {
                one.state.general == other.state.general && one.work == other.work
            }
            _ => true,
        });
        if repeats {
            for ((part, after), others) in parts.iter().zip(others.chunks(samples.len())) {
                self.depends(&name, *part, after, &ends, others, &mut found);
            }
        }
        Some(found)
    }

    /// A state in which addresses are addresses and counts are small.
    fn sample(&mut self, form: &Form, template: &[u8; crate::run::machine::WORK_LEN], random: &mut Random) -> Sample {
        let mut sample = Sample::new(self.place, self.mask);
        random.fill(&self.vectors, template, &mut sample);
        // Four registers on the x87 stack.
        sample.state.extended[3] = 4 << 3;
        sample.state.extended[4] = 0xf0;
        for register in 0..8 {
            let value = (random.number() as i32 as f64).to_bits();
            let [low, high] = extended_real(value);
            sample.state.extended[32 + 16 * register..][..8].copy_from_slice(&low.to_le_bytes());
            sample.state.extended[40 + 16 * register..][..2].copy_from_slice(&(high as u16).to_le_bytes());
        }
        for register in addresses(&mut self.info, &form.instruction) {
            sample.state.general[register.number()] = random.pointer(self.place);
        }
        if let Some(offset) = bit_offset(&form.instruction) {
            sample.state.general[offset.number()] = random.below(64);
        }
        if form.instruction.is_string_instruction() {
            sample.state.general[1] = random.below(9);
        }
        if form.instruction.memory_index().is_vector_register() {
            for lane in self.vectors.lanes(7) {
                sample.state.extended[lane]
                    .chunks_exact_mut(4)
                    .for_each(|index| index.copy_from_slice(&[random.below(64) as u8, 0, 0, 0]));
            }
        }
        sample
    }

    /// What the CPU changed, against what the checks say may change.
    fn written(
        &self,
        name: &str,
        pairs: &[(&Sample, &Sample)],
        summary: &Summary,
        after: &Known,
        found: &mut BTreeSet<String>,
    ) {
        for &(before, end) in pairs {
            for cell in Cell::all().filter(|&cell| cell != Cell::SP) {
                if after.keeps(cell) && (0..4).any(|lane| self.lane(before, cell, lane) != self.lane(end, cell, lane)) {
                    found.insert(format!("{name} changes {}", cell.name(Arch::X86_64)));
                }
            }
            let moved = end.state.general[4].wrapping_sub(before.state.general[4]) as i64;
            if after.stack_pointer().is_some_and(|known| known != moved) {
                found.insert(format!("{name} moves the stack pointer by {moved}"));
            }
            for (bit, flag) in FLAGS {
                let changed = (before.state.flags ^ end.state.flags) & bit != 0;
                if changed && flag != RflagsBits::DF && after.kept_flags & flag != 0 {
                    found.insert(format!("{name} changes {}", effects::flag_names(flag)));
                }
                if flag == RflagsBits::DF
                    && end.state.flags & bit != 0
                    && !after.direction_set
                    && !name.starts_with("popf")
                {
                    found.insert(format!("{name} sets DF"));
                }
            }
            let (one, other) = (&before.state, &end.state);
            if one.sse_control() != other.sse_control() && after.kept_flags & MXCSR != 0 {
                found.insert(format!("{name} changes MXCSR"));
            }
            if one.x87_control() != other.x87_control() && after.kept_flags & FPCW != 0 {
                found.insert(format!("{name} changes the x87 control word"));
            }
            let stores = matches!(summary.memory(), Memory::Write | Memory::Both);
            if !stores && before.arena() != end.arena() {
                found.insert(format!("{name} writes memory"));
            }
            if after.keeps(Cell::FPU) && (before.state.x87_stack() != end.state.x87_stack()) {
                found.insert(format!("{name} changes the x87 stack"));
            }
        }
    }

    /// Whether the results depend on a part that the checks say they do not depend on.
    fn depends(
        &self,
        name: &str,
        part: Part,
        after: &Known,
        ends: &[Outcome],
        others: &[Outcome],
        found: &mut BTreeSet<String>,
    ) {
        for (one, other) in ends.iter().zip(others) {
            let (Outcome::Ended(one), Outcome::Ended(other)) = (one, other) else { continue };
            for cell in Cell::all().filter(|&cell| cell != Cell::SP) {
                let defined = after.get(cell).defined;
                for lane in (0..4).filter(|lane| defined >> lane & 1 != 0) {
                    // What was disturbed and is kept differs, of course.
                    let same = matches!(part, Part::Lane(of, at) if of == cell && at == lane);
                    if !same && self.lane(one, cell, lane) != self.lane(other, cell, lane) {
                        let what = cell.name(Arch::X86_64);
                        found.insert(format!("{name}: {what} depends on {}", shown(part)));
                    }
                }
            }
            for (bit, flag) in FLAGS {
                let same = matches!(part, Part::Flag(of, _) if of == bit);
                if !same && after.defined_flags & flag != 0 && (one.state.flags ^ other.state.flags) & bit != 0 {
                    found.insert(format!("{name}: {} depends on {}", effects::flag_names(flag), shown(part)));
                }
            }
            if !matches!(part, Part::Memory) && one.arena() != other.arena() {
                found.insert(format!("{name}: memory depends on {}", shown(part)));
            }
        }
    }

    /// The sample with one part of it changed.
    fn disturbed(&self, sample: &Sample, part: Part, random: &mut Random) -> Sample {
        let mut other = sample.clone();
        match part {
            Part::Lane(cell, lane) if cell.is_general() => {
                let (shift, width) = [(0, 8), (8, 8), (16, 16), (32, 32)][usize::from(lane)];
                let mask = ((1_u64 << width) - 1) << shift;
                let register = &mut other.state.general[cell.index()];
                *register = *register & !mask | (random.number() << shift) & mask;
            }
            Part::Lane(cell, lane) => {
                let range = self.vectors.lanes(cell.index() - 16).swap_remove(usize::from(lane));
                for word in other.state.extended[range].chunks_exact_mut(8) {
                    word.copy_from_slice(&random.number().to_le_bytes());
                }
            }
            Part::Flag(bit, _) => other.state.flags ^= bit,
            Part::Memory => {
                other.work[..crate::run::machine::ARENA_LEN]
                    .chunks_exact_mut(8)
                    .for_each(|word| word.copy_from_slice(&random.next().to_le_bytes()));
            }
        }
        other
    }

    /// What can be disturbed: each lane of each register but addresses, each flag, the memory.
    fn parts(&mut self, form: &Form) -> Vec<Part> {
        let addresses: Vec<Cell> = addresses(&mut self.info, &form.instruction)
            .into_iter()
            .chain(bit_offset(&form.instruction))
            .filter_map(|register| Cell::of(register).map(|(cell, _)| cell))
            .collect();
        let mut cells: BTreeSet<Cell> = self
            .info
            .info(&form.instruction)
            .used_registers()
            .iter()
            .filter_map(|used| Cell::of(used.register()))
            .map(|(cell, _)| cell)
            .collect();
        // Two that it has nothing to do with, too.
        cells.extend([Register::R12, Register::XMM5].map(|register| Cell::of(register).expect("it has a cell").0));
        let mut parts = vec![Part::Memory];
        for cell in cells.into_iter().filter(|cell| *cell != Cell::SP && !addresses.contains(cell)) {
            let lanes = match () {
                () if cell.is_general() => 4,
                () if (16..16 + self.vectors.count()).contains(&cell.index()) => {
                    self.vectors.lanes(cell.index() - 16).len()
                }
                () => 0,
            };
            let counts = form.instruction.is_string_instruction() && cell.index() == 1;
            parts.extend((0..lanes as u8).filter(|_| !counts).map(|lane| Part::Lane(cell, lane)));
        }
        parts.extend(FLAGS.iter().filter(|(_, flag)| ARITHMETIC & flag != 0).map(|&(bit, flag)| Part::Flag(bit, flag)));
        parts
    }

    /// A lane of a register, if samples have it.
    fn lane<'a>(&self, sample: &'a Sample, cell: Cell, lane: u8) -> Option<std::borrow::Cow<'a, [u8]>> {
        let state = &sample.state;
        if cell.is_general() {
            let range = [0..1, 1..2, 2..4, 4..8][usize::from(lane)].clone();
            return Some(state.general[cell.index()].to_le_bytes()[range].to_vec().into());
        }
        if (16..16 + self.vectors.count()).contains(&cell.index()) {
            let range = self.vectors.lanes(cell.index() - 16).get(usize::from(lane))?.clone();
            return Some(state.extended[range].into());
        }
        None
    }
}

/// The state after the form if the checks say that it does not look at `part`: what is defined then does not depend on it.
fn independent(form: &Form, part: Part) -> Option<Known> {
    let mut entry = Known::entry(Arch::X86_64, &[], true);
    match part {
        Part::Lane(cell, lane) => {
            let content = entry.get(cell);
            entry.set(cell, Content { defined: content.defined & !(1 << lane), ..content });
        }
        Part::Flag(_, flag) => entry.defined_flags &= !flag,
        Part::Memory => {}
    }
    let (summary, after) = analyse(&form.instruction, entry);
    let used = summary.events.values().flatten().any(|event| match (part, event) {
        (Part::Lane(cell, _), Event::UndefinedRegister(of)) => cell == *of,
        (Part::Flag(_, flag), Event::UndefinedFlags(of)) => of & flag != 0,
        (Part::Memory, Event::Memory(memory)) => memory.reads(),
        (Part::Memory, Event::StackRead(..)) => true,
        _ => false,
    });
    let ignored = facts(&form.instruction).is_some_and(|facts| facts.merges || !facts.ignores.is_empty());
    (!used && !ignored).then_some(after)
}

/// The registers that make addresses.
fn addresses(info: &mut InstructionInfoFactory, instruction: &Instruction) -> Vec<Register> {
    let used = info.info(instruction).used_memory();
    let bases =
        used.iter().map(|memory| memory.base()).filter(|base| base.is_gpr() && base.full_register() != Register::RSP);
    bases.map(Register::full_register).collect()
}

/// The register that counts bits from an address: `bts %rax, (%rdi)` reaches 2^60 bytes.
fn bit_offset(instruction: &Instruction) -> Option<Register> {
    let scans = matches!(instruction.mnemonic(), Mnemonic::Bt | Mnemonic::Btc | Mnemonic::Btr | Mnemonic::Bts);
    (scans && instruction.op0_kind() == OpKind::Memory && instruction.op1_kind() == OpKind::Register)
        .then(|| instruction.op1_register().full_register())
}

/// What the checks say of one instruction from a state.
fn analyse(instruction: &Instruction, entry: Known) -> (Summary, Known) {
    let mut instruction = *instruction;
    instruction.set_ip(0);
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let node = Node { instruction, facts: facts(&instruction), span, next: vec![Next::End], own_address: None };
    let graph = Graph { nodes: BTreeMap::from([(0, node)]), sound: true, end: instruction.len() as u32 };
    let summary = analysis::analyse(&graph, Arch::X86_64, Abi::User, entry);
    let exit = summary.exits.iter().find(|exit| exit.how == Leaving::End).expect("it runs on");
    let after = exit.state.clone();
    (summary, after)
}

fn shown(part: Part) -> String {
    match part {
        Part::Lane(cell, lane) => format!("lane {lane} of {}", cell.name(Arch::X86_64)),
        Part::Flag(_, flag) => effects::flag_names(flag),
        Part::Memory => "memory".to_owned(),
    }
}

/// A double as an x87 register holds it: significand, then sign and exponent. Small integers only.
fn extended_real(bits: u64) -> [u64; 2] {
    if bits << 1 == 0 {
        return [0, 0];
    }
    let exponent = (bits >> 52 & 0x7ff) + (16383 - 1023);
    [1 << 63 | bits << 12 >> 1, bits >> 63 << 15 | exponent]
}
