//! The part of the patcher that runs while text is not executable.
//!
//! In a small program the patcher shares a page with the sites that it patches, and so does `core` in a debug build.
//! Hence everything between "writable" and "executable again" is one piece of assembly with raw system calls, on pages
//! of its own which are in no run: open all runs, populate them, store all sites, close all runs.
//!
//! It reads the records and the filled plans as the rest of the crate does (`verify::pieces` is the same thing in Rust);
//! everything was verified before, so it checks nothing. A store that would change nothing is left out: pages that were
//! not opened hold such sites.

use super::fresh::{Fresh, offset};
use super::runs::Run;
use super::sys::{PAGE, PROT_EXEC, PROT_READ, PROT_WRITE, SYS_MADVISE, SYS_MPROTECT};
use crate::error::Step;
use crate::set::Set;
use crate::table::{
    ACTION_SITE, ACTION_STUB_CALL, BRANCH_JUMPS_IF, BranchSite, BranchState, KIND_MASK, Op, Plan, Site,
};
use core::mem::offset_of;

/// What the leaf is told, and what it tells.
#[repr(C)]
struct Order {
    runs: *const Run,
    runs_end: *const Run,
    sites: *const Site,
    sites_end: *const Site,
    ops: *const Op,
    plans: *const Plan,
    stub_len: usize,
    stub_call: usize,
    branches: *const BranchSite,
    branches_end: *const BranchSite,
    states: *const BranchState,
    /// Null, or the entries of the short way.
    fresh: *const Fresh,
    /// Used by the leaf: the record that it stopped at.
    stopped: *const Site,
    /// Out: 0, or the system call that failed (`STEP_*`).
    step: usize,
    /// Out: the page run that it failed on.
    address: usize,
}

const STEP_WRITABLE: usize = 1;
const STEP_POPULATE: usize = 2;
const STEP_EXECUTABLE: usize = 3;
const STEP_DIFFERENT: usize = 4;

const MADV_POPULATE_WRITE: usize = 23;
/// Kernels before 5.14 do not know the advice; some are built without madvise. The first store then faults pages in.
const EINVAL: i32 = -22;
const ENOSYS: i32 = -38;
/// Times that closing is tried when the kernel is short of memory for a moment: there is no other way on.
const ATTEMPTS: usize = 1000;

const SCRATCH: usize = crate::table::MAX_SITE;

