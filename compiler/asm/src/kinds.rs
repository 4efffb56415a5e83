//! The kinds of operand a form can ask for, and how each is stored in the instruction.
//!
//! Kinds 0..=108 have the numbers of iced's `OpCodeOperandKind`, so that the generated forms can be
//! compared with iced's own tables; the kinds from [`FAR_SEL`] on are this crate's additions.
//!
//! This file is shared with the table generator.

/// A set of operand classes, one bit each: what a parsed operand is, or what a kind takes.
pub(crate) type Classes = u64;

macro_rules! classes {
    ($($name:ident = $bit:expr;)*) => { $(pub(crate) const $name: Classes = 1 << $bit;)* };
}

classes! {
    R8 = 0; R16 = 1; R32 = 2; R64 = 3; MM = 4; XMM = 5; YMM = 6; ZMM = 7;
    K = 8; BND = 9; CR = 10; DR = 11; TR = 12; SREG = 13; TMM = 14; ST = 15;
    // Single registers that some forms name outright.
    AL = 16; CL = 17; AX = 18; DX = 19; CX = 20; EAX = 21; ECX = 22; EDX = 23;
    RAX = 24; RCX = 25; RDX = 26; EBX = 27; XMM0 = 28; ST0 = 29;
    ES = 30; CS = 31; SS = 32; DS = 33; FS = 34; GS = 35;
    // Memory: ordinary, with a vector index, absolute only, and the fixed addresses of string instructions.
    MEM = 36; VSIBX = 37; VSIBY = 38; VSIBZ = 39; MOFFS = 40; MEM_SI = 41; MEM_DI = 42; MEM_BX = 43;
    MEM_DX = 44;
    // Immediates: a value has the bit of each field that can hold it.
    I8 = 45; I8S = 46; I16 = 49; I32 = 50; I32S64 = 51; I64 = 52;
    ONE = 53; THREE = 54; I4 = 55; RBX = 47;
    // A branch target.
    REL = 56;
    // Any memory operand that has a SIB byte or may have one.
    SIBMEM = 57;
}

/// The general-purpose registers whose width can settle an instruction's operand size.
pub(crate) const GPR: Classes = R8 | R16 | R32 | R64;
/// Every immediate class.
pub(crate) const IMM: Classes = I8 | I8S | I16 | I32 | I32S64 | I64 | ONE | THREE | I4;
/// Every memory class.
pub(crate) const ANY_MEM: Classes = MEM | VSIBX | VSIBY | VSIBZ | MOFFS | MEM_SI | MEM_DI | MEM_BX | MEM_DX | SIBMEM;

/// Where an operand goes in the instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slot {
    /// Nowhere: the opcode implies it.
    Implied,
    /// ModRM.reg.
    Reg,
    /// ModRM.rm, register or memory.
    Rm,
    /// Both ModRM.reg and ModRM.rm (`clr %eax`, `imul $3,%eax`).
    RegRm,
    /// VEX.vvvv.
    Vvvv,
    /// The low three bits of the opcode.
    Opcode,
    /// Bits 7:4 of the last immediate byte.
    Is4,
    /// Bits 3:0 of that same byte (XOP `vpermil2ps`).
    Imm4,
    /// An immediate of so many bytes.
    Imm(u8),
    /// A bare address of the address size (`mov` with A0-A3).
    Moffs,
    /// A branch displacement of so many bytes.
    Rel(u8),
    /// The source of a string instruction: DS:rSI, segment can be overridden.
    StringSource,
    /// The destination of a string instruction: ES:rDI, fixed.
    StringDest,
}

/// One operand kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// The operand classes it takes.
    pub(crate) classes: Classes,
    /// Where the operand goes.
    pub(crate) slot: Slot,
}

const fn k(classes: Classes, slot: Slot) -> Kind {
    Kind { classes, slot }
}

