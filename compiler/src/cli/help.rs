//! `pvc completions` and `pvc man`: what shells and readers of manuals want, made of the command line itself.

use super::{Cli, Exit, print, trouble};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use pvc::output::{OutputFile, write_all};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArgs {
    /// Write the page of each command into this directory; without it the page of pvc goes to standard output
    dir: Option<PathBuf>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "pvc", &mut text);
    print(&text, Exit::Ok)
}

pub(super) fn man(args: &ManArgs) -> Exit {
    let mut command = Cli::command();
    command.build();
    let Some(dir) = &args.dir else {
        return match page(command) {
            Ok(text) => print(text.as_bytes(), Exit::Ok),
            Err(error) => trouble(&format!("cannot write the page: {error}")),
        };
    };
    let commands = command.get_subcommands().cloned().map(|sub| {
        let name = format!("pvc-{}", sub.get_name());
        (name, sub)
    });
    let all = std::iter::once(("pvc".to_owned(), command.clone())).chain(commands);
    let mut files = Vec::new();
    for (name, command) in all {
        match page(command) {
            Ok(text) => files.push(OutputFile { path: dir.join(format!("{name}.1")), text }),
            Err(error) => return trouble(&format!("cannot write the page of {name}: {error}")),
        }
    }
    match write_all(&files) {
        Ok(_) => {
            let names: String = files.iter().map(|file| format!("{}\n", file.path.display())).collect();
            print(names.as_bytes(), Exit::Ok)
        }
        Err(error) => trouble(&error.to_string()),
    }
}

fn page(command: clap::Command) -> std::io::Result<String> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
