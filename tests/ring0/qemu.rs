//! Boots a guest and listens to it.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than any guest takes, on a loaded machine too.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// What a guest did.
#[derive(Debug)]
pub(crate) struct Run {
    /// Exit status of QEMU; `None` if it had to be ended.
    pub(crate) status: Option<i32>,
    /// The lines on the debug console.
    lines: Vec<String>,
    /// What QEMU itself said.
    complaints: String,
}

impl Run {
    /// The lines that tell of a failed check.
    pub(crate) fn failures(&self) -> Vec<&str> {
        self.lines.iter().map(String::as_str).filter(|line| line.starts_with("FAIL ")).collect()
    }

    /// Whether the guest said exactly this.
    pub(crate) fn says(&self, line: &str) -> bool {
        self.lines.iter().any(|said| said == line)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "guest ended with {:?}; its lines:\n{}\n{}", self.status, self.lines.join("\n"), self.complaints)
    }
}

/// Boots the kernel `image` and waits for its end.
///
/// Both CPUs run on one host thread, which goes to the other CPU at every `pause`: runs repeat exactly, and the guest can
/// let the other CPU run at any point.
pub(crate) fn boot(image: &Path) -> Run {
    let mut qemu = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", "64", "-kernel"])
        .arg(image)
        .args(["-display", "none", "-nodefaults", "-no-reboot", "-debugcon", "stdio"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("qemu-system-x86_64 (Debian package qemu-system-x86) must be installed");
    let read = |mut stream: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            stream.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        })
    };
    let output = read(Box::new(qemu.stdout.take().unwrap()));
    let complaints = read(Box::new(qemu.stderr.take().unwrap()));
    let start = Instant::now();
    let status = loop {
        match qemu.try_wait().unwrap() {
            Some(status) => break status.code(),
            None if start.elapsed() > TIME_LIMIT => {
                qemu.kill().unwrap();
                qemu.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let lines = output.join().unwrap().lines().map(str::to_owned).collect();
    Run { status, lines, complaints: complaints.join().unwrap() }
}
