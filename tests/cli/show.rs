//! `pvc show`.

use super::{pvc, root, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SPECIAL: &str = "//! A <b>set</b> & \"more\" in `x < y`.\npatchset demo { arch x86_64, i386 }\nfeature fast\n\
    /// Less < more, one ` backtick <script>alert(1)</script>\n\
    op a.very_long_name(value: word, other: ptr) -> result: word {\n    site inline\n    clobbers flags, memory\n    \
    x86_64 when fast && !(avx2 || bmi1 && fsgsbase) || !fast && sse4_2 && popcnt \
    { incl \"a<b>&\"(%rip); addl $1, ({other}); lea ({value},{other},8), {result} }\n    \
    x86_64 { mov {value}, {result} }\n}\n\
    op hook() {\n    partial\n    default outside\n    clobbers caller_saved\n    site call.mem, nop(8)\n    \
    x86 when fast { call outside }\n}\nbranch b.c = true\n";

fn show(dir: &Path, args: &[&str]) -> String {
    let output = pvc(dir, &[&["show"], args].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// The rows of a set as the JSON output has them.
fn rows(dir: &Path, file: &str) -> Vec<Value> {
    let output = pvc(dir, &["compile", file, "--emit", "json=-"]);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    json["ops"].as_array().unwrap().iter().flat_map(|op| op["rows"].as_array().unwrap().clone()).collect()
}

#[test]
fn text_fits_a_mail() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("special.pv"), SPECIAL).unwrap();
    for (dir, file) in
        [(root(), "patchsets/x86_64.pv"), (root(), "patchsets/userspace.pv"), (dir.path().into(), "special.pv")]
    {
        let text = show(&dir, &[file]);
        assert!(text.lines().all(|line| line.chars().count() <= 120 && line.trim_end() == line), "{text}");
        let words: String = text.split_whitespace().collect();
        for row in rows(&dir, file) {
            assert!(words.contains(row["bytes"].as_str().unwrap()) || row["len"].as_u64() > Some(8), "{row}\n{text}");
        }
    }
    let text = show(dir.path(), &["special.pv"]);
    assert!(text.starts_with("demo: 2 ops, 4 rows, 1 branch on x86_64 and i386, abi kernel\n\nop "), "{text}");
    assert!(text.contains("  e8 ?? ?? ?? ??           call.mem  5/6    1      caller_saved\n"), "{text}");
    assert!(text.contains("  nop(8)    5/8    3\n"), "{text}");
    let branches = "\n\nbranch b.c = true on x86_64 and i386\n\
                    each site of a branch: 66 90 (jumps: eb ??) or 0f 1f 44 00 00 (jumps: e9 ?? ?? ?? ??)\n";
    assert!(text.ends_with(branches), "{text}");
    assert!(text.contains("  else            calls outside\n"), "{text}");
}

/// Walks the tags of a page: each that is opened is closed, in order; returns the text between them.
fn well_formed(page: &str) -> String {
    const VOID: [&str; 3] = ["meta", "col", "!DOCTYPE"];
    let (style, rest) = (page.find("<style>").unwrap(), page.find("</style>").unwrap());
    let page = format!("{}{}", &page[..style], &page[rest + "</style>".len()..]);
    let mut open: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut rest = page.as_str();
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        let end = at + rest[at..].find('>').expect("a tag ends");
        let tag = &rest[at + 1..end];
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap().to_owned();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "before {}", &rest[at..]);
        } else if !VOID.contains(&name.as_str()) {
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "`{name}` is no tag");
            assert_ne!(name, "script");
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert_eq!(open, Vec::<String>::new());
    text.push_str(rest);
    let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#"];
    for (at, _) in text.match_indices('&') {
        assert!(entities.iter().any(|entity| text[at..].starts_with(entity)), "{}", &text[at..]);
    }
    text
}

#[test]
fn the_page_is_whole_and_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("special.pv"), SPECIAL).unwrap();
    for (dir, file) in
        [(root(), "patchsets/x86_64.pv"), (root(), "patchsets/userspace.pv"), (dir.path().into(), "special.pv")]
    {
        let page = show(&dir, &["--html", file]);
        assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"));
        let text = well_formed(&page);
        for outside in ["http:", "https:", "src=", "@import", "url("] {
            assert!(!page.contains(outside), "`{outside}` leads out of the page");
        }
        assert!(page.contains("prefers-color-scheme: dark"));
        // Bytes are searched as they are read, with a space between them.
        let bytes: Vec<String> = rows(&dir, file).iter().map(|row| spaced(row["bytes"].as_str().unwrap())).collect();
        for bytes in bytes {
            assert!(text.contains(&bytes), "no `{bytes}` in the text of the page");
            assert!(page.contains(&format!("title=\"{bytes}\"")));
        }
        let targets: Vec<&str> = page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert!(targets.len() > 5);
        for target in targets {
            assert_eq!(page.matches(&format!(" id=\"{target}\"")).count(), 1, "the target of #{target}");
        }
    }
    let page = show(dir.path(), &["--html", "special.pv"]);
    assert!(page.contains("A &#60;b&#62;set") || page.contains("A &lt;b&gt;set"), "{page}");
    assert!(page.contains("<p class=\"mono\">b.c = true on x86_64 and i386</p>"), "{page}");
    assert!(page.contains("<code>x ") && page.contains("one ` backtick "), "{page}");
}

fn spaced(hex: &str) -> String {
    hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_faulty_set_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.pv"), "patchset demo { arch x86_64 }\nop a() { x86_64 { cli } }\n").unwrap();
    let output = pvc(dir.path(), &["show", "bad.pv"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(stderr(&output).contains("PV0502"), "{}", stderr(&output));
    assert_eq!(pvc(dir.path(), &["show", "missing.pv"]).status.code(), Some(2));
}
