//! Symbols of a block: labels, numeric labels, `.set`, and names that stay undefined.

use crate::operator::Operator;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

/// A place in the unrelaxed output: byte offset and the number of variable-length marks before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Place {
    pub(crate) offset: u32,
    pub(crate) mark: u32,
}

/// What a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Definition {
    Undefined,
    Label(Place),
    Constant(i64),
    /// `.set name, expression` with a value known only at the end: index into the values.
    Value(u32),
    /// An operation on two values, of which this is the index of the first; the symbol has no name.
    Operation(Operator, u32),
}

/// One symbol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol<'t> {
    pub(crate) name: &'t str,
    pub(crate) definition: Definition,
    /// First mention.
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// A value of the form `add - sub + constant`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Value {
    /// Symbol number + 1, or 0.
    pub(crate) add: u32,
    pub(crate) sub: u32,
    pub(crate) constant: i64,
    /// `@GOTPCREL` and the like; 0 for none.
    pub(crate) modifier: u8,
}

impl Value {
    pub(crate) fn constant(constant: i64) -> Self {
        Self { constant, ..Self::default() }
    }

    pub(crate) fn is_constant(&self) -> bool {
        self.add == 0 && self.sub == 0 && self.modifier == 0
    }
}

/// Multiply and fold: names are short and come from the user's own text, so a keyed hash buys nothing. The fold brings
/// the last characters, in which generated names differ, down to the low bits that choose the slot.
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    product as u64 ^ (product >> 64) as u64
}

fn hash(name: &[u8]) -> u32 {
    let (words, rest) = name.as_chunks::<8>();
    let hash = words.iter().fold(name.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    if rest.is_empty() {
        return hash as u32;
    }
    let last = match name.last_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
    };
    mix(hash, last) as u32
}

/// The numbers of the named symbols by open addressing: at most half of the slots, a power of two, are taken.
#[derive(Default)]
struct Names {
    /// Hash and number + 1; 0 in an empty slot.
    slots: Vec<(u32, u32)>,
    count: usize,
}

impl Names {
    /// The number of the symbol with this hash for which `is_it` holds, or the slot where it belongs.
    fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Result<u32, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                (_, 0) => return Err(slot),
                (known, number) if known == hash && is_it(number - 1) => return Ok(number - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Makes room for one more.
    fn grow(&mut self) {
        if self.count * 2 < self.slots.len() {
            return;
        }
        let double = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![(0, 0); double]);
        for (hash, number) in old.into_iter().filter(|&(_, number)| number != 0) {
            if let Err(slot) = self.find(hash, |_| false) {
                self.slots[slot] = (hash, number);
            }
        }
    }

    fn clear(&mut self) {
        self.slots.fill((0, 0));
        self.count = 0;
    }
}

/// For the numbers of numeric labels.
#[derive(Default, Clone, Copy)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = mix(self.0, number);
    }
}

/// The symbols of one block.
#[derive(Default)]
pub(crate) struct Symbols<'t> {
    pub(crate) all: Vec<Symbol<'t>>,
    names: Names,
    /// For each numeric label: the symbol of its last definition + 1, and of the next one + 1 if referred to already.
    numeric: HashMap<u64, (u32, u32), BuildHasherDefault<NumberHasher>>,
}

impl<'t> Symbols<'t> {
    /// Whether symbol number `index - 1` is the global offset table, whose relocation is relative to the instruction.
    #[inline]
    pub(crate) fn is_got(&self, index: u32) -> bool {
        let symbol = (index as usize).checked_sub(1).and_then(|index| self.all.get(index));
        symbol.is_some_and(|symbol| symbol.name == "_GLOBAL_OFFSET_TABLE_")
    }

    /// Number of the symbol called `name`, made on first mention.
    pub(crate) fn mention(&mut self, name: &'t str, start: usize) -> u32 {
        self.names.grow();
        let hash = hash(name.as_bytes());
        match self.names.find(hash, |number| self.all[number as usize].name == name) {
            Ok(number) => number,
            Err(slot) => {
                let number = self.push(name, Definition::Undefined, start, start + name.len());
                self.names.slots[slot] = (hash, number + 1);
                self.names.count += 1;
                number
            }
        }
    }

    fn push(&mut self, name: &'t str, definition: Definition, start: usize, end: usize) -> u32 {
        self.all.push(Symbol { name, definition, start: start as u32, end: end as u32 });
        self.all.len() as u32 - 1
    }

    /// A symbol without a name, for `.` and for operations.
    pub(crate) fn unnamed(&mut self, definition: Definition, span: Range<usize>) -> u32 {
        self.push("", definition, span.start, span.end)
    }

    /// `5b`: the last definition.
    pub(crate) fn backward(&mut self, number: u64) -> Option<u32> {
        self.numeric.get(&number).and_then(|&(last, _)| last.checked_sub(1))
    }

    /// `5f`: the next definition.
    pub(crate) fn forward(&mut self, number: u64, name: &'t str, start: usize) -> u32 {
        let next = self.numeric.get(&number).map_or(0, |&(_, next)| next);
        if next != 0 {
            return next - 1;
        }
        let index = self.push(name, Definition::Undefined, start, start + name.len());
        self.numeric.entry(number).or_default().1 = index + 1;
        index
    }

    /// `5:`.
    pub(crate) fn define_numeric(&mut self, number: u64, name: &'t str, start: usize, place: Place) {
        let (_, next) = self.numeric.get(&number).copied().unwrap_or_default();
        let index = if next != 0 {
            self.all[next as usize - 1].definition = Definition::Label(place);
            next
        } else {
            self.push(name, Definition::Label(place), start, start + name.len()) + 1
        };
        self.numeric.insert(number, (index, 0));
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.names.clear();
        self.numeric.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
