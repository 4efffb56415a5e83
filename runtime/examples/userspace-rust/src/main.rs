//! A program that replaces its own call sites by the instructions that this CPU has for them.
//!
//! It shows one site of each operation before and after, then fills the ops structure with the address of a trap and works
//! on: no call goes through that structure any more.
//!
//! ```text
//! cargo run -p userspace-rust
//! ```

include!(concat!(env!("OUT_DIR"), "/userspace.rs"));

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction};
use pvc_runtime::{Features, user};
use userspace::branches::TRACE_ENABLED;
use userspace::{OPS, SET, bits, cpu, mem, time, trace};

/// What `bits.popcount` calls on a CPU without POPCNT.
#[unsafe(no_mangle)]
extern "sysv64" fn userspace_popcount(value: usize) -> usize {
    let (mut value, mut count) = (value, 0);
    while value != 0 {
        value &= value - 1;
        count += 1;
    }
    count
}

/// Work that uses every operation; the result says whether it was done right.
#[inline(never)]
fn work() -> usize {
    let mut line = [0usize; 8];
    let mut sum = 0;
    for (index, word) in line.iter_mut().enumerate() {
        *word = 0x10 << index;
        sum += bits::popcount(*word | 1) + bits::lowest(*word);
        cpu::relax();
    }
    // SAFETY: the address of a live variable.
    unsafe { mem::write_back(line.as_mut_ptr().cast()) };
    mem::store_fence();
    if trace::enabled() {
        tell(sum);
    }
    cpu::serialize();
    let stamp = time::stamp();
    assert_ne!((stamp.lo, stamp.hi), (0, 0));
    sum
}

/// What a step says while it is traced: the other side of the static branch, out of the way.
#[cold]
fn tell(sum: usize) {
    println!("traced: the sum is {sum}");
}

/// The instructions at the first site of each operation and static branch.
fn show(title: &str) {
    println!("{title}");
    let mut shown = Vec::new();
    for site in SET.sites() {
        let (op, len) = (site.op, usize::from(site.len));
        if shown.contains(&op) {
            continue;
        }
        shown.push(op);
        let address = site.anchor();
        // SAFETY: sites of this program; volatile because patching changes them.
        let bytes: Vec<u8> = (0..len).map(|at| unsafe { (address as *const u8).add(at).read_volatile() }).collect();
        println!("  {:<16} {:<18} {}", SET.op_name(op), hex(&bytes), disassemble(&bytes, address));
    }
    for site in SET.branch_sites() {
        let address = site.address();
        // SAFETY: as above.
        let bytes: Vec<u8> =
            (0..usize::from(site.len)).map(|at| unsafe { (address as *const u8).add(at).read_volatile() }).collect();
        println!("  {:<16} {:<18} {}", TRACE_ENABLED.name(), hex(&bytes), disassemble(&bytes, address));
    }
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

fn disassemble(bytes: &[u8], address: usize) -> String {
    let mut formatter = GasFormatter::new();
    formatter.options_mut().set_rip_relative_addresses(true);
    formatter.options_mut().set_uppercase_hex(false);
    let mut text = String::new();
    let decoder = Decoder::with_ip(64, bytes, address as u64, DecoderOptions::NONE);
    for (index, instruction) in decoder.into_iter().enumerate() {
        if index > 0 {
            text.push_str("; ");
        }
        let instruction: Instruction = instruction;
        formatter.format(&instruction, &mut text);
    }
    text
}

extern "sysv64" fn trap() -> ! {
    eprintln!("a call went through the ops structure");
    std::process::abort()
}

fn poison() {
    let trap = trap as *const core::ffi::c_void;
    // SAFETY: nothing calls through the structure any more; if something does, it stops here, which is the point.
    unsafe {
        OPS.bits_popcount.install_address(trap);
        OPS.bits_lowest.install_address(trap);
        OPS.mem_write_back.install_address(trap);
        OPS.mem_store_fence.install_address(trap);
        OPS.time_stamp.install_address(trap);
        OPS.cpu_relax.install_address(trap);
        OPS.cpu_serialize.install_address(trap);
    }
}

fn main() -> Result<(), pvc_runtime::Error> {
    show("before:");
    let before = work();

    // SAFETY: the program has one thread yet, and the ops structure holds its defaults.
    let report = unsafe { user::patch(&SET, Features::NONE) }?;
    println!("{report}");
    show("after:");

    poison();
    let after = work();
    assert_eq!((before, after), (76, 76));
    // SAFETY: no handler of SIGTRAP has a site in it, and no thread blocks the signal.
    unsafe { user::live::set_branch(TRACE_ENABLED, true) }?;
    show("traced:");
    work();
    println!("every slot of the ops structure is a trap now, and the work is still done");
    Ok(())
}
