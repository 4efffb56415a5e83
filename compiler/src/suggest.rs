//! Which known name was probably meant.

use crate::diagnostics::Diagnostic;
use crate::source::Span;

/// A known name that is near to an unknown one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Near<'a> {
    /// The known name.
    pub(crate) name: &'a str,
    /// Whether there is no doubt: a small slip in a long name, and no other known name is as near.
    pub(crate) sure: bool,
}

impl<'a> Near<'a> {
    /// The known name that another language's name stands for.
    pub(crate) fn sure(name: &'a str) -> Self {
        Self { name, sure: true }
    }

    /// A known name that may be what another language's name stands for.
    pub(crate) fn guess(name: &'a str) -> Self {
        Self { name, sure: false }
    }

    /// Adds to `found` the question whether this was meant, and the change of `span` to it.
    pub(crate) fn offer(self, found: Diagnostic, span: Span) -> Diagnostic {
        let name = self.name;
        let found = found.label(format!("did you mean `{name}`?"));
        let title = format!("write `{name}`");
        if self.sure { found.fix(title, span, name) } else { found.guess(title, span, name) }
    }
}

/// The longest name that may be a typing error of another, and the longest that it may be one of.
const LONGEST: usize = 64;
const LONGEST_KNOWN: usize = LONGEST + LONGEST.div_ceil(3);

/// The candidate nearest to `wanted`, if one is near enough to be worth a suggestion.
pub(crate) fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<Near<'a>> {
    // A name of a hundred letters is no typing error, and the distance is quadratic.
    if wanted.is_empty() || wanted.len() > LONGEST {
        return None;
    }
    let limit = wanted.len().div_ceil(3);
    let of_wanted = letters(wanted);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(wanted.len()) <= limit)
        .filter(|candidate| {
            // Each letter that only one of the two has takes a change: that tells most candidates apart at once.
            let of_candidate = letters(candidate);
            let missing = (of_wanted & !of_candidate).count_ones().max((of_candidate & !of_wanted).count_ones());
            missing as usize <= limit
        })
        .map(|candidate| (distance(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    near.sort();
    let (distance, name) = *near.first()?;
    let alone = near.iter().all(|(other, candidate)| *other > distance || *candidate == name);
    // One slip in four letters or more; names of CPU features and registers differ in a digit often.
    let slip = distance * 4 <= wanted.len() && digits(wanted) == digits(name);
    Some(Near { name, sure: alone && slip })
}

fn digits(name: &str) -> String {
    name.chars().filter(char::is_ascii_digit).collect()
}

/// The letters of a name as a set; some share a bit.
fn letters(name: &str) -> u64 {
    name.bytes().fold(0, |set, byte| set | 1 << (byte.to_ascii_lowercase() % 64))
}

/// How many letters are changed, added, dropped or swapped with their neighbour between two names (optimal string
/// alignment); case counts as no change. Both are at most [`LONGEST_KNOWN`] bytes long.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let same = |a: u8, b: u8| a.eq_ignore_ascii_case(&b);
    let mut before = [0; LONGEST_KNOWN + 1];
    let mut last = std::array::from_fn(|j| j);
    let mut row = [0; LONGEST_KNOWN + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let changed = usize::from(!same(a[i - 1], b[j - 1]));
            let mut best = (last[j - 1] + changed).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]) {
                best = best.min(before[j - 2] + 1);
            }
            row[j] = best;
        }
        (before, last, row) = (last, row, before);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant() {
        let known = ["clobbers", "preserves", "site", "serialize", "sse4_1", "sse4_2", "avx512bw"];
        let near = |wanted| nearest(wanted, known).map(|near| (near.name, near.sure));
        assert_eq!(near("clobers"), Some(("clobbers", true)));
        assert_eq!(near("serialise"), Some(("serialize", true)));
        assert_eq!(near("stie"), Some(("site", true)));
        assert_eq!(near("SITE"), Some(("site", true)));
        assert_eq!(near("sit"), Some(("site", false)), "too short to be sure");
        assert_eq!(near("sse4_3"), Some(("sse4_1", false)), "two are as near");
        assert_eq!(near("avx51bw"), Some(("avx512bw", false)), "a digit is missing");
        assert_eq!(near("banana"), None);
        assert_eq!(near(""), None);
    }
}
