//! Blocks: labels, branches, fixups, directives, expressions. The bytes are those of GNU as 2.40.

use pvc_asm::{Assembly, ErrorKind, FixupKind, ItemKind, Mode, Options, Syntax, assemble};

fn options(bits: u32) -> Options {
    let mode = match bits {
        16 => Mode::Bits16,
        32 => Mode::Bits32,
        _ => Mode::Bits64,
    };
    Options { mode, syntax: Syntax::Att }
}

fn block(text: &str, bits: u32) -> Assembly {
    assemble(text, &options(bits)).unwrap_or_else(|errors| panic!("{text}: {errors:?}"))
}

fn hex(text: &str, bits: u32) -> String {
    block(text, bits).bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn error(text: &str) -> pvc_asm::Diagnostic {
    assemble(text, &options(64)).expect_err(text).remove(0)
}

#[test]
fn jumps_start_short_and_grow() {
    assert_eq!(hex("1: jmp 1b", 64), "ebfe");
    assert_eq!(hex("jmp 1f; nop; 1:", 64), "eb0190");
    assert_eq!(hex("jz 1f; .skip 127; 1:", 64)[..4], *"747f");
    assert_eq!(hex("jz 1f; .skip 128; 1:", 64)[..12], *"0f8480000000");
    assert_eq!(hex("1: .skip 126; jmp 1b", 64)[252..], *"eb80");
    assert_eq!(hex("1: .skip 127; jmp 1b", 64)[254..], *"e97cffffff");
    assert_eq!(hex("jmp 1f; .skip 128; 1:", 16)[..6], *"e98000");
    // One jump that grows makes another grow.
    let text = "a: jmp b\n.skip 124\njmp c\nb:\n.skip 200\nc:";
    assert_eq!(hex(text, 64)[..10], *"e981000000");
    assert_eq!(hex("{disp32} jmp 1f; 1:", 64), "e900000000");
}

#[test]
fn numeric_labels_can_be_defined_again() {
    assert_eq!(hex("1: jmp 1f; 1: jmp 1b; jmp 1f; 1:", 64), "eb00ebfeeb00");
    assert_eq!(error("jmp 1b").kind, ErrorKind::Label);
    assert_eq!(error("jmp 7f").kind, ErrorKind::Label);
    assert_eq!(error("a: a:").kind, ErrorKind::Label);
}

#[test]
fn differences_of_labels_are_constants() {
    assert_eq!(hex("2: nop; 3: cmpl $3b-2b,%eax", 64), "9083f801");
    // Not known yet where it stands, so the field stays wide.
    assert_eq!(hex("2: cmpl $3f-2b,%eax; 3:", 64), "3d05000000");
    assert_eq!(hex("a: .long b-a; b:", 64), "04000000");
    assert_eq!(hex(".set size, 3; mov $size*2,%al", 64), "b006");
    assert_eq!(hex("x = 5; add $x,%eax", 64), "83c005");
}

#[test]
fn undefined_symbols_become_fixups() {
    let code = block("movl $5,sym+8(%rip); mov $sym,%rax; call *table(,%rax,8)", 64);
    let all: Vec<_> =
        code.fixups.iter().map(|fixup| (fixup.offset, fixup.kind, fixup.symbol.as_str(), fixup.addend)).collect();
    assert_eq!(
        all,
        [
            // The CPU counts from the end of the instruction, four immediate bytes further on.
            (2, FixupKind::PcRel32, "sym", 0),
            (13, FixupKind::Abs32Signed, "sym", 0),
            (20, FixupKind::Abs32Signed, "table", 0),
        ]
    );
    // ELF32 keeps the addend in the field.
    assert_eq!(hex("call foo", 32), "e8fcffffff");
    assert_eq!(hex("mov $sym+4,%eax", 32), "b804000000");
    let code = block("jmp 0x1234; lea 1f(%rip),%rax; 1: .quad 1b, sym-., sym@GOT", 64);
    let all: Vec<_> = code.fixups.iter().map(|fixup| (fixup.kind, fixup.symbol.as_str(), fixup.addend)).collect();
    assert_eq!(
        all,
        [
            (FixupKind::Plt32, "*ABS*", 0x1230),
            (FixupKind::Abs64, ".text", 12),
            (FixupKind::PcRel64, "sym", 0),
            (FixupKind::Got32, "sym", 0),
        ]
    );
    assert_eq!(code.bytes[8..12], [0, 0, 0, 0]);
}

#[test]
fn data_directives() {
    assert_eq!(hex(".byte 1,-1,'a','\\n; .word 0x1234; .long 1; .quad -2", 64), "01ff610a341201000000feffffffffffffff");
    assert_eq!(hex(".octa 0x0102030405060708090a0b0c0d0e0f10", 64), "100f0e0d0c0b0a090807060504030201");
    assert_eq!(hex(r##".ascii "a\"\101\x42"; .asciz "x","y"; .string "#;z""##, 64), "6122414278007900233b7a00");
    assert_eq!(hex(".skip 3; .fill 2,3,0x11223344; .zero 1; .space 2,5", 64), "000000443322443322000505");
    assert_eq!(hex("nop; .p2align 2; nop; .balign 4,0xcc", 64), "900f1f0090cccccc");
    assert_eq!(hex(".nops 3; .nops 4,2", 64), "0f1f0066906690");
    let code = block("nop; .long 1; .p2align 3", 64);
    let kinds: Vec<_> = code.items.iter().map(|item| (item.offset, item.len, item.kind)).collect();
    assert_eq!(kinds, [(0, 1, ItemKind::Instruction), (1, 4, ItemKind::Data), (5, 3, ItemKind::Fill)]);
}

#[test]
fn modes_and_syntaxes_can_change_inside() {
    assert_eq!(hex(".code32; push %eax; .code16; push %eax; .code64; push %rax", 64), "50665050");
    assert_eq!(hex(".intel_syntax noprefix; mov eax, [rbx+4]; .att_syntax; mov 4(%rbx),%eax", 64), "8b43048b4304");
    assert_eq!(hex(".intel_syntax; mov %eax, dword ptr [%rbx]", 64), "8b03");
}

#[test]
fn expressions_have_the_precedence_of_gnu_as() {
    // | binds tighter than +, unlike in C.
    assert_eq!(
        hex(".byte 1|2+4, 1+2*3, 7&3+1, -1>>60, 5/2, 7%4, 1<<2, ~0&15, 2==2, 3>4, !0", 64),
        "070704 0f02030 40fff0001".replace(' ', "")
    );
    assert_eq!(hex("mov ((40)/3-4)%2*64(%rsp),%eax", 64), "8b442440");
    assert_eq!(hex("mov $0x07008161U,%eax", 64), "b861810007");
    assert_eq!(hex("mov $'a'-'0'-10,%al; mov $0b1000,%al", 64), "b027b008");
}

#[test]
fn comments_and_separators() {
    assert_eq!(hex("nop # a comment; nop\nnop /* more\n of it */ ; nop", 64), "909090");
    assert_eq!(hex("  lock ; rep;nop\n\n;;", 64), "f0f390");
    assert_eq!(hex("MOV %EAX,%EBX", 64), "89c3");
}

#[test]
fn all_errors_are_reported() {
    let errors = assemble("bogus %eax\nmov $1,%foo\nadd $0x80000000,%rax\npush %eax\n", &options(64)).unwrap_err();
    let kinds: Vec<_> = errors.iter().map(|error| error.kind).collect();
    assert_eq!(
        kinds,
        [ErrorKind::UnknownMnemonic, ErrorKind::UnknownRegister, ErrorKind::ImmediateRange, ErrorKind::OperandForm]
    );
}

#[test]
fn errors_point_at_the_operand() {
    let at = |text: &str| {
        let error = error(text);
        (error.kind, text[error.span.clone()].to_string())
    };
    assert_eq!(at("movl %eax,%bx"), (ErrorKind::OperandForm, "%bx".into()));
    assert_eq!(at("mov $0x123456789,%rbx,%rcx").0, ErrorKind::OperandCount);
    assert_eq!(at("shl $256,%eax"), (ErrorKind::ImmediateRange, "$256".into()));
    assert_eq!(at("mov %r8d,%ah"), (ErrorKind::OperandForm, "%ah".into()));
    assert_eq!(at("mov %r8b,%ah"), (ErrorKind::Unencodable, "%ah".into()));
    assert_eq!(at("mov (%rax,%rsp),%ebx"), (ErrorKind::Addressing, "%rsp".into()));
    assert_eq!(at("mov (%rax,%rbx,3),%ebx"), (ErrorKind::Addressing, "3".into()));
    assert_eq!(at("vaddps %xmm0,%xmm1,%xmm2{%k0}"), (ErrorKind::Decorator, "k0".into()));
    assert_eq!(at("paddb %xmm16,%xmm0"), (ErrorKind::OperandForm, "%xmm16".into()));
    assert_eq!(at("pusha"), (ErrorKind::WrongMode, "pusha".into()));
    assert_eq!(at("lock mov %eax,(%rbx)"), (ErrorKind::Prefix, "lock ".into()));
    assert_eq!(at(".section .text"), (ErrorKind::Directive, ".section".into()));
    assert_eq!(at("vpgatherdd (%rax,%zmm1,4),%zmm2").0, ErrorKind::Decorator);
    assert_eq!(at("urdmsr %rax,%rbx"), (ErrorKind::Unsupported, "urdmsr".into()));
    assert_eq!(at("vcvtpd2ps (%rax),%xmm0"), (ErrorKind::AmbiguousSize, "vcvtpd2ps".into()));
    assert!(error("xro %eax,%eax").help.unwrap().contains("`xor`"));
    assert!(error("add %eax,%bx").notes[0].contains("`add r32, r32/m32`"));
}

#[test]
fn warnings_are_those_of_gnu_as() {
    let code = block("mov $0,(%rax); jmp %rax; movb $0x1ff,%al; fadd", 64);
    let kinds: Vec<_> = code.warnings.iter().map(|warning| warning.kind).collect();
    assert_eq!(
        kinds,
        [ErrorKind::AmbiguousSize, ErrorKind::MissingStar, ErrorKind::ImmediateRange, ErrorKind::OperandCount]
    );
    assert_eq!(code.warnings[0].fix.as_ref().unwrap().text, "movl");
    assert_eq!(code.warnings[1].fix.as_ref().unwrap().text, "*%rax");
}

#[test]
fn limits_are_errors() {
    for text in [".skip 0x7fffffff", ".fill 0x100000,8", ".p2align 31", ".zero -1"] {
        assert!(matches!(error(text).kind, ErrorKind::Limit | ErrorKind::Directive), "{text}");
    }
    let deep = format!("mov ${}1,%eax", "(".repeat(10_000));
    assert_eq!(error(&deep).kind, ErrorKind::Limit);
    let deep = format!("mov ${}1,%eax", "-".repeat(100_000));
    assert_eq!(error(&deep).kind, ErrorKind::Limit);
}

/// Kernel code pads an instruction to the length of its replacement like this; the replacement's jump may grow.
#[test]
fn space_can_depend_on_labels_ahead() {
    let alternative = |length: usize| {
        let text = format!(
            "661: jz 1f; 662: .skip -(((6651f-6641f)-(662b-661b)) > 0) * ((6651f-6641f)-(662b-661b)),0x90
             ret; 1: .skip {length}; 6641: jmp 661b; nop; 6651: .byte 6651b-6641b, (662b-661b)*3"
        );
        hex(&text, 64)
    };
    assert_eq!(alternative(2), "740290c30000ebf8900306");
    assert_eq!(alternative(128), format!("740590909090c3{}e974ffffff900606", "00".repeat(128)));
    let text = ".fill (b-a)/2, 2, 0x1234; .nops (b-a)*4+1; a: nop; jmp c; nop; b: .skip 125; c:
                .long ~(b-a), !(b-a), -((b-a) == 4); mov $(b-a)*2, %eax; .byte (b-a)-(c-b)/125";
    let code = format!(
        "3412341266662e0f1f840000000000660f1f44000090eb7e90{}fbffffff0000000001000000b80800000003",
        "00".repeat(125)
    );
    assert_eq!(hex(text, 64), code);
    assert_eq!(block(".skip a*2; a = 3", 64).items.iter().next().unwrap().len, 6);
}

#[test]
fn what_the_layout_cannot_compute_is_an_error() {
    for (text, kind, span) in [
        (".skip ext-1f; 1:", ErrorKind::Expression, 6..12),
        (".skip 1f; 1:", ErrorKind::Expression, 6..8),
        (".long ext*2", ErrorKind::Expression, 6..11),
        ("nop; mov $(1f-ext)/2,%eax; 1:", ErrorKind::Expression, 10..20),
        (".byte (1f-0f)/(1f-1f); 0: 1:", ErrorKind::Expression, 6..21),
        ("0: jmp 1f; .skip 5-(1f-0b)*9; 1:", ErrorKind::Directive, 17..28),
        ("a: .skip 0x200000-(b-a); jmp a; b:", ErrorKind::Limit, 9..23),
        ("a: .skip (b-a)*3+1; b:", ErrorKind::Limit, 9..18),
        ("a: .skip !(b-a); b:", ErrorKind::Expression, 9..15),
        ("a: .skip (a-b)*3-1; jmp c; c: b:", ErrorKind::Directive, 9..18),
    ] {
        let error = error(text);
        assert_eq!((error.kind, error.span), (kind, span), "{text}: {}", error.message);
    }
    // Both are wrong, and both are reported.
    assert_eq!(assemble(".skip x*2; .long y*2", &options(64)).unwrap_err().len(), 2);
    // What one expression goes through is bounded, and so is the block.
    let chain: String = (1..10_000).map(|i| format!(".set a{i}, a{}*a{0}; ", i - 1)).collect();
    assert_eq!(error(&format!("{chain} .long a9999; .set a0, 1")).kind, ErrorKind::Expression);
    assert_eq!(error(&"nop; .p2align 20\n".repeat(2000)).kind, ErrorKind::Limit);
}

/// The patchlets of Linux's native paravirt operations.
#[test]
fn paravirt_patchlets() {
    for (text, bits, bytes) in [
        ("pushq %rdi; popfq", 64, "579d"),
        ("pushfq; popq %rax", 64, "9c58"),
        ("swapgs; sysretq", 64, "0f01f8480f07"),
        ("swapgs; sti; sysexit", 64, "0f01f8fb0f35"),
        ("movq %cr2, %rax", 64, "0f20d0"),
        ("movq %rdi, %cr3", 64, "0f22df"),
        ("mov %edi, %eax", 64, "89f8"),
        ("invlpg (%rdi)", 64, "0f013f"),
        ("movb $0, (%rdi)", 64, "c60700"),
        ("wbinvd", 64, "0f09"),
        ("ud2a", 64, "0f0b"),
        ("pushf; pop %eax", 32, "9c58"),
        ("push %eax; popf", 32, "509d"),
        ("sti; sysexit", 32, "fb0f35"),
        ("movb $0, (%eax)", 32, "c60000"),
        ("iret", 32, "cf"),
        ("clts", 32, "0f06"),
    ] {
        assert_eq!(hex(text, bits), bytes, "{text}");
    }
}

/// iced-x86 1.22 loses the REX prefix of 3DNow! and the order of prefixes; this crate does not use its encoder.
#[test]
fn defects_of_the_iced_encoder_are_not_here() {
    assert_eq!(hex("pf2id (%rdi,%r8),%mm1", 64), "420f0f0c071d");
    assert_eq!(hex("xacquire lock addw $1,(%eax)", 64), "6766f2f0830001");
    assert_eq!(error("{vex} vaddps %zmm0,%zmm1,%zmm2").kind, ErrorKind::Prefix);
    assert_eq!(error("vaddps %xmm0,%xmm1,%xmm2{z}").kind, ErrorKind::Decorator);
}
