//! The editor packages of `grammar/`: they know the language that the compiler knows.
//!
//! Real editors run headless: Vim, Neovim and Emacs. `BLESS=1` writes the files of `golden/` anew.

mod emacs;
mod fixtures;
mod neovim;
mod parser;
mod textmate;
mod vim;
mod words;
