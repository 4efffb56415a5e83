//! The system calls that the patcher needs, without a C library. Results are `Ok(value)` or `Err(errno)`.

use core::arch::asm;
use core::ffi::CStr;
use core::sync::atomic::AtomicU32;

pub(crate) const PAGE: usize = 4096;
pub(crate) const PROT_READ: usize = 1;
pub(crate) const PROT_WRITE: usize = 2;
pub(crate) const PROT_EXEC: usize = 4;

const READ_ONLY: usize = 0;
const READ_WRITE: usize = 2;
const O_CLOEXEC: usize = 0o2_000_000;
const MAP_PRIVATE: usize = 0x02;
const MAP_ANONYMOUS: usize = 0x20;
const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
const SIG_SETMASK: usize = 2;
/// The kernel's `sigset_t` is 64 bits; not the C library's.
const SIGSET_LEN: usize = 8;

// Numbers from the kernel's arch/x86/entry/syscalls/syscall_64.tbl: part of its ABI.
const SYS_WRITE: usize = 1;
const SYS_OPEN: usize = 2;
const SYS_CLOSE: usize = 3;
const SYS_FSTAT: usize = 5;
const SYS_LSEEK: usize = 8;
const SYS_MMAP: usize = 9;
pub(crate) const SYS_MPROTECT: usize = 10;
const SYS_MUNMAP: usize = 11;
const SYS_RT_SIGACTION: usize = 13;
const SYS_RT_SIGPROCMASK: usize = 14;
const SYS_PREAD64: usize = 17;
const SYS_PWRITE64: usize = 18;
pub(crate) const SYS_MADVISE: usize = 28;
const SYS_NANOSLEEP: usize = 35;
const SYS_GETPID: usize = 39;
const SYS_PRCTL: usize = 157;
const SYS_GETTID: usize = 186;
const SYS_FUTEX: usize = 202;
const SYS_GETDENTS64: usize = 217;
const SYS_TGKILL: usize = 234;
const SYS_OPENAT: usize = 257;
const SYS_MEMFD_CREATE: usize = 319;
const SYS_MEMBARRIER: usize = 324;

pub(crate) const SIGTRAP: usize = 5;
pub(crate) const SA_SIGINFO: usize = 4;
pub(crate) const SA_RESTORER: usize = 0x0400_0000;
pub(crate) const SA_ONSTACK: usize = 0x0800_0000;
pub(crate) const SA_RESTART: usize = 0x1000_0000;
pub(crate) const SA_NODEFER: usize = 0x4000_0000;
pub(crate) const SA_RESETHAND: usize = 0x8000_0000;

/// The kernel's `struct sigaction`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Sigaction {
    pub(crate) handler: usize,
    pub(crate) flags: usize,
    pub(crate) restorer: usize,
    pub(crate) mask: u64,
}

