//! Which rows can run in user mode on this CPU, as what bytes, and what their states have to look like.

use super::machine::Place;
use crate::arch::{Arch, CpuidRegister, FEATURES, OsSupport};
use crate::check::CheckedRow;
use crate::model::{Contract, Op, Type};
use iced_x86::{FlowControl, Instruction, Mnemonic, OpKind, Register};
use std::arch::x86_64::__cpuid_count;
use std::collections::BTreeMap;

/// A row that can run.
pub(super) struct Runnable<'a> {
    pub(super) row: &'a CheckedRow,
    /// 1-based, as the user counts.
    pub(super) number: usize,
    /// Its code, fixups applied: symbols lie in the arena.
    pub(super) code: Vec<u8>,
    /// Whether it carries flags from before the site: `pushf`, `lahf`.
    pub(super) carries_flags: bool,
}

/// What an argument is used as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// A number.
    Number,
    /// The address of something.
    Pointer,
    /// A number that is added to an address, or counts bytes of memory.
    Small,
    /// A number whose low 16 bits are not all zero: of zero, `bsf` and `bsr` leave an undefined result (SDM BSF, BSR).
    NonZero,
}

/// The answer of CPUID to a leaf and subleaf: EAX, EBX, ECX, EDX.
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> [u32; 4] {
    let answer = __cpuid_count(leaf, subleaf);
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// Whether this machine has a CPU feature; `mask` is what of XCR0 the OS has enabled.
pub(crate) fn has_feature(name: &str, mask: u64) -> bool {
    let Some(info) = FEATURES.get(name) else { return false };
    let bit = info.cpuid;
    if cpuid(bit.leaf & 0x8000_0000, 0)[0] < bit.leaf {
        return false;
    }
    let answer = cpuid(bit.leaf, bit.subleaf);
    let word = match bit.register {
        CpuidRegister::Eax => answer[0],
        CpuidRegister::Ebx => answer[1],
        CpuidRegister::Ecx => answer[2],
        CpuidRegister::Edx => answer[3],
    };
    let enabled = match bit.os {
        OsSupport::None => true,
        OsSupport::Sse => mask & 2 == 2,
        OsSupport::Avx => mask & 6 == 6,
        OsSupport::Avx512 => mask & 0xe6 == 0xe6,
        // Tile state is none of the parts that samples have.
        OsSupport::Amx => false,
    };
    word >> bit.bit & 1 != 0 && enabled
}

impl<'a> Runnable<'a> {
    /// The row as something that can run, or why it cannot.
    pub(super) fn new<R>(
        op: &Op<R>,
        contract: &Contract<R>,
        row: &'a CheckedRow,
        number: usize,
        place: Place,
        mask: u64,
    ) -> Result<Self, String> {
        if op.diverges() {
            return Err("does not come back".to_owned());
        }
        let instructions = || row.code.items.iter().flat_map(|item| &item.instructions);
        if let Some(found) = instructions().find_map(obstacle) {
            return Err(found);
        }
        let missing: Vec<&str> =
            row.effects.features.iter().map(String::as_str).filter(|name| !has_feature(name, mask)).collect();
        if !missing.is_empty() {
            return Err(format!("this CPU lacks {}", missing.join(", ")));
        }
        let carries_flags = instructions().any(|one| {
            matches!(one.mnemonic(), Mnemonic::Pushf | Mnemonic::Pushfd | Mnemonic::Pushfq | Mnemonic::Lahf)
        });
        let code = match contract.arch {
            Arch::X86_64 => linked(row, place.code, place)?,
            Arch::I386 => in_32_bit_mode(&linked(row, place.code + BEFORE_32.len() as u64, place)?, place),
        };
        Ok(Self { row, number, code, carries_flags })
    }
}

/// What leads into 32-bit code: `ljmp *0(%rip)` with its target behind it, a far pointer into Linux's 32-bit code segment;
/// then DS and ES, which 64-bit mode leaves empty, become the stack's segment: `push %ss; pop %ds; push %ss; pop %es`.
const BEFORE_32: [u8; 16] = [0xff, 0x2d, 0, 0, 0, 0, 0, 0, 0, 0, 0x23, 0, 0x16, 0x1f, 0x16, 0x07];

/// 32-bit code as a part of 64-bit code. All of the harness's memory lies below 4 GiB.
fn in_32_bit_mode(code: &[u8], place: Place) -> Vec<u8> {
    const TARGET: std::ops::Range<usize> = 6..10;
    /// `ljmp $0x33, ...`: Linux's 64-bit code segment.
    const BACK: usize = 7;
    let mut text = BEFORE_32.to_vec();
    text[TARGET].copy_from_slice(&(place.code as u32 + TARGET.end as u32 + 2).to_le_bytes());
    text.extend(code);
    let behind = place.code as u32 + (text.len() + BACK) as u32;
    text.push(0xea);
    text.extend(behind.to_le_bytes());
    text.extend([0x33, 0]);
    text
}

/// Why an instruction cannot be run, if it cannot.
pub(crate) fn obstacle(instruction: &Instruction) -> Option<String> {
    let name = || format!("{:?}", instruction.mnemonic()).to_ascii_lowercase();
    if instruction.is_privileged() {
        return Some(format!("`{}` is privileged", name()));
    }
    let leaves = match instruction.flow_control() {
        FlowControl::Interrupt | FlowControl::IndirectCall | FlowControl::IndirectBranch => true,
        FlowControl::Call => instruction.mnemonic() != Mnemonic::Call,
        _ => false,
    };
    if leaves {
        return Some(format!("`{}` enters other software", name()));
    }
    let segment = instruction.op0_register().is_segment_register() && instruction.mnemonic() != Mnemonic::Push;
    let harness = matches!(
        instruction.mnemonic(),
        Mnemonic::Wrfsbase
            | Mnemonic::Wrgsbase
            | Mnemonic::Lds
            | Mnemonic::Les
            | Mnemonic::Lfs
            | Mnemonic::Lgs
            | Mnemonic::Lss
            | Mnemonic::Wrpkru
            | Mnemonic::Xrstor
            | Mnemonic::Xrstor64
            | Mnemonic::Clui
            | Mnemonic::Stui
            | Mnemonic::Senduipi
            | Mnemonic::Uiret
    );
    (segment || harness).then(|| format!("`{}` changes what the test itself runs on", name()))
}

/// The code with its fixups applied, for the address `base`: each symbol is a place in the arena.
fn linked(row: &CheckedRow, base: u64, place: Place) -> Result<Vec<u8>, String> {
    let mut code = row.code.bytes.clone();
    let mut symbols: BTreeMap<&str, u64> = BTreeMap::new();
    for fixup in &row.code.fixups {
        let item = row.code.items.iter().rfind(|item| item.offset <= fixup.offset);
        let branches = item.into_iter().flat_map(|item| &item.instructions).any(|one| {
            (0..one.op_count()).any(|index| {
                matches!(one.op_kind(index), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64)
            })
        });
        if branches {
            return Err(format!("calls `{}`, which is not there", fixup.symbol));
        }
        let next = place.work + 1024 + 256 * (symbols.len() as u64 % 8);
        let target = symbols.entry(&fixup.symbol).or_insert(next).wrapping_add_signed(fixup.addend);
        let at = fixup.offset as usize;
        let value = if fixup.kind.is_relative() { target.wrapping_sub(base + at as u64) } else { target };
        let width = usize::from(fixup.width);
        code[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }
    Ok(code)
}

/// What the rows use an argument as.
pub(super) fn usage(rows: &[Runnable<'_>], register: Register, ty: Type) -> Use {
    let instructions = || rows.iter().flat_map(|row| row.row.code.items.iter()).flat_map(|item| &item.instructions);
    let is = |used: Register| used != Register::None && used.full_register() == register.full_register();
    if ty == Type::Ptr || instructions().any(|one| is(one.memory_base())) {
        return Use::Pointer;
    }
    let counts = |one: &Instruction| register.full_register() == Register::RCX && one.is_string_instruction();
    if instructions().any(|one| is(one.memory_index()) || counts(one)) {
        return Use::Small;
    }
    let scans = |one: &Instruction| matches!(one.mnemonic(), Mnemonic::Bsf | Mnemonic::Bsr) && is(one.op1_register());
    if instructions().any(scans) {
        return Use::NonZero;
    }
    Use::Number
}
