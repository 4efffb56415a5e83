//! Why a batch was refused.

use crate::set::Set;
use core::fmt;

/// Bytes of text for a message: the first [`Bytes::KEPT`] of a site.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    len: u8,
    kept: [u8; Self::KEPT],
}

impl Bytes {
    /// How many bytes are kept.
    pub const KEPT: usize = 40;

    /// No bytes.
    pub const NONE: Self = Self { len: 0, kept: [0; Self::KEPT] };

    /// The first bytes of a site.
    #[must_use]
    pub fn of(site: &[u8]) -> Self {
        let mut kept = [0; Self::KEPT];
        for (to, from) in kept.iter_mut().zip(site) {
            *to = *from;
        }
        Self { len: site.len().min(Self::KEPT) as u8, kept }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.kept.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.as_slice().iter().enumerate() {
            if index > 0 {
                out.write_str(" ")?;
            }
            write!(out, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "[{self}]")
    }
}

/// What was wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Status {
    /// The table has another format version, or is for another machine mode.
    Format,
    /// The set has no sites, and the caller did not allow that.
    NoSites,
    /// A site record names an op, a kind or a length that the table does not have.
    BadRecord,
    /// A row or plan of the table contradicts itself (longer than its site, a field outside its bytes).
    BadTable,
    /// The text at a site is none of the forms that the table knows: a debugger, another patcher, a wrong table.
    Foreign,
    /// The op must be called, but there is no stack at its sites.
    NoCall,
    /// The op must be called, but a site of this kind or length cannot hold a call.
    CannotHoldCall,
    /// A target lies out of reach of a field of the site.
    OutOfRange,
    /// A site would change in a live batch, and the table does not mark it live.
    NotLive,
    /// A live batch changes more sites than its journal has room for.
    JournalFull,
    /// The text port, or the operating system, refused a step; `step` and `errno` say which.
    Refused,
}

/// The step that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Step {
    /// None: the batch was refused before anything was asked of the system.
    None,
    /// The text port did not admit the site.
    Admit,
    /// Mapping memory of the patcher's own.
    Map,
    /// `mprotect` to readable and writable.
    Writable,
    /// `madvise(MADV_POPULATE_WRITE)`.
    Populate,
    /// `mprotect` back to readable and executable.
    Executable,
    /// Opening `/proc/self/mem`.
    OpenMemory,
    /// Writing to it.
    WriteMemory,
    /// Writing or synchronizing in a live batch; it was taken back.
    LiveWrite,
    /// Registering for `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)`: needs Linux 4.16.
    Register,
    /// Listing the threads and what signals they block.
    Threads,
    /// A thread blocks SIGTRAP: a breakpoint would end the process. The address is the thread's id.
    TrapBlocked,
    /// The handler of SIGTRAP cannot be installed, or another one was installed over it.
    TrapHandler,
    /// An earlier batch could not be taken back.
    Unfinished,
}

/// A refused batch: nothing was changed, and the program runs on as it was.
///
/// ```
/// # fn start(set: &pvc_runtime::Set, result: Result<pvc_runtime::Report, pvc_runtime::Error>) {
/// match result {
///     Ok(report) => println!("{report}"),
///     Err(error) => eprintln!("{}: {error}", set.name()),
/// }
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// What was wrong.
    pub status: Status,
    /// The step of the system that failed, for [`Status::Refused`].
    pub step: Step,
    /// The op of the site or row, or [`NONE`](crate::table::NONE).
    pub op: u16,
    /// The static branch of the site, or [`NONE`](crate::table::NONE).
    pub branch: u16,
    /// Linux error number of that step; 0 if there is none.
    pub errno: i32,
    /// Address of the site, or of the page; 0 if there is none.
    pub address: usize,
    /// What stands there.
    pub found: Bytes,
    /// What the table says was there before patching, or the bytes that could not be written.
    pub expected: Bytes,
}

