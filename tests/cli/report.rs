//! How findings are shown and mended: `--message-format`, levels, `pvc explain`, `pvc check --fix`.

use super::{files, pvc, root, stderr, stdout};
use std::fs;

/// Two findings with a fix, one without, and a warning that stands in a file of its own.
const FAULTY: &str = "patchset demo { arch x86_64 }\n\
                      op irq.disable() {\n    clobbers barrier\n    x86_64 { cli } = fb\n}\n\
                      op ä() {\n    x86_64 { nop }\n}\n\
                      op cpu.relax() {\n    clobbers rdx\n    x86_64 { pause; xor %eax, %eax }\n}\n";
const WARNED: &str = "patchset demo { arch x86_64 }\nfeature xenpv\n";

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
    assert_eq!(code(&["-Dwarnings", "-APV0504,pv0208"]).0, Some(0));
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
