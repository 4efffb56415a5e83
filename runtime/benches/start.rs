//! What patching 100,000 sites at start costs, beside a plain loop of as many 8-byte stores into memory that is writable
//! already. Both run in turns over the same kind of text: pages of a file, mapped privately, as a program's are.
//!
//! `cargo bench -p pvc-runtime` prints nanoseconds of CPU time a site (the best and the median of 21 rounds) and the ratio of the
//! medians. The pages of a program's text are shared with its file until they are written to; what making them private costs
//! (`MADV_POPULATE_WRITE` alone) is printed too, because it is most of the work when sites are sparse.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    linux::main();
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    println!("the user-space way is for x86_64 Linux");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use pvc_runtime::table::*;
    use pvc_runtime::{Features, Options, Set, user};
    use std::ffi::c_void;
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    const SITES: usize = 100_000;
    const ROUNDS: usize = 21;

    /// Memory of one round: records and slot in front, text behind, near enough for 32-bit displacements.
    struct Arena {
        start: *mut u8,
        len: usize,
        text: *mut u8,
    }

    const TEXT_AT: usize = 1 << 20;

    impl Arena {
        /// Maps the text of `file` with this protection behind room for the records.
        fn new(file: &File, text_len: usize, protection: i32) -> Self {
            let len = TEXT_AT + text_len;
            // SAFETY: a new mapping, and one of the file over its end.
            unsafe {
                let start = libc::mmap(
                    std::ptr::null_mut(),
                    len,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                    -1,
                    0,
                );
                assert_ne!(start, libc::MAP_FAILED);
                let start = start.cast::<u8>();
                let text = start.add(TEXT_AT);
                let mapped = libc::mmap(
                    text.cast(),
                    text_len,
                    protection,
                    libc::MAP_PRIVATE | libc::MAP_FIXED,
                    file.as_raw_fd(),
                    0,
                );
                assert_eq!(mapped, text.cast());
                Self { start, len, text }
            }
        }
    }

    impl Drop for Arena {
        fn drop(&mut self) {
            // SAFETY: mapped above.
            unsafe { libc::munmap(self.start.cast(), self.len) };
        }
    }

    extern "C" fn default_fn() {}

    /// One op, one row (`cli; nop`-like bytes), one class: `call *slot(%rip)`.
    struct Fixture {
        op: [Op; 1],
        row: [Row; 1],
        kinds: [Kind; 2],
        bytes: [u8; 3],
        plans: [Plan; 1],
        applied: [*const c_void; 1],
    }

    impl Fixture {
        fn new() -> Box<Self> {
            Box::new(Self {
                op: [Op {
                    name: c"bench".as_ptr(),
                    default_fn: default_fn as *const c_void,
                    trampoline: std::ptr::null(),
                    row: 0,
                    nrows: 1,
                    inline_row: NONE,
                    plan: 0,
                    nplans: 1,
                    flags: 0,
                }],
                row: [Row { bytes: 0, len: 3, flags: 0, term: 0, nterms: 0, fixup: 0, nfixups: 0 }],
                kinds: [Kind {
                    opcode: [0xff, 0x15, 0, 0],
                    opcode_len: 2,
                    len: 6,
                    operand: OPERAND_SLOT_REL,
                    direct: 0xe8,
                }; 2],
                bytes: [0x48, 0x89, 0xf8],
                plans: [Plan::new(1, 6)],
                applied: [std::ptr::null()],
            })
        }

        /// The set over an arena whose records and slot were written.
        fn set(&mut self, arena: &Arena) -> Set {
            let sites = arena.start.wrapping_add(4096).cast::<Site>().cast_const();
            let table = Table {
                format: FORMAT,
                mode: 64,
                stub_len: 0,
                stub_call: 0,
                nkinds: 2,
                nops: 1,
                nrows: 1,
                nterms: 0,
                nfixups: 0,
                nfeatures: 0,
                nplans: 1,
                identity_row: NONE,
                nbranches: 0,
                name: c"bench".as_ptr(),
                ops: self.op.as_ptr(),
                rows: self.row.as_ptr(),
                terms: std::ptr::null(),
                fixups: std::ptr::null(),
                features: std::ptr::null(),
                kinds: self.kinds.as_ptr(),
                bytes: self.bytes.as_ptr(),
                stub: std::ptr::null(),
                slots: arena.start.cast::<*const c_void>().cast_const(),
                identity_fn: std::ptr::null(),
                nop_fn: std::ptr::null(),
                sites,
                sites_end: sites.wrapping_add(SITES),
                plans: self.plans.as_mut_ptr(),
                applied: self.applied.as_mut_ptr(),
                branches: std::ptr::null(),
                branch_sites: std::ptr::null(),
                branch_sites_end: std::ptr::null(),
                branch_states: std::ptr::null(),
            };
            // SAFETY: a table as FORMAT.md says, which lives as long as the round.
            unsafe { Set::new(table) }
        }
    }

    /// Writes the slot and the records, as the linker would have.
    fn fill(arena: &Arena, step: usize) {
        // SAFETY: inside the arena's first, writable part.
        unsafe {
            arena.start.cast::<*const c_void>().write(default_fn as *const c_void);
            let records = arena.start.add(4096).cast::<Site>();
            for index in 0..SITES {
                let record = records.add(index);
                let site = arena.text.add(index * step);
                let disp = (site.addr() as isize - record.addr() as isize) as i32;
                record.write(Site { disp, op: 0, len: 6, kind: 1 });
            }
        }
    }

    /// Text with a call through the slot every `step` bytes. The displacements are right for every arena.
    fn text(step: usize) -> (File, usize) {
        let len = (SITES * step).next_multiple_of(4096) + 4096;
        let mut text = vec![0x90u8; len];
        for index in 0..SITES {
            let at = index * step;
            let disp = -((TEXT_AT + at + 6) as i32);
            text[at..at + 2].copy_from_slice(&[0xff, 0x15]);
            text[at + 2..at + 6].copy_from_slice(&disp.to_le_bytes());
        }
        let mut file = tempfile();
        file.write_all(&text).expect("a scratch file can be written");
        (file, len)
    }

    /// CPU time of this thread: what other programs do meanwhile is not part of it.
    fn cpu_time() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn tempfile() -> File {
        // SAFETY: a new descriptor, owned by the File.
        unsafe {
            let fd = libc::memfd_create(c"text".as_ptr(), 0);
            assert!(fd >= 0);
            <File as std::os::fd::FromRawFd>::from_raw_fd(fd)
        }
    }

    fn patch_round(file: &File, len: usize, step: usize) -> Duration {
        let arena = Arena::new(file, len, libc::PROT_READ | libc::PROT_EXEC);
        fill(&arena, step);
        let mut fixture = Fixture::new();
        let set = fixture.set(&arena);
        let start = cpu_time();
        // SAFETY: one thread, and nothing runs the text.
        let report = unsafe { user::patch_as(&set, Features::NONE, Options::default()) }.expect("patches");
        let elapsed = cpu_time() - start;
        assert_eq!((report.rows, report.unchanged), (SITES, 0));
        // SAFETY: the last site is mapped.
        let last = unsafe { arena.text.add((SITES - 1) * step).cast::<[u8; 6]>().read_volatile() };
        assert_eq!(last, [0x48, 0x89, 0xf8, 0x0f, 0x1f, 0x00]);
        elapsed
    }

    /// The store loop, and what it took to make its pages private before.
    fn store_round(file: &File, len: usize, step: usize) -> (Duration, Duration) {
        let arena = Arena::new(file, len, libc::PROT_READ | libc::PROT_WRITE);
        let start = cpu_time();
        const MADV_POPULATE_WRITE: i32 = 23;
        // SAFETY: mapped.
        assert_eq!(unsafe { libc::madvise(arena.text.cast(), len, MADV_POPULATE_WRITE) }, 0, "needs Linux 5.14");
        let pages = cpu_time() - start;
        let start = cpu_time();
        for index in 0..SITES {
            // SAFETY: inside the text, whose last page holds no site.
            unsafe { arena.text.add(index * step).cast::<u64>().write_unaligned(0x0001_1f0f_f889_4800 + index as u64) };
        }
        std::hint::black_box(arena.text);
        (cpu_time() - start, pages)
    }

    pub(super) fn main() {
        println!("{SITES} sites, {ROUNDS} rounds; nanoseconds a site");
        for (name, step) in [("dense (a site every 16 bytes)", 16), ("as in a kernel (every 128 bytes)", 128)] {
            let (file, len) = text(step);
            let (mut patch, mut store, mut pages) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                patch.push(patch_round(&file, len, step));
                let (stores, populate) = store_round(&file, len, step);
                store.push(stores);
                pages.push(populate);
            }
            let figures = [&mut patch, &mut store, &mut pages].map(|times| {
                times.sort();
                let per_site = |time: Duration| time.as_secs_f64() * 1e9 / SITES as f64;
                (per_site(times[ROUNDS / 2]), per_site(times[0]))
            });
            let [(patch, best_patch), (store, best_store), (populate, best_populate)] = figures;
            println!("{name}, {} pages", len / 4096);
            println!("  patch             {patch:7.2}  best {best_patch:7.2}");
            println!("  populate alone    {populate:7.2}  best {best_populate:7.2}");
            println!("  8-byte store loop {store:7.2}  best {best_store:7.2}");
            println!(
                "  patch : store = {:.1}, patch : (populate + store) = {:.2}",
                patch / store,
                patch / (populate + store)
            );
        }
    }
}
