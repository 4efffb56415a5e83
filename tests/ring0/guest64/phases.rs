//! The life of a patch set: unpatched, patched, called directly, restored.

use crate::console::{check, fail, say};
use crate::cpu::{interrupts, serialize};
use crate::ops::{CASES, Case, QUESTIONS, Ring3};
use crate::paravirt::SET;
use crate::text::{BootText, digest, store, text, unprotected};
use crate::traps::{GENERAL_PROTECTION, faults_when_written};
use crate::user::{self, Outcome};
use core::ffi::c_void;
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering::SeqCst};
use pvc_runtime::table::Op;
use pvc_runtime::{Error, Features, Options, Report, Status, apply, apply_branches, restore};

/// Ops that the backends of `backends.S` can stand for.
const MAX_OPS: usize = 32;

static COUNTS: [AtomicU64; MAX_OPS] = [const { AtomicU64::new(0) }; MAX_OPS];
static DEFAULTS: [AtomicPtr<c_void>; MAX_OPS] = [const { AtomicPtr::new(core::ptr::null_mut()) }; MAX_OPS];

core::arch::global_asm!(
    include_str!("backends.S"),
    counts = sym COUNTS,
    defaults = sym DEFAULTS,
    poisoned = sym poisoned,
    options(att_syntax)
);

unsafe extern "C" {
    static counting_backends: u8;
    static poisoned_backends: u8;
}

extern "C" fn poisoned(op: u16) -> ! {
    fail(format_args!("patched {}: called through the ops structure", SET.op_name(op)))
}

/// What stands in the ops structure.
#[derive(Clone, Copy)]
enum Slots {
    Default,
    Counting,
    Poisoned,
}

fn ops() -> &'static [Op] {
    let table = SET.table();
    // SAFETY: (100) a sound table has that many ops.
    unsafe { core::slice::from_raw_parts(table.ops, usize::from(table.nops)) }
}

/// Fills the whole ops structure, entry code's slots included: both kinds of backend keep every contract.
fn install(what: Slots) {
    for (id, op) in ops().iter().enumerate() {
        DEFAULTS[id].store(op.default_fn.cast_mut(), SeqCst);
        let backend = |base: *const u8| base.wrapping_add(32 * id).cast::<c_void>();
        let value = match what {
            Slots::Default => op.default_fn,
            // An op whose sites cannot hold a call has no backend.
            _ if !calls(id) => op.default_fn,
            Slots::Counting => backend(&raw const counting_backends),
            Slots::Poisoned => backend(&raw const poisoned_backends),
        };
        let slot = SET.table().slots.wrapping_add(id).cast_mut();
        // SAFETY: (101) the ops structure is made of atomics, and has a slot for each op.
        unsafe { AtomicPtr::from_ptr(slot.cast::<*mut c_void>()).store(value.cast_mut(), SeqCst) };
    }
}

fn calls(id: usize) -> bool {
    CASES.iter().any(|case| case.calls && case.name == SET.op_name(id as u16))
}

fn id(case: &Case) -> usize {
    (0..ops().len()).find(|&id| SET.op_name(id as u16) == case.name).unwrap_or(MAX_OPS)
}

/// Address of the site of an op in the function that is under test.
fn site(case: &Case) -> Option<usize> {
    let function = (case.function)();
    SET.sites().iter().filter(|site| usize::from(site.op) == id(case)).find_map(|site| {
        let address = (&raw const site.disp).addr().wrapping_add_signed(site.disp as isize);
        (function..function + 64).contains(&address).then_some(address)
    })
}

/// Runs every op and looks at its effect; `counted`: whether each must reach its counting backend, or none may.
fn effects(phase: &str, counted: bool) {
    for case in &CASES {
        let Some(count) = COUNTS.get(id(case)) else {
            check(false, phase, format_args!("{}: the set has no such op", case.name));
            continue;
        };
        let before = count.load(SeqCst);
        let effect = (case.effect)();
        interrupts(false);
        let passed_through = count.load(SeqCst) > before;
        let effect = effect.and(match (passed_through, counted && case.calls) {
            (false, true) => Err("its backend was not called"),
            (true, false) => Err("its backend was called"),
            _ => Ok(()),
        });
        match effect {
            Ok(()) => check(true, phase, format_args!("{}", case.name)),
            Err(what) => check(false, phase, format_args!("{}: {what}", case.name)),
        }
    }
}

