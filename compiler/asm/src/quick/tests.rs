//! The short way against the general one.

use crate::assembler::Assembler;
use crate::{Mode, Options, Syntax, mnemonics};

const ATT: [&str; 24] = [
    "$1",
    "$-0x80",
    "$0xff",
    "$0x12345678",
    "$0x8000000000000000",
    "%al",
    "%ah",
    "%r9b",
    "%cx",
    "%r8w",
    "%eax",
    "%r10d",
    "%rdx",
    "%r15",
    "%xmm1",
    "%xmm9",
    "%ymm17",
    "%zmm3",
    "%mm2",
    "%k3",
    "(%rbx)",
    "-8(%rbp)",
    "0x40(%r12,%r9,4)",
    "0x7f(,%ecx,2)",
];

const INTEL: [&str; 24] = [
    "1",
    "-0x80",
    "0xff",
    "0x12345678",
    "0x8000000000000000",
    "al",
    "ah",
    "r9b",
    "cx",
    "r8w",
    "eax",
    "r10d",
    "rdx",
    "r15",
    "xmm1",
    "xmm9",
    "ymm17",
    "zmm3",
    "mm2",
    "k3",
    "[rbx]",
    "DWORD PTR [rbp-8]",
    "QWORD PTR [r12+r9*4+0x40]",
    "XMMWORD PTR [ecx+0x7f]",
];

/// An assembler before this text.
fn before(text: &str, options: Options) -> Assembler<'_> {
    let mut assembler = Assembler::new(options);
    assembler.source = text;
    assembler.cur.text = text.as_bytes();
    assembler
}

/// The bytes by the short way; `None` if it leaves the statement alone.
fn short(text: &str, options: Options) -> Option<Vec<u8>> {
    let mut assembler = before(text, options);
    if assembler.quick() {
        assert_eq!(assembler.cur.pos, text.len(), "{text}");
        return Some(assembler.out);
    }
    assert!(assembler.cur.pos == 0 && assembler.out.is_empty() && assembler.items.is_empty(), "{text}");
    None
}

/// The bytes by the general way; `None` if there is anything to say about the statement.
fn general(text: &str, options: Options) -> Option<Vec<u8>> {
    let mut assembler = before(text, options);
    let fine = assembler.statement().is_ok() && assembler.is_pristine() && assembler.pending.is_empty();
    fine.then_some(assembler.out)
}

fn both(text: &str, options: Options) -> bool {
    let Some(bytes) = short(text, options) else { return false };
    assert_eq!(Some(bytes), general(text, options), "{text} {options:?}");
    true
}

/// Every mnemonic in every mode with operands drawn at random.
#[test]
fn the_short_way_agrees_with_the_general_one() {
    let mut state = 1usize;
    for (syntax, operands) in [(Syntax::Att, ATT), (Syntax::Intel, INTEL)] {
        for mode in [Mode::Bits64, Mode::Bits32, Mode::Bits16] {
            let options = Options { mode, syntax };
            let mut agreed = 0;
            for name in mnemonics(mode, syntax) {
                for _ in 0..24 {
                    state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    let mut choice = state >> 24;
                    let count = choice % 5;
                    choice /= 5;
                    // Often the same register kind again: few instructions mix them.
                    let mut list: Vec<&str> = Vec::new();
                    for _ in 0..count {
                        let same = choice & 1 != 0;
                        choice /= 2;
                        list.push(match list.last() {
                            Some(last) if same => last,
                            _ => operands[choice % operands.len()],
                        });
                        choice /= operands.len();
                    }
                    agreed += usize::from(both(&format!("{name} {}", list.join(",")), options));
                }
            }
            assert!(agreed > 500, "{options:?}: {agreed}");
        }
    }
}

/// Numbers, blanks and ends as people and tools write them.
#[test]
fn text_is_read_as_by_the_general_way() {
    let att = Options::default();
    for text in [
        "add $10,%eax",
        "add $0x0000000000000010 , %rax",
        "add $0xfffffffffffffff0,%rax",
        "add $-1234567,%eax",
        "\tmovq\t-0x10(%rbp), %rax ",
        "movq 16(%rsp),%rax",
        "MOV %EAX,%EBX",
        "vpmovzxbw -0x20(%rax,%rbx),%ymm1",
        "jmp *%rax",
        "call *8(%rax)",
        "ret",
        "movabs $0x123456789abcdef0,%rax",
        "mov %eax,0x12345678(%rip)",
    ] {
        assert!(both(text, att), "{text}");
    }
    for text in [
        "add $010,%eax",
        "add $0b1,%eax",
        "add $0x,%eax",
        "add $1f,%eax",
        "add $12345678,%eax",
        "add $0x10000000000000000,%rax",
        "mov %eax,%ebx # comment",
        "mov %fs:0,%eax",
        "vaddps %zmm1,%zmm2,%zmm3{%k1}",
        "mov 0x80000000(%rax),%eax",
        "mov %eax:%ebx",
        "rep movsb",
        "jmp %rax",
        "mov *%rax,%rbx",
        "push",
        "",
    ] {
        assert_eq!(short(text, att), None, "{text}");
    }
}

