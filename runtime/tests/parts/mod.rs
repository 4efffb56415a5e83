//! What tables written by hand have in common, as the compiler would emit it for x86_64: kinds of sites, the stub, an empty table.

#![allow(dead_code, reason = "not all users of this module use all of it")]

use pvc_runtime::table::*;
use std::ffi::{CStr, c_void};

const fn kind(opcode: [u8; 4], opcode_len: u8, len: u8, operand: u8, direct: u8) -> Kind {
    Kind { opcode, opcode_len, len, operand, direct }
}

/// By the numbers that records have: call.rel, call.mem, call.abs, jmp.rel, jmp.mem, jmp.mem.cs, jmp.stub, nop, inline.
pub(crate) static KINDS: [Kind; 9] = [
    kind([0xe8, 0, 0, 0], 1, 5, OPERAND_TRAMPOLINE, 0xe8),
    kind([0xff, 0x15, 0, 0], 2, 6, OPERAND_SLOT_REL, 0xe8),
    kind([0xff, 0x14, 0x25, 0], 3, 7, OPERAND_SLOT_ABS, 0xe8),
    kind([0xe9, 0, 0, 0], 1, 5, OPERAND_TRAMPOLINE, 0xe9),
    kind([0xff, 0x25, 0, 0], 2, 6, OPERAND_SLOT_REL, 0xe9),
    kind([0; 4], 0, 0, OPERAND_NONE, 0),
    kind([0xe9, 0, 0, 0], 1, 5, OPERAND_STUB, 0xe8),
    kind([0; 4], 0, 0, OPERAND_NONE, 0xe8),
    kind([0; 4], 0, 0, OPERAND_NONE, 0xe8),
];

/// Its call is at byte 13.
#[rustfmt::skip]
pub(crate) static STUB: [u8; 33] = [
    0x48, 0x8d, 0x64, 0x24, 0x80, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xf0, 0xff, 0x15, 0, 0, 0, 0, 0xc9,
    0x48, 0x8d, 0xa4, 0x24, 0x80, 0, 0, 0, 0xe9, 0, 0, 0, 0,
];

/// A row of these bytes with the first `nterms` terms.
pub(crate) const fn row(bytes: u32, len: u8, nterms: u16) -> Row {
    Row { bytes, len, flags: 0, term: 0, nterms, fixup: 0, nfixups: 0 }
}

/// An op with these rows and plans (the first, and how many).
pub(crate) const fn op(name: &'static CStr, default_fn: *const c_void, rows: (u16, u16), plans: (u16, u16)) -> Op {
    Op {
        name: name.as_ptr(),
        default_fn,
        trampoline: std::ptr::null(),
        row: rows.0,
        nrows: rows.1,
        inline_row: NONE,
        plan: plans.0,
        nplans: plans.1,
        flags: 0,
    }
}

/// A table with the kinds and the stub, and nothing else.
pub(crate) const EMPTY: Table = Table {
    format: FORMAT,
    mode: 64,
    stub_len: 33,
    stub_call: 13,
    nkinds: 9,
    nops: 0,
    nrows: 0,
    nterms: 0,
    nfixups: 0,
    nfeatures: 0,
    nplans: 0,
    identity_row: NONE,
    nbranches: 0,
    name: c"test".as_ptr(),
    ops: std::ptr::null(),
    rows: std::ptr::null(),
    terms: std::ptr::null(),
    fixups: std::ptr::null(),
    features: std::ptr::null(),
    kinds: (&raw const KINDS).cast(),
    bytes: std::ptr::null(),
    stub: (&raw const STUB).cast(),
    slots: std::ptr::null(),
    identity_fn: std::ptr::null(),
    nop_fn: std::ptr::null(),
    sites: std::ptr::null(),
    sites_end: std::ptr::null(),
    plans: std::ptr::null_mut(),
    applied: std::ptr::null_mut(),
    branches: std::ptr::null(),
    branch_sites: std::ptr::null(),
    branch_sites_end: std::ptr::null(),
    branch_states: std::ptr::null(),
};
