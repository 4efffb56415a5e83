//! Folding, and selections that grow with the structure of the text.

use super::names;
use super::symbols::range;
use super::workspace::View;
use crate::source::Span;
use crate::syntax::ast::{ClauseKind, Item};
use gen_lsp_types::{FoldingRange, FoldingRangeKind, Position, SelectionRange};

/// Items, the comments above them, and asm bodies of several lines.
pub(super) fn folds(view: &View<'_>) -> Vec<FoldingRange> {
    let mut folds = Vec::new();
    let mut add = |start: usize, end: usize, kind: Option<FoldingRangeKind>| {
        let (start, end) = (view.text().position(start).line, view.text().position(end).line);
        if start < end {
            folds.push(FoldingRange {
                start_line: start,
                start_character: None,
                end_line: end,
                end_character: None,
                kind,
                collapsed_text: None,
            });
        }
    };
    for item in view.analysis.items_of(view.file) {
        let text = &item.piece.text;
        let base = item.range.start;
        let is_comment = |line: &&str| line.trim_start().starts_with("//");
        let blank = text.len() - text.trim_start().len();
        let comments: usize = text[blank..].split_inclusive('\n').take_while(is_comment).map(str::len).sum();
        if comments > 0 {
            add(base + blank, base + blank + comments - 1, Some(FoldingRangeKind::Comment));
        }
        if item.piece.item().is_some() {
            let keyword = text[blank + comments..].len() - text[blank + comments..].trim_start().len();
            add(base + blank + comments + keyword, base + text.trim_end().len(), None);
        }
        if let Some(Item::Op(op)) = item.piece.item() {
            for clause in &op.clauses {
                if let ClauseKind::Row(row) = &clause.kind {
                    add(base + row.asm.start as usize, base + row.asm.end as usize, None);
                }
            }
        }
    }
    folds
}

/// For each position the word, the clause, the item and the file around it.
pub(super) fn selections(view: &View<'_>, positions: &[Position]) -> Vec<SelectionRange> {
    positions.iter().map(|position| selection(view, *position)).collect()
}

fn selection(view: &View<'_>, position: Position) -> SelectionRange {
    let offset = view.offset(position);
    let file = view.analysis.sources.file(view.file);
    let mut spans = vec![(0, file.text.len())];
    if let Some((item, at)) = view.item_at(offset) {
        let mut add = |span: Span| {
            if span.start as usize <= at && at <= span.end as usize {
                let span = item.span(span);
                spans.push((span.start as usize, span.end as usize));
            }
        };
        let whole = Span::new(view.file, 0..item.piece.text.trim_end().len());
        add(whole);
        if let Some(Item::Op(op)) = item.piece.item() {
            add(op.span);
            for clause in &op.clauses {
                add(clause.span);
                if let ClauseKind::Row(row) = &clause.kind {
                    add(row.asm);
                }
            }
        }
        for name in names::of_piece(&item.piece, view.syntax()) {
            add(name.span);
        }
    }
    // Each inside the one before, and smaller.
    let mut chain: Vec<(usize, usize)> = Vec::new();
    for span in spans {
        if chain.last().is_none_or(|&(start, end)| start <= span.0 && span.1 <= end && (start, end) != span) {
            chain.push(span);
        }
    }
    let mut selection = SelectionRange { range: range(view, offset, offset), parent: None };
    let mut outer: Option<Box<SelectionRange>> = None;
    for (start, end) in chain {
        selection = SelectionRange { range: range(view, start, end), parent: outer.take() };
        outer = Some(Box::new(selection.clone()));
    }
    selection
}
