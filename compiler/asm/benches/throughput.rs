//! Text to bytes per second, beside GNU as and llvm-mc in the same run: `cargo bench -p pvc-asm`.
//!
//! The text is a million instructions in about the mix of compiled code, a tenth of them vector instructions. Every
//! assembler runs as a process of its own, reads the same file and writes nowhere; the best of several runs counts.

use pvc_asm::{Options, assemble, assemble_lines_stream};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    for _ in 0..INSTRUCTIONS {
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

/// The shortest of several runs.
fn best(runs: usize, mut run: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .min()
        .unwrap_or_default()
}

fn tool(program: &str, arguments: &[&str], file: &Path) -> Duration {
    best(3, || {
        let status = Command::new(program)
            .args(arguments)
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap_or_else(|error| panic!("{program} must be installed: {error}"));
        assert!(status.success(), "{program} failed");
    })
}

fn main() {
    // The benchmark runs itself, so that each measurement is a whole process.
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("--block") => {
            let text = std::fs::read_to_string(&arguments[2]).expect("the text");
            assert!(assemble(&text, &Options::default()).is_ok());
            return;
        }
        Some("--lines") => {
            let file = std::fs::File::open(&arguments[2]).expect("the text");
            let failed = assemble_lines_stream(file, std::io::sink(), &Options::default()).expect("reading");
            assert_eq!(failed, 0);
            return;
        }
        _ => {}
    }
    let dir = std::env::temp_dir().join(format!("pvc-asm-bench-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a scratch directory");
    let file = dir.join("mix.s");
    let one = dir.join("one.s");
    std::fs::write(&file, text()).expect("the text");
    std::fs::write(&one, "ret\n").expect("the text");
    let own = std::env::current_exe().expect("the benchmark itself").display().to_string();
    let gas = tool("as", &["--64", "-o", "/dev/null"], &file);
    let rows = [
        ("pvc-asm, one block", tool(&own, &["--block"], &file)),
        ("pvc-asm, line by line", tool(&own, &["--lines"], &file)),
        ("GNU as", gas),
        ("llvm-mc-19", tool("llvm-mc-19", &["-filetype=obj", "-o", "/dev/null"], &file)),
    ];
    println!("{INSTRUCTIONS} instructions, whole process, best of 3");
    for (name, time) in rows {
        let rate = INSTRUCTIONS as f64 / time.as_secs_f64() / 1e6;
        println!("{name:24} {rate:6.2} M/s  {:5.2} x GNU as", gas.as_secs_f64() / time.as_secs_f64());
    }
    let start = tool(&own, &["--block"], &one);
    println!(
        "first instruction out of a cold process: {:.2} ms (GNU as {:.2} ms)",
        start.as_secs_f64() * 1e3,
        tool("as", &["-o", "/dev/null"], &one).as_secs_f64() * 1e3
    );
    let _ = std::fs::remove_dir_all(&dir);
}
