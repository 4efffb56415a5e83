//! Builds `src/table/{forms,names}.rs` out of iced's opcode descriptions and the naming rules here.
//!
//! Run `cargo run -p pvc-asm --example generate_tables`; a test compares the checked-in files with the output.

#![allow(unreachable_pub, dead_code, missing_docs)]

#[path = "aliases.rs"]
pub(crate) mod aliases;
#[path = "../src/form.rs"]
pub(crate) mod form;
#[path = "forms.rs"]
pub(crate) mod forms;
#[path = "../src/kinds.rs"]
pub(crate) mod kinds;
#[path = "names.rs"]
pub(crate) mod names;
#[path = "quirks.rs"]
#[rustfmt::skip]
pub(crate) mod quirks;
#[path = "spellings.rs"]
pub(crate) mod spellings;
#[path = "variants.rs"]
pub(crate) mod variants;
#[path = "write.rs"]
pub mod write;