/// # Safety
///
/// As the kernel's documentation of the call demands.
unsafe fn call(number: usize, args: [usize; 6]) -> Result<usize, i32> {
    let [a, b, c, d, e, f] = args;
    let result: isize;
    // SAFETY: (31) the caller's promise; `syscall` destroys rcx and r11 only.
    unsafe {
        asm!("syscall", inlateout("rax") number as isize => result, in("rdi") a, in("rsi") b, in("rdx") c,
            in("r10") d, in("r8") e, in("r9") f, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    // Errors are -4095 to -1.
    if (-4095..0).contains(&result) { Err((result as i32).wrapping_neg()) } else { Ok(result as usize) }
}

/// A file descriptor of the patcher's own.
pub(crate) struct File(u32);

impl File {
    fn of(descriptor: usize) -> Self {
        Self(descriptor as u32)
    }

    fn descriptor(&self) -> usize {
        self.0 as usize
    }

    pub(crate) fn open(path: &CStr, writable: bool) -> Result<Self, i32> {
        let flags = O_CLOEXEC | if writable { READ_WRITE } else { READ_ONLY };
        // SAFETY: (32) `path` is NUL-terminated.
        unsafe { call(SYS_OPEN, [path.as_ptr().expose_provenance(), flags, 0, 0, 0, 0]) }.map(Self::of)
    }

    pub(crate) fn directory(path: &CStr) -> Result<Self, i32> {
        const O_DIRECTORY: usize = 0o200_000;
        let flags = O_CLOEXEC | READ_ONLY | O_DIRECTORY;
        // SAFETY: (118) as (32).
        unsafe { call(SYS_OPEN, [path.as_ptr().expose_provenance(), flags, 0, 0, 0, 0]) }.map(Self::of)
    }

    /// Opens a file from this directory on, for reading or both; `path` ends with NUL.
    pub(crate) fn open_in(&self, path: &[u8; 32], writable: bool) -> Result<Self, i32> {
        const ENAMETOOLONG: i32 = 36;
        if !path.contains(&0) {
            return Err(ENAMETOOLONG);
        }
        let flags = O_CLOEXEC | if writable { READ_WRITE } else { READ_ONLY };
        let args = [self.descriptor(), path.as_ptr().expose_provenance(), flags, 0, 0, 0];
        // SAFETY: (119) as (32), checked above.
        unsafe { call(SYS_OPENAT, args) }.map(Self::of)
    }

    /// A file without a place in any directory.
    pub(crate) fn in_memory(name: &CStr) -> Result<Self, i32> {
        const EINVAL: i32 = 22;
        const MFD_CLOEXEC: usize = 1;
        const MFD_NOEXEC_SEAL: usize = 8;
        let create = |flags| {
            // SAFETY: (153) as (32).
            unsafe { call(SYS_MEMFD_CREATE, [name.as_ptr().expose_provenance(), flags, 0, 0, 0, 0]) }.map(Self::of)
        };
        match create(MFD_CLOEXEC | MFD_NOEXEC_SEAL) {
            Err(EINVAL) => create(MFD_CLOEXEC), // before Linux 6.3
            result => result,
        }
    }

    /// Writes a few bytes, whole.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), i32> {
        const EIO: i32 = 5;
        // SAFETY: (154) the kernel reads `bytes`.
        let written =
            unsafe { call(SYS_WRITE, [self.descriptor(), bytes.as_ptr().expose_provenance(), bytes.len(), 0, 0, 0]) }?;
        if written == bytes.len() { Ok(()) } else { Err(EIO) }
    }

    /// Reads from the start of the file into `buffer`, once.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize, i32> {
        let args = [self.descriptor(), buffer.as_mut_ptr().expose_provenance(), buffer.len(), 0, 0, 0];
        // SAFETY: (120) the kernel writes at most that many bytes.
        unsafe { call(SYS_PREAD64, args) }
    }

    /// How many links the file has.
    pub(crate) fn links(&self) -> Result<usize, i32> {
        let mut stat = [0usize; 18]; // struct stat: 144 bytes, of which the third word counts the links
        // SAFETY: (180) as (120).
        unsafe { call(SYS_FSTAT, [self.descriptor(), stat.as_mut_ptr().expose_provenance(), 0, 0, 0, 0]) }?;
        Ok(stat[2])
    }

    /// Back to the start of this file.
    pub(crate) fn rewind(&self) -> Result<(), i32> {
        const SEEK_SET: usize = 0;
        // SAFETY: (149) no memory is involved.
        unsafe { call(SYS_LSEEK, [self.descriptor(), 0, SEEK_SET, 0, 0, 0]) }.map(|_| ())
    }

    /// The next entries of this directory, as `struct linux_dirent64`; 0 bytes at its end.
    pub(crate) fn entries(&self, buffer: &mut [u8]) -> Result<usize, i32> {
        // SAFETY: (121) as (120).
        unsafe {
            call(SYS_GETDENTS64, [self.descriptor(), buffer.as_mut_ptr().expose_provenance(), buffer.len(), 0, 0, 0])
        }
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Safety
    ///
    /// If the file is memory: as writing there.
    pub(crate) unsafe fn write_at(&self, mut bytes: &[u8], mut offset: usize) -> Result<(), i32> {
        const EINTR: i32 = 4;
        const EIO: i32 = 5;
        while !bytes.is_empty() {
            let args = [self.descriptor(), bytes.as_ptr().expose_provenance(), bytes.len(), offset, 0, 0];
            // SAFETY: (33) the kernel reads `bytes`; what it writes is the caller's promise.
            match unsafe { call(SYS_PWRITE64, args) } {
                Err(EINTR) => {}
                Err(errno) => return Err(errno),
                Ok(0) => return Err(EIO),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or(&[]);
                    offset = offset.wrapping_add(written);
                }
            }
        }
        Ok(())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: (34) the descriptor is ours.
        let _ = unsafe { call(SYS_CLOSE, [self.descriptor(), 0, 0, 0, 0, 0]) };
    }
}

