//! Symbols of a document and of all sets.

use super::position::Text;
use super::workspace::{View, Workspace, location};
use crate::incremental::Content;
use crate::source::Span;
use crate::syntax::ast::{Clause, ClauseKind, Item, Word};
use gen_lsp_types::{BaseSymbolInformation, DocumentSymbol, SymbolInformation, SymbolKind};

/// The most symbols of a workspace that are told at once.
const MAX_SYMBOLS: usize = 500;

/// The items of a document, ops with their rows.
pub(super) fn of_document(view: &View<'_>) -> Vec<DocumentSymbol> {
    let mut symbols = Vec::new();
    for item in view.analysis.items_of(view.file) {
        let (Content::Item(content) | Content::Misplaced(content)) = &item.piece.content else { continue };
        let Some((name, kind, detail)) = symbol(content) else { continue };
        let text = &item.piece.text;
        let end = text.trim_end().len();
        let whole = Span { start: 0, end: (end as u32).max(name.span.end), ..name.span };
        let make = |name: String, kind, detail, span: Span, selection: Span| {
            #[allow(deprecated, reason = "the type has the field")]
            DocumentSymbol {
                name,
                detail,
                kind,
                tags: None,
                deprecated: None,
                range: view.range(item.span(span)),
                selection_range: view.range(item.span(selection)),
                children: None,
            }
        };
        let mut symbol = make(name.text.clone(), kind, detail, whole, name.span);
        if let Item::Op(op) = content {
            let rows = op.clauses.iter().filter_map(|clause| row_title(text, clause).map(|title| (title, clause.span)));
            let rows = rows.map(|(title, span)| make(title, SymbolKind::Object, None, span, span));
            symbol.children = Some(rows.collect());
        }
        symbols.push(symbol);
    }
    symbols
}

/// What stands before the brace of a row.
fn row_title(text: &str, clause: &Clause) -> Option<String> {
    let ClauseKind::Row(row) = &clause.kind else { return None };
    let head = text.get(clause.span.start as usize..row.asm.start as usize)?;
    Some(head.trim_end_matches(['{', ' ', '\t', '\n']).split_whitespace().collect::<Vec<_>>().join(" "))
}

fn symbol(item: &Item) -> Option<(&Word, SymbolKind, Option<String>)> {
    match item {
        Item::Patchset(set) => Some((&set.name, SymbolKind::Module, Some("patchset".to_owned()))),
        Item::Feature(feature) => Some((&feature.name, SymbolKind::Constant, Some("feature".to_owned()))),
        Item::Op(op) => Some((&op.name, SymbolKind::Function, op.docs.first().cloned())),
        Item::Branch(branch) => Some((&branch.name, SymbolKind::Event, Some("branch".to_owned()))),
        Item::Bad(name) => name.as_ref().map(|name| (name, SymbolKind::Function, None)),
    }
}

/// The items of all sets whose name has the letters of `query` in order.
pub(super) fn of_workspace(workspace: &mut Workspace, query: &str) -> Vec<SymbolInformation> {
    let wanted = query.to_ascii_lowercase();
    let encoding = workspace.encoding;
    workspace.survey();
    workspace.refresh();
    let mut found = Vec::new();
    for analysis in workspace.known() {
        for item in &analysis.items {
            let (Content::Item(content) | Content::Misplaced(content)) = &item.piece.content else { continue };
            let Some((name, kind, _)) = symbol(content) else { continue };
            if found.len() >= MAX_SYMBOLS || !has_letters(&name.text.to_ascii_lowercase(), &wanted) {
                continue;
            }
            let location = location(analysis, &workspace.documents, encoding, item.span(name.span));
            #[allow(deprecated, reason = "the type has the field")]
            let symbol = SymbolInformation {
                deprecated: None,
                location,
                base_symbol_information: BaseSymbolInformation {
                    name: name.text.clone(),
                    kind,
                    tags: None,
                    container_name: None,
                },
            };
            if !found.contains(&symbol) {
                found.push(symbol);
            }
        }
    }
    found
}

fn has_letters(name: &str, wanted: &str) -> bool {
    let mut letters = name.chars();
    wanted.chars().all(|wanted| letters.any(|letter| letter == wanted))
}

/// A range of a file.
pub(super) fn range(view: &View<'_>, start: usize, end: usize) -> gen_lsp_types::Range {
    let text: Text<'_> = view.text();
    gen_lsp_types::Range { start: text.position(start), end: text.position(end) }
}
