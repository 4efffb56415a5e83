//! What the records of static branches say, in every output (`runtime/FORMAT.md`).

use crate::model::Branch;

/// What a site holds: one instruction of its length.
pub(crate) struct Form {
    /// Bytes of the site.
    pub(crate) len: u8,
    /// While the branch has the value of its declaration.
    pub(crate) nop: &'static str,
    /// While it has the other one; `??` is the distance to the other side.
    pub(crate) jump: &'static str,
}

/// The short form, for a target that a short jump reaches, and the long one.
pub(crate) const FORMS: [Form; 2] =
    [Form { len: 2, nop: "66 90", jump: "eb ??" }, Form { len: 5, nop: "0f 1f 44 00 00", jump: "e9 ?? ?? ?? ??" }];

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

#[cfg(test)]
mod tests {
    use super::FORMS;

    #[test]
    fn forms_have_their_length_and_the_nops_are_canonical() {
        for form in FORMS {
            let len = usize::from(form.len);
            let nop: Vec<String> = crate::emit::nops::nops(len).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((form.nop, form.jump.split(' ').count()), (nop.join(" ").as_str(), len));
        }
    }
}
