//! `pvc diff`: two patch sets compared by what they mean.

use super::compile::checked;
use super::report::{ReportArgs, Reporter};
use super::{Exit, print};
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

pub(super) fn diff(args: &DiffArgs, color: Color) -> Exit {
    let mut reporter = Reporter::new(&args.report, color, true);
    let old = checked(&args.old, args.report.levels(), &mut reporter);
    let new = checked(&args.new, args.report.levels(), &mut reporter);
    reporter.finish();
    let (Ok((old, _)), Ok((new, _))) = (old, new) else { return Exit::Trouble };
    let found = compare(&old, &new);
    let text = if args.json { found.json() } else { found.text() };
    print(text.as_bytes(), if found.is_same() { Exit::Ok } else { Exit::Findings })
}
