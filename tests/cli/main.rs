//! The `pvc` command as its users meet it: outputs, exit status, and bad input.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const GOOD: &str = "patchset demo { arch x86_64 }\n\
                    op irq.disable() {\n    clobbers barrier\n    x86_64 { cli } = fa\n}\n";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pvc(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pvc")).current_dir(dir).args(args).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The files below a directory with their contents.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_path_buf()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

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

/// Runs `pvc` with that standard input.
fn pvc_with_input(args: &[&str], input: &[u8]) -> Output {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new(env!("CARGO_BIN_EXE_pvc"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn asm_prints_a_listing_or_a_line_for_each_line() {
    let block = pvc_with_input(&["asm"], b"pushf; pop %rax\njmp 1f\n1: ret\n");
    assert!(block.status.success(), "{}", stderr(&block));
    let listing = String::from_utf8(block.stdout).unwrap();
    assert!(listing.starts_with("0000  9c"), "{listing}");
    assert!(listing.contains("0002  eb 00"), "{listing}");

    let lines =
        pvc_with_input(&["asm", "--lines", "--arch", "i386", "-"], b"push %eax; popf\nbogus\n\nmov %cr3, %eax\n");
    assert_eq!(lines.status.code(), Some(1), "one line failed");
    let lines = String::from_utf8(lines.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((lines[0], lines[2], lines[3]), ("509d", "", "0f20d8"));
    assert!(lines[1].starts_with("error: "), "{}", lines[1]);

    let intel = pvc_with_input(&["asm", "--lines", "--syntax", "intel"], b"mov rax, cr3\n");
    assert_eq!(String::from_utf8(intel.stdout).unwrap(), "0f20d8\n");
    let real = pvc_with_input(&["asm", "--lines", "--arch", "i8086"], b"mov %cr0, %eax\nmov $1, %ax\n");
    assert_eq!(String::from_utf8(real.stdout).unwrap(), "0f20c0\nb80100\n");
    let refused = pvc_with_input(&["asm"], b"mov %eax, %rbx\n");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("standard input:1"), "{}", stderr(&refused));
}

#[test]
fn dis_is_the_inverse() {
    let text = pvc_with_input(&["dis"], b"0f 01 f8 48 0f 07");
    assert_eq!(String::from_utf8(text.stdout).unwrap(), "swapgs\nsysretq\n");
    let raw = pvc_with_input(&["dis", "--raw", "--arch", "i386"], &[0x50, 0x9d]);
    assert_eq!(String::from_utf8(raw.stdout).unwrap(), "push %eax\npopf\n");
    let odd = pvc_with_input(&["dis"], b"0f0");
    assert_eq!(odd.status.code(), Some(1), "{}", stderr(&odd));
}

/// Two findings with a fix, one without, and a warning that stands in a file of its own.
const FAULTY: &str = "patchset demo { arch x86_64 }\n\
                      op irq.disable() {\n    clobbers barrier\n    x86_64 { cli } = fb\n}\n\
                      op ä() {\n    x86_64 { nop }\n}\n\
                      op cpu.relax() {\n    clobbers rdx\n    x86_64 { pause; xor %eax, %eax }\n}\n";
const WARNED: &str = "patchset demo { arch x86_64 }\nfeature xenpv\n";

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A directory with the faulty and the warned set.
fn faulty() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bad.pv"), FAULTY).unwrap();
    fs::write(dir.path().join("warned.pv"), WARNED).unwrap();
    dir
}

#[test]
fn short_messages_are_one_line_each() {
    let dir = faulty();
    let output = pvc(dir.path(), &["check", "--message-format", "short", "bad.pv", "warned.pv"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    let lines = stderr(&output);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(
        lines[0],
        "bad.pv:4:22: error[PV0303]: the bytes beside this row of `irq.disable` are not those of its asm on x86_64"
    );
    assert!(
        lines.iter().all(|line| line.starts_with("bad.pv:") || line.starts_with("warned.pv:2:9: warning[PV0208]: ")),
        "{lines:?}"
    );
}

#[test]
fn json_messages_have_the_shape_of_rustc() {
    let dir = faulty();
    let output = pvc(dir.path(), &["check", "--message-format", "json", "bad.pv"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "");
    let messages: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(messages.len() >= 3, "{messages:?}");
    for message in &messages {
        assert_eq!(message["$message_type"], "diagnostic");
        let code = message["code"]["code"].as_str().unwrap();
        assert!(message["code"]["explanation"].as_str().unwrap().starts_with(&format!("# {code}: ")));
        assert!(message["rendered"].as_str().unwrap().contains(message["message"].as_str().unwrap()));
        let primary: Vec<_> =
            message["spans"].as_array().unwrap().iter().filter(|span| span["is_primary"] == true).collect();
        assert_eq!(primary.len(), 1);
        let (start, end) = (primary[0]["byte_start"].as_u64().unwrap(), primary[0]["byte_end"].as_u64().unwrap());
        let line = &primary[0]["text"][0];
        let (from, to) = (line["highlight_start"].as_u64().unwrap(), line["highlight_end"].as_u64().unwrap());
        let shown: String =
            line["text"].as_str().unwrap().chars().skip(from as usize - 1).take((to - from) as usize).collect();
        assert_eq!(&FAULTY[start as usize..end as usize], shown, "bytes and columns are the same place");
    }
    let bytes = &messages[0];
    assert_eq!((&bytes["level"], &bytes["code"]["code"]), (&"error".into(), &"PV0303".into()));
    assert_eq!(bytes["spans"][0]["file_name"], "bad.pv");
    assert_eq!((&bytes["spans"][0]["line_start"], &bytes["spans"][0]["column_start"]), (&4.into(), &22.into()));
    let help = bytes["children"].as_array().unwrap().last().unwrap();
    assert_eq!(help["level"], "help");
    assert_eq!(help["spans"][0]["suggested_replacement"], "fa");
    assert_eq!(help["spans"][0]["suggestion_applicability"], "MachineApplicable");
}

#[test]
fn messages_and_outputs_do_not_mix() {
    let dir = faulty();
    for format in ["human", "short", "json", "sarif"] {
        let output = pvc(dir.path(), &["compile", "--message-format", format, "--emit", "json=-", "warned.pv"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(json["patchset"], "demo");
        assert!(stderr(&output).contains("PV0208"), "{format}: {}", stderr(&output));
    }
    let output = pvc(dir.path(), &["compile", "--message-format", "json", "warned.pv"]);
    assert_eq!(stdout(&output).lines().count(), 1, "the files are not listed among the messages");
    assert!(dir.path().join("generated/demo.h").exists());
}

#[test]
fn sarif_is_one_log_of_all_files() {
    let dir = faulty();
    let output = pvc(dir.path(), &["check", "--message-format", "sarif", "bad.pv", "warned.pv", "missing.pv"]);
    assert_eq!(output.status.code(), Some(2));
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert!(results.len() >= 4);
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(rule["help"]["markdown"].as_str().unwrap().contains("## How to fix it"));
        let place = &result["locations"][0]["physicalLocation"];
        let artifact = &run["artifacts"][place["artifactLocation"]["index"].as_u64().unwrap() as usize];
        assert_eq!(artifact["location"]["uri"], place["artifactLocation"]["uri"]);
    }
    assert_eq!(results[0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["insertedContent"]["text"], "fa");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let said = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
    assert!(said.as_str().unwrap().contains("missing.pv"), "{said}");
}

#[test]
fn levels_change_warnings_and_nothing_else() {
    let dir = faulty();
    let code = |args: &[&str]| {
        let output = pvc(dir.path(), &[&["check", "warned.pv"], args].concat());
        (output.status.code(), stderr(&output))
    };
    assert_eq!(code(&[]).0, Some(0));
    let (status, text) = code(&["-D", "warnings"]);
    assert_eq!(status, Some(1));
    assert!(text.contains("error[PV0208]") && text.contains("`-D warnings` makes it an error"), "{text}");
    assert_eq!(code(&["--deny", "pv0208"]).0, Some(1));
    assert_eq!(code(&["-A", "PV0208"]), (Some(0), String::new()));
    assert_eq!(code(&["-D", "warnings", "-A", "PV0208"]), (Some(0), String::new()), "the last wins");
    assert_eq!(code(&["-A", "PV0208", "-D", "warnings"]).0, Some(1));
    assert_eq!(code(&["-D", "warnings", "-W", "PV0208"]).0, Some(0));
    for (args, word) in [(["-A", "PV0401"], "only warnings have a level"), (["-D", "PV0408"], "did you mean PV0402")] {
        let (status, text) = code(&args);
        assert_eq!(status, Some(2));
        assert!(text.contains(word), "{text}");
    }
    let output = pvc(dir.path(), &["compile", "-D", "warnings", "warned.pv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!dir.path().join("generated").exists(), "a denied warning keeps the outputs from being written");
}

#[test]
fn explain_shows_the_page_of_a_code() {
    let dir = tempfile::tempdir().unwrap();
    let page = pvc(dir.path(), &["explain", "pv0401"]);
    assert!(page.status.success());
    assert_eq!(stdout(&page), fs::read_to_string(root().join("compiler/explain/PV0401.md")).unwrap());
    let list = stdout(&pvc(dir.path(), &["explain"]));
    assert!(list.contains("\nPV0504  warning  a clobber that no row needs\n"), "{list}");
    assert_eq!(list.lines().count(), fs::read_dir(root().join("compiler/explain")).unwrap().count());
    let unknown = pvc(dir.path(), &["explain", "PV0499"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("did you mean PV0402"), "{}", stderr(&unknown));
}

#[test]
fn colour_follows_the_option() {
    let dir = faulty();
    let plain = pvc(dir.path(), &["check", "bad.pv"]);
    assert!(!stderr(&plain).contains('\u{1b}'), "no terminal, no colour");
    let coloured = pvc(dir.path(), &["check", "--color", "always", "bad.pv"]);
    assert!(stderr(&coloured).contains("\u{1b}["));
}

#[test]
fn fixes_are_applied_until_none_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let included = "op irq.disable() {\n    clobers rdx, rdx\n    x86_64 { cli } = fb\n}\n";
    fs::write(dir.path().join("set.pv"), "patchset demo { arch x86_64 }\nfeature xenpv\ninclude \"more.inc\"\n")
        .unwrap();
    fs::write(dir.path().join("real.inc"), included).unwrap();
    std::os::unix::fs::symlink("real.inc", dir.path().join("more.inc")).unwrap();
    let output = pvc(dir.path(), &["check", "--fix", "set.pv"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("fixed PV0303 in more.inc: write the bytes of the asm"), "{}", stderr(&output));
    assert_eq!(
        fs::read_to_string(dir.path().join("set.pv")).unwrap(),
        "patchset demo { arch x86_64 }\ninclude \"more.inc\"\n"
    );
    assert_eq!(
        fs::read_to_string(dir.path().join("real.inc")).unwrap(),
        "op irq.disable() {\n    clobbers barrier\n    x86_64 { cli } = fa\n}\n"
    );
    assert!(dir.path().join("more.inc").is_symlink(), "a link stays a link");
    let before = files(dir.path());
    let again = pvc(dir.path(), &["check", "--fix", "set.pv"]);
    assert_eq!((stderr(&again).as_str(), files(dir.path())), ("", before), "nothing is left to fix");
}

#[test]
fn what_cannot_be_fixed_is_shown_and_left() {
    let dir = tempfile::tempdir().unwrap();
    let text = "patchset demo { arch x86_64 }\nop cpu.relax() {\n    x86_64 { paus } = 90\n}\n";
    fs::write(dir.path().join("set.pv"), text).unwrap();
    let output = pvc(dir.path(), &["check", "--fix", "set.pv"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("PV0301"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(dir.path().join("set.pv")).unwrap(), text, "a guess is not applied unasked");
    let output = pvc(dir.path(), &["check", "--fix", "--unsafe-fixes", "set.pv"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(fs::read_to_string(dir.path().join("set.pv")).unwrap().contains("{ pause } = f3 90"));
}
