//! 04xx: rows against sites.

use super::*;

#[test]
fn a_row_fits_its_site() {
    let ops =
        |asm: &str| format!("op a() {{\n site call.rel\n clobbers caller_saved, barrier\n x86_64 {{ {asm} }}\n}}");
    passes(KERNEL, &ops("cli; cli; cli; cli; cli"));
    let text = words(KERNEL, &ops("cli; cli; cli; cli; cli; cli"));
    assert!(text.contains("this row of `a` takes 6 bytes on x86_64, 1 more than its 5-byte call.rel site"), "{text}");
    assert!(text.contains("6 bytes: fa fa fa fa fa fa"), "{text}");
    assert!(text.contains("`call.mem` (6 bytes), `call.abs` (7 bytes), `inline`"), "{text}");
}

#[test]
fn the_smallest_site_counts() {
    let ops = "op a() {\n site call.abs, call.rel\n clobbers caller_saved, barrier\n x86_64 { cli; cli; cli; cli; cli; cli }\n}";
    let text = words(KERNEL, ops);
    assert!(text.contains("5-byte call.rel site"), "{text}");
    let ops = "op a() {\n site call.abs, call.mem\n clobbers caller_saved, barrier\n x86_64 { cli; cli; cli; cli; cli; cli }\n}";
    passes(KERNEL, ops);
}

#[test]
fn each_arch_has_its_own_lengths() {
    let ops =
        "op a() -> ! {\n site x86_64: jmp.mem; i386: jmp.mem.cs\n x86_64, i386 { nop; nop; nop; nop; nop; ud2 }\n}";
    let text = words(BOTH, ops);
    assert!(text.contains("7 bytes on x86_64"), "{text}");
}

#[test]
fn an_inline_site_is_as_long_as_the_longest_row() {
    let fits = |ops: &str| {
        let (_, compilation) = compiled(KERNEL, ops);
        let checked = compilation.checked.unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics.list()));
        let contract = &checked.unit().ops[0].contracts[0];
        let fits: Vec<(u8, u8)> = contract.rows.iter().map(|row| (row.fits[0].len, row.fits[0].slack)).collect();
        (contract.sites[0].len, fits)
    };
    let ops = "feature f\nop a() {\n site inline\n clobbers barrier\n x86_64 when f { cli; cli; cli; cli; cli; cli; cli }\n x86_64 { cli }\n}";
    assert_eq!(fits(ops), (Some(7), vec![(7, 0), (7, 6)]));
    // There must be room for a call, unless it is refused.
    assert_eq!(fits("op a() {\n site inline\n clobbers barrier\n x86_64 { cli }\n}"), (Some(5), vec![(5, 4)]));
    assert_eq!(fits("op a() {\n site inline\n nocall\n x86_64 { swapgs }\n}"), (Some(3), vec![(3, 0)]));
}

#[test]
fn no_site_is_longer_than_the_longest() {
    let ops = |count: usize| {
        format!("op a() {{\n site inline\n clobbers barrier\n x86_64 {{ {} }}\n}}", vec!["cli"; count].join("; "))
    };
    passes(KERNEL, &ops(64));
    let text = words(KERNEL, &ops(65));
    assert!(text.contains("no site has more than 64 bytes"), "{text}");
}

#[test]
fn a_site_holds_the_call_that_may_replace_it() {
    fails(KERNEL, "op a() {\n site nop(2)\n x86_64 { pause }\n}", &["PV0402 nop(2)"]);
    fails(KERNEL, "op a() {\n site nop(4)\n x86_64 { pause }\n}", &["PV0402 nop(4)"]);
    passes(KERNEL, "op a() {\n site nop(5)\n x86_64 { pause }\n}");
    passes(KERNEL, "op a() {\n site nop(2)\n nocall\n x86_64 { pause }\n}");
}

#[test]
fn the_identity_row_fits_where_it_may_be_written() {
    let ops = "op id(x: word) -> word {\n site call.mem\n x86_64 identity { nop; nop; nop; mov {x}, %rax }\n}\n\
               op other(x: word) -> word {\n site call.rel\n x86_64 { mov {x}, %rax }\n}";
    fails(KERNEL, ops, &["PV0401 nop; nop; nop; mov {x}, %rax"]);
    passes(KERNEL, &ops.replace("call.rel", "call.mem"));
    passes(KERNEL, &ops.replace("other(x: word)", "other(x: word in rsi)"));
}

#[test]
fn an_inline_site_is_linked() {
    // A one-byte field with an address is for the patcher, not for a linker.
    let ops = "op a() {\n site inline\n clobbers flags\n x86_64 { jrcxz f }\n}";
    assert!(findings(KERNEL, ops).iter().any(|found| found.starts_with("PV0304")), "{:?}", findings(KERNEL, ops));
}

/// Offsets into the bytes of a table have 32 bits: no patch set has too many.
#[test]
fn the_rows_of_a_set_may_have_more_than_64_kib() {
    let op = |number: usize| format!("op a{number}() {{\n site nop(64)\n x86_64 {{ .skip 64, 0x90 }}\n}}\n");
    let ops: String = (0..1025).map(op).collect();
    passes(KERNEL, &ops);
}
