//! The vectors of `runtime/vectors.txt` through both runtimes: this one, and the one in C by gcc and clang. Both read the same
//! file and must answer each line, so neither can have a case that the other lacks.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod parts;

use parts::{EMPTY, STUB, row};
use pvc_runtime::live::{self, Change, LiveText, Progress};
use pvc_runtime::table::*;
use pvc_runtime::{Features, Options, Report, Set, Status, Text, apply, restore};
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::process::Command;

const NAMES: [&str; 9] =
    ["call.rel", "call.mem", "call.abs", "jmp.rel", "jmp.mem", "jmp.mem.cs", "jmp.stub", "nop", "inline"];
const BYTES: [u8; 8] = [0x48, 0x89, 0xf8, 0xb8, 1, 0, 0, 0];

const ROWS: [Row; 3] = [row(0, 3, 1), row(3, 5, 0), row(0, 3, 0)];

/// Memory that is writable already, and that no other CPU executes.
struct Plain(Progress);

fn store(address: usize, bytes: &[u8]) {
    // SAFETY: a site or stub in the arena.
    unsafe { std::ptr::copy(bytes.as_ptr(), std::ptr::with_exposed_provenance_mut(address), bytes.len()) }
}

impl Text for Plain {
    fn admit(&mut self, _: usize, _: usize) -> Result<(), i32> {
        Ok(())
    }

    fn write(&mut self, address: usize, bytes: &[u8]) {
        store(address, bytes);
    }
}

impl LiveText for Plain {
    fn admit(&mut self, _: usize, _: usize) -> Result<(), i32> {
        Ok(())
    }

    fn begin(&mut self, _: &[Change]) {}

    fn progress(&self) -> Progress {
        self.0
    }

    fn announce(&mut self, progress: Progress) {
        self.0 = progress;
    }

    fn write(&mut self, address: usize, bytes: &[u8]) -> Result<(), i32> {
        store(address, bytes);
        Ok(())
    }

    fn synchronize(&mut self) -> Result<(), i32> {
        Ok(())
    }
}