/// Pages of the patcher's own, zero at first.
pub(crate) struct Pages {
    start: *mut u8,
    len: usize,
}

impl Pages {
    /// Maps `len` bytes: of `file` if there is one (privately, from its start), else anonymous ones.
    pub(crate) fn map(len: usize, protection: usize, file: Option<&File>) -> Result<Self, i32> {
        let (flags, fd) = match file {
            Some(file) => (MAP_PRIVATE, file.descriptor()),
            None => (MAP_PRIVATE | MAP_ANONYMOUS, usize::MAX),
        };
        // SAFETY: (35) a new mapping where the kernel likes touches nothing that exists.
        let start = unsafe { call(SYS_MMAP, [0, len, protection, flags, fd, 0]) }?;
        Ok(Self { start: core::ptr::with_exposed_provenance_mut(start), len })
    }

    /// Maps `file` at this address, where nothing is mapped; a kernel before 4.17 may choose another one.
    pub(crate) fn map_at(address: usize, len: usize, protection: usize, file: &File) -> Result<Self, i32> {
        let flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
        // SAFETY: (155) as (35): the flag replaces nothing.
        let start = unsafe { call(SYS_MMAP, [address, len, protection, flags, file.descriptor(), 0]) }?;
        Ok(Self { start: core::ptr::with_exposed_provenance_mut(start), len })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start
    }

    /// Gives up ownership: the pages stay.
    pub(crate) fn leak(self) -> *mut u8 {
        core::mem::ManuallyDrop::new(self).start
    }

    /// # Safety
    ///
    /// Pages that were leaked, and nothing refers to them.
    pub(crate) unsafe fn from_raw(start: *mut u8, len: usize) -> Self {
        Self { start, len }
    }

    /// Has a forked child see zeros here.
    pub(crate) fn wipe_on_fork(&self) -> Result<(), i32> {
        const MADV_WIPEONFORK: usize = 18;
        // SAFETY: (122) the pages are ours.
        unsafe { call(SYS_MADVISE, [self.start.addr(), self.len, MADV_WIPEONFORK, 0, 0, 0]) }.map(|_| ())
    }

    pub(crate) fn protect(&self, protection: usize) -> Result<(), i32> {
        // SAFETY: (36) the pages are ours, and no reference to them lives meanwhile.
        unsafe { call(SYS_MPROTECT, [self.start.addr(), self.len, protection, 0, 0, 0]) }.map(|_| ())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: (37) the pages are ours.
        let _ = unsafe { call(SYS_MUNMAP, [self.start.addr(), self.len, 0, 0, 0, 0]) };
    }
}

/// All signals of this thread held back while this lives.
pub(crate) struct SignalsBlocked(u64);

impl SignalsBlocked {
    /// All signals.
    pub(crate) fn new() -> Self {
        Self::these(u64::MAX)
    }

    /// All but SIGTRAP: who waits for the lock with that blocked would make the batch under way refuse.
    pub(crate) fn but_traps() -> Self {
        Self::these(!(1 << (SIGTRAP - 1)))
    }

    fn these(signals: u64) -> Self {
        let mut before = 0u64;
        let args = [
            SIG_SETMASK,
            (&raw const signals).expose_provenance(),
            (&raw mut before).expose_provenance(),
            SIGSET_LEN,
            0,
            0,
        ];
        // SAFETY: (38) both sets are 8 bytes; the call cannot fail with valid arguments.
        let _ = unsafe { call(SYS_RT_SIGPROCMASK, args) };
        Self(before)
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        let args = [SIG_SETMASK, (&raw const self.0).expose_provenance(), 0, SIGSET_LEN, 0, 0];
        // SAFETY: (39) as (38).
        let _ = unsafe { call(SYS_RT_SIGPROCMASK, args) };
    }
}

/// Blocks exactly these signals.
pub(crate) fn block_signals(set: u64) {
    let args = [SIG_SETMASK, (&raw const set).expose_provenance(), 0, SIGSET_LEN, 0, 0];
    // SAFETY: (123) as (38).
    let _ = unsafe { call(SYS_RT_SIGPROCMASK, args) };
}

