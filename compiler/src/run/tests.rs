use super::*;
use crate::source::MemoryLoader;

/// The verdicts on the rows of a set.
fn verdicts(ops: &str) -> Vec<String> {
    let text = format!("patchset t {{\n arch x86_64\n abi kernel\n site inline\n}}\n{ops}");
    let compilation = crate::compile("t.pv", &MemoryLoader::from_iter([("t.pv", text.as_str())]));
    let checked = compilation.checked.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics.list()));
    let report = test(&checked, &Options { states: 300, seed: 7 }).expect("rows can be run here");
    report.rows.into_iter().map(|row| row.verdict.to_string()).collect()
}

/// The only verdict, after `change` was done to a set that passes the checks.
fn verdict_of_changed(ops: &str, change: impl FnOnce(&mut crate::model::Op<crate::check::CheckedRow>)) -> String {
    let text = format!("patchset t {{\n arch x86_64\n abi kernel\n site inline\n}}\n{ops}");
    let compilation = crate::compile("t.pv", &MemoryLoader::from_iter([("t.pv", text.as_str())]));
    let mut checked = compilation.checked.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics.list()));
    checked.change(|unit| change(&mut unit.ops[0]));
    let report = test(&checked, &Options { states: 300, seed: 7 }).expect("rows can be run here");
    report.rows[0].verdict.to_string()
}

#[test]
fn sound_rows_agree() {
    assert_eq!(
        verdicts(
            "op a(x: word, y: word) -> word {\n clobbers flags\n x86_64 when bmi2 { lea (%rdi,%rsi), %rax }\n \
             x86_64 { mov %rdi, %rax; add %rsi, %rax }\n}\n\
             op b(p: ptr) -> word {\n clobbers memory\n x86_64 { mov (%rdi), %rax; mov (%rax), %rax; mov %rax, 8(%rdi) }\n}\n\
             op c(p: ptr in rdi, v: u8 in al, n: word in rcx) {\n clobbers rdi, rcx, memory\n x86_64 { rep stosb }\n}\n\
             op d() -> word {\n x86_64 { pushf; pop %rax }\n}\n\
             op e() {\n clobbers memory, flags\n x86_64 { incq counter(%rip); decq counter(%rip) }\n}"
        ),
        // The second of them follows what it loads, and half of that is no address.
        ["ok, 300 states", "ok, 300 states", "ok, 124 states", "ok, 300 states", "ok, 300 states", "ok, 300 states"]
    );
}

#[test]
fn rows_of_i386_run_in_32_bit_mode() {
    let verdicts = |ops: &str| -> Vec<String> {
        let text = format!("patchset t {{\n arch i386\n baseline x86_64_v2\n abi kernel\n site inline\n}}\n{ops}");
        let compilation = crate::compile("t.pv", &MemoryLoader::from_iter([("t.pv", text.as_str())]));
        let checked = compilation.checked.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics.list()));
        let report = test(&checked, &Options { states: 300, seed: 7 }).expect("rows can be run here");
        report.rows.into_iter().map(|row| row.verdict.to_string()).collect()
    };
    let found = verdicts(
        "op a(x: word, y: word) -> word {\n clobbers flags\n i386 when bmi2 { lea (%eax,%edx), %eax }\n \
         i386 { add %edx, %eax }\n}\n\
         op b(x: word) -> u64 {\n clobbers flags\n i386 when bmi2 { cltd }\n i386 { mov %eax, %edx; sar $31, %edx }\n}\n\
         op c(p: ptr) {\n clobbers flags, memory\n i386 { incl (%eax); incl counter }\n}\n\
         op d(x: word) -> word {\n clobbers flags\n i386 when bmi2 { inc %eax }\n i386 { dec %eax }\n}\n\
         op e() {\n clobbers barrier\n i386 { cli }\n}",
    );
    assert_eq!(found[..5], ["ok, 300 states"; 5]);
    assert_eq!(found[5], "ok, 300 states");
    assert!(found[6].starts_with("FAILED: differs from row 1: from x = 0x"), "{found:?}");
    assert_eq!(found[7], "not run: `cli` is privileged");
}

