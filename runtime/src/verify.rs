//! Holds the text against the table: where each site is, and whether what stands there is one of its known forms.

use crate::error::{Bytes, Error, Status};
use crate::form::{Class, DIRECT_LEN, STUB_CALL_LEN, render, written_len};
use crate::known::Known;
use crate::set::Set;
use crate::table::{ACTION_STUB_CALL, KIND_MASK, MAX_SITE, NONE, OP_RESULT, Plan, Site};

/// A site record with its addresses.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Address of the site.
    pub(crate) site: usize,
    /// Address of its stub; 0 if it has none.
    pub(crate) stub: usize,
    /// Address of the call in the stub.
    pub(crate) stub_call: usize,
}

/// Where a record's site is. `site` must be the record in its section: its address counts.
pub(crate) fn locate(class: &Class<'_>, site: &Site) -> Place {
    let anchor = site.anchor();
    if !class.has_stub() {
        return Place { site: anchor, stub: 0, stub_call: 0 };
    }
    // The anchor is the end of the stub, whose last instruction jumps to the byte after the site (FORMAT.md, "The stub").
    let mut back = [0; 4];
    read(anchor.wrapping_sub(4), &mut back);
    let after = anchor.wrapping_add_signed(i32::from_le_bytes(back) as isize);
    let stub = anchor.wrapping_sub(class.set.stub().len());
    Place {
        site: after.wrapping_sub(usize::from(class.len)),
        stub,
        stub_call: stub.wrapping_add(usize::from(class.set.table().stub_call)),
    }
}

/// One write: this many of the bytes go to this address.
pub(crate) struct Piece {
    pub(crate) address: usize,
    pub(crate) bytes: [u8; MAX_SITE],
    pub(crate) len: usize,
}

impl Piece {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    pub(crate) fn stands(&self) -> bool {
        stands(self.address, self.bytes())
    }
}

/// What a plan writes at a place: the site, and with [`ACTION_STUB_CALL`] the call in its stub.
pub(crate) fn pieces(plan: &Plan, place: Place) -> Result<(Piece, Option<Piece>), Status> {
    let len = written_len(plan);
    if plan.action & 0x0f != ACTION_STUB_CALL {
        return Ok((Piece { address: place.site, bytes: render(plan, place.site)?, len }, None));
    }
    let mut bytes = [0; MAX_SITE];
    let reach = place.stub.wrapping_sub(place.site.wrapping_add(DIRECT_LEN)) as isize;
    let reach = i32::try_from(reach).map_err(|_| Status::OutOfRange)?.to_le_bytes();
    for (to, from) in bytes.iter_mut().zip([0xe9].iter().chain(&reach)) {
        *to = *from;
    }
    let jump = Piece { address: place.site, bytes, len: DIRECT_LEN };
    let call = Piece { address: place.stub_call, bytes: render(plan, place.stub_call)?, len };
    Ok((jump, Some(call)))
}

/// The verified state of one site.
pub(crate) struct Verified<'a> {
    pub(crate) place: Place,
    pub(crate) plan: &'a Plan,
    /// Bytes that must be written; 0: it already is what it should be.
    pub(crate) bytes: usize,
}

/// The class and plan of a record, if the table has them.
///
/// # Safety
///
/// The caller patches this set alone.
pub(crate) unsafe fn classify<'a>(set: &'a Set, site: &Site) -> Result<(Class<'a>, &'a Plan), Error> {
    let bad = || Error::new(Status::BadRecord).at(site.op, core::ptr::from_ref(site).addr());
    let code = site.kind & KIND_MASK;
    let class = Class::new(set, site.op, code, site.len).ok_or_else(bad)?;
    // SAFETY: (18) the caller's promise; nothing writes plans while this slice lives.
    let plans: &[Plan] = unsafe { set.plans(class.op) };
    let plan = plans.iter().find(|plan| plan.kind == code && plan.len == site.len).ok_or_else(bad)?;
    Ok((class, plan))
}

