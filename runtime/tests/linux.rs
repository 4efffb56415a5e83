//! The user-space way on real code: a table written by hand, with a site of every kind, in one small program.
//!
//! No test harness: patching wants one thread. Each case runs in a forked child.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod child;
mod hand;
mod maps;

use hand::{COUNTER, OP_ANSWER, OP_ID, OP_LEAVE, OP_TICK, SET, slot};
use pvc_runtime::{Features, Options, Report, Status, Step, Way, table, user};
use std::sync::atomic::Ordering;

const FAST: Features = Features(1);
const SITES: usize = 9;

fn patch(features: Features) -> Result<Report, pvc_runtime::Error> {
    // SAFETY: each case is a process with one thread, and backends keep their contracts.
    unsafe { user::patch_as(&SET, features, Options::default()) }
}

fn unpatch() -> Result<Report, pvc_runtime::Error> {
    // SAFETY: as above.
    unsafe { user::unpatch(&SET) }
}

/// Values of all ways to `answer`, in the order call.mem, call.rel, jmp.stub, inline, call.mem across a page edge.
fn answers() -> [u64; 5] {
    [hand::via_call_mem(), hand::via_call_rel(), hand::via_stub(), hand::via_inline(), hand::via_page_edge()]
}

extern "C" fn poisoned() -> u64 {
    std::process::abort()
}

extern "C" fn backend() -> u64 {
    77
}

fn poison() {
    for op in [OP_ANSWER, OP_TICK, OP_ID, OP_LEAVE] {
        slot(op).store(poisoned as *mut (), Ordering::Relaxed);
    }
}

fn calls_before_patching() {
    assert_eq!(answers(), [1, 1, 1, 1, 1]);
    slot(OP_ANSWER).store(backend as *mut (), Ordering::Relaxed);
    assert_eq!(answers(), [77, 77, 77, 1, 77], "all but the inline site call the backend");
    assert_eq!(hand::via_jmp_mem(), 5);
    assert_eq!(hand::id(9), 9);
    hand::tick_nop();
    assert_eq!(COUNTER.load(Ordering::Relaxed), 0, "a nop site does nothing before patching");
    hand::tick_call();
    assert_eq!(COUNTER.load(Ordering::Relaxed), 1);
}

fn rows_by_feature() {
    let report = patch(Features::NONE).unwrap();
    assert_eq!((report.sites, report.rows, report.way, report.unchanged), (SITES, SITES, Way::Protect, 1));
    maps::assert_protection();
    poison();
    assert_eq!(answers(), [1, 1, 1, 1, 1]);
    slot(OP_ANSWER).store(hand::default_answer as *mut (), Ordering::Relaxed);
    slot(OP_TICK).store(hand::default_tick as *mut (), Ordering::Relaxed);
    slot(OP_ID).store(hand::default_id as *mut (), Ordering::Relaxed);
    slot(OP_LEAVE).store(hand::default_leave as *mut (), Ordering::Relaxed);
    let report = patch(FAST).unwrap();
    assert_eq!((report.rows, report.unchanged), (SITES, 4), "only the sites of `answer` change");
    poison();
    assert_eq!(answers(), [2, 2, 2, 2, 2]);
    hand::tick_nop();
    hand::tick_call();
    assert_eq!(COUNTER.load(Ordering::Relaxed), 2, "the row's fixup reaches the counter from both sites");
    assert_eq!(hand::id(9), 9);
    assert_eq!(hand::via_jmp_mem(), 9);
    maps::assert_protection();
}

fn apply_twice_and_back() {
    patch(FAST).unwrap();
    let again = patch(FAST).unwrap();
    assert_eq!((again.unchanged, again.bytes, again.way), (SITES, 0, Way::None));
    let back = unpatch().unwrap();
    assert_eq!((back.originals, back.way), (SITES, Way::Protect));
    slot(OP_ANSWER).store(backend as *mut (), Ordering::Relaxed);
    assert_eq!(answers(), [77, 77, 77, 1, 77], "the calls go through the slot again");
    assert_eq!(unpatch().unwrap().bytes, 0);
}

