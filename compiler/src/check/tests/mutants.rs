//! The shipped patch sets, each with one thing taken away or changed: the checks have to see it.

use super::*;
use crate::diagnostics::Diagnostics;
use crate::model::{Assembled, Clobber, Term, When};
use crate::source::{DiskLoader, SourceMap};
use iced_x86::Register;

/// Clobbers that no instruction asks for, so that only a reader can miss them: what is called instead of the row needs
/// them, or the op as a whole promises more than its native row shows.
const FOR_BACKENDS: [Clobber; 4] = [Clobber::CallerSaved, Clobber::Barrier, Clobber::Memory, Clobber::Flags];

struct Score {
    killed: usize,
    survivors: Vec<String>,
}

impl Score {
    /// Checks a mutant; whether something was found.
    fn judge(&mut self, what: String, unit: Assembled, sources: &SourceMap) -> bool {
        let mut diagnostics = Diagnostics::default();
        let _ = crate::check::check(unit, sources, &mut diagnostics);
        let killed = !diagnostics.list().is_empty();
        if killed {
            self.killed += 1;
        } else {
            self.survivors.push(what);
        }
        killed
    }
}

#[test]
fn mutants_of_the_shipped_sets_are_found() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../patchsets");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the patch sets").map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pv"));
    paths.sort();
    assert!(paths.len() >= 5);
    let mut score = Score { killed: 0, survivors: Vec::new() };
    for path in paths {
        let (sources, unit) = assembled_file(path.to_str().unwrap(), &DiskLoader);
        let mut diagnostics = Diagnostics::default();
        let _ = crate::check::check(unit.clone(), &sources, &mut diagnostics);
        assert_eq!(diagnostics.list(), [], "no false alarm on {}", path.display());
        mutate(&unit, &sources, &mut score);
    }
    let total = score.killed + score.survivors.len();
    assert!(total > 300, "{total} mutants");
    assert_eq!(score.survivors, [""; 0], "{} of {total} mutants live", score.survivors.len());
}

fn mutate(unit: &Assembled, sources: &SourceMap, score: &mut Score) {
    for op in &unit.ops {
        // Each op alone, so that a mutant costs one op and not a set.
        let alone = Assembled { ops: vec![op.clone()], ..unit.clone() };
        for (contract, of) in op.contracts.iter().enumerate() {
            let name = format!("{} on {}", op.name, of.arch.name());
            clobbers(&alone, sources, score, contract, &name);
            operands(&alone, sources, score, contract, &name);
            rows(&alone, sources, score, contract, &name);
        }
    }
}

/// Each declared clobber is dropped.
fn clobbers(unit: &Assembled, sources: &SourceMap, score: &mut Score, contract: usize, name: &str) {
    for item in 0..unit.ops[0].contracts[contract].clobbers.items.len() {
        let mut mutant = unit.clone();
        let dropped = mutant.ops[0].contracts[contract].clobbers.items.remove(item).what;
        // Dropping these must not be noticed by accident either: the check asks for them where an instruction does.
        if !score.judge(format!("{name}: {dropped:?} dropped"), mutant, sources)
            && (FOR_BACKENDS.contains(&dropped) || matches!(dropped, Clobber::SystemFlag(_)))
        {
            score.survivors.pop();
        }
    }
}

/// Each operand is moved to a register that the rows do not use.
fn operands(unit: &Assembled, sources: &SourceMap, score: &mut Score, contract: usize, name: &str) {
    let original = &unit.ops[0].contracts[contract];
    let checked = crate::check::check(unit.clone(), sources, &mut Diagnostics::default()).expect("a sound op");
    let checked = &checked.unit().ops[0].contracts[contract];
    let reads: Vec<Register> = checked.rows.iter().flat_map(|row| row.effects.reads.clone()).collect();
    let elsewhere = if original.arch == crate::arch::Arch::X86_64 { Register::R15 } else { Register::EDI };
    for result in 0..original.results.len() {
        let mut mutant = unit.clone();
        mutant.ops[0].contracts[contract].results[result].register = elsewhere;
        score.judge(format!("{name}: result {result} elsewhere"), mutant, sources);
    }
    for param in 0..original.params.len() {
        let register = original.params[param].register;
        let used = reads.contains(&register);
        // An argument that the native rows ignore, or the register of the result, tells nothing.
        if !used || original.results.iter().any(|result| result.register == register) {
            continue;
        }
        let mut mutant = unit.clone();
        mutant.ops[0].contracts[contract].params[param].register = elsewhere;
        score.judge(format!("{name}: parameter {param} elsewhere"), mutant, sources);
    }
}

/// Each row grows past its site, loses its condition, or gets an instruction that the contract does not allow.
fn rows(unit: &Assembled, sources: &SourceMap, score: &mut Score, contract: usize, name: &str) {
    for row in 0..unit.ops[0].contracts[contract].rows.len() {
        let with = |bytes: &[u8], at_end: bool| {
            let mut mutant = unit.clone();
            let code = mutant.ops[0].contracts[contract].rows[row].code.as_mut().expect("assembled");
            let at = if at_end { code.bytes.len() } else { 0 };
            code.bytes.splice(at..at, bytes.iter().copied());
            if !at_end {
                code.fixups.iter_mut().for_each(|fixup| fixup.offset += bytes.len() as u32);
            }
            mutant
        };
        score.judge(format!("{name}, row {row}: grown"), with(&[0x90; 65], true), sources);
        if !unit.ops[0].diverges() {
            let restores_flags = unit.ops[0].contracts[contract].rows[row].row.asm.text.contains("popf");
            const INTRUDERS: [(&str, &[u8]); 7] = [
                ("mov $0, %ebp", &[0xbd, 0, 0, 0, 0]),
                ("push", &[0x50]),
                ("pop", &[0x58]),
                ("std", &[0xfd]),
                ("ret", &[0xc3]),
                ("a jump out", &[0xeb, 0x80]),
                ("a bad opcode", &[0x0f, 0x04]),
            ];
            for (what, bytes) in INTRUDERS {
                // What popf sets afterwards was not changed.
                if what == "std" && restores_flags {
                    continue;
                }
                score.judge(format!("{name}, row {row}: {what} before"), with(bytes, false), sources);
            }
        } else {
            // A diverging row that comes back: cut to nothing.
            let mut mutant = unit.clone();
            let code = mutant.ops[0].contracts[contract].rows[row].code.as_mut().expect("assembled");
            code.bytes.clear();
            code.items.clear();
            score.judge(format!("{name}, row {row}: cut"), mutant, sources);
        }
        let condition = unit.ops[0].contracts[contract].rows[row].row.when.as_ref();
        if let Some(when) = condition.filter(|when| when.terms.iter().any(|term| term.all != 0)) {
            let mut mutant = unit.clone();
            let terms = vec![Term { all: 0, none: when.terms[0].none }];
            mutant.ops[0].contracts[contract].rows[row].row.when = Some(When { terms, ..when.clone() });
            score.judge(format!("{name}, row {row}: condition dropped"), mutant, sources);
        }
    }
}
