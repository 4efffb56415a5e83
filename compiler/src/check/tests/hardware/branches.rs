//! Conditional branches on this CPU: each over an instruction whose effect shows whether it was taken.

use super::{ARITHMETIC, Bench, FLAGS, STATES};
use crate::run::machine::{Outcome, Sample};
use crate::run::random::Random;
use iced_x86::{Code, Encoder, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, Register};

/// `mov $1, %r15d`, which a branch that is taken skips.
const SKIPPED: [u8; 6] = [0x41, 0xbf, 1, 0, 0, 0];

#[test]
fn branches_depend_on_what_they_read_and_change_what_they_write() {
    let mut bench = Bench::new();
    let mut random = Random::new(5);
    let mut run = 0;
    let mut found = Vec::new();
    for code in Code::values() {
        if let Some((instruction, bytes)) = branch(code, bench.place.code) {
            run += 1;
            found.extend(judge(&mut bench, &mut random, &instruction, &bytes));
        }
    }
    assert!(run >= 40, "{run} forms of branches");
    assert!(found.is_empty(), "{found:#?}");
}

/// A branch of that form at `at` with the instruction that it skips.
fn branch(code: Code, at: u64) -> Option<(Instruction, Vec<u8>)> {
    let info = code.op_code();
    // Transactions are no condition.
    if !info.is_instruction() || !info.mode64() || code.mnemonic() == Mnemonic::Xbegin {
        return None;
    }
    let encoded = |target| -> Option<(Instruction, Vec<u8>)> {
        let mut instruction = Instruction::with_branch(code, target).ok()?;
        instruction.set_ip(at);
        let mut encoder = Encoder::new(64);
        encoder.encode(&instruction, at).ok()?;
        Some((instruction, encoder.take_buffer()))
    };
    let (_, sample) = encoded(at)?;
    let (instruction, mut bytes) = encoded(at + (sample.len() + SKIPPED.len()) as u64)?;
    // 16-bit operands cut the instruction pointer.
    let plain = instruction.flow_control() == FlowControl::ConditionalBranch
        && instruction.near_branch_target() == at + (bytes.len() + SKIPPED.len()) as u64;
    bytes.extend(SKIPPED);
    plain.then_some((instruction, bytes))
}

/// Whether each sample ended with the branch taken.
fn taken(bench: &mut Bench, bytes: &[u8], samples: &[Sample]) -> Vec<(bool, Sample)> {
    let ends = bench.native.run(bytes, samples).expect("the system runs it");
    let ended = ends.into_iter().map(|end| match end {
        Outcome::Ended(end) => (end.state.general[15] != 1, *end),
        Outcome::Signal(signal) => panic!("a branch ends in signal {signal}"),
    });
    ended.collect()
}

fn judge(bench: &mut Bench, random: &mut Random, instruction: &Instruction, bytes: &[u8]) -> Vec<String> {
    let name = format!("{:?}", instruction.code());
    let mut found = Vec::new();
    let template = random.memory(bench.place);
    let samples: Vec<Sample> = (0..4 * STATES)
        .map(|_| {
            let mut sample = Sample::new(bench.place, bench.mask);
            random.fill(&bench.vectors, &template, &mut sample);
            sample.state.general[15] = 0;
            sample.state.general[1] = random.below(3);
            sample
        })
        .collect();
    let ends = taken(bench, bytes, &samples);
    let mut factory = InstructionInfoFactory::new();
    let uses = |factory: &mut InstructionInfoFactory, register: Register, wanted: fn(iced_x86::OpAccess) -> bool| {
        let used = factory.info(instruction).used_registers();
        used.iter().any(|one| one.register().full_register() == register && wanted(one.access()))
    };
    for (before, (_, end)) in samples.iter().zip(&ends) {
        for number in (0..15_usize).filter(|number| before.state.general[*number] != end.state.general[*number]) {
            let register = Register::RAX + number as u32;
            if !uses(&mut factory, register, super::effects::writes) {
                found.push(format!("{name} changes {register:?}"));
            }
        }
        let known = FLAGS.iter().fold(0, |bits, (bit, _)| bits | bit);
        if (before.state.flags ^ end.state.flags) & known != 0 || before.arena() != end.arena() {
            found.push(format!("{name} changes flags or memory"));
        }
    }
    for (bit, flag) in FLAGS.into_iter().filter(|(_, flag)| flag & ARITHMETIC != 0) {
        let mut others = samples.clone();
        others.iter_mut().for_each(|other| other.state.flags ^= bit);
        let others = taken(bench, bytes, &others);
        let depends = ends.iter().zip(&others).any(|(one, other)| one.0 != other.0);
        if depends != (instruction.rflags_read() & flag != 0) {
            found.push(format!("{name}: whether it is taken depends on {flag:#x}: {depends}"));
        }
    }
    let mut others = samples.clone();
    others.iter_mut().for_each(|other| other.state.general[1] = (other.state.general[1] + 1) % 3);
    let others = taken(bench, bytes, &others);
    let depends = ends.iter().zip(&others).any(|(one, other)| one.0 != other.0);
    if depends != uses(&mut factory, Register::RCX, super::effects::reads) {
        found.push(format!("{name}: whether it is taken depends on rcx: {depends}"));
    }
    found.sort();
    found.dedup();
    found
}