fn direct_calls() {
    slot(OP_ANSWER).store(backend as *mut (), Ordering::Relaxed);
    let report = patch(FAST).unwrap();
    assert_eq!((report.calls, report.rows), (5, 4));
    poison();
    assert_eq!(answers(), [77, 77, 77, 77, 77], "direct calls, the inline site too");
    // To another backend, known by what was applied last; then rows; then calls again, with stubs that still call.
    extern "C" fn other() -> u64 {
        88
    }
    let restore = || {
        slot(OP_TICK).store(hand::default_tick as *mut (), Ordering::Relaxed);
        slot(OP_ID).store(hand::default_id as *mut (), Ordering::Relaxed);
        slot(OP_LEAVE).store(hand::default_leave as *mut (), Ordering::Relaxed);
    };
    restore();
    slot(OP_ANSWER).store(other as *mut (), Ordering::Relaxed);
    patch(FAST).unwrap();
    poison();
    assert_eq!(answers(), [88; 5]);
    restore();
    slot(OP_ANSWER).store(hand::default_answer as *mut (), Ordering::Relaxed);
    patch(FAST).unwrap();
    assert_eq!(answers(), [2; 5]);
    slot(OP_ANSWER).store(backend as *mut (), Ordering::Relaxed);
    patch(FAST).unwrap();
    poison();
    assert_eq!(answers(), [77; 5]);
    unpatch().unwrap();
    slot(OP_ANSWER).store(other as *mut (), Ordering::Relaxed);
    assert_eq!(answers(), [88, 88, 88, 1, 88]);
}

fn no_op_and_identity_backends() {
    slot(OP_TICK).store(hand::nop as *mut (), Ordering::Relaxed);
    slot(OP_ID).store(hand::identity as *mut (), Ordering::Relaxed);
    slot(OP_ANSWER).store(hand::nop as *mut (), Ordering::Relaxed);
    let report = patch(FAST).unwrap();
    assert_eq!((report.nops, report.rows, report.calls), (2, 2, 5), "an op with a result is called even so");
    slot(OP_TICK).store(poisoned as *mut (), Ordering::Relaxed);
    slot(OP_ID).store(poisoned as *mut (), Ordering::Relaxed);
    hand::tick_nop();
    hand::tick_call();
    assert_eq!(COUNTER.load(Ordering::Relaxed), 0);
    assert_eq!(hand::id(1234), 1234);
}

fn a_foreign_byte_refuses_the_batch() {
    let before = hand::text();
    // An int3 in the last site of the table, as a debugger would set it.
    let site = hand::last_site();
    hand::poke(site, &[0xcc]);
    let planted = hand::text();
    assert_ne!(before, planted);
    let error = patch(FAST).unwrap_err();
    assert_eq!((error.status, error.address), (Status::Foreign, site));
    assert_eq!(error.found.as_slice()[0], 0xcc);
    assert_eq!(error.expected.as_slice()[0], 0xff);
    assert_eq!(hand::text(), planted, "nothing was written");
    hand::poke(site, &[0xff]);
    assert_eq!(answers(), [1; 5], "the program runs on");
    patch(FAST).unwrap();
}

fn a_foreign_stub_refuses_the_batch() {
    let stub = hand::stub();
    hand::poke(stub + 4, &[0x90]);
    assert_eq!(patch(FAST).unwrap_err().status, Status::Foreign);
}

fn a_broken_record_refuses_the_batch() {
    let error = patch_set(&hand::with_bad_op()).unwrap_err();
    assert_eq!(error.status, Status::BadRecord);
    assert_eq!(answers(), [1; 5]);
}

fn patch_set(set: &pvc_runtime::Set) -> Result<Report, pvc_runtime::Error> {
    // SAFETY: one thread.
    unsafe { user::patch(set, Features::NONE) }
}

