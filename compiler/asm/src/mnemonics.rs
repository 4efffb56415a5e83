//! The names of instructions, for editors and messages.

use crate::explain::nearest::nearest;
use crate::table::{self, NAMES, Name};
use crate::{Mode, Syntax};

/// Whether `name` is a mnemonic (or, with its operands open, may be one) in this mode and syntax.
///
/// ```
/// use pvc_asm::{Mode, Syntax, is_mnemonic};
/// assert!(is_mnemonic("pushfq", Mode::Bits64, Syntax::Att));
/// assert!(!is_mnemonic("pushfq", Mode::Bits32, Syntax::Att));
/// ```
pub fn is_mnemonic(name: &str, mode: Mode, syntax: Syntax) -> bool {
    table::named(name).is_some_and(|name| name.list(mode, syntax) != 0)
}

/// Every mnemonic of this mode and syntax, sorted.
///
/// ```
/// use pvc_asm::{Mode, Syntax, mnemonics};
/// assert!(mnemonics(Mode::Bits64, Syntax::Att).iter().any(|name| name == "movabsq"));
/// ```
pub fn mnemonics(mode: Mode, syntax: Syntax) -> Vec<String> {
    NAMES.iter().filter(|name| name.list(mode, syntax) != 0).map(Name::text).collect()
}

/// The mnemonics of this mode and syntax nearest to `name`, best first; at most `count`.
///
/// ```
/// use pvc_asm::{Mode, Syntax, nearest_mnemonics};
/// assert_eq!(nearest_mnemonics("psuhf", Mode::Bits64, Syntax::Att, 1), ["pushf"]);
/// ```
pub fn nearest_mnemonics(name: &str, mode: Mode, syntax: Syntax, count: usize) -> Vec<String> {
    nearest(name, NAMES.iter().filter(|name| name.list(mode, syntax) != 0).map(Name::bytes), count)
}
