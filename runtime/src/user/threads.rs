//! Which threads block SIGTRAP: an `int3` in one of them would end the process.

use super::sys::{self, File, SIGTRAP};
use crate::error::{Error, Step};

/// How often a thread is looked at again that blocks SIGTRAP: C libraries do for a moment, where threads start and end.
const ATTEMPTS: usize = 2000; // half a second: on a busy machine a thread may not run on for long

/// Threads whose files are kept at most: with more, each is opened in each batch.
const KEPT: usize = 64;

/// A thread, and its `stat` file, which stays that of this thread when its id is given to another one.
struct Thread {
    id: u32,
    stat: File,
}

/// What a patcher knows of the threads of its process.
pub(crate) struct Threads {
    directory: File,
    /// All others there were when it looked last, if it keeps files, and they are no more than it keeps.
    kept: Option<[Option<Thread>; KEPT]>,
}

impl Threads {
    pub(crate) fn open() -> Result<Self, Error> {
        let directory = File::directory(c"/proc/self/task").map_err(|errno| Error::refused(Step::Threads, errno, 0))?;
        Ok(Self { directory, kept: None })
    }

    /// `/proc/self/mem`, from the directory of threads: half of what opening it costs is the way there.
    pub(crate) fn memory(&self) -> Result<File, Error> {
        let mut path = [0; 32];
        for (to, from) in path.iter_mut().zip(b"../mem") {
            *to = *from;
        }
        self.directory.open_in(&path, true).map_err(|errno| Error::refused(Step::OpenMemory, errno, 0))
    }

    /// Refuses if a thread other than this one blocks SIGTRAP. With `keep`, knows the threads next time.
    pub(crate) fn none_blocks_traps(&mut self, keep: bool) -> Result<(), Error> {
        let mut attempts = 0usize;
        loop {
            match self.blocked(keep).map_err(|errno| Error::refused(Step::Threads, errno, 0))? {
                None => return Ok(()),
                Some(thread) if attempts == ATTEMPTS => {
                    const EBUSY: i32 = 16;
                    return Err(Error::refused(Step::TrapBlocked, EBUSY, thread));
                }
                Some(_) => {
                    attempts = attempts.wrapping_add(1);
                    sys::pause(200_000);
                }
            }
        }
    }

    /// The id of a thread that blocks SIGTRAP.
    fn blocked(&mut self, keep: bool) -> Result<Option<usize>, i32> {
        let own = sys::thread_id() as u32;
        if let Some(answer) = self.ask_kept(own)? {
            return Ok(answer);
        }
        self.kept = None; // closes them
        let blocked = self.look(own, keep)?;
        if keep || blocked.is_some() {
            self.directory.rewind()?; // for the next look
        }
        Ok(blocked)
    }

    /// Asks the threads that are known. `None`: they are not all, or not any more.
    ///
    /// The links of the directory count the threads (the kernel's `proc_task_getattr`: two more). These were known before they
    /// were counted, and are there when they are asked after it: so if there are as many, there were no others.
    fn ask_kept(&self, own: u32) -> Result<Option<Option<usize>>, i32> {
        let Some(kept) = &self.kept else { return Ok(None) };
        let count = self.directory.links()?;
        let (mut known, mut blocked) = (1usize, None);
        for thread in kept.iter().flatten().filter(|thread| thread.id != own) {
            known = known.wrapping_add(1);
            match blocks_traps(&thread.stat) {
                Ok(true) => blocked = Some(thread.id as usize),
                Ok(false) => {}
                Err(ESRCH) => return Ok(None), // it has ended
                Err(errno) => return Err(errno),
            }
        }
        Ok((count == known.wrapping_add(2)).then_some(blocked))
    }

    /// Asks each thread that the directory names.
    fn look(&mut self, own: u32, keep: bool) -> Result<Option<usize>, i32> {
        /// At least what an entry takes.
        const ENTRY: usize = 64;
        let (mut kept, mut count, mut blocked) = ([const { None }; KEPT], 0usize, None);
        let mut buffer = [0u8; 2048];
        loop {
            let len = self.directory.entries(&mut buffer)?;
            let mut rest = buffer.get(..len).unwrap_or(&[]);
            // struct linux_dirent64: inode 8, offset 8, record length 2, type 1, name.
            while let Some(&[low, high]) = rest.get(16..18) {
                let (entry, after) =
                    rest.split_at_checked(usize::from(u16::from_le_bytes([low, high]))).unwrap_or((rest, &[]));
                rest = after;
                let name = entry.get(19..).unwrap_or(&[]);
                let Some(id) = number(name).map(|id| id as u32).filter(|&id| id != own) else { continue };
                let Some(thread) = self.thread(id, name)? else { continue };
                match blocks_traps(&thread.stat) {
                    Ok(true) => blocked = Some(id as usize),
                    Ok(false) => {}
                    Err(ESRCH) => continue, // it has ended
                    Err(errno) => return Err(errno),
                }
                if keep && let Some(place) = kept.get_mut(count) {
                    *place = Some(thread);
                }
                count = count.wrapping_add(1);
            }
            if len + ENTRY <= buffer.len() {
                break; // one more would have had room
            }
        }
        self.kept = (keep && count <= KEPT).then_some(kept);
        Ok(blocked)
    }

    /// Opens a thread's file; `None` if it has ended.
    fn thread(&self, id: u32, name: &[u8]) -> Result<Option<Thread>, i32> {
        const ENOENT: i32 = 2;
        let mut path = [0u8; 32];
        let name = name.iter().copied().take_while(|&byte| byte != 0);
        for (to, from) in path.iter_mut().zip(name.chain(*b"/stat\0")) {
            *to = from;
        }
        match self.directory.open_in(&path, false) {
            Ok(stat) => Ok(Some(Thread { id, stat })),
            Err(ENOENT | ESRCH) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

const ESRCH: i32 = 3;

/// A decimal number that ends with NUL.
fn number(name: &[u8]) -> Option<usize> {
    let digits = name.split(|&byte| byte == 0).next().filter(|digits| !digits.is_empty())?;
    digits.iter().try_fold(0usize, |value, &digit| {
        digit.is_ascii_digit().then(|| value.wrapping_mul(10).wrapping_add(usize::from(digit & 15)))
    })
}

/// Whether a `stat` file says so. (It costs the kernel half of what `status` does.)
fn blocks_traps(stat: &File) -> Result<bool, i32> {
    const EIO: i32 = 5;
    let mut text = [0u8; 1024];
    let len = stat.read(&mut text)?;
    let blocked = signals(text.get(..len).unwrap_or(&[])).ok_or(EIO)?; // what cannot be read is no yes
    Ok(blocked >> (SIGTRAP - 1) & 1 != 0)
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
