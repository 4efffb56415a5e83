use super::{apply_allows, resolve};
use crate::arch::{Arch, register_name};
use crate::diagnostics::{Code, Diagnostics};
use crate::model::{Clobber, FeatureSource, Resolved, ResolvedRow, Term};
use crate::source::{MemoryLoader, SourceMap};
use crate::syntax::parse;

/// A text with what was made of it.
struct Made {
    unit: Resolved,
    sources: SourceMap,
    diagnostics: Diagnostics,
}

impl Made {
    fn of(text: &str) -> Self {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let files = MemoryLoader::from_iter([("a.pv", text)]);
        let ast = parse("a.pv", &files, &mut sources, &mut diagnostics);
        let unit = resolve(&ast, &sources, &mut diagnostics).expect("the text names a set");
        apply_allows(&ast, &sources, &mut diagnostics);
        diagnostics.sort();
        Self { unit, sources, diagnostics }
    }

    /// A text without findings.
    fn good(text: &str) -> Self {
        let made = Self::of(text);
        assert_eq!(made.diagnostics.list(), []);
        made
    }

    /// The code and place of each finding.
    fn found(&self) -> Vec<(Code, &str)> {
        let place = |found: &crate::diagnostics::Diagnostic| self.sources.text(found.primary.span);
        self.diagnostics.list().iter().map(|found| (found.code, place(found))).collect()
    }

    fn row(&self, op: usize, arch: Arch, row: usize) -> &ResolvedRow {
        &self.unit.ops[op].on(arch).expect("the op is on the arch").rows[row]
    }
}

/// A set of both arches around an op.
fn both(op: &str) -> String {
    format!("patchset t {{ arch x86_64, i386 }}\n{op}\n")
}

#[test]
fn roles_become_registers_of_their_width() {
    let op = "op a(a: word, b: u32, c: u16) -> d: u8 {\n x86 { x {a}, {b}, {c}, {d} }\n}";
    let made = Made::good(&both(op));
    assert_eq!(made.row(0, Arch::X86_64, 0).asm.text, "x %rdi, %esi, %dx, %al");
    assert_eq!(made.row(0, Arch::I386, 0).asm.text, "x %eax, %edx, %cx, %al");
    let intel = format!("patchset t {{\n arch x86_64\n syntax intel\n}}\n{}\n", op.replace("x86 ", "x86_64 "));
    assert_eq!(Made::good(&intel).row(0, Arch::X86_64, 0).asm.text, "x rdi, esi, dx, al");
}

#[test]
fn asm_maps_back_to_the_source() {
    let body = "\n  # first\n  push {flags}  # x {flags}\n\n  popf /* y */ ; vmovaps %zmm1, %zmm0{%k1}{z}; .ascii \"{flags}\" // z\n ";
    let made = Made::good(&format!("patchset t {{ arch x86_64 }}\nop a(flags: word) {{\n x86_64 {{{body}}}\n}}\n"));
    let asm = &made.row(0, Arch::X86_64, 0).asm;
    assert_eq!(asm.text, "push %rdi\npopf  ; vmovaps %zmm1, %zmm0{%k1}{z}; .ascii \"{flags}\"");
    let source = |piece: &str| {
        let at = asm.text.find(piece).expect("the text has the piece");
        made.sources.text(asm.source_span(at..at + piece.len()))
    };
    assert_eq!(source("push"), "push");
    assert_eq!(source("%rdi"), "{flags}");
    assert_eq!(source("push %rdi"), "push {flags}");
    assert_eq!(source("popf"), "popf");
    assert_eq!(source("vmovaps"), "vmovaps");
    assert_eq!(source("{z}"), "{z}");
    assert_eq!(source(".ascii \"{flags}\""), ".ascii \"{flags}\"");
    assert_eq!(source("di"), "{flags}");
    assert_eq!(source("push %r"), "push {flags}");
}

#[test]
fn operands_sit_where_the_abi_or_the_signature_says() {
    let made = Made::good(&both(
        "op a(a: u32 in ecx, b: word) -> (lo: u32, hi: u32) {\n x86 { nop }\n}\nop b() -> t: u64 {\n x86 { nop }\n}",
    ));
    let places = |op: usize, arch: Arch| {
        let contract = made.unit.ops[op].on(arch).unwrap();
        let all = contract.params.iter().chain(&contract.results);
        all.map(|operand| register_name(operand.register)).collect::<Vec<_>>()
    };
    assert_eq!(places(0, Arch::X86_64), ["rcx", "rsi", "rax", "rdx"]);
    assert_eq!(places(0, Arch::I386), ["ecx", "edx", "eax", "edx"]);
    let time = &made.unit.ops[1].on(Arch::I386).unwrap().results[0];
    assert_eq!((register_name(time.register), time.high.map(register_name)), ("eax", Some("edx")));
}