#[test]
fn rows_that_differ_are_shown_with_the_arguments() {
    let found = verdicts(
        "op a(x: word) -> word {\n clobbers flags\n x86_64 when bmi2 { mov %rdi, %rax; shr $1, %rax }\n \
         x86_64 { mov %rdi, %rax; sar $1, %rax }\n}",
    );
    assert_eq!(found[0], "ok, 300 states");
    assert!(found[1].starts_with("FAILED: differs from row 1: from x = 0x"), "{found:?}");
    let found = verdicts(
        "op a(x: word, y: word) -> word {\n clobbers flags, rdx\n \
         x86_64 when bmi2 { xor %edx, %edx; mov %rdi, %rax; div %rsi }\n x86_64 { xor %eax, %eax; mov $7, %edx }\n}",
    );
    assert!(found[1].contains("ends in") || found[1].contains("is 0x"), "{found:?}");
}

#[test]
fn what_is_changed_outside_the_contract_is_seen() {
    let drop_clobbers = |op: &mut crate::model::Op<crate::check::CheckedRow>| op.contracts[0].clobbers.items.clear();
    for (ops, what) in [
        ("op a() {\n clobbers rbx\n x86_64 { mov $1, %ebx }\n}", "changes rbx from"),
        ("op a(x: word) {\n clobbers flags\n x86_64 { test %rdi, %rdi }\n}", "changes the flags"),
        ("op a(p: ptr) {\n clobbers memory\n x86_64 { movb $3, (%rdi) }\n}", "changes memory"),
        ("op a() {\n clobbers xmm3\n x86_64 { pcmpeqd %xmm3, %xmm3 }\n}", "changes xmm3"),
        ("op a() {\n clobbers df\n x86_64 { std }\n}", "changes the flags DF"),
    ] {
        let found = verdict_of_changed(ops, drop_clobbers);
        assert!(found.starts_with("FAILED: ") && found.contains(what), "{found}");
    }
}

#[test]
fn what_is_read_besides_the_inputs_is_seen() {
    let found = verdict_of_changed("op a(x: word, y: word) -> word {\n x86_64 { lea (%rdi,%rsi), %rax }\n}", |op| {
        op.contracts[0].params.pop();
    });
    assert!(found.starts_with("FAILED: depends on what is no input: from x = 0x"), "{found}");
}

#[test]
fn rows_that_cannot_run_are_listed_with_the_reason() {
    assert_eq!(
        verdicts(
            "op a() {\n clobbers barrier\n x86_64 { cli }\n}\n\
             op b() {\n clobbers caller_saved\n x86_64 { call f }\n}\n\
             op c() {\n x86_64 { ud2 }\n}\n\
             op d() {\n x86_64 { 1: jmp 1b }\n}\n\
             op e(n: word) -> word in rax {\n clobbers rcx, r11, barrier\n x86_64 { mov %rdi, %rax; syscall }\n}"
        )
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>(),
        [
            "not run: `cli` is privileged",
            "not run: calls `f`, which is not there",
            "not run: ends in an invalid opcode from every state",
            "not run: ends in no end within the time allowed from every state",
            "not run: `syscall` enters other software",
        ]
    );
}

#[test]
fn time_stamps_are_not_compared() {
    let found = verdicts("op a() -> (lo: u32 in eax, hi: u32 in edx) {\n x86_64 { rdtsc }\n}");
    assert_eq!(found, ["ok, 300 states; its result changes from run to run and was not compared"]);
}

#[test]
fn the_same_seed_gives_the_same_states() {
    let mut one = random::Random::new(5);
    let mut other = random::Random::new(5);
    assert!((0..100).all(|_| one.number() == other.number()));
    assert_ne!(random::Random::new(6).next(), random::Random::new(5).next());
}