core::arch::global_asm!(
    ".pushsection .text.pvc_runtime_leaf,\"ax\",@progbits",
    ".p2align 12",
    ".globl pvc_runtime_0_1_leaf",
    ".hidden pvc_runtime_0_1_leaf",
    ".type pvc_runtime_0_1_leaf, @function",
    "pvc_runtime_0_1_leaf:",
    ".cfi_startproc",
    "endbr64",
    "push %rbx",
    ".cfi_adjust_cfa_offset 8",
    "push %rbp",
    ".cfi_adjust_cfa_offset 8",
    "push %r12",
    ".cfi_adjust_cfa_offset 8",
    "push %r13",
    ".cfi_adjust_cfa_offset 8",
    "push %r14",
    ".cfi_adjust_cfa_offset 8",
    "push %r15",
    ".cfi_adjust_cfa_offset 8",
    "sub ${scratch}, %rsp",
    ".cfi_adjust_cfa_offset {scratch}",
    "cld",
    "mov %rdi, %rbx",                      // the order
    "xor %r15d, %r15d",                    // the first error
    // Open every run. %rbp walks; what lies before it must be closed again whatever happens.
    "mov {runs}(%rbx), %rbp",
    "20: cmp {runs_end}(%rbx), %rbp",
    "jae 30f",
    "mov (%rbp), %rdi",
    "mov 8(%rbp), %rsi",
    "sub %rdi, %rsi",
    "mov ${rw}, %edx",
    "mov ${mprotect}, %eax",
    "syscall",
    "add $16, %rbp",                       // even on failure: mprotect may have changed the first pages
    "mov ${step_writable}, %ecx",
    "test %eax, %eax",
    "js 21f",
    "mov -16(%rbp), %rdi",
    "mov -8(%rbp), %rsi",
    "sub %rdi, %rsi",
    "mov ${populate}, %edx",
    "mov ${madvise}, %eax",
    "syscall",
    "mov ${step_populate}, %ecx",
    "test %eax, %eax",
    "jns 20b",
    "cmp ${einval}, %eax",
    "je 20b",
    "cmp ${enosys}, %eax",
    "je 20b",
    "21: mov %eax, %r15d",
    "mov %rcx, {step}(%rbx)",
    "mov -16(%rbp), %rax",
    "mov %rax, {address}(%rbx)",
    "jmp 60f",
    // Store every site.
    "30: mov {sites}(%rbx), %r12",
    "cmpq $0, {fresh}(%rbx)",
    "jne 100f",
    "31: cmp {sites_end}(%rbx), %r12",
    "jae 80f",
    "movslq (%r12), %rdi",
    "add %r12, %rdi",                      // the anchor
    "movzwl {site_op}(%r12), %eax",
    "imul ${op_size}, %rax, %rax",
    "add {ops}(%rbx), %rax",
    "movzwl {op_plan}(%rax), %eax",
    "imul ${plan_size}, %rax, %r13",
    "add {plans}(%rbx), %r13",             // the op's first plan
    "movzbl {site_kind}(%r12), %eax",
    "and ${kind_mask}, %eax",
    "movzbl {site_len}(%r12), %ecx",
    "mov %cl, %ah",                        // kind and length, as a plan begins
    "add $8, %r12",
    "32: cmp %ax, (%r13)",
    "je 33f",
    "add ${plan_size}, %r13",
    "jmp 32b",
    "33: mov {action}(%r13), %al",
    "and $15, %al",
    "cmp ${action_site}, %al",
    "je 40f",
    // A stub kind: the anchor is the end of the stub, and the jump that ends it leads behind the site.
    "mov %rdi, %r14",
    "sub {stub_len}(%rbx), %r14",          // the stub
    "movslq -4(%rdi), %rdx",
    "add %rdx, %rdi",
    "sub %rcx, %rdi",                      // the site
    "cmp ${action_stub_call}, %al",
    "jne 40f",
    "mov %r14, %rax",
    "sub %rdi, %rax",
    "sub $5, %rax",
    "movb $0xe9, (%rsp)",
    "mov %eax, 1(%rsp)",
    "mov %rdi, %rbp",
    "mov %r14, %rdi",
    "add {stub_call}(%rbx), %rdi",
    "mov $6, %ecx",
    "lea {bytes}(%r13), %rsi",
    "mov 0(%rsp), %r14",                   // the jump, kept from the scratch area
    "call 50f",
    "mov %r14, (%rsp)",
    "mov %rsp, %rsi",
    "mov %rbp, %rdi",
    "mov $5, %ecx",
    "call 54f",
    "jmp 31b",
    "40: lea {bytes}(%r13), %rsi",
    "call 50f",
    "jmp 31b",
    // Stores %ecx bytes from %rsi at %rdi, with the fields of plan %r13. 8(%rsp) is the scratch area.
    "50: movzbl {nrel}(%r13), %r8d",
    "test %r8d, %r8d",
    "jz 54f",
    "mov %rdi, %r9",
    "mov %rcx, %r10",
    "lea 8(%rsp), %rdi",
    "mov ${scratch}/8, %ecx",
    "rep movsq",
    "lea 8(%rsp), %rsi",
    "mov %r9, %rdi",
    "mov %r10, %rcx",
    "51: dec %r8d",
    "movzbl {rel_offset}(%r13,%r8), %r9d",
    "mov {rel_target}(%r13,%r8,8), %rax",
    "sub %rdi, %rax",
    "sub %r9, %rax",
    "cmpb $1, {rel_width}(%r13,%r8)",
    "je 52f",
    "mov %eax, (%rsi,%r9)",
    "jmp 53f",
    "52: mov %al, (%rsi,%r9)",
    "53: test %r8d, %r8d",
    "jnz 51b",
    "54: cmp $8, %ecx",
    "ja 55f",
    "mov %edi, %eax",
    "and ${page}-1, %eax",
    "cmp ${page}-8, %eax",
    "ja 55f",
    // One blended store of 8 bytes, all of them on one page.
    "mov (%rsi), %rax",
    "xor (%rdi), %rax",
    "shl $3, %ecx",
    "neg %ecx",                            // 64 - bits, modulo 64
    "mov $-1, %rdx",
    "shr %cl, %rdx",
    "and %rdx, %rax",
    "jz 56f",
    "xor %rax, (%rdi)",
    "ret",
    // Bytes, the equal ones left alone.
    "55: mov (%rsi), %al",
    "cmp (%rdi), %al",
    "je 57f",
    "mov %al, (%rdi)",
    "57: inc %rsi",
    "inc %rdi",
    "dec %ecx",
    "jnz 55b",
    "56: ret",
    // Store every site of a static branch: %r12 the record, %rax its state, %rdi the site, %rdx the distance from its end.
    "80: mov {branches}(%rbx), %r12",
    "81: cmp {branches_end}(%rbx), %r12",
    "jae 60f",
    "movzwl {branch_id}(%r12), %eax",
    "shl $2, %eax",
    "add {states}(%rbx), %rax",
    "cmpb $0, {branch_changed}(%rax)",
    "je 88f",
    "movslq (%r12), %rdi",
    "add %r12, %rdi",
    "movslq {branch_target}(%r12), %rdx",
    "lea {branch_target}(%r12,%rdx), %rdx",
    "sub %rdi, %rdx",
    "movzbl {branch_len}(%r12), %ecx",
    "sub %rcx, %rdx",
    "movb {branch_goal}(%rax), %al",
    "xorb {branch_flags}(%r12), %al",
    "testb ${jumps_if}, %al",
    "movl $0x00441f0f, (%rsp)",            // the 5 and the 2 bytes of a NOP
    "movl $0x90660000, 4(%rsp)",
    "jnz 82f",
    "movb $0xe9, (%rsp)",                  // the jump
    "movl %edx, 1(%rsp)",
    "movb $0xeb, 6(%rsp)",
    "movb %dl, 7(%rsp)",
    "82: mov %rsp, %rsi",
    "cmp $2, %ecx",
    "jne 83f",
    "add $6, %rsi",
    "83: call 55b",                        // bytes: a blended store would read on behind them
    "88: add ${branch_size}, %r12",
    "jmp 81b",
    // The short way: %r12 the record, %rbp the end of them, %rdi the site; %r14 the class of the last one, %r13 its entry, and of
    // that %r8 target, %cl shift, %r9 opcode, %r10 mask, %rsi its complement, %r11 wanted. Verify and store.
    "100: mov {sites_end}(%rbx), %rbp",
    "mov $-1, %r14",
    "101: cmp %rbp, %r12",
    "jae 60f",
    "mov {site_op}(%r12), %eax",           // op, length, kind
    "cmp %rax, %r14",
    "je 102f",
    "call 140f",
    "102: movslq (%r12), %rdi",
    "add %r12, %rdi",
    "lea 7(%rdi), %eax",
    "xor %edi, %eax",
    "test $-{page}, %eax",
    "jnz 120f",
    "mov (%rdi), %rax",
    "mov %r8, %rdx",                       // the old bytes; what lies above the field is not in the mask
    "sub %rdi, %rdx",
    "shl %cl, %rdx",
    "xor %r9, %rdx",
    "xor %rax, %rdx",
    "test %r10, %rdx",
    "jnz 130f",
    "and %rsi, %rax",
    "or %r11, %rax",
    "mov %rax, (%rdi)",
    "104: add $8, %r12",
    "jmp 101b",
    // Eight bytes would reach into the next page, which may not be ours.
    "120: mov {fresh_len}(%r13), %ecx",
    "xor %eax, %eax",
    "121: shl $8, %rax",
    "movb -1(%rdi,%rcx), %al",
    "dec %ecx",
    "jnz 121b",
    "mov %r8, %rdx",
    "sub %rdi, %rdx",
    "mov {fresh_shift}(%r13), %ecx",
    "shl %cl, %rdx",
    "xor %r9, %rdx",
    "xor %rax, %rdx",
    "test %r10, %rdx",
    "jnz 130f",
    "mov %r11, %rax",
    "call 150f",
    "mov {fresh_shift}(%r13), %ecx",
    "jmp 104b",
    // A site holds something else: all before it held their old bytes, and get them back.
    "130: mov %r12, {stopped}(%rbx)",
    "mov {sites}(%rbx), %r12",
    "131: cmp {stopped}(%rbx), %r12",
    "jae 132f",
    "call 140f",
    "movslq (%r12), %rdi",
    "add %r12, %rdi",
    "mov %r8, %rax",
    "sub %rdi, %rax",
    "shl %cl, %rax",
    "or %r9, %rax",
    "call 150f",
    "add $8, %r12",
    "jmp 131b",
    "132: movq ${step_different}, {step}(%rbx)",
    "jmp 60f",
    // The entry of a record's class.
    "140: mov {site_op}(%r12), %r14d",
    "movzwl %r14w, %ecx",
    "imul ${op_size}, %rcx, %rcx",
    "add {ops}(%rbx), %rcx",
    "movzwl {op_plan}(%rcx), %r13d",
    "imul ${plan_size}, %r13, %rdx",
    "add {plans}(%rbx), %rdx",
    "movzbl {site_kind}(%r12), %eax",
    "and ${kind_mask}, %eax",
    "movzbl {site_len}(%r12), %ecx",
    "mov %cl, %ah",
    "141: cmp %ax, (%rdx)",
    "je 142f",
    "add ${plan_size}, %rdx",
    "inc %r13",
    "jmp 141b",
    "142: imul ${fresh_size}, %r13, %r13",
    "add {fresh}(%rbx), %r13",
    "mov {fresh_target}(%r13), %r8",
    "mov {fresh_opcode}(%r13), %r9",
    "mov {fresh_mask}(%r13), %r10",
    "mov {fresh_wanted}(%r13), %r11",
    "mov %r10, %rsi",
    "not %rsi",
    "mov {fresh_shift}(%r13), %ecx",
    "ret",
    // Stores the bytes in %rax, byte by byte.
    "150: mov {fresh_len}(%r13), %ecx",
    "mov %rdi, %rdx",
    "151: movb %al, (%rdx)",
    "shr $8, %rax",
    "inc %rdx",
    "dec %ecx",
    "jnz 151b",
    "ret",
    // Close the runs that were opened. On a failure before the stores that is [runs, %rbp).
    "60: test %r15d, %r15d",
    "jnz 61f",
    "mov {runs_end}(%rbx), %rbp",
    "61: mov {runs}(%rbx), %r12",
    "62: cmp %rbp, %r12",
    "jae 70f",
    "mov ${attempts}, %r13d",
    "63: mov (%r12), %rdi",
    "mov 8(%r12), %rsi",
    "sub %rdi, %rsi",
    "mov ${rx}, %edx",
    "mov ${mprotect}, %eax",
    "syscall",
    "test %eax, %eax",
    "jns 65f",
    "dec %r13d",
    "jnz 63b",
    // A run that could not be opened (a hole in it) cannot be closed either: that is no news.
    "test %r15d, %r15d",
    "jnz 65f",
    "mov %eax, %r15d",
    "movq ${step_executable}, {step}(%rbx)",
    "mov (%r12), %rax",
    "mov %rax, {address}(%rbx)",
    "65: add $16, %r12",
    "jmp 62b",
    "70: mov %r15d, %eax",
    "add ${scratch}, %rsp",
    ".cfi_adjust_cfa_offset -{scratch}",
    "pop %r15",
    ".cfi_adjust_cfa_offset -8",
    "pop %r14",
    ".cfi_adjust_cfa_offset -8",
    "pop %r13",
    ".cfi_adjust_cfa_offset -8",
    "pop %r12",
    ".cfi_adjust_cfa_offset -8",
    "pop %rbp",
    ".cfi_adjust_cfa_offset -8",
    "pop %rbx",
    ".cfi_adjust_cfa_offset -8",
    "ret",
    ".cfi_endproc",
    ".size pvc_runtime_0_1_leaf, . - pvc_runtime_0_1_leaf",
    // Fill the page: nobody else's code may share it.
    ".p2align 12",
    ".globl pvc_runtime_0_1_leaf_end",
    ".hidden pvc_runtime_0_1_leaf_end",
    "pvc_runtime_0_1_leaf_end:",
    ".popsection",
    scratch = const SCRATCH,
    runs = const offset_of!(Order, runs),
    runs_end = const offset_of!(Order, runs_end),
    sites = const offset_of!(Order, sites),
    sites_end = const offset_of!(Order, sites_end),
    ops = const offset_of!(Order, ops),
    plans = const offset_of!(Order, plans),
    stub_len = const offset_of!(Order, stub_len),
    stub_call = const offset_of!(Order, stub_call),
    branches = const offset_of!(Order, branches),
    branches_end = const offset_of!(Order, branches_end),
    states = const offset_of!(Order, states),
    branch_id = const offset_of!(BranchSite, branch),
    branch_target = const offset_of!(BranchSite, target),
    branch_len = const offset_of!(BranchSite, len),
    branch_flags = const offset_of!(BranchSite, flags),
    branch_size = const size_of::<BranchSite>(),
    branch_goal = const BranchState::GOAL,
    branch_changed = const BranchState::CHANGED,
    jumps_if = const BRANCH_JUMPS_IF,
    fresh = const offset_of!(Order, fresh),
    stopped = const offset_of!(Order, stopped),
    fresh_size = const size_of::<Fresh>(),
    fresh_wanted = const offset::WANTED,
    fresh_opcode = const offset::OPCODE,
    fresh_mask = const offset::MASK,
    fresh_target = const offset::TARGET,
    fresh_shift = const offset::SHIFT,
    fresh_len = const offset::LEN,
    step_different = const STEP_DIFFERENT,
    step = const offset_of!(Order, step),
    address = const offset_of!(Order, address),
    site_op = const offset_of!(Site, op),
    site_len = const offset_of!(Site, len),
    site_kind = const offset_of!(Site, kind),
    op_size = const size_of::<Op>(),
    op_plan = const offset_of!(Op, plan),
    plan_size = const size_of::<Plan>(),
    action = const offset_of!(Plan, action),
    nrel = const offset_of!(Plan, nrel),
    rel_offset = const offset_of!(Plan, rel_offset),
    rel_width = const offset_of!(Plan, rel_width),
    rel_target = const offset_of!(Plan, rel_target),
    bytes = const offset_of!(Plan, bytes),
    kind_mask = const KIND_MASK,
    action_site = const ACTION_SITE,
    action_stub_call = const ACTION_STUB_CALL,
    mprotect = const SYS_MPROTECT,
    madvise = const SYS_MADVISE,
    rw = const PROT_READ | PROT_WRITE,
    rx = const PROT_READ | PROT_EXEC,
    populate = const MADV_POPULATE_WRITE,
    einval = const EINVAL,
    enosys = const ENOSYS,
    attempts = const ATTEMPTS,
    page = const PAGE,
    step_writable = const STEP_WRITABLE,
    step_populate = const STEP_POPULATE,
    step_executable = const STEP_EXECUTABLE,
    options(att_syntax)
);