/// Runs the same sites at ring 3.
fn ring3(patched: bool) {
    let phase = if patched { "ring3" } else { "ring3-unpatched" };
    for case in &CASES {
        let Some(site) = site(case) else {
            check(false, phase, format_args!("{}: its function has no site", case.name));
            continue;
        };
        let outcome = user::run((case.function)(), (case.argument)());
        let holds = match (case.ring3, &outcome) {
            (Ring3::Faults, Outcome::Fault { vector, rip, .. }) => {
                // Before patching the instruction is in the default implementation.
                *vector == GENERAL_PROTECTION && (*rip == site as u64) == (patched || !case.calls)
            }
            (Ring3::Returns(expected), Outcome::Returned { value, .. }) => expected.is_none_or(|it| it == *value),
            _ => false,
        };
        if !holds {
            say(format_args!("{} at {site:#x}: {outcome:x?}", case.name));
        }
        check(holds, phase, format_args!("{}", case.name));
    }
}

/// Asks every static branch; at ring 3, too, where NOPs and jumps are what they are here.
fn branches(phase: &str, switched: bool) {
    for question in &QUESTIONS {
        let expected = question.first != switched;
        let held = question.branch.value() == expected;
        check((question.ask)() == expected && held, phase, format_args!("{}", question.name));
        let outcome = user::run(question.ask as *const () as usize, 0);
        let holds = matches!(outcome, Outcome::Returned { value, .. } if value & 0xff == u64::from(expected));
        check(holds, "ring3", format_args!("{}", question.name));
    }
}

/// All branches take the value that they do not have in the code that the compiler made.
fn switch_branches() -> Result<Report, Error> {
    for question in &QUESTIONS {
        question.branch.want(!question.first);
    }
    // SAFETY: (105) as (102).
    unsafe { apply_branches(&SET, Options::default(), &mut BootText) }
}

fn patch() -> Result<Report, Error> {
    let features = Features::detect(&SET, Features::NONE);
    // SAFETY: (102) one CPU runs; neither the port nor a handler has a site; the installed backends keep every contract.
    unsafe { apply(&SET, features, Options::default(), &mut BootText) }
}

fn unpatch() -> Result<Report, Error> {
    // SAFETY: (103) as (102).
    unsafe { restore(&SET, Options::default(), &mut BootText) }
}

/// Checks a report; `expected`: (rows, calls, originals) of all sites.
fn reported(phase: &str, what: &str, result: Result<Report, Error>, holds: impl Fn(&Report) -> bool) {
    match result {
        Ok(report) => {
            say(format_args!("{phase}: {report}"));
            check(holds(&report), phase, format_args!("{what}"));
        }
        Err(error) => check(false, phase, format_args!("{what}: {error}")),
    }
}

/// All phases.
pub(crate) fn run() {
    let sites = SET.sites().len();
    let original = digest();
    check(faults_when_written(text().start), "unpatched", format_args!("text is read-only"));
    check(ops().len() <= MAX_OPS && CASES.iter().all(|case| id(case) < MAX_OPS), "unpatched", format_args!("ops"));

    install(Slots::Counting);
    effects("unpatched", true);
    install(Slots::Default);
    ring3(false);
    branches("unpatched", false);
    refused(original);

    reported("patched", "every site holds its row", patch(), |report| report.rows == sites);
    check(digest() != original, "patched", format_args!("text changed"));
    install(Slots::Poisoned);
    effects("patched", false);
    branches("patched", false);
    ring3(true);
    install(Slots::Default);
    reported("patched", "again writes nothing", patch(), |report| report.unchanged == sites && report.bytes == 0);
    check(faults_when_written(text().start), "patched", format_args!("text is read-only"));

    reported("switched", "every branch jumps", switch_branches(), |report| {
        report.sites == 0 && report.jumps == SET.branch_sites().len() && report.jumps == QUESTIONS.len()
    });
    branches("switched", true);

    // A backend in every slot: direct calls and jumps, whatever the slots hold later.
    install(Slots::Counting);
    let inline = sites_without_call();
    reported("called", "every site calls its backend", patch(), |report| {
        report.calls == sites - inline && report.rows == inline
    });
    install(Slots::Poisoned);
    effects("called", true);
    install(Slots::Counting);
    reported("restored", "every site is as compiled", unpatch(), |report| report.originals == sites);
    check(digest() == original, "restored", format_args!("text is as compiled"));
    effects("restored", true);
    branches("restored", false);
    install(Slots::Default);
}

fn sites_without_call() -> usize {
    SET.sites().iter().filter(|site| !calls(usize::from(site.op))).count()
}

/// A batch that meets a foreign byte at one site writes to none.
fn refused(original: u64) {
    let Some(site) = CASES.last().and_then(site) else { return };
    // SAFETY: (104) text is mapped.
    let byte = unsafe { core::ptr::with_exposed_provenance::<u8>(site).read_volatile() };
    unprotected(|| store(site, &[0xcc]));
    let spoilt = digest();
    let holds = patch().is_err_and(|error| error.status == Status::Foreign && error.address == site);
    check(holds && digest() == spoilt, "unpatched", format_args!("a foreign byte refuses the batch"));
    unprotected(|| store(site, &[byte]));
    serialize();
    check(digest() == original, "unpatched", format_args!("nothing was written"));
}
