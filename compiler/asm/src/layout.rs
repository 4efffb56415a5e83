//! Branches, alignment and labels: from the bytes as they were written down to the block at address 0.
//!
//! Everything of fixed length is in one buffer. Each jump of open length and each alignment is a mark at an offset of
//! that buffer; layout gives the marks their lengths until nothing changes. Jumps start short and only grow, so this
//! ends; GNU as does the same.

use crate::assembler::Assembler;
use crate::fixups::FixupKind;
use crate::padding::{Filling, Nops, padding};
use crate::symbols::{Definition, Place, Value};
use crate::{Assembly, Mode};

/// Passes after which every open jump is made long, so that contrived chains cannot take quadratic time.
const MAX_PASSES: usize = 64;

/// A field to be filled in.
#[derive(Clone, Copy)]
pub(crate) struct Pending {
    /// Place of the field.
    pub(crate) offset: u32,
    pub(crate) mark: u32,
    pub(crate) width: u8,
    pub(crate) kind: FixupKind,
    pub(crate) value: Value,
    /// Bytes from the field to the end of the instruction.
    pub(crate) tail: u8,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Something of open length.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    /// Where in the buffer.
    pub(crate) offset: u32,
    /// Its item.
    pub(crate) item: u32,
    pub(crate) what: What,
    /// Its length, once there is a layout.
    pub(crate) size: u32,
    /// Bytes that it and all before it take, once there is a layout.
    pub(crate) end: u32,
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A jump: opcode of the short form; opcode bytes and displacement width of the long one.
    /// `value` is the number of the target's value.
    Jump { short: u8, near: [u8; 2], near_len: u8, width: u8, value: u32, start: u32, end: u32 },
    /// Up to a multiple of `1 << power`.
    Align { power: u8, fill: Filling, max: u32, nops: &'static Nops },
}

/// What stands between two marks, while their lengths are sought.
#[derive(Clone, Copy)]
struct Fragment {
    /// Its address.
    start: i64,
    /// Where it is in the buffer.
    from: i64,
    /// How many alignments are before it.
    region: u32,
}

impl Place {
    /// The address that it has in the layout.
    pub(crate) fn address(self, marks: &[Mark]) -> u32 {
        self.offset + (self.mark as usize).checked_sub(1).map_or(0, |before| marks[before].end)
    }
}

impl Assembler<'_> {
    /// The label a jump goes to, with the constant; `None` if it is not in this block.
    fn jump_target(&self, value: Value) -> Option<(Place, i64)> {
        if value.sub != 0 || value.modifier != 0 {
            return None;
        }
        let mut value = value;
        // A `.set` chain is at most as long as there are symbols; two steps cover what is written.
        for _ in 0..8 {
            match self.symbols.all.get((value.add as usize).checked_sub(1)?)?.definition {
                Definition::Label(place) => return Some((place, value.constant)),
                Definition::Value(index) => {
                    let inner = self.values[index as usize];
                    if inner.sub != 0 || inner.modifier != 0 {
                        return None;
                    }
                    value = Value { constant: value.constant.wrapping_add(inner.constant), ..inner };
                }
                _ => return None,
            }
        }
        None
    }

    /// Final layout.
    pub(crate) fn lay_out(&mut self, assembly: &mut Assembly) {
        if self.marks.is_empty() && self.pending.is_empty() {
            std::mem::swap(&mut assembly.bytes, &mut self.out);
            std::mem::swap(&mut assembly.items, &mut self.items);
            return;
        }
        let mut marks = std::mem::take(&mut self.marks);
        self.measure(&mut marks);
        self.expand(&marks);
        std::mem::swap(&mut assembly.bytes, &mut self.out);
        let pending = std::mem::take(&mut self.pending);
        for field in &pending {
            let offset = Place { offset: field.offset, mark: field.mark }.address(&marks);
            self.fill(field, offset, &marks, assembly);
        }
        self.pending = pending;
        if !marks.is_empty() {
            self.items.grow(marks.iter().map(|mark| (mark.item as usize, mark.size)));
            self.jump_fields(&marks, assembly);
        }
        self.marks = marks;
        std::mem::swap(&mut assembly.items, &mut self.items);
        if !assembly.fixups.is_empty() {
            assembly.fixups.sort_by_key(|fixup| fixup.offset);
        }
    }

