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
    /// Its explain page, in Markdown: what is wrong, why it matters, how to fix it, with examples.
    pub page: &'static str,
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
        // The numbers have four digits, as messages show them and as the pages are called.
        #[allow(clippy::zero_prefixed_literal)]
        impl Code {
            $(#[doc = $title] pub const $name: Code = Code($number);)*
        }
        /// Every code, in order.
        #[allow(clippy::zero_prefixed_literal)]
        pub const CODES: &[CodeInfo] = &[
            $(CodeInfo {
                code: Code($number),
                severity: $severity,
                title: $title,
                page: include_str!(concat!("../../explain/PV", stringify!($number), ".md")),
            },)*
        ];
    };
}

codes! {
    SYNTAX             = 0101, Error,   "the text is not what the language has here";
    ENCODING           = 0102, Error,   "the file is not UTF-8";
    LIMIT              = 0103, Error,   "a limit of size, depth or number is exceeded";
    INCLUDE            = 0104, Error,   "an included file cannot be used";
    EMPTY              = 0105, Error,   "the file defines no patch set";
    READ               = 0106, Error,   "the root file cannot be read";

    UNKNOWN_NAME       = 0201, Error,   "a name that nothing defines";
    DUPLICATE          = 0202, Error,   "a name or clause that stands twice";
    RESERVED_NAME      = 0203, Error,   "a name that the outputs cannot use";
    SIGNATURE          = 0204, Error,   "a signature that the ABI cannot carry";
    SITE_KIND          = 0205, Error,   "a site kind that does not fit here";
    CONTRACT           = 0206, Error,   "clauses of an op contradict each other";
    BYTE_GROUPS        = 0207, Error,   "the byte groups do not match the arches of the row";
    UNUSED_FEATURE     = 0208, Warning, "a declared feature that no condition uses";
    UNUSED_ALLOW       = 0209, Warning, "an `allow` that silences nothing";
    ROLE               = 0210, Error,   "a role in asm that names no operand";

    ASSEMBLE           = 0301, Error,   "the assembler refuses the text";
    ASSEMBLER_WARNING  = 0302, Error,   "GNU as accepts the text with a warning only";
    BYTES_DIFFER       = 0303, Error,   "the asm does not encode to the bytes beside it";
    FIXUP              = 0304, Error,   "a fixup that the patcher cannot apply";

    TOO_LONG           = 0401, Error,   "a row is longer than a site that it overwrites";
    NO_ROOM_FOR_CALL   = 0402, Error,   "a site cannot hold the direct call it may need";

    UNDECLARED_CLOBBER = 0501, Error,   "a register or flag is written and not declared";
    UNDECLARED_BARRIER = 0502, Error,   "an instruction orders memory and the op declares no barrier";
    UNDECLARED_MEMORY  = 0503, Error,   "memory is touched and not declared";
    NEEDLESS_CLOBBER   = 0504, Warning, "a clobber that no row needs";
    STACK_POINTER      = 0505, Error,   "a row changes the stack pointer for good";
    UNDEFINED_READ     = 0506, Error,   "a register or flag is read that holds nothing to rely on";
    MISSING_RESULT     = 0507, Error,   "a row leaves a result unset";
    STACK_USE          = 0508, Error,   "a row uses stack memory that is not its own";
    BROKEN_PROMISE     = 0509, Error,   "a row changes what its op promises to keep";
    SEGMENT            = 0510, Error,   "memory is addressed through a segment that may be the user's";
    WEAKER_ROW         = 0511, Error,   "a row orders memory less than another row of its op";

    UNREACHABLE_ROW    = 0601, Error,   "an earlier row always hides this one";
    NO_FALLBACK        = 0602, Error,   "no row is left when every condition is false";
    MISSING_FEATURE    = 0603, Error,   "an instruction needs a CPU feature that nothing guarantees";
    CONSTANT_CONDITION = 0604, Warning, "a condition that always holds";

    BRANCH             = 0701, Error,   "a branch leaves the patchlet or misses an instruction";
    RETURN             = 0702, Error,   "a return in a patchlet that is inlined";
    FALLS_OUT          = 0703, Error,   "control falls out of a row that must not come back";
    POSITION           = 0704, Error,   "an address depends on where the bytes stand";
    MODES              = 0705, Error,   "the same bytes mean something else on another arch";
    NOT_CODE           = 0706, Error,   "control reaches bytes that are no instruction";
    LIVE               = 0707, Error,   "a row of a live op is not one instruction";
}
