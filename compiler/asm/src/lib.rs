//! Text assembler.
