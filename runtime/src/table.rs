//! The table format of `FORMAT.md`, version 2: what generated tables and this crate agree on.
//!
//! Every type is `repr(C)`, in native byte order and pointer width, and equal to the C struct of the same name
//! (`struct pv_site` is [`Site`]). Generated code fills them in; programs only pass a [`Set`](crate::Set) on.

use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Version of the format that this crate reads: the value of [`Table::format`].
pub const FORMAT: u32 = 2;
/// Longest site, in bytes.
pub const MAX_SITE: usize = 64;
/// "None" in the 16-bit row indices.
pub const NONE: u16 = 0xffff;
/// PC-relative fields that one plan can have.
pub const MAX_REL: usize = 4;

/// The low nibble of [`Site::kind`]: the kind code.
pub const KIND_MASK: u8 = 0x0f;
/// Flag in [`Site::kind`]: no stack here, so no call may be written.
pub const SITE_NOCALL: u8 = 0x10;
/// Flag in [`Site::kind`]: may be changed while other CPUs run through it.
pub const SITE_LIVE: u8 = 0x20;

/// One site record: 8 bytes in section `pv_sites_NAME`, which promises no alignment.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Address of this field + `disp` = the anchor: the site, or for a stub kind the end of its stub.
    pub disp: i32,
    /// Op id: index into [`Table::ops`] and into the ops structure.
    pub op: u16,
    /// Length of the site in bytes, 1 to [`MAX_SITE`].
    pub len: u8,
    /// Kind code and flags.
    pub kind: u8,
}

impl Site {
    /// Op, length and kind: equal for the sites of one class.
    pub(crate) fn class(&self) -> u32 {
        u32::from(self.op) | u32::from(self.len) << 16 | u32::from(self.kind) << 24
    }

    /// The anchor: address of the site, or for a stub kind of the end of its stub. Only of a record where the linker put it.
    ///
    /// ```
    /// # fn show(set: &pvc_runtime::Set) {
    /// for site in set.sites() {
    ///     let (op, len) = (site.op, site.len);
    ///     println!("{} at {:#x}, {len} bytes", set.op_name(op), site.anchor());
    /// }
    /// # }
    /// ```
    pub fn anchor(&self) -> usize {
        (&raw const self.disp).addr().wrapping_add_signed(self.disp as isize)
    }
}

/// [`Kind::operand`]: nothing follows the opcode; the original bytes come from the op.
pub const OPERAND_NONE: u8 = 0;
/// [`Kind::operand`]: rel32 to [`Op::trampoline`].
pub const OPERAND_TRAMPOLINE: u8 = 1;
/// [`Kind::operand`]: rel32 to the op's slot.
pub const OPERAND_SLOT_REL: u8 = 2;
/// [`Kind::operand`]: abs32 of the op's slot.
pub const OPERAND_SLOT_ABS: u8 = 3;
/// [`Kind::operand`]: rel32 to the site's own stub.
pub const OPERAND_STUB: u8 = 4;

/// A kind of site: what stands there before patching.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// First bytes of the original form.
    pub opcode: [u8; 4],
    /// How many of them.
    pub opcode_len: u8,
    /// Length of such a site; 0 when each record says its own.
    pub len: u8,
    /// `OPERAND_*`.
    pub operand: u8,
    /// `0xe8` or `0xe9`, the opcode of the direct form; 0 when the site cannot hold one.
    pub direct: u8,
}

/// One term of a row's condition: holds if `(features & all) == all && (features & none) == 0`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Term {
    /// Features that must be present.
    pub all: u64,
    /// Features that must be absent.
    pub none: u64,
}

/// [`Fixup::kind`]: 8 bits, relative to the field.
pub const FIXUP_REL8: u8 = 0;
/// [`Fixup::kind`]: 32 bits, relative to the field.
pub const FIXUP_REL32: u8 = 1;
/// [`Fixup::kind`]: 32 bits, absolute, zero-extended.
pub const FIXUP_ABS32: u8 = 2;
/// [`Fixup::kind`]: 32 bits, absolute, sign-extended.
pub const FIXUP_ABS32S: u8 = 3;
/// [`Fixup::kind`]: 64 bits, absolute.
pub const FIXUP_ABS64: u8 = 4;
/// [`Fixup::kind`]: 8 bits, absolute.
pub const FIXUP_ABS8: u8 = 5;
/// [`Fixup::kind`]: 16 bits, absolute.
pub const FIXUP_ABS16: u8 = 6;

