//! `cargo bench -p pvc --bench lsp`: `pvc lsp` on a file of 5,000 ops: CPU time of the server from a keystroke to the findings, of hover and completion, and
//! its memory over 10,000 edits. CPU time, because what else the machine does is not the server's.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const OPS: usize = 5000;
const URI: &str = "file:///bench/large.pv";

fn main() {
    let text = large();
    let mut server = Server::start();
    server.request("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
    server.notify("initialized", json!({}));
    let document = json!({ "uri": URI, "languageId": "pv", "version": 1, "text": text });
    let open = server.cost(|server| {
        server.notify("textDocument/didOpen", json!({ "textDocument": document }));
        server.findings(1);
    });
    println!("{} lines, {} KiB, {OPS} ops", text.lines().count(), text.len() >> 10);
    report("open, to the findings", vec![open], 0);

    // A letter goes into the comment or the asm of one op, or the bytes beside it, and out again.
    let lines: Vec<usize> = (8..text.lines().count()).filter(|line| line % 8 == 3).collect();
    let mut version = 1;
    let mut edit = |server: &mut Server, line: Option<usize>, index: usize, column: usize| {
        version += 1;
        let line = line.unwrap_or(lines[index / 2 * 37 % lines.len()]);
        let end = if index.is_multiple_of(2) { column } else { column + 1 };
        let range =
            json!({ "start": { "line": line, "character": column }, "end": { "line": line, "character": end } });
        let new = if index.is_multiple_of(2) { "x" } else { "" };
        let change = json!({ "textDocument": { "uri": URI, "version": version },
            "contentChanges": [{ "range": range, "text": new }] });
        server.cost(|server| {
            server.notify("textDocument/didChange", change);
            server.findings(version);
        })
    };
    let keystrokes = (0..200).map(|index| edit(&mut server, None, index, 4 + index / 2 % 30)).collect();
    report("keystroke, to the findings", keystrokes, 100);
    // What ops have in common. The first time may compile all of them again.
    for (what, line, column) in [
        ("in the word `patchset`", 0, 0),
        ("in the set's name", 0, 12),
        ("in its arches", 1, 20),
        ("in its baseline", 2, 20),
        ("in a comment", 5, 5),
        ("in a feature's name", 6, 10),
    ] {
        let keystrokes = (0..8).map(|index| edit(&mut server, Some(line), index, column)).collect();
        report(&format!("keystroke {what}"), keystrokes, 100);
    }
    for (method, what) in [("textDocument/hover", "hover"), ("textDocument/completion", "completion")] {
        let ask = |index: usize| {
            let position = json!({ "line": lines[index * 41 % lines.len()] + 1, "character": 24 });
            json!({ "textDocument": { "uri": URI }, "position": position })
        };
        let costs = (0..100).map(|index| server.cost(|server| drop(server.request(method, ask(index))))).collect();
        report(what, costs, 20);
    }
    for count in [1000, 9000] {
        for index in 0..count {
            edit(&mut server, None, index, 4);
        }
        println!("memory after {count:5} more edits  {:6} KiB", server.memory());
    }
    server.request("shutdown", Value::Null);
    server.notify("exit", Value::Null);
    assert!(server.child.wait().expect("it ends").success());
}

/// The middle and the worst of some costs.
fn report(what: &str, mut costs: Vec<Duration>, limit: u64) {
    costs.sort();
    let millis = |cost: Duration| cost.as_secs_f64() * 1e3;
    let aim = if limit > 0 { format!("  (aim {limit})") } else { String::new() };
    println!(
        "{what:32} {:7.2} ms, at most {:7.2}{aim}",
        millis(costs[costs.len() / 2]),
        millis(costs[costs.len() - 1])
    );
}

/// A set of 5,000 ops of several shapes, eight lines each.
fn large() -> String {
    let mut text = String::from(
        "patchset large {\n    arch     x86_64, i386\n    baseline x86_64_v1\n}\n\n/// Xen.\nfeature xenpv\n\n",
    );
    for index in 0..OPS {
        text += &match index % 4 {
            0 => format!(
                "/// Disable interrupts.\nop irq.off{index}() {{\n    clobbers barrier\n    x86_64 when xenpv && avx {{ cli; nop; nop }} = fa 90 90\n    x86_64, i386             {{ cli }}           = fa\n}}\n\n\n"
            ),
            1 => format!(
                "/// Read the flags register.\nop irq.save{index}() -> flags: word {{\n    clobbers barrier\n    x86_64, i386 {{ pushf; pop {{flags}} }} = 9c 58\n}}\n\n\n\n"
            ),
            2 => format!(
                "/// Write the flags register.\nop irq.restore{index}(flags: word) {{\n    clobbers flags, if, df, ac, barrier\n    x86_64, i386 {{ push {{flags}}; popf }} = 57 9d | 50 9d\n}}\n\n\n\n"
            ),
            _ => format!(
                "/// Make the CPU forget what it has fetched.\nop cpu.sync{index}() {{\n    clobbers x86_64: rax, rbx, rcx, rdx; i386: eax, ebx, ecx, edx; flags, barrier\n    x86_64, i386 when serialize {{ serialize }} = 0f 01 e8\n    x86_64, i386 {{ xor %eax, %eax; xor %ecx, %ecx; cpuid }}\n}}\n\n\n"
            ),
        };
    }
    text
}

/// A server in a process of its own.
struct Server {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    last: u64,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pvc"))
            .arg("lsp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("pvc runs");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output, last: 0 }
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the server reads");
        self.input.flush().expect("the server reads");
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{message}");
                return message;
            }
        }
    }

    /// Waits for the findings of a version.
    fn findings(&mut self, version: i32) {
        while self.receive()["params"]["version"] != version {}
    }

    fn receive(&mut self) -> Value {
        let mut len = 0;
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            self.output.read_line(&mut line).expect("the server writes");
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                len = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; len];
        self.output.read_exact(&mut body).expect("the server writes");
        serde_json::from_slice(&body).expect("JSON")
    }

    /// CPU time of all threads so far (`/proc/PID/task/TID/schedstat`, proc(5)).
    fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a process");
        let nanos = tasks.flatten().map(|task| {
            let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            stat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    fn cost(&mut self, work: impl FnOnce(&mut Self)) -> Duration {
        let before = self.cpu();
        work(self);
        // The answer is here before the server has put away its work.
        std::thread::sleep(Duration::from_millis(2));
        self.cpu() - before
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of proc(5)");
        line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
    }
}