/// The text ends anywhere, what stands behind a statement is not part of it, and blanks without end come to one.
#[test]
fn the_text_ends_anywhere() {
    let att = Options::default();
    for text in [
        "vaddps %zmm1,%zmm2,%zmm3{%k1}",
        "vaddps (%rax){1to16},%zmm2,%zmm3",
        "vaddps 0x40(%rax,%rbx,4),%zmm2,%zmm30",
        "mov $0x123456789abcdef0,%rax",
        "add $1234567,-0x12345678(%r13,%r12,8)",
        "push %r8",
    ] {
        for end in 0..=text.len() {
            both(&text[..end], att);
        }
        for blanks in 1..40 {
            let blanks = " \t".repeat(blanks);
            both(&text.replacen(' ', &blanks, 1), att);
            both(&text.replacen(',', &format!(",{blanks}"), 1), att);
            both(&format!("{blanks}{text}{blanks}"), att);
        }
        for rest in ["\n", ";", "\nret\n", "; nop"] {
            let longer = format!("{text}{rest}");
            let mut assembler = before(&longer, att);
            if assembler.quick() {
                assert_eq!(assembler.cur.pos, text.len(), "{longer}");
                assert_eq!(Some(assembler.out), short(text, att), "{longer}");
            }
        }
    }
}

/// Branches to names, and what looks like one: everything that the assembly says is the same.
#[test]
fn branches_are_read_as_by_the_general_way() {
    let block = |text: &str, options: Options, quick: bool| {
        let mut assembler = before(text, options);
        let mut branches = 0;
        while assembler.cur.pos < text.len() {
            let short = quick && assembler.quick_branch();
            branches += usize::from(short);
            if !short && assembler.statement().is_err() {
                assembler.cur.skip_statement();
            }
            assembler.cur.eat(b'\n');
        }
        (assembler.finish(), branches)
    };
    let targets = [
        "a",
        "b",
        "_x",
        ".L1",
        ".",
        "$a",
        "a$b",
        "1f",
        "1b",
        "0x10",
        "a+1",
        "a@PLT",
        "a-b",
        "*a",
        "%rax",
        "(a)",
        "five",
        "it",
        "a ",
        " a",
        "\ta",
        "a#",
        "a /* */",
        "\"a\"",
        "a:",
        "a,b",
        "caf\u{e9}",
        "A",
        "c",
        "far",
        "-a",
        "",
    ];
    for mode in [Mode::Bits64, Mode::Bits32, Mode::Bits16] {
        let options = Options { mode, syntax: Syntax::Att };
        let mut agreed = 0;
        for name in [
            "jmp",
            "je",
            "JNE",
            "call",
            "callq",
            "callw",
            "calll",
            "jmpw",
            "loop",
            "loopnew",
            "jecxz",
            "jrcxz",
            "jcxz",
            "xbegin",
            "xabort",
            "ljmp",
            "lcall",
            "cmp",
            "lea",
            "js",
            "jmp.d32",
            "notrack jmp",
            "bnd jmp",
            "je,pt",
            "jump",
            "cltd",
            "xlat",
        ] {
            for target in targets {
                for (ahead, behind) in [
                    ("", ""),
                    ("a:1:", "\n.p2align 4\na2:"),
                    ("", ";b:c = 4\n1:"),
                    ("five = 5; it = a+3\n", "\n.skip 200\na:b:nop"),
                ] {
                    let text = format!("{ahead} {name} {target}{behind}");
                    let (short, branches) = block(&text, options, true);
                    assert_eq!(short, block(&text, options, false).0, "{text} {options:?}");
                    agreed += branches;
                }
            }
        }
        assert!(agreed > 200, "{options:?}: {agreed}");
    }
}

