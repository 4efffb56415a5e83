//! The findings are those of a whole compilation, whatever is edited.

use super::{Analysis, Session};
use crate::diagnostics::{Color, Diagnostics, render};
use crate::source::{MemoryLoader, SourceMap};

const COMMON: &str = "/// Xen.\nfeature xenpv\n\nop shared.pause() {\n    x86 { pause } = f3 90\n}\n";

const SET: &str = r#"//! A set with a bit of everything.

// A remark.
patchset demo {
    arch     x86_64, i386
    baseline x86_64_v1
}

include "common.pv"

/// Not used by much.
feature other

op irq.disable() {
    clobbers barrier
    x86_64, i386 when !xenpv && other { cli; nop } = fa 90
    x86_64, i386 { cli } = fa
}

op irq.save() -> flags: word {
    clobbers barrier
    x86_64, i386 { pushf; pop {flags} } = 9c 58
}

op mov64(value: word) -> result: word {
    x86_64, i386 identity { mov {value}, {result} } = 48 89 f8 | 89 c0
}

op small(value: word) -> result: word {
    site inline
    nocall
    x86_64 { mov {value}, {result}; nop } = 48 89 f8 90
}

/// Whether events are traced.
branch trace.enabled = false

op cpu.relax() {
    clobbers rax
    allow(PV0504, "kept")
    x86_64 { pause }
}
"#;

fn shown(diagnostics: &Diagnostics, sources: &SourceMap) -> String {
    render(diagnostics, sources, Color::Never)
}

fn check(session: &mut Session, text: &str) -> Analysis {
    let files = MemoryLoader::from_iter([("set.pv", text), ("common.pv", COMMON)]);
    let analysis = session.analyse("set.pv", &files);
    let whole = crate::compile("set.pv", &files);
    assert_eq!(
        shown(&analysis.diagnostics, &analysis.sources),
        shown(&whole.diagnostics, &whole.sources),
        "of this text:\n{text}"
    );
    analysis
}

#[test]
fn findings_are_those_of_a_whole_compilation() {
    let mut session = Session::default();
    assert_eq!(check(&mut session, SET).diagnostics.list(), []);
    for (from, to) in [
        ("irq.save", "irq.disable"),
        ("irq.save", "irq_disable"),
        ("other {", "{"),
        ("feature other", "feature oth"),
        ("arch     x86_64, i386", "arch x86_64"),
        ("arch     x86_64, i386", ""),
        ("patchset demo", "patchset match"),
        ("patchset demo {", ""),
        ("= fa 90", "= fa"),
        ("clobbers rax", "clobbers rbx"),
        ("clobbers rax", ""),
        ("include \"common.pv\"", ""),
        ("include \"common.pv\"", "include \"missing.pv\""),
        ("include \"common.pv\"", "include \"set.pv\""),
        ("op small(", "op small"),
        ("op small(", "op irq.save("),
        ("op small(", "op trace.enabled("),
        ("branch trace.enabled", "branch irq.save"),
        ("branch trace.enabled = false", "branch trace.enabled = maybe"),
        ("{ mov {value}, {result}; nop } = 48 89 f8 90", "{ push {value}; pop {result} }"),
    ] {
        assert!(SET.contains(from));
        check(&mut session, &SET.replacen(from, to, 1));
        check(&mut session, SET);
    }
}