#[test]
fn conditions_become_minimal_terms() {
    let terms = |condition: &str| {
        let text = format!(
            "patchset t {{ arch x86_64 }}\nfeature a\nfeature b\nfeature c\nop o() {{\n x86_64 when {condition} {{ nop }}\n x86_64 when a || b || c {{ nop }}\n x86_64 {{ nop }}\n}}\n"
        );
        let made = Made::of(&text);
        made.row(0, Arch::X86_64, 0).when.as_ref().map(|when| when.terms.clone())
    };
    let term = |all: u64, none: u64| Term { all, none };
    assert_eq!(terms("a"), Some(vec![term(1, 0)]));
    assert_eq!(terms("!a && b"), Some(vec![term(2, 1)]));
    assert_eq!(terms("!(a && (b || !c))"), Some(vec![term(0, 1), term(4, 2)]));
    assert_eq!(terms("a || a && b"), Some(vec![term(1, 0)]));
    assert_eq!(terms("a && !a || b"), Some(vec![term(2, 0)]));
    assert_eq!(terms("(a || b) && (a || c)"), Some(vec![term(1, 0), term(6, 0)]));
    assert_eq!(terms("!!a"), Some(vec![term(1, 0)]));
    assert_eq!(terms("a || !a"), None);
}

#[test]
fn features_are_numbered_in_the_order_of_the_source() {
    let made = Made::good(
        "patchset t { arch x86_64 }\nfeature first\nop o() {\n x86_64 when serialize && later { nop }\n x86_64 when !first { nop }\n x86_64 { nop }\n}\n/// Doc.\nfeature later\n",
    );
    let names: Vec<_> = made.unit.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names, ["first", "serialize", "later"]);
    assert_eq!(made.unit.features[2].source, FeatureSource::Declared);
    assert_eq!(made.unit.features[2].docs, ["Doc."]);
    assert!(matches!(made.unit.features[1].source, FeatureSource::Cpuid(_)));
}

#[test]
fn clobbers_and_sites_are_worked_out_for_each_arch() {
    let made = Made::good(&both(
        "op a() {\n site x86_64: call.abs, nop(8); i386: call.mem\n clobbers x86_64: r8, al; i386: ecx; flags, df\n x86 { nop }\n}\nop b() {\n x86 { nop }\n}",
    ));
    let sites = |op: usize, arch: Arch| {
        made.unit.ops[op].on(arch).unwrap().sites.iter().map(|site| site.label()).collect::<Vec<_>>()
    };
    assert_eq!(sites(0, Arch::X86_64), ["call.abs", "nop(8)"]);
    assert_eq!(sites(0, Arch::I386), ["call.mem"]);
    assert_eq!(sites(1, Arch::I386), ["call.mem"]);
    let clobbers = |arch: Arch| &made.unit.ops[0].on(arch).unwrap().clobbers;
    let registers = |arch: Arch| clobbers(arch).registers(arch).into_iter().map(register_name).collect::<Vec<_>>();
    assert_eq!(registers(Arch::X86_64), ["rax", "r8"]);
    assert_eq!(registers(Arch::I386), ["ecx"]);
    assert!(Arch::ALL.into_iter().all(|arch| clobbers(arch).has(Clobber::Flags)));
    let place = made.unit.ops[1].on(Arch::I386).unwrap().clobbers.insert_at.unwrap();
    let line = made.sources.file(place.file).text[..place.start as usize].lines().last();
    assert_eq!(line, Some("op b() {"));
    let user = Made::good("patchset t {\n arch x86_64\n abi user\n}\nop a() {\n x86_64 { nop }\n}\n");
    assert_eq!(user.unit.ops[0].contracts[0].sites[0].label(), "jmp.stub");
}

#[test]
fn x86_means_the_arches_of_the_set() {
    let op = "op a() {\n x86 { nop } = 90 | 91\n}\n";
    let made = Made::good(&format!("patchset t {{ arch i386 }}\n{op}"));
    let contracts = &made.unit.ops[0].contracts;
    assert_eq!(contracts.iter().map(|contract| contract.arch).collect::<Vec<_>>(), [Arch::I386]);
    assert_eq!(contracts[0].rows[0].expected.as_ref().unwrap().bytes, [Some(0x91)]);
    let made = Made::good(&both("op a() {\n i386, x86_64 { nop } = 91 | ??\n}"));
    assert_eq!(made.row(0, Arch::X86_64, 0).expected.as_ref().unwrap().bytes, [None]);
    assert_eq!(made.row(0, Arch::I386, 0).expected.as_ref().unwrap().bytes, [Some(0x91)]);
}

#[test]
fn allow_silences_a_warning_of_its_op() {
    let text = |allow: &str| {
        format!(
            "patchset t {{\n arch x86_64\n baseline x86_64_v1\n}}\nop o() {{\n{allow} x86_64 when sse2 {{ nop }}\n}}\n"
        )
    };
    let allow = " allow(PV0604, \"kept for older baselines\")\n";
    assert_eq!(Made::of(&text("")).found(), [(Code::CONSTANT_CONDITION, "sse2")]);
    let made = Made::good(&text(allow));
    assert_eq!(made.unit.ops[0].allows[0].reason, "kept for older baselines");
    let unused = text(allow).replace("when sse2 ", "");
    assert_eq!(Made::of(&unused).found(), [(Code::UNUSED_ALLOW, allow.trim())]);
}

#[test]
fn a_lost_part_marks_its_op_and_says_nothing_more() {
    let made =
        Made::of(&both("op a() {\n clobers flags\n x86 when xenpw { nop }\n}\nop b(x: u23) {\n x86 { push {x} }\n}"));
    assert_eq!(made.found(), [(Code::SYNTAX, "clobers"), (Code::UNKNOWN_NAME, "xenpw"), (Code::UNKNOWN_NAME, "u23")]);
    assert_eq!(made.unit.ops.len(), 1);
    assert!(made.unit.ops[0].damaged);
}
