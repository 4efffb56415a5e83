//! Static branches: sites that hold NOPs for one value of their branch, and a jump to their target for the other.
//!
//! What a site holds follows from that value and from one bit of its record, so nothing has to be chosen or remembered per
//! site.

use crate::choose::Goal;
use crate::error::{Bytes, Error, Status};
use crate::nops;
use crate::report::Report;
use crate::set::Set;
use crate::table::{BRANCH_JUMPS_IF, BranchSite};
use crate::verify::read;

/// Length of a jump with 32 bits of distance.
const LONG: usize = 5;
/// Length of a jump with 8 bits of distance.
const SHORT: usize = 2;

/// A static branch of a patch set: `paravirt::branches::TRACE_ENABLED` in generated code.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    set: &'static Set,
    id: u16,
}

impl Branch {
    /// The branch with this index in the table.
    pub const fn new(set: &'static Set, id: u16) -> Self {
        Self { set, id }
    }

    /// The set that it belongs to.
    pub const fn set(self) -> &'static Set {
        self.set
    }

    /// Its name: `trace.enabled`.
    pub fn name(self) -> &'static str {
        self.set.branch_name(self.id)
    }

    /// The value that its sites have now.
    pub fn value(self) -> bool {
        self.set.branch_state(self.id).is_some_and(|state| state.held() != 0)
    }

    /// Asks for a value: the next batch ([`user::patch`](crate::user::patch), [`apply`](crate::apply)) brings it to all of
    /// the branch's sites. Returns the value that was asked for before.
    ///
    /// ```no_run
    /// # fn both(trace: pvc_runtime::Branch, stats: pvc_runtime::Branch) -> Result<(), pvc_runtime::Error> {
    /// trace.want(true);
    /// stats.want(true);
    /// // SAFETY: this process has one thread.
    /// unsafe { pvc_runtime::user::patch_branches(trace.set()) }?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn want(self, value: bool) -> bool {
        self.set.branch_state(self.id).is_some_and(|state| state.want(value))
    }
}

/// A record with its addresses.
#[derive(Clone, Copy)]
struct Place {
    site: usize,
    target: usize,
    len: usize,
    /// The value for which it jumps.
    jumps_if: u8,
}

impl Place {
    fn of(record: &BranchSite) -> Self {
        Self {
            site: record.address(),
            target: record.target_address(),
            len: usize::from(record.len),
            jumps_if: record.flags & BRANCH_JUMPS_IF,
        }
    }

    /// What stands there for a value; `None` if the record's length is not one of a jump, or the target too far for it.
    fn form(self, value: u8) -> Option<[u8; LONG]> {
        let distance = self.target.wrapping_sub(self.site.wrapping_add(self.len)) as isize;
        let mut bytes = [0; LONG];
        let (opcode, field) = match self.len {
            LONG => (0xe9, i32::try_from(distance).ok()?.to_le_bytes()),
            SHORT => (0xeb, i32::from(i8::try_from(distance).ok()?).to_le_bytes()),
            _ => return None,
        };
        let site = bytes.get_mut(..self.len)?;
        if value == self.jumps_if {
            for (to, from) in site.iter_mut().zip([opcode].iter().chain(&field)) {
                *to = *from;
            }
        } else {
            nops::fill(site);
        }
        Some(bytes)
    }

    fn stands(self, form: &[u8; LONG]) -> bool {
        let mut found = [0; LONG];
        if let Some(found) = found.get_mut(..self.len) {
            read(self.site, found);
        }
        found.iter().zip(form).take(self.len).all(|(found, byte)| found == byte)
    }
}

/// Sets the goal of every branch (what is wanted, or its first value to restore) and verifies every site. `admit` gets the
/// record, address and new bytes of each that changes.
///
/// # Safety
///
/// The caller patches this set alone; the text of its sites is mapped and readable.
pub(crate) unsafe fn prepare(
    set: &Set,
    goal: Goal,
    report: &mut Report,
    mut admit: impl FnMut(&BranchSite, usize, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let restore = matches!(goal, Goal::Unpatch);
    for (state, branch) in set.branch_states().iter().zip(set.branches()) {
        state.aim(restore.then_some(branch.initial));
    }
    for record in set.branch_sites() {
        let place = Place::of(record);
        let here = |status| Error::new(status).at_branch(record.branch, place.site);
        let state = set.branch_state(record.branch).ok_or_else(|| here(Status::BadRecord))?;
        let goal = state.goal();
        if place.len != LONG && place.len != SHORT {
            return Err(here(Status::BadRecord));
        }
        let wanted = place.form(goal).ok_or_else(|| here(Status::OutOfRange))?;
        let other = place.form(goal ^ 1).ok_or_else(|| here(Status::OutOfRange))?;
        report.branch_sites += 1;
        report.jumps += usize::from(goal == place.jumps_if);
        if place.stands(&wanted) {
            report.branches_unchanged += 1;
            continue;
        }
        if !place.stands(&other) {
            let mut error = here(Status::Foreign);
            let mut found = [0; LONG];
            if let Some(found) = found.get_mut(..place.len) {
                read(place.site, found);
                error.found = Bytes::of(found);
            }
            error.expected = Bytes::of(other.get(..place.len).unwrap_or(&[]));
            return Err(error);
        }
        state.mark();
        report.bytes += place.len;
        let wanted = wanted.get(..place.len).unwrap_or(&[]);
        admit(record, place.site, wanted).map_err(|error| error.at_branch(record.branch, place.site))?;
    }
    Ok(())
}

/// Hands the writes of a prepared batch to `write`.
///
/// # Safety
///
/// As [`prepare`], which has just succeeded for this set.
pub(crate) unsafe fn write_all(set: &Set, mut write: impl FnMut(usize, &[u8])) {
    for record in set.branch_sites() {
        let place = Place::of(record);
        if let Some(state) = set.branch_state(record.branch)
            && state.changed()
            && let Some(form) = place.form(state.goal())
        {
            write(place.site, form.get(..place.len).unwrap_or(&[]));
        }
    }
}

/// Remembers the values of a batch that was written.
///
/// # Safety
///
/// As [`prepare`].
pub(crate) unsafe fn remember(set: &Set) {
    for state in set.branch_states() {
        state.reach();
    }
}
