//! A live patch set written by hand, as the compiler would emit it: sites at every offset of a cache line, across a page edge,
//! of every kind; each holds one number or another, and a mix of the two forms is a third number.

use crate::parts::{EMPTY, op, row};
use pvc_runtime::table::*;
use pvc_runtime::{Features, Set};
use std::ffi::{CStr, c_void};
use std::sync::atomic::AtomicPtr;

/// With this feature the sites hold [`SECOND`], and those of `call` and `fixed` their rows.
pub(crate) const TWO: Features = Features(1);
/// With this one they hold [`FIRST`], and those of `call` and `fixed` still their rows.
pub(crate) const ONE: Features = Features(2);
pub(crate) const FIRST: u64 = 0x1111_1111_1111_1111;
pub(crate) const SECOND: u64 = 0x2222_2222_2222_2222;

/// Sites of `value`, one function each: at all 64 offsets of a cache line, then with 1 to 9 bytes before a page edge.
pub(crate) const VALUES: usize = 64 + 9;
/// Kind of a site that is a jump to a stub, and its length with the `ret` and the stub behind it: the record leads to their end.
pub(crate) const STUBBED: u8 = 6;
pub(crate) const STUBBED_LEN: usize = 5 + 1 + 33;
/// Functions with an aligned site of `word`.
pub(crate) const WORDS: usize = 16;

// RECORD label, op, length, kind. Every function is its site and `ret`, padded with traps.
core::arch::global_asm!(
    ".macro LIVE_RECORD label, op, len, kind",
    ".pushsection pv_sites_live,\"ao\",@progbits,\\label",
    ".p2align 2",
    "801: .long \\label - 801b",
    ".short \\op",
    ".byte \\len, \\kind",
    ".popsection",
    ".endm",
    ".altmacro",
    ".macro LIVE_VALUE name",
    "live_value_\\name:",
    ".Llive_value_\\name: movabs $0x1111111111111111, %rax",
    "ret",
    "LIVE_RECORD .Llive_value_\\name, 0, 10, 0x28",
    ".endm",
    ".macro LIVE_LINE n",
    ".p2align 6, 0xcc",
    ".skip \\n, 0xcc",
    "LIVE_VALUE line\\n",
    ".endm",
    ".macro LIVE_EDGE n",
    ".p2align 12, 0xcc",
    ".skip 4096 - \\n, 0xcc",
    "LIVE_VALUE edge\\n",
    ".endm",
    ".macro LIVE_WORD n",
    ".p2align 3, 0xcc",
    ".skip \\n & 3, 0xcc",
    "live_word_\\n:",
    ".Llive_word_\\n: mov $0x11111111, %eax",
    "ret",
    "LIVE_RECORD .Llive_word_\\n, 1, 5, 0x28",
    ".endm",
    ".macro LIVE_ADDRESS prefix, n",
    ".quad live_\\prefix\\n",
    ".endm",
    ".pushsection .text.live,\"ax\",@progbits",
    ".p2align 12",
    "live_text:",
    ".set n, 0",
    ".rept 64",
    "LIVE_LINE %n",
    ".set n, n + 1",
    ".endr",
    ".set n, 1",
    ".rept 9",
    "LIVE_EDGE %n",
    ".set n, n + 1",
    ".endr",
    ".set n, 0",
    ".rept 16",
    "LIVE_WORD %n",
    ".set n, n + 1",
    ".endr",
    // A row shorter than its site, and a call. The stack is misaligned before the site and right in the callee.
    ".p2align 6, 0xcc",
    ".skip 61, 0xcc",
    "live_call: push %rbp",
    ".Llive_call: call *{slots}+16(%rip)",
    "LIVE_RECORD .Llive_call, 2, 6, 0x21",
    "pop %rbp",
    "ret",
    "live_stubbed:",
    ".byte 0xe9",
    ".long live_stub - . - 4",
    "live_stub_back: ret",
    "live_stub: lea -128(%rsp), %rsp",
    "push %rbp",
    "mov %rsp, %rbp",
    "and $-16, %rsp",
    "call *{slots}+16(%rip)",
    "leave",
    "lea 128(%rsp), %rsp",
    ".byte 0xe9",
    ".long live_stub_back - . - 4",
    ".Llive_stub_end:",
    "LIVE_RECORD .Llive_stub_end, 2, 5, 0x26",
    // Not live.
    "live_fixed: push %rbp",
    ".Llive_fixed: call *{slots}+24(%rip)",
    "LIVE_RECORD .Llive_fixed, 3, 6, 0x01",
    "pop %rbp",
    "ret",
    "live_text_end:",
    "live_default_call: mov $3, %eax",
    "ret",
    "live_backend_call: mov $4, %eax",
    "ret",
    "live_default_fixed: mov $7, %eax",
    "ret",
    ".popsection",
    ".pushsection .data.rel.ro.live,\"aw\",@progbits",
    ".p2align 3",
    "live_values:",
    ".set n, 0",
    ".rept 64",
    "LIVE_ADDRESS value_line, %n",
    ".set n, n + 1",
    ".endr",
    ".set n, 1",
    ".rept 9",
    "LIVE_ADDRESS value_edge, %n",
    ".set n, n + 1",
    ".endr",
    "live_words:",
    ".set n, 0",
    ".rept 16",
    "LIVE_ADDRESS word_, %n",
    ".set n, n + 1",
    ".endr",
    ".popsection",
    ".noaltmacro",
    ".globl live_values, live_words, live_call, live_stubbed, live_text, live_text_end",
    ".globl live_default_call, live_backend_call, live_default_fixed",
    slots = sym SLOTS,
    options(att_syntax)
);

