//! `pvc test`.

use super::compile::readable;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::progress::Progress;
use super::{Exit, print, show, trouble};
use clap::Args;
use pvc::diagnostics::Color;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct TestArgs {
    /// The patch sets (.pv)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Random states to run each row from
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    states: u32,
    /// Which random states: the same number gives the same ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// List only the rows that fail
    #[arg(short, long)]
    quiet: bool,
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn test(args: &TestArgs, color: Color) -> Exit {
    use pvc::run::{self, Verdict};
    use pvc::source::DiskLoader;

    let options = run::Options { states: args.states as usize, seed: args.seed };
    let mut exit = Exit::Ok;
    let mut text = String::new();
    for file in &args.files {
        let path = match readable(file) {
            Ok(path) => path,
            Err(message) => return trouble(&message),
        };
        let compilation = pvc::compile(path, &DiskLoader);
        show(&compilation.diagnostics, &compilation.sources, color);
        let Some(checked) = compilation.checked else {
            exit = Exit::Findings;
            continue;
        };
        let ops = &checked.unit().ops;
        let mut progress = Progress::new();
        let report = run::test_watched(&checked, &options, &mut |done| {
            progress.step(done, ops.len(), &format!("ops of {path}: {}", ops[done].name));
        });
        drop(progress);
        let report = match report {
            Ok(report) => report,
            Err(why) => return trouble(&format!("rows cannot be run here: {why}")),
        };
        for row in report.rows.iter().filter(|row| !args.quiet || matches!(row.verdict, Verdict::Differs(_))) {
            let arch = row.arch.name();
            text.push_str(&format!("{} {arch} row {} ({}): {}\n", row.op, row.row, row.asm, row.verdict));
        }
        let (agree, differ, not_run) = report.counts();
        text.push_str(&format!(
            "{path}: {agree} rows keep their contract, {differ} do not, {not_run} cannot run here\n"
        ));
        if differ > 0 {
            exit = Exit::Findings;
        }
    }
    print(text.as_bytes(), exit)
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub(super) fn test(_: &TestArgs, _: Color) -> Exit {
    trouble("rows can only be run on x86-64 Linux")
}
