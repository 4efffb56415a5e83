//! `pvc asm` and `pvc dis`: the text assembler and its inverse.

use super::{Exit, print, show, trouble, written};
use clap::{Args, ValueEnum};
use pvc::arch::Arch;
use pvc::diagnostics::{Code, Color, Diagnostic, Diagnostics, Severity};
use pvc::source::{SourceMap, Span};
use pvc_asm::{Mode, Options, Syntax};
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(super) struct AsmArgs {
    #[command(flatten)]
    dialect: Dialect,
    /// Assemble each line alone at address 0; line N of the output is its bytes in hex, or `error: ` and a message
    #[arg(long)]
    lines: bool,
    /// The text; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct DisArgs {
    #[command(flatten)]
    dialect: Dialect,
    /// The input is the bytes themselves, not hex text
    #[arg(long)]
    raw: bool,
    /// The bytes; `-` is standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Args)]
pub(super) struct Dialect {
    /// Architecture
    #[arg(long, value_name = "ARCH", default_value = "x86_64")]
    arch: ArchChoice,
    /// Syntax of the text
    #[arg(long, value_name = "SYNTAX", default_value = "att")]
    syntax: SyntaxChoice,
}

#[derive(Clone, Copy, ValueEnum)]
enum ArchChoice {
    #[value(name = "x86_64")]
    X86_64,
    I386,
    I8086,
}

#[derive(Clone, Copy, ValueEnum)]
enum SyntaxChoice {
    Att,
    Intel,
}

impl Dialect {
    /// The arch of patch sets that is meant; none for 16-bit mode.
    pub(super) fn arch(&self) -> Option<Arch> {
        match self.arch {
            ArchChoice::X86_64 => Some(Arch::X86_64),
            ArchChoice::I386 => Some(Arch::I386),
            ArchChoice::I8086 => None,
        }
    }

    pub(super) fn syntax(&self) -> Syntax {
        match self.syntax {
            SyntaxChoice::Att => Syntax::Att,
            SyntaxChoice::Intel => Syntax::Intel,
        }
    }

    fn options(&self) -> Options {
        Options { mode: self.arch().map_or(Mode::Bits16, Arch::mode), syntax: self.syntax() }
    }
}

pub(super) fn asm(args: &AsmArgs, color: Color) -> Exit {
    let options = args.dialect.options();
    if args.lines {
        return lines(&args.file, &options);
    }
    let bytes = match read(&args.file) {
        Ok(bytes) => bytes,
        Err(exit) => return exit,
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            return trouble(&format!("{} is not UTF-8 at byte {at}", args.file.display()));
        }
    };
    match pvc_asm::assemble(&text, &options) {
        Ok(assembly) => {
            show_assembly(&args.file, &text, &assembly.warnings, color);
            written(pvc_asm::write_listing(&text, &assembly, std::io::stdout().lock()), Exit::Ok)
        }
        Err(found) => {
            show_assembly(&args.file, &text, &found, color);
            Exit::Findings
        }
    }
}

pub(super) fn dis(args: &DisArgs) -> Exit {
    let input = match read(&args.file) {
        Ok(input) => input,
        Err(exit) => return exit,
    };
    let bytes = if args.raw {
        input
    } else {
        match pvc_asm::parse_hex(&String::from_utf8_lossy(&input)) {
            Ok(bytes) => bytes,
            Err(at) => {
                eprintln!("error: {}: byte {at} is not a hex digit of a pair; --raw reads bytes", args.file.display());
                return Exit::Findings;
            }
        }
    };
    print(pvc_asm::disassembly(&bytes, &args.dialect.options()).as_bytes(), Exit::Ok)
}

/// Assembles line by line, in step with the reading and the writing.
fn lines(file: &Path, options: &Options) -> Exit {
    let outcome = if file == Path::new("-") {
        pvc_asm::assemble_lines_stream(std::io::stdin().lock(), std::io::stdout().lock(), options)
    } else {
        match std::fs::File::open(file) {
            Ok(input) => pvc_asm::assemble_lines_stream(input, std::io::stdout().lock(), options),
            Err(error) => return trouble(&format!("cannot read {}: {error}", file.display())),
        }
    };
    let exit = if matches!(outcome, Ok(0)) { Exit::Ok } else { Exit::Findings };
    written(outcome.map(|_| ()), exit)
}

fn read(file: &Path) -> Result<Vec<u8>, Exit> {
    let read = if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    read.map_err(|error| trouble(&format!("cannot read {}: {error}", file.display())))
}

/// Shows what the assembler found.
fn show_assembly(file: &Path, text: &str, found: &[pvc_asm::Diagnostic], color: Color) {
    if found.is_empty() {
        return;
    }
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let mut sources = SourceMap::default();
    let id = sources.add(name, text.to_owned());
    let mut diagnostics = Diagnostics::default();
    for found in found {
        let (code, severity) = match found.severity {
            pvc_asm::Severity::Error => (Code::ASSEMBLE, Severity::Error),
            pvc_asm::Severity::Warning => (Code::ASSEMBLER_WARNING, Severity::Warning),
        };
        let mut ours = Diagnostic::new(code, Span::new(id, found.span.clone()), &found.message).label(&found.label);
        ours.severity = severity;
        ours.notes = found.notes.clone();
        ours.help = found.help.clone();
        if let Some(fix) = &found.fix {
            ours = ours.fix(format!("write `{}`", fix.text), Span::new(id, fix.span.clone()), &fix.text);
        }
        diagnostics.push(ours);
    }
    show(&diagnostics, &sources, color);
}
