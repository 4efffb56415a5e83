//! What changing sites costs while a second thread runs, beside one `membarrier(PRIVATE_EXPEDITED_SYNC_CORE)` in the same process.
//!
//! `cargo bench -p pvc-runtime --bench live` prints the median and (the best) of the patching thread's CPU time (waiting for
//! barriers is part of it): all sites of a set become their row, then the call again, by the functions of `live` and by a
//! `Patcher` that keeps its files. The aims: one site at most 4 barriers, 10,000 sites at most 10 ns a site more, 1000 sites in a
//! hundredth of what XRay takes: both alone in their process, then both beside a thread that runs. The two threads have a CPU each,
//! and a barrier is timed before each batch, because it costs next to nothing while a busy machine lets the second thread wait:
//! compare lines with a barrier of more than 10 us.
//!
//! The floor of `View::Memory` is beside it: three times `pwrite` of the pages that have sites.

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
    use pvc_runtime::user::live::{Patcher, Request, View, patch_all};
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
    fn microseconds(step: impl FnOnce()) -> f64 {
        let start = cpu_time();
        step();
        (cpu_time() - start) * 1e6
    }
    /// The median and the best.
    fn summary(mut times: Vec<f64>) -> (f64, f64) {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[0])
    }
    fn membarrier(command: i32) {
        // SAFETY: no memory is involved.
        assert_eq!(unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }, 0);
    }
    const REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: i32 = 1 << 6;
    const PRIVATE_EXPEDITED_SYNC_CORE: i32 = 1 << 5;
    fn run_on_cpu(cpu: usize) {
        // SAFETY: a set of CPUs of that size; where there is no such CPU, the thread stays where it is.
        unsafe {
            let mut cpus: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(cpu, &mut cpus);
            libc::sched_setaffinity(0, size_of_val(&cpus), &cpus);
        }
    }

    /// What a batch takes, and a barrier before it.
    struct Toggles {
        batch: (f64, f64),
        barrier: f64,
    }

    /// A set of this many sites changes to and fro.
    fn toggles(sites: usize, step: usize, view: View, mut patcher: Option<Patcher>) -> Toggles {
        let (file, len) = text(sites, step);
        let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
        fill_live(&arena, sites, step);
        let mut fixture = Fixture::live();
        let set = fixture.set(&arena, sites);
        let mut toggle = |round: usize| {
            let request =
                if round.is_multiple_of(2) { Request::patch(&set, Features::NONE) } else { Request::unpatch(&set) };
            let (requests, options) = (&[request], Options::default());
            // SAFETY: nothing runs the text.
            let result = unsafe {
                match &mut patcher {
                    Some(patcher) => patcher.patch_all(requests, options, view),
                    None => patch_all(requests, options, view),
                }
            };
            result.expect("patches");
        };
        let pair = |round| (microseconds(|| membarrier(PRIVATE_EXPEDITED_SYNC_CORE)), microseconds(|| toggle(round)));
        let (barriers, batches) = (0..ROUNDS).map(pair).unzip();
        Toggles { batch: summary(batches), barrier: summary(barriers).0 }
    }
    /// The least that three passes through `/proc/self/mem` can take.
    fn floor(sites: usize, step: usize) -> f64 {
        let (file, len) = text(sites, step);
        let arena = Arena::new(&file, len, libc::PROT_READ | libc::PROT_EXEC);
        // SAFETY: of the text, which nobody changes meanwhile; a copy.
        let copy = unsafe { std::slice::from_raw_parts(arena.text, (sites * step).next_multiple_of(4096)) }.to_vec();
        let memory = std::fs::File::options().write(true).open("/proc/self/mem").expect("opens");
        let write = || std::os::unix::fs::FileExt::write_all_at(&memory, &copy, arena.text as u64).expect("writes");
        3.0 * summary((0..ROUNDS).map(|_| microseconds(write)).collect()).0
    }
    let xray = |beside: &[&str]| {
        let program = peers::xray(FUNCTIONS, 17);
        peers::median(9, &program, &[&["live", "1000"], beside].concat()) / 1e3
    };

    // Before there is a second thread here: two that spin would leave XRay none of two CPUs.
    let (xray_alone, xray_beside) = if wanted("XRay") { (xray(&[]), xray(&["beside"])) } else { (0.0, 0.0) };
    membarrier(REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
    if wanted("XRay") {
        let ours = toggles(1000, 17, View::Memory, None).batch.0;
        let ratio = xray_alone / ours;
        println!("1000 sites, one thread: {ours:.1} us, XRay {xray_alone:.1} us: {ratio:.0} times (aim: 100)");
    }
    let (runs, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            run_on_cpu(1);
            runs.store(true, Relaxed);
            while !stop.load(Relaxed) {
                std::hint::spin_loop();
            }
        });
        run_on_cpu(0);
        while !runs.load(Relaxed) {
            std::thread::yield_now();
        }
        for view in [View::Memory, View::Window] {
            if !wanted(&format!("{view:?}")) {
                continue;
            }
            for (sites, step) in SIZES {
                for (name, patcher) in [("", None), (", Patcher", Some(Patcher::new()))] {
                    let Toggles { batch: (median, best), barrier } = toggles(sites, step, view, patcher);
                    print!("{view:?}{name}, {sites} sites every {step} bytes: {median:.1} us ({best:.1}), ");
                    if sites == 1 {
                        println!("{:.1} membarriers of {barrier:.1} us (aim: 4)", median / barrier);
                    } else {
                        let over = (median - 4.0 * barrier) * 1e3 / sites as f64;
                        println!("{over:.1} ns a site over 4 membarriers of {barrier:.1} us (aim: 10)");
                    }
                }
                if view == View::Memory {
                    println!("  floor of three writes: {:.1} us", floor(sites, step));
                }
            }
        }
        if wanted("XRay") {
            for (name, patcher) in [("", None), (", Patcher", Some(Patcher::new()))] {
                let ours = toggles(1000, 17, View::Memory, patcher).batch.0;
                let ratio = xray_beside / ours;
                println!(
                    "1000 sites, two threads{name}: {ours:.1} us, XRay {xray_beside:.1} us: {ratio:.0} times (aim: 100)"
                );
            }
        }
        stop.store(true, Relaxed);
    });
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
