//! Registers by name: which exist on which arch, how wide they are, what their parts are called.

use crate::arch::{self, Arch};
use iced_x86::Register;

/// The parts of the eight old general registers: 8, 16, 32, 64 bits, in the order of their numbers.
const OLD: [[&str; 4]; 8] = [
    ["al", "ax", "eax", "rax"],
    ["cl", "cx", "ecx", "rcx"],
    ["dl", "dx", "edx", "rdx"],
    ["bl", "bx", "ebx", "rbx"],
    ["spl", "sp", "esp", "rsp"],
    ["bpl", "bp", "ebp", "rbp"],
    ["sil", "si", "esi", "rsi"],
    ["dil", "di", "edi", "rdi"],
];

/// Why a name is no register of an arch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoRegister {
    /// No arch has it.
    Unknown,
    /// Another arch has it; this is the name here for the register that it is part of, if there is one.
    Elsewhere(Option<&'static str>),
}

/// The register called `name` on `arch`, as named: `al`, `r8d`, `xmm3`.
pub(super) fn find(name: &str, arch: Arch) -> Result<Register, NoRegister> {
    // GNU as calls the low byte of r8 `r8b`, iced-x86 `r8l`.
    let low_byte = name.strip_suffix('b').filter(|rest| rest.starts_with('r') && rest[1..].parse::<u8>().is_ok());
    let register = match low_byte {
        Some(rest) => arch::register(&format!("{rest}l")),
        None if name.ends_with('l') && name.starts_with('r') => None,
        None => arch::register(name),
    };
    let register = register.filter(|&register| is_named(register)).ok_or(NoRegister::Unknown)?;
    if arch == Arch::I386 && only_64(register) {
        let whole = register.full_register();
        let here = OLD.get(whole.number()).filter(|_| register.is_gpr()).map(|names| names[2]);
        return Err(NoRegister::Elsewhere(here));
    }
    Ok(register)
}

/// Whether source text can name it: iced-x86 also lists the instruction pointer and registers that no CPU has.
fn is_named(register: Register) -> bool {
    register.is_gpr()
        || register.is_vector_register()
        || register.is_segment_register()
        || register.is_k()
        || register.is_mm()
        || register.is_st()
        || register.is_cr()
        || register.is_dr()
        || register.is_tmm()
        || register.is_bnd()
}

fn only_64(register: Register) -> bool {
    let low_byte_of_new = matches!(register, Register::SPL | Register::BPL | Register::SIL | Register::DIL);
    let numbered = register.is_gpr() || register.is_vector_register() || register.is_cr() || register.is_dr();
    register.is_gpr64() || low_byte_of_new || register.is_tmm() || (numbered && register.number() >= 8)
}

/// The whole register that `register` is part of, on `arch`: RDI for DIL on x86_64, ECX for CL on i386.
pub(super) fn full(register: Register, arch: Arch) -> Register {
    match arch {
        Arch::X86_64 => register.full_register(),
        Arch::I386 => register.full_register32(),
    }
}

/// Whether it is the second byte of a register.
pub(super) fn is_high_byte(register: Register) -> bool {
    matches!(register, Register::AH | Register::BH | Register::CH | Register::DH)
}

/// The name of the low `bits` of a general register on `arch`; `None` if they have none.
pub(super) fn part(register: Register, bits: u32, arch: Arch) -> Option<String> {
    if !register.is_gpr() || bits > arch.bits() {
        return None;
    }
    // Whatever part it is named by, the number of the whole register counts.
    let number = register.full_register().number();
    if let Some(names) = OLD.get(number) {
        let column = bits.trailing_zeros() as usize - 3;
        let old_low_byte = number < 4 || bits > 8;
        return (arch == Arch::X86_64 || old_low_byte).then(|| names[column].to_owned());
    }
    let suffix = match bits {
        8 => "b",
        16 => "w",
        32 => "d",
        _ => "",
    };
    (arch == Arch::X86_64).then(|| format!("r{number}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_the_arch() {
        assert_eq!(find("edi", Arch::X86_64), Ok(Register::EDI));
        assert_eq!(find("r8b", Arch::X86_64), Ok(Register::R8L));
        assert_eq!(find("r8l", Arch::X86_64), Err(NoRegister::Unknown));
        assert_eq!(find("al", Arch::X86_64), Ok(Register::AL));
        assert_eq!(find("rdi", Arch::I386), Err(NoRegister::Elsewhere(Some("edi"))));
        assert_eq!(find("sil", Arch::I386), Err(NoRegister::Elsewhere(Some("esi"))));
        assert_eq!(find("r9", Arch::I386), Err(NoRegister::Elsewhere(None)));
        assert_eq!(find("xmm8", Arch::I386), Err(NoRegister::Elsewhere(None)));
        assert_eq!(find("xmm7", Arch::I386), Ok(Register::XMM7));
        assert_eq!(find("rip", Arch::X86_64), Err(NoRegister::Unknown));
        assert_eq!(find("none", Arch::X86_64), Err(NoRegister::Unknown));
    }

    #[test]
    fn parts_are_named_as_gas_names_them() {
        assert_eq!(part(Register::RDI, 8, Arch::X86_64).as_deref(), Some("dil"));
        assert_eq!(part(Register::EDI, 8, Arch::I386), None);
        assert_eq!(part(Register::EDX, 8, Arch::I386).as_deref(), Some("dl"));
        assert_eq!(part(Register::R10, 8, Arch::X86_64).as_deref(), Some("r10b"));
        assert_eq!(part(Register::R10, 32, Arch::X86_64).as_deref(), Some("r10d"));
        assert_eq!(part(Register::EAX, 64, Arch::I386), None);
        assert_eq!(part(Register::RBX, 16, Arch::X86_64).as_deref(), Some("bx"));
    }
}
