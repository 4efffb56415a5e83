//! Compilers, tables and programs of these tests. A tool that is missing fails the test with the name of its package.

use pvc::Builder;
use pvc::emit::Kind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, OnceLock};

/// A way to compile: compiler, target and the flags that go with it.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// `gcc` or `clang-19`.
    pub(crate) compiler: &'static str,
    /// Flags of every compilation and link.
    pub(crate) flags: Vec<&'static str>,
}

/// Strict C11: what the programs of these tests and all generated code must be.
pub(crate) const WARNINGS: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

/// The compilers: GNU's and LLVM's.
pub(crate) const COMPILERS: [&str; 2] = ["gcc", "clang-19"];
/// Position-independent, not, and 32-bit.
pub(crate) const TARGETS: [&[&str]; 3] =
    [&["-m64"], &["-m64", "-fno-pie", "-no-pie"], &["-m32", "-fno-pie", "-no-pie"]];

/// The object of the runtime for one way to compile it, and the number in its name.
type Numbered = (usize, OnceLock<PathBuf>);

impl Setup {
    /// A compiler with some flags.
    pub(crate) fn new(compiler: &'static str, flags: &[&'static str]) -> Self {
        Self { compiler, flags: flags.to_vec() }
    }

    /// The same with more flags.
    pub(crate) fn and(&self, flags: &[&'static str]) -> Self {
        let mut setup = self.clone();
        setup.flags.extend(flags);
        setup
    }

    /// Link-time optimisation: gcc's with GNU ld, clang's with lld.
    pub(crate) fn lto(&self) -> Self {
        if self.compiler == "gcc" { self.and(&["-flto"]) } else { self.and(&["-flto", "-fuse-ld=lld-19"]) }
    }

    /// The ways to optimise for this target, with strict warnings: all levels where it is the compiler's own, two otherwise;
    /// link-time optimisation; and what gives each function a section and drops those that nobody calls.
    pub(crate) fn optimised(&self) -> Vec<Self> {
        let setup = self.and(&WARNINGS);
        let levels: &[&str] =
            if self.flags == TARGETS[0] { &["-O0", "-O1", "-O2", "-O3", "-Os"] } else { &["-O0", "-O2"] };
        let mut setups: Vec<Self> = levels.iter().map(|level| setup.and(&[level])).collect();
        setups.push(setup.and(&["-O2"]).lto());
        setups.push(setup.and(&["-O2", "-fcf-protection=full", "-ffunction-sections", "-Wl,--gc-sections"]));
        setups
    }

    /// The command, with the flags and the search path of tables and runtime.
    pub(crate) fn command(&self, tables: &Tables) -> Command {
        let mut command = Command::new(self.compiler);
        command.args(&self.flags).arg("-I").arg(&tables.dir).arg("-I").arg(runtime());
        command
    }

    /// The runtime compiled this way, with strict warnings: once for all tests. Flags that concern other units alone do not
    /// count.
    pub(crate) fn runtime_object(&self) -> PathBuf {
        static BUILT: Mutex<BTreeMap<Vec<&'static str>, Arc<Numbered>>> = Mutex::new(BTreeMap::new());
        const OF_OTHERS: [&str; 7] = [
            "-pthread",
            "-DPV_BRANCH_SHORT=1",
            "-DPV_ALLOW_RED_ZONE",
            "-fno-integrated-as",
            "-fno-reorder-blocks-and-partition",
            "-no-pie",
            "-rdynamic",
        ];
        let of_linker = |flag: &str| flag.starts_with("-Wl,") || flag.starts_with("-fuse-ld=");
        let others = |flag: &str| OF_OTHERS.contains(&flag) || WARNINGS.contains(&flag) || of_linker(flag);
        let flags = self.flags.iter().copied().filter(|flag| !others(flag));
        let key: Vec<&str> = std::iter::once(self.compiler).chain(flags).collect();
        let built = {
            let mut all = BUILT.lock().unwrap();
            let number = all.len();
            all.entry(key.clone()).or_insert_with(|| Arc::new((number, OnceLock::new()))).clone()
        };
        let build = || {
            let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c/runtime");
            std::fs::create_dir_all(&directory).unwrap();
            let object = directory.join(format!("pvc{}.o", built.0));
            let mut compile = Command::new(key[0]);
            compile.args(&key[1..]).args(WARNINGS).arg("-c").arg(runtime().join("pvc.c")).arg("-o").arg(&object);
            succeed(&mut compile);
            object
        };
        built.1.get_or_init(build).clone()
    }

    /// Compiles and links `sources` with the tables and the runtime.
    pub(crate) fn program(&self, tables: &Tables, name: &str, sources: &[PathBuf]) -> PathBuf {
        let program = tables.dir.join(name);
        let mut command = self.command(tables);
        command.args(sources).args(tables.sources()).arg(self.runtime_object()).arg("-o").arg(&program);
        succeed(&mut command);
        program
    }
}

