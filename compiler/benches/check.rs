//! Time of checking a set of 10,000 rows beside that of parsing, resolving and assembling it, in the same run.

use pvc::diagnostics::Diagnostics;
use pvc::source::{MemoryLoader, SourceMap};
use pvc::{assemble, check, resolve, syntax};
use std::fmt::Write;
use std::time::{Duration, Instant};

/// Rows like those of the shipped sets, of one to four instructions: clobbers, signature, asm.
const ROWS: [(&str, &str, &str); 5] = [
    ("barrier", "", "cli"),
    ("flags, memory", "x: word", "incl (%rdi)"),
    ("rax, flags", "x: word", "mov %rdi, %rax; dec %rax"),
    ("flags, if, df, ac, barrier", "x: word", "push %rdi; popf"),
    ("rcx, rdx, flags", "x: word", "mov %rdi, %rcx; lea 1(%rcx), %rdx; xor %ecx, %ecx; test %rdx, %rdx"),
];

fn main() {
    let mut text = "patchset big { arch x86_64 }\n".to_owned();
    for number in 0..10_000 {
        let (clobbers, params, asm) = ROWS[number % ROWS.len()];
        let site = "site inline";
        writeln!(text, "op a{number}({params}) {{\n    {site}\n    clobbers {clobbers}\n    x86_64 {{ {asm} }}\n}}")
            .expect("writing to a String does not fail");
    }
    let loader = MemoryLoader::from_iter([("big.pv", text.as_str())]);
    let (mut before, mut checking) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let start = Instant::now();
        let ast = syntax::parse("big.pv", &loader, &mut sources, &mut diagnostics);
        let resolved = resolve::resolve(&ast, &sources, &mut diagnostics).expect("a set");
        let assembled = assemble::assemble(resolved, &sources, &mut diagnostics);
        before.push(start.elapsed());
        let start = Instant::now();
        let checked = check::check(assembled, &sources, &mut diagnostics);
        checking.push(start.elapsed());
        assert!(checked.is_some() && diagnostics.list().is_empty(), "{:?}", diagnostics.list().first());
    }
    let [before, checking] = [before, checking].map(median);
    println!("parse, resolve and assemble 10,000 rows  {:7.2} ms", before.as_secs_f64() * 1e3);
    println!("check them                               {:7.2} ms", checking.as_secs_f64() * 1e3);
    println!("ratio (the aim: 2 at most)               {:7.2}", checking.as_secs_f64() / before.as_secs_f64());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
