//! Code lenses above ops, and the commands behind them.

use super::symbols::range;
use super::workspace::{View, Workspace};
use crate::emit::Kind;
use crate::syntax::ast::Item;
use gen_lsp_types::{CodeLens, Command, ExecuteCommandParams, Uri};
use serde_json::{Value, json};
use std::fmt::Write;

/// The commands; arguments: the URI of the document and the name of the op.
pub(super) const COMMANDS: [&str; 2] = ["pvc.showDisassembly", "pvc.showGeneratedC"];

/// A text to show.
pub(super) struct Shown {
    pub(super) file_name: String,
    pub(super) text: String,
}

/// Two lenses above each op.
pub(super) fn lenses(view: &View<'_>) -> Vec<CodeLens> {
    let uri = view.documents.uri(&view.analysis.sources.file(view.file).path);
    let mut lenses = Vec::new();
    for item in view.analysis.items_of(view.file) {
        let Some(Item::Op(op)) = item.piece.item() else { continue };
        let span = item.span(op.name.span);
        for (title, command) in [("show disassembly", COMMANDS[0]), ("show generated C", COMMANDS[1])] {
            lenses.push(CodeLens {
                range: range(view, span.start as usize, span.end as usize),
                command: Some(Command {
                    title: title.to_owned(),
                    tooltip: None,
                    command: command.to_owned(),
                    arguments: Some(vec![json!(uri), json!(op.name.text)]),
                }),
                data: None,
            });
        }
    }
    lenses
}

/// Runs a command; the text that it is to show, or why there is none.
pub(super) fn execute(workspace: &mut Workspace, params: &ExecuteCommandParams) -> Result<Shown, String> {
    let arguments = params.arguments.as_deref().unwrap_or_default();
    let [Value::String(uri), Value::String(name)] = arguments else {
        return Err(format!("`{}` takes the URI of a document and the name of an op", params.command));
    };
    let uri = Uri::from(uri.as_str());
    let view = workspace.view(&uri).ok_or_else(|| format!("{uri} is not open"))?;
    let is_it = |item: &&Item| matches!(item, Item::Op(op) if op.name.text == *name);
    let item = view.analysis.items.iter().find(|item| item.piece.item().as_ref().is_some_and(is_it));
    let item = item.ok_or_else(|| format!("there is no op `{name}`"))?;
    match params.command.as_str() {
        "pvc.showDisassembly" => {
            let detail = view.session.detail(item).ok_or_else(|| format!("op `{name}` has errors"))?;
            let mut text = String::new();
            for contract in detail.assembled.ops.iter().flat_map(|op| &op.contracts) {
                for row in &contract.rows {
                    let when = row.row.when.as_ref().map(|when| format!(" when {}", when.text)).unwrap_or_default();
                    let _ = writeln!(text, "{} {}{when}:", name, contract.arch.name());
                    match &row.code {
                        Some(code) => {
                            let options = pvc_asm::Options { mode: contract.arch.mode(), syntax: view.syntax() };
                            let _ = writeln!(text, "{}", pvc_asm::disassembly(&code.bytes, &options));
                        }
                        None => text.push_str("    does not assemble\n\n"),
                    }
                }
            }
            Ok(Shown { file_name: format!("{name}.s"), text })
        }
        "pvc.showGeneratedC" => {
            let root = view.analysis.sources.files().next().map(|(_, file)| file.path.clone());
            let root = root.ok_or("there is no root file")?;
            let compilation = crate::compile(&root, view.documents);
            let checked = compilation.checked.ok_or("the set has errors: mend them first")?;
            let header = Kind::Header.render(&checked, &compilation.sources);
            let ident = name.replace('.', "_");
            Ok(Shown { file_name: format!("{ident}.c"), text: about(&header, &ident) })
        }
        other => Err(format!("there is no command `{other}`")),
    }
}

/// The parts of a header, apart by empty lines, that name an op.
fn about(header: &str, ident: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = |part: &str| {
        part.split(|c| !is_word(c)).any(|word| word.ends_with(ident) || word.contains(&format!("_{ident}_")))
    };
    let parts: Vec<&str> = header.split("\n\n").filter(|part| names(part)).collect();
    parts.join("\n\n") + "\n"
}
