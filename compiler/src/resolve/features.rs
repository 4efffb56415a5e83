//! The features of a set: those that the file declares and those of the CPU that conditions name.

use super::Context;
use crate::arch::{self, ALIASES, FEATURES};
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Feature, FeatureSource};
use crate::source::Span;
use crate::spelling::constant;
use crate::suggest::nearest;
use crate::syntax::ast;
use std::collections::BTreeMap;

/// The most features of a set: the bits of a term.
pub(super) const MAX_FEATURES: usize = 64;

/// The features of a set; the index of each is its bit in the terms.
#[derive(Default)]
pub(super) struct Features {
    list: Vec<Feature>,
    index: BTreeMap<String, u32>,
    /// Where each declared feature is declared, and whether a condition names it.
    declared: BTreeMap<String, Declared>,
    /// Whether the limit was reported.
    full: bool,
}

struct Declared {
    docs: Vec<String>,
    span: Span,
    used: bool,
}

impl Features {
    /// Takes in a declaration. All declarations come before the first use is looked up.
    pub(super) fn declare(&mut self, context: &mut Context<'_>, feature: &ast::Feature) {
        let name = &feature.name;
        if FEATURES.get(arch::canonical(&name.text)).is_some() {
            context.report(
                Diagnostic::new(Code::DUPLICATE, name.span, format!("`{}` is a CPU feature", name.text))
                    .label("known without a declaration, and found out by CPUID")
                    .help("drop the declaration, or choose another name")
                    .guess("drop the declaration", declaration(context, name.span), ""),
            );
            return;
        }
        if let Some(first) = self.declared.get(&name.text) {
            context.report(
                Diagnostic::new(Code::DUPLICATE, name.span, format!("feature `{}` is declared twice", name.text))
                    .also(first.span, "first declared here")
                    .fix("drop the second", declaration(context, name.span), ""),
            );
            return;
        }
        let twin = self.declared.iter().find(|(other, _)| constant(other) == constant(&name.text));
        if let Some((other, first)) = twin {
            let message = format!("features `{other}` and `{}` are both `{}` in Rust", name.text, constant(other));
            context.report(
                Diagnostic::new(Code::RESERVED_NAME, name.span, message)
                    .also(first.span, "first here")
                    .help("rename one of them: names must differ in more than case"),
            );
            return;
        }
        if let Some(cpu) = FEATURES.keys().find(|cpu| cpu.eq_ignore_ascii_case(&name.text)) {
            let message =
                format!("feature `{}` and the CPU feature `{cpu}` are both `{}` in Rust", name.text, constant(cpu));
            context.report(
                Diagnostic::new(Code::RESERVED_NAME, name.span, message)
                    .help("choose a name that differs in more than case"),
            );
            return;
        }
        if !super::names::check_feature(context, name) {
            return;
        }
        let declared = Declared { docs: feature.docs.clone(), span: name.span, used: false };
        self.declared.insert(name.text.clone(), declared);
    }

    /// Gives a declared feature its index where it is declared, unless it was used before.
    pub(super) fn number_declared(&mut self, context: &mut Context<'_>, name: &ast::Word) {
        if self.declared.get(&name.text).is_some_and(|declared| declared.span == name.span) {
            self.number(context, &name.text, name.span);
        }
    }

    /// The index of a feature that a condition names; `None` if there is none such, which has been reported.
    pub(super) fn used(&mut self, context: &mut Context<'_>, name: &str, span: Span) -> Option<u32> {
        let name = arch::canonical(name);
        if let Some(declared) = self.declared.get_mut(name) {
            declared.used = true;
        } else if arch::feature(name).is_none() {
            let known = FEATURES
                .keys()
                .chain(ALIASES.keys())
                .map(|name| name as &str)
                .chain(self.declared.keys().map(String::as_str));
            let normal = name.replace(['.', '-'], "_");
            let near = nearest(&normal, known);
            let mut found = Diagnostic::new(Code::UNKNOWN_NAME, span, format!("no feature is called `{name}`"));
            found = match near {
                Some(near) => near.offer(found, span),
                None => found.help(format!(
                    "if it is no CPU feature but a fact of your system, declare it: `feature {}`",
                    normal
                )),
            };
            context.report(found);
            return None;
        }
        self.number(context, name, span)
    }

    fn number(&mut self, context: &mut Context<'_>, name: &str, span: Span) -> Option<u32> {
        if let Some(&index) = self.index.get(name) {
            return Some(index);
        }
        if self.list.len() >= MAX_FEATURES {
            if !self.full {
                self.full = true;
                context.limit(span, format!("a patch set has at most {MAX_FEATURES} features"));
            }
            return None;
        }
        let index = self.list.len() as u32;
        let (docs, source) = match self.declared.get(name) {
            Some(declared) => (declared.docs.clone(), FeatureSource::Declared),
            None => (Vec::new(), FeatureSource::Cpuid(arch::feature(name)?.cpuid)),
        };
        self.list.push(Feature { name: name.to_owned(), docs, source });
        self.index.insert(name.to_owned(), index);
        Some(index)
    }

    /// What each feature implies among the features of the set, itself included, by index.
    pub(super) fn implications(&self) -> Vec<u64> {
        self.list
            .iter()
            .enumerate()
            .map(|(index, feature)| {
                let implied = arch::feature(&feature.name).filter(|_| feature.source != FeatureSource::Declared);
                implied.map_or(1 << index, |info| self.mask(info.implies))
            })
            .collect()
    }

    /// The features of the set that are among `names`.
    pub(super) fn mask(&self, names: impl IntoIterator<Item: AsRef<str>>) -> u64 {
        names.into_iter().filter_map(|name| self.index.get(name.as_ref())).fold(0, |mask, index| mask | 1 << index)
    }

    /// Warns of declared features that no condition names.
    pub(super) fn report_unused(&self, context: &mut Context<'_>) {
        for (name, declared) in self.declared.iter().filter(|(_, declared)| !declared.used) {
            context.report(
                Diagnostic::new(Code::UNUSED_FEATURE, declared.span, format!("no condition uses the feature `{name}`"))
                    .label("declared here")
                    .help("name it in a `when`, or drop it")
                    .fix("drop the declaration", declaration(context, declared.span), ""),
            );
        }
    }

    /// The features in the order of their indices.
    pub(super) fn into_list(self) -> Vec<Feature> {
        self.list
    }
}

/// The lines of the declaration of the feature whose name stands at `name`, with the doc comment above them.
fn declaration(context: &Context<'_>, name: Span) -> Span {
    let text = &context.sources.file(name.file).text;
    let keyword = text[..name.start as usize].trim_end().trim_end_matches("feature").len() as u32;
    let mut lines = context.sources.cut(Span { start: keyword, ..name });
    while let Some(before) = text[..lines.start as usize].strip_suffix('\n') {
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        if !before[start..].trim_start().starts_with("///") {
            break;
        }
        lines.start = start as u32;
    }
    lines
}
