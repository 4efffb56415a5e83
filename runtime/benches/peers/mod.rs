//! What the benchmarks build and run beside this runtime.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A scratch directory for this file name.
pub(crate) fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Runs a tool that must succeed; what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}; tests/run installs what this needs", command.get_program().to_string_lossy())
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The C runtime on the same sites (`many.c`), by both compilers: their names and programs.
pub(crate) fn c_runtime() -> Vec<(&'static str, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let build = |compiler| {
        let program = scratch(&format!("many-{compiler}"));
        run(Command::new(compiler)
            .args(["-std=gnu11", "-O2", "-pthread", "-I"])
            .arg(root.join("c"))
            .args([root.join("benches/many.c"), root.join("c/pvc.c")])
            .arg("-o")
            .arg(&program));
        (compiler, program)
    };
    ["gcc", "clang-19"].map(build).into()
}

/// A position-independent program with this many sites (6 bytes each) and their records, which does nothing.
#[allow(dead_code, reason = "not all benchmarks run it")]
pub(crate) fn with_table(sites: usize) -> PathBuf {
    use std::fmt::Write;
    let directory = scratch(&format!("table-{sites}"));
    std::fs::create_dir_all(&directory).expect("a scratch directory");
    let mut assembly = String::from(
        ".text\n.globl main\nmain: xor %eax, %eax\nret\n.p2align 12\nslot: .quad 0\nsites:\n\
         .section pv_sites_bench,\"a\",@progbits\n.p2align 3\n.section .note.GNU-stack,\"\",@progbits\n",
    );
    for index in 0..sites {
        let at = 6 * index;
        writeln!(
            assembly,
            ".text\ncall *slot(%rip)\n.section pv_sites_bench\n.long sites + {at} - .\n.short 0\n.byte 6, 1"
        )
        .expect("a String");
    }
    std::fs::write(directory.join("table.s"), assembly).expect("a scratch file");
    let program = directory.join("table");
    run(Command::new("gcc").args(["-pie", "-o"]).arg(&program).arg(directory.join("table.s")));
    program
}

/// XRay on as many functions, `step` bytes from each other: the program.
#[allow(dead_code, reason = "not all benchmarks compare with it")]
pub(crate) fn xray(functions: usize, step: usize) -> PathBuf {
    let directory = scratch(&format!("xray-{step}"));
    std::fs::create_dir_all(&directory).expect("a scratch directory");
    // The entry sled of LLVM (`jmp` over nine bytes of NOP) and `ret`.
    let mut function = vec![0xeb, 9, 0x66, 0x0f, 0x1f, 0x84, 0, 0, 2, 0, 0, 0xc3];
    function.resize(step, 0x90);
    std::fs::write(directory.join("sleds"), function.repeat(functions)).expect("a scratch file");
    let (map, index) = (32 * functions, 16 * functions);
    let assembly = format!(
        ".text\n.p2align 12\n.globl sleds\nsleds: .incbin \"sleds\"\n.section xray_instr_map,\"aw\",@progbits\n.zero {map}\n\
         .section xray_fn_idx,\"aw\",@progbits\n.zero {index}\n.section .note.GNU-stack,\"\",@progbits\n"
    );
    std::fs::write(directory.join("xray.s"), assembly).expect("a scratch file");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/xray.c");
    run(Command::new("clang-19")
        .current_dir(&directory)
        .args(["-O2", "-fuse-ld=lld-19", "-fxray-instrument", "-pthread"])
        .args([format!("-DSTEP={step}"), format!("-DFUNCTIONS={functions}")])
        .arg(source)
        .args(["xray.s", "-o", "xray"]));
    directory.join("xray")
}

/// The median of what a program prints in some runs: nanoseconds.
#[allow(dead_code, reason = "not all benchmarks run one more than once")]
pub(crate) fn median(rounds: usize, program: &Path, arguments: &[&str]) -> f64 {
    let once = |_| run(Command::new(program).args(arguments)).trim().parse::<f64>().expect("a number");
    let mut times: Vec<f64> = (0..rounds).map(once).collect();
    times.sort_by(f64::total_cmp);
    times[rounds / 2]
}

/// Nanoseconds a site of the crate `static-keys`, for all sites of one key.
#[allow(dead_code, reason = "not all benchmarks compare with it")]
pub(crate) fn static_keys() -> f64 {
    let directory = scratch("static-keys");
    std::fs::create_dir_all(directory.join("src")).expect("a scratch directory");
    let manifest = "[package]\nname = \"peer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
        [dependencies]\nstatic-keys = \"=0.8.2\"\nlibc = \"0.2\"\n[workspace]\n";
    std::fs::write(directory.join("Cargo.toml"), manifest).expect("a scratch file");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/static_keys.rs");
    std::fs::copy(source, directory.join("src/main.rs")).expect("a scratch file");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let printed = run(Command::new(cargo).current_dir(&directory).args(["run", "--quiet", "--release"]));
    printed.trim().parse().expect("a number")
}
