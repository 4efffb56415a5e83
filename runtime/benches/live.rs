//! What changing sites costs while a second thread runs, beside one `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)` in the same process.
//!
//! `cargo bench -p pvc-runtime --bench live` prints the median and (the best) of the patching thread's CPU time (waiting for
//! barriers is part of it): all sites of a set become their row, then the call
//! again.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    println!("the user-space way is for x86_64 Linux");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../tests/many/mod.rs"]
mod many;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod peers;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    use many::{Arena, Fixture, fill_live, text};
    use pvc_runtime::user::live::{Request, View, patch_all};
    use pvc_runtime::{Features, Options};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    const ROUNDS: usize = 201;
    /// Of the XRay program.
    const FUNCTIONS: usize = 10_000;
    /// Sites, and bytes from one to the next.
    const SIZES: [(usize, usize); 4] = [(1, 17), (1000, 17), (10_000, 17), (10_000, 101)];
    // `cargo bench --bench live -- Window`: that view alone.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    /// Seconds of this thread: what other programs do meanwhile is not part of it.
    fn cpu_time() -> f64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
    fn times(mut step: impl FnMut(usize)) -> (f64, f64) {
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|round| {
                let start = cpu_time();
                step(round);
                (cpu_time() - start) * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        (times[ROUNDS / 2], times[0])
    }

    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        let barrier = |command: i32| {
            // SAFETY: no memory is involved.
            assert_eq!(unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }, 0);
        };
        barrier(1 << 6);
        let one_barrier = times(|_| barrier(1 << 5));
        println!("one membarrier(SYNC_CORE): {:.1} us ({:.1})", one_barrier.0, one_barrier.1);
        for view in [View::Memory, View::Window] {
            if !wanted(&format!("{view:?}")) {
                continue;
            }
            for (sites, step) in SIZES {
                let (file, len) = text(sites, step);
                let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
                fill_live(&arena, sites, step);
                let mut fixture = Fixture::live();
                let set = fixture.set(&arena, sites);
                let time = times(|round| {
                    let request =
                        if round % 2 == 0 { Request::patch(&set, Features::NONE) } else { Request::unpatch(&set) };
                    // SAFETY: nothing runs the text.
                    unsafe { patch_all(&[request], Options::default(), view) }.expect("patches");
                });
                let over = (time.0 - 4.0 * one_barrier.0) * 1e3 / sites as f64;
                println!(
                    "{view:?}, {sites} sites every {step} bytes: {:.1} us ({:.1}), {:.1} membarriers; {over:.1} ns a site over four",
                    time.0,
                    time.1,
                    time.0 / one_barrier.0
                );
            }
        }
        stop.store(true, Relaxed);
    });
    if wanted("XRay") {
        let xray = peers::median(9, &peers::xray(FUNCTIONS, 17), &["live", "1000"]) / 1e3;
        println!("XRay, __xray_patch_function for 1000 functions: {xray:.1} us");
    }
    if wanted("C") {
        for (compiler, program) in peers::c_runtime() {
            println!("C, {compiler}");
            for (sites, step) in SIZES {
                let arguments = [sites, step, ROUNDS].map(|number| number.to_string());
                print!("{}", peers::run(std::process::Command::new(&program).arg("live").args(arguments)));
            }
        }
    }
}
