//! What the records of static branches say, in every output (`runtime/FORMAT.md`).

use crate::model::Branch;

/// `PV_BRANCH_JUMPS_IF`: the value for which a site jumps.
const JUMPS_IF: u8 = 1;
/// `PV_SITE_LIVE`.
const LIVE: u8 = 0x20;

/// Flags of a record. What the compiler leaves at a site are NOPs, so it jumps for the other value.
pub(super) fn flags(branch: &Branch) -> u8 {
    (if branch.initial { 0 } else { JUMPS_IF }) | if branch.live { LIVE } else { 0 }
}

/// The directive before a site that may change while it runs: a site of up to 5 bytes then lies in one 8-byte word, which is
/// fetched and stored at once.
pub(super) fn alignment(branch: &Branch) -> Option<String> {
    branch.live.then(|| ".p2align 3,,4".to_owned())
}
