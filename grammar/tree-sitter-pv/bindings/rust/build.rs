//! Compiles the generated parser.

fn main() {
    let src = std::path::Path::new("src");
    cc::Build::new().std("c11").include(src).file(src.join("parser.c")).warnings(false).compile("tree-sitter-pv");
    println!("cargo:rerun-if-changed=src/parser.c");
}
