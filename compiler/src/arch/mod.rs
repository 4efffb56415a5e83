//! The arch tables: registers of the ABI, kinds of patch site, CPU features. Data in TOML beside this file, turned into
//! statics by `build.rs`.

mod features;

pub use features::{
    ALIASES, ByName, Cpuid, CpuidRegister, FEATURES, FeatureInfo, LEVELS, Level, OsSupport, PROVIDERS, canonical,
    feature,
};

use iced_x86::Register;
use std::sync::OnceLock;

/// An architecture that rows can be written for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Arch {
    /// 64-bit mode.
    X86_64,
    /// 32-bit protected mode, not position-independent.
    I386,
}

impl Arch {
    /// All of them, in the order of the outputs.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::I386];

    /// Its name in `.pv` files and in the JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
        }
    }

    /// Its table.
    #[must_use]
    pub fn table(self) -> &'static Table {
        match self {
            Self::X86_64 => &X86_64,
            Self::I386 => &I386,
        }
    }

    /// The mode in which its code is assembled.
    #[must_use]
    pub fn mode(self) -> pvc_asm::Mode {
        match self {
            Self::X86_64 => pvc_asm::Mode::Bits64,
            Self::I386 => pvc_asm::Mode::Bits32,
        }
    }

    /// Bits of a general register: 64 or 32.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.table().bits
    }
}

/// What is known of an arch.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Bits of a general register.
    pub bits: u32,
    /// Registers of the arguments, in order.
    pub arguments: &'static [Register],
    /// Registers of the results, in order.
    pub results: &'static [Register],
    /// What a call may destroy.
    pub caller_saved: &'static [Register],
    /// What a call keeps.
    pub callee_saved: &'static [Register],
    /// Bytes below the stack pointer that belong to the running function under `abi user`.
    pub red_zone: u32,
    /// Length of the direct call or jump that the patcher may write.
    pub direct_len: u8,
    /// The longest site.
    pub max_site: u8,
    /// Asm lines of the stub of a `jmp.stub` site, with the names SLOT and BACK.
    pub stub: &'static [&'static str],
    /// How to unwind out of that stub.
    pub stub_frame: Frame,
    /// The kinds of site.
    pub kinds: &'static [Kind],
}

/// Call frame information of code that is a frame of its own.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The CIE behind its id.
    pub cie: &'static [u8],
    /// The DWARF number of the return address.
    pub return_column: u8,
    /// For each offset at which an instruction starts, call frame instructions: what differs from the row before.
    pub rows: &'static [(u8, &'static [u8])],
}

/// A kind of patch site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kind {
    /// Its name: `call.mem`.
    pub name: &'static str,
    /// Its code in the site records.
    pub code: u8,
    /// The first bytes of the original form.
    pub opcode: &'static [u8],
    /// What follows them.
    pub operand: SiteOperand,
    /// Bytes; `None` where the clause or the rows tell.
    pub len: Option<u8>,
    /// Opcode of the direct call or jump that may replace it.
    pub direct: Option<u8>,
}

impl Kind {
    /// Whether it is a tail: control does not come back to the site.
    #[must_use]
    pub fn is_jump(&self) -> bool {
        self.direct == Some(0xe9)
    }
}

/// What follows the opcode of a site's original form; the number is that of the table format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SiteOperand {
    /// Nothing.
    None,
    /// rel32 to the op's trampoline.
    Trampoline,
    /// rel32 to the op's slot.
    SlotRel,
    /// abs32 of the op's slot.
    SlotAbs,
    /// rel32 to the site's stub.
    Stub,
}

impl Table {
    /// The kind of that name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&'static Kind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}

include!(concat!(env!("OUT_DIR"), "/x86_64.rs"));
include!(concat!(env!("OUT_DIR"), "/i386.rs"));

/// The register of a lower-case name.
#[must_use]
pub fn register(name: &str) -> Option<Register> {
    let named = Register::values().find(|&register| register_name(register) == name);
    named.filter(|&register| register != Register::None && !name.starts_with("dontuse"))
}

/// The lower-case name of a register.
#[must_use]
pub fn register_name(register: Register) -> &'static str {
    // iced-x86's registers are numbered in a byte.
    static NAMES: [OnceLock<String>; 256] = [const { OnceLock::new() }; 256];
    NAMES[register as usize].get_or_init(|| format!("{register:?}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_agree_with_the_table_format() {
        for arch in Arch::ALL {
            let table = arch.table();
            assert_eq!(table.bits, arch.bits());
            for kind in table.kinds {
                assert!(kind.code < 16, "a kind code is a nibble");
                if let Some(len) = kind.len {
                    let operand = if kind.operand == SiteOperand::None { 0 } else { 4 };
                    assert_eq!(usize::from(len), kind.opcode.len() + operand, "{}", kind.name);
                    assert!(len >= table.direct_len);
                }
            }
        }
        assert_eq!(Arch::X86_64.table().kind("call.abs").unwrap().len, Some(7));
        assert!(Arch::I386.table().kind("call.abs").is_none());
    }
}
