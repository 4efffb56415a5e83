//! Text to bytes per second, beside GNU as and llvm-mc in the same run: `cargo bench -p pvc-asm`, or
//! `cargo bench -p pvc-asm -- FILE [att|intel]` for a text of your own.
//!
//! The text is a million instructions in about the mix of compiled code, a tenth of them vector instructions, with a label
//! and a jump for every twelve. Every assembler runs as a process of its own, reads the same file and writes nowhere; what
//! counts is the CPU time of the whole process, user and system, in the best of several runs.

use pvc_asm::{Lines, Options, Syntax, assemble, assemble_lines_stream, disassemble, write_listing};
use std::fmt::Write as _;
use std::io::BufRead as _;
use std::path::Path;
use std::process::{Command, Stdio};

const INSTRUCTIONS: usize = 1_000_000;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

/// Instructions as templates: Q, D, B registers of 64, 32, 8 bits, X, Y vector registers, M memory, I, S immediates of 32
/// and 8 bits. A template stands as often as its share of compiled code.
const TEMPLATES: [&str; 48] = [
    "mov M,%Q",
    "mov M,%Q",
    "mov M,%Q",
    "mov %Q,%Q",
    "mov %Q,%Q",
    "mov %D,%D",
    "mov %Q,M",
    "mov %Q,M",
    "mov %D,M",
    "mov M,%D",
    "movl $S,M",
    "mov $I,%D",
    "movq $S,M",
    "movzbl M,%D",
    "movslq %D,%Q",
    "lea M,%Q",
    "lea M,%Q",
    "lea M,%D",
    "add $S,%Q",
    "add %Q,%Q",
    "sub $I,%Q",
    "sub %D,%D",
    "cmp %Q,%Q",
    "cmp $S,%D",
    "cmpb $S,M",
    "cmp M,%Q",
    "test %Q,%Q",
    "test %B,%B",
    "xor %D,%D",
    "and $S,%D",
    "or %Q,%Q",
    "shl $S,%Q",
    "sar $S,%D",
    "imul %Q,%Q",
    "push %Q",
    "pop %Q",
    "ret",
    "nop",
    "sete %B",
    "cmove %Q,%Q",
    "movaps %X,M",
    "movups M,%X",
    "pxor %X,%X",
    "movq %X,%Q",
    "vaddps %Y,%Y,%Y",
    "vmovdqu M,%Y",
    "vpshufb M,%X,%X",
    "call function",
];

