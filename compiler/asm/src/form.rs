//! The record that describes one encoding of one instruction.
//!
//! This file is shared with the table generator.

/// How the opcode is wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Encoding {
    /// Prefixes, escape bytes, opcode.
    Legacy,
    /// 0F 0F, with the opcode behind the operands (AMD 3DNow! manual, section 1.2).
    D3now,
    /// C4 or C5.
    Vex,
    /// 8F (AMD64 manual volume 6).
    Xop,
    /// 62.
    Evex,
}

/// One encoding of an instruction: everything that is needed to match operands against it and to write its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Operand kinds in Intel order (see `kinds.rs`), zero-filled.
    pub(crate) ops: [u8; 5],
    /// Opcode byte.
    pub(crate) opcode: u8,
    /// ModRM byte or second opcode byte that is part of the opcode, when [`Form::TWO`] is set.
    pub(crate) second: u8,
    /// ModRM.reg when it extends the opcode, else 0xff.
    pub(crate) group: u8,
    /// ModRM.rm when it extends the opcode, else 0xff.
    pub(crate) rm_group: u8,
    /// 0 none, 1 0F, 2 0F38, 3 0F3A, 5 and 6 the EVEX maps, 8 to 10 the XOP maps.
    pub(crate) map: u8,
    /// Mandatory prefix: 0 none, 1 66, 2 F3, 3 F2 (the VEX.pp encoding).
    pub(crate) pp: u8,
    /// Vector length bits of VEX/EVEX/XOP.
    pub(crate) ll: u8,
    /// Operand size (16, 32, 64) that the prefixes must bring about; 0 where it does not matter.
    pub(crate) osz: u8,
    /// Address size (16, 32, 64) that the prefixes must bring about; 0 where it does not matter.
    pub(crate) asz: u8,
    /// Bytes of the memory operand; 0 unknown or irrelevant.
    pub(crate) mem: u16,
    /// Element size of a broadcast in bytes; 0 no broadcast.
    pub(crate) bcast: u8,
    /// log2 of the disp8 scale of EVEX.
    pub(crate) disp8: u8,
    /// How the opcode is wrapped.
    pub(crate) enc: Encoding,
    /// The number of iced's `Code`.
    pub(crate) code: u16,
    /// See the constants.
    pub(crate) flags: u32,
    /// Where the operands go.
    pub(crate) roles: Roles,
}

/// Number of the operand for each part of an instruction; [`Roles::NONE`] if there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roles {
    /// ModRM.reg.
    pub(crate) reg: u8,
    /// ModRM.rm.
    pub(crate) rm: u8,
    /// VEX.vvvv.
    pub(crate) vvvv: u8,
    /// Low bits of the opcode.
    pub(crate) low: u8,
    /// The first immediate, and its bytes.
    pub(crate) immediate: u8,
    pub(crate) immediate_width: u8,
    /// There is something else: a second immediate, a register in an immediate, a bare address, a string operand.
    pub(crate) other: bool,
}

impl Roles {
    /// An operand that is always empty.
    pub(crate) const NONE: u8 = 5;

    /// The roles of operands of these kinds.
    pub(crate) const fn new(ops: &[u8; 5]) -> Self {
        use super::kinds::{ALL, Slot};
        let none = Self::NONE;
        let mut roles =
            Roles { reg: none, rm: none, vvvv: none, low: none, immediate: none, immediate_width: 0, other: false };
        let mut i = 0;
        while i < 5 {
            match ALL[ops[i] as usize].slot {
                Slot::Implied | Slot::Rel(_) => {}
                Slot::Reg => roles.reg = i as u8,
                Slot::Rm => roles.rm = i as u8,
                Slot::RegRm => {
                    roles.reg = i as u8;
                    roles.rm = i as u8;
                }
                Slot::Vvvv => roles.vvvv = i as u8,
                Slot::Opcode => roles.low = i as u8,
                Slot::Imm(width) if roles.immediate == none => {
                    roles.immediate = i as u8;
                    roles.immediate_width = width;
                }
                _ => roles.other = true,
            }
            i += 1;
        }
        roles
    }
}

