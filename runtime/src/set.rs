//! The handle on a generated table, and the slices that its pointers and counts stand for.

use crate::table::{Branch, BranchSite, BranchState, Feature, Fixup, Kind, Op, Plan, Row, Site, Table, Term};
use core::ffi::{CStr, c_char, c_void};
use core::slice::from_raw_parts;

/// A patch set whose table is sound.
///
/// Generated Rust has one as `NAME::SET`; a table that generated C defines is declared as
/// `unsafe extern "C" { static pv_NAME_set: pvc_runtime::Set; }`.
#[repr(transparent)]
#[derive(Debug)]
pub struct Set(Table);

impl Set {
    /// Takes a table on trust.
    ///
    /// # Safety
    ///
    /// Every pointer of `table` is null or names as many elements as the count that `FORMAT.md` pairs with it, for the
    /// whole life of the program; names are NUL-terminated; `plans` and `applied` are writable, and nothing but the
    /// patcher uses them; the site records belong to this set and to code that is mapped.
    pub const unsafe fn new(table: Table) -> Self {
        Self(table)
    }

    /// The table itself.
    pub const fn table(&self) -> &Table {
        &self.0
    }

    /// The set's name.
    ///
    /// ```
    /// # fn show(set: &pvc_runtime::Set) {
    /// println!("patch set {}", set.name());
    /// # }
    /// ```
    pub fn name(&self) -> &str {
        text(self.0.name)
    }

    /// Name of an op: `irq.save_fl`. Empty for an id that the set does not have.
    pub fn op_name(&self, op: u16) -> &str {
        self.ops().get(usize::from(op)).map_or("", |op| text(op.name))
    }

    /// Name of the feature of this bit. Empty for a bit that the set does not use.
    pub fn feature_name(&self, bit: u8) -> &str {
        self.features().get(usize::from(bit)).map_or("", |feature| text(feature.name))
    }

    /// Name of a static branch: `trace.enabled`. Empty for an index that the set does not have.
    pub fn branch_name(&self, branch: u16) -> &str {
        self.branches().get(usize::from(branch)).map_or("", |branch| text(branch.name))
    }

    pub(crate) fn branches(&self) -> &[Branch] {
        slice(self.0.branches, self.0.nbranches)
    }

    pub(crate) fn branch_states(&self) -> &[BranchState] {
        slice(self.0.branch_states, self.0.nbranches)
    }

    pub(crate) fn branch_state(&self, branch: u16) -> Option<&BranchState> {
        self.branch_states().get(usize::from(branch))
    }

    /// The records of static branches, in the order that the linker left.
    pub fn branch_sites(&self) -> &[BranchSite] {
        records(self.0.branch_sites, self.0.branch_sites_end)
    }

    pub(crate) fn ops(&self) -> &[Op] {
        slice(self.0.ops, self.0.nops)
    }

    pub(crate) fn rows(&self) -> &[Row] {
        slice(self.0.rows, self.0.nrows)
    }

    pub(crate) fn row(&self, index: u16) -> Option<&Row> {
        self.rows().get(usize::from(index))
    }

    pub(crate) fn row_bytes(&self, row: &Row) -> &[u8] {
        // SAFETY: (9) `Set::new`: a row's bytes lie in `bytes`, which has no count of its own.
        unsafe { from_raw_parts(self.0.bytes.add(row.bytes as usize), usize::from(row.len)) }
    }

    pub(crate) fn terms(&self, row: &Row) -> &[Term] {
        part(slice(self.0.terms, self.0.nterms), row.term, row.nterms)
    }

    pub(crate) fn row_fixups(&self, row: &Row) -> &[Fixup] {
        part(slice(self.0.fixups, self.0.nfixups), row.fixup, row.nfixups)
    }

    pub(crate) fn features(&self) -> &[Feature] {
        slice(self.0.features, self.0.nfeatures)
    }

    pub(crate) fn kind(&self, code: u8) -> Option<&Kind> {
        slice(self.0.kinds, u16::from(self.0.nkinds)).get(usize::from(code))
    }

    pub(crate) fn stub(&self) -> &[u8] {
        slice(self.0.stub, u16::from(self.0.stub_len))
    }

    /// The site records, in the order that the linker left.
    pub fn sites(&self) -> &[Site] {
        records(self.0.sites, self.0.sites_end)
    }

    /// Address of an op's slot.
    pub(crate) fn slot(&self, op: u16) -> *const *const c_void {
        self.0.slots.wrapping_add(usize::from(op))
    }

    /// What is installed in an op's slot now.
    pub(crate) fn installed(&self, op: u16) -> *const c_void {
        // SAFETY: (11) the caller found `op` among the ops, and `Set::new` says that there is a slot for each; volatile, because
        // the program stores to it through atomics of its own.
        unsafe { self.slot(op).read_volatile() }
    }

    /// Stores to an op's slot.
    ///
    /// # Safety
    ///
    /// `op` is one of the set's; the function keeps its contract.
    #[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
    pub(crate) unsafe fn install(&self, op: u16, function: &*const c_void) {
        let slot = self.slot(op).cast::<core::sync::atomic::AtomicPtr<c_void>>();
        // SAFETY: (134) as (11); slots are atomics of the program.
        unsafe { &*slot }.store(function.cast_mut(), core::sync::atomic::Ordering::Release);
    }

    pub(crate) fn applied(&self, op: u16) -> *const c_void {
        // SAFETY: (12) as (11); only the patcher touches this array, and its callers promise that one runs at a time.
        unsafe { self.0.applied.add(usize::from(op)).read() }
    }

    pub(crate) fn set_applied(&self, op: u16, target: *const c_void) {
        // SAFETY: (13) as (12).
        unsafe { self.0.applied.add(usize::from(op)).write(target) }
    }

    /// The plans of an op.
    ///
    /// # Safety
    ///
    /// The caller patches this set alone, and drops the slice before it asks for the next one.
    #[allow(
        clippy::mut_from_ref,
        reason = "the plans are the patcher's scratch area; exclusiveness is its callers' promise"
    )]
    pub(crate) unsafe fn plans(&self, op: &Op) -> &mut [Plan] {
        let end = u32::from(op.plan) + u32::from(op.nplans);
        if end > u32::from(self.0.nplans) || op.nplans == 0 {
            return &mut [];
        }
        // SAFETY: (14) in bounds by the check above; exclusive by the caller's promise.
        unsafe { core::slice::from_raw_parts_mut(self.0.plans.add(usize::from(op.plan)), usize::from(op.nplans)) }
    }
}

/// The records of one section.
fn records<'a, T>(first: *const T, end: *const T) -> &'a [T] {
    let count = end.addr().wrapping_sub(first.addr()) / size_of::<T>();
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: (10) `Set::new`: the two are the ends of one section of records.
    unsafe { from_raw_parts(first, count) }
}

/// The elements that a pointer and a count of the table stand for.
fn slice<'a, T>(first: *const T, count: u16) -> &'a [T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: (15) `Set::new`: the pointer names that many elements for the life of the program.
    unsafe { from_raw_parts(first, usize::from(count)) }
}

fn part<T>(all: &[T], first: u16, count: u16) -> &[T] {
    let first = usize::from(first);
    all.get(first..first.wrapping_add(usize::from(count))).unwrap_or(&[])
}

fn text<'a>(name: *const c_char) -> &'a str {
    if name.is_null() {
        return "";
    }
    // SAFETY: (16) `Set::new`: names are NUL-terminated and live as long as the program.
    unsafe { CStr::from_ptr(name) }.to_str().unwrap_or("?")
}
