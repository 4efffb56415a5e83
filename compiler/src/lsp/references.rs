//! Definition, references, highlights, rename: of ops, declared features, operands, the set, and included files.

use super::names::{self, Kind, Name, word_len};
use super::workspace::View;
use crate::incremental::Placed;
use crate::source::{Span, join_include};
use gen_lsp_types::{
    Definition, DefinitionResponse, DocumentHighlight, DocumentHighlightKind, Location, Position, PrepareRenameResult,
    TextEdit, WorkspaceEdit,
};
use std::collections::HashMap;
use std::ptr;

/// What a name refers to.
#[derive(PartialEq, Eq)]
enum Target {
    /// A feature, of the file or of the CPU.
    Feature(String),
    Op(String),
    Branch(String),
    /// An operand of the op of this item.
    Operand(*const Placed, String),
    Set(String),
}

/// A place where a target is named.
struct Use {
    span: Span,
    declares: bool,
}

fn target(item: &Placed, name: &Name) -> Option<Target> {
    let text = name.text.trim_matches(['{', '}']).to_owned();
    Some(match name.kind {
        Kind::Feature | Kind::FeatureUse => Target::Feature(text),
        Kind::Op => Target::Op(text),
        Kind::Branch => Target::Branch(text),
        Kind::Operand | Kind::Role => Target::Operand(ptr::from_ref(item), text),
        Kind::Set => Target::Set(text),
        _ => return None,
    })
}

/// The name at a position, with its item.
fn name_at<'a>(view: &View<'a>, position: Position) -> Option<(&'a Placed, Name)> {
    let (item, at) = view.item_at(view.offset(position))?;
    let covers = |name: &Name| name.span.start as usize <= at && at <= name.span.end as usize;
    let names = names::of_piece(&item.piece, view.syntax());
    let name = names.into_iter().filter(covers).find(|name| name.kind == Kind::Path || target(item, name).is_some())?;
    Some((item, name))
}

/// All places in the set that name a target; without the braces of a role.
fn uses(view: &View<'_>, wanted: &Target) -> Vec<Use> {
    let syntax = view.syntax();
    let mut found = Vec::new();
    let word = match wanted {
        Target::Feature(word) | Target::Op(word) | Target::Branch(word) => word,
        Target::Operand(_, word) | Target::Set(word) => word,
    };
    for item in &view.analysis.items {
        let elsewhere = matches!(wanted, Target::Operand(of, _) if !ptr::eq(*of, item));
        if elsewhere || !item.piece.text.contains(word.as_str()) {
            continue;
        }
        for name in names::of_piece(&item.piece, syntax) {
            if target(item, &name).as_ref() == Some(wanted) {
                let mut span = item.span(name.span);
                if name.kind == Kind::Role {
                    span = Span { start: span.start + 1, end: span.end - 1, ..span };
                }
                let declares = matches!(name.kind, Kind::Feature | Kind::Op | Kind::Branch | Kind::Operand | Kind::Set);
                found.push(Use { span, declares });
            }
        }
    }
    found
}

/// Where the name at a position is declared, or the file that an `include` names.
pub(super) fn definition(view: &View<'_>, position: Position) -> Option<DefinitionResponse> {
    let (item, name) = name_at(view, position)?;
    if name.kind == Kind::Path {
        let path = join_include(&view.analysis.sources.file(item.file).path, &name.text);
        let start = Span::new(view.analysis.file(&path)?, 0..0);
        return Some(Definition::Location(view.location(start)).into());
    }
    let uses = uses(view, &target(item, &name)?);
    let declared = uses.iter().find(|place| place.declares)?;
    Some(Definition::Location(view.location(declared.span)).into())
}

/// All places that name what stands at a position.
pub(super) fn references(view: &View<'_>, position: Position, declaration: bool) -> Vec<Location> {
    let wanted = name_at(view, position).and_then(|(item, name)| target(item, &name));
    let uses = wanted.map(|wanted| uses(view, &wanted)).unwrap_or_default();
    uses.iter().filter(|place| declaration || !place.declares).map(|place| view.location(place.span)).collect()
}

/// The same within the document.
pub(super) fn highlights(view: &View<'_>, position: Position) -> Vec<DocumentHighlight> {
    let wanted = name_at(view, position).and_then(|(item, name)| target(item, &name));
    let uses = wanted.map(|wanted| uses(view, &wanted)).unwrap_or_default();
    let here = uses.iter().filter(|place| place.span.file == view.file);
    here.map(|place| DocumentHighlight {
        range: view.range(place.span),
        kind: Some(if place.declares { DocumentHighlightKind::Write } else { DocumentHighlightKind::Read }),
    })
    .collect()
}

/// What would be renamed; `None` if nothing there has a name of the set's own.
pub(super) fn prepare(view: &View<'_>, position: Position) -> Option<PrepareRenameResult> {
    let at = view.offset(position) as u32;
    let (item, name) = name_at(view, position)?;
    let uses = uses(view, &target(item, &name)?);
    uses.iter().find(|place| place.declares)?;
    let here = uses
        .iter()
        .find(|place| place.span.file == view.file && place.span.start <= at + 1 && at <= place.span.end + 1)?;
    Some(PrepareRenameResult::Range(view.range(here.span)))
}

/// The change that gives what stands at a position another name; why not, if it cannot be.
pub(super) fn rename(view: &View<'_>, position: Position, new: &str) -> Result<WorkspaceEdit, String> {
    let nothing = || "nothing here has a name that can be changed".to_owned();
    let (item, name) = name_at(view, position).ok_or_else(nothing)?;
    let wanted = target(item, &name).ok_or_else(nothing)?;
    let uses = uses(view, &wanted);
    if !uses.iter().any(|place| place.declares) {
        return Err(format!("`{}` is not declared in these files", name.text));
    }
    let dotted = matches!(wanted, Target::Op(_) | Target::Branch(_));
    let parts: Vec<&str> = if dotted { new.split('.').collect() } else { vec![new] };
    let is_name =
        |part: &&str| word_len(part) == part.len() && part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !parts.iter().all(is_name) {
        return Err(format!(
            "`{new}` is no name: letters, digits and underscores{}",
            if dotted { ", parts joined by dots" } else { "" }
        ));
    }
    if taken(view, item, &wanted, new) {
        return Err(format!("there is a `{new}` already"));
    }
    let mut changes: HashMap<_, Vec<TextEdit>> = HashMap::new();
    for place in uses {
        let uri = view.location(place.span).uri;
        changes.entry(uri).or_default().push(TextEdit { range: view.range(place.span), new_text: new.to_owned() });
    }
    Ok(WorkspaceEdit { changes: Some(changes), document_changes: None, change_annotations: None })
}

/// Whether another thing of that kind has the new name.
fn taken(view: &View<'_>, item: &Placed, wanted: &Target, new: &str) -> bool {
    let other = match wanted {
        Target::Feature(old) if old != new => Target::Feature(new.to_owned()),
        Target::Op(old) if old != new => Target::Op(new.to_owned()),
        Target::Branch(old) if old != new => Target::Branch(new.to_owned()),
        Target::Operand(_, old) if old != new => Target::Operand(ptr::from_ref(item), new.to_owned()),
        _ => return false,
    };
    let cpu = matches!(wanted, Target::Feature(_)) && crate::arch::feature(new).is_some();
    cpu || uses(view, &other).iter().any(|place| place.declares)
}