/// A field of a row that holds an address. Relative fields get `target + addend - address of the field`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Fixup {
    /// The symbol.
    pub target: *const c_void,
    /// Added to it.
    pub addend: i32,
    /// Offset of the field in the row's bytes.
    pub offset: u8,
    /// `FIXUP_*`.
    pub kind: u8,
    /// 0.
    pub reserved: u16,
}

/// One variant of an op.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Offset into [`Table::bytes`].
    pub bytes: u32,
    /// Length in bytes.
    pub len: u8,
    /// 0.
    pub flags: u8,
    /// First of the condition's terms: the row may be used if any of them holds.
    pub term: u16,
    /// Number of terms; 0 means unconditional.
    pub nterms: u16,
    /// First fixup.
    pub fixup: u16,
    /// Number of fixups.
    pub nfixups: u16,
}

/// [`Op::flags`]: has a result, or does not return; a no-op backend is then an ordinary call.
pub const OP_RESULT: u16 = 1;
/// [`Op::flags`]: its sites may be changed while they run.
pub const OP_LIVE: u16 = 2;
/// [`Op::flags`]: no stack at its sites.
pub const OP_NOCALL: u16 = 4;
/// [`Op::flags`]: control does not come back.
pub const OP_NORETURN: u16 = 8;
/// [`Op::flags`]: one word in, one word out; the identity function may be replaced by the identity row.
pub const OP_IDENTITY: u16 = 16;
/// [`Op::flags`]: may have no row for this machine.
pub const OP_PARTIAL: u16 = 32;

/// One op: its names, functions and rows.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// Dotted name, NUL-terminated.
    pub name: *const c_char,
    /// Initial value of the op's slot.
    pub default_fn: *const c_void,
    /// Target of `call.rel` and `jmp.rel` sites, or null.
    pub trampoline: *const c_void,
    /// First row, in order of preference.
    pub row: u16,
    /// Number of rows.
    pub nrows: u16,
    /// Row that an `inline` site holds, or [`NONE`].
    pub inline_row: u16,
    /// First plan: one per class (kind, length) of sites that this op can have.
    pub plan: u16,
    /// Number of plans.
    pub nplans: u16,
    /// `OP_*`.
    pub flags: u16,
}

/// [`Feature::source`]: read from CPUID.
pub const SOURCE_CPUID: u8 = 0;
/// [`Feature::source`]: said by the program.
pub const SOURCE_DECLARED: u8 = 1;

/// [`Feature::os`]: needs nothing of the operating system.
pub const OS_NONE: u8 = 0;
/// [`Feature::os`]: needs FXSAVE state.
pub const OS_SSE: u8 = 1;
/// [`Feature::os`]: XCR0 bits 1 and 2.
pub const OS_AVX: u8 = 2;
/// [`Feature::os`]: XCR0 bits 1, 2, 5, 6 and 7.
pub const OS_AVX512: u8 = 3;
/// [`Feature::os`]: XCR0 bits 17 and 18.
pub const OS_AMX: u8 = 4;

/// One feature that conditions can name; feature `i` is bit `i` of the feature word.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Name, NUL-terminated.
    pub name: *const c_char,
    /// CPUID leaf.
    pub leaf: u32,
    /// CPUID subleaf.
    pub subleaf: u32,
    /// Register of the answer: 0 eax, 1 ebx, 2 ecx, 3 edx.
    pub reg: u8,
    /// Bit of that register.
    pub bit: u8,
    /// `OS_*`: what the operating system must have enabled as well.
    pub os: u8,
    /// `SOURCE_*`.
    pub source: u8,
    /// 0.
    pub reserved: u32,
}

/// [`Plan::action`]: nothing was planned yet.
pub const ACTION_NONE: u8 = 0;
/// [`Plan::action`]: `bytes` go to the anchor.
pub const ACTION_SITE: u8 = 1;
/// [`Plan::action`]: `bytes` go to the site of a stub kind; its stub stays.
pub const ACTION_STUB_SITE: u8 = 2;
/// [`Plan::action`]: the site gets its `jmp` to the stub, and `bytes` go to the stub's call.
pub const ACTION_STUB_CALL: u8 = 3;

/// What the sites of one class become: scratch that the patcher fills.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kind code without flags; filled at build time.
    pub kind: u8,
    /// Site length; filled at build time.
    pub len: u8,
    /// `ACTION_*`.
    pub action: u8,
    /// Number of PC-relative fields in `bytes`.
    pub nrel: u8,
    /// Their offsets.
    pub rel_offset: [u8; MAX_REL],
    /// Their widths in bytes, 1 or 4.
    pub rel_width: [u8; MAX_REL],
    /// Their targets with the addend: field = target - address of the field.
    pub rel_target: [*const c_void; MAX_REL],
    /// The full site, padded.
    pub bytes: [u8; MAX_SITE],
}

