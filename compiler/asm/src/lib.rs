//! x86 text assembler.

mod api;

pub use api::*;
