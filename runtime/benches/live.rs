//! What changing sites costs while a second thread runs, beside one `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)` in the same process.
//!
//! `cargo bench -p pvc-runtime --bench live` prints medians of the patching thread's CPU time (waiting for
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
fn main() {
    use many::{Arena, Fixture, fill_live, text};
    use pvc_runtime::user::live::{Request, View, patch_all};
    use pvc_runtime::{Features, Options};
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    const ROUNDS: usize = 201;
    /// Seconds of this thread: what other programs do meanwhile is not part of it.
    fn cpu_time() -> f64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable.
        assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    }
    fn median(mut step: impl FnMut(usize)) -> f64 {
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|round| {
                let start = cpu_time();
                step(round);
                (cpu_time() - start) * 1e6
            })
            .collect();
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
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
        let one_barrier = median(|_| barrier(1 << 5));
        println!("one membarrier(SYNC_CORE): {one_barrier:.1} us");
        for view in [View::Memory, View::Window] {
            for (sites, step) in [(1, 17), (1000, 17), (10_000, 17), (10_000, 101)] {
                let (file, len) = text(sites, step);
                let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
                fill_live(&arena, sites, step);
                let mut fixture = Fixture::live();
                let set = fixture.set(&arena, sites);
                let time = median(|round| {
                    let request =
                        if round % 2 == 0 { Request::patch(&set, Features::NONE) } else { Request::unpatch(&set) };
                    // SAFETY: nothing runs the text.
                    unsafe { patch_all(&[request], Options::default(), view) }.expect("patches");
                });
                let over = (time - 4.0 * one_barrier) * 1e3 / sites as f64;
                println!(
                    "{view:?}, {sites} sites every {step} bytes: {time:.1} us, {:.1} membarriers; {over:.1} ns a site over four",
                    time / one_barrier
                );
            }
        }
        stop.store(true, Relaxed);
    });
}
