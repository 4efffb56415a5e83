//! GNU as as a judge of bytes.

use std::io::Write;
use std::process::Command;

/// Assembles each text on its own (a section of its own) with `as` and returns the bytes. Fields of undefined symbols
/// hold what GNU as leaves in them.
///
/// # Panics
///
/// If GNU as is missing or refuses a text: a judge that cannot be heard is a failed test.
#[must_use]
pub fn assemble(bits: u32, texts: &[&str]) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("rows.s");
    let object = dir.path().join("rows.o");
    let mut file = std::fs::File::create(&source).unwrap();
    for (index, text) in texts.iter().enumerate() {
        writeln!(file, ".section .row{index},\"ax\",@progbits\n{text}").unwrap();
    }
    drop(file);
    let output = Command::new("as")
        .arg(format!("--{bits}"))
        .arg("-o")
        .args([&object, &source])
        .output()
        .expect("GNU as (Debian package binutils) must be installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data = std::fs::read(&object).unwrap();
    let object = object::File::parse(&*data).unwrap();
    use object::{Object, ObjectSection};
    (0..texts.len())
        .map(|index| {
            let section = object.section_by_name(&format!(".row{index}")).expect("every row has its section");
            section.data().unwrap().to_vec()
        })
        .collect()
}
