//! Machine code on this CPU, on states of our choice, in a child process. All the unsafe code of the crate is here.
//!
//! The child inherits one mapping from its parent: a page of code, the memory that the code may touch, with a page
//! that faults on either side, and the samples. It runs one sample after the other and writes down what came of each.
//! A signal ends the sample and not the child.

use super::machine::{Outcome, Place, STATE_LEN, Sample, State, WORK_LEN};
use std::arch::x86_64::{__cpuid, _xgetbv};
use std::ptr;

/// The most samples of one child.
const BATCH: usize = 256;
const PAGE: usize = 4096;
/// The code, a page that faults, the working memory, a page that faults.
const FIXED: usize = PAGE + PAGE + WORK_LEN + PAGE;
/// How much CPU time the samples of a child may take: what hangs is interrupted then. They need a thousandth of it.
const PATIENCE_MICROSECONDS: i64 = 500_000;

/// The room in which code runs.
pub(crate) struct Native {
    base: *mut u8,
    len: usize,
    /// The parts of the extended state that are loaded and stored: bits of XCR0.
    mask: u64,
}

/// One sample as parent and child share it.
#[repr(C)]
struct Slot {
    input: Sample,
    output: Sample,
    /// 0: not run; 1: ran to its end; else a signal's number plus 2.
    how: u64,
}

