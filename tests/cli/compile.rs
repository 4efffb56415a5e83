//! `pvc compile` and `pvc check`.

use super::{GOOD, files, pvc, root, stderr};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `pvc compile` on bad text beside outputs of an earlier run: it must fail with that status, say each of the
/// words, and leave the outputs as they were.
fn refused(name: &str, text: &[u8], words: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("set.pv"), GOOD).unwrap();
    assert!(pvc(dir.path(), &["compile", "set.pv"]).status.success());
    fs::write(dir.path().join("set.pv"), text).unwrap();
    let before = files(dir.path());
    let output = pvc(dir.path(), &["compile", "set.pv"]);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{name}: {message}");
    for word in words {
        assert!(message.contains(word), "{name}: no `{word}` in: {message}");
    }
    assert!(!message.contains("panicked"), "{name}: {message}");
    assert!(message.len() < 1 << 20, "{name}: {} bytes of messages", message.len());
    assert_eq!(files(dir.path()), before, "{name}: the old outputs are intact");
}

#[test]
fn compiles_without_a_flag_and_rewrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("patchsets");
    fs::create_dir(&copy).unwrap();
    fs::copy(root().join("patchsets/x86_64.pv"), copy.join("x86_64.pv")).unwrap();
    let first = pvc(dir.path(), &["compile", "patchsets/x86_64.pv"]);
    assert!(first.status.success(), "{}", stderr(&first));
    assert_eq!(
        String::from_utf8(first.stdout).unwrap(),
        "generated/paravirt.h\ngenerated/paravirt.c\ngenerated/paravirt.rs\ngenerated/paravirt.S\n\
         generated/paravirt.json\n"
    );
    let times = |dir: &Path| -> Vec<_> {
        files(dir).iter().map(|(name, _)| fs::metadata(dir.join(name)).unwrap().modified().unwrap()).collect()
    };
    let before = times(dir.path());
    let second = pvc(dir.path(), &["compile", "patchsets/x86_64.pv"]);
    assert!(String::from_utf8(second.stdout).unwrap().lines().all(|line| line.ends_with(" (unchanged)")));
    assert_eq!(times(dir.path()), before, "a second run rewrites nothing");

    // From another directory, under another path: the same bytes.
    let elsewhere = tempfile::tempdir().unwrap();
    let path = copy.join("x86_64.pv");
    assert!(pvc(elsewhere.path(), &["compile", path.to_str().unwrap(), "-o", "out"]).status.success());
    assert_eq!(files(&elsewhere.path().join("out")), files(&dir.path().join("generated")));
}

#[test]
fn json_on_standard_output_keeps_its_contract() {
    let output = pvc(&root(), &["compile", "patchsets/x86_64.pv", "--emit", "json=-"]);
    assert!(output.status.success());
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["format_version"], 1);
    assert_eq!(json["patchset"], "paravirt");
    let ops = json["ops"].as_array().unwrap();
    assert_eq!(ops.len(), 14);
    let sysret = ops.iter().find(|op| op["name"] == "cpu.usergs_sysret64").unwrap();
    let row = &sysret["rows"][0];
    assert_eq!(row["arch"], "x86_64");
    assert_eq!(row["asm"], "swapgs; sysretq");
    assert_eq!(row["bytes"], "0f01f8480f07");
    assert_eq!(row["len"], 6);
    assert_eq!(row["when"], serde_json::Value::Null);
    let source = fs::read_to_string(root().join("patchsets/x86_64.pv")).unwrap();
    let line = row["line"].as_u64().unwrap() as usize;
    assert!(source.lines().nth(line - 1).unwrap().contains("swapgs; sysretq"));
    assert_eq!(row["sites"], serde_json::json!([{ "kind": "jmp.mem", "len": 6, "slack": 0 }]));
}

#[test]
fn check_finds_stale_and_missing_files() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("set.pv"), GOOD).unwrap();
    assert_eq!(pvc(dir.path(), &["compile", "--check", "set.pv"]).status.code(), Some(1), "nothing is there yet");
    assert_eq!(files(dir.path()).len(), 1, "--check writes nothing");
    assert!(pvc(dir.path(), &["compile", "set.pv"]).status.success());
    assert!(pvc(dir.path(), &["compile", "--check", "set.pv"]).status.success());
    fs::write(dir.path().join("generated/demo.c"), "changed by hand").unwrap();
    let output = pvc(dir.path(), &["compile", "--check", "set.pv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("generated/demo.c is stale"), "{}", stderr(&output));
}

#[test]
fn depfile_names_every_source() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("set.pv"), format!("include \"more.pv\"\n{GOOD}")).unwrap();
    fs::write(dir.path().join("more.pv"), "op irq.enable() {\n    clobbers barrier\n    x86_64 { sti }\n}\n").unwrap();
    let output = pvc(dir.path(), &["compile", "set.pv", "--emit", "c", "--depfile", "demo.d"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        fs::read_to_string(dir.path().join("demo.d")).unwrap(),
        "generated/demo.h generated/demo.c: \\\n  set.pv \\\n  more.pv\n\nmore.pv:\n"
    );
}

