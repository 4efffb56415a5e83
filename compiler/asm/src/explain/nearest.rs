//! Names that are spelled alike.

/// Longest name that has near ones.
const LONGEST: usize = 32;

/// The names of `all` that are nearest to `name`, best first.
pub(crate) fn nearest<N: AsRef<[u8]>>(name: &str, all: impl Iterator<Item = N>, count: usize) -> Vec<String> {
    let lower = name.to_ascii_lowercase();
    let lower = lower.as_bytes();
    if lower.len() > LONGEST {
        return Vec::new();
    }
    let limit = (lower.len() / 3).clamp(1, 3);
    let wanted = characters(lower);
    let mut found: Vec<(usize, bool, String)> = Vec::new();
    for other in all {
        let other = other.as_ref();
        if other.len().abs_diff(lower.len()) > limit || other.len() > LONGEST {
            continue;
        }
        // A character that only one of them has takes an edit, so most names need no closer look.
        let present = characters(other);
        if (wanted & !present).count_ones().max((present & !wanted).count_ones()) as usize > limit {
            continue;
        }
        let distance = distance(lower, other, limit);
        if distance <= limit {
            // Of equal distance, a name that starts the same is the better guess.
            found.push((distance, other.first() != lower.first(), String::from_utf8_lossy(other).into_owned()));
        }
    }
    found.sort();
    found.truncate(count);
    found.into_iter().map(|(_, _, other)| other).collect()
}

/// The characters of a name as a set; some share a bit.
fn characters(name: &[u8]) -> u64 {
    name.iter().fold(0, |set, byte| set | 1 << (byte & 63))
}

/// Edit distance with transpositions (optimal string alignment), or something above `limit`.
fn distance(a: &[u8], b: &[u8], limit: usize) -> usize {
    let mut before = [0u8; LONGEST + 1];
    let mut last: [u8; LONGEST + 1] = std::array::from_fn(|j| j as u8);
    for i in 1..=a.len() {
        let mut row = [0u8; LONGEST + 1];
        row[0] = i as u8;
        for j in 1..=b.len() {
            let cost = u8::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + cost).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        // A transposition reaches back two rows.
        let least = |row: &[u8]| row.iter().min().is_none_or(|&least| usize::from(least) > limit);
        if least(&row[..=b.len()]) && least(&last[..=b.len()]) {
            return limit + 1;
        }
        before = last;
        last = row;
    }
    usize::from(last[b.len()])
}
