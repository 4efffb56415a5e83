//! A batch: choose for every op, verify every site, and only then write.

use crate::branch;
use crate::choose::{Goal, Outcome, plan_all};
use crate::error::{Error, Status, Step};
use crate::features::Features;
use crate::known::{Classes, Known, Short8};
use crate::report::{Report, Way};
use crate::set::Set;
use crate::table::{FORMAT, Plan, Site};
use crate::text::Text;
use crate::verify::{Verified, classify, locate, pieces, verify};

/// How strict a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A set without sites is a success instead of [`Status::NoSites`]: for programs that may have dropped all of them.
    pub allow_empty: bool,
}

/// Puts into every site what its op demands for these features and the backends that are installed now.
///
/// All or nothing: every site is verified before the first write, so on an error nothing was written. Applying again is
/// harmless and writes only what changed.
///
/// # Errors
///
/// See [`Status`]; sites that the port does not admit are [`Status::Refused`].
///
/// # Safety
///
/// Until this returns, no other thread or CPU runs through a site of the set or patches it, and no code that this call
/// reaches (the port, interrupt handlers) contains one of its sites. Every function installed in the ops structure keeps
/// the contract of its op.
pub unsafe fn apply(set: &Set, features: Features, options: Options, text: &mut impl Text) -> Result<Report, Error> {
    // SAFETY: (21) the caller's promise.
    unsafe { through_port(set, Goal::Patch(features), options, text) }
}

/// Brings the values that [`Branch::want`](crate::Branch::want) asked for to the sites of static branches. The sites of ops
/// stay as they are.
///
/// # Errors
///
/// As [`apply`].
///
/// # Safety
///
/// As [`apply`].
pub unsafe fn apply_branches(set: &Set, options: Options, text: &mut impl Text) -> Result<Report, Error> {
    // SAFETY: (66) the caller's promise.
    unsafe { through_port(set, Goal::Branches, options, text) }
}

/// Puts back what the compiler left in every site.
///
/// # Errors
///
/// As [`apply`].
///
/// # Safety
///
/// As [`apply`].
pub unsafe fn restore(set: &Set, options: Options, text: &mut impl Text) -> Result<Report, Error> {
    // SAFETY: (22) the caller's promise.
    unsafe { through_port(set, Goal::Unpatch, options, text) }
}

unsafe fn through_port(set: &Set, goal: Goal, options: Options, text: &mut impl Text) -> Result<Report, Error> {
    // SAFETY: (23) the caller's promise; so for the next two.
    let mut report = unsafe { prepare(set, goal, options, |address, len| text.admit(address, len)) }?;
    if report.bytes > 0 {
        // SAFETY: (24) prepared above.
        unsafe { write_all(set, goal, |address, bytes| text.write(address, bytes)) };
        text.finish();
        report.way = Way::Port;
    }
    // SAFETY: (25) the batch was written.
    unsafe { remember(set, goal) };
    Ok(report)
}

/// Everything that comes before the first write: plans filled, every site verified and admitted. The report says what
/// will be.
///
/// # Safety
///
/// The caller patches this set alone.
pub(crate) unsafe fn prepare(
    set: &Set,
    goal: Goal,
    options: Options,
    mut admit: impl FnMut(usize, usize) -> Result<(), i32>,
) -> Result<Report, Error> {
    // SAFETY: (26) the caller's promise.
    let mut report = unsafe { begin(set, goal, options) }?;
    let refused = |errno, address| Error::refused(Step::Admit, errno, address);
    // SAFETY: (67) the caller's promise.
    unsafe {
        branch::prepare(set, goal, &mut report, |_, address, bytes| {
            admit(address, bytes.len()).map_err(|errno| refused(errno, address))
        })
    }?;
    // SAFETY: (27) begun above.
    unsafe { verify_each(set, goal, &mut report, &mut Admit(admit)) }?;
    Ok(report)
}

/// Asks the port about each site that changes.
struct Admit<F>(F);

impl<F: FnMut(usize, usize) -> Result<(), i32>> Visit for Admit<F> {
    fn short(&mut self, known: &Known<'_>, seen: Short8) -> Result<(), Error> {
        (self.0)(seen.address, usize::from(known.plan.len))
            .map_err(|errno| Error::refused(Step::Admit, errno, seen.address).at(known.class.id, seen.address))
    }

    fn any(&mut self, known: &Known<'_>, verified: &Verified<'_>) -> Result<(), Error> {
        let site = verified.place.site;
        let refused = |errno| Error::refused(Step::Admit, errno, site).at(known.class.id, site);
        (self.0)(site, usize::from(known.plan.len)).map_err(refused)?;
        if verified.place.stub != 0 {
            (self.0)(verified.place.stub, known.class.set.stub().len()).map_err(refused)?;
        }
        Ok(())
    }
}

