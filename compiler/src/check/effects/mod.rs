//! What single instructions do, as far as the checks need it: iced-x86's facts and our own.

mod table;

pub(super) use table::{Facts, Memory, Order, facts, immediate, is_fence, reads, sets_constant, writes};

use super::registers::Cell;
use crate::model::{FPCW, MXCSR};
use iced_x86::{Instruction, InstructionInfo, Mnemonic, Register, RflagsBits};

/// The arithmetic flags: what compilers care for.
pub(super) const ARITHMETIC: u32 =
    RflagsBits::OF | RflagsBits::SF | RflagsBits::ZF | RflagsBits::AF | RflagsBits::CF | RflagsBits::PF;

/// The system flags that iced-x86 follows.
pub(super) const SYSTEM: u32 = RflagsBits::DF | RflagsBits::IF | RflagsBits::AC;

/// Names of flags, comma-separated in the order of the register.
pub(super) fn flag_names(mask: u32) -> String {
    flag_list(mask).join(", ")
}

/// The names of the flags in a mask of iced-x86's `RflagsBits`, from CF up, and of the control registers that go with them.
#[must_use]
pub fn flag_list(mask: u32) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 11] = [
        (RflagsBits::CF, "CF"),
        (RflagsBits::PF, "PF"),
        (RflagsBits::AF, "AF"),
        (RflagsBits::ZF, "ZF"),
        (RflagsBits::SF, "SF"),
        (RflagsBits::IF, "IF"),
        (RflagsBits::DF, "DF"),
        (RflagsBits::OF, "OF"),
        (RflagsBits::AC, "AC"),
        (MXCSR, "MXCSR"),
        (FPCW, "FPCW"),
    ];
    NAMES.iter().filter(|(bit, _)| mask & bit != 0).map(|&(_, name)| name).collect()
}

/// The control registers that compilers take to be as the ABI has them: MXCSR and the x87 control word.
pub(super) const CONTROL: u32 = MXCSR | FPCW;

/// The bit of a control register of the table.
fn control(name: &str) -> u32 {
    if name == "mxcsr" { MXCSR } else { FPCW }
}

/// What an instruction does to the flags.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Flags {
    /// Flags whose value it depends on.
    pub(super) reads: u32,
    /// Flags that it sets to a known or computed value.
    pub(super) writes: u32,
    /// Flags that it leaves with no value to rely on.
    pub(super) undefines: u32,
    /// Whether it may also leave all of these alone (a shift by zero).
    pub(super) maybe: bool,
}

/// The effect of an instruction on the flags and the control registers; `facts` is what our table says of it.
pub(super) fn flags(instruction: &Instruction, facts: Option<&Facts>) -> Flags {
    let control = facts.map_or(0, |facts| facts.control.iter().fold(0, |bits, name| bits | control(name)));
    let mut flags = Flags {
        reads: instruction.rflags_read(),
        writes: instruction.rflags_written() | instruction.rflags_set() | instruction.rflags_cleared() | control,
        undefines: instruction.rflags_undefined(),
        maybe: false,
    };
    match instruction.mnemonic() {
        // The system destroys RCX and R11 and nothing else (psABI A.2.1): SYSRET takes the flags from R11 again.
        Mnemonic::Syscall => return Flags::default(),
        // These may look at flags that nothing set: they only carry them (LANGUAGE.md, clobbers). What the
        // hypervisor saves is no use of them either.
        Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq | Mnemonic::Lahf | Mnemonic::Vmrun => flags.reads = 0,
        // The flags stay as they are if the count in CL is zero (SDM SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD).
        Mnemonic::Shl
        | Mnemonic::Sal
        | Mnemonic::Shr
        | Mnemonic::Sar
        | Mnemonic::Rol
        | Mnemonic::Ror
        | Mnemonic::Rcl
        | Mnemonic::Rcr
        | Mnemonic::Shld
        | Mnemonic::Shrd => {
            let count = instruction.op_count() - 1;
            flags.maybe = instruction.op_register(count) == Register::CL;
        }
        // No iteration, no comparison.
        Mnemonic::Cmpsb
        | Mnemonic::Cmpsw
        | Mnemonic::Cmpsd
        | Mnemonic::Cmpsq
        | Mnemonic::Scasb
        | Mnemonic::Scasw
        | Mnemonic::Scasd
        | Mnemonic::Scasq => flags.maybe = instruction.has_rep_prefix() || instruction.has_repne_prefix(),
        _ => {}
    }
    flags
}

/// Whether the instruction works on the x87 stack. Those that only read an MMX register do so too: they mark all eight as
/// in use and set the top to 0 (SDM vol. 1, 9.5.1).
pub(super) fn uses_x87(instruction: &Instruction, info: &InstructionInfo) -> bool {
    instruction.fpu_stack_increment_info().writes_top()
        || info.used_registers().iter().any(|used| used.register().is_st() || used.register().is_mm())
}

/// The cells that a name of the table's `writes` stands for.
pub(super) fn cells(name: &str) -> Vec<Cell> {
    match name {
        "vector" => Cell::vectors().collect(),
        "mask" => Cell::masks().collect(),
        "x87" => vec![Cell::FPU],
        "tile" => Cell::tiles().collect(),
        _ => crate::arch::register(name).and_then(Cell::of).map(|(cell, _)| cell).into_iter().collect(),
    }
}
