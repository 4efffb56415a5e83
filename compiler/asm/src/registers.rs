//! Register names.

use crate::Mode;
use crate::kinds::{self, Classes};

/// What a register is beside its operand class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Family {
    General,
    Segment,
    Vector,
    /// rip, eip.
    Instruction,
    /// riz, eiz: "no index", spelled.
    NoIndex,
    Other,
}

/// One register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    /// Its operand classes: the general one and, for some, the one of its own.
    pub(crate) classes: Classes,
    /// Number as encoded, 0 to 31.
    pub(crate) number: u8,
    /// Width in bits of a general register, 0 otherwise.
    pub(crate) bits: u8,
    pub(crate) family: Family,
    /// Bit 0: needs 64-bit mode; bit 1: spl, bpl, sil, dil need a REX prefix; bit 2: ah, ch, dh, bh exclude one;
    /// bit 3: see [`Register::LOCKED`].
    pub(crate) flags: u8,
    /// Number of its group: registers of one group differ in the low three bits of `number` alone. 0 for registers that
    /// are more than an operand (segments, the instruction pointer, `riz`).
    pub(crate) group: u8,
}

impl Register {
    pub(crate) const LONG: u8 = 1;
    pub(crate) const REX: u8 = 2;
    pub(crate) const HIGH: u8 = 4;
    /// Outside 64-bit mode a LOCK prefix stands for the missing REX.R (AMD64 manual volume 3, MOV CRn).
    pub(crate) const LOCKED: u8 = 8;

    /// Whether the register exists in `mode` with no more to it.
    #[inline]
    pub(crate) fn is_plain(&self, mode: Mode) -> bool {
        self.exists(mode) && self.flags & Self::LOCKED == 0
    }

    /// Whether the register exists in `mode`.
    pub(crate) fn exists(&self, mode: Mode) -> bool {
        self.flags & Self::LONG == 0 || mode == Mode::Bits64 || self.flags & Self::LOCKED != 0
    }
}

type Key = u64;

const COUNT: usize = 384;
const SLOTS: usize = 1024;
/// More than there are groups; [`Register::group`] leaves the top bit free.
const GROUPS: usize = 128;

struct Table {
    keys: [Key; COUNT],
    registers: [Register; COUNT],
    slots: [u16; SLOTS],
    count: usize,
    /// The first register of each group, from 1 on.
    firsts: [u16; GROUPS],
    groups: usize,
}

const fn key(text: &[u8]) -> Key {
    let mut key = 0;
    let mut i = 0;
    while i < text.len() {
        key |= (text[i] as u64) << (8 * i);
        i += 1;
    }
    key
}

const fn hash(key: Key) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 54) as usize
}

const fn reg(classes: Classes, number: u8, bits: u8, family: Family, flags: u8) -> Register {
    Register { classes, number, bits, family, flags, group: 0 }
}

/// The group that `register` belongs to; a new one if no register before it is like it.
const fn group_of(table: &mut Table, register: &Register) -> u8 {
    if !matches!(register.family, Family::General | Family::Vector | Family::Other) {
        return 0;
    }
    let mut i = 1;
    while i <= table.groups {
        let first = &table.registers[table.firsts[i] as usize];
        if first.classes == register.classes
            && first.number >> 3 == register.number >> 3
            && first.bits == register.bits
            && first.flags == register.flags
        {
            return i as u8;
        }
        i += 1;
    }
    table.groups += 1;
    table.firsts[table.groups] = table.count as u16;
    table.groups as u8
}

const fn add(table: &mut Table, key: Key, mut register: Register) {
    register.group = group_of(table, &register);
    table.keys[table.count] = key;
    table.registers[table.count] = register;
    table.count += 1;
    let mut slot = hash(key);
    while table.slots[slot] != 0 {
        slot = (slot + 1) % SLOTS;
    }
    table.slots[slot] = table.count as u16;
}

