//! The shipped patch set in this guest: one function with one site per op, what calling it must effect, and what it must
//! do at ring 3; one function with one site per static branch.

use crate::cpu::{Shared, USER_CODE, USER_GS, flags, gs_word, interrupt_is_pending, interrupt_self, interrupts};
use crate::traps::{ARRIVED, faults_when_read};
use crate::{paging, paravirt, user};
use core::arch::asm;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// What went wrong, or nothing.
pub(crate) type Effect = Result<(), &'static str>;

/// What a site does at ring 3.
#[derive(Clone, Copy)]
pub(crate) enum Ring3 {
    /// General protection, at the site.
    Faults,
    /// It works, and its function returns this if given.
    Returns(Option<u64>),
}

/// One op under test.
pub(crate) struct Case {
    /// Its name in the patch set.
    pub(crate) name: &'static str,
    /// Address of the function with its site.
    pub(crate) function: fn() -> usize,
    /// Calls it and looks at what it did.
    pub(crate) effect: fn() -> Effect,
    /// Argument of the function at ring 3.
    pub(crate) argument: fn() -> usize,
    /// What happens there.
    pub(crate) ring3: Ring3,
    /// Whether the site is a call through the ops structure before patching.
    pub(crate) calls: bool,
}

/// Functions with one site each, by name of the op.
macro_rules! sites {
    ($($name:ident($($argument:ident: $ty:ty)?) $(-> $result:ty)?, $op:path;)*) => {
        mod site {
            use super::*;
            $(
                #[inline(never)]
                pub(super) extern "C" fn $name($($argument: $ty)?) $(-> $result)? {
                    // SAFETY: (80) this is the kernel; the few that are run at ring 3 fault there.
                    unsafe { $op($($argument)?) }
                }
            )*
        }
    };
}

sites! {
    irq_disable(), paravirt::irq::irq_disable;
    irq_enable(), paravirt::irq::irq_enable;
    save_fl() -> usize, paravirt::irq::save_fl;
    restore_fl(flags: usize), paravirt::irq::restore_fl;
    read_cr2() -> usize, paravirt::mmu::read_cr2;
    read_cr3() -> usize, paravirt::mmu::read_cr3;
    write_cr3(cr3: usize), paravirt::mmu::write_cr3;
    wbinvd(), paravirt::cpu::wbinvd;
    mov64(value: usize) -> usize, paravirt::mov64;
    queued_spin_unlock(lock: *mut c_void), paravirt::lock::queued_spin_unlock;
    vcpu_is_preempted(cpu: usize) -> bool, paravirt::lock::vcpu_is_preempted;
}

/// A static branch under test.
pub(crate) struct Question {
    /// Its name in the patch set.
    pub(crate) name: &'static str,
    /// Asks it, at its one site.
    pub(crate) ask: extern "C" fn() -> bool,
    /// What switches it.
    pub(crate) branch: pvc_runtime::Branch,
    /// Its value in the code that the compiler made.
    pub(crate) first: bool,
}

extern "C" fn time_steal() -> bool {
    paravirt::time::steal()
}

extern "C" fn lock_virt_spin() -> bool {
    paravirt::lock::virt_spin()
}

/// All branches of `patchsets/x86_64.pv`.
pub(crate) static QUESTIONS: [Question; 2] = [
    Question { name: "time.steal", ask: time_steal, branch: paravirt::branches::TIME_STEAL, first: false },
    Question { name: "lock.virt_spin", ask: lock_virt_spin, branch: paravirt::branches::LOCK_VIRT_SPIN, first: true },
];

fn nothing() -> usize {
    0
}

