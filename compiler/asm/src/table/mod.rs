//! The generated tables, and the lookups into them.

#[rustfmt::skip] // written by the generator
mod forms;
#[rustfmt::skip] // written by the generator
mod names;

pub(crate) use forms::FORMS;
pub(crate) use names::NAMES;

use crate::form::{Encoding, Form, Roles};
use crate::{Mode, Syntax};
use names::{HASH_BITS, LISTS, POOL, SLOTS};

/// A form in a list, see `Candidate`'s functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate(pub(crate) u64);

impl Candidate {
    /// The form.
    #[inline]
    pub(crate) fn form(self) -> &'static Form {
        &FORMS[(self.0 & 0x7fff) as usize]
    }

    /// Another candidate of the list takes the same text in another size.
    #[inline]
    pub(crate) fn is_confusable(self) -> bool {
        self.0 & 0x8000 != 0
    }

    /// The same without that mark.
    pub(crate) fn settled(self) -> Self {
        Self(self.0 & !0x8000)
    }

    /// Kind of operand `i`.
    #[inline]
    pub(crate) fn kind(self, i: usize) -> u8 {
        (self.0 >> (16 + 8 * i)) as u8
    }

    /// Number of operands.
    #[inline]
    pub(crate) fn count(self) -> usize {
        (self.0 >> 56) as usize & 7
    }

    /// Has an EVEX prefix.
    #[inline]
    pub(crate) fn is_evex(self) -> bool {
        self.0 >> 59 & 1 != 0
    }

    /// Needs a mask or a pseudo-prefix.
    #[inline]
    pub(crate) fn is_conditional(self) -> bool {
        self.0 >> 60 & 1 != 0
    }
}

/// The candidates of one name in one syntax and mode, in the order in which they are tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    start: u16,
    len: u8,
    pub(crate) flags: u8,
    /// The list that applies when no operand settles the size; 0 for none.
    pub(crate) default: u16,
}

#[allow(dead_code, reason = "all bits of `flags` are named; the generator sets them")]
impl List {
    /// Two forms take the same operands in different sizes.
    pub(crate) const AMBIGUOUS: u8 = 1;
    /// Has branches: an operand without `*` is a target.
    pub(crate) const BRANCH: u8 = 2;
    /// `movabs`: memory is a bare 64-bit address.
    pub(crate) const MOVABS: u8 = 4;
    /// AT&T operand order is Intel's.
    pub(crate) const NO_REVERSE: u8 = 8;
    /// The mode gives the size.
    pub(crate) const DEFAULT_SIZE: u8 = 16;

    /// The size that the name says: 0 none, 1 b, 2 w, 3 l, 4 q.
    pub(crate) fn size(&self) -> u8 {
        self.flags >> 5
    }

    /// The list by number.
    pub(crate) fn at(index: u16) -> &'static List {
        &LISTS[index as usize]
    }

    /// The form numbers.
    #[inline]
    pub(crate) fn forms(&self) -> &'static [Candidate] {
        &POOL[self.start as usize..self.start as usize + self.len as usize]
    }
}

/// One mnemonic or prefix word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    key: Key,
    /// List numbers: AT&T 16, 32, 64, Intel 16, 32, 64; 0 where the name does not exist.
    lists: [u16; 6],
    /// The immediate that the name implies (`cmpltps`), or -1.
    pub(crate) immediate: i16,
    /// 0 mnemonic only; below 0x80 a prefix word; from 0x80 on the reason why the mnemonic is out of reach.
    pub(crate) special: u8,
}

impl Name {
    /// The number of its list in this mode and syntax; 0 if the name does not exist there.
    #[inline]
    pub(crate) fn list(&self, mode: Mode, syntax: Syntax) -> u16 {
        self.lists[mode as usize + 3 * syntax as usize]
    }

    /// The text of the name.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes().as_ref()).into_owned()
    }

    /// The same without an allocation.
    pub(crate) fn bytes(&self) -> NameBytes {
        let mut bytes = [0; 24];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(&self.key) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        NameBytes { bytes, len: bytes.iter().position(|&byte| byte == 0).unwrap_or(24) }
    }
}

/// The characters of a name.
pub(crate) struct NameBytes {
    bytes: [u8; 24],
    len: usize,
}

impl AsRef<[u8]> for NameBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Up to 24 lower-case bytes, zero-padded.
pub(crate) type Key = [u64; 3];

/// The name of `key`.
#[inline]
pub(crate) fn lookup(key: &Key) -> Option<&'static Name> {
    let mixed = key[0].wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ key[1].wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ key[2].wrapping_mul(0x1656_67b1_9e37_79f9);
    let mut slot = (mixed >> (64 - HASH_BITS)) as usize;
    loop {
        let index = SLOTS[slot & (SLOTS.len() - 1)];
        if index == 0 {
            return None;
        }
        let name = &NAMES[index as usize - 1];
        if name.key == *key {
            return Some(name);
        }
        slot += 1;
    }
}

/// The name that this text is.
pub(crate) fn named(text: &str) -> Option<&'static Name> {
    key(text).and_then(|key| lookup(&key))
}

/// The key of a name given as text; `None` if it is too long to be one.
fn key(text: &str) -> Option<Key> {
    let mut key = [0u64; 3];
    if text.len() > 24 {
        return None;
    }
    for (i, byte) in text.bytes().enumerate() {
        key[i / 8] |= u64::from(byte.to_ascii_lowercase()) << (i % 8 * 8);
    }
    Some(key)
}

const fn f(head: u64, ops: [u8; 5], mem: u16, code: u16, flags: u32) -> Form {
    let mut form = Form {
        ops,
        opcode: head as u8,
        second: (head >> 8) as u8,
        group: (head >> 16) as u8,
        rm_group: (head >> 24) as u8,
        map: (head >> 32) as u8 & 15,
        pp: (head >> 36) as u8 & 3,
        ll: (head >> 38) as u8 & 3,
        osz: ((head >> 40) as u8 & 7) << 4,
        asz: ((head >> 43) as u8 & 7) << 4,
        enc: match (head >> 46) as u8 & 7 {
            0 => Encoding::Legacy,
            1 => Encoding::D3now,
            2 => Encoding::Vex,
            3 => Encoding::Xop,
            _ => Encoding::Evex,
        },
        disp8: (head >> 49) as u8 & 7,
        bcast: (head >> 52) as u8 & 15,
        mem,
        code,
        flags,
        roles: Roles::new(&ops),
    };
    if form.is_plain() {
        form.flags |= Form::PLAIN;
    }
    form
}

const fn l(start: u16, len: u8, flags: u8, default: u16) -> List {
    List { start, len, flags, default }
}

const fn n(key: Key, lists: [u16; 6], immediate: i16, special: u8) -> Name {
    Name { key, lists, immediate, special }
}
