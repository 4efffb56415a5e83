//! pvc compiles declarative tables of x86 patch sites.
//!
//! A `.pv` file says, for each operation, which instructions may stand at its patch sites on which arch and CPU, and
//! what they may destroy. The compiler assembles them, holds them against their contract and emits tables for C, Rust
//! and assembly.

// The parser that pest derives names it, since pest is used without `std`.
extern crate alloc;

pub mod arch;
pub mod assemble;
mod builder;
pub mod check;
pub mod compare;
mod compile;
mod decode;
pub mod diagnostics;
pub mod emit;
pub mod format;
#[cfg(feature = "lsp")]
pub mod incremental;
pub mod infer;
#[cfg(feature = "lsp")]
pub mod lsp;
mod mend;
pub mod model;
pub mod output;
pub mod resolve;
#[cfg(all(feature = "run", target_arch = "x86_64", target_os = "linux"))]
pub mod run;
pub mod show;
pub mod source;
mod spelling;
mod suggest;
pub mod syntax;

pub use builder::{BuildError, Builder, Built};
pub use compile::{Compilation, compile, compile_with};
pub use format::{FormatOptions, format};
pub use mend::{Applied, Mended, mend};