/// Verifies any site, whatever stands there.
#[cold]
#[inline(never)]
pub(crate) fn verify<'a>(known: &mut Known<'a>, site: &Site) -> Result<Verified<'a>, Error> {
    let (class, plan) = (known.class, known.plan);
    let place = locate(&class, site);
    let here = |status| Error::new(status).at(class.id, place.site);
    let verified = |bytes| Verified { place, plan, bytes };
    let (piece, stub) = pieces(plan, place).map_err(here)?;
    if class.has_stub() && !stub_is_known(&class, place) {
        return Err(foreign(&class, place));
    }
    let stub_stands = stub.as_ref().is_none_or(Piece::stands);
    if piece.stands() && stub_stands {
        return Ok(verified(0));
    }
    let form = known_form(&class, place);
    if form.is_none() && !piece.stands() {
        return Err(foreign(&class, place));
    }
    if let Some(form) = form {
        known.expect(&form);
    }
    Ok(verified(piece.len + stub.map_or(0, |piece| piece.len)))
}

/// The known form that the site holds.
fn known_form(class: &Class<'_>, place: Place) -> Option<Plan> {
    let standing = |built: Result<Plan, Status>| {
        built.ok().filter(|plan| pieces(plan, place).is_ok_and(|(site, _)| site.stands()))
    };
    let set = class.set;
    let first = usize::from(class.op.row);
    let rows = set.rows().get(first..first.wrapping_add(usize::from(class.op.nrows))).unwrap_or(&[]);
    let identity = set.table().identity_row;
    standing(class.original())
        .or_else(|| rows.iter().find_map(|row| standing(class.row(row))))
        .or_else(|| (identity != NONE).then(|| set.row(identity)).flatten().and_then(|row| standing(class.row(row))))
        .or_else(|| (class.op.flags & OP_RESULT == 0).then(|| standing(Ok(class.nops()))).flatten())
        .or_else(|| standing(class.call(set.applied(class.id))))
        .or_else(|| standing(class.call(class.op.default_fn)))
}

/// Whether a stub is the set's stub, with its call in one of its known forms.
fn stub_is_known(class: &Class<'_>, place: Place) -> bool {
    let template = class.set.stub();
    let call = usize::from(class.set.table().stub_call);
    let mut found = [0; MAX_SITE];
    let Some(found) = found.get_mut(..template.len()) else { return false };
    read(place.stub, found);
    let back = template.len().wrapping_sub(4);
    let call_field = call..call.wrapping_add(STUB_CALL_LEN);
    let same = found
        .iter()
        .zip(template)
        .enumerate()
        .all(|(at, (found, template))| call_field.contains(&at) || at >= back || found == template);
    let stands = |built: Result<Plan, Status>| {
        built.and_then(|plan| pieces(&plan, place)).is_ok_and(|(_, call)| call.is_some_and(|call| call.stands()))
    };
    same && (stands(class.original())
        || stands(class.call(class.set.applied(class.id)))
        || stands(class.call(class.op.default_fn)))
}

fn foreign(class: &Class<'_>, place: Place) -> Error {
    let mut found = [0; MAX_SITE];
    let found = found.get_mut(..usize::from(class.len)).unwrap_or(&mut []);
    read(place.site, found);
    let mut error = Error::new(Status::Foreign).at(class.id, place.site);
    error.found = Bytes::of(found);
    if let Ok((piece, _)) = class.original().and_then(|plan| pieces(&plan, place)) {
        error.expected = Bytes::of(piece.bytes());
    }
    error
}

/// Whether these bytes stand there.
pub(crate) fn stands(address: usize, bytes: &[u8]) -> bool {
    let text = core::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: (62) as (20), for the length of `bytes`, which is part of a site.
    let found = unsafe { core::slice::from_raw_parts(text, bytes.len()) };
    // Not `==`: for a handful of bytes the call of memcmp costs more than the comparison.
    found.iter().zip(bytes).all(|(found, byte)| found == byte)
}

/// Copies text.
pub(crate) fn read(address: usize, to: &mut [u8]) {
    let from = core::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: (20) `Set::new`: records belong to code that is mapped, so the site and its stub are; text is readable on x86
    // wherever it is executable, memory protection keys aside.
    unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) }
}
