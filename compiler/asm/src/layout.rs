//! Branches, alignment and labels: from the bytes as they were written down to the block at address 0.
//!
//! Everything of fixed length is in one buffer. Each jump of open length, each alignment and each space whose size depends
//! on labels ahead is a mark at an offset of that buffer. `relax.rs` finds their lengths; then the bytes are moved apart
//! and the fields filled in.

use crate::assembler::Assembler;
use crate::fixups::FixupKind;
use crate::padding::Filling;
use crate::symbols::{Place, Value};
use crate::{Assembly, Mode};
use std::ops::Range;

/// A field to be filled in.
#[derive(Clone, Copy)]
pub(crate) struct Pending {
    /// Place of the field.
    pub(crate) offset: u32,
    pub(crate) mark: u32,
    pub(crate) width: u8,
    pub(crate) kind: FixupKind,
    pub(crate) value: Value,
    /// Bytes from the field to the end of the instruction, from where the CPU counts; 0 in data.
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

/// What is of open length.
#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A jump: opcode of the short form; opcode bytes and displacement width of the long one.
    /// `value` is the number of the target's value.
    Jump { short: u8, near: [u8; 2], near_len: u8, width: u8, value: u32, start: u32, end: u32 },
    /// Up to a multiple of `1 << power`, unless that takes more than `max` bytes.
    Align { power: u8, fill: Filling, max: u32 },
    /// As many times `unit` bytes as the value of this number is.
    Space { value: u32, unit: u8, fill: Filling, start: u32, end: u32 },
}

impl Place {
    /// The address that it has in the layout.
    pub(crate) fn address(self, marks: &[Mark]) -> u32 {
        self.offset + (self.mark as usize).checked_sub(1).map_or(0, |before| marks[before].end)
    }
}

impl Assembler<'_> {
    /// Something of open length stands here, in the item that was made last.
    pub(crate) fn mark(&mut self, what: What) {
        let item = self.items.len().saturating_sub(1) as u32;
        self.marks.push(Mark { offset: self.out.len() as u32, item, what, size: 0, end: 0 });
    }

    /// Leaves a field of `width` bytes at the end of the code, `tail` bytes before the end of its instruction.
    pub(crate) fn push_field(&mut self, width: u8, kind: FixupKind, value: Value, tail: u8, span: Range<u32>) {
        let Place { offset, mark } = self.here();
        self.pending.push(Pending { offset, mark, width, kind, value, tail, start: span.start, end: span.end });
        self.out.extend_from_slice(&[0; 8][..width as usize]);
    }

    /// Final layout.
    pub(crate) fn lay_out(&mut self, assembly: &mut Assembly) {
        if self.marks.is_empty() && self.pending.is_empty() {
            std::mem::swap(&mut assembly.bytes, &mut self.out);
            std::mem::swap(&mut assembly.items, &mut self.items);
            return;
        }
        let mut marks = std::mem::take(&mut self.marks);
        if self.relax(&mut marks).is_err() {
            return;
        }
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
                What::Align { fill, .. } | What::Space { fill, .. } => {
                    filling.clear();
                    fill.write(&mut filling, room.len());
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
