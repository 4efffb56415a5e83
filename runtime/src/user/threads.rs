//! Which threads block SIGTRAP: an `int3` in one of them would end the process.

use super::sys::{self, File, SIGTRAP};
use crate::error::{Error, Step};

/// How often a thread is looked at again that blocks SIGTRAP: C libraries do for a moment, where threads start and end.
const ATTEMPTS: usize = 2000; // half a second: on a busy machine a thread may not run on for long

/// The directory of this process's threads.
pub(crate) fn directory() -> Result<File, Error> {
    File::directory(c"/proc/self/task").map_err(|errno| Error::refused(Step::Threads, errno, 0))
}

/// `/proc/self/mem`, from the directory of threads: half of what opening it costs is the way there.
pub(crate) fn memory(tasks: &File) -> Result<File, Error> {
    let mut path = [0; 32];
    for (to, from) in path.iter_mut().zip(b"../mem") {
        *to = *from;
    }
    tasks.open_in(&path, true).map_err(|errno| Error::refused(Step::OpenMemory, errno, 0))
}

/// Refuses if a thread other than this one blocks SIGTRAP.
pub(crate) fn none_blocks_traps(tasks: &File) -> Result<(), Error> {
    let mut attempts = 0usize;
    loop {
        match blocked_thread(tasks).map_err(|errno| Error::refused(Step::Threads, errno, 0))? {
            None => return Ok(()),
            Some(thread) if attempts == ATTEMPTS => {
                const EBUSY: i32 = 16;
                return Err(Error::refused(Step::TrapBlocked, EBUSY, thread));
            }
            Some(_) => {
                attempts = attempts.wrapping_add(1);
                sys::pause(200_000);
                tasks.rewind().map_err(|errno| Error::refused(Step::Threads, errno, 0))?;
            }
        }
    }
}

/// The id of a thread that blocks SIGTRAP.
fn blocked_thread(tasks: &File) -> Result<Option<usize>, i32> {
    /// At least what an entry takes.
    const ENTRY: usize = 64;
    let own = sys::thread_id();
    let mut buffer = [0u8; 2048];
    loop {
        let len = tasks.entries(&mut buffer)?;
        if len == 0 {
            return Ok(None);
        }
        let mut rest = buffer.get(..len).unwrap_or(&[]);
        // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
        while let Some(&[low, high]) = rest.get(16..18) {
            let (entry, after) =
                rest.split_at_checked(usize::from(u16::from_le_bytes([low, high]))).unwrap_or((rest, &[]));
            rest = after;
            let name = entry.get(19..).unwrap_or(&[]);
            if let Some(thread) = number(name).filter(|&thread| thread != own)
                && blocks_traps(tasks, name)?
            {
                return Ok(Some(thread));
            }
        }
        if len + ENTRY <= buffer.len() {
            return Ok(None); // one more would have had room
        }
    }
}

/// A decimal number that ends with NUL.
fn number(name: &[u8]) -> Option<usize> {
    let digits = name.split(|&byte| byte == 0).next().filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0usize, |value, &digit| {
        digit.is_ascii_digit().then(|| value.wrapping_mul(10).wrapping_add(usize::from(digit & 15)))
    })
}

fn blocks_traps(tasks: &File, thread: &[u8]) -> Result<bool, i32> {
    const ENOENT: i32 = 2;
    const ESRCH: i32 = 3;
    let mut path = [0u8; 32];
    let name = thread.iter().copied().take_while(|&byte| byte != 0);
    for (to, from) in path.iter_mut().zip(name.chain(*b"/stat\0")) {
        *to = from;
    }
    // `stat` costs the kernel half of what `status` does.
    let mut stat = [0u8; 1024];
    let read = tasks.open_in(&path, false).and_then(|file| file.read(&mut stat));
    match read {
        Ok(len) => Ok(signals(stat.get(..len).unwrap_or(&[])).is_some_and(|blocked| blocked >> (SIGTRAP - 1) & 1 != 0)),
        Err(ENOENT | ESRCH) => Ok(false), // it has ended
        Err(errno) => Err(errno),
    }
}

/// The signals below 32 that a `stat` file calls blocked: field 32 of proc_pid_stat(5). The name, field 2, ends with the last
/// parenthesis.
fn signals(stat: &[u8]) -> Option<usize> {
    let fields = stat.rsplit(|&byte| byte == b')').next()?;
    number(fields.split(|&byte| byte == b' ').nth(32 - 2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_found() {
        let stat =
            b"7 (a) b) S 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 65552 33\n";
        assert_eq!(signals(stat), Some(0x10010));
        assert_eq!(signals(b"7 (x) S 1\n"), None);
        assert_eq!((number(b"123\0\0"), number(b".\0"), number(b"\0")), (Some(123), None, None));
    }
}
