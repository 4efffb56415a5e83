//! Whole blocks made at random against GNU as: labels ahead and behind, jumps at the edge of their reach over alignments
//! and space, space that depends on labels ahead, differences of labels, assignments, and switches of mode and syntax inside
//! the block.
//!
//! `PVC_ORACLE_BLOCKS` sets the number of blocks (thousands by hand), `PVC_ORACLE_SEED` the seed.

mod random;

use pvc_asm::{Mode, Options, Syntax, assemble};
use random::{Random, number};
use std::process::Command;

const LABELS: [&str; 6] = ["a", "b", "c", "d", ".L1", "x.y"];

/// Directives, and instructions that both syntaxes spell alike.
const COMMON: [&str; 36] = [
    ".skip 1",
    ".skip 3",
    ".skip 60",
    ".skip 110",
    ".skip 118,0x90",
    ".skip 120",
    ".skip 121, 0",
    ".skip 122",
    ".skip 123",
    ".skip 124",
    ".skip 125,0x90",
    ".skip 126",
    ".skip 127",
    ".skip 128",
    ".skip 130",
    ".p2align 2,0x91",
    ".balign 8,0xcc",
    ".p2align 4,0,7",
    ".p2align 3, 0x92, 3",
    ".align 16,0xff",
    ".balign 32,3,9",
    ".ascii \"ab\\n\\t\\101\\x41\"",
    ".asciz \"q\"",
    ".string \"a\",\"b\"",
    ".byte 1,2,'a'",
    ".fill 3,2,0x1234",
    ".fill 2",
    ".fill 1,8,0x123456789",
    ".octa 5",
    ".octa 1<<4",
    ".hword 1,2",
    "nop; cld",
    "ret # comment",
    "hlt /* comment */",
    "jmp ext",
    "call ext",
];

/// NOPs. GNU as 2.40 chooses them by the mode in which the text ends, so a block that switches modes has none.
const NOPS: [&str; 9] = [
    ".p2align 3",
    ".p2align 4",
    ".p2align 7",
    ".p2align 4,0x90",
    ".p2align 5,,20",
    ".balign 256",
    ".nops 21",
    ".nops 90,3",
    ".nops 135",
];

/// A block of text that starts in the given mode and syntax.
fn block(bits: u32, intel: bool, random: &mut Random) -> String {
    let lines = 4 + random.below(36);
    let named: Vec<(&str, usize)> = {
        let count = 1 + random.below(4);
        let first = random.below(LABELS.len());
        (0..count).map(|i| (LABELS[(first + i) % LABELS.len()], random.below(lines + 1))).collect()
    };
    let numeric: Vec<(usize, usize)> =
        (0..random.below(4)).map(|_| (random.below(lines + 1), 1 + random.below(2))).collect();
    let mut text = String::new();
    let (mut mode, mut intel) = (bits, intel);
    for line in 0..=lines {
        for (name, _) in named.iter().filter(|(_, at)| *at == line) {
            text.push_str(&format!("{name}:\n"));
        }
        for (_, number) in numeric.iter().filter(|(at, _)| *at == line) {
            text.push_str(&format!("{number}:\n"));
        }
        if line == lines {
            break;
        }
        let label = named[random.below(named.len())].0;
        let other = named[random.below(named.len())].0;
        let mut target = match random.below(8) {
            0 => numeric
                .iter()
                .find(|(at, _)| *at > line)
                .map_or_else(|| label.to_string(), |(_, number)| format!("{number}f")),
            1 => numeric
                .iter()
                .find(|(at, _)| *at <= line)
                .map_or_else(|| label.to_string(), |(_, number)| format!("{number}b")),
            2 => random.pick(&[".", ".+2", ".-3"]).to_string(),
            _ => label.to_string(),
        };
        if random.below(10) == 0 {
            target.push_str(random.pick(&["+1", "-2", "+4"]));
        }
        // A distance that may not be known yet, in what has to be a constant in the end.
        let distance = format!("({label}-{other})");
        let statement = match random.below(24) {
            0..6 => format!("{} {target}", random.pick(&["jmp", "jne", "jz", "ja", "jc", "call"])),
            6 => format!(".long {label}-{other}, ({label}-{other})+1"),
            7 => format!(".4byte {label}-., .-{label}, {other}+4"),
            8 if intel => format!("mov ecx, offset {label}"),
            8 => format!("mov ${}, %ecx", random.pick(&["5", label, &format!("{label}-{other}")])),
            9 if intel && mode == 64 => format!("lea rax, {target}[rip]"),
            9 if mode == 64 => format!("lea {target}(%rip), %rax"),
            9 if intel => format!("mov eax, {label}"),
            9 => format!("mov {label}, %eax"),
            10 if intel => format!("add eax, [ebx+{}]", random.pick(&["4", "128"])),
            10 => format!("add {}(%ebx), %eax", random.pick(&["4", "128"])),
            11 if random.below(3) == 0 => {
                mode = [16, 32, 64][random.below(if bits == 64 { 3 } else { 2 })];
                format!(".code{mode}")
            }
            12 => {
                intel = random.below(2) == 0;
                if intel { ".intel_syntax noprefix".to_string() } else { ".att_syntax prefix".to_string() }
            }
            13 => format!("{} v{line}, {}", random.pick(&[".set", ".equ"]), random.pick(&["7", "300", label])),
            14 => format!("w = {}; .long w", random.pick(&["7", "300", ".", "(1 << 4) | 3"])),
            15 => random.pick(&NOPS).to_string(),
            // How Linux pads an instruction to the length of its replacement.
            16 => format!(".skip -({distance} > 0) * {distance}, 0x90"),
            17 => format!(".fill -({distance} > 9) * 3, 2, 0x1234"),
            18 => format!(
                ".long {distance}*3, ~{distance}, {label} <= {other}, !{distance}, -({distance} == 2) + {label}"
            ),
            19 => format!(".nops -({distance} > {}) * 17", random.pick(&["1", "40", "120"])),
            _ => random.pick(&COMMON).to_string(),
        };
        text.push_str(&statement);
        text.push('\n');
    }
    if !text.contains(".code") {
        return text;
    }
    let nops = |line: &&str| NOPS.contains(line) || line.starts_with(".nops");
    text.lines().filter(|line| !nops(line)).map(|line| format!("{line}\n")).collect()
}