/// The generated files of one or more sets, in a directory of their own.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Where they are.
    pub(crate) dir: PathBuf,
    /// The names of the sets.
    pub(crate) names: Vec<String>,
}

impl Tables {
    /// A directory for the test `test` without any set.
    pub(crate) fn none(test: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c").join(test);
        if dir.exists() {
            std::fs::remove_dir_all(&dir).unwrap();
        }
        std::fs::create_dir_all(&dir).unwrap();
        Self { dir, names: Vec::new() }
    }

    /// Compiles a set for the test `test`.
    pub(crate) fn of(test: &str, pv: &Path) -> Self {
        let mut tables = Self::none(test);
        tables.add(pv);
        tables
    }

    /// Compiles one more set into the same directory.
    pub(crate) fn add(&mut self, pv: &Path) {
        let built = Builder::new().file(pv).out_dir(&self.dir).c().emit(Kind::Asm).compile().unwrap();
        self.names.push(built.name);
    }

    /// Compiles a set from its text.
    pub(crate) fn from_text(test: &str, text: &str) -> Self {
        let mut tables = Self::none(test);
        let pv = tables.write("set.pv", text);
        tables.add(&pv);
        tables
    }

    /// The generated C files.
    pub(crate) fn sources(&self) -> Vec<PathBuf> {
        self.names.iter().map(|name| self.dir.join(format!("{name}.c"))).collect()
    }

    /// The text of a generated file.
    pub(crate) fn text(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.join(file)).unwrap()
    }

    /// Writes a file beside the tables.
    pub(crate) fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.dir.join(file);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// The root of the project.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The C runtime.
pub(crate) fn runtime() -> PathBuf {
    root().join("runtime/c")
}

/// A fixture of these tests.
pub(crate) fn fixture(name: &str) -> PathBuf {
    root().join("tests/c/fixtures").join(name)
}

/// A patch set of these tests.
pub(crate) fn set(name: &str) -> PathBuf {
    root().join("tests/c/sets").join(name)
}

/// Runs a command.
pub(crate) fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| {
        panic!("{}: {error}; tests/run installs what the tests need", command.get_program().to_string_lossy())
    })
}

/// Runs a command that must succeed, without a word.
pub(crate) fn succeed(command: &mut Command) {
    let output = output(command);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{command:?}\n{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs a command that must fail; what it said.
pub(crate) fn refused(command: &mut Command) -> String {
    let output = output(command);
    assert!(!output.status.success(), "{command:?} succeeded");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a test program, for a minute at most, or as long as it takes if `PVC_LIVE_TOGGLES` asks for more than usual. It must
/// exit with 0; what it printed.
pub(crate) fn run(program: &Path, arguments: &[&str], setup: &Setup) -> String {
    let limit = if std::env::var_os("PVC_LIVE_TOGGLES").is_some() { "3600" } else { "60" };
    let mut command = Command::new("timeout");
    command.arg(limit).arg(program).args(arguments);
    let output = output(&mut command);
    assert!(
        output.status.success(),
        "{program:?} {arguments:?} built with {setup:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
