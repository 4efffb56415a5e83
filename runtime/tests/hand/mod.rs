//! A patch set written by hand, as the compiler would emit it, and functions with a site of every kind.

#[path = "../parts/mod.rs"]
mod parts;

use parts::{EMPTY, op, row};
use pvc_runtime::Set;
use pvc_runtime::table::*;
use std::ffi::{c_char, c_void};
use std::sync::atomic::{AtomicPtr, AtomicU32};

pub(crate) const OP_ANSWER: usize = 0;
pub(crate) const OP_TICK: usize = 1;
pub(crate) const OP_ID: usize = 2;
pub(crate) const OP_LEAVE: usize = 3;

pub(crate) static COUNTER: AtomicU32 = AtomicU32::new(0);

// The functions that contain the sites. RECORD label, op, length, kind, anchor.
core::arch::global_asm!(
    ".macro HAND_RECORD label, op, len, kind",
    ".pushsection pv_sites_hand,\"ao\",@progbits,\\label",
    ".p2align 2",
    "801: .long \\label - 801b",
    ".short \\op",
    ".byte \\len, \\kind",
    ".popsection",
    ".endm",
    ".pushsection .text.hand,\"ax\",@progbits",
    ".p2align 12", // sites, patcher and all else of a debug build may share pages; the edge below is certain
    "hand_text:",
    "hand_call_mem: push %rbp",
    ".Lhand_call_mem: call *{slots}+0(%rip)",
    "HAND_RECORD .Lhand_call_mem, 0, 6, 1",
    "pop %rbp",
    "ret",
    "hand_call_rel: push %rbp",
    ".Lhand_call_rel: call hand_trampoline",
    "HAND_RECORD .Lhand_call_rel, 0, 5, 0",
    "pop %rbp",
    "ret",
    "hand_trampoline: jmp *{slots}+0(%rip)",
    "hand_via_stub:",
    ".byte 0xe9",
    ".long hand_stub - . - 4",
    "hand_stub_back: ret",
    "hand_stub: lea -128(%rsp), %rsp",
    "push %rbp",
    "mov %rsp, %rbp",
    "and $-16, %rsp",
    "call *{slots}+0(%rip)",
    "leave",
    "lea 128(%rsp), %rsp",
    ".byte 0xe9",
    ".long hand_stub_back - . - 4",
    ".Lhand_stub_end:",
    "HAND_RECORD .Lhand_stub_end, 0, 5, 6",
    "hand_inline:",
    ".Lhand_inline: mov $1, %eax",
    "HAND_RECORD .Lhand_inline, 0, 5, 8",
    "ret",
    "hand_tick_nop:",
    ".Lhand_tick_nop: .byte 0x0f, 0x1f, 0x80, 0, 0, 0, 0",
    "HAND_RECORD .Lhand_tick_nop, 1, 7, 7",
    "ret",
    "hand_tick_call: push %rbp",
    ".Lhand_tick_call: call *{slots}+8(%rip)",
    "HAND_RECORD .Lhand_tick_call, 1, 6, 1",
    "pop %rbp",
    "ret",
    "hand_id: push %rbp",
    ".Lhand_id: call *{slots}+16(%rip)",
    "HAND_RECORD .Lhand_id, 2, 6, 1",
    "pop %rbp",
    "ret",
    "hand_leave:",
    ".Lhand_leave: jmp *{slots}+24(%rip)",
    "HAND_RECORD .Lhand_leave, 3, 6, 4",
    // A site across a page edge.
    ".skip 4096 - 4 - (. - hand_text), 0xcc",
    "hand_page_edge: push %rbp",
    ".Lhand_page_edge: call *{slots}+0(%rip)",
    "HAND_RECORD .Lhand_page_edge, 0, 6, 1",
    "pop %rbp",
    "ret",
    "hand_text_end:",
    "hand_default_answer: mov $1, %eax",
    "ret",
    "hand_default_tick: incl {counter}(%rip)",
    "ret",
    "hand_identity: mov %rdi, %rax",
    "ret",
    "hand_nop: ret",
    "hand_default_leave: mov $5, %eax",
    "ret",
    ".popsection",
    ".pushsection pv_sites_hand,\"aR\",@progbits",
    ".popsection",
    ".globl hand_call_mem, hand_call_rel, hand_via_stub, hand_inline, hand_tick_nop, hand_tick_call, hand_id",
    ".globl hand_leave, hand_page_edge, hand_text, hand_text_end, hand_default_answer, hand_default_tick",
    ".globl hand_identity, hand_nop, hand_default_leave, hand_trampoline, hand_stub",
    slots = sym SLOTS,
    counter = sym COUNTER,
    options(att_syntax)
);

