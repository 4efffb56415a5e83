//! No input panics or hangs, and what is disassembled assembles to the same bytes. The fuzz targets under `fuzz/` run the
//! same properties for longer.

use pvc_asm::{Lines, Mode, Options, Syntax, assemble, assemble_lines, disassemble, listing};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

fn all_options() -> Vec<Options> {
    let mut out = Vec::new();
    for mode in [Mode::Bits16, Mode::Bits32, Mode::Bits64] {
        for syntax in [Syntax::Att, Syntax::Intel] {
            out.push(Options { mode, syntax });
        }
    }
    out
}

const PIECES: [&str; 84] = [
    "mov",
    "add",
    "vaddps",
    "lock",
    "rep",
    "jmp",
    "call",
    "push",
    ".byte",
    ".long",
    ".p2align",
    ".set",
    ".ascii",
    "{vex}",
    "{evex}",
    "{k1}",
    "{%k1}",
    "{z}",
    "{1to8}",
    "{rn-sae}",
    "{sae}",
    "%rax",
    "%eax",
    "%al",
    "%ah",
    "%r8",
    "%xmm0",
    "%zmm31",
    "%st",
    "%st(1)",
    "%cr0",
    "%ds",
    "%rip",
    "rax",
    "eax",
    "zmm1",
    "[",
    "]",
    "(",
    ")",
    ",",
    " ",
    " ",
    " ",
    "\n",
    ";",
    ":",
    "$",
    "*",
    "+",
    "-",
    "/",
    "%",
    "&",
    "|",
    "~",
    "!",
    "<<",
    "1",
    "0x10",
    "-1",
    "0xffffffffffffffff",
    "99999999999999999999",
    "1b",
    "1f",
    "1:",
    "foo",
    "foo:",
    ".",
    "\"",
    "\\",
    "'",
    "#",
    "/*",
    "*/",
    "ptr",
    "dword",
    "offset",
    "st(",
    "{",
    "}",
    "@PLT",
    "\u{e9}",
    "\0",
];

fn check_text(text: &str, options: &Options) {
    match assemble(text, options) {
        Ok(code) => {
            let _ = listing(text, &code);
            for item in code.items.iter() {
                assert!(item.offset as usize + item.len as usize <= code.bytes.len(), "{text:?}");
                assert!(text.get(item.span()).is_some(), "{text:?}");
            }
            for fixup in &code.fixups {
                assert!(fixup.offset as usize + fixup.width as usize <= code.bytes.len(), "{text:?}");
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "{text:?}");
            for error in errors {
                assert!(text.get(error.span.clone()).is_some(), "{text:?}: span {:?} of {}", error.span, error.message);
                assert!(!error.message.is_empty());
            }
        }
    }
}

#[test]
fn random_text_never_panics() {
    let mut random = Random(0x9e37_79b9);
    for _ in 0..4_000 {
        let mut text = String::new();
        for _ in 0..1 + random.below(16) {
            text.push_str(PIECES[random.below(PIECES.len())]);
        }
        for options in all_options() {
            check_text(&text, &options);
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random(0x1234_5678);
    for _ in 0..5_000 {
        let bytes: Vec<u8> = (0..random.below(40)).map(|_| random.next() as u8 & 0x7f).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        check_text(&text, &all_options()[random.below(6)]);
    }
}

#[test]
fn disassembled_text_assembles_to_the_same_bytes() {
    let mut random = Random(0xfeed);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..48).map(|_| random.next() as u8).collect();
        let options = all_options()[random.below(6)];
        let mut lines = Lines::new(options);
        let all = disassemble(&bytes, &options);
        let mut at = 0;
        for one in &all {
            assert_eq!(one.offset, at);
            at += one.len;
            assert_eq!(
                lines.assemble(&one.text).unwrap_or_else(|error| panic!("{}: {error:?}", one.text)),
                &bytes[one.offset..at],
                "{}",
                one.text
            );
        }
        assert_eq!(at, bytes.len());
    }
}

/// Seconds that this thread has run: other processes do not disturb it.
fn cpu_time() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts the time of threads");
    text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse::<f64>().ok()).expect("a number") / 1e9
}

/// Time per byte must not grow with the length of what is repeated.
#[test]
fn no_super_linear_blow_up() {
    let chain =
        |n: usize| (0..n).map(|i| format!("l{i}: jmp l{}\n.skip 120\n", i + 1)).collect::<String>() + &format!("l{n}:");
    let backward =
        |n: usize| "1:\n".to_string() + &(0..n).map(|_| "jz 1f\n.skip 100\n1: jmp 1b\n").collect::<String>() + "1:";
    let makers: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("jump chain", &chain),
        ("numeric labels", &backward),
        ("errors", &|n| "bogus\n".repeat(n)),
        ("one line", &|n| ".byte 1".to_string() + &",1".repeat(n)),
        ("sum", &|n| "mov $1".to_string() + &"+1".repeat(n) + ",%eax"),
        ("symbols", &|n| (0..n).map(|i| format!("mov s{i},%eax\n")).collect()),
    ];
    for (name, make) in makers {
        // As many bytes in short texts as in long ones; many of both, since the clock ticks every few milliseconds.
        let time = |length: usize, count: usize| {
            let text = make(length);
            let start = cpu_time();
            for _ in 0..count {
                let _ = assemble(&text, &Options::default());
            }
            cpu_time() - start
        };
        let (short, long) = (time(2_000, 40), time(40_000, 2));
        assert!(long < 5.0 * short + 0.02, "{name}: {short:.3} s in short texts, {long:.3} s in long ones");
    }
}

#[test]
fn lines_are_independent() {
    let text = "1: jmp 1b\njmp 1b\nfoo: call foo\ncall foo\n.code32\npush %rax\n";
    let (out, failed) = assemble_lines(text, &Options::default());
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(failed, 1);
    assert_eq!(lines[0], "ebfe");
    assert!(lines[1].starts_with("error: "));
    assert_eq!(lines[2..], ["e8fbffffff", "e800000000", "", "50"]);
}