/// All ops of `patchsets/x86_64.pv` that exist on x86_64.
pub(crate) static CASES: [Case; 13] = {
    const fn case(name: &'static str, function: fn() -> usize, effect: fn() -> Effect, ring3: Ring3) -> Case {
        Case { name, function, effect, argument: nothing, ring3, calls: true }
    }
    use Ring3::{Faults, Returns};
    [
        case("irq.irq_disable", || site::irq_disable as *const () as usize, irq_disable, Faults),
        case("irq.irq_enable", || site::irq_enable as *const () as usize, irq_enable, Faults),
        case("irq.save_fl", || site::save_fl as *const () as usize, save_fl, Returns(None)),
        Case {
            argument: || 2,
            ..case("irq.restore_fl", || site::restore_fl as *const () as usize, restore_fl, Returns(None))
        },
        case("mmu.read_cr2", || site::read_cr2 as *const () as usize, read_cr2, Faults),
        case("mmu.read_cr3", || site::read_cr3 as *const () as usize, read_cr3, Faults),
        Case {
            argument: paging::table,
            ..case("mmu.write_cr3", || site::write_cr3 as *const () as usize, write_cr3, Faults)
        },
        case("cpu.wbinvd", || site::wbinvd as *const () as usize, wbinvd, Faults),
        case("cpu.usergs_sysret64", user::sysret_site_address, usergs_sysret64, Faults),
        // Its site is the instruction itself, before patching too.
        Case { calls: false, ..case("cpu.swapgs", || user::swap_gs as *const () as usize, swapgs, Faults) },
        Case {
            argument: || VALUE,
            ..case("mov64", || site::mov64 as *const () as usize, mov64, Returns(Some(VALUE as u64)))
        },
        Case {
            argument: || LOCK.get().addr(),
            ..case(
                "lock.queued_spin_unlock",
                || site::queued_spin_unlock as *const () as usize,
                queued_spin_unlock,
                Returns(None),
            )
        },
        Case {
            argument: || 3,
            ..case(
                "lock.vcpu_is_preempted",
                || site::vcpu_is_preempted as *const () as usize,
                vcpu_is_preempted,
                Returns(Some(0)),
            )
        },
    ]
};

const INTERRUPT_FLAG: u64 = 1 << 9;
/// The flag that software may toggle and that nothing else changes (SDM volume 1, 3.4.3.3).
const ID_FLAG: u64 = 1 << 21;
/// OF SF ZF AF PF CF: these change by themselves.
const ARITHMETIC: u64 = 0x8d5;

