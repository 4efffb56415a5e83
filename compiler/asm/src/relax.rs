//! The lengths of jumps, alignments and spaces (what GNU as calls relaxation).
//!
//! Jumps start short and spaces empty; lengths are computed again until nothing changes. A jump only grows, but the size
//! of a space may depend on itself: then the order in which GNU as does things decides which solution is found. What does
//! not come to rest is an error.

use crate::arithmetic::needs_constants;
use crate::assembler::Assembler;
use crate::diagnostic::{Diagnostic, ErrorKind};
use crate::directives::{MAX_BLOCK, bad_count, space_size};
use crate::expression::Failed;
use crate::layout::{Mark, What};
use crate::symbols::{Definition, Place, Value};

/// Passes after which every open jump is made long, so that contrived chains cannot take quadratic time, and spaces that
/// still change are an error.
const MAX_PASSES: usize = 64;

/// What stands before a mark and behind the one before it, while their lengths are sought.
#[derive(Clone, Copy, PartialEq)]
struct Fragment {
    /// Its address.
    start: i64,
    /// Where it is in the buffer.
    from: i64,
    /// How many alignments are before it.
    region: u32,
}

/// The address of a place in the fragments as they are now.
fn address(fragments: &[Fragment], place: Place) -> i64 {
    let fragment = fragments[place.mark as usize];
    fragment.start + i64::from(place.offset) - fragment.from
}

/// Bytes from `address` to a multiple of `1 << power`; none if that is more than `max`.
fn to_multiple(address: i64, power: u8, max: u32) -> u32 {
    let size = (address as u32).wrapping_neg() & ((1u32 << power) - 1);
    if size > max { 0 } else { size }
}

