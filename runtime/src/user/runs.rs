//! The stretches of pages that hold sites: a bounded, sorted list.

use super::sys::PAGE;

/// Pages from `start` to `end`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Run {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    pub(crate) fn len(self) -> usize {
        self.end.wrapping_sub(self.start)
    }
}

/// How many runs there can be. When more would be needed, neighbours are merged over wider and wider gaps.
const MAX: usize = 64;

/// Sites no further apart than this are in one run: two system calls more cost about as much as populating 16 pages that have no
/// sites.
pub(crate) const GAP: usize = 16 * PAGE;

/// Sorted runs, further apart than the gap.
pub(crate) struct Runs {
    runs: [Run; MAX],
    count: usize,
    gap: usize,
    /// The run that took the last site, which most often takes the next one too.
    last: Run,
}

impl Runs {
    pub(crate) const fn new() -> Self {
        Self { runs: [Run::EMPTY; MAX], count: 0, gap: GAP, last: Run::EMPTY }
    }

    pub(crate) fn as_slice(&self) -> &[Run] {
        self.runs.get(..self.count).unwrap_or(&[])
    }

    /// Adds the pages of the `len` bytes at `address`.
    #[inline]
    pub(crate) fn add(&mut self, address: usize, len: usize) {
        if address < self.last.start || self.last.end < address.wrapping_add(len) {
            self.add_elsewhere(address, len);
        }
    }

    #[inline(never)]
    fn add_elsewhere(&mut self, address: usize, len: usize) {
        let start = address & !(PAGE - 1);
        let end = address.wrapping_add(len).wrapping_add(PAGE - 1) & !(PAGE - 1);
        let place = self.as_slice().partition_point(|run| run.end.wrapping_add(self.gap) <= start);
        let gap = self.gap;
        if let Some(run) = self.runs.get_mut(..self.count).and_then(|runs| runs.get_mut(place))
            && run.start < end.wrapping_add(gap)
        {
            run.start = run.start.min(start);
            run.end = run.end.max(end);
            self.last = *run;
            self.merge();
            return;
        }
        while self.count == MAX {
            self.gap = self.gap.wrapping_mul(2);
            self.merge();
            if self.count < MAX {
                // The wider gap may have room for the new pages in a run that is there.
                return self.add(address, len);
            }
        }
        self.insert(place, Run { start, end });
    }

    /// Takes the pages from `start` to `end` out: they must stay executable. They hold no sites.
    ///
    /// Returns false if there is no room for the split.
    pub(crate) fn exclude(&mut self, start: usize, end: usize) -> bool {
        let Some(place) = self.as_slice().iter().position(|run| run.start < end && start < run.end) else {
            return true;
        };
        let Some(run) = self.runs.get_mut(place) else { return true };
        let rest = Run { start: end, end: run.end };
        run.end = start;
        let first_is_empty = run.start >= run.end;
        if first_is_empty {
            *run = rest;
            return true;
        }
        if rest.start >= rest.end {
            return true;
        }
        if self.count == MAX {
            return false;
        }
        self.insert(place.wrapping_add(1), rest);
        true
    }

    fn insert(&mut self, place: usize, new: Run) {
        let mut carried = new;
        for run in self.runs.iter_mut().take(self.count.wrapping_add(1)).skip(place) {
            core::mem::swap(run, &mut carried);
        }
        self.count = self.count.wrapping_add(1);
    }

    /// Joins neighbours that are no further apart than the gap.
    fn merge(&mut self) {
        let mut kept = 0usize;
        for next in 0..self.count {
            let Some(&run) = self.runs.get(next) else { return };
            let gap = self.gap;
            match kept.checked_sub(1).and_then(|last| self.runs.get_mut(last)) {
                Some(last) if run.start < last.end.wrapping_add(gap) => last.end = last.end.max(run.end),
                _ => {
                    if let Some(place) = self.runs.get_mut(kept) {
                        *place = run;
                    }
                    kept = kept.wrapping_add(1);
                }
            }
        }
        self.count = kept;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::v1::*;

    fn pages(runs: &Runs) -> Vec<(usize, usize)> {
        runs.as_slice().iter().map(|run| (run.start / PAGE, run.end / PAGE)).collect()
    }

    fn of(sites: &[(usize, usize)]) -> Runs {
        let mut runs = Runs::new();
        for &(address, len) in sites {
            runs.add(address, len);
        }
        runs
    }

    #[test]
    fn sites_in_any_order_become_sorted_runs() {
        let p = |page: usize| page * PAGE;
        assert_eq!(pages(&of(&[(p(100), 6), (p(10), 6), (p(50), 6)])), [(10, 11), (50, 51), (100, 101)]);
        assert_eq!(pages(&of(&[(p(10), 6), (p(26), 6)])), [(10, 27)], "a gap of 15 pages is bridged");
        assert_eq!(pages(&of(&[(p(10), 6), (p(27), 6)])), [(10, 11), (27, 28)], "one of 16 is not");
        assert_eq!(pages(&of(&[(p(10), 6), (p(40), 6), (p(25), 6)])), [(10, 41)], "a page between two runs joins them");
    }

    #[test]
    fn a_site_across_a_page_edge_takes_both_pages() {
        assert_eq!(pages(&of(&[(PAGE * 3 - 2, 6)])), [(2, 4)]);
        assert_eq!(pages(&of(&[(PAGE * 3 - 6, 6)])), [(2, 3)]);
    }

    #[test]
    fn too_many_runs_widen_the_gap_and_lose_no_page() {
        let sites: Vec<_> = (0..500).map(|n| ((n * 7919 % 500) * 40 * PAGE + 100 * PAGE, 6)).collect();
        let runs = of(&sites);
        assert!(runs.as_slice().len() <= MAX);
        for &(address, len) in &sites {
            assert!(
                runs.as_slice().iter().any(|run| run.start <= address && address + len <= run.end),
                "{address:#x} is in no run"
            );
        }
        assert!(runs.as_slice().windows(2).all(|pair| pair[0].end < pair[1].start));
    }

    #[test]
    fn the_leaf_is_cut_out() {
        let mut runs = of(&[(PAGE * 10, 6), (PAGE * 14, 6)]);
        assert!(runs.exclude(PAGE * 12, PAGE * 13));
        assert_eq!(pages(&runs), [(10, 12), (13, 15)]);
        assert!(runs.exclude(PAGE * 30, PAGE * 31));
        assert_eq!(pages(&runs), [(10, 12), (13, 15)]);
        assert!(runs.exclude(PAGE * 10, PAGE * 11));
        assert!(runs.exclude(PAGE * 14, PAGE * 15));
        assert_eq!(pages(&runs), [(11, 12), (13, 14)]);
    }
}
