//! Whether conditions together leave nothing open: an exact decision, with what CPUs guarantee taken into account.

use crate::model::Term;
use std::cell::Cell;

/// The most terms that are looked at for one set. A decision is exponential at worst; real rows need a handful.
const MAX_WORK: u64 = 1 << 27;

/// What holds on every machine of the set.
pub(super) struct World {
    /// What each feature implies, itself included, by index.
    implications: Vec<u64>,
    /// Features of the baseline.
    always: u64,
    /// How many more terms may be looked at.
    work: Cell<u64>,
}

impl World {
    /// A world in which `implications` (closed, by index) and `always` hold.
    pub(super) fn new(implications: Vec<u64>, always: u64) -> Self {
        Self { implications, always, work: Cell::new(MAX_WORK) }
    }

    /// Whether a machine exists on which `term` holds.
    pub(super) fn possible(&self, term: Term) -> bool {
        self.close(term).is_some()
    }

    /// Whether on every machine on which `term` holds one of `others` holds too. `None`: too hard to tell.
    pub(super) fn covered(&self, term: Term, others: &[Term]) -> Option<bool> {
        self.work.set(self.work.get().checked_sub(1 + others.len() as u64)?);
        let Some(term) = self.close(term) else { return Some(true) };
        let open = |other: &Term| Term { all: other.all & !term.all, none: other.none & !term.none };
        let mut undecided = None;
        for other in others.iter().filter(|other| other.all & term.none == 0 && other.none & term.all == 0) {
            let open = open(other);
            match open.all | open.none {
                0 => return Some(true),
                bits => undecided = undecided.or(Some(bits)),
            }
        }
        // No other term can hold; and `term` can, with every open feature absent.
        let Some(bits) = undecided else { return Some(false) };
        let bit = bits & bits.wrapping_neg();
        let with = Term { all: term.all | bit, ..term };
        let without = Term { none: term.none | bit, ..term };
        Some(self.covered(with, others)? && self.covered(without, others)?)
    }

    /// The term with all that follows from it; `None` if it contradicts itself.
    fn close(&self, term: Term) -> Option<Term> {
        let mut all = term.all | self.always;
        let mut none = term.none;
        for (index, &implied) in self.implications.iter().enumerate() {
            // Implications are closed, so one pass is enough.
            if term.all >> index & 1 == 1 {
                all |= implied;
            }
            if implied & term.none != 0 {
                none |= 1 << index;
            }
        }
        (all & none == 0).then_some(Term { all, none })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> World {
        // 1 implies 0; 3 is always there.
        World::new(vec![0b1, 0b11, 0b100, 0b1000], 0b1000)
    }

    fn term(all: u64, none: u64) -> Term {
        Term { all, none }
    }

    #[test]
    fn implied_and_given_features_count() {
        assert!(!world().possible(term(0b10, 0b01)));
        assert!(!world().possible(term(0, 0b1000)));
        assert!(world().possible(term(0b01, 0b10)));
        assert_eq!(world().covered(term(0b10, 0), &[term(0b01, 0)]), Some(true));
        assert_eq!(world().covered(term(0b01, 0), &[term(0b10, 0)]), Some(false));
        assert_eq!(world().covered(term(0, 0), &[term(0b1000, 0)]), Some(true));
    }

    #[test]
    fn several_terms_cover_together() {
        let halves = [term(0b100, 0), term(0, 0b100)];
        assert_eq!(world().covered(term(0, 0), &halves), Some(true));
        assert_eq!(world().covered(term(0, 0), &halves[..1]), Some(false));
        assert_eq!(world().covered(term(0, 0), &[term(0b01, 0), term(0, 0b10)]), Some(true));
    }

    /// All assignments of small random instances, against the search.
    #[test]
    fn agrees_with_trying_everything() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..2000 {
            let world = world();
            let mut random = || {
                let (all, none) = (next() & 0xf & next(), next() & 0xf & next());
                term(all & !none, none)
            };
            let asked = random();
            let others: Vec<_> = (0..3).map(|_| random()).collect();
            let holds = |term: &Term, cpu: u64| cpu & term.all == term.all && cpu & term.none == 0;
            let real = |cpu: &u64| cpu & 0b1000 != 0 && (cpu & 0b10 == 0 || cpu & 0b01 != 0);
            let expected = (0..16_u64)
                .filter(real)
                .filter(|&cpu| holds(&asked, cpu))
                .all(|cpu| others.iter().any(|other| holds(other, cpu)));
            assert_eq!(world.covered(asked, &others), Some(expected), "{asked:?} {others:?}");
        }
    }
}
