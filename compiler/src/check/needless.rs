//! Clobbers that no row needs: each costs every call site a saved register for nothing.

use super::registers::Cell;
use super::{Context, RowCheck, fixes};
use crate::diagnostics::{Code, Diagnostic, Diagnostics};
use crate::model::Clobber;
use crate::source::Span;
use std::collections::{BTreeMap, BTreeSet};

/// What was found out about the items of an op's clause. One item may stand for several arches: it is needless only if
/// it is on each.
#[derive(Default)]
pub(super) struct Needless {
    needed: BTreeSet<Span>,
    needless: BTreeMap<Span, Diagnostic>,
}

impl Needless {
    /// Takes in the items of one contract, whose rows all could be checked.
    ///
    /// `memory`, `barrier`, `flags` and `caller_saved` may be there for the backends' sake and are left alone.
    pub(super) fn visit(&mut self, context: &Context<'_>, rows: &[RowCheck<'_>]) {
        let clobbers = &context.contract.clobbers;
        for item in &clobbers.items {
            let reason = match item.what {
                Clobber::Register(register) | Clobber::Other(register) => {
                    let cell = Cell::of(register).map(|(cell, _)| cell);
                    let written = cell.is_none_or(|cell| rows.iter().any(|row| row.changed().cells.contains(&cell)));
                    (!written).then(|| crate::arch::register_name(register).to_owned())
                }
                Clobber::SystemFlag(mask) => {
                    let written = rows.iter().any(|row| row.summary.flags_written.keys().any(|bit| bit & mask != 0));
                    (!written).then(|| super::effects::flag_names(mask))
                }
                Clobber::Flags | Clobber::Memory | Clobber::Barrier | Clobber::CallerSaved => None,
            };
            match reason {
                Some(name) => {
                    let message = format!("no row of `{}` changes {name}", context.op.name);
                    let found = Diagnostic::new(Code::NEEDLESS_CLOBBER, item.span, message).label("not needed");
                    self.needless.entry(item.span).or_insert_with(|| fixes::remove(context, found, item.span));
                }
                None => {
                    self.needed.insert(item.span);
                }
            }
        }
    }

    /// Takes in a contract of which not every row could be checked: nothing of it is needless.
    pub(super) fn keep(&mut self, context: &Context<'_>) {
        self.needed.extend(context.contract.clobbers.items.iter().map(|item| item.span));
    }

    /// Reports what no contract needed.
    pub(super) fn report(self, diagnostics: &mut Diagnostics) {
        for (span, found) in self.needless {
            if !self.needed.contains(&span) {
                diagnostics.push(found);
            }
        }
    }
}
