//! The runtime of pvc: puts the right instructions into the patch sites of a running program or kernel.
//!
//! `pvc compile` turns a `.pv` file into call wrappers, which leave *sites* in the code, and a table. This crate reads the
//! table (`FORMAT.md`), decides per operation from CPU features, declared features and installed backends, verifies every
//! site, and writes. It is `no_std`, allocates nothing and has no panicking path; a refused batch leaves the program as it
//! was, running through its ops structure.
//!
//! - [`user::patch`] for programs on Linux: at start, before threads.
//! - [`apply`] with a [`Text`] port for kernels and everything else.
//!
//! ```no_run
//! use pvc_runtime::{Features, Report, Error, Set, user};
//!
//! fn start(set: &'static Set) -> Result<Report, Error> {
//!     // SAFETY: called first thing in `main`: there is one thread, and the ops structure holds its defaults.
//!     unsafe { user::patch(set, Features::NONE) }
//! }
//! ```
//!
//! The module table:
//!
//! | module | holds |
//! |---|---|
//! | [`table`] | the `repr(C)` format |
//! | `set` | the handle on a table |
//! | `features` | CPUID and XCR0 |
//! | `choose` | what each class of sites becomes |
//! | `form` | the bytes of every form of a site |
//! | `known` | what the sites of a class most often hold |
//! | `verify` | old bytes against known forms |
//! | `branch` | static branches |
//! | `batch` | the order: choose, verify, write, remember |
//! | [`live`] | sites that other CPUs run through: the breakpoint protocol |
//! | `slot` | the typed slots of an ops structure |
//! | `text` | the port that writes |
//! | [`user`] | Linux: page protection, `/proc/self/mem` |
#![no_std]

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
compile_error!("pvc-runtime patches x86 code");

#[cfg(test)]
#[macro_use]
extern crate std;

mod batch;
mod branch;
mod choose;
mod error;
mod features;
mod form;
mod known;
pub mod live;
pub mod nops;
mod report;
mod set;
mod slot;
pub mod table;
mod text;
#[cfg(all(feature = "user", target_os = "linux", target_arch = "x86_64"))]
pub mod user;
#[doc(hidden)]
pub mod vector;
mod verify;

pub use batch::{Options, apply, apply_branches, restore};
pub use branch::Branch;
pub use error::{Bytes, Error, Status, Step};
pub use features::Features;
pub use report::{Report, Way};
pub use set::Set;
pub use slot::Slot;
pub use text::Text;