/// One shape stands for many statements: every register, and constants around all limits, with a memory of shapes.
#[test]
fn a_plan_holds_for_all_statements_of_its_shape() {
    let mut random = 1usize;
    let mut below = |n: usize| {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (random >> 33) % n
    };
    let limits: Vec<i64> = (0..=32)
        .flat_map(|bit| [1i64 << bit, (1 << bit) - 0x80, (1 << bit) - 0x8000])
        .flat_map(|limit| [limit - 1, limit, limit + 1])
        .flat_map(|value| [value, -value])
        .collect();
    for mode in [Mode::Bits64, Mode::Bits32, Mode::Bits16] {
        let options = Options { mode, syntax: Syntax::Att };
        let registers = crate::register_names(mode);
        let mut quick = before("", options);
        quick.remember_shapes(usize::MAX);
        let mut agreed = 0;
        for name in [
            "mov",
            "movb",
            "movw",
            "movl",
            "movq",
            "add",
            "addw",
            "addl",
            "addq",
            "addb",
            "push",
            "pushw",
            "test",
            "imul",
            "shl",
            "rorb",
            "int",
            "enter",
            "ret",
            "bt",
            "xchg",
            "bswap",
            "movzbl",
            "cmovne",
            "sete",
            "lea",
            "crc32b",
            "in",
            "out",
            "movd",
            "movq",
            "pinsrw",
            "pshufd",
            "vaddps",
            "vaddss",
            "vmovaps",
            "vpermq",
            "vpinsrb",
            "vmovd",
            "vblendvps",
            "vprotb",
            "vpcmpeqd",
            "kmovq",
            "kandw",
            "andn",
            "bextr",
            "rorx",
            "fadd",
            "movsd",
            "scas",
            "lods",
            "cmps",
            "maskmovq",
            "stos",
        ] {
            for _ in 0..1500 {
                let mut operand = || match below(4) {
                    0 => format!("${}", limits[below(limits.len())]),
                    1 => {
                        let (base, index) = (&registers[below(registers.len())], &registers[below(registers.len())]);
                        let displacement = limits[below(limits.len())];
                        match below(4) {
                            0 => format!("(%{base})"),
                            1 => format!("{displacement}(%{base})"),
                            2 => format!("{displacement}(,%{index},4)"),
                            _ => format!("(%{base},%{index},2)"),
                        }
                    }
                    _ => format!("%{}", registers[below(registers.len())]),
                };
                let operands = [operand(), operand(), operand()];
                let text = format!("{name} {}", operands[..1 + below(3)].join(","));
                quick.out.clear();
                quick.cur.pos = 0;
                let mut quick_one = quick.recycled();
                quick_one.source = &text;
                quick_one.cur.text = text.as_bytes();
                if quick_one.quick() {
                    agreed += 1;
                    assert_eq!(Some(&quick_one.out), general(&text, options).as_ref(), "{text} {options:?}");
                }
                quick = quick_one.recycled();
            }
        }
        assert!(agreed > 300, "{options:?}: {agreed}");
    }
}

/// Every value of a range goes into the same fields, whatever the size.
#[test]
fn a_range_of_constants_is_read_alike() {
    use super::operands::range_of;
    use crate::encode::loses_bits;
    use crate::operand::immediate_classes;
    let mut first = std::collections::HashMap::new();
    let near = |limit: i64| (limit.saturating_sub(300)..limit.saturating_add(300)).chain([limit / 2, limit / 3]);
    for bit in [0, 3, 4, 7, 8, 15, 16, 31, 32, 33, 62] {
        for value in
            near(1 << bit).chain(near(-1 << bit)).chain(near(0xffff_8000)).chain(near(i64::MAX)).chain(near(i64::MIN))
        {
            let facts = [0, 1, 2, 3, 4].map(|size| {
                let (read, classes) = immediate_classes(value, size);
                // The value is written as it was, so reading it may change only what no field of the size has.
                let bits = [64, 8, 16, 32, 64][usize::from(size)];
                assert_eq!((read ^ value) << (64 - bits), 0, "{value:#x}");
                (classes, [1, 2, 4].map(|width| loses_bits(read, width)))
            });
            assert_eq!(*first.entry(range_of(value)).or_insert(facts), facts, "{value:#x}");
        }
    }
}

/// Addresses in Intel syntax whose parts are not in the common order or number.
#[test]
fn addresses_are_read_as_by_the_general_way() {
    let intel = Options { mode: Mode::Bits64, syntax: Syntax::Intel };
    let mut agreed = 0;
    for address in [
        "rbx*1",
        "rbx*2",
        "rbp*1",
        "rbp*1+8",
        "r12*8+4",
        "r12",
        "rsp",
        "rbp",
        "r13",
        "rax+rsp",
        "rsp+rax",
        "rsp+rsp",
        "rax+rbx",
        "rax+rbx*1",
        "rbp+rbx*1",
        "rbx*1+rbp",
        "rbx*4+rbp",
        "rax+rbx+4",
        "rax-4",
        "rax--4",
        "rax+-4",
        "eax",
        "eax+ebx*8-128",
        "rax+ebx",
        "rip",
        "rip+8",
        "rip+rax",
        "rax+rip",
        "ax",
        "bx+si",
        "xmm0",
        "rax+xmm1",
        "rax+0x7fffffff",
        "rax+0x80000000",
        "rax-0x80000000",
        "rax-0x80000001",
        "rax+010",
        "8",
        "rax+4+4",
        "rax*3",
        "rax+rbx*16",
        "riz",
        "rax+riz*2",
        "r8d+r9d",
    ] {
        for size in ["", "DWORD PTR ", "dword ptr", "QWORD PTR ", "byte ptr "] {
            for name in ["mov eax,", "lea rax,", "add al,", "movups xmm1,", "vmovdqu ymm9,"] {
                agreed += usize::from(both(&format!("{name}{size}[{address}]"), intel));
            }
        }
    }
    assert!(agreed > 100, "{agreed}");
}
