//! `pvc diff`: two patch sets compared by what they mean.

use super::compile::checked;
use super::report::{ReportArgs, Reporter};
use super::{Colors, Exit, print};
use clap::Args;
use pvc::compare::compare;
use pvc::diagnostics::Color;
use std::path::PathBuf;

#[derive(Args)]
#[command(
    after_help = "Exit status: 0 they mean the same, 1 they differ, 2 one of them is no sound patch set, wrong usage or an I/O error."
)]
pub(super) struct DiffArgs {
    /// The patch set as it was (.pv)
    old: PathBuf,
    /// The patch set as it is
    new: PathBuf,
    /// Print the differences as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) fn diff(args: &DiffArgs, colors: Colors) -> Exit {
    let mut reporter = Reporter::new(&args.report, colors.messages, true);
    let old = checked(&args.old, args.report.levels(), &mut reporter);
    let new = checked(&args.new, args.report.levels(), &mut reporter);
    reporter.finish();
    let (Ok((old, _)), Ok((new, _))) = (old, new) else { return Exit::Trouble };
    let found = compare(&old, &new);
    let text = if args.json { found.json() } else { marked(&found.text(), colors.output) };
    print(text.as_bytes(), if found.is_same() { Exit::Ok } else { Exit::Findings })
}

/// The lines about what objects depend on in red.
fn marked(text: &str, color: Color) -> String {
    let line = |line: &str| match color {
        Color::Always if line.starts_with('!') => format!("\x1b[31m{line}\x1b[0m\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
