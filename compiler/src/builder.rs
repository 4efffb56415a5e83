//! Compiling a patch set from a build script.

use crate::diagnostics::{Color, Levels, render};
use crate::emit::Kind;
use crate::output::{OutputFile, WriteError, write_all};
use crate::source::DiskLoader;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

/// Compiles a patch set from `build.rs`.
///
/// ```no_run
/// // build.rs
/// fn main() -> Result<(), pvc::BuildError> {
///     pvc::Builder::new().file("patchsets/userspace.pv").rust().compile()?;
///     Ok(())
/// }
/// ```
///
/// and in the crate, which depends on `pvc-runtime`:
///
/// ```ignore
/// include!(concat!(env!("OUT_DIR"), "/userspace.rs"));
/// ```
///
/// As a build dependency, turn the default features off: they are for the command.
///
/// ```toml
/// [build-dependencies]
/// pvc = { version = "0.1", default-features = false }
/// ```
#[derive(Clone, Default, Debug)]
pub struct Builder {
    file: PathBuf,
    out_dir: Option<PathBuf>,
    kinds: Vec<Kind>,
    levels: Levels,
}

/// What a [`Builder`] wrote.
#[derive(Clone, Debug)]
pub struct Built {
    /// Name of the patch set: the stem of the files.
    pub name: String,
    /// The files, in the order of the kinds that were asked for.
    pub files: Vec<PathBuf>,
    /// The source files, the root first.
    pub sources: Vec<PathBuf>,
}

impl Builder {
    /// Nothing asked for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The `.pv` file, relative to the package's directory (where cargo runs build scripts).
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.file = path.as_ref().to_path_buf();
        self
    }

    /// The directory of the outputs; `OUT_DIR` unless set.
    #[must_use]
    pub fn out_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.out_dir = Some(path.as_ref().to_path_buf());
        self
    }

    /// Sets what becomes of warnings; without this they stay warnings.
    #[must_use]
    pub fn levels(mut self, levels: Levels) -> Self {
        self.levels = levels;
        self
    }

    /// Asks for one kind of output.
    #[must_use]
    pub fn emit(mut self, kind: Kind) -> Self {
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        self
    }

    /// Asks for `NAME.rs`.
    #[must_use]
    pub fn rust(self) -> Self {
        self.emit(Kind::Rust)
    }

    /// Asks for `NAME.h` and `NAME.c`.
    #[must_use]
    pub fn c(self) -> Self {
        self.emit(Kind::Header).emit(Kind::Source)
    }

    /// Compiles, writes what changed, and tells cargo which files it read. Warnings are shown as cargo warnings. If the set has
    /// static branches and the compiler's assembler can size their sites, sets the cfg `pv_branch_short`.
    ///
    /// # Errors
    ///
    /// The findings as text, or the file that could not be read or written. Outputs of an earlier run stay as they are.
    pub fn compile(self) -> Result<Built, BuildError> {
        let out_dir = match self.out_dir {
            Some(directory) => directory,
            None => env::var_os("OUT_DIR").map(PathBuf::from).ok_or(BuildError::NoOutDir)?,
        };
        let cargo = env::var_os("CARGO_MANIFEST_DIR").is_some();
        let path = self.file.to_string_lossy().replace('\\', "/");
        if cargo {
            println!("cargo:rerun-if-changed={path}");
        }
        if let Err(cause) = std::fs::metadata(&self.file) {
            return Err(BuildError::Read { path: self.file, cause });
        }
        let compilation = crate::compile_with(&path, &DiskLoader, &self.levels);
        let sources: Vec<PathBuf> = compilation.sources.files().map(|(_, file)| PathBuf::from(&file.path)).collect();
        if cargo {
            for source in sources.iter().skip(1) {
                println!("cargo:rerun-if-changed={}", source.display());
            }
        }
        let findings = render(&compilation.diagnostics, &compilation.sources, Color::Never);
        let Some(checked) = compilation.checked else {
            return Err(BuildError::Findings(findings));
        };
        if cargo {
            for line in findings.lines().filter(|line| !line.trim().is_empty()) {
                println!("cargo:warning={line}");
            }
        }
        if cargo && self.kinds.contains(&Kind::Rust) && !checked.unit().branches.is_empty() {
            println!("cargo:rustc-check-cfg=cfg(pv_branch_short)");
            if assembler_sizes_branches() {
                println!("cargo:rustc-cfg=pv_branch_short");
            }
        }
        let name = checked.unit().set.name.clone();
        let files: Vec<OutputFile> = self
            .kinds
            .iter()
            .map(|kind| OutputFile {
                path: out_dir.join(kind.file_name(&name)),
                text: kind.render(&checked, &compilation.sources),
            })
            .collect();
        write_all(&files).map_err(BuildError::Write)?;
        Ok(Built { name, files: files.into_iter().map(|file| file.path).collect(), sources })
    }
}

/// Whether the assembler of cargo's compiler can choose the length of a static branch's sites: earlier ones than that of
/// LLVM 22 lay such code out wrongly.
fn assembler_sizes_branches() -> bool {
    let Some(rustc) = env::var_os("RUSTC") else { return false };
    let Ok(output) = std::process::Command::new(rustc).arg("-vV").output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next()?.parse().ok());
    version.is_some_and(|major: u32| major >= 22)
}

/// Why a [`Builder`] failed. Its `Debug` text is its `Display` text, because that is what cargo shows when a build
/// script returns or unwraps an error.
pub enum BuildError {
    /// The patch set has errors: all findings as text.
    Findings(String),
    /// The `.pv` file cannot be read.
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        cause: std::io::Error,
    },
    /// An output cannot be written.
    Write(WriteError),
    /// There is neither `OUT_DIR` nor [`Builder::out_dir`].
    NoOutDir,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Findings(text) => write!(f, "the patch set has errors\n\n{text}"),
            Self::Read { path, cause } => write!(f, "cannot read {}: {cause}", path.display()),
            Self::Write(error) => error.fmt(f),
            Self::NoOutDir => {
                f.write_str("no output directory: OUT_DIR is not set (not in a build script?); name one with `out_dir`")
            }
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for BuildError {}
