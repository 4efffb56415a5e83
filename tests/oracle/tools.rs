//! GNU as and llvm-mc, a batch of lines at a time.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};

/// What an assembler made of one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Bytes(Vec<u8>),
    /// Bytes, and a warning.
    Warned(Vec<u8>),
    Rejected(String),
}

impl Verdict {
    /// The bytes, if there are any.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Verdict::Bytes(bytes) | Verdict::Warned(bytes) => Some(bytes),
            Verdict::Rejected(_) => None,
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.bytes().filter_map(|byte| (byte as char).to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// GNU as. It must be installed: without the judge there is no test.
pub(crate) fn gnu_as(lines: &[String], bits: u32, intel: bool) -> Vec<Verdict> {
    lines.chunks(4000).flat_map(|chunk| gnu_as_without_crash(chunk, bits, intel)).collect()
}

/// Some texts crash GNU as 2.40; such a line counts as rejected.
fn gnu_as_without_crash(lines: &[String], bits: u32, intel: bool) -> Vec<Verdict> {
    let mut lines = lines.to_vec();
    let mut crashed = Vec::new();
    loop {
        match gnu_as_once(&lines, bits, intel) {
            Ok(mut verdicts) => {
                for i in crashed {
                    verdicts[i] = Verdict::Rejected("GNU as crashed".into());
                }
                return verdicts;
            }
            Err(line) => {
                assert!(crashed.len() < 200, "GNU as crashes all the time");
                lines[line] = "nop".into();
                crashed.push(line);
            }
        }
    }
}

/// One run; the number of the line that crashed it, if one did.
fn gnu_as_once(lines: &[String], bits: u32, intel: bool) -> Result<Vec<Verdict>, usize> {
    let dir = tempfile::tempdir().expect("scratch directory");
    let source = dir.path().join("t.s");
    let listing = dir.path().join("listing");
    let mut text = String::new();
    if bits == 16 {
        text.push_str(".code16;");
    }
    if intel {
        text.push_str(".intel_syntax noprefix;");
    }
    text.push('\n');
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    std::fs::write(&source, text).expect("writing the source");
    // -Z goes on after errors, so that one run judges all lines.
    let output = Command::new("as")
        .arg(if bits == 64 { "--64" } else { "--32" })
        .args(["-Z", "--listing-lhs-width=16", "--listing-lhs-width2=16", "--listing-cont-lines=100"])
        .arg(format!("-al={}", listing.display()))
        .arg("-o")
        .arg(dir.path().join("t.o"))
        .arg(&source)
        .output()
        .expect("GNU as (`as`, package binutils) must be installed");
    let mut errors: HashMap<usize, String> = HashMap::new();
    let mut warnings: HashMap<usize, String> = HashMap::new();
    let stderr = String::from_utf8_lossy(&output.stderr);
    if let Some(message) = stderr.lines().find(|line| line.contains("Internal error")) {
        let number = message
            .split_once("t.s:")
            .and_then(|(_, rest)| rest.split(':').next())
            .and_then(|number| number.parse::<usize>().ok());
        return Err(number.unwrap_or_else(|| panic!("GNU as crashed: {message}")) - 2);
    }
    for message in stderr.lines() {
        let Some(rest) = message.split_once("t.s:").map(|(_, rest)| rest) else { continue };
        let Some((number, rest)) = rest.split_once(": ") else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        if let Some(text) = rest.strip_prefix("Error: ") {
            errors.entry(number).or_insert_with(|| text.to_string());
        } else if let Some(text) = rest.strip_prefix("Warning: ") {
            warnings.entry(number).or_insert_with(|| text.to_string());
        }
    }
    // A line of the listing: number, offset, groups of hex digits, a tab, the text.
    let mut bytes: HashMap<usize, Vec<u8>> = HashMap::new();
    let listing = std::fs::read(&listing).unwrap_or_else(|_| panic!("GNU as left no listing: {stderr}"));
    for line in String::from_utf8_lossy(&listing).lines() {
        if line.starts_with("****") {
            continue;
        }
        let left = line.split('\t').next().unwrap_or("");
        let mut words = left.split_whitespace();
        let Some(Ok(number)) = words.next().map(str::parse::<usize>) else { continue };
        let rest: Vec<&str> = words.collect();
        let is_offset = |word: &str| {
            word.len() == 4
                && word.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase() || byte == b'?')
        };
        let groups = match rest.first() {
            // Continuation lines have no offset; their first column is 16 bytes wide.
            Some(first) if line.get(..12).is_some_and(|head| head.trim().len() > 4) && is_offset(first) => &rest[1..],
            _ => &rest[..],
        };
        let text: String = groups
            .iter()
            .take_while(|word| word.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)))
            .copied()
            .collect();
        bytes.entry(number).or_default().extend(hex(&text));
    }
    let verdicts = (0..lines.len())
        .map(|i| {
            // The first line is the preamble, and lines count from 1.
            let number = i + 2;
            if let Some(message) = errors.get(&number) {
                return Verdict::Rejected(message.clone());
            }
            let bytes = bytes.remove(&number).unwrap_or_default();
            if warnings.contains_key(&number) { Verdict::Warned(bytes) } else { Verdict::Bytes(bytes) }
        })
        .collect();
    Ok(verdicts)
}

/// llvm-mc 19. It must be installed.
pub(crate) fn llvm_mc(lines: &[String], bits: u32, intel: bool) -> Vec<Verdict> {
    let triple = match bits {
        16 => "i386-unknown-linux-code16",
        32 => "i386-unknown-linux",
        _ => "x86_64-unknown-linux",
    };
    let mut text = String::new();
    if intel {
        text.push_str(".intel_syntax noprefix\n");
    }
    for (i, line) in lines.iter().enumerate() {
        text.push_str(&format!("line_{i}_:\n{line}\n"));
    }
    let mut child = Command::new("llvm-mc-19")
        .args(["--show-encoding", "--triple", triple])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("llvm-mc-19 (package llvm-19) must be installed");
    let mut stdin = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || {
        // llvm-mc may stop reading; its output says the rest.
        let _ = stdin.write_all(text.as_bytes());
    });
    let output = child.wait_with_output().expect("llvm-mc-19 must run");
    let _ = writer.join();
    let mut verdicts = vec![Verdict::Rejected("llvm-mc has no encoding".into()); lines.len()];
    let mut current = None;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(number) = line.strip_prefix("line_").and_then(|rest| rest.strip_suffix("_:")) {
            current = number.parse::<usize>().ok();
            continue;
        }
        let Some((_, list)) = line.split_once("encoding: [") else { continue };
        let Some(i) = current else { continue };
        let list = list.split(']').next().unwrap_or("");
        // A fixup's bytes are letters, some with the bits that the opcode has there.
        let bytes: Vec<u8> = list
            .split(',')
            .map(|byte| u8::from_str_radix(byte.trim().trim_start_matches("0x"), 16).unwrap_or(0))
            .collect();
        match &mut verdicts[i] {
            Verdict::Bytes(all) => all.extend(bytes),
            other => *other = Verdict::Bytes(bytes),
        }
    }
    verdicts
}
