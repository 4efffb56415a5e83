//! The system calls that the patcher needs, without a C library. Results are `Ok(value)` or `Err(errno)`.

use core::arch::asm;
use core::ffi::CStr;

pub(crate) const PAGE: usize = 4096;
pub(crate) const PROT_READ: usize = 1;
pub(crate) const PROT_WRITE: usize = 2;
pub(crate) const PROT_EXEC: usize = 4;

const READ_ONLY: usize = 0;
const READ_WRITE: usize = 2;
const O_CLOEXEC: usize = 0o2_000_000;
const MAP_PRIVATE: usize = 0x02;
const MAP_ANONYMOUS: usize = 0x20;
const SIG_SETMASK: usize = 2;
/// The kernel's `sigset_t` is 64 bits; not the C library's.
const SIGSET_LEN: usize = 8;

// Numbers from the kernel's arch/x86/entry/syscalls/syscall_64.tbl: part of its ABI.
const SYS_OPEN: usize = 2;
const SYS_CLOSE: usize = 3;
const SYS_MMAP: usize = 9;
pub(crate) const SYS_MPROTECT: usize = 10;
const SYS_MUNMAP: usize = 11;
const SYS_RT_SIGPROCMASK: usize = 14;
const SYS_PWRITE64: usize = 18;
pub(crate) const SYS_MADVISE: usize = 28;

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
pub(crate) struct File(usize);

impl File {
    pub(crate) fn open(path: &CStr, writable: bool) -> Result<Self, i32> {
        let flags = O_CLOEXEC | if writable { READ_WRITE } else { READ_ONLY };
        // SAFETY: (32) `path` is NUL-terminated.
        unsafe { call(SYS_OPEN, [path.as_ptr().expose_provenance(), flags, 0, 0, 0, 0]) }.map(File)
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
            let args = [self.0, bytes.as_ptr().expose_provenance(), bytes.len(), offset, 0, 0];
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
        let _ = unsafe { call(SYS_CLOSE, [self.0, 0, 0, 0, 0, 0]) };
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
            Some(file) => (MAP_PRIVATE, file.0),
            None => (MAP_PRIVATE | MAP_ANONYMOUS, usize::MAX),
        };
        // SAFETY: (35) a new mapping where the kernel likes touches nothing that exists.
        let start = unsafe { call(SYS_MMAP, [0, len, protection, flags, fd, 0]) }?;
        Ok(Self { start: core::ptr::with_exposed_provenance_mut(start), len })
    }

    pub(crate) fn start(&self) -> *mut u8 {
        self.start
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
    pub(crate) fn new() -> Self {
        let all = u64::MAX;
        let mut before = 0u64;
        let args = [
            SIG_SETMASK,
            (&raw const all).expose_provenance(),
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
