//! Call frame information of the stub of a `jmp.stub` site.
//!
//! The stub stands behind the function's own FDE, which ends where the function does, so no `.cfi` directive reaches it: its CIE
//! and FDE are written byte by byte, as glibc did for the slow paths of its locks (`lowlevellock.h` up to 2.16). They say that the
//! stub was called from its site. Where it returns to is nowhere on the stack: it is a distance from the program counter, another one at
//! each instruction.

use super::sites::{Flavour, SiteText};
use crate::arch::{Arch, Frame, SiteOperand};
use crate::check::CheckedRow;
use crate::emit::text::{Bytes, put};
use crate::model::Unit;

/// Bytes of an FDE between its length and its call frame instructions: CIE pointer, start, length, and no augmentation.
const FDE_FIELDS: usize = 13;
/// Opcodes and numbers of DWARF: the high bits of `DW_CFA_advance_loc`; `DW_CFA_val_expression`; `DW_OP_breg0`; `DW_OP_const4s`;
/// `DW_OP_plus`.
const ADVANCE: u8 = 0x40;
const VAL_EXPRESSION: u8 = 0x16;
const BREG0: u8 = 0x70;
const CONST4S: u8 = 0x0d;
const PLUS: u8 = 0x22;

/// Whether the set has such stubs on an arch.
pub(super) fn is_needed(unit: &Unit<CheckedRow>, arch: Arch) -> bool {
    let contracts = unit.ops.iter().filter_map(|op| op.on(arch));
    contracts.flat_map(|contract| &contract.sites).any(|site| site.kind.operand == SiteOperand::Stub)
}

/// The line of a site that has a stub.
pub(super) fn invoke(text: &mut SiteText<'_>) {
    match text.flavour {
        Flavour::C => text.text.push_str(" \\\n\tPV_CFI(PV_STUB_FRAME)"),
        Flavour::Assembler => text.text.push_str("\tPV_STUB_FRAME \\@\n"),
    }
}

/// What all stubs of a unit share: in C the macro of a string, in assembly a macro whose argument makes the labels unique.
pub(super) fn define(arch: Arch, flavour: Flavour, text: &mut String) {
    let table = arch.table();
    match flavour {
        Flavour::C => {
            text.push_str("#ifndef PV_STUB_FRAME\n/* A stub for unwinders: called from its site, to which it returns (LSB 5.0, 10.6). */\n");
            text.push_str("#define PV_STUB_FRAME");
            entries(&table.stub_frame, "%=", &mut SiteText { flavour, text });
            text.push_str("\n#endif\n\n");
        }
        Flavour::Assembler => {
            text.push_str("#ifndef PV_STUB_FRAME_MACRO\n#define PV_STUB_FRAME_MACRO 1\n.macro PV_STUB_FRAME unique\n");
            text.push_str("#ifdef __GCC_HAVE_DWARF2_CFI_ASM\n");
            entries(&table.stub_frame, "\\unique", &mut SiteText { flavour, text });
            text.push_str("#endif\n.endm\n#endif\n");
        }
    }
}

/// A CIE for each object, and an FDE. Each is a multiple of 8 bytes long, so that nothing comes between what else there is in the
/// section: a gap of zeros would be its end.
fn entries(frame: &Frame, unique: &str, text: &mut SiteText<'_>) {
    let quote = text.quote();
    text.line(&[&".pushsection .eh_frame, ", &quote, &"a", &quote, &", @progbits"]);
    let (length, padding) = fill(frame.cie.len() + 4);
    text.line(&[&".ifndef .Lpvcie"]);
    text.line(&[&".Lpvcie: .long ", &length, &", 0; .byte ", &Bytes(frame.cie), &padding]);
    text.line(&[&".endif"]);

    let rules: usize = frame.rows.iter().map(|(at, rules)| rules.len() + usize::from(*at > 0)).sum();
    let (length, padding) = fill(FDE_FIELDS + rules + frame.rows.len() * EXPRESSION);
    let stub = format!(".Lpvstub{unique}");
    text.line(&[&".long ", &length, &"; .long . - .Lpvcie; .long ", &stub, &" - ."]);
    text.line(&[&".long .Lpvend", &unique, &" - ", &stub, &"; .byte 0"]);
    let mut last = 0;
    for &(at, rules) in frame.rows {
        let mut row = Vec::new();
        if at > last {
            row.push(ADVANCE + at - last);
        }
        last = at;
        row.extend(rules);
        row.extend([VAL_EXPRESSION, frame.return_column, 8, BREG0 + frame.return_column, 0, CONST4S]);
        // The site has five bytes.
        text.line(&[
            &".byte ",
            &Bytes(&row),
            &"; .long .Lpv",
            &unique,
            &" + 5 - ",
            &stub,
            &" - ",
            &usize::from(at),
            &"; .byte ",
            &Bytes(&[PLUS]),
        ]);
    }
    if let Some(bytes) = padding.strip_prefix(", ") {
        text.line(&[&".byte ", &bytes]);
    }
    text.line(&[&".popsection"]);
}

/// Bytes of `DW_CFA_val_expression` for the return address: pc + distance.
const EXPRESSION: usize = 11;

/// The length of an entry of `len` bytes behind its length field, padded, and the padding: `DW_CFA_nop`.
fn fill(len: usize) -> (usize, String) {
    let padding = (len + 4).next_multiple_of(8) - (len + 4);
    let mut text = String::new();
    (0..padding).for_each(|_| put!(text, ", 0"));
    (len + padding, text)
}