unsafe extern "C" {
    #[link_name = "hand_call_mem"]
    pub(crate) safe fn via_call_mem() -> u64;
    #[link_name = "hand_call_rel"]
    pub(crate) safe fn via_call_rel() -> u64;
    #[link_name = "hand_via_stub"]
    pub(crate) safe fn via_stub() -> u64;
    #[link_name = "hand_inline"]
    pub(crate) safe fn via_inline() -> u64;
    #[link_name = "hand_page_edge"]
    pub(crate) safe fn via_page_edge() -> u64;
    #[link_name = "hand_tick_nop"]
    pub(crate) safe fn tick_nop();
    #[link_name = "hand_tick_call"]
    pub(crate) safe fn tick_call();
    #[link_name = "hand_id"]
    pub(crate) safe fn id(value: u64) -> u64;
    #[link_name = "hand_leave"]
    pub(crate) safe fn via_jmp_mem() -> u64;
    #[link_name = "hand_default_answer"]
    pub(crate) safe fn default_answer() -> u64;
    #[link_name = "hand_default_tick"]
    pub(crate) safe fn default_tick();
    #[link_name = "hand_identity"]
    pub(crate) safe fn identity(value: u64) -> u64;
    #[link_name = "hand_nop"]
    pub(crate) safe fn nop();
    #[link_name = "hand_default_leave"]
    pub(crate) safe fn default_leave() -> u64;
    fn hand_trampoline();
    fn hand_stub();
    static hand_text: u8;
    static hand_text_end: u8;
    #[link_name = "__start_pv_sites_hand"]
    static SITES: Site;
    #[link_name = "__stop_pv_sites_hand"]
    static SITES_END: Site;
}

/// The op's own default: not the identity function, although it does the same.
pub(crate) extern "C" fn default_id(value: u64) -> u64 {
    value
}

#[repr(C)]
struct Slots([AtomicPtr<()>; 4]);

static SLOTS: Slots = Slots([
    AtomicPtr::new(default_answer as *mut ()),
    AtomicPtr::new(default_tick as *mut ()),
    AtomicPtr::new(default_id as *mut ()),
    AtomicPtr::new(default_leave as *mut ()),
]);

pub(crate) fn slot(op: usize) -> &'static AtomicPtr<()> {
    &SLOTS.0[op]
}

#[rustfmt::skip]
static BYTES: [u8; 25] = [
    0xb8, 2, 0, 0, 0,               // answer, with feature `fast`: mov $2, %eax
    0xb8, 1, 0, 0, 0,               // answer: mov $1, %eax
    0xff, 0x05, 0, 0, 0, 0,         // tick: incl COUNTER(%rip)
    0x48, 0x89, 0xf8,               // id: mov %rdi, %rax
    0xb8, 9, 0, 0, 0, 0xc3,         // leave: mov $9, %eax; ret
];

static ROWS: [Row; 5] = [row(0, 5, 1), row(5, 5, 0), Row { nfixups: 1, ..row(10, 6, 0) }, row(16, 3, 0), row(19, 6, 0)];
static TERMS: [Term; 1] = [Term { all: 1, none: 0 }];
static FIXUPS: [Fixup; 1] =
    [Fixup { target: (&raw const COUNTER).cast(), addend: -4, offset: 2, kind: FIXUP_REL32, reserved: 0 }];