fn text() -> String {
    const QWORD: [&str; 14] =
        ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r12", "r13", "r14", "r15"];
    const DWORD: [&str; 10] = ["eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "r8d", "r12d", "r15d"];
    const BYTE: [&str; 6] = ["al", "bl", "cl", "dl", "sil", "r8b"];
    let mut random = Random(1);
    let mut out = String::with_capacity(INSTRUCTIONS * 24);
    for i in 0..INSTRUCTIONS {
        if i % 12 == 0 {
            // A jump some labels back or ahead, most of them near.
            let label = i / 12;
            let target = (label + random.below(12)).saturating_sub(6).min((INSTRUCTIONS - 1) / 12);
            let _ = writeln!(out, ".L{label}:\n{} .L{target}", ["jmp", "je", "jne", "ja"][random.below(4)]);
            continue;
        }
        let template = TEMPLATES[random.below(TEMPLATES.len())];
        for letter in template.chars() {
            let _ = match letter {
                'Q' => write!(out, "{}", QWORD[random.below(14)]),
                'D' => write!(out, "{}", DWORD[random.below(10)]),
                'B' => write!(out, "{}", BYTE[random.below(6)]),
                'X' => write!(out, "xmm{}", random.below(16)),
                'Y' => write!(out, "ymm{}", random.below(16)),
                'I' => write!(out, "{:#x}", random.below(0x7fff_ffff)),
                'S' => write!(out, "{:#x}", random.below(32)),
                'M' => match random.below(6) {
                    0 => write!(out, "(%{})", QWORD[random.below(14)]),
                    1 => write!(out, "{:#x}(%rip)", random.below(0x100_0000)),
                    2 => write!(
                        out,
                        "{:#x}(%{},%{},8)",
                        random.below(256),
                        QWORD[random.below(14)],
                        QWORD[random.below(14)]
                    ),
                    3 => write!(out, "-{:#x}(%rbp)", random.below(256)),
                    _ => write!(out, "{:#x}(%{})", random.below(512), QWORD[random.below(14)]),
                },
                other => {
                    out.push(other);
                    Ok(())
                }
            };
        }
        out.push('\n');
    }
    out
}

/// What a process took.
struct Cost {
    /// CPU time, user and system.
    seconds: f64,
    /// The most memory it had at a time.
    megabytes: f64,
}

/// Runs a process to its end.
#[allow(clippy::zombie_processes, reason = "`wait4` waits for it")]
fn run(program: &str, arguments: &[&str], file: &Path) -> Cost {
    let child = Command::new(program)
        .args(arguments)
        .arg(file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
    let mut status = 0;
    // SAFETY: 1. `rusage` is made of numbers, so zeros are one.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: 1. Both pointers are to locals of the right types. 2. Nobody else waits for this child of ours.
    let pid = unsafe { libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage) };
    assert!(pid > 0 && status == 0, "{program} failed");
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Cost { seconds: seconds(usage.ru_utime) + seconds(usage.ru_stime), megabytes: usage.ru_maxrss as f64 / 1024.0 }
}

/// The cheapest of several runs.
fn cost(runs: usize, program: &str, arguments: &[&str], file: &Path) -> Cost {
    let all = (0..runs).map(|_| run(program, arguments, file));
    all.min_by(|a, b| a.seconds.total_cmp(&b.seconds)).expect("at least one run")
}

/// One measurement, as a process of its own: what the command does, and the library line by line.
fn measured(what: &str, file: &str, syntax: Syntax) {
    let options = Options { syntax, ..Options::default() };
    let text = || std::fs::read_to_string(file).expect("the text");
    match what {
        "block" => {
            let text = text();
            let code = assemble(&text, &options).expect("text that is right");
            write_listing(&text, &code, std::io::sink()).expect("writing");
        }
        "lines" => {
            let input = std::fs::File::open(file).expect("the text");
            assemble_lines_stream(input, std::io::sink(), &options).expect("reading");
        }
        _ => {
            let text = text();
            let mut lines = Lines::new(options);
            for line in text.lines() {
                std::hint::black_box(lines.assemble(line).is_ok());
            }
        }
    }
}

/// The same instructions in Intel syntax; those that name a symbol are left out.
fn intel(text: &str) -> String {
    let code = assemble(text, &Options::default()).expect("text that is right");
    let options = Options { syntax: Syntax::Intel, ..Options::default() };
    let mut out = String::from(".intel_syntax noprefix\n");
    for line in disassemble(&code.bytes, &options) {
        if !line.text.starts_with(['j', '{']) && !line.text.starts_with("call") {
            out += &line.text;
            out.push('\n');
        }
    }
    out
}

/// Writes the texts that are measured.
fn texts(dir: &Path) {
    let text = text();
    std::fs::write(dir.join("att.s"), &text).expect("the text");
    std::fs::write(dir.join("intel.s"), intel(&text)).expect("the text");
    std::fs::write(dir.join("one.s"), "ret\n").expect("the text");
}

fn compare(name: &str, file: &Path, syntax: Syntax) {
    let own = std::env::current_exe().expect("the benchmark itself").display().to_string();
    let word = if syntax == Syntax::Att { "att" } else { "intel" };
    let length = std::fs::metadata(file).expect("the text").len();
    let reader = std::io::BufReader::new(std::fs::File::open(file).expect("the text"));
    let (count, megabytes) = (reader.lines().count(), length as f64 / 1048576.0);
    let gas = cost(3, "as", &["--64", "-o", "/dev/null"], file);
    println!("{name}: {count} lines, {megabytes:.0} MB");
    let row = |name: &str, cost: &Cost| {
        println!(
            "  {name:22} {:6.2} M/s {:6.0} ns {:6.2} x GNU as {:5.0} MB",
            count as f64 / cost.seconds / 1e6,
            cost.seconds / count as f64 * 1e9,
            gas.seconds / cost.seconds,
            cost.megabytes
        );
    };
    row("pvc-asm, line by line", &cost(5, &own, &["--measure", "lines", word], file));
    row("pvc-asm, one block", &cost(5, &own, &["--measure", "block", word], file));
    row("pvc-asm, library", &cost(5, &own, &["--measure", "library", word], file));
    row("GNU as", &gas);
    row("llvm-mc-19", &cost(2, "llvm-mc-19", &["-filetype=obj", "-o", "/dev/null"], file));
}

fn main() {
    // The benchmark runs itself, so that each measurement is a whole process.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let syntax =
        |word: Option<&String>| if word.is_some_and(|word| word == "intel") { Syntax::Intel } else { Syntax::Att };
    match arguments.first().map(String::as_str) {
        Some("--measure") => return measured(&arguments[1], &arguments[3], syntax(arguments.get(2))),
        Some("--texts") => return texts(Path::new(&arguments[1])),
        Some(file) => return compare(file, Path::new(file), syntax(arguments.get(1))),
        None => {}
    }
    let dir = std::env::temp_dir().join(format!("pvc-asm-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    let [att, other, one] = ["att.s", "intel.s", "one.s"].map(|name| dir.join(name));
    let own = std::env::current_exe().expect("the benchmark itself").display().to_string();
    // A process of its own makes the texts: the memory that this one has had would count for its children.
    run(&own, &["--texts"], &dir);
    compare("AT&T", &att, Syntax::Att);
    compare("Intel", &other, Syntax::Intel);
    println!(
        "first instruction out of a cold process: {:.2} ms (GNU as {:.2} ms)",
        cost(20, &own, &["--measure", "block", "att"], &one).seconds * 1e3,
        cost(20, "as", &["-o", "/dev/null"], &one).seconds * 1e3
    );
    let _ = std::fs::remove_dir_all(&dir);
}