fn format_and_empty_list() {
    assert_eq!(patch_set(&hand::with_format(table::FORMAT + 1)).unwrap_err().status, Status::Format);
    assert_eq!(patch_set(&hand::with_mode(32)).unwrap_err().status, Status::Format);
    let empty = hand::without_sites();
    assert_eq!(patch_set(&empty).unwrap_err().status, Status::NoSites);
    // SAFETY: one thread.
    let report = unsafe { user::patch_as(&empty, Features::NONE, Options { allow_empty: true }) }.unwrap();
    assert_eq!(report, Report::default());
}

fn a_nocall_op_refuses_a_backend() {
    slot(OP_LEAVE).store(backend as *mut (), Ordering::Relaxed);
    let before = hand::text();
    let error = patch_set(&hand::with_nocall(OP_LEAVE)).unwrap_err();
    assert_eq!((error.status, error.op), (Status::NoCall, OP_LEAVE as u16));
    assert_eq!(hand::text(), before);
}

fn out_of_reach() {
    // A backend further than 2 GiB away.
    let far = (hand::via_call_mem as *const () as usize) ^ (1 << 40);
    slot(OP_ANSWER).store(far as *mut (), Ordering::Relaxed);
    let before = hand::text();
    let error = patch(FAST).unwrap_err();
    assert_eq!((error.status, error.op), (Status::OutOfRange, OP_ANSWER as u16));
    assert_eq!(hand::text(), before);
}

/// Memory-deny-write-execute: text that was writable can never be executable again.
fn mdwe_falls_back() {
    const PR_SET_MDWE: libc::c_int = 65;
    // SAFETY: concerns this process only.
    let set = unsafe { libc::prctl(PR_SET_MDWE, 1usize, 0usize, 0usize, 0usize) };
    assert_eq!(set, 0, "this test needs Linux 6.3: {}", std::io::Error::last_os_error());
    let report = patch(FAST).unwrap();
    assert_eq!((report.way, report.rows), (Way::ProcMem, SITES));
    poison();
    assert_eq!(answers(), [2; 5]);
    maps::assert_protection();
    unpatch().unwrap();
    slot(OP_ANSWER).store(backend as *mut (), Ordering::Relaxed);
    assert_eq!(answers(), [77, 77, 77, 1, 77]);
}

/// Both ways closed: a refusal with step and errno, and the program runs on.
fn refusal_names_the_step() {
    const PR_SET_MDWE: libc::c_int = 65;
    let before = hand::text();
    // SAFETY: concerns this process only. No descriptor can be opened any more.
    unsafe {
        assert_eq!(libc::prctl(PR_SET_MDWE, 1usize, 0usize, 0usize, 0usize), 0);
        let limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
    }
    let error = patch(FAST).unwrap_err();
    assert_eq!((error.status, error.step, error.errno), (Status::Refused, Step::OpenMemory, libc::EMFILE));
    assert_eq!(hand::text(), before);
    assert_eq!(answers(), [1; 5]);
}

