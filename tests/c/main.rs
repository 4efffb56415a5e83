//! The C output and the C runtime, through real compilers and linkers and on the CPU.

mod build;
mod failures;
mod freestanding;
mod layout;
mod link;
mod plugins;
mod programs;
mod sanitizers;
mod sites;
mod switches;
mod warnings;