unsafe extern "C" {
    static live_values: [extern "C" fn() -> u64; VALUES];
    static live_words: [extern "C" fn() -> u32; WORDS];
    #[link_name = "live_call"]
    pub(crate) safe fn via_call() -> u32;
    #[link_name = "live_stubbed"]
    pub(crate) safe fn via_stub() -> u32;
    #[link_name = "live_default_call"]
    pub(crate) safe fn default_call() -> u32;
    #[link_name = "live_backend_call"]
    pub(crate) safe fn backend_call() -> u32;
    #[link_name = "live_default_fixed"]
    pub(crate) safe fn default_fixed() -> u32;
    static live_text: u8;
    static live_text_end: u8;
    #[link_name = "__start_pv_sites_live"]
    static SITES: Site;
    #[link_name = "__stop_pv_sites_live"]
    static SITES_END: Site;
}

/// The functions with a site of `value`.
pub(crate) fn values() -> &'static [extern "C" fn() -> u64; VALUES] {
    // SAFETY: defined above, with as many addresses.
    unsafe { &live_values }
}

/// The functions with a site of `word`.
pub(crate) fn words() -> &'static [extern "C" fn() -> u32; WORDS] {
    // SAFETY: as above.
    unsafe { &live_words }
}

extern "C" fn unused() -> u64 {
    0
}

#[repr(C)]
pub(crate) struct Slots(pub(crate) [AtomicPtr<()>; 4]);

pub(crate) static SLOTS: Slots = Slots([
    AtomicPtr::new(unused as *mut ()),
    AtomicPtr::new(unused as *mut ()),
    AtomicPtr::new(default_call as *mut ()),
    AtomicPtr::new(default_fixed as *mut ()),
]);

#[rustfmt::skip]
static BYTES: [u8; 32] = [
    0x48, 0xb8, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, // value, with feature `two`
    0x48, 0xb8, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
    0xb8, 0x22, 0x22, 0x22, 0x22,                               // word, with feature `two`
    0xb8, 0x11, 0x11, 0x11, 0x11,
    0x31, 0xc0,                                                 // fixed, with feature `two`: xor %eax, %eax
];

// The row of `call` is that of `word` without the feature: five bytes for its site of six.
static ROWS: [Row; 6] = [row(0, 10, 1), row(10, 10, 0), row(20, 5, 1), row(25, 5, 0), row(25, 5, 2), row(30, 2, 2)];
static TERMS: [Term; 2] = [Term { all: TWO.0, none: 0 }, Term { all: ONE.0, none: 0 }];

const fn live_op(name: &'static CStr, default_fn: *const c_void, rows: (u16, u16), plans: (u16, u16)) -> Op {
    Op { flags: OP_RESULT | OP_LIVE, ..op(name, default_fn, rows, plans) }
}

static OPS: [Op; 4] = [
    Op { inline_row: 1, ..live_op(c"value", unused as *const c_void, (0, 2), (0, 1)) },
    Op { inline_row: 3, ..live_op(c"word", unused as *const c_void, (2, 2), (1, 1)) },
    live_op(c"call", default_call as *const c_void, (4, 1), (2, 2)),
    Op { flags: OP_RESULT, ..op(c"fixed", default_fixed as *const c_void, (5, 1), (4, 1)) },
];
static PLANS: Scratch<[Plan; 5]> =
    Scratch::new([Plan::new(8, 10), Plan::new(8, 5), Plan::new(1, 6), Plan::new(6, 5), Plan::new(1, 6)]);
static APPLIED: Scratch<[*const c_void; 4]> = Scratch::new([std::ptr::null(); 4]);

// SAFETY: the table is what FORMAT.md says.
pub(crate) static SET: Set = unsafe {
    Set::new(Table {
        nops: 4,
        nrows: 6,
        nterms: 2,
        nplans: 5,
        name: c"live".as_ptr(),
        ops: (&raw const OPS).cast(),
        rows: (&raw const ROWS).cast(),
        terms: (&raw const TERMS).cast(),
        bytes: (&raw const BYTES).cast(),
        slots: (&raw const SLOTS).cast(),
        sites: &raw const SITES,
        sites_end: &raw const SITES_END,
        plans: PLANS.get().cast(),
        applied: APPLIED.get().cast(),
        ..EMPTY
    })
};

/// Sites that the set records.
pub(crate) const SITE_COUNT: usize = VALUES + WORDS + 3;

/// The set without any site but those of `word`.
pub(crate) fn words_alone() -> Set {
    // SAFETY: `Table` is plain data.
    let mut table = unsafe { std::ptr::read(SET.table()) };
    table.sites = table.sites.wrapping_add(VALUES);
    table.sites_end = table.sites.wrapping_add(WORDS);
    // SAFETY: a part of the records of a sound table.
    unsafe { Set::new(table) }
}

/// Address of the first of them.
pub(crate) fn start() -> usize {
    (&raw const live_text).addr()
}

/// All bytes of the functions with sites.
pub(crate) fn text() -> Vec<u8> {
    let (start, end) = (&raw const live_text, &raw const live_text_end);
    // SAFETY: two labels of one section; volatile because the patcher changes it.
    (start.addr()..end.addr()).map(|at| unsafe { (at as *const u8).read_volatile() }).collect()
}