/// A filter on the system calls of this process: calls `number` whose third argument has all bits of `protection` get
/// `errno`, or end the process if that is 0.
fn filter(number: libc::c_long, protection: i32, errno: i32) {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let verdict = match errno {
        0 => libc::SECCOMP_RET_KILL_PROCESS,
        errno => libc::SECCOMP_RET_ERRNO | errno as u32,
    };
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let jump = |k, otherwise| libc::sock_filter { code: EQUAL, jt: 0, jf: otherwise, k };
    // struct seccomp_data: the number at 0, the low half of the third argument at 32.
    let mut program = [
        statement(LOAD, 0),
        jump(number as u32, 4),
        statement(LOAD, 32),
        statement(AND, protection as u32),
        jump(protection as u32, 1),
        statement(RETURN, verdict),
        statement(RETURN, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: concerns this process only; the program lives until the call returns.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        let set = libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program);
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

fn patches_by(way: Way) {
    let report = patch(FAST).unwrap();
    assert_eq!((report.way, report.rows), (way, SITES));
    maps::assert_protection();
    poison();
    assert_eq!(answers(), [2; 5]);
    assert_eq!(unpatch().unwrap().way, way);
    maps::assert_protection();
}

/// Not for a moment: a page that were both would end the process.
fn never_writable_and_executable() {
    filter(libc::SYS_mprotect, libc::PROT_WRITE | libc::PROT_EXEC, 0);
    filter(libc::SYS_mmap, libc::PROT_WRITE | libc::PROT_EXEC, 0);
    patches_by(Way::Protect);
}

fn text_that_may_not_become_writable() {
    filter(libc::SYS_mprotect, libc::PROT_WRITE, libc::EPERM);
    patches_by(Way::ProcMem);
}

fn text_that_may_not_become_executable() {
    filter(libc::SYS_mprotect, libc::PROT_EXEC, libc::EACCES);
    patches_by(Way::ProcMem);
}

/// Pages were opened already when the second step fails: they are closed again.
fn memory_that_cannot_be_populated() {
    const MADV_POPULATE_WRITE: i32 = 23;
    filter(libc::SYS_madvise, MADV_POPULATE_WRITE, libc::ENOMEM);
    patches_by(Way::ProcMem);
}

/// Kernels before 5.14 do not know how to populate; the stores then do.
fn an_old_kernel() {
    const MADV_POPULATE_WRITE: i32 = 23;
    filter(libc::SYS_madvise, MADV_POPULATE_WRITE, libc::EINVAL);
    patches_by(Way::Protect);
}

/// Without /proc there is still the first way.
fn no_files() {
    // The third argument of open is the mode, which the patcher leaves 0.
    filter(libc::SYS_open, 0, libc::EACCES);
    let report = patch(FAST).unwrap();
    assert_eq!((report.way, report.rows), (Way::Protect, SITES));
}

fn sealed_text() {
    const SYS_MSEAL: libc::c_long = 462;
    let start = hand::via_call_mem as *const () as usize & !4095;
    // SAFETY: concerns this process only.
    let sealed = unsafe { libc::syscall(SYS_MSEAL, start, 4096usize, 0) };
    assert_eq!(sealed, 0, "this test needs Linux 6.10: {}", std::io::Error::last_os_error());
    patches_by(Way::ProcMem);
}

/// Neither way works, the second one only when it comes to the text itself.
fn a_failing_write_changes_nothing() {
    let before = hand::text();
    filter(libc::SYS_mprotect, libc::PROT_EXEC, libc::EACCES);
    // The probe writes one byte, then comes the one stretch of text: two pages.
    filter(libc::SYS_pwrite64, 0x2000, libc::EIO);
    let error = patch(FAST).unwrap_err();
    assert_eq!((error.status, error.step, error.errno), (Status::Refused, Step::WriteMemory, libc::EIO));
    assert_eq!(hand::text(), before);
    maps::assert_protection();
    assert_eq!(answers(), [1; 5]);
}

/// Signals are held back while text is not executable, and come afterwards.
fn signals_wait() {
    static SEEN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    extern "C" fn handler(_: libc::c_int) {
        SEEN.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler only counts; the timer fires every 20 us all the time.
    unsafe {
        libc::signal(libc::SIGALRM, handler as *const () as libc::sighandler_t);
        let every = libc::timeval { tv_sec: 0, tv_usec: 20 };
        let timer = libc::itimerval { it_interval: every, it_value: every };
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()), 0);
    }
    for _ in 0..2000 {
        patch(FAST).unwrap();
        unpatch().unwrap();
    }
    assert!(SEEN.load(Ordering::Relaxed) > 10);
}

/// The core with a port of the caller's: what it admits is written, and one refusal leaves everything as it was.
fn a_port_writes_or_refuses() {
    struct Port {
        refuse: usize,
        admitted: usize,
        written: usize,
        finished: bool,
    }
    impl pvc_runtime::Text for Port {
        fn admit(&mut self, address: usize, _len: usize) -> Result<(), i32> {
            assert_eq!(self.written, 0, "all sites are admitted before the first write");
            self.admitted += 1;
            if address == self.refuse { Err(30) } else { Ok(()) }
        }
        fn write(&mut self, address: usize, bytes: &[u8]) {
            assert!(!self.finished);
            self.written += bytes.len();
            hand::poke(address, bytes);
        }
        fn finish(&mut self) {
            self.finished = true;
        }
    }
    let mut port = Port { refuse: hand::last_site(), admitted: 0, written: 0, finished: false };
    let before = hand::text();
    // SAFETY: one thread; so below.
    let error = unsafe { pvc_runtime::apply(&SET, FAST, Options::default(), &mut port) }.unwrap_err();
    assert_eq!((error.status, error.step, error.errno), (Status::Refused, Step::Admit, 30));
    assert_eq!((error.address, port.written, port.finished), (hand::last_site(), 0, false));
    assert_eq!(hand::text(), before);

    let mut port = Port { refuse: 0, admitted: 0, written: 0, finished: false };
    // SAFETY: as above.
    let report = unsafe { pvc_runtime::apply(&SET, FAST, Options::default(), &mut port) }.unwrap();
    assert_eq!((report.rows, report.bytes, report.way), (SITES, port.written, Way::Port));
    assert_eq!(port.admitted, SITES + 1, "and the stub");
    assert!(port.finished);
    poison();
    assert_eq!(answers(), [2; 5]);
    // SAFETY: as above.
    unsafe {
        pvc_runtime::restore(
            &SET,
            Options::default(),
            &mut Port { refuse: 0, written: 0, admitted: 0, finished: false },
        )
    }
    .unwrap();
    assert_eq!(hand::text(), before);
}

/// All but what forbids this process what valgrind needs.
fn under_valgrind() {
    child::under_valgrind(&[
        "calls_before_patching",
        "rows_by_feature",
        "apply_twice_and_back",
        "direct_calls",
        "no_op_and_identity_backends",
        "a_foreign_byte_refuses_the_batch",
        "a_foreign_stub_refuses_the_batch",
        "a_port_writes_or_refuses",
    ]);
}

const CASES: &[(&str, fn())] = &[
    ("under_valgrind", under_valgrind),
    ("calls_before_patching", calls_before_patching),
    ("rows_by_feature", rows_by_feature),
    ("apply_twice_and_back", apply_twice_and_back),
    ("direct_calls", direct_calls),
    ("no_op_and_identity_backends", no_op_and_identity_backends),
    ("a_foreign_byte_refuses_the_batch", a_foreign_byte_refuses_the_batch),
    ("a_foreign_stub_refuses_the_batch", a_foreign_stub_refuses_the_batch),
    ("a_broken_record_refuses_the_batch", a_broken_record_refuses_the_batch),
    ("format_and_empty_list", format_and_empty_list),
    ("a_nocall_op_refuses_a_backend", a_nocall_op_refuses_a_backend),
    ("out_of_reach", out_of_reach),
    ("mdwe_falls_back", mdwe_falls_back),
    ("refusal_names_the_step", refusal_names_the_step),
    ("never_writable_and_executable", never_writable_and_executable),
    ("text_that_may_not_become_writable", text_that_may_not_become_writable),
    ("text_that_may_not_become_executable", text_that_may_not_become_executable),
    ("memory_that_cannot_be_populated", memory_that_cannot_be_populated),
    ("an_old_kernel", an_old_kernel),
    ("no_files", no_files),
    ("sealed_text", sealed_text),
    ("a_failing_write_changes_nothing", a_failing_write_changes_nothing),
    ("signals_wait", signals_wait),
    ("a_port_writes_or_refuses", a_port_writes_or_refuses),
];

fn main() {
    child::run_all(CASES);
}
