//! The statements of a block: where each one's bytes and text are.
//!
//! A large block has an instruction for every few bytes, so that memory is what its list costs. Nearly all of them follow
//! their predecessor closely in code and in text and fit four bytes.

use crate::{Item, ItemKind};

/// Bits of the length of the code.
const CODE: u32 = 5;
/// Bits of the length of the text.
const TEXT: u32 = 9;
/// Bits of the distance between two texts.
const GAP: u32 = 32 - CODE - TEXT;
/// What stands for an item that does not fit; no code is as long.
const WIDE: u32 = (1 << CODE) - 1;

/// The instructions and data directives of a block, in order.
///
/// ```
/// let code = pvc_asm::assemble("nop; ret", &Default::default()).unwrap();
/// let offsets: Vec<u32> = code.items.iter().map(|item| item.offset).collect();
/// assert_eq!(offsets, [0, 1]);
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Items {
    /// From the lowest bit: length of the code, length of the text, distance from the text before.
    packed: Vec<u32>,
    /// Those that do not fit.
    wide: Vec<Item>,
    /// End of the last one.
    offset: u32,
    text: u32,
    /// The text of some item may have a newline in it.
    pub(crate) over_lines: bool,
}

impl Items {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Item> {
        let mut wide = self.wide.iter();
        let mut offset = 0;
        let mut text = 0;
        self.packed.iter().filter_map(move |&packed| {
            let item = if packed == WIDE {
                wide.next()?.clone()
            } else {
                let len = packed & WIDE;
                let start = text + (packed >> (CODE + TEXT));
                let end = start + (packed >> CODE & ((1 << TEXT) - 1));
                Item { offset, len, start, end, kind: ItemKind::Instruction }
            };
            offset = item.offset + item.len;
            text = item.end;
            Some(item)
        })
    }

    pub(crate) fn reserve(&mut self, count: usize) {
        self.packed.reserve(count);
    }

    pub(crate) fn clear(&mut self) {
        self.packed.clear();
        self.wide.clear();
        self.offset = 0;
        self.text = 0;
        self.over_lines = false;
    }

    #[inline]
    pub(crate) fn push(&mut self, item: Item) {
        let gap = item.start.wrapping_sub(self.text);
        let text = item.end - item.start;
        let fits = item.kind == ItemKind::Instruction
            && item.offset == self.offset
            // A jump of open length grows by six bytes at most.
            && item.len < 1 << (CODE - 1)
            && text < 1 << TEXT
            && gap < 1 << GAP;
        self.offset = item.offset + item.len;
        self.text = item.end;
        if fits {
            self.packed.push(item.len | text << CODE | gap << (CODE + TEXT));
        } else {
            self.packed.push(WIDE);
            self.wide.push(item);
        }
    }

    /// Makes room in the code: `growth` gives items, in order, and the bytes that each grows by.
    pub(crate) fn grow(&mut self, growth: impl Iterator<Item = (usize, u32)>) {
        let mut growth = growth.peekable();
        let mut wide = self.wide.iter_mut();
        let mut before = 0;
        for (index, packed) in self.packed.iter_mut().enumerate() {
            let mut more = 0;
            while let Some((_, bytes)) = growth.next_if(|&(item, _)| item == index) {
                more += bytes;
            }
            if *packed != WIDE {
                *packed += more;
            } else if let Some(item) = wide.next() {
                item.offset += before;
                item.len += more;
            }
            before += more;
        }
    }
}
