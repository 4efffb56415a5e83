//! Text that one CPU patches while the other runs through it.

use crate::console::{check, say};
use crate::cpu::{self, LONG, cycles, serialize};
use crate::text::{admit, digest, store, unprotected};
use crate::toggle;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use pvc_runtime::live::{self, Change, LiveText, Progress, Waiter};
use pvc_runtime::{Error, Features, Options, Report, Status, Text, apply};

core::arch::global_asm!(
    ".text",
    // The site straddles two cache lines: 5 bytes in each.
    ".p2align 6",
    ".skip 59, 0xcc",
    ".globl probe",
    "probe:",
    toggle::sites::value_inline!(),
    "ret",
    options(att_syntax)
);

unsafe extern "C" {
    /// One site of the op `value`: returns [`FIRST`] or [`SECOND`].
    safe fn probe() -> u64;
}

/// One site of the branch `other`.
#[inline(never)]
fn other_side() -> bool {
    toggle::other()
}

const FIRST: u64 = 0x1111_1111_1111_1111;
const SECOND: u64 = 0x2222_2222_2222_2222;

// What the patching CPU tells the other one.
static PROGRESS: AtomicU32 = AtomicU32::new(0);
/// The sites of the batch under way or of the last one: all that `toggle` has and that are live.
static SITES: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static REQUESTED: AtomicU64 = AtomicU64::new(0);
/// The last request that the other CPU has answered.
static ANSWERED: AtomicU64 = AtomicU64::new(0);
/// What the other CPU is to do: [`REST`], [`OPEN`] or [`CLOSED`].
static TASK: AtomicU8 = AtomicU8::new(REST);
const REST: u8 = 0;
/// Run through the site, interrupts on.
const OPEN: u8 = 1;
/// Run through the site, interrupts off: then only the breakpoint handler can answer a request.
const CLOSED: u8 = 2;

// What the other CPU tells.
static BUSY: AtomicU8 = AtomicU8::new(REST);
static CALLS: AtomicU64 = AtomicU64::new(0);
static TORN: AtomicU64 = AtomicU64::new(0);
static BREAKPOINTS: AtomicU64 = AtomicU64::new(0);
/// After a batch the patching CPU counts up `ROUND`; the other one then says in `SEEN` which side it takes: the round, twice,
/// plus the side.
static ROUND: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);

/// Serializes this CPU, if it was asked to.
pub(crate) fn acknowledge() {
    let request = REQUESTED.load(SeqCst);
    if ANSWERED.load(SeqCst) != request {
        serialize();
        ANSWERED.store(request, SeqCst);
    }
}

/// The breakpoint handler's part. Whether the instruction at `address` is to be executed again; false if the breakpoint
/// there is not of this protocol.
pub(crate) fn breakpoint(address: usize) -> bool {
    BREAKPOINTS.fetch_add(1, SeqCst);
    live::handle(&Cpus, address)
}

/// The second CPU's life.
pub(crate) fn second_cpu() -> ! {
    let mut gap = 0;
    loop {
        let task = TASK.load(SeqCst);
        cpu::interrupts(task != CLOSED);
        BUSY.store(task, SeqCst);
        match task {
            REST => core::hint::spin_loop(),
            _ => {
                let (round, value) = (ROUND.load(SeqCst), probe());
                SEEN.store(2 * round + u64::from(other_side()), SeqCst);
                CALLS.fetch_add(1, SeqCst);
                if value != FIRST && value != SECOND {
                    TORN.fetch_add(1, SeqCst);
                }
                // Come back at another step of the patcher each time.
                gap = (gap + 7) % 29;
                (0..=gap).for_each(|_| core::hint::spin_loop());
            }
        }
    }
}

/// Stores bytes one after the other and lets the other CPU run after each.
///
/// QEMU runs both CPUs on one thread and goes to the other one at every `pause`, so that each intermediate state of the text
/// is executed. (On a thread each, a CPU that translates a block while another one stores to it can keep the old code for
/// good: QEMU drops translations before it stores.)
fn store_in_sight(address: usize, bytes: &[u8]) {
    for (offset, byte) in bytes.iter().enumerate() {
        store(address + offset, &[*byte]);
        core::hint::spin_loop();
    }
}

struct Cpus;

impl Waiter for Cpus {
    fn progress(&self) -> Progress {
        Progress(PROGRESS.load(SeqCst))
    }

    fn in_batch(&self, address: usize) -> bool {
        SITES.iter().any(|site| site.load(SeqCst) == address)
    }

    fn byte(&self, address: usize) -> u8 {
        // SAFETY: (70) text is mapped.
        unsafe { core::ptr::with_exposed_provenance::<u8>(address).read_volatile() }
    }

    /// The patcher may be waiting for this very CPU, whose interrupts are off.
    fn wait(&self, _: Progress) {
        acknowledge();
        core::hint::spin_loop();
    }
}

/// Patches with the breakpoint protocol.
impl LiveText for Cpus {
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32> {
        admit(address, len)
    }

    fn begin(&mut self, changes: &[Change]) {
        for (index, site) in SITES.iter().enumerate() {
            site.store(changes.get(index).map_or(0, Change::address), SeqCst);
        }
    }

    fn progress(&self) -> Progress {
        Progress(PROGRESS.load(SeqCst))
    }

