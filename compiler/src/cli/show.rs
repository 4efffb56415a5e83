//! `pvc show`: the table of a patch set for a reviewer.

use super::compile::checked;
use super::report::{ReportArgs, Reporter};
use super::{Exit, print};
use clap::Args;
use pvc::diagnostics::Color;
use pvc::show::{Table, html, text};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct ShowArgs {
    /// The patch set (.pv)
    file: PathBuf,
    /// Print one HTML page that needs nothing else, and not text of at most 120 columns
    #[arg(long)]
    html: bool,
    #[command(flatten)]
    report: ReportArgs,
}

pub(super) fn show(args: &ShowArgs, color: Color) -> Exit {
    let mut reporter = Reporter::new(&args.report, color, true);
    let compiled = checked(&args.file, args.report.levels(), &mut reporter);
    reporter.finish();
    match compiled {
        Ok((set, sources)) => {
            let table = Table::new(&set, &sources);
            let shown = if args.html { html(&table) } else { text(&table) };
            print(shown.as_bytes(), Exit::Ok)
        }
        Err(exit) => exit,
    }
}