/// The code of a whole block, or the messages.
fn gnu_as(text: &str, bits: u32, intel: bool) -> Result<Vec<u8>, String> {
    use object::{Object, ObjectSection};
    let dir = tempfile::tempdir().expect("scratch directory");
    let source = dir.path().join("t.s");
    let result = dir.path().join("t.o");
    let mode = if bits == 16 { ".code16;" } else { "" };
    let syntax = if intel { ".intel_syntax noprefix" } else { "" };
    std::fs::write(&source, format!("{mode}{syntax}\n{text}")).expect("writing the source");
    let output = Command::new("as")
        .arg(if bits == 64 { "--64" } else { "--32" })
        .arg("-o")
        .args([&result, &source])
        .output()
        .expect("GNU as (`as`, package binutils) must be installed");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let data = std::fs::read(&result).expect("the object");
    let object = object::File::parse(&*data).expect("an object");
    let section = object.section_by_name(".text").expect("a .text section");
    Ok(section.data().expect("its bytes").to_vec())
}

#[test]
fn random_blocks_agree_with_gnu_as() {
    let count = number("PVC_ORACLE_BLOCKS", 120) as usize;
    let mut random = Random::new(number("PVC_ORACLE_SEED", 0xb10c));
    let mut wrong = Vec::new();
    for bits in [64, 32, 16] {
        for intel in [false, true] {
            let mode = match bits {
                16 => Mode::Bits16,
                32 => Mode::Bits32,
                _ => Mode::Bits64,
            };
            let options = Options { mode, syntax: if intel { Syntax::Intel } else { Syntax::Att } };
            let mut agree = 0;
            for _ in 0..count / 6 {
                let text = block(bits, intel, &mut random);
                let ours = assemble(&text, &options).map(|assembly| assembly.bytes);
                let theirs = gnu_as(&text, bits, intel);
                match (&ours, &theirs) {
                    (Ok(ours), Ok(theirs)) if ours == theirs => agree += 1,
                    (Err(_), Err(_)) => {}
                    _ => wrong.push(format!("{bits} intel={intel}:\n{text}ours {ours:02x?}\nGNU as {theirs:02x?}")),
                }
            }
            println!("{bits} intel={intel}: {} blocks, {agree} agree", count / 6);
            assert!(agree * 10 >= count / 6 * 8, "{bits} intel={intel}: most blocks must be valid, {agree} are");
        }
    }
    assert!(wrong.is_empty(), "{} blocks differ, such as\n{}", wrong.len(), wrong[0]);
}