impl Native {
    /// Makes the room, or says why code cannot be run here.
    pub(crate) fn new() -> Result<Self, String> {
        // Bits 26 and 27 of ECX: XSAVE, and enabled by the OS (SDM vol. 1, 13.2).
        if __cpuid(1).ecx >> 26 & 3 != 3 {
            return Err("this CPU has no XSAVE".to_owned());
        }
        // SAFETY: (1) XGETBV exists where the OS enabled XSAVE, which was just seen.
        let enabled = unsafe { _xgetbv(0) };
        let len = FIXED + BATCH * size_of::<Slot>();
        // SAFETY: (2) a fresh mapping overlaps nothing that Rust knows of. Low addresses, so that every form of address
        // can name it.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_32BIT,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(format!("cannot map memory: {}", std::io::Error::last_os_error()));
        }
        let native = Self { base: base.cast(), len, mask: enabled & super::machine::COMPONENTS };
        for guard in [PAGE, FIXED - PAGE] {
            // SAFETY: (3) the page lies in the mapping, and nobody has a reference into it.
            let done = unsafe { libc::mprotect(native.base.add(guard).cast(), PAGE, libc::PROT_NONE) };
            if done != 0 {
                return Err(format!("cannot protect memory: {}", std::io::Error::last_os_error()));
            }
        }
        Ok(native)
    }

    /// Where things are.
    pub(crate) fn place(&self) -> Place {
        let code = self.base as u64;
        Place { code, work: code + 2 * PAGE as u64 }
    }

    /// The parts of the extended state that samples have, as bits of XCR0.
    pub(crate) fn mask(&self) -> u64 {
        self.mask
    }

    /// Runs `code` from each of the samples. It is at [`Place::code`] then, and has to end by running past its end.
    ///
    /// # Errors
    ///
    /// What the system refused.
    pub(crate) fn run(&mut self, code: &[u8], samples: &[Sample]) -> Result<Vec<Outcome>, String> {
        // Behind the code: `jmp *0(%rip)` and the address of where samples end.
        let mut text = code.to_vec();
        text.extend([0xff, 0x25, 0, 0, 0, 0]);
        text.extend((leave as *const () as u64).to_le_bytes());
        if text.len() > PAGE {
            return Err(format!("the code is longer than {PAGE} bytes"));
        }
        // SAFETY: (4) the first page of the mapping is writable memory of ours, and the text fits.
        unsafe { ptr::copy_nonoverlapping(text.as_ptr(), self.base, text.len()) };
        let mut outcomes = Vec::with_capacity(samples.len());
        for batch in samples.chunks(BATCH) {
            for (index, sample) in batch.iter().enumerate() {
                // SAFETY: (5) `slot` gives a slot of the mapping, and no child is running.
                unsafe {
                    let slot = self.slot(index);
                    ptr::copy_nonoverlapping(sample, &raw mut (*slot).input, 1);
                    (*slot).how = 0;
                }
            }
            let mut done = 0;
            while done < batch.len() {
                self.child(done, batch.len())?;
                let first = done;
                for index in first..batch.len() {
                    // SAFETY: (6) as (5); the child has ended.
                    let (how, output) = unsafe { ((*self.slot(index)).how, &(*self.slot(index)).output) };
                    match how {
                        0 => break,
                        1 => outcomes.push(Outcome::Ended(Box::new(output.clone()))),
                        signal => outcomes.push(Outcome::Signal(signal as i32 - 2)),
                    }
                    done += 1;
                }
                if matches!(outcomes.last(), Some(Outcome::Signal(libc::SIGPROF))) {
                    outcomes.resize(samples.len(), Outcome::Signal(libc::SIGPROF));
                    return Ok(outcomes);
                }
                if done == first {
                    // The child died of this sample, against all precautions.
                    outcomes.push(Outcome::Signal(libc::SIGKILL));
                    done += 1;
                }
            }
        }
        Ok(outcomes)
    }

    fn slot(&self, index: usize) -> *mut Slot {
        assert!(index < BATCH);
        // SAFETY: (7) the mapping has room for that many slots behind its fixed part, which is a multiple of their
        // alignment.
        unsafe { self.base.add(FIXED).cast::<Slot>().add(index) }
    }

    /// Runs the samples `from..to` in a child and waits for its end.
    fn child(&self, from: usize, to: usize) -> Result<(), String> {
        // SAFETY: (8) the child only touches the mapping and its own stack, calls nothing that locks or allocates, and
        // leaves by `_exit`: sound whatever other threads the parent has.
        let child = unsafe { libc::fork() };
        match child {
            -1 => Err(format!("cannot fork: {}", std::io::Error::last_os_error())),
            0 => {
                self.run_samples(from, to);
                // SAFETY: (9) ends the child at once.
                unsafe { libc::_exit(0) }
            }
            _ => {
                let mut status = 0;
                // SAFETY: (10) waits for our own child.
                while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
                    let error = std::io::Error::last_os_error();
                    if error.kind() != std::io::ErrorKind::Interrupted {
                        return Err(format!("cannot wait for the child: {error}"));
                    }
                }
                Ok(())
            }
        }
    }

    /// What the child does.
    fn run_samples(&self, from: usize, to: usize) {
        // SAFETY: (11) the child's own mapping, signals and timer; it has one thread. The code page is only read and
        // executed from here on. `enter` keeps the C ABI whatever the code does, except to memory that the code has
        // the address of: the working memory, with pages around it that fault, and what random addresses hit, which
        // is a copy that ends with the child.
        unsafe {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if libc::mprotect(self.base.cast(), PAGE, libc::PROT_READ | libc::PROT_EXEC) != 0 || !catch_signals() {
                return;
            }
            let work = self.base.add(2 * PAGE);
            patience();
            for index in from..to {
                let slot = self.slot(index);
                ptr::copy_nonoverlapping((&raw const (*slot).input.work).cast(), work, WORK_LEN);
                let signal = enter(&raw const (*slot).input.state, &raw mut (*slot).output.state, self.base, self.mask);
                ptr::copy_nonoverlapping(work, (&raw mut (*slot).output.work).cast(), WORK_LEN);
                (*slot).how = if signal == 0 { 1 } else { signal + 2 };
                if signal == libc::SIGPROF as u64 {
                    // The next would hang as well.
                    return;
                }
            }
        }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: (12) our own mapping, which nobody uses any more.
        unsafe { libc::munmap(self.base.cast(), self.len) };
    }
}

/// Sends what faults to `fault`, on a stack of its own: that of the code may be anywhere.
///
/// # Safety
///
/// Only in the child, which does nothing after it but run samples.
unsafe fn catch_signals() -> bool {
    const STACK: usize = 1 << 16;
    // SAFETY: (13) plain system calls with valid arguments; `fault` is a handler that never returns.
    unsafe {
        let stack = libc::mmap(
            ptr::null_mut(),
            STACK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        let alternate = libc::stack_t { ss_sp: stack, ss_flags: 0, ss_size: STACK };
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = fault as *const () as usize;
        action.sa_flags = libc::SA_ONSTACK | libc::SA_NODEFER;
        let signals = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGTRAP, libc::SIGPROF];
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        stack != libc::MAP_FAILED
            && libc::sigaltstack(&raw const alternate, ptr::null_mut()) == 0
            && libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) == 0
            && signals.iter().all(|&signal| libc::sigaction(signal, &raw const action, ptr::null_mut()) == 0)
    }
}

/// Starts the timer that interrupts a sample which does not end.
///
/// # Safety
///
/// Only in the child, with SIGPROF caught.
unsafe fn patience() {
    let once = libc::timeval { tv_sec: 0, tv_usec: PATIENCE_MICROSECONDS };
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: never, it_value: once };
    // SAFETY: (14) a plain system call.
    unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, ptr::null_mut()) };
}

