//! `pvc test`.

use super::*;

#[test]
fn rows_are_run_on_this_cpu() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("a.pv"),
        "patchset demo { arch x86_64 }\n\
         op halve(x: word) -> half: word {\n    clobbers flags\n    site inline\n\
         \x20   x86_64 when fsgsbase { mov {x}, {half}; shr $1, {half} }\n\
         \x20   x86_64 { mov {x}, {half}; shr $1, {half} }\n}\n\
         op irq.disable() {\n    clobbers barrier\n    x86_64 { cli }\n}\n",
    )
    .unwrap();
    let good = pvc(dir.path(), &["test", "a.pv", "--states", "500"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    let text = stdout(&good);
    assert!(text.contains("halve x86_64 row 2 (mov %rdi,%rax; shr $1,%rax): ok, 500 states\n"), "{text}");
    assert!(text.contains("irq.disable x86_64 row 1 (cli): not run: `cli` is privileged\n"), "{text}");
    assert!(text.ends_with("a.pv: 2 rows keep their contract, 0 do not, 1 cannot run here\n"), "{text}");

    // The second row is changed to the arithmetic shift, which the checks cannot tell from the other.
    let changed = fs::read_to_string(dir.path().join("a.pv")).unwrap();
    let at = changed.rfind("shr").unwrap();
    fs::write(dir.path().join("b.pv"), format!("{}sar{}", &changed[..at], &changed[at + 3..])).unwrap();
    assert_eq!(pvc(dir.path(), &["check", "b.pv"]).status.code(), Some(0));
    let bad = pvc(dir.path(), &["test", "-q", "b.pv", "--states", "500"]);
    assert_eq!(bad.status.code(), Some(1));
    let text = stdout(&bad);
    assert!(
        text.starts_with("halve x86_64 row 2") && text.contains("FAILED: differs from row 1: from x = 0x"),
        "{text}"
    );
    assert_eq!(text, stdout(&pvc(dir.path(), &["test", "-q", "b.pv", "--states", "500"])));

    assert_eq!(pvc(dir.path(), &["test", "none.pv"]).status.code(), Some(2));
    assert_eq!(pvc(dir.path(), &["test", "a.pv", "--states", "0"]).status.code(), Some(2));
}