/// What a batch does with a site that was verified and changes.
pub(crate) trait Visit {
    /// One of up to 8 bytes.
    fn short(&mut self, known: &Known<'_>, seen: Short8) -> Result<(), Error>;
    /// Any other one.
    fn any(&mut self, known: &Known<'_>, verified: &Verified<'_>) -> Result<(), Error>;
}

/// The records of ops that a batch is about.
pub(crate) fn sites(set: &Set, goal: Goal) -> &[Site] {
    if matches!(goal, Goal::Branches) { &[] } else { set.sites() }
}

/// The start of every batch: is the table one of ours, and what does each class of its sites become?
///
/// # Safety
///
/// As [`prepare`].
pub(crate) unsafe fn begin(set: &Set, goal: Goal, options: Options) -> Result<Report, Error> {
    if set.table().format != FORMAT || u32::from(set.table().mode) != usize::BITS {
        return Err(Error::new(Status::Format));
    }
    if set.sites().is_empty() && set.branch_sites().is_empty() && !options.allow_empty {
        return Err(Error::new(Status::NoSites));
    }
    if !matches!(goal, Goal::Branches) {
        // SAFETY: (64) the caller's promise.
        unsafe { plan_all(set, goal) };
    }
    Ok(Report { sites: sites(set, goal).len(), ..Report::default() })
}

/// Verifies every site of an op in a batch that was begun, counts the outcomes, and shows each site that changes to `visit`.
///
/// # Safety
///
/// As [`prepare`].
pub(crate) unsafe fn verify_each(
    set: &Set,
    goal: Goal,
    report: &mut Report,
    visit: &mut impl Visit,
) -> Result<(), Error> {
    let mut classes = Classes::new(set);
    let mut rest = sites(set, goal);
    while let Some(site) = rest.first() {
        // SAFETY: (71) plans were filled by `begin`.
        let known = unsafe { classes.of(site) }?;
        let mut count = 0usize;
        let mut unchanged = 0usize;
        let forms = known.forms; // a copy: what is written to a journal cannot change it
        let same = rest.iter().take_while(|site| site.class() == known.key);
        for seen in same.map_while(|site| forms.as_ref()?.look(site)) {
            if seen.stands {
                unchanged += 1;
            } else {
                visit.short(known, seen)?;
            }
            count += 1;
        }
        report.bytes += (count - unchanged).saturating_mul(usize::from(known.plan.len));
        if count == 0 {
            let verified = verify(known, site)?;
            if verified.bytes == 0 {
                unchanged = 1;
            } else {
                visit.any(known, &verified)?;
            }
            report.bytes += verified.bytes;
            count = 1;
        }
        report.unchanged += unchanged;
        match known.outcome {
            Outcome::Row => report.rows += count,
            Outcome::Nops => report.nops += count,
            Outcome::Call => report.calls += count,
            Outcome::Original => report.originals += count,
        }
        rest = rest.get(count..).unwrap_or(&[]);
    }
    Ok(())
}

/// Hands every write of a prepared batch to `write`.
///
/// # Safety
///
/// As [`prepare`], which has just succeeded for this set.
pub(crate) unsafe fn write_all(set: &Set, goal: Goal, mut write: impl FnMut(usize, &[u8])) {
    // SAFETY: (68) the caller's promise.
    unsafe { branch::write_all(set, &mut write) };
    for site in sites(set, goal) {
        // SAFETY: (28) the caller's promise. Neither step fails: `prepare` did both for every site.
        if let Ok((class, plan)) = unsafe { classify(set, site) }
            && let Ok((piece, stub)) = pieces(plan, locate(&class, site))
        {
            // The stub first: the site must not jump to one that is not ready.
            if let Some(call) = stub {
                write(call.address, call.bytes());
            }
            write(piece.address, piece.bytes());
        }
    }
}

/// Remembers the call targets of a batch that was written, so that the next one knows them as ours.
///
/// # Safety
///
/// As [`prepare`].
pub(crate) unsafe fn remember(set: &Set, goal: Goal) {
    // SAFETY: (69) the caller's promise.
    unsafe { branch::remember(set) };
    if matches!(goal, Goal::Branches) {
        return;
    }
    for (id, op) in set.ops().iter().enumerate() {
        // SAFETY: (29) the caller's promise.
        let plans: &[Plan] = unsafe { set.plans(op) };
        if plans.iter().any(|plan| Outcome::of(plan) == Outcome::Call) {
            set.set_applied(id as u16, set.installed(id as u16));
        }
    }
}