impl Assembler<'_> {
    /// Gives every mark its length.
    pub(crate) fn relax(&mut self, marks: &mut [Mark]) -> Result<(), Failed> {
        let spaces = marks.iter().any(|mark| matches!(mark.what, What::Space { .. }));
        let mut fragments = self.first_guess(marks);
        self.settle_lengths(marks, &mut fragments, spaces)?;
        // Where there are spaces, all over again with the jumps as they are now, until nothing changes.
        let mut round = 0;
        let mut changed = spaces;
        while changed {
            let before = fragments;
            fragments = self.first_guess(marks);
            self.settle_lengths(marks, &mut fragments, spaces)?;
            changed = fragments != before;
            round += 1;
            if round == MAX_PASSES {
                return self.restless(marks);
            }
        }
        let mut end = 0;
        for mark in &mut *marks {
            end += u64::from(mark.size);
            if self.out.len() as u64 + end > MAX_BLOCK as u64 {
                return self.fail(Diagnostic::error(ErrorKind::Limit, 0..0, "the block is longer than 1 GiB"));
            }
            mark.end = end as u32;
        }
        self.check_spaces(marks, &fragments);
        Ok(())
    }

    /// Computes the lengths until none changes. The order of things is GNU as's: one walk over the fragments per pass, in
    /// which what is ahead has its old address still.
    fn settle_lengths(&mut self, marks: &mut [Mark], fragments: &mut [Fragment], spaces: bool) -> Result<(), Failed> {
        for pass in 0.. {
            let mut stretch = 0;
            let mut changed = false;
            for k in 0..marks.len() {
                fragments[k].start += stretch;
                let size = self.size(&marks[k], k, fragments, stretch, pass);
                changed |= size != marks[k].size;
                stretch += i64::from(size) - i64::from(marks[k].size);
                marks[k].size = size;
            }
            if let Some(last) = fragments.last_mut() {
                last.start += stretch;
            }
            if !changed {
                break;
            }
            if pass == MAX_PASSES && spaces {
                return self.restless(marks);
            }
        }
        Ok(())
    }

    /// The fragments with spaces empty and every jump short that may be and did not grow yet.
    fn first_guess(&self, marks: &mut [Mark]) -> Vec<Fragment> {
        let mut fragments = Vec::with_capacity(marks.len() + 1);
        let (mut start, mut from, mut region) = (0, 0, 0);
        for mark in marks {
            fragments.push(Fragment { start, from, region });
            let at = start + i64::from(mark.offset) - from;
            from = i64::from(mark.offset);
            mark.size = match mark.what {
                What::Jump { near_len, width, value, .. } if self.jump_target(value).is_none() => {
                    u32::from(near_len + width)
                }
                What::Jump { .. } => mark.size.max(2),
                What::Align { power, max, .. } => {
                    region += 1;
                    to_multiple(at, power, max)
                }
                What::Space { .. } => 0,
            };
            start = at + i64::from(mark.size);
        }
        fragments.push(Fragment { start, from, region });
        fragments
    }

    /// The length of mark `k`, before which everything moved by `stretch` in this pass.
    fn size(&self, mark: &Mark, k: usize, fragments: &[Fragment], stretch: i64, pass: usize) -> u32 {
        let here = fragments[k];
        let at = here.start + i64::from(mark.offset) - here.from;
        match mark.what {
            What::Align { power, max, .. } => to_multiple(at, power, max),
            What::Jump { near_len, width, value, .. } if mark.size == 2 => {
                let Some((place, constant)) = self.jump_target(value) else { return mark.size };
                let mut to = address(fragments, place) + constant;
                if place.mark as usize > k && stretch != 0 {
                    // What is ahead will move as far, unless an alignment swallows it; it stays ahead.
                    if stretch < 0 || fragments[place.mark as usize].region == here.region {
                        to += stretch;
                    } else if to < at {
                        to = at + 2;
                    }
                }
                let distance = to - (at + 2);
                let fits = distance as i8 as i64 == distance && pass < MAX_PASSES;
                if fits { 2 } else { u32::from(near_len + width) }
            }
            What::Jump { .. } => mark.size,
            What::Space { value, unit, .. } => {
                let count = self.evaluate(self.values[value as usize], &|place| address(fragments, place));
                // What is wrong now may come right when everything has its place.
                count.and_then(|count| space_size(count, unit)).unwrap_or(mark.size)
            }
        }
    }

    /// Reports the spaces whose size is wrong in the layout.
    fn check_spaces(&mut self, marks: &[Mark], fragments: &[Fragment]) {
        for mark in marks {
            let What::Space { value, unit, start, end, .. } = mark.what else { continue };
            let span = start as usize..end as usize;
            let count = self.evaluate(self.values[value as usize], &|place| address(fragments, place));
            match count {
                Some(count) if space_size(count, unit).is_some() => {}
                Some(count) => self.report(bad_count(count, span)),
                None => self.report(needs_constants(span)),
            }
        }
    }

    /// The error of a layout that does not come to rest: the first space is as good as another.
    fn restless(&mut self, marks: &[Mark]) -> Result<(), Failed> {
        let span = marks.iter().find_map(|mark| match mark.what {
            What::Space { start, end, .. } => Some(start as usize..end as usize),
            _ => None,
        });
        self.fail(
            Diagnostic::error(ErrorKind::Expression, span.unwrap_or(0..0), "the size of this space depends on itself")
                .label("no size of it fits the distances in the expression"),
        )
    }

    /// The label that the target of a jump is, with the constant; `None` if it is not in this block.
    fn jump_target(&self, value: u32) -> Option<(Place, i64)> {
        let mut value = self.values[value as usize];
        // A `.set` chain is at most as long as there are symbols; two steps cover what is written.
        for _ in 0..8 {
            if value.sub != 0 || value.modifier != 0 {
                return None;
            }
            match self.symbols.all.get((value.add as usize).checked_sub(1)?)?.definition {
                Definition::Label(place) => return Some((place, value.constant)),
                Definition::Value(index) => {
                    let inner = self.values[index as usize];
                    value = Value { constant: value.constant.wrapping_add(inner.constant), ..inner };
                }
                _ => return None,
            }
        }
        None
    }
}