/// What ops read of the frame differs from op to op: whatever changed there, and from whatever to whatever.
#[test]
fn findings_follow_the_frame() {
    let set = SET.to_owned()
        + "\nop count(value: word) -> count: word {\n    partial\n    clobbers flags\n    x86_64 when popcnt { popcnt {value}, {count} }\n}\n\nop cas() {\n    clobbers flags, memory\n    x86_64 { lock cmpxchg16b (%rdi) }\n}\n\nop kept() {\n    clobbers rax\n    allow(PV0504, \"kept\")\n    x86 when pmem { nop; nop }\n    x86 { nop }\n}\n\nfeature pmem\n";
    let frames: Vec<String> = [
        ("patchset demo", "patchset other"),
        ("patchset demo", "xpatchset demo"),
        ("x86_64, i386\n    base", "x86_64\n    base"),
        ("x86_64, i386\n    base", "x86_64, i386x\n    base"),
        ("x86_64_v1\n", "x86_64_v2\n"),
        ("x86_64_v1\n", "x86_64_v1x\n"),
        ("x86_64_v1\n}", "x86_64_v1\n    site call.abs\n}"),
        ("x86_64_v1\n}", "x86_64_v1\n    site nop(2)\n}"),
        ("x86_64_v1\n}", "x86_64_v1\n    abi user\n}"),
        ("x86_64_v1\n}", "x86_64_v1\n    syntax intel\n}"),
        ("x86_64_v1\n}", "x86_64_v1\n    baseline cx16\n}"),
        ("feature other", "feature othe"),
        ("feature other", "feature new\nfeature other"),
        ("op kept() {", "op kept() { ("),
        ("feature pmem", "feature pmem2"),
        ("include \"common.pv\"", "// include"),
        ("/// Not used", "\n/// Not used"),
    ]
    .map(|(from, to)| {
        assert!(set.contains(from), "{from}");
        set.replacen(from, to, 1)
    })
    .into();
    let mut session = Session::default();
    for one in &frames {
        for other in &frames {
            session.analyse("set.pv", &MemoryLoader::from_iter([("set.pv", one.as_str()), ("common.pv", COMMON)]));
            check(&mut session, other);
        }
    }
}

#[test]
fn random_edits_leave_no_stale_finding() {
    let mut session = Session::default();
    let mut text = SET.to_owned();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below.max(1) as u64) as usize
    };
    let words = [
        "{",
        "}",
        "\n",
        "op x() {",
        "feature f\n",
        "// ",
        "rax",
        "flags, ",
        "= 90",
        "when avx ",
        "identity ",
        "\"",
        "(",
        ",",
    ];
    for step in 0..160 {
        let at = random(text.len() + 1);
        if random(3) == 0 {
            let end = (at + random(12)).min(text.len());
            text.replace_range(at..end, "");
        } else {
            text.insert_str(at, words[random(words.len())]);
        }
        check(&mut session, &text);
        if step % 8 == 7 {
            text = SET.to_owned();
        }
    }
}

#[test]
fn only_what_changed_is_compiled_again() {
    let mut session = Session::default();
    let before = check(&mut session, SET);
    let after = check(&mut session, &SET.replace("{ pushf; ", "{  pushf; "));
    let same = before.items.iter().zip(&after.items).filter(|(a, b)| std::rc::Rc::ptr_eq(&a.piece, &b.piece)).count();
    assert_eq!(same, before.items.len() - 1);
}

#[test]
fn only_what_reads_a_change_of_the_frame_is_compiled_again() {
    let again = |from: &str, to: &str| {
        let mut session = Session::default();
        check(&mut session, SET);
        let before = super::frame::runs();
        check(&mut session, &SET.replacen(from, to, 1));
        let runs = super::frame::runs() - before;
        check(&mut session, SET);
        assert_eq!(super::frame::runs() - before, runs, "what was typed was taken back: {to}");
        runs
    };
    assert_eq!(again("patchset demo", "patchset demonstration"), 0);
    assert_eq!(again("x86_64_v1", "  x86_64_v1 // as old as can be"), 0);
    // The op that names the feature.
    assert_eq!(again("feature other", "feature others"), 1);
    // None has an instruction or a condition that depends on what is between the two.
    assert_eq!(again("baseline x86_64_v1", "baseline x86_64_v2"), 0);
    // Four ops for both arches, and the branch, which is for all arches of the set.
    assert_eq!(again("x86_64, i386\n    base", "x86_64\n    base"), 5);
}
