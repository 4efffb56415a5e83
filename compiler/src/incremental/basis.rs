//! What ops read of the frame. An op is compiled again only if something changed that it reads.

use crate::arch::Arch;
use crate::model::{Abi, Set};
use crate::source::SourceMap;
use crate::syntax::ast::{Ast, ClauseKind, Item, Op, SetClauseKind};
use pvc_asm::Syntax;
use std::collections::BTreeSet;

use super::frame::OpFindings;
use super::piece::Piece;

/// A set with more features than this may come to their limit: then each op has to do with all of them.
const MANY_FEATURES: usize = 32;

/// What the frame says, without where it says it.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Basis {
    /// Whether there are errors in the frame.
    broken: bool,
    /// What the patch set says, if there is one.
    set: Option<Facts>,
    /// Its `site` clauses.
    sites: Vec<String>,
    /// The declared features.
    pub(super) features: BTreeSet<String>,
}

#[derive(PartialEq, Eq, Debug)]
struct Facts {
    arches: Vec<Arch>,
    abi: Abi,
    syntax: Syntax,
    baseline: BTreeSet<String>,
}

impl Basis {
    /// Of the frame with this tree; `set` is what the phases made of it.
    pub(super) fn new(ast: &Ast, sources: &SourceMap, set: Option<&Set>, broken: bool) -> Self {
        let mut sites = Vec::new();
        let mut features = BTreeSet::new();
        for item in &ast.items {
            match item {
                Item::Feature(feature) => {
                    features.insert(feature.name.text.clone());
                }
                Item::Patchset(set) => {
                    let clauses = set.clauses.iter().filter(|clause| matches!(clause.kind, SetClauseKind::Site(_)));
                    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                    sites.extend(clauses.map(|clause| words(sources.text(clause.span))));
                }
                Item::Op(_) | Item::Branch(_) | Item::Bad(_) => {}
            }
        }
        let set = set.map(|set| Facts {
            arches: set.arches.clone(),
            abi: set.abi,
            syntax: set.syntax,
            baseline: set.baseline.clone(),
        });
        Self { broken, set, sites, features }
    }
}

/// What is other in one frame than in another.
#[derive(Debug, Default)]
pub(super) struct Change {
    /// Something.
    any: bool,
    /// Something that every op reads.
    all: bool,
    /// Whether there are errors in it.
    broken: bool,
    /// The kinds of site of ops that name none.
    sites: bool,
    /// Arches of one of the two.
    arches: Vec<&'static str>,
    /// Declared features of one of the two.
    features: Vec<String>,
    /// CPU features of one of the two baselines.
    baseline: BTreeSet<String>,
}

impl Change {
    pub(super) fn between(old: &Basis, new: &Basis) -> Self {
        if old == new {
            return Self::default();
        }
        let (sites, broken) = (old.sites != new.sites, old.broken != new.broken);
        let mut change = Self { any: true, sites, broken, ..Self::default() };
        change.features = old.features.symmetric_difference(&new.features).cloned().collect();
        let many = old.features.len().max(new.features.len()) > MANY_FEATURES;
        change.all |= many && !change.features.is_empty();
        match (&old.set, &new.set) {
            (Some(old), Some(new)) => {
                let of_one = |arch: &Arch| old.arches.contains(arch) != new.arches.contains(arch);
                change.arches = Arch::ALL.iter().filter(|arch| of_one(arch)).map(|arch| arch.name()).collect();
                change.baseline = old.baseline.symmetric_difference(&new.baseline).cloned().collect();
                change.all |= (old.abi, old.syntax) != (new.abi, new.syntax);
            }
            (None, None) => {}
            _ => change.all = true,
        }
        change
    }

    /// Whether the findings about the item of `piece` may be others now.
    pub(super) fn concerns(&self, piece: &Piece, found: &OpFindings) -> bool {
        let Some(Item::Op(op)) = piece.item() else { return self.all || !self.arches.is_empty() };
        // What was found may name anything of the frame. After an error no `allow` is said to silence nothing.
        let allows = || op.clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Allow { .. }));
        let told = !found.list.is_empty() || (self.broken && allows());
        self.any && (self.all || told || self.is_read_by(op, &piece.text, found))
    }

    fn is_read_by(&self, op: &Op, text: &str, found: &OpFindings) -> bool {
        let names_sites = || op.clauses.iter().any(|clause| matches!(clause.kind, ClauseKind::Site(_)));
        let each_arch = || text.split("x86").skip(1).any(|rest| !rest.starts_with("_64"));
        (self.sites && !names_sites())
            || self.arches.iter().any(|name| text.contains(name) || each_arch())
            || self.features.iter().any(|name| text.contains(name.as_str()))
            || !self.baseline.is_disjoint(&found.needs)
            || op.clauses.iter().any(|clause| match &clause.kind {
                // Of the baseline a condition depends on the features that it names.
                ClauseKind::Row(row) => row.when.as_ref().is_some_and(|when| self.is_in_baseline(&when.text)),
                _ => false,
            })
    }

    fn is_in_baseline(&self, condition: &str) -> bool {
        self.baseline.iter().any(|name| condition.contains(name.as_str()))
    }
}