static FEATURES: [Feature; 1] = [Feature {
    name: c"fast".as_ptr(),
    leaf: 0,
    subleaf: 0,
    reg: 0,
    bit: 0,
    os: 0,
    source: SOURCE_DECLARED,
    reserved: 0,
}];

const OPS: [Op; 4] = [
    Op {
        trampoline: hand_trampoline as *const c_void,
        inline_row: 1,
        flags: OP_RESULT,
        ..op(c"answer", default_answer as *const c_void, (0, 2), (0, 4))
    },
    op(c"tick", default_tick as *const c_void, (2, 1), (4, 2)),
    Op { flags: OP_RESULT | OP_IDENTITY, ..op(c"id", default_id as *const c_void, (3, 1), (6, 1)) },
    Op { flags: OP_RESULT | OP_NORETURN, ..op(c"leave", default_leave as *const c_void, (4, 1), (7, 1)) },
];

static OPS_TABLE: [Op; 4] = OPS;

static PLANS: Scratch<[Plan; 8]> = Scratch::new([
    Plan::new(1, 6),
    Plan::new(0, 5),
    Plan::new(6, 5),
    Plan::new(8, 5),
    Plan::new(7, 7),
    Plan::new(1, 6),
    Plan::new(1, 6),
    Plan::new(4, 6),
]);
static APPLIED: Scratch<[*const c_void; 4]> = Scratch::new([core::ptr::null(); 4]);

const fn set_table() -> Table {
    Table {
        nops: 4,
        nrows: 5,
        nterms: 1,
        nfixups: 1,
        nfeatures: 1,
        nplans: 8,
        identity_row: 3,
        name: c"hand".as_ptr() as *const c_char,
        ops: (&raw const OPS_TABLE).cast(),
        rows: (&raw const ROWS).cast(),
        terms: (&raw const TERMS).cast(),
        fixups: (&raw const FIXUPS).cast(),
        features: (&raw const FEATURES).cast(),
        bytes: (&raw const BYTES).cast(),
        slots: (&raw const SLOTS).cast(),
        identity_fn: identity as *const c_void,
        nop_fn: nop as *const c_void,
        sites: &raw const SITES,
        sites_end: &raw const SITES_END,
        plans: PLANS.get().cast(),
        applied: APPLIED.get().cast(),
        ..EMPTY
    }
}

// SAFETY: the table above is what FORMAT.md says.
pub(crate) static SET: Set = unsafe { Set::new(set_table()) };

fn variant(change: impl FnOnce(&mut Table)) -> Set {
    let mut table = set_table();
    change(&mut table);
    // SAFETY: the cases change it within what FORMAT.md says.
    unsafe { Set::new(table) }
}

pub(crate) fn with_format(format: u32) -> Set {
    variant(|table| table.format = format)
}

pub(crate) fn with_mode(mode: u8) -> Set {
    variant(|table| table.mode = mode)
}

pub(crate) fn without_sites() -> Set {
    variant(|table| table.sites_end = table.sites)
}

/// Records name an op that the table does not have.
pub(crate) fn with_bad_op() -> Set {
    variant(|table| table.nops = 3)
}

pub(crate) fn with_nocall(id: usize) -> Set {
    let mut ops = OPS;
    ops[id].flags |= OP_NOCALL;
    let ops: &'static [Op] = Vec::leak(ops.to_vec());
    variant(|table| table.ops = ops.as_ptr())
}

/// All bytes of the functions with sites.
pub(crate) fn text() -> Vec<u8> {
    let (start, end) = (&raw const hand_text, &raw const hand_text_end);
    // SAFETY: two labels of one section; read as volatile bytes because the patcher changes them.
    (start.addr()..end.addr()).map(|at| unsafe { (at as *const u8).read_volatile() }).collect()
}

/// Address of the site across the page edge.
pub(crate) fn last_site() -> usize {
    via_page_edge as *const () as usize + 1
}

/// Address of the stub.
pub(crate) fn stub() -> usize {
    hand_stub as *const () as usize
}

/// Changes text as a debugger does.
pub(crate) fn poke(at: usize, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
    memory.write_all_at(bytes, at as u64).unwrap();
}
