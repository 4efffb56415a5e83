//! What the words of the language mean, in a sentence or two: for hover and completion.

/// Words that begin an item.
pub(super) const ITEMS: &[(&str, &str)] = &[
    ("patchset", "Names the set and gives its defaults: arches, ABI, baseline, syntax, kind of site."),
    ("feature", "Declares a fact that no CPUID bit tells: the program sets it before patching."),
    ("op", "An operation: the contract that every call site is compiled against, and the rows that may stand there."),
    ("branch", "A static branch: each site is a NOP or a jump, switched at run time."),
    ("include", "Takes in the features and ops of another file, named relative to this one."),
];

/// Clauses of a `patchset` block.
pub(super) const SET_CLAUSES: &[(&str, &str)] = &[
    ("arch", "The arches of the set: `x86_64`, `i386`, or `x86` for both."),
    ("abi", "`kernel`: no red zone, backends use general registers only. `user`: System V with its red zone."),
    ("baseline", "CPU features that need no `when`: levels (`x86_64_v1`, `i686`) and single features."),
    ("syntax", "The dialect of all asm bodies: `att` or `intel`, as GNU as reads it."),
    ("site", "The kinds of site of ops that name none."),
];

/// Clauses of a `branch` block.
pub(super) const BRANCH_CLAUSES: &[(&str, &str)] = &[
    ("arch", "The arches that the branch exists on; without it, all of the set."),
    ("live", "The branch may change while other CPUs run through its sites."),
];

/// Values of a branch.
pub(super) const TRUTHS: &[(&str, &str)] = &[
    ("true", "Sites hold NOPs as long as the branch is true; code for false is out of line."),
    ("false", "Sites hold NOPs as long as the branch is false; code for true is out of line."),
];

/// Clauses of an op.
pub(super) const OP_CLAUSES: &[(&str, &str)] = &[
    ("clobbers", "What a site may destroy besides its results: registers, `flags`, `memory`, `barrier`, ..."),
    ("preserves", "What the op promises to keep although calls usually do not: `flags`, `vector`."),
    (
        "site",
        "What the patcher finds and overwrites, hence how many bytes a row may have. The wrapper uses the first kind.",
    ),
    ("default", "The external function that is the initial target of the op's calls, instead of a generated one."),
    ("allow", "`allow(CODE, \"reason\")` silences one warning in this op."),
    (
        "live",
        "Sites may change while other CPUs run through them: every state is one instruction of the site's full length.",
    ),
    ("nocall", "There is no stack at the site: a replacement by a call is refused."),
    ("partial", "There may be no row without a condition: the site then stays a call."),
];

/// Words of a row or signature.
pub(super) const ROW_WORDS: &[(&str, &str)] = &[
    ("when", "The row is for machines on which this condition over features holds. Rows are tried in order."),
    ("identity", "The row stands for \"returns its argument\": it is taken when the backend is the identity function."),
    ("in", "The register of the operand, where the ABI would put it elsewhere."),
];

/// Types.
pub(super) const TYPES: &[(&str, &str)] = &[
    ("word", "The width of a general register: 64 bits on x86_64, 32 on i386."),
    ("ptr", "An address, as wide as a general register."),
    ("u8", "8 bits; arrives zero-extended."),
    ("u16", "16 bits; arrives zero-extended."),
    ("u32", "32 bits; arrives zero-extended."),
    ("u64", "64 bits; on i386 a result only, in edx:eax."),
    ("bool", "0 or 1 in 8 bits."),
];

/// Clobbers that are no registers.
pub(super) const CLOBBERS: &[(&str, &str)] = &[
    ("flags", "The arithmetic flags: OF SF ZF AF PF CF."),
    ("if", "The interrupt flag."),
    ("df", "The direction flag."),
    ("ac", "The alignment-check flag (SMAP's override)."),
    ("uif", "The user interrupt flag."),
    ("mxcsr", "How SSE arithmetic rounds and traps."),
    ("fpcw", "How x87 arithmetic rounds and traps: the control word."),
    ("memory", "Reads or writes memory that is not an operand."),
    ("barrier", "Orders the compiler's memory accesses."),
    ("caller_saved", "All that the ABI lets a call destroy: a plain function can stand in for the op."),
    ("none", "Nothing; stands alone."),
    ("vector", "Vector, mask and x87 state."),
];

/// Values of `abi` and `syntax`.
pub(super) const VALUES: &[(&str, &str)] = &[
    ("kernel", "No red zone; backends use general registers only."),
    ("user", "System V with its red zone; vector, mask and x87 state dies in calls."),
    ("att", "AT&T syntax: `mov $1, %eax`."),
    ("intel", "Intel syntax: `mov eax, 1`."),
];

/// Arches.
pub(super) const ARCHES: &[(&str, &str)] = &[
    ("x86_64", "64-bit mode."),
    ("i386", "32-bit protected mode, not position-independent."),
    ("x86", "Each arch of the set."),
];

/// Kinds of site; their lengths come from the arch tables.
pub(super) const SITES: &[(&str, &str)] = &[
    ("call.rel", "`call func`, a local function."),
    ("call.mem", "`call *ops+off(%rip)`; on i386 `call *ops+off`."),
    ("call.abs", "`call *ops+off` with a SIB byte, as Linux had up to 5.17."),
    ("jmp.rel", "`jmp func`, as a tail: control does not come back."),
    ("jmp.mem", "`jmp *ops+off(%rip)`, as a tail: control does not come back."),
    ("jmp.mem.cs", "`jmp *%cs:ops+off`, as a tail: control does not come back."),
    ("jmp.stub", "A jump to a stub that steps over the red zone, aligns the stack, calls, and jumps back."),
    ("nop", "`nop(N)`: N bytes of NOPs; nothing happens until it is patched."),
    ("inline", "The row without a condition, padded to the longest row and to 5 bytes unless `nocall`."),
];

/// What a table says of a word.
pub(super) fn about(tables: &[&[(&str, &'static str)]], word: &str) -> Option<&'static str> {
    tables.iter().flat_map(|table| *table).find(|(name, _)| *name == word).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use crate::arch::Arch;

    #[test]
    fn every_kind_of_site_is_described() {
        for arch in Arch::ALL {
            for kind in arch.table().kinds {
                assert!(super::about(&[super::SITES], kind.name).is_some(), "{}", kind.name);
            }
        }
    }
}
