//! The short way for a whole set whose text is as compiled: the first patching of a program.
//!
//! Reading a page before it is populated costs a fault more, and verifying a million sites one by one costs more than writing
//! them. So where all classes of a set are simple (a call through the slot or to the trampoline becomes a row without
//! fields), the records alone say which pages to open, and the leaf verifies and stores in one go. If any site holds
//! something else, the leaf puts back what it wrote, and the batch begins again the long way.

use super::leaf;
use super::runs::{GAP, Runs};
use super::sys::{PROT_READ, PROT_WRITE, Pages};
use crate::choose::{Goal, Outcome, refusal};
use crate::error::Error;
use crate::form::Class;
use crate::report::{Report, Way};
use crate::set::Set;
use crate::table::{ACTION_SITE, KIND_MASK, OPERAND_SLOT_REL, OPERAND_TRAMPOLINE, Plan, Site};

/// Below this many sites the long way is as good.
const WORTH_IT: usize = 256;

/// What the leaf has to know of a class, by the index of its plan.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Fresh {
    /// The new bytes.
    wanted: u64,
    /// The opcode of the old ones.
    opcode: u64,
    /// The bytes that belong to the site.
    mask: u64,
    /// Where the old call leads, less the length of the site: the field is this minus the address of the site.
    target: usize,
    /// Bits before the field.
    shift: usize,
    /// Length of the site.
    len: usize,
}

impl Fresh {
    /// `None` if the sites of the class are not simple.
    fn new(class: &Class<'_>, plan: &Plan) -> Option<Self> {
        let (kind, len) = (class.kind, usize::from(class.len));
        let target = match kind.operand {
            OPERAND_SLOT_REL => class.set.slot(class.id).addr(),
            OPERAND_TRAMPOLINE => class.op.trampoline.addr(),
            _ => return None,
        };
        let opcode_len = usize::from(kind.opcode_len);
        let simple =
            plan.nrel == 0 && plan.action & 0x0f == ACTION_SITE && (5..=8).contains(&len) && opcode_len + 4 == len;
        (simple && refusal(plan).is_none()).then_some(())?;
        Some(Self {
            wanted: u64::from_le_bytes(*plan.bytes.first_chunk()?) & (u64::MAX >> (64 - 8 * len)),
            opcode: u64::from(u32::from_le_bytes(kind.opcode)) & (u64::MAX >> (64 - 8 * opcode_len)),
            mask: u64::MAX >> (64 - 8 * len),
            target: target.wrapping_sub(len),
            shift: 8 * opcode_len,
            len,
        })
    }
}

/// The short way. `None`: it was not taken, or not to its end, and nothing has changed.
///
/// # Safety
///
/// A batch for this goal was begun by the only patcher, with all signals blocked.
pub(crate) unsafe fn patch(set: &Set, goal: Goal) -> Option<Result<Report, Error>> {
    let sites = set.sites();
    if !matches!(goal, Goal::Patch(_)) || sites.len() < WORTH_IT || !set.branch_sites().is_empty() {
        return None;
    }
    let plans = usize::from(set.table().nplans);
    let pages = Pages::map(plans * size_of::<Fresh>(), PROT_READ | PROT_WRITE, None).ok()?;
    // SAFETY: (140) our pages, of that size, zero at first, which is a valid value.
    let fresh = unsafe { core::slice::from_raw_parts_mut(pages.start().cast::<Fresh>(), plans) };
    let mut report = Report { sites: sites.len(), way: Way::Protect, ..Report::default() };
    let mut runs = Runs::new();
    let mut rest = sites;
    while let Some(first) = rest.first() {
        // SAFETY: (141) the caller's promise.
        let (len, outcome) = unsafe { admit(set, first, fresh) }?;
        let count = same_class(rest, len, &mut runs);
        match outcome {
            Outcome::Row => report.rows += count,
            Outcome::Nops => report.nops += count,
            Outcome::Call => report.calls += count,
            Outcome::Original => report.originals += count,
        }
        report.bytes += len.saturating_mul(count);
        rest = rest.get(count..).unwrap_or(&[]);
    }
    let (start, end) = leaf::pages();
    if !super::may_make_written_pages_executable() || !runs.exclude(start, end) {
        return None;
    }
    report.runs = runs.as_slice().len();
    // SAFETY: (142) begun by the caller; the runs cover all sites, and not the leaf.
    match unsafe { leaf::store_fresh(set, runs.as_slice(), fresh) } {
        Ok(stored) => stored.then_some(Ok(report)),
        Err((step, errno, address)) => Some(Err(Error::refused(step, errno, address))),
    }
}

/// Adds the pages of the sites at the head of `sites` that are of one class and `len` bytes long. Returns how many these are.
fn same_class(sites: &[Site], len: usize, runs: &mut Runs) -> usize {
    /// Records that are looked at together: their extent needs no branches.
    const TOGETHER: usize = 32;
    let Some(class) = sites.first().map(Site::class) else { return 0 };
    let mut count = 0usize;
    for some in sites.chunks(TOGETHER) {
        let (mut low, mut high, mut differ) = (usize::MAX, 0, 0);
        for site in some {
            low = low.min(site.anchor());
            high = high.max(site.anchor());
            differ |= site.class() ^ class;
        }
        if differ != 0 || high.wrapping_sub(low) > GAP {
            for site in some {
                if site.class() != class {
                    return count;
                }
                runs.add(site.anchor(), len);
                count += 1;
            }
            continue;
        }
        runs.add(low, high.wrapping_sub(low).wrapping_add(len));
        count += some.len();
    }
    count
}

/// Fills the entry of a site's class.
///
/// # Safety
///
/// As [`patch`].
unsafe fn admit(set: &Set, site: &Site, fresh: &mut [Fresh]) -> Option<(usize, Outcome)> {
    let class = Class::new(set, site.op, site.kind & KIND_MASK, site.len)?;
    // SAFETY: (143) the caller's promise.
    let plans: &[Plan] = unsafe { set.plans(class.op) };
    let index = plans.iter().position(|plan| plan.kind == class.code && plan.len == class.len)?;
    let plan = plans.get(index)?;
    *fresh.get_mut(usize::from(class.op.plan) + index)? = Fresh::new(&class, plan)?;
    Some((usize::from(class.len), Outcome::of(plan)))
}

/// Offsets for the leaf.
pub(crate) mod offset {
    use super::Fresh;
    use core::mem::offset_of;
    pub(crate) const WANTED: usize = offset_of!(Fresh, wanted);
    pub(crate) const OPCODE: usize = offset_of!(Fresh, opcode);
    pub(crate) const MASK: usize = offset_of!(Fresh, mask);
    pub(crate) const TARGET: usize = offset_of!(Fresh, target);
    pub(crate) const SHIFT: usize = offset_of!(Fresh, shift);
    pub(crate) const LEN: usize = offset_of!(Fresh, len);
}
