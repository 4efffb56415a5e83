//! The runtime made into one object file, to see what it asks of others.

use crate::toolchain::{Config, compile, shapes};
use libtest_mimic::Failed;

/// What the compiler takes for granted everywhere; a kernel has them.
const MEMORY: [&str; 5] = ["memcpy", "memmove", "memset", "memcmp", "bcmp"];

/// One relocatable object of everything that is reachable from what `programs/core.rs` exports.
const RELOCATABLE: &str = "-Clink-args=-nostartfiles -nostdlib -r -Wl,--gc-sections,--build-id=none \
                           -Wl,-u,kernel,-u,want,-u,breakpoint,-u,at_start,-u,while_threads_run";

const KERNEL: Config = Config {
    name: "kernel",
    codegen: &["-Copt-level=3", "-Cpanic=abort", "-Cno-redzone=yes", "--cfg=kernel"],
    link: &["-Clto=fat", "-Crelocation-model=static", RELOCATABLE],
    edition: "2024",
};

const USER: Config = Config {
    name: "user",
    codegen: &["-Copt-level=3", "-Cpanic=abort"],
    link: &["-Clto=fat", "-Crelocation-model=static", RELOCATABLE],
    edition: "2024",
};

fn check(config: &Config, functions: &[&str], calls_linux: bool) -> Result<(), Failed> {
    let data = std::fs::read(compile("core", config, &shapes()?)?)?;
    let allowed = |name: &str| MEMORY.contains(&name) || name.starts_with("port_");
    Ok(pvc_tests::freestanding::check(&data, allowed, functions, calls_linux)?)
}

/// As kernels are compiled: no library, no red zone, no system call.
pub(crate) fn kernel() -> Result<(), Failed> {
    check(&KERNEL, &["kernel", "want", "breakpoint"], false)
}

/// With the user-space way, which makes its system calls itself.
pub(crate) fn user() -> Result<(), Failed> {
    check(&USER, &["kernel", "want", "breakpoint", "at_start", "while_threads_run"], true)
}