pub(crate) const FAR_SEL: u8 = 109;
pub(crate) const FAR_OFF16: u8 = 110;
pub(crate) const FAR_OFF32: u8 = 111;
pub(crate) const CONST_3: u8 = 112;
pub(crate) const IMP_EAX: u8 = 113;
pub(crate) const IMP_ECX: u8 = 114;
pub(crate) const IMP_EDX: u8 = 115;
pub(crate) const IMP_RAX: u8 = 116;
pub(crate) const IMP_RCX: u8 = 117;
pub(crate) const IMP_RDX: u8 = 118;
pub(crate) const IMP_CX: u8 = 119;
pub(crate) const IMP_XMM0: u8 = 120;
pub(crate) const REGRM8: u8 = 121;
pub(crate) const REGRM16: u8 = 122;
pub(crate) const REGRM32: u8 = 123;
pub(crate) const REGRM64: u8 = 124;
pub(crate) const IMP_EBX: u8 = 125;
pub(crate) const MEM_DX_PORT: u8 = 126;
pub(crate) const IMP_AX: u8 = 127;
pub(crate) const IMP_MEM_AX: u8 = 128;
pub(crate) const IMM16_AS_32: u8 = 129;
pub(crate) const IMP_RBX: u8 = 130;

/// All kinds, by number.
pub(crate) static KINDS: [Kind; 131] = ALL;