impl Error {
    pub(crate) const fn new(status: Status) -> Self {
        Self {
            status,
            step: Step::None,
            op: crate::table::NONE,
            branch: crate::table::NONE,
            errno: 0,
            address: 0,
            found: Bytes::NONE,
            expected: Bytes::NONE,
        }
    }

    pub(crate) const fn at(mut self, op: u16, address: usize) -> Self {
        self.op = op;
        self.address = address;
        self
    }

    pub(crate) const fn at_branch(mut self, branch: u16, address: usize) -> Self {
        self.branch = branch;
        self.address = address;
        self
    }

    pub(crate) const fn refused(step: Step, errno: i32, address: usize) -> Self {
        let mut error = Self::new(Status::Refused).at(crate::table::NONE, address);
        error.step = step;
        error.errno = errno;
        error
    }

    /// The op's name in `set`, for messages.
    pub fn op_name<'a>(&self, set: &'a Set) -> &'a str {
        set.op_name(self.op)
    }

    /// The static branch's name in `set`, for messages.
    pub fn branch_name<'a>(&self, set: &'a Set) -> &'a str {
        set.branch_name(self.branch)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.status {
            Status::Format => "the table has a format or machine mode that this runtime does not read",
            Status::NoSites => "the set has no sites",
            Status::BadRecord => "a site record does not fit the table",
            Status::BadTable => "a row of the table contradicts itself",
            Status::Foreign => "the text at a site is not what the table says",
            Status::NoCall => "a backend is installed, but there is no stack for a call at the site",
            Status::CannotHoldCall => "a backend is installed, but the site cannot hold a call",
            Status::OutOfRange => "a target is out of reach of the site",
            Status::NotLive => "a site would change that the table does not mark live",
            Status::JournalFull => "more sites change than the journal has room for",
            Status::Refused => match self.step {
                Step::None => "refused",
                Step::Admit => "the text port does not admit the site",
                Step::Map => "cannot map memory for the patcher",
                Step::Writable => "cannot make text writable",
                Step::Populate => "cannot populate the pages of the text",
                Step::Executable => "cannot make written text executable",
                Step::OpenMemory => "cannot open /proc/self/mem",
                Step::WriteMemory => "cannot write to /proc/self/mem",
                Step::LiveWrite => "a live batch failed and was taken back",
                Step::Register => "membarrier cannot make other threads serialize",
                Step::Threads => "cannot see which signals the threads block",
                Step::TrapBlocked => "a thread blocks SIGTRAP",
                Step::TrapHandler => "SIGTRAP is not the patcher's",
                Step::Unfinished => "an earlier batch could not be taken back",
            },
        })?;
        if self.errno != 0 {
            write!(out, " (errno {})", self.errno)?;
        }
        if self.op != crate::table::NONE {
            write!(out, ", op {}", self.op)?;
        }
        if self.branch != crate::table::NONE {
            write!(out, ", branch {}", self.branch)?;
        }
        if self.address != 0 {
            write!(out, ", at {:#x}", self.address)?;
        }
        if self.found != Bytes::NONE {
            write!(out, ": found {}", self.found)?;
        }
        if self.expected != Bytes::NONE {
            write!(out, ", expected {}", self.expected)?;
        }
        Ok(())
    }
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::prelude::v1::*;

    #[test]
    fn the_message_makes_sense_alone() {
        let mut error = Error::new(Status::Foreign).at(3, 0x401000);
        error.found = Bytes::of(&[0xcc, 0x15]);
        error.expected = Bytes::of(&[0xff, 0x15]);
        assert_eq!(
            error.to_string(),
            "the text at a site is not what the table says, op 3, at 0x401000: found cc 15, expected ff 15"
        );
        let error = Error::refused(Step::Executable, 13, 0x7000);
        assert_eq!(error.to_string(), "cannot make written text executable (errno 13), at 0x7000");
    }

    #[test]
    fn long_sites_are_cut_and_never_overrun() {
        assert_eq!(Bytes::of(&[1; 64]).as_slice(), &[1; Bytes::KEPT]);
        assert!(size_of::<Error>() <= 128, "an error travels in every result");
    }
}