    fn announce(&mut self, progress: Progress) {
        PROGRESS.store(progress.0, SeqCst);
    }

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32> {
        unprotected(|| store_in_sight(address, bytes));
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        let request = REQUESTED.fetch_add(1, SeqCst) + 1;
        cpu::interrupt_others();
        cpu::wait_for("the other CPU serializes", || ANSWERED.load(SeqCst) >= request);
        serialize();
        Ok(())
    }
}

/// A batch of an op and of a branch.
fn live(features: Features) -> Result<Report, Error> {
    let mut journal = [Change::NONE; 2];
    toggle::branches::OTHER.want(features != Features::NONE);
    // SAFETY: (71) this CPU alone patches; the other one's breakpoint handler is `breakpoint`.
    unsafe { live::apply(&toggle::SET, features, Options::default(), &mut journal, &mut Cpus) }
}

/// Whether the other CPU, asked after a batch, takes this side.
fn takes(side: bool) -> bool {
    let round = ROUND.fetch_add(1, SeqCst) + 1;
    cpu::wait_for("the other CPU asks the branch", || SEEN.load(SeqCst) / 2 == round);
    SEEN.load(SeqCst) % 2 == u64::from(side)
}

/// The same with plain stores. The branch stays: a mix of its forms would jump anywhere.
fn naive(features: Features) -> Result<Report, Error> {
    // SAFETY: (73) wrong results are what is asked for: every mix of the two forms is an instruction that loads a number.
    unsafe { apply(&toggle::SET, features, Options::default(), &mut NaiveText) }
}

/// Patches as if nobody were looking.
struct NaiveText;

impl Text for NaiveText {
    fn admit(&mut self, address: usize, len: usize) -> Result<(), i32> {
        admit(address, len)
    }

    fn write(&mut self, address: usize, bytes: &[u8]) {
        unprotected(|| store_in_sight(address, bytes));
    }
}

struct Counts {
    pokes: u64,
    calls: u64,
    torn: u64,
    breakpoints: u64,
}

/// Toggles the site while the other CPU runs `task`, until `enough` or a time-out.
fn poke(
    task: u8,
    patch: fn(Features) -> Result<Report, Error>,
    enough: impl Fn(&Counts) -> bool,
) -> Option<Counts> {
    for counter in [&CALLS, &TORN, &BREAKPOINTS] {
        counter.store(0, SeqCst);
    }
    TASK.store(task, SeqCst);
    cpu::wait_for("the second CPU begins", || CALLS.load(SeqCst) > 0);
    let start = cycles();
    let mut pokes = 0;
    let counts = loop {
        let features = if pokes % 2 == 0 { toggle::features::SECOND } else { Features::NONE };
        if patch(features).is_err() || !takes(toggle::branches::OTHER.value()) {
            break None;
        }
        pokes += 1;
        // Some calls of the new form before the next batch.
        for _ in 0..4 {
            core::hint::spin_loop();
        }
        let counts =
            Counts { pokes, calls: CALLS.load(SeqCst), torn: TORN.load(SeqCst), breakpoints: BREAKPOINTS.load(SeqCst) };
        if enough(&counts) || cycles() - start > LONG {
            break Some(counts);
        }
    };
    TASK.store(REST, SeqCst);
    cpu::wait_for("the second CPU rests", || BUSY.load(SeqCst) == REST);
    counts
}

/// All checks of this file.
pub(crate) fn run() {
    cpu::start_second();
    const POKES: u64 = 2000;
    for (name, task) in [("interrupts on", OPEN), ("interrupts off", CLOSED)] {
        let counts = poke(task, live, |counts| counts.pokes >= POKES && counts.breakpoints >= POKES);
        let holds = counts.as_ref().is_some_and(|counts| counts.torn == 0 && counts.breakpoints >= 100);
        report("with breakpoints", name, holds, counts.as_ref());
    }
    // What is not live does not change, and with it nothing else of its batch.
    let before = digest();
    toggle::branches::FIXED.want(true);
    let refused = [Features::NONE, toggle::features::SECOND]
        .into_iter()
        .all(|features| live(features).is_err_and(|error| error.status == Status::NotLive));
    toggle::branches::FIXED.want(false);
    let holds = refused && digest() == before && !toggle::fixed();
    check(holds, "crossmod", format_args!("what is not live is refused"));

    // Without the protocol the same site tears: the checks above can see it.
    check(live(Features::NONE).is_ok(), "crossmod", format_args!("back"));
    let counts = poke(OPEN, naive, |counts| counts.torn >= 100);
    let holds = counts.as_ref().is_some_and(|counts| counts.torn >= 10);
    report("with plain stores", "torn results are seen", holds, counts.as_ref());

    // SAFETY: (72) the other CPU rests.
    let restored = unsafe { live::restore(&toggle::SET, Options::default(), &mut [Change::NONE; 2], &mut Cpus) };
    check(restored.is_ok() && probe() == FIRST && !other_side(), "crossmod", format_args!("restored"));
}

fn report(way: &str, name: &str, holds: bool, counts: Option<&Counts>) {
    if let Some(Counts { pokes, calls, torn, breakpoints }) = counts {
        say(format_args!("{way}, {name}: {pokes} pokes, {calls} calls, {torn} torn, {breakpoints} breakpoints"));
    }
    check(holds, "crossmod", format_args!("{way}, {name}"));
}
