//! The answer for nearly all sites, from one load of their text.
//!
//! What a class of sites is to become, and what its sites most often hold, is worked out once and kept. A site that holds
//! anything else is looked at closely ([`verify`](crate::verify)).

use crate::choose::{Outcome, refusal};
use crate::error::{Error, Status};
use crate::form::Class;
use crate::set::Set;
use crate::table::{KIND_MASK, OP_LIVE, OPERAND_SLOT_REL, OPERAND_TRAMPOLINE, Plan, SITE_LIVE, SITE_NOCALL, Site};
use crate::verify::{classify, locate};

/// A form of up to 8 bytes with at most one 32-bit field.
#[derive(Clone, Copy)]
struct Short {
    /// The bytes, zero in the field.
    bytes: u64,
    field: Option<Field>,
}

#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    /// The field holds this less the address of the site.
    target: usize,
}

impl Short {
    fn of(plan: &Plan) -> Option<Self> {
        let bytes = u64::from_le_bytes(*plan.bytes.first_chunk()?);
        match (plan.nrel, plan.rel_width) {
            (0, _) => Some(Self { bytes, field: None }),
            (1, [4, ..]) if plan.rel_offset[0] <= 4 => {
                let offset = plan.rel_offset[0];
                let shift = 8 * u32::from(offset);
                let target = plan.rel_target[0].addr().wrapping_sub(usize::from(offset));
                Some(Self { bytes: bytes & !(u64::from(u32::MAX) << shift), field: Some(Field { shift, target }) })
            }
            _ => None,
        }
    }

    /// The call that the compiler left.
    fn call(class: &Class<'_>) -> Option<Self> {
        let target = match class.kind.operand {
            OPERAND_SLOT_REL => class.set.slot(class.id).addr(),
            OPERAND_TRAMPOLINE => class.op.trampoline.addr(),
            _ => return None,
        };
        let fits = class.kind.opcode_len <= 4 && class.kind.opcode_len + 4 == class.len;
        let shift = 8 * u32::from(class.kind.opcode_len);
        let bytes = u64::from(u32::from_le_bytes(class.kind.opcode)) & !(u64::MAX << shift);
        let target = target.wrapping_sub(usize::from(class.len));
        fits.then_some(Self { bytes, field: Some(Field { shift, target }) })
    }

    /// The bytes at an address; `None` if the target is out of reach.
    #[inline]
    fn at(self, site: usize) -> Option<u64> {
        let Some(Field { shift, target }) = self.field else { return Some(self.bytes) };
        let distance = i32::try_from(target.wrapping_sub(site) as isize).ok()?;
        Some(self.bytes | u64::from(distance as u32).wrapping_shl(shift))
    }
}

/// What is known of a class.
pub(crate) struct Known<'a> {
    /// [`Site::class`] of its records.
    pub(crate) key: u32,
    pub(crate) class: Class<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) outcome: Outcome,
    /// Whether its sites may change while other CPUs run through them.
    pub(crate) live: bool,
    pub(crate) forms: Option<Forms>,
}

/// What a site of up to 8 bytes holds, and what it is to hold: beyond its end, anything.
#[derive(Clone, Copy)]
pub(crate) struct Short8 {
    pub(crate) address: usize,
    pub(crate) found: u64,
    pub(crate) wanted: u64,
    /// Whether the two are the same.
    pub(crate) stands: bool,
}

/// What the sites of a class are to hold, and what they most often do.
#[derive(Clone, Copy)]
pub(crate) struct Forms {
    /// The bytes that belong to the site.
    mask: u64,
    wanted: Short,
    call: Short,
    /// What the last site held that was looked at closely: the next one most often holds the same.
    last: Short,
}

impl<'a> Known<'a> {
    /// The class of a site, unless the batch refuses it.
    ///
    /// # Safety
    ///
    /// As [`classify`].
    unsafe fn of(set: &'a Set, site: &Site) -> Result<Self, Error> {
        // SAFETY: (19) the caller's promise.
        let (class, plan) = unsafe { classify(set, site) }?;
        let outcome = Outcome::of(plan);
        let refused =
            refusal(plan).or((outcome == Outcome::Call && site.kind & SITE_NOCALL != 0).then_some(Status::NoCall));
        if let Some(status) = refused {
            return Err(Error::new(status).at(site.op, locate(&class, site).site));
        }
        let forms =
            (!class.has_stub() && (1..=8).contains(&plan.len)).then(|| Short::of(plan)).flatten().map(|wanted| {
                let call = Short::call(&class).unwrap_or(wanted);
                Forms { mask: u64::MAX >> (64 - 8 * u32::from(plan.len)), wanted, call, last: call }
            });
        let live = class.op.flags & OP_LIVE != 0 && site.kind & SITE_LIVE != 0;
        Ok(Self { key: site.class(), class, plan, outcome, live, forms })
    }

    /// Expects this form at the next site.
    pub(crate) fn expect(&mut self, form: &Plan) {
        if let (Some(forms), Some(form)) = (&mut self.forms, Short::of(form)) {
            forms.last = form;
        }
    }
}

impl Forms {
    /// The quick answer. `None`: look closer.
    #[inline]
    pub(crate) fn look(&self, site: &Site) -> Option<Short8> {
        const PAGE: usize = 4096;
        let address = site.anchor();
        if address % PAGE > PAGE - 8 {
            return None;
        }
        let wanted = self.wanted.at(address)?;
        let text = core::ptr::with_exposed_provenance::<u64>(address);
        // SAFETY: (63) as (20); the 8 bytes lie on the page that the site is on.
        let found = unsafe { text.read_unaligned() };
        let holds = |form: u64| (found ^ form) & self.mask == 0;
        let stands = holds(wanted);
        let ours = stands || self.call.at(address).is_some_and(holds) || self.last.at(address).is_some_and(holds);
        ours.then_some(Short8 { address, found, wanted, stands })
    }
}

/// Classes that are kept: a power of two.
const KEPT: usize = 8;

/// The classes of the last sites.
pub(crate) struct Classes<'a> {
    set: &'a Set,
    kept: [Option<Known<'a>>; KEPT],
}

impl<'a> Classes<'a> {
    pub(crate) fn new(set: &'a Set) -> Self {
        Self { set, kept: [const { None }; KEPT] }
    }

    /// The class of a site.
    ///
    /// # Errors
    ///
    /// The batch refuses it.
    ///
    /// # Safety
    ///
    /// As [`classify`], and the plans are filled.
    #[inline]
    pub(crate) unsafe fn of(&mut self, site: &Site) -> Result<&mut Known<'a>, Error> {
        let place = usize::from(site.op ^ u16::from(site.kind & KIND_MASK)) % KEPT;
        let Some(kept) = self.kept.get_mut(place) else { return Err(Error::new(Status::BadRecord)) };
        if kept.as_ref().is_none_or(|known| known.key != site.class()) {
            // SAFETY: (189) the caller's promise.
            *kept = Some(unsafe { Known::of(self.set, site) }?);
        }
        kept.as_mut().ok_or_else(|| Error::new(Status::BadRecord))
    }
}
