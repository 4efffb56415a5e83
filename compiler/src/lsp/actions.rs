//! Code actions: the machine fixes of the findings, bytes beside rows, rows split by arch, all fixes at once.

use super::inlay;
use super::position::Text;
use super::workspace::View;
use crate::diagnostics::{Applicability, Diagnostic as Finding, Levels};
use crate::incremental::Placed;
use crate::source::Span;
use crate::syntax::ast::{ClauseKind, Item, Row};
use gen_lsp_types::{
    Code, CodeAction, CodeActionContext, CodeActionKind, CodeActionResponse, Range, TextEdit, WorkspaceEdit,
};
use std::collections::HashMap;

/// What can be done in a range.
pub(super) fn actions(view: View<'_>, range: Range, context: &CodeActionContext) -> Vec<CodeActionResponse> {
    let wanted = |kind: &CodeActionKind| {
        let name = String::from(kind.clone());
        let covers = |only: &CodeActionKind| {
            let only = String::from(only.clone());
            name == only || name.strip_prefix(&only).is_some_and(|rest| only.is_empty() || rest.starts_with('.'))
        };
        context.only.as_ref().is_none_or(|only| only.iter().any(covers))
    };
    let mut actions = Vec::new();
    if wanted(&CodeActionKind::QuickFix) {
        actions.extend(fixes(&view, range, context));
    }
    // Only when it is asked for by name: it compiles the set several times.
    if context.only.is_some() && wanted(&CodeActionKind::SourceFixAll) {
        actions.extend(fix_all(&view));
    }
    if wanted(&CodeActionKind::RefactorRewrite) {
        actions.extend(rewrites(view, range));
    }
    actions.into_iter().map(CodeActionResponse::CodeAction).collect()
}

fn action(title: String, kind: CodeActionKind, edit: WorkspaceEdit) -> CodeAction {
    CodeAction {
        title,
        kind: Some(kind),
        diagnostics: None,
        is_preferred: None,
        disabled: None,
        edit: Some(edit),
        command: None,
        data: None,
        tags: None,
    }
}

fn edit(view: &View<'_>, span: Span, text: &str) -> WorkspaceEdit {
    let location = view.location(span);
    let edits = vec![TextEdit { range: location.range, new_text: text.to_owned() }];
    let changes = HashMap::from([(location.uri, edits)]);
    WorkspaceEdit { changes: Some(changes), document_changes: None, change_annotations: None }
}

/// The fixes of the findings that touch the range.
fn fixes(view: &View<'_>, range: Range, context: &CodeActionContext) -> Vec<CodeAction> {
    let (start, end) = (view.offset(range.start) as u32, view.offset(range.end) as u32);
    let touches = |span: Span| span.file == view.file && span.start <= end && start <= span.end;
    let found = view.analysis.diagnostics.list().iter().filter(|found| touches(found.primary.span));
    found.filter_map(|found| fix(view, found, context)).collect()
}

fn fix(view: &View<'_>, found: &Finding, context: &CodeActionContext) -> Option<CodeAction> {
    let fix = found.fix.as_ref()?;
    let mut title = fix.title.clone();
    let text = fix.text.trim();
    if !text.is_empty() && !title.contains(text) && text.len() <= 60 && !text.contains('\n') {
        title = format!("{title}: `{text}`");
    }
    let mut action = action(title, CodeActionKind::QuickFix, edit(view, fix.span, &fix.text));
    let range = view.range(found.primary.span);
    let code = Some(Code::String(found.code.to_string()));
    let same = context.diagnostics.iter().filter(|other| other.range == range && other.code == code);
    action.diagnostics = Some(same.cloned().collect()).filter(|list: &Vec<_>| !list.is_empty());
    action.is_preferred = Some(fix.applicability == Applicability::Safe);
    Some(action)
}