/// `stem`, `number` in decimal, `tail`.
const fn numbered(stem: &[u8], number: u8, tail: &[u8]) -> Key {
    let mut text = [0u8; 8];
    let mut n = 0;
    let mut i = 0;
    while i < stem.len() {
        text[n] = stem[i];
        n += 1;
        i += 1;
    }
    if number >= 10 {
        text[n] = b'0' + number / 10;
        n += 1;
    }
    text[n] = b'0' + number % 10;
    n += 1;
    i = 0;
    while i < tail.len() {
        text[n] = tail[i];
        n += 1;
        i += 1;
    }
    key(&text)
}

static TABLE: Table = build();

const fn build() -> Table {
    use Family::*;
    use kinds::*;
    let none = reg(0, 0, 0, Other, 0);
    let mut t = Table {
        keys: [0; COUNT],
        registers: [none; COUNT],
        slots: [0; SLOTS],
        count: 0,
        firsts: [0; GROUPS],
        groups: 0,
    };
    let low: [&[u8]; 8] = [b"al", b"cl", b"dl", b"bl", b"ah", b"ch", b"dh", b"bh"];
    let low_class = [AL, CL, 0, 0, 0, 0, 0, 0];
    let word: [&[u8]; 8] = [b"ax", b"cx", b"dx", b"bx", b"sp", b"bp", b"si", b"di"];
    let word_class = [AX, CX, DX, 0, 0, 0, 0, 0];
    let dword: [&[u8]; 8] = [b"eax", b"ecx", b"edx", b"ebx", b"esp", b"ebp", b"esi", b"edi"];
    let dword_class = [EAX, ECX, EDX, EBX, 0, 0, 0, 0];
    let qword: [&[u8]; 8] = [b"rax", b"rcx", b"rdx", b"rbx", b"rsp", b"rbp", b"rsi", b"rdi"];
    let qword_class = [RAX, RCX, RDX, RBX, 0, 0, 0, 0];
    let rex: [&[u8]; 4] = [b"spl", b"bpl", b"sil", b"dil"];
    let mut i = 0;
    while i < 8 {
        let n = i as u8;
        let high = if i >= 4 { Register::HIGH } else { 0 };
        add(&mut t, key(low[i]), reg(R8 | low_class[i], n, 8, General, high));
        add(&mut t, key(word[i]), reg(R16 | word_class[i], n, 16, General, 0));
        add(&mut t, key(dword[i]), reg(R32 | dword_class[i], n, 32, General, 0));
        add(&mut t, key(qword[i]), reg(R64 | qword_class[i], n, 64, General, Register::LONG));
        if i < 4 {
            add(&mut t, key(rex[i]), reg(R8, n + 4, 8, General, Register::LONG | Register::REX));
        }
        add(&mut t, numbered(b"mm", n, b""), reg(MM, n, 0, Other, 0));
        add(&mut t, numbered(b"k", n, b""), reg(K, n, 0, Other, 0));
        add(&mut t, numbered(b"tmm", n, b""), reg(TMM, n, 0, Other, Register::LONG));
        add(&mut t, numbered(b"tr", n, b""), reg(TR, n, 0, Other, 0));
        if i < 4 {
            add(&mut t, numbered(b"bnd", n, b""), reg(BND, n, 0, Other, 0));
        }
        i += 1;
    }
    let mut n = 0u8;
    while n < 32 {
        let long = if n >= 8 { Register::LONG } else { 0 };
        add(&mut t, numbered(b"xmm", n, b""), reg(XMM | if n == 0 { XMM0 } else { 0 }, n, 0, Vector, long));
        add(&mut t, numbered(b"ymm", n, b""), reg(YMM, n, 0, Vector, long));
        add(&mut t, numbered(b"zmm", n, b""), reg(ZMM, n, 0, Vector, long));
        if n < 16 {
            let locked = if n >= 8 { Register::LOCKED } else { 0 };
            add(&mut t, numbered(b"cr", n, b""), reg(CR, n, 0, Other, long | locked));
            add(&mut t, numbered(b"dr", n, b""), reg(DR, n, 0, Other, long));
            add(&mut t, numbered(b"db", n, b""), reg(DR, n, 0, Other, long));
        }
        if n >= 8 && n < 16 {
            add(&mut t, numbered(b"r", n, b"b"), reg(R8, n, 8, General, Register::LONG));
            add(&mut t, numbered(b"r", n, b"w"), reg(R16, n, 16, General, Register::LONG));
            add(&mut t, numbered(b"r", n, b"d"), reg(R32, n, 32, General, Register::LONG));
            add(&mut t, numbered(b"r", n, b""), reg(R64, n, 64, General, Register::LONG));
        }
        n += 1;
    }
    let segments: [&[u8]; 6] = [b"es", b"cs", b"ss", b"ds", b"fs", b"gs"];
    let segment_class = [ES, CS, SS, DS, FS, GS];
    i = 0;
    while i < 6 {
        add(&mut t, key(segments[i]), reg(SREG | segment_class[i], i as u8, 0, Segment, 0));
        i += 1;
    }
    // GNU as's names for the low bytes with a REX prefix that says nothing.
    let byte: [&[u8]; 4] = [b"axl", b"cxl", b"dxl", b"bxl"];
    i = 0;
    while i < 4 {
        add(&mut t, key(byte[i]), reg(R8, i as u8, 8, General, Register::LONG | Register::REX));
        i += 1;
    }
    add(&mut t, key(b"st"), reg(ST | ST0, 0, 0, Other, 0));
    add(&mut t, key(b"rip"), reg(0, 0, 64, Instruction, Register::LONG));
    add(&mut t, key(b"eip"), reg(0, 0, 32, Instruction, Register::LONG));
    add(&mut t, key(b"riz"), reg(0, 4, 64, NoIndex, Register::LONG));
    add(&mut t, key(b"eiz"), reg(0, 4, 32, NoIndex, 0));
    t
}