fn parse(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A table without ops and sites.
const ROWS_ALONE: Table = Table {
    nrows: 3,
    nterms: 1,
    identity_row: 2,
    rows: ROWS.as_ptr(),
    terms: &Term { all: 1, none: 0 },
    bytes: BYTES.as_ptr(),
    ..EMPTY
};

/// What a batch over the table comes to: at start or live, to patch or to restore.
fn batch(table: Table, state: &str, features: Features) -> Result<Report, Status> {
    let (live, goal) = match state.strip_prefix("live:") {
        Some(goal) => (true, goal),
        None => (false, state),
    };
    let (options, mut journal, mut text) = (Options::default(), [Change::NONE; 2], Plain(Progress::NONE));
    // SAFETY: what FORMAT.md says, it lives as long as it is used, and nothing runs the sites.
    let result = unsafe {
        let set = Set::new(table);
        match (live, goal) {
            (false, "restore") => restore(&set, options, &mut text),
            (false, _) => apply(&set, features, options, &mut text),
            (true, "restore") => live::restore(&set, options, &mut journal, &mut text),
            (true, _) => live::apply(&set, features, options, &mut journal, &mut text),
        }
    };
    result.map_err(|error| error.status)
}

fn refusal(status: Status) -> String {
    match status {
        Status::Foreign => "foreign".to_owned(),
        Status::NoCall | Status::CannotHoldCall => "nocall".to_owned(),
        Status::OutOfRange => "range".to_owned(),
        Status::BadTable => "table".to_owned(),
        Status::BadRecord => "record".to_owned(),
        Status::NotLive => "notlive".to_owned(),
        other => format!("{other:?}"),
    }
}

/// What this runtime makes of a line about an op.
fn answer(arena: &mut [u8], fields: &[&str]) -> String {
    let [name, len, flags, state, before, _] = fields else { panic!("{fields:?}") };
    let code = NAMES.iter().position(|kind| kind == name).unwrap() as u8;
    let len: u8 = len.parse().unwrap();
    let base = arena.as_mut_ptr();
    let address = base.expose_provenance();
    let at = |offset: usize| base.wrapping_add(offset).cast::<c_void>().cast_const();
    let (mut op_flags, mut site_flags) = (0, 0);
    for flag in flags.split(',') {
        match flag {
            "live" => (op_flags, site_flags) = (op_flags | OP_LIVE, site_flags | SITE_LIVE),
            "result" => op_flags |= OP_RESULT,
            "identity" => op_flags |= OP_IDENTITY,
            "opnocall" => op_flags |= OP_NOCALL,
            "nocall" => site_flags |= SITE_NOCALL,
            "-" => {}
            other => panic!("flag {other}"),
        }
    }
    let installed = match state.trim_start_matches("live:") {
        "default" | "fast" | "norow" | "restore" => at(1280),
        "backend" => at(1536),
        "nop" => at(1792),
        "identity" => at(2048),
        "far" => std::ptr::without_provenance(address ^ 1 << 40),
        other => panic!("state {other}"),
    };
    let (site, stub) = before.split_once('/').unwrap_or((before, ""));
    let has_stub = *name == "jmp.stub";
    let anchor = if has_stub { 512 + 33 } else { 256 };
    arena[256..768].fill(0xcc);
    arena[..8].copy_from_slice(&installed.addr().to_le_bytes());
    arena[512..512 + 33].copy_from_slice(&STUB);
    arena[512 + 29..512 + 33].copy_from_slice(&(256 + 5 - (512 + 33i32)).to_le_bytes());
    arena[256..256 + parse(site).len()].copy_from_slice(&parse(site));
    arena[525..525 + parse(stub).len()].copy_from_slice(&parse(stub));
    arena[64..68].copy_from_slice(&(anchor - 64i32).to_le_bytes());
    arena[68..72].copy_from_slice(&[0, 0, len, code | site_flags]);

    let op = Op {
        name: c"op".as_ptr(),
        default_fn: at(1280),
        trampoline: at(1024),
        row: 0,
        nrows: if *state == "norow" { 1 } else { 2 },
        inline_row: 1,
        plan: 0,
        nplans: 1,
        flags: op_flags,
    };
    let (mut plan, mut applied) = (Plan::new(code, len), std::ptr::null());
    let sites = at(64).cast::<Site>();
    let table = Table {
        nops: 1,
        nplans: 1,
        ops: &op,
        slots: at(0).cast(),
        identity_fn: at(2048),
        nop_fn: at(1792),
        sites,
        sites_end: sites.wrapping_add(1),
        plans: &mut plan,
        applied: &mut applied,
        ..ROWS_ALONE
    };
    let features = if state.ends_with("fast") { Features(1) } else { Features::NONE };
    match batch(table, state, features) {
        Ok(_) if has_stub => format!("{}/{}", hex(&arena[256..256 + usize::from(len)]), hex(&arena[525..531])),
        Ok(_) => hex(&arena[256..256 + usize::from(len)]),
        Err(status) => refusal(status),
    }
}

/// What this runtime makes of a line about a static branch.
fn branch_answer(arena: &mut [u8], fields: &[&str]) -> String {
    let [_, len, flags, state, before, _] = fields else { panic!("{fields:?}") };
    let len: u8 = len.parse().unwrap();
    let (mut initial, mut distance, mut index, mut branch_flags, mut record_flags) = (0, 16, 0_u16, 0, 0);
    for flag in flags.split(',') {
        match flag.split_once('=').unwrap_or((flag, "")) {
            ("false", "") => record_flags |= BRANCH_JUMPS_IF,
            ("true", "") => initial = 1,
            ("live", "") => (branch_flags, record_flags) = (branch_flags | BRANCH_LIVE, record_flags | SITE_LIVE),
            ("to", bytes) => distance = bytes.parse().unwrap(),
            ("index", number) => index = number.parse().unwrap(),
            other => panic!("flag {other:?}"),
        }
    }
    arena[256..768].fill(0xcc);
    arena[256..256 + parse(before).len()].copy_from_slice(&parse(before));
    // The record at 64: its second field is 68 bytes into the arena.
    let target = 256 + i64::from(len) + distance - 68;
    arena[64..68].copy_from_slice(&(256 - 64i32).to_le_bytes());
    arena[68..72].copy_from_slice(&i32::try_from(target).unwrap().to_le_bytes());
    arena[72..74].copy_from_slice(&index.to_le_bytes());
    arena[74..76].copy_from_slice(&[len, record_flags]);

    let branch = Branch { name: c"branch".as_ptr(), initial, flags: branch_flags, reserved: 0 };
    let wanted = match state.trim_start_matches("live:") {
        "on" => 1,
        "off" => 0,
        "restore" => initial ^ 1, // what is wanted has no say
        other => panic!("state {other}"),
    };
    let branch_state = BranchState::new(wanted);
    let sites = arena.as_ptr().wrapping_add(64).cast::<BranchSite>();
    let table = Table {
        nbranches: 1,
        branches: &branch,
        branch_sites: sites,
        branch_sites_end: sites.wrapping_add(1),
        branch_states: &branch_state,
        ..ROWS_ALONE
    };
    match batch(table, state, Features::NONE) {
        Ok(_) => hex(&arena[256..256 + usize::from(len)]),
        Err(status) => refusal(status),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn vectors() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("vectors.txt")).unwrap();
    let lines: Vec<String> = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert!(lines.len() > 200, "{} vectors", lines.len());
    lines
}

#[test]
fn rust() {
    let mut arena = vec![0u8; 8192];
    for line in vectors() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let answer = if fields[0] == "branch" { branch_answer } else { answer };
        assert_eq!(answer(&mut arena, &fields), fields[5], "{line}");
    }
}

#[test]
fn c() {
    for compiler in ["gcc", "clang-19"] {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vectors-{compiler}"));
        let built = Command::new(compiler)
            .args(["-std=c11", "-O1", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(root().join("c"))
            .args([root().join("tests/vectors.c"), root().join("c/pvc.c")])
            .arg("-o")
            .arg(&program)
            .output()
            .unwrap_or_else(|error| panic!("{compiler}: {error}; tests/run installs what the tests need"));
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let run = Command::new(&program).arg(root().join("vectors.txt")).output().unwrap();
        assert!(run.status.success(), "{compiler}: {}", run.status);
        let answers = String::from_utf8(run.stdout).unwrap();
        let answers: Vec<&str> = answers.lines().collect();
        let vectors = vectors();
        assert_eq!(answers.len(), vectors.len(), "{compiler}: the runtimes have the same cases");
        for (line, answer) in vectors.iter().zip(answers) {
            assert_eq!(Some(answer), line.split_whitespace().last(), "{compiler}: {line}");
        }
    }
}