// SAFETY: (15) defined right below with these signatures.
unsafe extern "sysv64" {
    #[link_name = "pvc_run_enter"]
    fn enter(input: *const State, output: *mut State, code: *const u8, mask: u64) -> u64;
    #[link_name = "pvc_run_leave"]
    fn leave();
    #[link_name = "pvc_run_fault"]
    fn fault();
}

// `enter` loads the state and jumps to the code, which ends in `leave`; a signal ends in `fault`. Both find the stack
// of the caller of `enter` in a variable, since every register is the code's. Offsets are those of `State`.
std::arch::global_asm!(
    ".pushsection .text",
    "pvc_run_enter:",
    "    push %rbx",
    "    push %rbp",
    "    push %r12",
    "    push %r13",
    "    push %r14",
    "    push %r15",
    "    mov %rsi, 8+{room}(%rip)",
    "    mov %rdx, 16+{room}(%rip)",
    "    mov %rcx, 24+{room}(%rip)",
    "    mov %rsp, {room}(%rip)",
    "    mov %ecx, %eax",
    "    xor %edx, %edx",
    "    xrstor64 {extended}(%rdi)",
    "    pushq {flags}(%rdi)",
    "    popfq",
    "    mov 0(%rdi), %rax",
    "    mov 8(%rdi), %rcx",
    "    mov 16(%rdi), %rdx",
    "    mov 24(%rdi), %rbx",
    "    mov 32(%rdi), %rsp",
    "    mov 40(%rdi), %rbp",
    "    mov 48(%rdi), %rsi",
    "    mov 64(%rdi), %r8",
    "    mov 72(%rdi), %r9",
    "    mov 80(%rdi), %r10",
    "    mov 88(%rdi), %r11",
    "    mov 96(%rdi), %r12",
    "    mov 104(%rdi), %r13",
    "    mov 112(%rdi), %r14",
    "    mov 120(%rdi), %r15",
    "    mov 56(%rdi), %rdi",
    "    jmp *16+{room}(%rip)",
    "pvc_run_leave:",
    "    mov %rax, 32+{room}(%rip)",
    "    mov 8+{room}(%rip), %rax",
    "    mov %rcx, 8(%rax)",
    "    mov %rdx, 16(%rax)",
    "    mov %rbx, 24(%rax)",
    "    mov %rsp, 32(%rax)",
    "    mov %rbp, 40(%rax)",
    "    mov %rsi, 48(%rax)",
    "    mov %rdi, 56(%rax)",
    "    mov %r8, 64(%rax)",
    "    mov %r9, 72(%rax)",
    "    mov %r10, 80(%rax)",
    "    mov %r11, 88(%rax)",
    "    mov %r12, 96(%rax)",
    "    mov %r13, 104(%rax)",
    "    mov %r14, 112(%rax)",
    "    mov %r15, 120(%rax)",
    "    mov {room}(%rip), %rsp",
    "    pushfq",
    "    popq {flags}(%rax)",
    "    mov 32+{room}(%rip), %rcx",
    "    mov %rcx, 0(%rax)",
    "    mov %rax, %rdi",
    "    mov 24+{room}(%rip), %eax",
    "    xor %edx, %edx",
    "    xsave64 {extended}(%rdi)",
    "    xor %eax, %eax",
    "    jmp 1f",
    "pvc_run_fault:",
    "    mov %edi, %eax",
    "    mov {room}(%rip), %rsp",
    "1:",
    // Direction and alignment flags, x87 and SSE control as Rust expects them.
    "    pushq $2",
    "    popfq",
    "    fninit",
    "    pushq $0x1f80",
    "    ldmxcsr (%rsp)",
    "    pop %rdx",
    "    pop %r15",
    "    pop %r14",
    "    pop %r13",
    "    pop %r12",
    "    pop %rbp",
    "    pop %rbx",
    "    ret",
    ".popsection",
    room = sym ROOM,
    flags = const std::mem::offset_of!(State, flags),
    extended = const std::mem::offset_of!(State, extended),
    options(att_syntax),
);

/// What `enter` has to find again: its stack pointer, the output, the code, the mask, and RAX for a moment. Only the
/// child writes it, and each child has its own.
static mut ROOM: [u64; 5] = [0; 5];

const _: () = assert!(size_of::<State>() == STATE_LEN && FIXED.is_multiple_of(align_of::<Slot>()));
