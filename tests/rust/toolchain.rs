//! rustc, clippy and the linkers, with the generated Rust and the runtime ready for them.

use pvc::emit::Kind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rust").join(path)
}

/// Scratch directory of this run; removed at its end by [`clean`].
static SCRATCH: LazyLock<PathBuf> =
    LazyLock::new(|| tempfile::Builder::new().prefix("pvc-rust").tempdir().expect("a scratch directory").keep());

/// Removes the scratch directory.
pub(crate) fn clean() {
    let _ = std::fs::remove_dir_all(&*SCRATCH);
}

pub(crate) fn scratch(name: &str) -> PathBuf {
    SCRATCH.join(name)
}

/// Compiles a patch set to one kind of output. (`pvc::Builder` talks to cargo on standard output, which is not for tests.)
pub(crate) fn generate(source: &Path, kind: Kind) -> Result<String, String> {
    let compilation = pvc::compile(&source.to_string_lossy(), &pvc::source::DiskLoader);
    match &compilation.checked {
        Some(checked) => Ok(kind.render(checked, &compilation.sources)),
        None => Err(format!("{} does not compile: {:?}", source.display(), compilation.diagnostics)),
    }
}

/// A directory with `shapes.rs` and `switches.rs` in it, made from the tests' own sets.
pub(crate) fn shapes() -> Result<PathBuf, String> {
    static DIRECTORY: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        let directory = scratch("generated");
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let text = generate(&here("shapes.pv"), Kind::Rust)?;
        std::fs::write(directory.join("shapes.rs"), text).map_err(|error| error.to_string())?;
        let text = generate(&root().join("tests/c/sets/switches.pv"), Kind::Rust)?;
        std::fs::write(directory.join("switches.rs"), text).map_err(|error| error.to_string())?;
        Ok(directory)
    });
    DIRECTORY.clone()
}

/// Runs a tool; its complaints are the error. A tool that is not there is an error too.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said: String = String::from_utf8_lossy(&output.stderr).chars().take(4000).collect();
    Err(format!("{command:?}: {}\n{said}", output.status))
}

/// The runtime, compiled with these flags; without its user-space part if they say `--cfg=kernel`.
pub(crate) fn runtime(flags: &[&str]) -> Result<PathBuf, String> {
    static BUILT: Mutex<BTreeMap<String, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    let key = flags.join(" ");
    let mut built = BUILT.lock().expect("no test panics while it holds this");
    let next = built.len();
    let build = || {
        let directory = scratch(&format!("runtime{next}"));
        std::fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        let rlib = directory.join("libpvc_runtime.rlib");
        let mut rustc = Command::new("rustc");
        rustc
            .args(["--edition", "2024", "--crate-type", "rlib", "--crate-name", "pvc_runtime"])
            .args(flags)
            .args(if flags.contains(&"--cfg=kernel") { &[][..] } else { &["--cfg", "feature=\"user\""] })
            .arg(root().join("runtime/src/lib.rs"))
            .arg("-o")
            .arg(&rlib);
        run(&mut rustc).map(|_| rlib)
    };
    built.entry(key).or_insert_with(build).clone()
}

/// How a program is compiled and linked.
pub(crate) struct Config {
    /// Its name in the names of the tests.
    pub(crate) name: &'static str,
    /// Flags for the program and the runtime.
    pub(crate) codegen: &'static [&'static str],
    /// Flags for the program alone.
    pub(crate) link: &'static [&'static str],
    /// Edition of the program.
    pub(crate) edition: &'static str,
}

impl Config {
    /// Whether sites of static branches may have 2 bytes, as `pvc::Builder` decides it for cargo; not if the name says `long`.
    fn branch_sites(&self) -> &'static [&'static str] {
        if self.name.ends_with("-long") { &[] } else { &["--cfg=pv_branch_short"] }
    }
}

/// Compiles a program of `programs/` against the generated `shapes.rs` in `directory`.
pub(crate) fn compile(program: &str, config: &Config, directory: &Path) -> Result<PathBuf, String> {
    let runtime = runtime(config.codegen)?;
    let executable = scratch(&format!("{program}-{}-{}", config.name, directory.display().to_string().len()));
    let mut rustc = Command::new("rustc");
    rustc
        .env("PV_OUT", directory)
        .args(["--edition", config.edition, "-D", "warnings"])
        .args(config.codegen)
        .args(config.link)
        .args(config.branch_sites())
        .arg(format!("--extern=pvc_runtime={}", runtime.display()))
        .arg(here(&format!("programs/{program}.rs")))
        .arg("-o")
        .arg(&executable);
    run(&mut rustc)?;
    Ok(executable)
}
