//! What patching 1,000,000 sites at start costs, beside the least that writing them can cost: `mprotect` to writable,
//! `MADV_POPULATE_WRITE`, one bare 8-byte store a site, `mprotect` to executable. Both run in turns over the same kind of
//! text: pages of a file, mapped privately, as a program's are.
//!
//! Beside them, in the same run: clang's XRay on as many functions (a new process each time), the crate `static-keys` (a thousand
//! sites; a site costs the same however many there are), and the C runtime by both compilers.
//!
//! `cargo bench -p pvc-runtime --bench start` prints nanoseconds of CPU time a site (the median and the best of the rounds) and
//! the ratio of the medians beside what it is to be at most; then what patching again costs when the pages are private already, with
//! its page faults. First of all, what a table of as many sites costs a program that never patches.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../tests/many/mod.rs"]
mod many;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod peers;

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
    use super::many::{Arena, Fixture, fill, text};
    use super::peers;
    use pvc_runtime::{Features, Options, user};
    use std::fs::File;
    use std::process::Command;
    use std::time::Duration;

    const SITES: usize = 1_000_000;
    const ROUNDS: usize = 11;

    /// CPU time of this thread: what other programs do meanwhile is not part of it.
    fn cpu_time() -> Duration {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    fn patch_round(file: &File, len: usize, step: usize) -> [Duration; 2] {
        let arena = Arena::new(file, len, libc::PROT_READ | libc::PROT_EXEC);
        fill(&arena, SITES, step);
        let mut fixture = Fixture::new();
        let set = fixture.set(&arena, SITES);
        let start = cpu_time();
        // SAFETY: one thread, and nothing runs the text.
        let report = unsafe { user::patch_as(&set, Features::NONE, Options::default()) }.expect("patches");
        let first = cpu_time() - start;
        assert_eq!((report.rows, report.unchanged), (SITES, 0));
        // SAFETY: the last site is mapped.
        let last = unsafe { arena.text.add((SITES - 1) * step).cast::<[u8; 6]>().read_volatile() };
        assert_eq!(last, [0x48, 0x89, 0xf8, 0x0f, 0x1f, 0x00]);
        let (faults, start) = (page_faults(), cpu_time());
        // SAFETY: as above.
        let report = unsafe { user::unpatch(&set) }.expect("patches back");
        let again = cpu_time() - start;
        assert_eq!(report.originals, SITES);
        // The records, the patcher's own code and stack, but none of the text.
        assert!(page_faults() - faults < 100, "{} page faults on private pages", page_faults() - faults);
        [first, again]
    }

    fn page_faults() -> i64 {
        // SAFETY: plain numbers.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: `usage` is writable.
        assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &mut usage) }, 0);
        usage.ru_minflt
    }

    /// The least that writing all sites can cost.
    fn reference_round(file: &File, len: usize, step: usize) -> Duration {
        let arena = Arena::new(file, len, libc::PROT_READ | libc::PROT_EXEC);
        fill(&arena, SITES, step);
        const MADV_POPULATE_WRITE: i32 = 23;
        let start = cpu_time();
        let protect = |protection| {
            // SAFETY: mapped, and nothing runs it.
            assert_eq!(unsafe { libc::mprotect(arena.text.cast(), len, protection) }, 0);
        };
        protect(libc::PROT_READ | libc::PROT_WRITE);
        // SAFETY: mapped.
        assert_eq!(unsafe { libc::madvise(arena.text.cast(), len, MADV_POPULATE_WRITE) }, 0, "needs Linux 5.14");
        for index in 0..SITES {
            // SAFETY: inside the text, whose last page holds no site.
            unsafe { arena.text.add(index * step).cast::<u64>().write_unaligned(0x0001_1f0f_f889_4800 + index as u64) };
        }
        std::hint::black_box(arena.text);
        protect(libc::PROT_READ | libc::PROT_EXEC);
        cpu_time() - start
    }

    /// Microseconds of CPU time that each program takes from `exec` to its end: the medians, run in turns.
    fn exec_times(programs: [&std::path::Path; 2]) -> [f64; 2] {
        const RUNS: usize = 301;
        let children = || {
            // SAFETY: plain numbers.
            let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
            // SAFETY: `usage` is writable.
            assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage) }, 0);
            let micros = |time: libc::timeval| time.tv_sec as f64 * 1e6 + time.tv_usec as f64;
            micros(usage.ru_utime) + micros(usage.ru_stime)
        };
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..RUNS {
            for (program, times) in programs.iter().zip(&mut times) {
                let before = children();
                assert!(Command::new(program).status().expect("runs").success());
                times.push(children() - before);
            }
        }
        times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[RUNS / 2]
        })
    }

    /// What the table costs a program that never patches.
    fn table() {
        let programs = [0, SITES].map(peers::with_table);
        let sizes = programs.each_ref().map(|program| std::fs::metadata(program).expect("built").len());
        let [without, with] = exec_times([&programs[0], &programs[1]]);
        println!("a PIE with {SITES} sites, exec to exit {with:.0} us of CPU time, one with none {without:.0} us");
        println!("  with : without           {:7.3}; aim: 1.05", with / without);
        println!("  table                    {:7.2} bytes a site", (sizes[1] - sizes[0]) as f64 / SITES as f64 - 6.0);
    }

    pub(super) fn main() {
        table();
        let c_runtimes = peers::c_runtime();
        let static_keys = peers::static_keys();
        println!("{SITES} sites, {ROUNDS} rounds; nanoseconds of CPU time a site, median (best)");
        for (name, step, xray_aim) in
            [("dense, a site every 17 bytes", 17, 0.6), ("sparse, every 101 bytes", 101, 0.85)]
        {
            let (file, len) = text(SITES, step);
            let mut times = [const { Vec::new() }; 3];
            for _ in 0..ROUNDS {
                let [first, again] = patch_round(&file, len, step);
                let reference = reference_round(&file, len, step);
                for (times, time) in times.iter_mut().zip([first, again, reference]) {
                    times.push(time);
                }
            }
            let [first, again, reference] = times.map(|mut times| {
                times.sort();
                let per_site = |time: Duration| time.as_secs_f64() * 1e9 / SITES as f64;
                (per_site(times[ROUNDS / 2]), per_site(times[0]))
            });
            println!("{name}, {} pages", len / 4096);
            println!(" Rust");
            println!("  patch                    {:7.2} ({:.2})", first.0, first.1);
            println!("  reference                {:7.2} ({:.2})", reference.0, reference.1);
            println!(
                "  patch : reference        {:7.2} ({:.2}); aim: 1.25",
                first.0 / reference.0,
                first.1 / reference.1
            );
            println!("  again, pages are private {:7.2} ({:.2})", again.0, again.1);
            let xray = peers::median(ROUNDS, &peers::xray(SITES, step), &["start"]) / SITES as f64;
            println!("  XRay                     {xray:7.2}; patch : XRay {:.2}; aim: {xray_aim}", first.0 / xray);
            println!(
                "  static-keys              {static_keys:7.0}; static-keys : patch {:.0}; aim: 100",
                static_keys / first.0
            );
            for (compiler, program) in &c_runtimes {
                let arguments = [SITES, step, ROUNDS].map(|number| number.to_string());
                print!(" C, {compiler}\n{}", peers::run(Command::new(program).arg("start").args(arguments)));
            }
        }
    }
}
