//! The processor: descriptor tables, model-specific registers, the local APIC, the second CPU.

use crate::console::fail;
use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Memory that the guest's CPUs share by rules of their own.
#[repr(C, align(4096))]
pub(crate) struct Shared<T>(UnsafeCell<T>);

// SAFETY: (20) each user of a `Shared` says who touches it when.
unsafe impl<T> Sync for Shared<T> {}

impl<T> Shared<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    pub(crate) const fn get(&self) -> *mut T {
        self.0.get()
    }
}

pub(crate) const KERNEL_CODE: u64 = 0x08;
pub(crate) const KERNEL_DATA: u64 = 0x10;
/// 64-bit code of ring 3, where `sysretq` goes: STAR's selector + 16, privilege 3.
pub(crate) const USER_CODE: u64 = 0x2b;

pub(crate) const CPUS: usize = 2;

/// Vector of the interrupt that a CPU sends to itself.
pub(crate) const VECTOR_SELF: u8 = 0x40;
/// Vector of the request to serialize.
pub(crate) const VECTOR_SYNC: u8 = 0x41;

const IA32_APIC_BASE: u32 = 0x1b;
const IA32_STAR: u32 = 0xc000_0081;
const IA32_LSTAR: u32 = 0xc000_0082;
const IA32_CSTAR: u32 = 0xc000_0083;
const IA32_FMASK: u32 = 0xc000_0084;
const IA32_GS_BASE: u32 = 0xc000_0101;
const IA32_KERNEL_GS_BASE: u32 = 0xc000_0102;

fn write_msr(register: u32, value: u64) {
    // SAFETY: (21) only the registers above, with values that this file owns.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack));
    }
}

fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: (22) as (21).
    unsafe { asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Time stamp, for time limits only.
pub(crate) fn cycles() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: (23) no effect.
    unsafe { asm!("rdtsc", out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Waits until all stores are done and nothing that was fetched before is executed (SDM volume 3A, 9.3).
pub(crate) fn serialize() {
    #[allow(unused_unsafe, reason = "safe since Rust 1.94, and the stated minimum is older")]
    // SAFETY: (24) every 64-bit CPU has CPUID.
    let _ = unsafe { core::arch::x86_64::__cpuid(0) };
}

/// Interrupts on or off by the instruction itself, not by an op.
pub(crate) fn interrupts(on: bool) {
    // SAFETY: (25) handlers are installed before the first use.
    unsafe {
        if on {
            asm!("sti", "nop", options(nostack));
        } else {
            asm!("cli", options(nostack));
        }
    }
}

/// RFLAGS by the instruction itself.
pub(crate) fn flags() -> u64 {
    let flags;
    // SAFETY: (26) reads only; the compiler keeps no data below the stack pointer (no red zone).
    unsafe { asm!("pushfq", "pop {}", out(reg) flags) };
    flags
}

/// What `gs:0` holds.
pub(crate) fn gs_word() -> u64 {
    let word;
    // SAFETY: (27) both GS bases point at a word.
    unsafe { asm!("mov {}, gs:[0]", out(reg) word, options(nostack, readonly)) };
    word
}

/// The words that the two GS bases point at.
pub(crate) static KERNEL_GS: u64 = 0x6b65_726e_656c;
pub(crate) static USER_GS: u64 = 0x7573_6572;

/// Hardware's task state, of which only the interrupt stacks matter (SDM volume 3A, 8.7).
#[repr(C, packed)]
struct TaskState {
    reserved: u32,
    stacks: [u64; 3],
    reserved2: u64,
    interrupt_stacks: [u64; 7],
    reserved3: [u16; 5],
    io_map: u16,
}

#[repr(C, align(16))]
struct TrapStack([u8; 16384]);

// Written by the CPU that they belong to, before it takes its first interrupt.
static TASKS: [Shared<TaskState>; CPUS] = [const {
    Shared::new(TaskState {
        reserved: 0,
        stacks: [0; 3],
        reserved2: 0,
        interrupt_stacks: [0; 7],
        reserved3: [0; 5],
        io_map: 104,
    })
}; CPUS];
static TRAP_STACKS: [[Shared<TrapStack>; 2]; CPUS] =
    [const { [const { Shared::new(TrapStack([0; 16384])) }; 2] }; CPUS];
static IDT: Shared<[[u64; 2]; 256]> = Shared::new([[0; 2]; 256]);

unsafe extern "C" {
    static gdt: Shared<[u64; 11]>;
    static trap_stubs: u8;
    static ap_start: u8;
    static ap_end: u8;
    fn ring3_done();
    fn compatibility_entry();
}

#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Tables, system call entry, GS bases and local APIC of this CPU.
pub(crate) fn set_up(cpu: usize) {
    // SAFETY: (28) on CPU 0 nothing else runs; CPU 1 touches only its own task state and descriptor, and loads tables
    // that CPU 0 has finished.
    unsafe {
        let task = TASKS[cpu].get();
        for (index, stack) in TRAP_STACKS[cpu].iter().enumerate() {
            let top = stack.get().addr() as u64 + 16384;
            (&raw mut (*task).interrupt_stacks[index]).write_unaligned(top);
        }
        let base = task.addr() as u64;
        let descriptor = 0x67 | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        let table = gdt.get();
        (*table)[6 + 2 * cpu] = descriptor;
        (*table)[7 + 2 * cpu] = base >> 32;
        asm!("ltr {:x}", in(reg) 0x30 + 0x10 * cpu, options(nostack));
        if cpu == 0 {
            for vector in 0..256u64 {
                let stub = (&raw const trap_stubs).addr() as u64 + 16 * vector;
                // Interrupts on the second stack: they may come while a fault is handled.
                let stack = if vector < 32 { 1 } else { 2 };
                let low = (stub & 0xffff) | KERNEL_CODE << 16 | stack << 32 | 0x8e << 40 | (stub >> 16 & 0xffff) << 48;
                (*IDT.get())[vector as usize] = [low, stub >> 32];
            }
        }
        let pointer = TablePointer { limit: 4095, base: IDT.get().addr() as u64 };
        asm!("lidt [{}]", in(reg) &pointer, options(nostack));
        // The 8259s off: their vectors overlap those of exceptions.
        asm!("out 0x21, al", "out 0xa1, al", in("al") 0xffu8, options(nostack));
    }
    write_msr(IA32_STAR, 0x1b << 48 | KERNEL_CODE << 32);
    write_msr(IA32_LSTAR, ring3_done as *const () as u64);
    write_msr(IA32_CSTAR, compatibility_entry as *const () as u64);
    write_msr(IA32_FMASK, 0x4_7700);
    write_msr(IA32_GS_BASE, (&raw const KERNEL_GS).addr() as u64);
    write_msr(IA32_KERNEL_GS_BASE, (&raw const USER_GS).addr() as u64);
    apic_write(0xf0, 0x1ff); // spurious vector, APIC on
    apic_write(0x80, 0); // no priority threshold
}

fn apic(register: usize) -> *mut u32 {
    let base = read_msr(IA32_APIC_BASE) & 0xf_ffff_f000;
    core::ptr::with_exposed_provenance_mut(base as usize + register)
}

fn apic_write(register: usize, value: u32) {
    // SAFETY: (29) the local APIC's registers are mapped one to one.
    unsafe { apic(register).write_volatile(value) }
}

fn apic_read(register: usize) -> u32 {
    // SAFETY: (30) as (29).
    unsafe { apic(register).read_volatile() }
}

/// Acknowledges the interrupt that is being handled.
pub(crate) fn end_of_interrupt() {
    apic_write(0xb0, 0);
}

/// Sends [`VECTOR_SELF`] to this CPU.
pub(crate) fn interrupt_self() {
    apic_write(0x300, 0x4_0000 | u32::from(VECTOR_SELF));
}

/// Whether [`VECTOR_SELF`] waits to be delivered (the interrupt request register).
pub(crate) fn interrupt_is_pending() -> bool {
    let vector = usize::from(VECTOR_SELF);
    apic_read(0x200 + vector / 32 * 0x10) >> (vector % 32) & 1 != 0
}

/// Sends [`VECTOR_SYNC`] to the other CPU.
pub(crate) fn interrupt_others() {
    while apic_read(0x300) & 0x1000 != 0 {
        core::hint::spin_loop();
    }
    apic_write(0x300, 0xc_0000 | u32::from(VECTOR_SYNC));
}

/// Cycles that nothing takes on a host that is not overloaded beyond use.
pub(crate) const LONG: u64 = 20_000_000_000;

/// Waits for a condition.
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let start = cycles();
    while !condition() {
        if cycles() - start > LONG {
            fail(format_args!("time-out: {what}"));
        }
        core::hint::spin_loop();
    }
}

static SECOND_RUNS: AtomicBool = AtomicBool::new(false);

/// Called by the second CPU when it has its tables.
pub(crate) fn second_is_up() {
    SECOND_RUNS.store(true, SeqCst);
}

/// Starts the second CPU (SDM volume 3A, 9.4.4).
pub(crate) fn start_second() {
    let (from, to) = (&raw const ap_start, &raw const ap_end);
    // SAFETY: (31) the page at AP_BASE is ordinary memory that nothing else uses.
    unsafe {
        let page = core::ptr::with_exposed_provenance_mut(crate::AP_BASE);
        core::ptr::copy_nonoverlapping(from, page, to.addr() - from.addr());
    }
    apic_write(0x300, 0xc_4500); // INIT to all but this one
    pause(20_000_000);
    for _ in 0..2 {
        apic_write(0x300, 0xc_4600 | (crate::AP_BASE >> 12) as u32); // start-up
        pause(2_000_000);
    }
    wait_for("the second CPU", || SECOND_RUNS.load(SeqCst));
}

fn pause(duration: u64) {
    let start = cycles();
    while cycles() - start < duration {
        core::hint::spin_loop();
    }
}
