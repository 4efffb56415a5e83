//! `pvc fmt`.

use super::{GOOD, files, pvc, pvc_with_input, stderr, stdout};
use std::fs;

/// The same set as [`GOOD`], as the formatter writes it.
const FORMATTED: &str = "patchset demo { arch x86_64 }\n\n\
                         op irq.disable() {\n    clobbers barrier\n    x86_64         { cli }                          = fa\n}\n";

#[test]
fn writes_only_what_changes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("set.pv");
    fs::write(&file, GOOD).unwrap();
    let check = pvc(dir.path(), &["fmt", "--check", "set.pv"]);
    assert_eq!((check.status.code(), stdout(&check).as_str()), (Some(1), "set.pv\n"));
    assert_eq!(fs::read_to_string(&file).unwrap(), GOOD, "--check writes nothing");
    let diff = pvc(dir.path(), &["fmt", "--diff", "set.pv"]);
    assert_eq!(diff.status.code(), Some(1));
    assert!(stdout(&diff).contains("\n-    x86_64 { cli } = fa\n+    x86_64         { cli }"), "{}", stdout(&diff));
    assert_eq!(fs::read_to_string(&file).unwrap(), GOOD, "--diff writes nothing");
    assert!(pvc(dir.path(), &["fmt", "set.pv"]).status.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), FORMATTED);
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    assert!(pvc(dir.path(), &["fmt", "set.pv"]).status.success());
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "nothing is left to do");
    let check = pvc(dir.path(), &["fmt", "--check", "--diff", "set.pv"]);
    assert_eq!((check.status.code(), stdout(&check).as_str()), (Some(0), ""));
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let output = pvc_with_input(&["fmt", "-"], GOOD.as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), FORMATTED);
    let windows = pvc_with_input(&["fmt", "-"], GOOD.replace('\n', "\r\n").as_bytes());
    assert_eq!(stdout(&windows), FORMATTED.replace('\n', "\r\n"), "line ends stay");
}

#[test]
fn a_file_with_mistakes_is_left_alone_and_the_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let bad = "patchset demo { arch x86_64 }\nop a() {\n  x86_64 { nop\n";
    fs::write(dir.path().join("bad.pv"), bad).unwrap();
    fs::write(dir.path().join("latin.pv"), b"// \xff\n").unwrap();
    fs::write(dir.path().join("good.pv"), GOOD).unwrap();
    let output = pvc(dir.path(), &["fmt", "bad.pv", "latin.pv", "good.pv"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    for words in ["PV0101", "bad.pv:2", "bad.pv was left as it is", "latin.pv is not UTF-8 at byte 3"] {
        assert!(message.contains(words), "no `{words}` in {message}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("bad.pv")).unwrap(), bad);
    assert_eq!(fs::read_to_string(dir.path().join("good.pv")).unwrap(), FORMATTED);
    assert_eq!(pvc(dir.path(), &["fmt", "missing.pv"]).status.code(), Some(2));
    assert_eq!(pvc(dir.path(), &["fmt"]).status.code(), Some(2));
}

#[test]
fn names_and_asm_may_be_wrong() {
    let text = "op a(x: nonsense) {\n    clobbers cc\n    z80            { bogus }\n}\n";
    let output = pvc_with_input(&["fmt", "-"], text.as_bytes());
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), text));
}

#[test]
fn bytes_are_written_and_refreshed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("set.pv");
    fs::write(
        &file,
        "patchset demo { arch x86_64, i386 }\ninclude \"more.pv\"\nop irq.restore(flags: word) {\n\
         clobbers flags, if, df, ac, barrier\ni386, x86_64 { push {flags}; popf } = 57 9d\nx86 when avx { nop } // 1\n}\n",
    )
    .unwrap();
    fs::write(dir.path().join("more.pv"), "op irq.off() {\n    clobbers barrier\n    x86 { cli }\n}\n").unwrap();
    let more = fs::read(dir.path().join("more.pv")).unwrap();
    let output = pvc(dir.path(), &["fmt", "--bytes", "set.pv"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\n    i386, x86_64   { push {flags}; popf }           = 50 9d | 57 9d\n"), "{text}");
    assert!(text.contains("\n    x86 when avx   { nop }                          = 90    // 1\n"), "{text}");
    assert_eq!(fs::read(dir.path().join("more.pv")).unwrap(), more, "only the files that are named are written");

    let broken = text.replace("popf", "poqf");
    fs::write(&file, &broken).unwrap();
    let output = pvc(dir.path(), &["fmt", "--bytes", "set.pv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("PV0301"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(&file).unwrap(), broken, "what cannot be assembled is left as it is");
    assert_eq!(pvc(dir.path(), &["fmt", "--bytes", "more.pv"]).status.code(), Some(1), "a part is no set");
}

#[cfg(unix)]
#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("set.pv");
    fs::write(&file, GOOD).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("set.pv", dir.path().join("link.pv")).unwrap();
    assert!(pvc(dir.path(), &["fmt", "link.pv"]).status.success());
    assert!(fs::symlink_metadata(dir.path().join("link.pv")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), FORMATTED);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}
