//! What a batch did.

use core::fmt;

/// How the text was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Way {
    /// Nothing had to be written.
    #[default]
    None,
    /// Through the caller's text port.
    Port,
    /// The pages were made writable for a moment.
    Protect,
    /// Through `/proc/self/mem`.
    ProcMem,
    /// Through pages that were writable and executable, in a live batch that asked for that.
    Window,
}

/// Outcome of a batch, in numbers of sites.
///
/// `rows + nops + calls + originals == sites`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Site records of the set.
    pub sites: usize,
    /// Sites that now hold the instructions of a row (the identity row included).
    pub rows: usize,
    /// Sites that now do nothing.
    pub nops: usize,
    /// Sites that now hold a direct call or jump.
    pub calls: usize,
    /// Sites that now hold what they held before any patching.
    pub originals: usize,
    /// Of all sites, those that already held what they should.
    pub unchanged: usize,
    /// Site records of static branches.
    pub branch_sites: usize,
    /// Of these, sites that now jump; the others hold NOPs.
    pub jumps: usize,
    /// Of these, sites that already held what they should.
    pub branches_unchanged: usize,
    /// Bytes written to text.
    pub bytes: usize,
    /// Stretches of pages that were opened for writing.
    pub runs: usize,
    /// How.
    pub way: Way,
}

impl core::ops::AddAssign for Report {
    /// Adds the numbers of another set of the same batch.
    fn add_assign(&mut self, other: Self) {
        self.sites += other.sites;
        self.rows += other.rows;
        self.nops += other.nops;
        self.calls += other.calls;
        self.originals += other.originals;
        self.unchanged += other.unchanged;
        self.branch_sites += other.branch_sites;
        self.jumps += other.jumps;
        self.branches_unchanged += other.branches_unchanged;
        self.bytes += other.bytes;
        self.runs += other.runs;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} sites: {} rows, {} NOPs, {} direct calls, {} as before; {} unchanged, {} bytes written",
            self.sites, self.rows, self.nops, self.calls, self.originals, self.unchanged, self.bytes
        )?;
        if self.branch_sites != 0 {
            write!(out, "; {} sites of static branches: {} jump", self.branch_sites, self.jumps)?;
        }
        Ok(())
    }
}