/// Changes the protection of pages that are not the patcher's own.
///
/// # Safety
///
/// What runs on these pages may still run, and nothing relies on a permission that goes.
pub(crate) unsafe fn protect(start: usize, len: usize, protection: usize) -> Result<(), i32> {
    // SAFETY: (124) the caller's promise.
    unsafe { call(SYS_MPROTECT, [start, len, protection, 0, 0, 0]) }.map(|_| ())
}

/// Whether the 8 bytes at `address` can be read: a pointer to them is looked at before the first argument, which is wrong.
pub(crate) fn is_readable(address: usize) -> bool {
    const EINVAL: i32 = 22;
    const NOTHING: usize = 99;
    // SAFETY: (156) changes nothing: there is no such way to change the signals that are blocked.
    let result = unsafe { call(SYS_RT_SIGPROCMASK, [NOTHING, address, 0, SIGSET_LEN, 0, 0]) };
    result == Err(EINVAL)
}

/// The vector of getauxval(3); kernels before 6.4 do not tell it so.
pub(crate) fn auxiliary_vector(buffer: &mut [u8]) -> Result<(), i32> {
    const PR_GET_AUXV: usize = 0x4155_5856;
    // SAFETY: (157) the kernel writes at most that many bytes.
    unsafe { call(SYS_PRCTL, [PR_GET_AUXV, buffer.as_mut_ptr().expose_provenance(), buffer.len(), 0, 0, 0]) }
        .map(|_| ())
}

/// What a signal does; then, what it is to do.
pub(crate) fn signal_action(signal: usize, new: Option<&Sigaction>) -> Result<Sigaction, i32> {
    let mut old = Sigaction { handler: 0, flags: 0, restorer: 0, mask: 0 };
    let new = new.map_or(0, |new| core::ptr::from_ref(new).expose_provenance());
    // SAFETY: (125) both have the kernel's layout; the new handler is the caller's business.
    unsafe { call(SYS_RT_SIGACTION, [signal, new, (&raw mut old).expose_provenance(), SIGSET_LEN, 0, 0]) }?;
    Ok(old)
}

/// Sends this thread a signal.
pub(crate) fn raise(signal: usize) {
    // SAFETY: (126) no memory is involved.
    let _ = unsafe { call(SYS_TGKILL, [process_id() as usize, thread_id(), signal, 0, 0, 0]) };
}

/// Never 0.
pub(crate) fn process_id() -> u32 {
    // SAFETY: (127) as (126).
    unsafe { call(SYS_GETPID, [0; 6]) }.map_or(u32::MAX, |id| id as u32)
}

pub(crate) fn thread_id() -> usize {
    // SAFETY: (128) as (126).
    unsafe { call(SYS_GETTID, [0; 6]) }.unwrap_or(0)
}

/// Sleeps, unless interrupted.
pub(crate) fn pause(nanoseconds: usize) {
    let time = [0, nanoseconds];
    // SAFETY: (129) a struct timespec.
    let _ = unsafe { call(SYS_NANOSLEEP, [time.as_ptr().expose_provenance(), 0, 0, 0, 0, 0]) };
}

/// Sleeps while `word` is `value`, until woken or for no reason. Other processes that share this memory count.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32) {
    const WAIT_PRIVATE: usize = 128;
    let args = [word.as_ptr().expose_provenance(), WAIT_PRIVATE, value as usize, 0, 0, 0];
    // SAFETY: (130) the word lives.
    let _ = unsafe { call(SYS_FUTEX, args) };
}

pub(crate) fn futex_wake(word: &AtomicU32, count: usize) {
    const WAKE_PRIVATE: usize = 129;
    // SAFETY: (131) as (130).
    let _ = unsafe { call(SYS_FUTEX, [word.as_ptr().expose_provenance(), WAKE_PRIVATE, count, 0, 0, 0]) };
}

const PRIVATE_EXPEDITED_SYNC_CORE: usize = 1 << 5;
const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: usize = 1 << 6;

/// Has every thread of this process execute a serializing instruction before it goes on.
pub(crate) fn membarrier() -> Result<(), i32> {
    // SAFETY: (132) as (126).
    unsafe { call(SYS_MEMBARRIER, [PRIVATE_EXPEDITED_SYNC_CORE, 0, 0, 0, 0, 0]) }.map(|_| ())
}

/// Must come before the first [`membarrier`].
pub(crate) fn register_membarrier() -> Result<(), i32> {
    // SAFETY: (133) as (126).
    unsafe { call(SYS_MEMBARRIER, [REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0, 0, 0, 0]) }.map(|_| ())
}