/// [`KINDS`], for the tables that are computed at compile time.
pub(crate) const ALL: [Kind; 131] = {
    use Slot::*;
    [
        k(0, Implied),           // 0 none
        k(0, Implied),           // 1 farbr2_2: split into FAR_OFF16, FAR_SEL
        k(0, Implied),           // 2 farbr4_2: split into FAR_OFF32, FAR_SEL
        k(MOFFS, Moffs),         // 3 mem_offs
        k(MEM, Rm),              // 4 mem
        k(MEM, Rm),              // 5 mem_mpx
        k(MEM, Rm),              // 6 mem_mib
        k(VSIBX, Rm),            // 7 mem_vsib32x
        k(VSIBX, Rm),            // 8 mem_vsib64x
        k(VSIBY, Rm),            // 9 mem_vsib32y
        k(VSIBY, Rm),            // 10 mem_vsib64y
        k(VSIBZ, Rm),            // 11 mem_vsib32z
        k(VSIBZ, Rm),            // 12 mem_vsib64z
        k(R8 | MEM, Rm),         // 13 r8_or_mem
        k(R16 | MEM, Rm),        // 14
        k(R32 | MEM, Rm),        // 15
        k(R32 | MEM, Rm),        // 16 mpx
        k(R64 | MEM, Rm),        // 17
        k(R64 | MEM, Rm),        // 18 mpx
        k(MM | MEM, Rm),         // 19
        k(XMM | MEM, Rm),        // 20
        k(YMM | MEM, Rm),        // 21
        k(ZMM | MEM, Rm),        // 22
        k(BND | MEM, Rm),        // 23
        k(K | MEM, Rm),          // 24
        k(R8, Reg),              // 25
        k(R8, Opcode),           // 26
        k(R16, Reg),             // 27
        k(R16, Reg),             // 28 r16_reg_mem: an address register
        k(R16, Rm),              // 29
        k(R16, Opcode),          // 30
        k(R32, Reg),             // 31
        k(R32, Reg),             // 32
        k(R32, Rm),              // 33
        k(R32, Opcode),          // 34
        k(R32, Vvvv),            // 35
        k(R64, Reg),             // 36
        k(R64, Reg),             // 37
        k(R64, Rm),              // 38
        k(R64, Opcode),          // 39
        k(R64, Vvvv),            // 40
        k(SREG, Reg),            // 41
        k(K, Reg),               // 42
        k(K, Reg),               // 43 kp1_reg
        k(K, Rm),                // 44
        k(K, Vvvv),              // 45
        k(MM, Reg),              // 46
        k(MM, Rm),               // 47
        k(XMM, Reg),             // 48
        k(XMM, Rm),              // 49
        k(XMM, Vvvv),            // 50
        k(XMM, Vvvv),            // 51 xmmp3_vvvv
        k(XMM, Is4),             // 52
        k(XMM, Is4),             // 53 is5
        k(YMM, Reg),             // 54
        k(YMM, Rm),              // 55
        k(YMM, Vvvv),            // 56
        k(YMM, Is4),             // 57
        k(YMM, Is4),             // 58 is5
        k(ZMM, Reg),             // 59
        k(ZMM, Rm),              // 60
        k(ZMM, Vvvv),            // 61
        k(ZMM, Vvvv),            // 62 zmmp3_vvvv
        k(CR, Reg),              // 63
        k(DR, Reg),              // 64
        k(TR, Reg),              // 65
        k(BND, Reg),             // 66
        k(ES, Implied),          // 67
        k(CS, Implied),          // 68
        k(SS, Implied),          // 69
        k(DS, Implied),          // 70
        k(FS, Implied),          // 71
        k(GS, Implied),          // 72
        k(AL, Implied),          // 73
        k(CL, Implied),          // 74
        k(AX, Implied),          // 75
        k(DX | MEM_DX, Implied), // 76: `in (%dx),%al` is the same as `in %dx,%al`
        k(EAX, Implied),         // 77
        k(RAX, Implied),         // 78
        k(ST0, Implied),         // 79
        k(ST, Opcode),           // 80
        k(I4, Imm4),             // 81 imm4_m2z
        k(I8, Imm(1)),           // 82
        k(ONE, Implied),         // 83 imm8_const_1
        k(I8S, Imm(1)),          // 84
        k(I8S, Imm(1)),          // 85
        k(I8S, Imm(1)),          // 86
        k(I16, Imm(2)),          // 87
        k(I32 | I32S64, Imm(4)), // 88
        k(I32S64, Imm(4)),       // 89
        k(I64, Imm(8)),          // 90
        k(MEM_SI, StringSource), // 91 seg_rSI
        k(MEM_DI, StringDest),   // 92 es_rDI
        k(MEM_DI, StringSource), // 93 seg_rDI
        k(MEM_BX, StringSource), // 94 seg_rBX_al
        k(REL, Rel(1)),          // 95 br16_1
        k(REL, Rel(1)),          // 96
        k(REL, Rel(1)),          // 97
        k(REL, Rel(2)),          // 98 br16_2
        k(REL, Rel(4)),          // 99
        k(REL, Rel(4)),          // 100
        k(REL, Rel(2)),          // 101 xbegin_2
        k(REL, Rel(4)),          // 102
        k(REL, Rel(2)),          // 103 brdisp_2
        k(REL, Rel(4)),          // 104
        k(SIBMEM, Rm),           // 105
        k(TMM, Reg),             // 106
        k(TMM, Rm),              // 107
        k(TMM, Vvvv),            // 108
        k(I16, Imm(2)),          // FAR_SEL
        k(I16, Imm(2)),          // FAR_OFF16
        k(I32, Imm(4)),          // FAR_OFF32
        k(THREE, Implied),       // CONST_3
        k(EAX, Implied),         // IMP_EAX
        k(ECX, Implied),         // IMP_ECX
        k(EDX, Implied),         // IMP_EDX
        k(RAX, Implied),         // IMP_RAX
        k(RCX, Implied),         // IMP_RCX
        k(RDX, Implied),         // IMP_RDX
        k(CX, Implied),          // IMP_CX
        k(XMM0, Implied),        // IMP_XMM0
        k(R8, RegRm),            // REGRM8
        k(R16, RegRm),           // REGRM16
        k(R32, RegRm),           // REGRM32
        k(R64, RegRm),           // REGRM64
        k(EBX, Implied),         // IMP_EBX
        k(MEM_DX, Implied),      // MEM_DX_PORT
        k(AX, Implied),          // IMP_AX
        k(MEM, Implied),         // IMP_MEM_AX
        k(I16, Imm(4)),          // IMM16_AS_32
        k(RBX, Implied),         // IMP_RBX
    ]
};
