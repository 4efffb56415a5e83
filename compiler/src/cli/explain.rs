//! `pvc explain`: the page of a code.

use super::{Exit, print, trouble};
use clap::Args;
use pvc::diagnostics::{CODES, Code, Severity};

#[derive(Args)]
pub(super) struct ExplainArgs {
    /// The codes, as messages show them (PV0401); without any, all codes are listed
    codes: Vec<String>,
}

pub(super) fn explain(args: &ExplainArgs) -> Exit {
    let mut pages = Vec::new();
    for name in &args.codes {
        match Code::named(name) {
            Ok(code) => pages.push(code.info().page),
            Err(unknown) => return trouble(&format!("{unknown}\n`pvc explain` lists all codes")),
        }
    }
    let text = if args.codes.is_empty() { list() } else { pages.join("\n") };
    print(text.as_bytes(), Exit::Ok)
}

/// All codes, one a line.
fn list() -> String {
    let line = |info: &pvc::diagnostics::CodeInfo| {
        let severity = match info.severity {
            Severity::Error => "error  ",
            Severity::Warning => "warning",
        };
        format!("{}  {severity}  {}\n", info.code, info.title)
    };
    CODES.iter().map(line).collect()
}
