//! `pvc infer`: what rows need, ready to paste.

use super::asm::Dialect;
use super::{Exit, print, show, trouble};
use clap::{Args, ValueEnum};
use pvc::diagnostics::Color;
use pvc::infer::{AsmOptions, Inference, asm, file};
use pvc::model::Abi;
use pvc::source::DiskLoader;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct InferArgs {
    /// The patch set (.pv); its clobbers, conditions and bytes may be wrong or missing
    #[arg(required_unless_present = "asm", conflicts_with = "asm")]
    file: Option<PathBuf>,
    /// The op; without it all ops of the file
    op: Option<String>,
    /// A piece of asm instead of a file
    #[arg(long, value_name = "TEXT")]
    asm: Option<String>,
    #[command(flatten)]
    dialect: Dialect,
    /// The ABI at the site of the asm
    #[arg(long, value_name = "ABI", default_value = "kernel", requires = "asm")]
    abi: AbiChoice,
    /// Print a JSON array of rows
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AbiChoice {
    Kernel,
    User,
}

pub(super) fn infer(args: &InferArgs, color: Color) -> Exit {
    let inferred = match (&args.asm, &args.file) {
        (Some(text), _) => {
            let Some(arch) = args.dialect.arch() else {
                return trouble("a patch set has no rows for i8086");
            };
            let abi = match args.abi {
                AbiChoice::Kernel => Abi::Kernel,
                AbiChoice::User => Abi::User,
            };
            asm(text, &AsmOptions { arch, syntax: args.dialect.syntax(), abi })
        }
        (None, Some(path)) => match super::compile::readable(path) {
            Ok(path) => file(path, &DiskLoader, args.op.as_deref()),
            Err(message) => return trouble(&message),
        },
        (None, None) => return trouble("name a patch set, or give --asm"),
    };
    match inferred {
        Ok(inference) => tell(&inference, args),
        Err(failure) => {
            show(&failure.0, &failure.1, color);
            Exit::Findings
        }
    }
}

fn tell(inference: &Inference, args: &InferArgs) -> Exit {
    if let Some(op) = args.op.as_ref().filter(|_| inference.is_empty()) {
        return trouble(&if inference.has_branch(op) {
            format!("`{op}` is a static branch: it has no rows, so there is nothing to infer")
        } else {
            format!("the patch set has no op `{op}`")
        });
    }
    let text = if args.json { inference.json() } else { inference.text() };
    print(text.as_bytes(), Exit::Ok)
}