/// All safe fixes of the set, one after the other until none is left.
fn fix_all(view: &View<'_>) -> Option<CodeAction> {
    let (_, root) = view.analysis.sources.files().next()?;
    let mended = crate::mend(&root.path, view.documents, &Levels::default(), Applicability::Safe);
    let mut changes = HashMap::new();
    for (path, text) in mended.files {
        let (_, file) = view.analysis.sources.files().find(|(_, file)| file.path == path)?;
        let whole = Text { file, encoding: view.encoding };
        let range = Range { start: whole.position(0), end: whole.position(file.text.len()) };
        changes.insert(view.documents.uri(&path), vec![TextEdit { range, new_text: text }]);
    }
    let edit = WorkspaceEdit { changes: Some(changes), document_changes: None, change_annotations: None };
    let count = mended.applied.len();
    (count > 0).then(|| action(format!("apply all {count} safe fixes"), CodeActionKind::SourceFixAll, edit))
}

/// What can be made of the rows that the range touches.
fn rewrites(view: View<'_>, range: Range) -> Vec<CodeAction> {
    let (start, end) = (view.offset(range.start) as u32, view.offset(range.end) as u32);
    let items: Vec<_> = view.items_in(range).collect();
    let mut actions = Vec::new();
    for item in items {
        let Some(Item::Op(op)) = item.piece.item() else { continue };
        let Some(detail) = view.session.detail(item) else { continue };
        let rows = inlay::rows(&detail);
        for clause in &op.clauses {
            let ClauseKind::Row(row) = &clause.kind else { continue };
            let span = item.span(clause.span);
            if end < span.start || span.end < start {
                continue;
            }
            let assembled = rows.iter().find(|row| row.span == clause.span);
            if let Some(assembled) = assembled {
                let groups = assembled.groups.join(" | ");
                if !assembled.has_bytes {
                    let at = Span { start: span.start + trimmed_len(item, clause.span), ..span };
                    let at = Span { end: at.start, ..at };
                    let change = edit(&view, at, &format!(" = {groups}"));
                    actions.push(action(
                        format!("write the bytes: `{groups}`"),
                        CodeActionKind::RefactorRewrite,
                        change,
                    ));
                } else if let Some(bytes) = row.bytes.as_ref().filter(|bytes| folded(&bytes.text) != groups) {
                    let change = edit(&view, item.span(bytes.span), &groups);
                    actions.push(action(
                        format!("refresh the bytes: `{groups}`"),
                        CodeActionKind::RefactorRewrite,
                        change,
                    ));
                }
            }
            if let Some(text) = split(item, row, clause.span, assembled.map(|row| row.groups.as_slice())) {
                let change = edit(&view, span, &text);
                actions.push(action("write a row for each arch".to_owned(), CodeActionKind::RefactorRewrite, change));
            }
        }
    }
    actions
}

fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn trimmed_len(item: &Placed, span: Span) -> u32 {
    item.piece.text[span.range()].trim_end().len() as u32
}

/// The rows, one for each arch, that a row of several stands for.
fn split(item: &Placed, row: &Row, span: Span, groups: Option<&[String]>) -> Option<String> {
    let [first, .., last] = row.arches.as_slice() else { return None };
    let text = &item.piece.text;
    let line = text[..span.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let indent: String = text[line..].chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
    // From the last arch to the brace that closes the asm.
    let rest = &text[last.span.end as usize..row.asm.end as usize + 1];
    let written = row.bytes.as_ref().map(|bytes| bytes.text.split('|').map(folded).collect::<Vec<_>>());
    let rows = row.arches.iter().enumerate().map(|(index, arch)| {
        let group = written.as_deref().and_then(|written| match groups {
            Some(groups) => groups.get(index).or(groups.first()),
            None => written.get(index).or(written.first()),
        });
        let bytes = group.map(|group| format!(" = {group}")).unwrap_or_default();
        format!("{}{rest}{bytes}", arch.text)
    });
    let same_line = first.span.start == span.start;
    same_line.then(|| rows.collect::<Vec<_>>().join(&format!("\n{indent}")))
}
