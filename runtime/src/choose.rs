//! What every class of sites is to become, decided once a batch and before anything is written.

use crate::error::Status;
use crate::features::Features;
use crate::form::{Class, KIND_NOP};
use crate::set::Set;
use crate::table::{ACTION_NONE, OP_IDENTITY, OP_NOCALL, OP_RESULT, Op, Plan, Row};
use core::ffi::c_void;

/// What a batch is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// The best form for these features and the installed backends.
    Patch(Features),
    /// The form that the compiler left.
    Unpatch,
    /// The values of static branches; the sites of ops stay as they are.
    Branches,
}

/// What a plan makes of its sites; kept in the high nibble of its action.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Row,
    Nops,
    Call,
    Original,
}

impl Outcome {
    pub(crate) fn of(plan: &Plan) -> Self {
        match plan.action >> 4 {
            0 => Self::Row,
            1 => Self::Nops,
            2 => Self::Call,
            _ => Self::Original,
        }
    }

    const fn bits(self) -> u8 {
        (match self {
            Self::Row => 0,
            Self::Nops => 1,
            Self::Call => 2,
            Self::Original => 3,
        }) << 4
    }
}

/// Whether a row's condition holds.
fn holds(set: &Set, row: &Row, features: Features) -> bool {
    row.nterms == 0
        || set.terms(row).iter().any(|term| features.0 & term.all == term.all && features.0 & term.none == 0)
}

/// What one op is to become, whatever the kind of its sites.
#[derive(Clone, Copy)]
enum Choice<'a> {
    Row(&'a Row),
    /// The no-op function is installed.
    Nops,
    /// The identity function is installed, and the set has this row for it.
    Identity(&'a Row),
    /// A backend is installed.
    Backend,
    /// No row holds.
    NoRow,
    Original,
}

fn choose<'a>(set: &'a Set, op: &'a Op, installed: *const c_void, goal: Goal) -> Choice<'a> {
    let Goal::Patch(features) = goal else { return Choice::Original };
    let table = set.table();
    if installed != op.default_fn {
        if installed == table.nop_fn && op.flags & OP_RESULT == 0 {
            return Choice::Nops;
        }
        if installed == table.identity_fn
            && op.flags & OP_IDENTITY != 0
            && let Some(row) = set.row(table.identity_row)
        {
            return Choice::Identity(row);
        }
        return Choice::Backend;
    }
    let first = usize::from(op.row);
    let rows = set.rows().get(first..first.wrapping_add(usize::from(op.nrows))).unwrap_or(&[]);
    rows.iter().find(|row| holds(set, row, features)).map_or(Choice::NoRow, Choice::Row)
}

/// Fills the plans of all ops. A class that cannot become what its op demands gets no action but the reason, which
/// [`refusal`] tells when a site of that class turns up.
///
/// # Safety
///
/// The caller patches this set alone.
pub(crate) unsafe fn plan_all(set: &Set, goal: Goal) {
    for (id, op) in set.ops().iter().enumerate() {
        let id = id as u16;
        let installed = set.installed(id);
        let choice = choose(set, op, installed, goal);
        // SAFETY: (17) the caller's promise; the slice ends with this round.
        for plan in unsafe { set.plans(op) } {
            let built = match Class::new(set, id, plan.kind, plan.len) {
                Some(class) => plan_class(&class, choice, installed),
                None => Err(Status::BadTable),
            };
            *plan = built.unwrap_or_else(|status| refused(plan, status));
        }
    }
}

fn plan_class(class: &Class<'_>, choice: Choice<'_>, installed: *const c_void) -> Result<Plan, Status> {
    let (plan, outcome) = match choice {
        Choice::Original => (class.original()?, Outcome::Original),
        Choice::Row(row) => (class.row(row)?, Outcome::Row),
        // After a jump site there is other code: a backend that returns at once must still return to the caller.
        Choice::Nops if !class.is_jump() => (class.nops(), Outcome::Nops),
        Choice::Identity(row) if !class.is_jump() => (class.row(row)?, Outcome::Row),
        Choice::NoRow if class.code == KIND_NOP => (class.nops(), Outcome::Nops),
        Choice::Nops | Choice::Identity(_) | Choice::Backend | Choice::NoRow => {
            if class.op.flags & OP_NOCALL != 0 {
                return Err(Status::NoCall);
            }
            (class.call(installed)?, Outcome::Call)
        }
    };
    let mut plan = plan;
    plan.action |= outcome.bits();
    Ok(plan)
}

/// A plan that no site may have, with the reason in place of its bytes.
fn refused(plan: &Plan, status: Status) -> Plan {
    let mut refused = Plan::new(plan.kind, plan.len);
    refused.nrel = match status {
        Status::NoCall => 1,
        Status::CannotHoldCall => 2,
        Status::OutOfRange => 3,
        _ => 0,
    };
    refused
}

/// Why the sites of this class cannot be patched, if so.
pub(crate) fn refusal(plan: &Plan) -> Option<Status> {
    (plan.action & 0x0f == ACTION_NONE).then_some(match plan.nrel {
        1 => Status::NoCall,
        2 => Status::CannotHoldCall,
        3 => Status::OutOfRange,
        _ => Status::BadTable,
    })
}