// The leaf multiplies by the size of a state with a shift.
const _: () = assert!(size_of::<BranchState>() == 4 && offset_of!(BranchSite, site) == 0);
// The leaf reads kind and length of a plan as one 16-bit word, and runs as pairs.
const _: () = assert!(offset_of!(Plan, kind) == 0 && offset_of!(Plan, len) == 1);
const _: () = assert!(offset_of!(Run, start) == 0 && offset_of!(Run, end) == 8 && size_of::<Run>() == 16);

unsafe extern "C" {
    #[link_name = "pvc_runtime_0_1_leaf"]
    fn leaf(order: *mut Order) -> i32;
    #[link_name = "pvc_runtime_0_1_leaf_end"]
    static LEAF_END: u8;
}

/// The pages of the leaf: they must be in no run.
pub(crate) fn pages() -> (usize, usize) {
    ((leaf as *const u8).addr(), (&raw const LEAF_END).addr())
}

/// Opens the runs, stores each of `sites` as planned and every static branch of the set, closes the runs.
///
/// An error of step [`Step::Writable`] or [`Step::Populate`] means that nothing was stored and the text is as it was.
///
/// # Safety
///
/// A batch was prepared for this set; the runs cover every site that changes, consist of pages that were readable and
/// executable, and leave out [`pages`]. Signals are blocked.
pub(crate) unsafe fn store(set: &Set, sites: &[Site], runs: &[Run]) -> Result<(), (Step, i32, usize)> {
    match run(set, sites, runs, &[]) {
        (0, ..) => Ok(()),
        (STEP_WRITABLE, errno, address) => Err((Step::Writable, errno, address)),
        (STEP_POPULATE, errno, address) => Err((Step::Populate, errno, address)),
        (_, errno, address) => Err((Step::Executable, errno, address)),
    }
}

