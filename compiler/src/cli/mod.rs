//! Command line: what can be asked, and what the exit status says.

mod asm;
mod compile;
mod diff;
mod explain;
mod fix;
mod fmt;
mod help;
mod infer;
mod progress;
mod report;
mod show;
mod test;

use clap::{Parser, Subcommand, ValueEnum};
use pvc::diagnostics::{Color, Diagnostics, render};
use pvc::source::SourceMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Compiles declarative tables of x86 patch sites.
#[derive(Parser)]
#[command(
    name = "pvc",
    version,
    about,
    after_help = "Exit status: 0 all is well, 1 findings, 2 wrong usage or an I/O error.",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Colour the messages: auto, always or never; auto does so on a terminal unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

// Only the options of the command that is named are laid out: a compilation takes two milliseconds.
#[derive(Subcommand)]
#[command(defer = true)]
enum Command {
    /// Compile a patch set and write its tables
    Compile(compile::CompileArgs),
    /// Check a patch set and write nothing
    Check(compile::CheckArgs),
    /// Tell what a code means, why it matters, and how to mend what it is about
    Explain(explain::ExplainArgs),
    /// Lay out patch sets as the shipped ones are
    Fmt(fmt::FmtArgs),
    /// Run the rows of a patch set on this CPU, from random states, and hold them against their contract
    Test(test::TestArgs),
    /// Show the table of a patch set: each op on each arch with its bytes, room and clobbers
    Show(show::ShowArgs),
    /// Tell what rows need: the smallest clobbers, conditions, bytes and sites, ready to paste
    Infer(infer::InferArgs),
    /// Compare two patch sets by what they mean: ops, contracts, bytes, slack
    Diff(diff::DiffArgs),
    /// Assemble text, as GNU as would, and print the bytes
    Asm(asm::AsmArgs),
    /// Serve an editor on standard input and output (Language Server Protocol)
    Lsp(LspArgs),
    /// Disassemble bytes to text that assembles to them again
    Dis(asm::DisArgs),
    /// Print the completions for a shell
    Completions(help::CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(help::ManArgs),
}

#[derive(clap::Args)]
struct LspArgs {
    /// The only transport; clients name it
    #[arg(long)]
    stdio: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// How a command ended; the worse, the later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    Ok,
    Findings,
    Trouble,
}

/// Whether to colour what goes to each stream.
#[derive(Clone, Copy)]
struct Colors {
    /// Standard error.
    messages: Color,
    /// Standard output.
    output: Color,
}

pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let on = |terminal: bool| match cli.color {
        ColorChoice::Always => Color::Always,
        ColorChoice::Auto if wanted && terminal => Color::Always,
        ColorChoice::Auto | ColorChoice::Never => Color::Never,
    };
    let colors = Colors { messages: on(std::io::stderr().is_terminal()), output: on(std::io::stdout().is_terminal()) };
    let color = colors.messages;
    let exit = match cli.command {
        Command::Compile(args) => compile::compile(&args, color),
        Command::Check(args) => compile::check(&args, color),
        Command::Explain(args) => explain::explain(&args),
        Command::Fmt(args) => fmt::fmt(&args, colors),
        Command::Test(args) => test::test(&args, color),
        Command::Show(args) => show::show(&args, color),
        Command::Infer(args) => infer::infer(&args, color),
        Command::Diff(args) => diff::diff(&args, colors),
        Command::Completions(args) => help::completions(&args),
        Command::Man(args) => help::man(&args),
        Command::Asm(args) => asm::asm(&args, color),
        Command::Dis(args) => asm::dis(&args),
        Command::Lsp(_) => match pvc::lsp::serve_stdio() {
            Ok(()) => Exit::Ok,
            Err(error) => trouble(&format!("the connection failed: {error}")),
        },
    };
    ExitCode::from(match exit {
        Exit::Ok => 0,
        Exit::Findings => 1,
        Exit::Trouble => 2,
    })
}

/// Says why nothing can be done: wrong usage, or an I/O error.
fn trouble(message: &str) -> Exit {
    eprintln!("error: {message}");
    Exit::Trouble
}

/// Shows findings.
fn show(found: &Diagnostics, sources: &SourceMap, color: Color) {
    // Nothing can be said if standard error is closed; the exit status still tells.
    let _ = std::io::stderr().lock().write_all(render(found, sources, color).as_bytes());
}

/// Writes to standard output; a reader that has gone away is no error.
fn print(bytes: &[u8], exit: Exit) -> Exit {
    written(std::io::stdout().lock().write_all(bytes), exit)
}

/// The exit status after writing to standard output.
fn written(outcome: std::io::Result<()>, exit: Exit) -> Exit {
    match outcome {
        Ok(()) => exit,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => exit,
        Err(error) => trouble(&format!("cannot write to standard output: {error}")),
    }
}