impl Form {
    /// VEX.W/EVEX.W/XOP.W.
    pub(crate) const W: u32 = 1;
    /// [`Form::mem`] of memory that no size word describes.
    pub(crate) const UNSIZED: u16 = u16::MAX;
    /// The opcode has a second byte.
    pub(crate) const TWO: u32 = 1 << 1;
    /// 64-bit operand size is the default: no REX.W.
    pub(crate) const D64: u32 = 1 << 2;
    /// A 9B byte (FWAIT) comes first.
    pub(crate) const FWAIT: u32 = 1 << 3;
    /// Takes an opmask.
    pub(crate) const MASK: u32 = 1 << 4;
    /// Must have an opmask.
    pub(crate) const NEED_MASK: u32 = 1 << 5;
    /// Takes {z}.
    pub(crate) const ZERO: u32 = 1 << 6;
    /// Takes {rn-sae} and the like on its register form.
    pub(crate) const ER: u32 = 1 << 7;
    /// Takes {sae} on its register form.
    pub(crate) const SAE: u32 = 1 << 8;
    /// Takes `lock` when the destination is memory.
    pub(crate) const LOCK: u32 = 1 << 9;
    /// Takes `rep`.
    pub(crate) const REP: u32 = 1 << 10;
    /// Takes `repne`.
    pub(crate) const REPNE: u32 = 1 << 11;
    /// Takes `xacquire`.
    pub(crate) const XACQUIRE: u32 = 1 << 12;
    /// Takes `xrelease`.
    pub(crate) const XRELEASE: u32 = 1 << 13;
    /// Takes `bnd`.
    pub(crate) const BND: u32 = 1 << 14;
    /// Takes `notrack`.
    pub(crate) const NOTRACK: u32 = 1 << 15;
    /// Chosen only under `{vex}` or `{vex3}`: GNU as prefers the EVEX form.
    pub(crate) const WANT_VEX: u32 = 1 << 16;
    /// Takes `xrelease` without `lock` (`mov` to memory), or `xacquire` too (`xchg`).
    pub(crate) const HLE_NOLOCK: u32 = 1 << 17;
    /// Has a ModRM byte.
    pub(crate) const MODRM: u32 = 1 << 18;
    /// The first two operands may change places to get the 2-byte VEX prefix: the partner form follows in the list.
    pub(crate) const SWAP: u32 = 1 << 19;
    /// The `{load}` direction of a pair that differs only in direction.
    pub(crate) const LOAD: u32 = 1 << 20;
    /// The `{store}` direction of such a pair.
    pub(crate) const STORE: u32 = 1 << 21;
    /// The destination and index must be distinct (gathers), GNU as warns.
    pub(crate) const GATHER: u32 = 1 << 22;
    /// The destination must differ from the sources (complex FP16 multiplication), GNU as refuses.
    pub(crate) const UNIQUE_DEST: u32 = 1 << 23;
    /// RIP-relative addressing is refused (MPX `bndldx`, AMX).
    pub(crate) const NO_RIP: u32 = 1 << 24;
    /// Addresses must have the mode's own width (MPX in 64-bit mode).
    pub(crate) const NO_ADDR32: u32 = 1 << 25;
    /// The register operand in ModRM.reg sets the address size (`enqcmd`, `movdir64b`, `umonitor`).
    pub(crate) const REG_ADDR: u32 = 1 << 26;
    /// ModRM.rm must be 4, so that there is a SIB byte (AMX tile loads).
    pub(crate) const NEED_SIB: u32 = 1 << 27;
    /// Can be encoded by the short way (`quick/`); set where the tables are built.
    pub(crate) const PLAIN: u32 = 1 << 28;

    /// Whether [`Form::PLAIN`] holds.
    pub(crate) const fn is_plain(&self) -> bool {
        let special = Self::TWO
            | Self::FWAIT
            | Self::GATHER
            | Self::UNIQUE_DEST
            | Self::NO_RIP
            | Self::NO_ADDR32
            | Self::REG_ADDR
            | Self::NEED_SIB;
        // Returns of open size and x87 names that mean another instruction are warned about; 90 is more than an exchange.
        let spoken_of = match self.map {
            0 => matches!(self.opcode, 0xca | 0xcb | 0xcf | 0xde) || self.opcode == 0x90 && self.ops[0] != 0,
            1 => matches!(self.opcode, 0x07 | 0x35),
            _ => false,
        };
        !matches!(self.enc, Encoding::D3now)
            && self.flags & special == 0
            && !self.roles.other
            && self.rm_group == 0xff
            && self.asz == 0
            && if matches!(self.enc, Encoding::Legacy) { !spoken_of } else { self.osz == 0 }
    }
}