#[test]
fn bad_text_is_refused_and_old_outputs_stay() {
    refused("broken UTF-8", b"patchset demo { arch x86_64 }\n// \xff\xfe\n", &["PV0102", "UTF-8"]);
    refused("an empty file", b"", &["PV0105"]);
    refused("an unclosed brace", b"patchset demo { arch x86_64 }\nop irq.disable() {\n    x86_64 { cli }\n", &["PV0"]);
    refused("a brace too many", format!("{GOOD}\n}}\n").as_bytes(), &["PV0"]);
    refused("only braces", "{".repeat(100_000).as_bytes(), &["PV0"]);
    refused(
        "deep parentheses",
        format!("{GOOD}op a.b() {{ x86_64 when {}a {{ cli }} }}\n", "(".repeat(100_000)).as_bytes(),
        &["PV0"],
    );
    refused("a file that includes itself", format!("{GOOD}include \"set.pv\"\n").as_bytes(), &["PV0104", "set.pv"]);
    refused("a missing include", format!("{GOOD}include \"no.pv\"\n").as_bytes(), &["PV0104", "no.pv"]);
    refused(
        "an op named like a keyword of C",
        b"patchset demo { arch x86_64 }\nop int() { clobbers barrier\n x86_64 { cli } }\n",
        &["PV0203", "int"],
    );
    refused("wrong bytes", GOOD.replace("= fa", "= fb").as_bytes(), &["PV0303", "fa", "fb", "sti"]);
}

#[test]
fn a_hundred_megabytes_of_one_line_are_refused() {
    let mut text = b"patchset demo { arch x86_64 } //".to_vec();
    text.resize(100 << 20, b'x');
    refused("100 MB of one line", &text, &["PV0103"]);
    let mut text = GOOD.as_bytes().to_vec();
    text.resize(60 << 20, b'(');
    refused("60 MB of parentheses", &text, &["PV01"]);
}

#[test]
fn wrong_usage_is_status_2() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("set.pv"), GOOD).unwrap();
    for args in [
        &["compile", "missing.pv"][..],
        &["compile", "."],
        &["compile"],
        &["compile", "set.pv", "--emit", "pdf"],
        &["compile", "set.pv", "--emit", "json=a,rust=a"],
    ] {
        let output = pvc(dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    }
    assert_eq!(files(dir.path()).len(), 1);
}

/// Mounts a small tmpfs in a mount namespace of its own, where that takes no privilege (user namespaces) or the test
/// is root, and runs a script in it.
fn in_tmpfs(dir: &Path, options: &str, script: &str) -> Output {
    let script = format!("set -e; mount -t tmpfs -o {options} none {0}/fs; cd {0}; {script}", dir.display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "--user", "--map-root-user", "sh", "-c", &script]).env("PVC", env!("CARGO_BIN_EXE_pvc"));
    let output = command.output().expect("unshare (Debian package util-linux) must be installed");
    if output.status.code() == Some(1) && stderr(&output).contains("unshare") {
        // No user namespaces here: as root a mount namespace alone does.
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).env("PVC", env!("CARGO_BIN_EXE_pvc"));
        return command.output().unwrap();
    }
    output
}

#[test]
fn a_full_disk_leaves_the_old_outputs() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("fs")).unwrap();
    fs::write(dir.path().join("small.pv"), GOOD).unwrap();
    fs::copy(root().join("patchsets/x86_64.pv"), dir.path().join("large.pv")).unwrap();
    // Room for the small set's outputs; then the rest is filled, and a larger set of the same name does not fit.
    let output = in_tmpfs(
        dir.path(),
        "size=256k",
        "sed -i 's/patchset paravirt/patchset demo/' large.pv
         $PVC compile -q small.pv -o fs/out
         cksum fs/out/* > before
         if dd if=/dev/zero of=fs/fill bs=4k 2>/dev/null; then echo 'the disk is not full' >&2; exit 3; fi
         status=0; $PVC compile -q large.pv -o fs/out || status=$?
         cksum fs/out/* > after
         cmp before after
         test -z \"$(find fs -name '.pvc-*')\"
         exit $status",
    );
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("No space left"), "{}", stderr(&output));
}

#[test]
fn a_read_only_file_system_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("fs")).unwrap();
    fs::write(dir.path().join("set.pv"), GOOD).unwrap();
    let output = in_tmpfs(
        dir.path(),
        "size=256k",
        "mount -o remount,ro fs; status=0; $PVC compile -q set.pv -o fs || status=$?; exit $status",
    );
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("Read-only file system"), "{}", stderr(&output));
    assert!(stderr(&output).contains("fs/demo.h"), "{}", stderr(&output));
}

#[test]
fn names_that_are_keywords_in_one_language_work_in_the_outputs() {
    // `irq.type` is a field `irq_type` in C and a raw identifier in Rust; the generated code is compiled elsewhere.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("set.pv"), GOOD.replace("irq.disable", "irq.type")).unwrap();
    let output = pvc(dir.path(), &["compile", "set.pv"]);
    assert!(output.status.success(), "{}", stderr(&output));
}