impl Plan {
    /// An unfilled plan for the sites of this kind code and length.
    pub const fn new(kind: u8, len: u8) -> Self {
        Self {
            kind,
            len,
            action: ACTION_NONE,
            nrel: 0,
            rel_offset: [0; MAX_REL],
            rel_width: [0; MAX_REL],
            rel_target: [core::ptr::null(); MAX_REL],
            bytes: [0; MAX_SITE],
        }
    }
}

/// One record of a static branch: 12 bytes in section `pv_branches_NAME`, which promises no alignment.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub struct BranchSite {
    /// Address of this field + `site` = the site.
    pub site: i32,
    /// Address of this field + `target` = where the site's jump leads.
    pub target: i32,
    /// Index into [`Table::branches`].
    pub branch: u16,
    /// Length of the site: 5, or 2 where the target is near.
    pub len: u8,
    /// [`BRANCH_JUMPS_IF`], [`SITE_LIVE`].
    pub flags: u8,
}

/// Bit in [`BranchSite::flags`]: the value for which the site jumps; it holds NOPs for the other.
pub const BRANCH_JUMPS_IF: u8 = 1;

impl BranchSite {
    /// Address of the site. Only of a record where the linker put it.
    pub fn address(&self) -> usize {
        (&raw const self.site).addr().wrapping_add_signed(self.site as isize)
    }

    /// Where its jump leads. Only of a record where the linker put it.
    pub fn target_address(&self) -> usize {
        (&raw const self.target).addr().wrapping_add_signed(self.target as isize)
    }
}

/// [`Branch::flags`]: may be changed while other CPUs run through its sites.
pub const BRANCH_LIVE: u8 = 1;

/// One static branch.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    /// Dotted name, NUL-terminated.
    pub name: *const c_char,
    /// Its value in the code that the compiler made: 0 or 1.
    pub initial: u8,
    /// `BRANCH_*`.
    pub flags: u8,
    /// 0.
    pub reserved: u16,
}

/// The changing part of a static branch, one byte each. Programs go through [`Branch`](crate::Branch).
#[repr(C)]
#[derive(Debug)]
pub struct BranchState {
    /// The value that the program asks for.
    wanted: AtomicU8,
    /// What the running batch makes of it.
    goal: AtomicU8,
    /// The value that its sites have now.
    held: AtomicU8,
    /// Whether the running batch has to write one of its sites.
    changed: AtomicU8,
}

/// What the leaf of user space reads and writes.
#[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
impl BranchState {
    /// Offset of the goal.
    pub(crate) const GOAL: usize = core::mem::offset_of!(Self, goal);
    /// Offset of the mark of a change.
    pub(crate) const CHANGED: usize = core::mem::offset_of!(Self, changed);
}

impl BranchState {
    /// The state of a branch with this first value.
    pub const fn new(initial: u8) -> Self {
        Self {
            wanted: AtomicU8::new(initial),
            goal: AtomicU8::new(initial),
            held: AtomicU8::new(initial),
            changed: AtomicU8::new(0),
        }
    }

    pub(crate) fn want(&self, value: bool) -> bool {
        self.wanted.swap(u8::from(value), Relaxed) != 0
    }

    /// Fixes what the batch that begins makes of it: `value`, or what is wanted now.
    pub(crate) fn aim(&self, value: Option<u8>) {
        self.goal.store(value.unwrap_or_else(|| self.wanted.load(Relaxed)), Relaxed);
        self.changed.store(0, Relaxed);
    }

    pub(crate) fn goal(&self) -> u8 {
        self.goal.load(Relaxed)
    }

    pub(crate) fn held(&self) -> u8 {
        self.held.load(Relaxed)
    }

    pub(crate) fn changed(&self) -> bool {
        self.changed.load(Relaxed) != 0
    }

    pub(crate) fn mark(&self) {
        self.changed.store(1, Relaxed);
    }

    /// The batch was written.
    pub(crate) fn reach(&self) {
        self.held.store(self.goal(), Relaxed);
    }
}

