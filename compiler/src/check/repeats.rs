//! Findings that a row of two arches gives on each of them, and that are one mistake to its author.

use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::source::Span;
use std::collections::BTreeMap;

/// Codes whose findings say the same on every arch. Of the others each has something of its own: a register to declare,
/// a length.
const SAME: [Code; 9] = [
    Code::MISSING_RESULT,
    Code::STACK_POINTER,
    Code::UNDEFINED_READ,
    Code::STACK_USE,
    Code::BRANCH,
    Code::RETURN,
    Code::FALLS_OUT,
    Code::POSITION,
    Code::LIVE,
];

/// How many findings of a code the arches so far have at a place.
#[derive(Default)]
pub(super) struct Repeats(BTreeMap<(Code, Span), usize>);

impl Repeats {
    /// Passes on the findings of one arch that no other arch had.
    pub(super) fn push_new(&mut self, found: &Diagnostics, diagnostics: &mut Diagnostics) {
        let mut here: BTreeMap<(Code, Span), usize> = BTreeMap::new();
        for finding in found.list().iter().cloned() {
            let count = here.entry(key(&finding)).or_default();
            *count += 1;
            if !SAME.contains(&finding.code) || *count > self.0.get(&key(&finding)).copied().unwrap_or(0) {
                diagnostics.push(finding);
            }
        }
        for (key, count) in here {
            let most = self.0.entry(key).or_default();
            *most = count.max(*most);
        }
    }
}

fn key(finding: &Diagnostic) -> (Code, Span) {
    (finding.code, finding.primary.span)
}