fn require(holds: bool, otherwise: &'static str) -> Effect {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Whether an interrupt to this very CPU stays pending.
fn is_held(before: u64) -> bool {
    (0..2000).all(|_| {
        core::hint::spin_loop();
        ARRIVED.load(SeqCst) == before
    }) && interrupt_is_pending()
}

/// Whether exactly one arrives.
fn arrives(before: u64) -> bool {
    for _ in 0..10_000 {
        if ARRIVED.load(SeqCst) != before {
            break;
        }
        core::hint::spin_loop();
    }
    ARRIVED.load(SeqCst) == before + 1
}

fn irq_disable() -> Effect {
    interrupts(true);
    let before = ARRIVED.load(SeqCst);
    site::irq_disable();
    interrupt_self();
    let held = is_held(before);
    interrupts(true);
    let came = arrives(before);
    interrupts(false);
    require(held, "an interrupt came although they were disabled")?;
    require(came, "the interrupt did not come afterwards")
}

fn irq_enable() -> Effect {
    interrupts(false);
    let before = ARRIVED.load(SeqCst);
    interrupt_self();
    let held = is_held(before);
    site::irq_enable();
    let came = arrives(before);
    interrupts(false);
    require(held, "an interrupt came before they were enabled")?;
    require(came, "a pending interrupt did not come")
}

fn save_fl() -> Effect {
    for on in [false, true, false] {
        // SAFETY: (81) only toggles the ID flag.
        unsafe { asm!("push {}", "popfq", in(reg) flags() ^ ID_FLAG) };
        interrupts(on);
        let (saved, actual) = (site::save_fl() as u64, flags());
        interrupts(false);
        require((saved & INTERRUPT_FLAG != 0) == on, "the interrupt flag is wrong")?;
        require((saved ^ actual) & !ARITHMETIC == 0, "a flag is wrong")?;
    }
    Ok(())
}

fn restore_fl() -> Effect {
    interrupts(false);
    let before = ARRIVED.load(SeqCst);
    interrupt_self();
    let held = is_held(before);
    let old = flags();
    site::restore_fl((old ^ ID_FLAG | INTERRUPT_FLAG) as usize);
    let came = arrives(before);
    let toggled = flags() ^ old;
    interrupt_self();
    let came_again = arrives(before + 1);
    site::restore_fl((old & !INTERRUPT_FLAG) as usize);
    interrupt_self();
    let held_again = is_held(before + 2);
    let now = flags();
    interrupts(true);
    let came_last = arrives(before + 2);
    interrupts(false);
    require(held && held_again, "an interrupt came with the flag clear")?;
    require(came && came_again && came_last, "no interrupt with the flag set")?;
    require(toggled & ID_FLAG != 0 && (now ^ old) & !ARITHMETIC == 0, "a flag is wrong")
}

fn read_cr2() -> Effect {
    static NEXT: AtomicU64 = AtomicU64::new(paging::HOLE as u64);
    for _ in 0..2 {
        let address = NEXT.fetch_add(0x12345, SeqCst) as usize;
        require(faults_when_read(address), "no page fault in the hole")?;
        require(site::read_cr2() == address, "not the address of the fault")?;
    }
    Ok(())
}

fn read_cr3() -> Effect {
    let own = paging::table();
    require(site::read_cr3() == own, "not the table in use")?;
    paging::switch_to(paging::other_table());
    let other = site::read_cr3();
    paging::switch_to(own);
    require(other == paging::other_table(), "not the other table")
}

fn write_cr3() -> Effect {
    let (own, other) = (paging::table(), paging::other_table());
    require(paging::window() == paging::OWN_WORD, "the window shows another page already")?;
    site::write_cr3(other);
    let (word, table) = (paging::window(), paging::table());
    site::write_cr3(own);
    require(table == other && word == paging::OTHER_WORD, "the other page does not show")?;
    require(paging::table() == own && paging::window() == paging::OWN_WORD, "the page does not show again")
}

/// Nothing can be seen of it at ring 0 but that it does no harm: what it is shows at ring 3.
fn wbinvd() -> Effect {
    let before = flags();
    site::wbinvd();
    require((flags() ^ before) & !ARITHMETIC == 0, "a flag is wrong")
}

extern "C" fn at_ring3(argument: usize) -> usize {
    argument.wrapping_mul(3)
}

fn usergs_sysret64() -> Effect {
    let expected = user::Outcome::Returned { value: 3 * VALUE as u64, gs: USER_GS, cs: USER_CODE };
    let outcome = user::run(at_ring3 as *const () as usize, VALUE);
    require(outcome == expected, "not ring 3 as it should be")
}

fn swapgs() -> Effect {
    let before = gs_word();
    // SAFETY: (82) twice, so the kernel's base is back.
    let between = unsafe {
        user::swap_gs();
        let between = gs_word();
        user::swap_gs();
        between
    };
    require(before == crate::cpu::KERNEL_GS && between == USER_GS, "the bases were not exchanged")?;
    require(gs_word() == before, "the bases were not exchanged again")
}

const VALUE: usize = 0x1234_5678_9abc_def0;

fn mov64() -> Effect {
    require([0, 1, VALUE, usize::MAX].iter().all(|&value| site::mov64(value) == value), "another value came back")
}

/// A lock word; CPU 0 alone uses it.
static LOCK: Shared<u64> = Shared::new(0);

fn queued_spin_unlock() -> Effect {
    let lock = LOCK.get();
    // SAFETY: (83) CPU 0's own word.
    let word = unsafe {
        lock.write_volatile(0x0102_0304_0506_07ff);
        site::queued_spin_unlock(lock.cast());
        lock.read_volatile()
    };
    require(word == 0x0102_0304_0506_0700, "more or less than the lowest byte was cleared")
}

fn vcpu_is_preempted() -> Effect {
    require([0, 1, usize::MAX].iter().all(|&cpu| !site::vcpu_is_preempted(cpu)), "a CPU is preempted")
}
