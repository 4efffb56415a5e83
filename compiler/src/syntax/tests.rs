use super::ast::{ClauseKind, Item, Op, Returns};
use super::parse;
use crate::diagnostics::{Code, Diagnostics};
use crate::source::{MemoryLoader, SourceMap, Span};

/// A text with what was made of it.
struct Parsed {
    ast: super::Ast,
    sources: SourceMap,
    diagnostics: Diagnostics,
}

impl Parsed {
    fn of<const N: usize>(files: [(&str, &str); N]) -> Self {
        let mut sources = SourceMap::default();
        let mut diagnostics = Diagnostics::default();
        let ast = parse("a.pv", &MemoryLoader::from_iter(files), &mut sources, &mut diagnostics);
        diagnostics.sort();
        Self { ast, sources, diagnostics }
    }

    fn text(&self, span: Span) -> &str {
        self.sources.text(span)
    }

    fn ops(&self) -> Vec<&Op> {
        let ops = self.ast.items.iter().filter_map(|item| match item {
            Item::Op(op) => Some(op),
            _ => None,
        });
        ops.collect()
    }

    /// The code and place of each finding.
    fn found(&self) -> Vec<(Code, &str)> {
        self.diagnostics.list().iter().map(|found| (found.code, self.text(found.primary.span))).collect()
    }
}

const OP: &str = "\
//! A set.
//!  Indented.

/// Reads.
///
/// More.
op irq.save(x: u8 in al, y: word) -> (a: word, b: u32 in edx) {
    clobbers x86_64: rax, rbx; flags
    site nop(5), call.mem
    allow(PV0504, \"a reason\")
    x86_64, i386 when a && b identity { pushf; pop {a} }   =  9c 58 | 9c 58 // both
}
";

#[test]
fn spans_are_exact() {
    let parsed = Parsed::of([("a.pv", OP)]);
    assert_eq!(parsed.found(), []);
    let op = parsed.ops()[0];
    assert_eq!(parsed.text(op.name.span), "irq.save");
    assert!(parsed.text(op.span).starts_with("op irq.save(") && parsed.text(op.span).ends_with('}'));
    assert_eq!(parsed.text(op.open), "{");
    let signature = op.signature.as_ref().unwrap();
    assert_eq!(parsed.text(signature.span), "(x: u8 in al, y: word) -> (a: word, b: u32 in edx)");
    assert_eq!(parsed.text(signature.params[0].span), "x: u8 in al");
    assert_eq!(parsed.text(signature.params[0].place.as_ref().unwrap().span), "al");
    assert_eq!(parsed.text(signature.params[1].ty.span), "word");
    let Returns::Values(results) = &signature.returns else { panic!("{signature:?}") };
    assert_eq!(parsed.text(results[1].name.as_ref().unwrap().span), "b");
    let texts: Vec<_> = op.clauses.iter().map(|clause| parsed.text(clause.span)).collect();
    assert_eq!(
        texts[..3],
        ["clobbers x86_64: rax, rbx; flags", "site nop(5), call.mem", "allow(PV0504, \"a reason\")"]
    );
    let ClauseKind::Row(row) = &op.clauses[3].kind else { panic!("{op:?}") };
    assert_eq!(texts[3], "x86_64, i386 when a && b identity { pushf; pop {a} }   =  9c 58 | 9c 58 ");
    assert_eq!(parsed.text(row.when.as_ref().unwrap().span), "a && b");
    assert_eq!(parsed.text(row.identity.unwrap()), "identity");
    assert_eq!(parsed.text(row.asm), " pushf; pop {a} ");
    assert_eq!(parsed.text(row.bytes.as_ref().unwrap().span), "9c 58 | 9c 58");
    assert_eq!(row.arches.iter().map(|arch| parsed.text(arch.span)).collect::<Vec<_>>(), ["x86_64", "i386"]);
}

#[test]
fn docs_lose_their_marks_and_one_space() {
    let parsed = Parsed::of([("a.pv", OP)]);
    assert_eq!(parsed.ast.docs, ["A set.", " Indented."]);
    assert_eq!(parsed.ops()[0].docs, ["Reads.", "", "More."]);
}

#[test]
fn other_line_ends_and_a_byte_order_mark_change_nothing() {
    let other = format!("\u{feff}{}", OP.replace('\n', "\r\n"));
    let parsed = Parsed::of([("a.pv", &other)]);
    assert_eq!(parsed.found(), []);
    assert_eq!(parsed.ast.docs, ["A set.", " Indented."]);
    let op = parsed.ops()[0];
    assert_eq!(op.docs, ["Reads.", "", "More."]);
    assert_eq!(op.clauses.len(), 4);
}

#[test]
fn a_body_ends_at_its_balanced_brace() {
    for body in [
        "nop # }\n",
        "nop // }\n",
        "nop /* } \n } */",
        ".ascii \"}\\\"}\"",
        "mov $'}, %al",
        "mov $'\\'', %al; mov $'\"', %al",
        "vmovaps %zmm1, %zmm0{%k1}{z}",
        "mov $'{', %al",
    ] {
        let parsed = Parsed::of([("a.pv", &format!("op a() {{\n x86_64 {{{body}}} = 90\n}}\nfeature b\n"))]);
        assert_eq!(parsed.found(), [], "{body}");
        let ClauseKind::Row(row) = &parsed.ops()[0].clauses[0].kind else { panic!("{body}") };
        assert_eq!(parsed.text(row.asm), body);
        assert_eq!(parsed.ast.items.len(), 2, "{body}");
    }
}

#[test]
fn one_mistake_spoils_one_item() {
    let parsed = Parsed::of([(
        "a.pv",
        "op a(x) {\n x86_64 { nop }\n}\nop b() {\n x86_64 { nop\nop c() {\n clobers x\n x86_64 { nop }\n}\n",
    )]);
    assert_eq!(parsed.found(), [(Code::SYNTAX, ")"), (Code::SYNTAX, "{"), (Code::SYNTAX, "clobers")]);
    let ops = parsed.ops();
    assert_eq!(ops.iter().map(|op| op.name.text.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(ops[0].signature.is_none() && ops[1].damaged && ops[2].damaged);
    assert_eq!(ops[2].clauses.len(), 1);
}

#[test]
fn includes_are_spliced_in_once() {
    let parsed = Parsed::of([
        ("a.pv", "feature a\ninclude \"sub/b.pv\"\ninclude \"c.pv\"\nfeature d\n"),
        ("sub/b.pv", "//! Not the set's.\ninclude \"../c.pv\"\nfeature b\n"),
        ("c.pv", "feature c\n"),
    ]);
    assert_eq!(parsed.found(), []);
    let names = parsed.ast.items.iter().map(|item| match item {
        Item::Feature(feature) => feature.name.text.as_str(),
        _ => "?",
    });
    assert_eq!(names.collect::<Vec<_>>(), ["a", "c", "b", "d"]);
    assert_eq!(parsed.ast.docs, [""; 0]);
}

#[test]
fn a_missing_root_has_a_finding() {
    let parsed = Parsed::of([]);
    assert_eq!(parsed.found(), [(Code::READ, "")]);
    assert_eq!(parsed.sources.files().len(), 1);
}