/// The register whose lower-case name packs into `key`, whatever the mode.
#[inline(always)]
pub(crate) fn by_key(key: Key) -> Option<&'static Register> {
    let mut slot = hash(key);
    loop {
        let index = TABLE.slots[slot % SLOTS] as usize;
        if index == 0 {
            return None;
        }
        if TABLE.keys[index - 1] == key {
            return Some(&TABLE.registers[index - 1]);
        }
        slot += 1;
    }
}

/// A register of `group`; none of group 0.
pub(crate) fn of_group(group: u8) -> Option<&'static Register> {
    if group == 0 || usize::from(group) > TABLE.groups {
        return None;
    }
    Some(&TABLE.registers[usize::from(TABLE.firsts[usize::from(group)])])
}

/// The register called `name` (without `%`, any case).
pub(crate) fn by_name(name: &str) -> Option<&'static Register> {
    if name.is_empty() || name.len() > 8 {
        return None;
    }
    let mut lower = [0u8; 8];
    for (to, from) in lower.iter_mut().zip(name.bytes()) {
        *to = from.to_ascii_lowercase();
    }
    by_key(key(&lower[..name.len()]))
}

/// Whether `name`, with or without `%`, names a register in `mode`.
///
/// ```
/// use pvc_asm::{Mode, is_register};
/// assert!(is_register("%rax", Mode::Bits64) && is_register("st(3)", Mode::Bits32));
/// assert!(!is_register("rax", Mode::Bits32) && !is_register("rax2", Mode::Bits64));
/// ```
pub fn is_register(name: &str, mode: Mode) -> bool {
    let name = name.strip_prefix('%').unwrap_or(name);
    let inner = name.strip_prefix("st(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(number) = inner {
        return number.len() == 1 && number.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    }
    by_name(name).is_some_and(|register| register.exists(mode))
}

/// Every register name of `mode`, without `%`.
///
/// ```
/// let names = pvc_asm::register_names(pvc_asm::Mode::Bits32);
/// assert!(names.iter().any(|name| name == "eax") && !names.iter().any(|name| name == "r8"));
/// ```
pub fn register_names(mode: Mode) -> Vec<String> {
    let mut names: Vec<String> = (0..TABLE.count)
        .filter(|&i| TABLE.registers[i].exists(mode))
        .map(|i| TABLE.keys[i].to_le_bytes().iter().take_while(|&&byte| byte != 0).map(|&byte| byte as char).collect())
        .collect();
    names.sort();
    names
}