/// The root of the table (`struct pv_set`); [`Set`](crate::Set) is the checked handle on it.
#[repr(C)]
#[derive(Debug)]
pub struct Table {
    /// [`FORMAT`].
    pub format: u32,
    /// 64 or 32.
    pub mode: u8,
    /// Length of `stub` in bytes.
    pub stub_len: u8,
    /// Offset of the call in it.
    pub stub_call: u8,
    /// Number of kinds.
    pub nkinds: u8,
    /// Number of ops.
    pub nops: u16,
    /// Number of rows.
    pub nrows: u16,
    /// Number of terms.
    pub nterms: u16,
    /// Number of fixups.
    pub nfixups: u16,
    /// Number of features, at most 64.
    pub nfeatures: u16,
    /// Number of plans.
    pub nplans: u16,
    /// Row that stands for "returns its argument", or [`NONE`].
    pub identity_row: u16,
    /// Number of static branches.
    pub nbranches: u16,
    /// Name of the set, NUL-terminated.
    pub name: *const c_char,
    /// Ops, by id.
    pub ops: *const Op,
    /// Rows of all ops.
    pub rows: *const Row,
    /// Terms of all conditions.
    pub terms: *const Term,
    /// Fixups of all rows.
    pub fixups: *const Fixup,
    /// Features, by bit.
    pub features: *const Feature,
    /// Kinds, by code.
    pub kinds: *const Kind,
    /// Bytes of all rows.
    pub bytes: *const u8,
    /// The stub with its fields zero.
    pub stub: *const u8,
    /// The ops structure: slot `i` belongs to op `i`.
    pub slots: *const *const c_void,
    /// The set's identity function.
    pub identity_fn: *const c_void,
    /// The set's no-op function.
    pub nop_fn: *const c_void,
    /// First site record: `__start_pv_sites_NAME`.
    pub sites: *const Site,
    /// End of the site records: `__stop_pv_sites_NAME`.
    pub sites_end: *const Site,
    /// Writable scratch, `nplans` of them.
    pub plans: *mut Plan,
    /// Writable, one per op: the call target last written into its sites, or null.
    pub applied: *mut *const c_void,
    /// Static branches, by index.
    pub branches: *const Branch,
    /// First record of a static branch: `__start_pv_branches_NAME`.
    pub branch_sites: *const BranchSite,
    /// End of these records: `__stop_pv_branches_NAME`.
    pub branch_sites_end: *const BranchSite,
    /// What changes of each static branch.
    pub branch_states: *const BranchState,
}

// SAFETY: (1) the pointers of a table are constants that name statics; sharing them between threads moves no data. The two
// writable areas (`plans`, `applied`) are touched only by the unsafe patching functions, whose callers promise that
// nobody else patches the set meanwhile.
unsafe impl Sync for Table {}
// SAFETY: (2) as (1); these occur inside statics of generated code.
unsafe impl Sync for Op {}
// SAFETY: (3) as (1).
unsafe impl Sync for Fixup {}
// SAFETY: (4) as (1).
unsafe impl Sync for Feature {}
// SAFETY: (190) as (1).
unsafe impl Sync for Branch {}

/// The address of a name for the table. It must end with a NUL: anything else does not compile.
///
/// ```
/// const NAME: *const core::ffi::c_char = pvc_runtime::table::name(b"irq.save_fl\0");
/// ```
pub const fn name(text: &'static [u8]) -> *const c_char {
    assert!(matches!(text, [.., 0]), "names in a table end with NUL");
    text.as_ptr().cast()
}

/// Writable area of a generated table (plans and last applied targets), shared only with the patcher.
#[repr(transparent)]
#[derive(Debug)]
pub struct Scratch<T>(core::cell::UnsafeCell<T>);

impl<T> Scratch<T> {
    /// An area with this initial value.
    pub const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Its address.
    pub const fn get(&self) -> *mut T {
        self.0.get()
    }
}

// SAFETY: (5) as (1): only the patcher, whose callers promise exclusiveness, goes through the pointer.
unsafe impl<T> Sync for Scratch<T> {}

// The layout that FORMAT.md fixes, for 64-bit tables; a change of a field shows here first.
#[cfg(target_pointer_width = "64")]
const _: () = {
    use core::mem::{offset_of, size_of};
    assert!(size_of::<Site>() == 8 && size_of::<Kind>() == 8 && size_of::<Term>() == 16);
    assert!(size_of::<Fixup>() == 16 && size_of::<Row>() == 16 && size_of::<Op>() == 40);
    assert!(size_of::<Feature>() == 24 && size_of::<Plan>() == 112 && size_of::<Table>() == 184);
    assert!(offset_of!(Plan, rel_target) == 16 && offset_of!(Plan, bytes) == 48);
    assert!(size_of::<BranchSite>() == 12 && size_of::<Branch>() == 16 && size_of::<BranchState>() == 4);
    assert!(offset_of!(Table, name) == 24 && offset_of!(Table, sites) == 120);
};
