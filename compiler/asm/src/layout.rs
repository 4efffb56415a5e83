//! Branches, alignment and labels: from the bytes as they were written down to the block at address 0.
//!
//! Everything of fixed length is in one buffer. Each jump of open length and each alignment is a mark at an offset of
//! that buffer; layout gives the marks their lengths until nothing changes. Jumps start short and only grow, so this
//! ends; GNU as does the same.

use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::directives;
use crate::expression::Failed;
use crate::fixups::{self, Fixup, FixupKind};
use crate::form::Form;
use crate::kinds::{KINDS, Slot};
use crate::prefixes::{BND, hint};
use crate::symbols::{Definition, Place, Value};
use crate::{Assembly, ItemKind, Mode};

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
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    /// A jump: opcode of the short form; opcode bytes and displacement width of the long one.
    /// `value` is the number of the target's value.
    Jump { short: u8, near: [u8; 2], near_len: u8, width: u8, value: u32, start: u32, end: u32 },
    /// Up to a multiple of `1 << power`.
    Align { power: u8, fill: directives::Filling, max: u32, mode: Mode },
}

impl Assembler<'_> {
    /// A direct branch to the target in operand 0.
    pub(crate) fn branch(&mut self, short: Option<&'static Form>, near: Option<&'static Form>) -> Result<(), Failed> {
        self.mentions += 1;
        let op = self.insn.ops[0];
        let value = if op.expr != 0 { self.values[op.expr as usize - 1] } else { Value::constant(op.value) };
        let prefixes = self.insn.prefixes;
        let begin = self.out.len();
        let any = short.or(near);
        let Some(first) = any else {
            self.report(Diagnostic::error(
                ErrorKind::OperandForm,
                op.span(),
                "this instruction takes no branch target",
            ));
            return Err(Failed);
        };
        // Jcc takes branch hints (2E, 3E), everything takes `bnd`; GNU as drops other segments with a warning.
        let conditional = short.is_some_and(|form| form.opcode >> 4 == 7);
        let segment = prefixes.segment != 0 && !(conditional && matches!(prefixes.segment, 0x2e | 0x3e));
        let bound = prefixes.rep_word == BND && near.unwrap_or(first).flags & Form::BND != 0;
        if prefixes.lock || prefixes.rep != 0 && !bound || prefixes.notrack || segment {
            let span = self.insn.start as usize..self.insn.name.start as usize;
            self.report(Diagnostic::error(ErrorKind::Prefix, span, "a direct branch cannot carry this prefix"));
            return Err(Failed);
        }
        let wrong = if self.mode == Mode::Bits16 { hint::DISP32 } else { hint::DISP16 };
        if self.insn.hints & (hint::VEX | hint::EVEX | wrong) != 0 {
            let span = self.insn.start as usize..self.insn.name.start as usize;
            self.report(Diagnostic::error(ErrorKind::Prefix, span, "a branch has no such encoding"));
            return Err(Failed);
        }
        let mode_bits = self.mode.bits() as u8;
        let mut width = near.map_or(1, |form| match KINDS[form.ops[0] as usize].slot {
            Slot::Rel(width) => width,
            _ => 4,
        });
        let data = match near.or(short).map_or(0, |form| form.osz) {
            16 => self.mode != Mode::Bits16,
            32 => self.mode == Mode::Bits16,
            _ => false,
        };
        if prefixes.address && first.asz == 0 {
            let span = self.insn.start as usize..self.insn.name.start as usize;
            self.report(Diagnostic::error(ErrorKind::Prefix, span, "a direct branch has no address size"));
            return Err(Failed);
        }
        // REX.W outweighs 66.
        if prefixes.data && prefixes.rex & 8 == 0 {
            width = if width == 1 { 1 } else { 6 - width };
        }
        if prefixes.segment != 0 {
            self.out.push(prefixes.segment);
        }
        if prefixes.address || first.asz != 0 && first.asz != mode_bits {
            self.out.push(0x67);
        }
        if prefixes.data || data {
            self.out.push(0x66);
        }
        if prefixes.rep != 0 {
            self.out.push(prefixes.rep);
        }
        if self.insn.hints & hint::REX != 0 && mode_bits != 64 {
            self.report(Diagnostic::error(ErrorKind::WrongMode, op.span(), "`{rex}` needs 64-bit mode"));
            return Err(Failed);
        }
        if prefixes.rex != 0 {
            self.out.push(prefixes.rex);
        } else if self.insn.hints & hint::REX != 0 {
            self.out.push(0x40);
        }
        let (start, end) = (op.start, op.end);
        let forced_near = self.insn.hints & (hint::DISP16 | hint::DISP32) != 0;
        let short = if forced_near && near.is_some() { None } else { short };
        match (short, near) {
            (Some(form), None) => {
                if value.is_constant() && value.constant as i8 as i64 != value.constant {
                    self.report(
                        Diagnostic::error(
                            ErrorKind::ImmediateRange,
                            op.span(),
                            "this branch has an 8-bit displacement",
                        )
                        .label("an absolute address does not fit"),
                    );
                    return Err(Failed);
                }
                self.out.push(form.opcode);
                self.relative(1, FixupKind::PcRel8, value, start, end);
            }
            (None, Some(form)) => {
                self.near_opcode(form);
                let kind = self.near_kind(form, width);
                self.relative(width, kind, value, start, end);
            }
            (Some(short), Some(near)) => {
                // A label behind us with nothing of open length between is at a known distance.
                if let Some(distance) = self.known_distance(value) {
                    let distance = distance - 2;
                    if distance as i8 as i64 == distance {
                        self.out.push(short.opcode);
                        self.out.push(distance as u8);
                        self.item(begin, self.insn.start, ItemKind::Instruction);
                        return Ok(());
                    }
                }
                let (bytes, len) = near_bytes(near);
                self.item(begin, self.insn.start, ItemKind::Instruction);
                if op.expr == 0 {
                    self.values.push(value);
                }
                let value = if op.expr == 0 { self.values.len() as u32 } else { op.expr } - 1;
                self.marks.push(Mark {
                    offset: self.out.len() as u32,
                    item: self.items.len() as u32 - u32::from(!self.items.is_empty()),
                    what: What::Jump { short: short.opcode, near: bytes, near_len: len, width, value, start, end },
                });
                return Ok(());
            }
            (None, None) => {}
        }
        self.item(begin, self.insn.start, ItemKind::Instruction);
        Ok(())
    }

    /// Distance from here to a label, if nothing between is of open length.
    fn known_distance(&self, value: Value) -> Option<i64> {
        if value.add == 0 || value.sub != 0 || value.modifier != 0 {
            return None;
        }
        let Definition::Label(place) = self.symbols.all[value.add as usize - 1].definition else { return None };
        let here = self.here();
        (place.mark == here.mark).then(|| i64::from(place.offset) + value.constant - i64::from(here.offset))
    }

    fn near_opcode(&mut self, form: &Form) {
        let (bytes, len) = near_bytes(form);
        self.out.extend_from_slice(&bytes[..len as usize]);
    }

    fn near_kind(&self, form: &Form, width: u8) -> FixupKind {
        let transaction = form.flags & Form::TWO != 0;
        match width {
            2 => FixupKind::PcRel16,
            _ if self.object == Mode::Bits64 && !transaction => FixupKind::Plt32,
            _ => FixupKind::PcRel32,
        }
    }

    fn relative(&mut self, width: u8, kind: FixupKind, value: Value, start: u32, end: u32) {
        let place = self.here();
        self.pending.push(Pending {
            offset: place.offset,
            mark: place.mark,
            width,
            kind,
            value,
            tail: width,
            start,
            end,
        });
        self.out.extend_from_slice(&[0; 4][..width as usize]);
    }

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
        let mut ends: Vec<u32> = Vec::new();
        if !self.marks.is_empty() {
            let sizes = self.sizes();
            ends = self.build(&sizes, assembly);
        } else {
            std::mem::swap(&mut assembly.bytes, &mut self.out);
        }
        // ends[k]: bytes that the marks before number k take.
        let at =
            |place: Place| -> u32 { place.offset + if place.mark == 0 { 0 } else { ends[place.mark as usize - 1] } };
        let pending = std::mem::take(&mut self.pending);
        for field in &pending {
            let offset = at(Place { offset: field.offset, mark: field.mark });
            self.fill(field, offset, &at, assembly);
        }
        self.pending = pending;
        if !self.marks.is_empty() {
            let before = [0].into_iter().chain(ends.iter().copied());
            let sizes = ends.iter().zip(before).map(|(end, before)| end - before);
            self.items.grow(self.marks.iter().map(|mark| mark.item as usize).zip(sizes));
            self.pending_jumps(&ends, assembly);
        }
        std::mem::swap(&mut assembly.items, &mut self.items);
        if !assembly.fixups.is_empty() {
            assembly.fixups.sort_by_key(|fixup| fixup.offset);
        }
    }

    /// The length of every mark.
    fn sizes(&self) -> Vec<u32> {
        let target = |value: u32| self.jump_target(self.values[value as usize]);
        let mut sizes: Vec<u32> = self
            .marks
            .iter()
            .map(|mark| match mark.what {
                What::Jump { near_len, width, value, .. } if target(value).is_none() => u32::from(near_len + width),
                What::Jump { .. } => 2,
                What::Align { .. } => 0,
            })
            .collect();
        // A fragment is what stands before a mark and behind the one before it; `starts` are their addresses.
        let begins = |fragment: usize| fragment.checked_sub(1).map_or(0, |mark| i64::from(self.marks[mark].offset));
        let padding = |address: i64, power: u8, max: u32| {
            let padding = (address as u32).wrapping_neg() & ((1u32 << power) - 1);
            if padding > max { 0 } else { padding }
        };
        let mut starts = Vec::with_capacity(sizes.len());
        // How many alignments are before the fragment.
        let mut regions = Vec::with_capacity(sizes.len() + 1);
        let (mut start, mut region) = (0, 0u32);
        for (k, mark) in self.marks.iter().enumerate() {
            starts.push(start);
            regions.push(region);
            let at = start + i64::from(mark.offset) - begins(k);
            if let What::Align { power, max, .. } = mark.what {
                sizes[k] = padding(at, power, max);
                region += 1;
            }
            start = at + i64::from(sizes[k]);
        }
        starts.push(start);
        regions.push(region);
        // GNU as's order of things: one walk over the fragments per pass, in which what is ahead has its old address still.
        for pass in 0.. {
            let mut stretch = 0;
            let mut changed = false;
            for (k, mark) in self.marks.iter().enumerate() {
                starts[k] += stretch;
                let at = starts[k] + i64::from(mark.offset) - begins(k);
                let size = match mark.what {
                    What::Align { power, max, .. } => padding(at, power, max),
                    What::Jump { near_len, width, value, .. } if sizes[k] == 2 => {
                        let Some((place, constant)) = target(value) else { continue };
                        let fragment = place.mark as usize;
                        let mut to = starts[fragment] + i64::from(place.offset) - begins(fragment) + constant;
                        if fragment > k && stretch != 0 {
                            // What is ahead will move as far, unless an alignment swallows it.
                            if stretch < 0 || regions[fragment] == regions[k] {
                                to += stretch;
                            } else {
                                to = to.max(starts[k]);
                            }
                        }
                        let distance = to - (at + 2);
                        let fits = distance as i8 as i64 == distance && pass < MAX_PASSES;
                        if fits { 2 } else { u32::from(near_len + width) }
                    }
                    _ => sizes[k],
                };
                changed |= size != sizes[k];
                stretch += i64::from(size) - i64::from(sizes[k]);
                sizes[k] = size;
            }
            *starts.last_mut().unwrap_or(&mut 0) += stretch;
            if !changed {
                break;
            }
        }
        sizes
    }

    /// Puts the marks' bytes between the others; gives the ends of the marks.
    fn build(&mut self, sizes: &[u32], assembly: &mut Assembly) -> Vec<u32> {
        let total: u32 = sizes.iter().sum();
        let mut bytes = Vec::with_capacity(self.out.len() + total as usize);
        let mut ends = Vec::with_capacity(sizes.len());
        let mut from = 0usize;
        let mut sum = 0;
        for (mark, &size) in self.marks.iter().zip(sizes) {
            bytes.extend_from_slice(&self.out[from..mark.offset as usize]);
            from = mark.offset as usize;
            match mark.what {
                What::Jump { short, near, near_len, .. } => {
                    if size == 2 {
                        bytes.extend_from_slice(&[short, 0]);
                    } else {
                        bytes.extend_from_slice(&near[..near_len as usize]);
                        bytes.extend_from_slice(&[0; 4][..size as usize - near_len as usize]);
                    }
                }
                What::Align { fill, mode, .. } => directives::padding(&mut bytes, size as usize, fill, mode),
            }
            sum += size;
            ends.push(sum);
        }
        bytes.extend_from_slice(&self.out[from..]);
        self.out.clear();
        assembly.bytes = bytes;
        ends
    }

    /// Displacements of the jumps of open length.
    fn pending_jumps(&mut self, ends: &[u32], assembly: &mut Assembly) {
        let at =
            |place: Place| -> u32 { place.offset + if place.mark == 0 { 0 } else { ends[place.mark as usize - 1] } };
        let marks = std::mem::take(&mut self.marks);
        for (k, mark) in marks.iter().enumerate() {
            let What::Jump { near_len, width, value, start, end, .. } = mark.what else { continue };
            let begin = mark.offset + if k == 0 { 0 } else { ends[k - 1] };
            let size = mark.offset + ends[k] - begin;
            let (opcode, width) = if size == 2 { (1, 1) } else { (near_len, width) };
            let kind = match width {
                1 => FixupKind::PcRel8,
                2 => FixupKind::PcRel16,
                _ if self.object == Mode::Bits64 => FixupKind::Plt32,
                _ => FixupKind::PcRel32,
            };
            let value = self.values[value as usize];
            let field = Pending { offset: 0, mark: 0, width, kind, value, tail: width, start, end };
            self.fill(&field, begin + u32::from(opcode), &at, assembly);
        }
        self.marks = marks;
    }

    /// Fills in one field or makes a fixup of it.
    fn fill(&mut self, field: &Pending, offset: u32, at: &dyn Fn(Place) -> u32, assembly: &mut Assembly) {
        let span = field.start as usize..field.end as usize;
        let mut value = field.value;
        let mut add = None;
        let mut sub = None;
        for _ in 0..16 {
            if value.add == 0 {
                break;
            }
            match self.symbols.all[value.add as usize - 1].definition {
                Definition::Constant(constant) => {
                    value.constant = value.constant.wrapping_add(constant);
                    value.add = 0;
                }
                Definition::Label(place) => {
                    add = Some(at(place));
                    break;
                }
                Definition::Value(index) => {
                    let inner = self.values[index as usize];
                    if inner.sub != 0 && value.sub != 0 {
                        break;
                    }
                    value = Value {
                        add: inner.add,
                        sub: value.sub | inner.sub,
                        constant: value.constant.wrapping_add(inner.constant),
                        modifier: value.modifier | inner.modifier,
                    };
                }
                Definition::Undefined => break,
            }
        }
        if value.sub != 0 {
            match self.symbols.all[value.sub as usize - 1].definition {
                Definition::Constant(constant) => value.constant = value.constant.wrapping_sub(constant),
                Definition::Label(place) => sub = Some(at(place)),
                _ => {
                    let name = self.symbols.all[value.sub as usize - 1].name.to_string();
                    self.report(
                        Diagnostic::error(
                            ErrorKind::Expression,
                            span,
                            format!("the symbol `{name}` cannot be subtracted"),
                        )
                        .label("not defined in this block"),
                    );
                    return;
                }
            }
        }
        let mut kind = field.kind;
        let relative = matches!(
            kind,
            FixupKind::PcRel8 | FixupKind::PcRel16 | FixupKind::PcRel32 | FixupKind::PcRel64 | FixupKind::Plt32
        );
        let mut constant = value.constant;
        if let Some(sub) = sub {
            if let Some(add) = add {
                // Both ends are here: a constant.
                constant = constant.wrapping_add(i64::from(add) - i64::from(sub));
                if !relative {
                    self.store_constant(field, offset, constant, assembly);
                    return;
                }
                add_none(&mut value);
            } else {
                // `symbol - .` is relative to the field's own address.
                kind = match field.kind {
                    FixupKind::Abs8 => FixupKind::PcRel8,
                    FixupKind::Abs16 => FixupKind::PcRel16,
                    FixupKind::Abs64 => FixupKind::PcRel64,
                    _ => FixupKind::PcRel32,
                };
                constant = constant.wrapping_add(i64::from(offset) - i64::from(sub));
                if value.add == 0 || relative {
                    self.report(Diagnostic::error(ErrorKind::Expression, span, "a label cannot be negated"));
                    return;
                }
            }
        }
        if relative {
            constant = constant.wrapping_sub(i64::from(field.tail));
        }
        let defined = if sub.is_none() { add } else { None };
        if let Some(target) = defined {
            if value.modifier == 0 || kind == FixupKind::Plt32 {
                if relative {
                    let distance = i64::from(target).wrapping_add(constant).wrapping_sub(i64::from(offset));
                    let bits = u32::from(field.width) * 8;
                    if bits < 64 && distance != distance << (64 - bits) >> (64 - bits) && field.width < 4
                        // In 16 bits the target wraps as the instruction pointer does.
                        && !(field.width == 2 && distance.unsigned_abs() <= 0xffff)
                    {
                        self.report(
                            Diagnostic::error(
                                ErrorKind::ImmediateRange,
                                span,
                                format!("the target is {distance} bytes away"),
                            )
                            .label(format!("the field holds {} bits", bits)),
                        );
                        return;
                    }
                    store(assembly, offset, field.width, distance);
                    return;
                }
                constant = constant.wrapping_add(i64::from(target));
            }
        } else if value.add == 0 && !relative && value.modifier == 0 {
            self.store_constant(field, offset, constant, assembly);
            return;
        }
        let symbol = if value.add == 0 {
            "*ABS*".to_string()
        } else if defined.is_some() && value.modifier == 0 {
            ".text".to_string()
        } else {
            let symbol = &self.symbols.all[value.add as usize - 1];
            if symbol.name.as_bytes().first().is_some_and(u8::is_ascii_digit) && defined.is_none() {
                let number = symbol.name.trim_end_matches('f').to_string();
                let at = symbol.start as usize..symbol.end as usize;
                self.report(
                    Diagnostic::error(ErrorKind::Label, at, format!("there is no label `{number}:` behind this"))
                        .label("forward reference"),
                );
                return;
            }
            symbol.name.to_string()
        };
        if let Some(modified) = fixups::modifier_kind(value.modifier) {
            kind = modified;
        }
        // Modifiers mean relocations of 32 bits or, in ELF64, 64; ELF32 has no other of 64 bits either.
        if value.modifier != 0 && field.width < 4 || self.object != Mode::Bits64 && field.width == 8 {
            self.report(
                Diagnostic::error(
                    ErrorKind::ImmediateRange,
                    span,
                    format!("no relocation puts `{symbol}` into {} bits", u32::from(field.width) * 8),
                )
                .label("the linker could not fill this field"),
            );
            return;
        }
        if self.object != Mode::Bits64 {
            let bits = u32::from(field.width) * 8;
            if !relative && bits < 32 && constant.unsigned_abs() >> bits != 0 {
                self.report(
                    Diagnostic::error(
                        ErrorKind::ImmediateRange,
                        span,
                        format!("`{symbol}` plus {constant:#x} cannot be stored in {bits} bits"),
                    )
                    .label("the field holds what is added to the symbol"),
                );
                return;
            }
            store(assembly, offset, field.width, constant);
        }
        assembly.fixups.push(Fixup { offset, width: field.width, kind, symbol, addend: constant, span });
    }

    /// A value that turned out to be a constant.
    fn store_constant(&mut self, field: &Pending, offset: u32, constant: i64, assembly: &mut Assembly) {
        let bits = u32::from(field.width) * 8;
        let signed_only = field.kind == FixupKind::Abs32Signed;
        let fits = bits >= 64
            || constant == constant << (64 - bits) >> (64 - bits)
            // GNU as checks the magnitude only.
            || !signed_only && constant.unsigned_abs() >> bits == 0;
        if !fits {
            let span = field.start as usize..field.end as usize;
            self.report(
                Diagnostic::error(
                    ErrorKind::ImmediateRange,
                    span,
                    format!("the value {constant:#x} does not fit {bits} bits"),
                )
                .label("too large"),
            );
            return;
        }
        store(assembly, offset, field.width, constant);
    }
}

fn add_none(value: &mut Value) {
    value.add = 0;
    value.sub = 0;
}

/// Opcode bytes of a near branch.
fn near_bytes(form: &Form) -> ([u8; 2], u8) {
    if form.flags & Form::TWO != 0 {
        ([form.opcode, form.second], 2)
    } else if form.map == 1 {
        ([0x0f, form.opcode], 2)
    } else {
        ([form.opcode, 0], 1)
    }
}

fn store(assembly: &mut Assembly, offset: u32, width: u8, value: i64) {
    let offset = offset as usize;
    assembly.bytes[offset..offset + width as usize].copy_from_slice(&value.to_le_bytes()[..width as usize]);
}
