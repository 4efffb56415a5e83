//! Every opcode that iced knows, in every mode, syntax and operand shape, against GNU as; where GNU as does not know the
//! mnemonic or refuses the line, against llvm-mc. What differs is on the list `differences.txt`, and what is on the list
//! differs.

mod shapes;
mod tools;

use pvc_asm::{Lines, Mode, Options, Syntax};
use std::collections::{BTreeMap, BTreeSet};
use tools::Verdict;

/// `mode syntax mnemonic # reason`, one a line.
const DIFFERENCES: &str = include_str!("differences.txt");
/// Most entries that the list may have.
const MOST_DIFFERENCES: usize = 40;

fn listed() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for line in DIFFERENCES.lines() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (entry, reason) = line.split_once('#').unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(!reason.trim().is_empty(), "no reason: {line}");
        let words: Vec<&str> = entry.split_whitespace().collect();
        assert_eq!(words.len(), 3, "mode, syntax, mnemonic: {line}");
        assert!(!entry.contains('*'), "no wildcards: {line}");
        assert!(out.insert(words.join(" ")), "listed twice: {line}");
    }
    assert!(out.len() <= MOST_DIFFERENCES, "{} differences, at most {MOST_DIFFERENCES}", out.len());
    out
}

/// Lines that are not what iced means: GNU as reads `far` as a symbol, and MPX with 16-bit addresses crashes it.
fn is_sound(line: &str, bits: u32) -> bool {
    !(line == "ret far" || line.starts_with("ret far ") || bits == 16 && line.starts_with("bnd"))
}

fn judge(bits: u32, intel: bool) -> (BTreeMap<String, Vec<String>>, usize) {
    let syntax = if intel { shapes::Syntax::Intel } else { shapes::Syntax::Att };
    let mut lines = shapes::lines(bits, syntax);
    lines.retain(|line| is_sound(line, bits));
    let verdicts = tools::gnu_as(&lines, bits, intel);
    let mode = match bits {
        16 => Mode::Bits16,
        32 => Mode::Bits32,
        _ => Mode::Bits64,
    };
    let mut assembler = Lines::new(Options { mode, syntax: if intel { Syntax::Intel } else { Syntax::Att } });
    let mut doubtful = Vec::new();
    let mut ours_all = Vec::new();
    for (line, verdict) in lines.iter().zip(&verdicts) {
        let ours = assembler.assemble(line).map(<[u8]>::to_vec);
        let agreed = match (&ours, verdict) {
            (Ok(ours), Verdict::Bytes(bytes) | Verdict::Warned(bytes)) => ours == bytes,
            (Err(_), Verdict::Rejected(_)) => true,
            _ => false,
        };
        if !agreed {
            doubtful.push(line.clone());
            ours_all.push((ours, verdict.clone()));
        }
    }
    // Second opinion where GNU as has none.
    let opinions = tools::llvm_mc(&doubtful, bits, intel);
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for ((line, (ours, verdict)), opinion) in doubtful.iter().zip(&ours_all).zip(&opinions) {
        if let (Ok(ours), Verdict::Rejected(_)) = (ours, verdict)
            && opinion.bytes() == Some(ours)
        {
            continue;
        }
        let mnemonic = line.split_whitespace().find(|word| !word.starts_with('{')).unwrap_or("");
        let key = format!("{bits} {} {mnemonic}", if intel { "intel" } else { "att" });
        differences
            .entry(key)
            .or_default()
            .push(format!("{line}: ours {ours:02x?}, GNU as {verdict:02x?}, llvm-mc {opinion:02x?}"));
    }
    (differences, lines.len())
}

#[test]
fn every_opcode_in_every_shape_agrees_with_gnu_as() {
    let listed = listed();
    let mut found = BTreeSet::new();
    let mut unlisted = Vec::new();
    let mut total = 0;
    for bits in [64, 32, 16] {
        for intel in [false, true] {
            let (differences, count) = judge(bits, intel);
            total += count;
            for (key, examples) in differences {
                if !listed.contains(&key) {
                    unlisted.push(format!("{key}: {} lines, such as {}", examples.len(), examples[0]));
                }
                found.insert(key);
            }
        }
    }
    println!("{total} lines, {} of {} listed differences", found.len(), listed.len());
    assert!(total > 250_000, "only {total} lines");
    assert!(unlisted.is_empty(), "{} differences are not on the list:\n{}", unlisted.len(), unlisted.join("\n"));
    let idle: Vec<&String> = listed.difference(&found).collect();
    assert!(idle.is_empty(), "these entries match nothing: {idle:?}");
}

/// Instructions that Debian's GNU as does not know: what newer releases of GNU as and LLVM agree on.
const NEW_ISA: &str = include_str!("new_isa.tsv");

#[test]
fn new_instructions_agree_with_later_assemblers() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for row in NEW_ISA.lines().skip(1) {
        let [mode, syntax, text, bytes] = row.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {row}")
        };
        // MOVRS is out of reach and refused by name.
        if text.starts_with("prefetchrst2") {
            continue;
        }
        let mode = match mode {
            "16" => Mode::Bits16,
            "32" => Mode::Bits32,
            _ => Mode::Bits64,
        };
        let syntax = if syntax == "intel" { Syntax::Intel } else { Syntax::Att };
        let ours = Lines::new(Options { mode, syntax })
            .assemble(text)
            .map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        count += 1;
        if ours.as_deref() != Ok(bytes) {
            wrong.push(format!("{text}: {ours:?}, not {bytes}"));
        }
    }
    assert!(count > 100, "only {count} vectors");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
