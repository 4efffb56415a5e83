//! Inlay hints: `3/6 bytes` behind each row, and the bytes of a row that has none beside it.

use super::capabilities::Settings;
use super::workspace::View;
use crate::incremental::Detail;
use crate::source::Span;
use gen_lsp_types::{InlayHint, Label, Range};

/// The hints of the rows in a range.
pub(super) fn hints(view: View<'_>, range: Range, settings: &Settings) -> Vec<InlayHint> {
    let (start, end) = (view.offset(range.start), view.offset(range.end));
    let items: Vec<_> = view.items_in(range).collect();
    let mut hints = Vec::new();
    for item in items {
        let Some(detail) = view.session.detail(item) else { continue };
        for row in rows(&detail) {
            let span = item.span(row.span);
            if (span.end as usize) < start || end < span.start as usize {
                continue;
            }
            let mut labels = Vec::new();
            if settings.byte_hints && !row.has_bytes {
                labels.push(format!("= {}", row.groups.join(" | ")));
            }
            if settings.length_hints {
                labels.push(format!("{} bytes", row.lengths.join(" | ")));
            }
            if labels.is_empty() {
                continue;
            }
            let text = view.analysis.sources.text(span);
            let at = span.start as usize + text.trim_end().len();
            let position = view.range(Span { start: at as u32, end: at as u32, ..span }).start;
            hints.push(InlayHint {
                position,
                label: Label::String(labels.join("  ")),
                kind: None,
                text_edits: None,
                tooltip: None,
                padding_left: Some(true),
                padding_right: None,
                data: None,
            });
        }
    }
    hints
}

/// A row of the source on all its arches.
pub(super) struct Row {
    pub(super) span: Span,
    /// The bytes, one group if all arches have the same.
    pub(super) groups: Vec<String>,
    /// `3/6`: bytes of the row and of the shortest site, as often as they differ.
    lengths: Vec<String>,
    pub(super) has_bytes: bool,
}

/// The rows of an op that assemble on all their arches, in order.
pub(super) fn rows(detail: &Detail) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut broken = Vec::new();
    for contract in detail.assembled.ops.iter().flat_map(|op| &op.contracts) {
        let checked = detail.checked.as_ref().and_then(|checked| checked.unit().ops.first()?.on(contract.arch));
        let sites = checked.map_or(&contract.sites, |contract| &contract.sites);
        let room = sites.iter().filter_map(|site| site.len).min();
        for row in &contract.rows {
            let span = row.row.span;
            let Some(code) = &row.code else {
                broken.push(span);
                continue;
            };
            let len = code.bytes.len();
            let length = room.map_or_else(|| len.to_string(), |room| format!("{len}/{room}"));
            let group = crate::assemble::group_of(code);
            let known = rows.iter().position(|known| known.span == span).unwrap_or_else(|| {
                let has_bytes = row.row.expected.is_some();
                rows.push(Row { span, groups: Vec::new(), lengths: Vec::new(), has_bytes });
                rows.len() - 1
            });
            rows[known].groups.push(group);
            rows[known].lengths.push(length);
        }
    }
    rows.retain(|row| !broken.contains(&row.span));
    for row in &mut rows {
        row.groups.dedup();
        row.lengths.dedup();
    }
    rows.sort_by_key(|row| row.span.start);
    rows
}
