//! Layouts that the shipped patch sets do not have.

use super::{FormatOptions, format};

/// Formats, and again: the second time changes nothing.
fn formatted(text: &str) -> String {
    let once = format(text, &FormatOptions::default()).unwrap_or_else(|found| panic!("{text}: {found:?}"));
    assert_eq!(format(&once, &FormatOptions::default()).as_deref().ok(), Some(once.as_str()), "of {text}");
    once
}

#[test]
fn comments_stay_beside_and_above() {
    assert_eq!(
        formatted("// file\n\n\n\n//own\nfeature a // a\nfeature bcd// b\n// last"),
        "// file\n\n//own\nfeature a      // a\nfeature bcd    // b\n// last\n"
    );
    assert_eq!(
        formatted(
            "op a( // one\n x: u8, // two\n // three\n y: u8 // four\n // five\n) // six\n -> u8 { // seven\n\n // eight\n\n\n \
             x86 // nine\n { nop } // ten\n // eleven\n\n} // twelve\n"
        ),
        "op a(\n    // one\n    x: u8,    // two\n    // three\n    y: u8,    // four\n    // five\n) -> u8 {\n    // six\n    \
         // seven\n\n    // eight\n\n    // nine\n    x86            { nop }    // ten\n    // eleven\n} // twelve\n"
    );
}

#[test]
fn asm_on_several_lines_moves_as_a_whole() {
    assert_eq!(
        formatted("op a() {\nx86 {1:\tcmpb $0, (%rax)   # }\n\t\tje 2f\n\n\n\t  pause\n 2: }=90|  9C\n}"),
        "op a() {\n    x86 {\n        1:\tcmpb $0, (%rax)   # }\n                       je 2f\n\n                 pause\n        2:\n    \
         } = 90 | 9c\n}\n"
    );
    // What a mark of a comment or constant stands before is not joined to it.
    for asm in ["{ nop # c\n}", "{\n.ascii \"a\n}"] {
        let text = formatted(&format!("op a() {{ x86 {asm}\n}}"));
        assert!(text.contains("\n    }\n"), "{text}");
    }
    assert_eq!(formatted("op a() { x86 {\n nop\n } }"), "op a() {\n    x86            { nop }\n}\n");
}

#[test]
fn long_heads_conditions_and_bytes_are_broken() {
    let params: Vec<String> = (0..9).map(|n| format!("parameter{n}: u32")).collect();
    let text = formatted(&format!("op a({}) -> word {{ }}", params.join(",")));
    assert!(text.starts_with("op a(\n    parameter0: u32,\n") && text.ends_with("8: u32,\n) -> word {\n}\n"), "{text}");
    let condition = ["avx512vl&&avx512bw", "!(avx||sse)", "avx512_vp2intersect"].join("||").repeat(2);
    let text = formatted(&format!("op a() {{ x86 when {condition} identity {{ nop }} = 90 }}"));
    assert!(text.lines().all(|line| line.len() <= 100) && text.contains(" ||\n             "), "{text}");
    assert!(text.ends_with(" identity { nop } = 90\n}\n"), "{text}");
    let bytes = "00 ".repeat(20);
    let text = formatted(&format!("op a() {{ x86 {{ nop }} = {bytes} | {bytes} }}"));
    assert!(text.lines().all(|line| line.len() <= 120) && text.contains("00 |\n"), "{text}");
}

#[test]
fn what_would_not_survive_is_refused() {
    let found = format("op a() { op { nop } }", &FormatOptions::default()).unwrap_err();
    assert!(found.has_errors());
    let found = format("op a() {\n x86 { nop }\n", &FormatOptions::default()).unwrap_err();
    assert_eq!(found.list()[0].code, crate::diagnostics::Code::SYNTAX);
}

#[test]
fn branches_are_lines_or_blocks() {
    assert_eq!(
        formatted(
            "branch a.b=false // x\nbranch  c = true//y\n{ // z\n\n arch  x86_64,i386 // w\nlive }\nbranch d=true {}\nbranch e = false"
        ),
        "branch a.b = false    // x\n\nbranch c = true {\n    //y\n    // z\n\n    arch x86_64, i386    // w\n    live\n}\n\n\
         branch d = true {\n}\n\nbranch e = false\n"
    );
}
