//! The Neovim files, in Neovim: file type, parser, queries, start of the server.

use crate::fixtures::{paths, root, run, scratch};
use std::process::Command;

#[test]
fn neovim_colours_by_tree_sitter_and_starts_the_server() {
    let out = scratch();
    let parser = out.path().join("parser");
    std::fs::create_dir(&parser).expect("a directory");
    let src = root().join("grammar/tree-sitter-pv/src");
    run(Command::new("gcc")
        .args(["-shared", "-fPIC", "-O1", "-std=c11", "-o"])
        .arg(parser.join("pv.so"))
        .arg("-I")
        .args([&src, &src.join("parser.c")]));
    run(Command::new("nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE", "-n", "-S", "tests/editors/check.lua"])
        .args(paths())
        .env("PV_OUT", out.path()));
}
