//! The lines of `corners.txt` against GNU as: the same bytes, or refused by both.

mod tools;

use pvc_asm::{Lines, Mode, Options, Syntax};
use std::collections::BTreeMap;
use tools::Verdict;

#[test]
fn corners_of_the_dialect_agree_with_gnu_as() {
    let mut groups: BTreeMap<(u32, bool), Vec<String>> = BTreeMap::new();
    for line in include_str!("corners.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let bits: u32 = parts.next().and_then(|bits| bits.parse().ok()).expect("a mode");
        let intel = parts.next().expect("a syntax") == "intel";
        groups.entry((bits, intel)).or_default().push(parts.next().expect("a line").to_string());
    }
    let mut wrong = Vec::new();
    for ((bits, intel), lines) in groups {
        let mode = match bits {
            16 => Mode::Bits16,
            32 => Mode::Bits32,
            _ => Mode::Bits64,
        };
        let mut assembler = Lines::new(Options { mode, syntax: if intel { Syntax::Intel } else { Syntax::Att } });
        for (line, verdict) in lines.iter().zip(tools::gnu_as(&lines, bits, intel)) {
            let ours = assembler.assemble(line).map(<[u8]>::to_vec);
            let agree = match (&ours, &verdict) {
                (Ok(ours), Verdict::Bytes(theirs) | Verdict::Warned(theirs)) => ours == theirs,
                (Err(_), Verdict::Rejected(_)) => true,
                _ => false,
            };
            if !agree {
                let second = tools::llvm_mc(std::slice::from_ref(line), bits, intel);
                wrong.push(format!(
                    "{bits} intel={intel} `{line}`: {ours:02x?}, GNU as {verdict:02x?}, llvm-mc {:02x?}",
                    second[0].bytes()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