    /// The length of every mark.
    ///
    /// A fragment is what stands before a mark and behind the one before it.
    fn measure(&self, marks: &mut [Mark]) {
        let target = |value: u32| self.jump_target(self.values[value as usize]);
        let to_multiple = |address: i64, power: u8, max: u32| {
            let size = (address as u32).wrapping_neg() & ((1u32 << power) - 1);
            if size > max { 0 } else { size }
        };
        // Where the fragment before each mark and the one behind the last starts, and how many alignments are before it.
        let mut fragments = Vec::with_capacity(marks.len() + 1);
        let (mut start, mut region, mut before) = (0, 0u32, 0);
        for mark in &mut *marks {
            fragments.push(Fragment { start, from: before, region });
            let at = start + i64::from(mark.offset) - before;
            before = i64::from(mark.offset);
            mark.size = match mark.what {
                What::Jump { near_len, width, value, .. } if target(value).is_none() => u32::from(near_len + width),
                What::Jump { .. } => 2,
                What::Align { power, max, .. } => {
                    region += 1;
                    to_multiple(at, power, max)
                }
            };
            start = at + i64::from(mark.size);
        }
        fragments.push(Fragment { start, from: before, region });
        // GNU as's order of things: one walk over the fragments per pass, in which what is ahead has its old address still.
        for pass in 0.. {
            let mut stretch = 0;
            let mut changed = false;
            for (k, mark) in marks.iter_mut().enumerate() {
                fragments[k].start += stretch;
                let here = fragments[k];
                let at = here.start + i64::from(mark.offset) - here.from;
                let size = match mark.what {
                    What::Align { power, max, .. } => to_multiple(at, power, max),
                    What::Jump { near_len, width, value, .. } if mark.size == 2 => {
                        let Some((place, constant)) = target(value) else { continue };
                        let there = fragments[place.mark as usize];
                        let mut to = there.start + i64::from(place.offset) - there.from + constant;
                        if place.mark as usize > k && stretch != 0 {
                            // What is ahead will move as far, unless an alignment swallows it; it stays ahead.
                            if stretch < 0 || there.region == here.region {
                                to += stretch;
                            } else if to < at {
                                to = at + 2;
                            }
                        }
                        let distance = to - (at + 2);
                        let fits = distance as i8 as i64 == distance && pass < MAX_PASSES;
                        if fits { 2 } else { u32::from(near_len + width) }
                    }
                    _ => mark.size,
                };
                changed |= size != mark.size;
                stretch += i64::from(size) - i64::from(mark.size);
                mark.size = size;
            }
            if let Some(last) = fragments.last_mut() {
                last.start += stretch;
            }
            if !changed {
                break;
            }
        }
        let mut end = 0;
        for mark in marks {
            end += mark.size;
            mark.end = end;
        }
    }

    /// Puts the marks' bytes between the others, from the last one on, each fragment moved once.
    fn expand(&mut self, marks: &[Mark]) {
        let mut end = self.out.len();
        self.out.resize(end + marks.last().map_or(0, |mark| mark.end as usize), 0);
        let mut filling = Vec::new();
        for mark in marks.iter().rev() {
            let offset = mark.offset as usize;
            self.out.copy_within(offset..end, offset + mark.end as usize);
            end = offset;
            let start = offset + (mark.end - mark.size) as usize;
            let room = &mut self.out[start..start + mark.size as usize];
            match mark.what {
                What::Jump { short, near, near_len, .. } => {
                    let (opcode, len) = if mark.size == 2 { ([short, 0], 1) } else { (near, usize::from(near_len)) };
                    room[..len].copy_from_slice(&opcode[..len]);
                    // A displacement that is left to the linker stays 0.
                    room[len..].fill(0);
                }
                What::Align { fill, nops, .. } => {
                    filling.clear();
                    padding(&mut filling, room.len(), fill, nops);
                    room.copy_from_slice(&filling);
                }
            }
        }
    }

    /// Displacements of the jumps of open length.
    fn jump_fields(&mut self, marks: &[Mark], assembly: &mut Assembly) {
        for mark in marks {
            let What::Jump { near_len, width, value, start, end, .. } = mark.what else { continue };
            let (opcode, width) = if mark.size == 2 { (1, 1) } else { (near_len, width) };
            let kind = match width {
                1 => FixupKind::PcRel8,
                2 => FixupKind::PcRel16,
                _ if self.object == Mode::Bits64 => FixupKind::Plt32,
                _ => FixupKind::PcRel32,
            };
            let value = self.values[value as usize];
            let field = Pending { offset: 0, mark: 0, width, kind, value, tail: width, start, end };
            self.fill(&field, mark.offset + mark.end - mark.size + u32::from(opcode), marks, assembly);
        }
    }
}
