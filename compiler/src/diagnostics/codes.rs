//! The codes of findings: one line each. A code, once released, keeps its meaning.
//!
//! 01xx text and structure, 02xx names and contracts, 03xx assembly, 04xx size, 05xx effects against the contract,
//! 06xx conditions and features, 07xx control flow and modes.

use super::Severity::{self, Error, Warning};

/// A stable code, shown as `PV0401`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Code(pub u16);

/// What is known of a code.
#[derive(Clone, Copy, Debug)]
pub struct CodeInfo {
    /// The code.
    pub code: Code,
    /// Its severity unless something changes it.
    pub severity: Severity,
    /// What it stands for, in a few words.
    pub title: &'static str,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PV{:04}", self.0)
    }
}

impl Code {
    /// The line of the table for this code.
    ///
    /// # Panics
    ///
    /// Never for a code of [`CODES`]; codes are made nowhere else but in tests.
    #[must_use]
    pub fn info(self) -> &'static CodeInfo {
        CODES.iter().find(|info| info.code == self).expect("a code that the table lists")
    }
}

macro_rules! codes {
    ($($name:ident = $number:literal, $severity:ident, $title:literal;)*) => {
        // The numbers have four digits, as messages show them.
        #[allow(clippy::zero_prefixed_literal)]
        impl Code {
            $(#[doc = $title] pub const $name: Code = Code($number);)*
        }
        /// Every code, in order.
        #[allow(clippy::zero_prefixed_literal)]
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo { code: Code($number), severity: $severity, title: $title },)*
        ];
    };
}

codes! {
    SYNTAX             = 101, Error,   "the text is not what the language has here";
    ENCODING           = 102, Error,   "the file is not UTF-8";
    LIMIT              = 103, Error,   "a limit of size, depth or number is exceeded";
    INCLUDE            = 104, Error,   "an included file cannot be used";
    EMPTY              = 105, Error,   "the file defines no patch set";
    READ               = 106, Error,   "the root file cannot be read";

    UNKNOWN_NAME       = 201, Error,   "a name that nothing defines";
    DUPLICATE          = 202, Error,   "a name or clause that stands twice";
    RESERVED_NAME      = 203, Error,   "a name that the outputs cannot use";
    SIGNATURE          = 204, Error,   "a signature that the ABI cannot carry";
    SITE_KIND          = 205, Error,   "a site kind that does not fit here";
    CONTRACT           = 206, Error,   "clauses of an op contradict each other";
    BYTE_GROUPS        = 207, Error,   "the byte groups do not match the arches of the row";
    UNUSED_FEATURE     = 208, Warning, "a declared feature that no condition uses";
    UNUSED_ALLOW       = 209, Warning, "an `allow` that silences nothing";
    ROLE               = 210, Error,   "a role in asm that names no operand";

    ASSEMBLE           = 301, Error,   "the assembler refuses the text";
    ASSEMBLER_WARNING  = 302, Error,   "GNU as accepts the text with a warning only";
    BYTES_DIFFER       = 303, Error,   "the asm does not encode to the bytes beside it";
    FIXUP              = 304, Error,   "a fixup that the patcher cannot apply";

    TOO_LONG           = 401, Error,   "a row is longer than a site that it overwrites";
    NO_ROOM_FOR_CALL   = 402, Error,   "a site cannot hold the direct call it may need";

    UNDECLARED_CLOBBER = 501, Error,   "a register or flag is written and not declared";
    UNDECLARED_BARRIER = 502, Error,   "an instruction orders memory and the op declares no barrier";
    UNDECLARED_MEMORY  = 503, Error,   "memory is touched and not declared";
    NEEDLESS_CLOBBER   = 504, Warning, "a clobber that no row needs";
    STACK_POINTER      = 505, Error,   "a row changes the stack pointer for good";
    UNDEFINED_READ     = 506, Error,   "a register or flag is read that holds nothing to rely on";
    MISSING_RESULT     = 507, Error,   "a row leaves a result unset";
    STACK_USE          = 508, Error,   "a row uses stack memory that is not its own";
    BROKEN_PROMISE     = 509, Error,   "a row changes what its op promises to keep";

    UNREACHABLE_ROW    = 601, Error,   "an earlier row always hides this one";
    NO_FALLBACK        = 602, Error,   "no row is left when every condition is false";
    MISSING_FEATURE    = 603, Error,   "an instruction needs a CPU feature that nothing guarantees";
    CONSTANT_CONDITION = 604, Warning, "a condition that always holds";

    BRANCH             = 701, Error,   "a branch leaves the patchlet or misses an instruction";
    RETURN             = 702, Error,   "a return in a patchlet that is inlined";
    FALLS_OUT          = 703, Error,   "control falls out of a row that must not come back";
    POSITION           = 704, Error,   "an address depends on where the bytes stand";
    MODES              = 705, Error,   "the same bytes mean something else on another arch";
    NOT_CODE           = 706, Error,   "control reaches bytes that are no instruction";
    LIVE               = 707, Error,   "a row of a live op is not one instruction";
}