/// The short way: opens the runs, verifies that every site holds its old bytes and stores the new ones, closes the runs.
/// False: nothing has changed, because a site held something else or the runs could not be opened.
///
/// # Safety
///
/// As [`store`]; `fresh` has an entry for the class of every site.
pub(crate) unsafe fn store_fresh(set: &Set, runs: &[Run], fresh: &[Fresh]) -> Result<bool, (Step, i32, usize)> {
    match run(set, set.sites(), runs, fresh) {
        (0, ..) => Ok(true),
        (STEP_EXECUTABLE, errno, address) => Err((Step::Executable, errno, address)),
        _ => Ok(false),
    }
}

/// The step that failed, its error number, the address of its run.
fn run(set: &Set, sites: &[Site], runs: &[Run], fresh: &[Fresh]) -> (usize, i32, usize) {
    let table = set.table();
    let runs = runs.as_ptr_range();
    let sites = sites.as_ptr_range();
    let branches = set.branch_sites().as_ptr_range();
    let mut order = Order {
        runs: runs.start,
        runs_end: runs.end,
        sites: sites.start,
        sites_end: sites.end,
        ops: table.ops,
        plans: table.plans,
        stub_len: usize::from(table.stub_len),
        stub_call: usize::from(table.stub_call),
        branches: branches.start,
        branches_end: branches.end,
        states: table.branch_states,
        fresh: if fresh.is_empty() { core::ptr::null() } else { fresh.as_ptr() },
        stopped: core::ptr::null(),
        step: 0,
        address: 0,
    };
    // SAFETY: (40) the promise of `store` and `store_fresh`.
    let result = unsafe { leaf(&mut order) };
    (order.step, result.wrapping_neg(), order.address)
}
