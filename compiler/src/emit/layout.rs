//! The numbers of the table format: where the rows, conditions, fixups and plans of each op stand in the table of one
//! arch. `runtime/FORMAT.md` says what they mean; the C and the Rust output write them in this order.

use crate::arch::Arch;
use crate::check::{Checked, CheckedRow};
use crate::model::{Contract, Op, Term, Type};
use std::collections::BTreeSet;

/// The table of one arch.
#[derive(Debug)]
pub struct Layout<'a> {
    /// The arch.
    pub arch: Arch,
    /// Machine code of all rows, one after the other.
    pub bytes: Vec<u8>,
    /// All rows.
    pub rows: Vec<RowEntry<'a>>,
    /// All terms of conditions.
    pub terms: Vec<Term>,
    /// All fixups.
    pub fixups: Vec<&'a pvc_asm::Fixup>,
    /// The ops in order of their ids, those that the arch does not have included.
    pub ops: Vec<OpEntry<'a>>,
    /// Kind code and length of every plan.
    pub plans: Vec<(u8, u8)>,
    /// The row that stands for "returns its argument".
    pub identity_row: Option<usize>,
    /// The stub of `jmp.stub` sites.
    pub stub: Stub,
}

/// A row of the table.
#[derive(Debug)]
pub struct RowEntry<'a> {
    /// Its op.
    pub op: &'a Op<CheckedRow>,
    /// The row.
    pub row: &'a CheckedRow,
    /// Offset of its code in [`Layout::bytes`].
    pub bytes: usize,
    /// Its first term.
    pub term: usize,
    /// Its first fixup.
    pub fixup: usize,
}

impl RowEntry<'_> {
    /// Number of its terms.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.row.row.when.as_ref().map_or(0, |when| when.terms.len())
    }
}

/// An op of the table.
#[derive(Debug)]
pub struct OpEntry<'a> {
    /// The op.
    pub op: &'a Op<CheckedRow>,
    /// Its contract on this arch, if it has one.
    pub contract: Option<&'a Contract<CheckedRow>>,
    /// Its first row.
    pub row: usize,
    /// Number of its rows.
    pub rows: usize,
    /// The row that its `inline` sites hold.
    pub inline_row: Option<usize>,
    /// Its first plan.
    pub plan: usize,
    /// Number of its plans.
    pub plans: usize,
    /// `PV_OP_*`.
    pub flags: u16,
}

/// The out-of-line stub of a `jmp.stub` site.
#[derive(Debug, PartialEq, Eq)]
pub struct Stub {
    /// Its code, with its two fields zero.
    pub bytes: Vec<u8>,
    /// Offset of the call in it.
    pub call: usize,
}

/// `PV_OP_RESULT`.
pub const OP_RESULT: u16 = 1;
/// `PV_OP_LIVE`.
pub const OP_LIVE: u16 = 2;
/// `PV_OP_NOCALL`.
pub const OP_NOCALL: u16 = 4;
/// `PV_OP_NORETURN`.
pub const OP_NORETURN: u16 = 8;
/// `PV_OP_IDENTITY`.
pub const OP_IDENTITY: u16 = 16;
/// `PV_OP_PARTIAL`.
pub const OP_PARTIAL: u16 = 32;

impl<'a> Layout<'a> {
    /// The table of `arch`. `extra` names a class (kind code and length) that the language's own wrapper of an op uses
    /// although the contract does not list it.
    pub fn new(checked: &'a Checked, arch: Arch, extra: impl Fn(&Contract<CheckedRow>) -> Option<(u8, u8)>) -> Self {
        let mut layout = Self {
            arch,
            bytes: Vec::new(),
            rows: Vec::new(),
            terms: Vec::new(),
            fixups: Vec::new(),
            ops: Vec::new(),
            plans: Vec::new(),
            identity_row: None,
            stub: stub(arch),
        };
        for op in &checked.unit().ops {
            layout.add(op, op.on(arch), &extra);
        }
        layout
    }

    fn add(
        &mut self,
        op: &'a Op<CheckedRow>,
        contract: Option<&'a Contract<CheckedRow>>,
        extra: &impl Fn(&Contract<CheckedRow>) -> Option<(u8, u8)>,
    ) {
        let (row, plan) = (self.rows.len(), self.plans.len());
        let mut inline_row = None;
        let mut flags = flags(op);
        if let Some(contract) = contract {
            for checked in &contract.rows {
                let index = self.rows.len();
                if checked.row.when.is_none() && inline_row.is_none() {
                    inline_row = Some(index);
                }
                if checked.row.identity && self.identity_row.is_none() {
                    self.identity_row = Some(index);
                }
                self.rows.push(RowEntry {
                    op,
                    row: checked,
                    bytes: self.bytes.len(),
                    term: self.terms.len(),
                    fixup: self.fixups.len(),
                });
                self.bytes.extend(&checked.code.bytes);
                self.terms.extend(checked.row.when.iter().flat_map(|when| &when.terms));
                self.fixups.extend(&checked.code.fixups);
            }
            if !contract.sites.iter().any(|site| site.kind.name == "inline") {
                inline_row = None;
            }
            let classes = contract.sites.iter().filter_map(|site| Some((site.kind.code, site.len?)));
            let classes: BTreeSet<(u8, u8)> = classes.chain(extra(contract)).collect();
            self.plans.extend(classes);
            if is_identity(contract) {
                flags |= OP_IDENTITY;
            }
        }
        self.ops.push(OpEntry {
            op,
            contract,
            row,
            rows: self.rows.len() - row,
            inline_row,
            plan,
            plans: self.plans.len() - plan,
            flags,
        });
    }
}

fn flags(op: &Op<CheckedRow>) -> u16 {
    let mut flags = 0;
    for (holds, flag) in [
        (op.diverges() || !op.results().is_empty(), OP_RESULT),
        (op.live, OP_LIVE),
        (op.nocall, OP_NOCALL),
        (op.diverges(), OP_NORETURN),
        (op.partial, OP_PARTIAL),
    ] {
        if holds {
            flags |= flag;
        }
    }
    flags
}

/// Whether the set's identity function may be installed: a register's width in and out, where the ABI puts them.
fn is_identity(contract: &Contract<CheckedRow>) -> bool {
    let table = contract.arch.table();
    let wide = |ty: Type| matches!((ty, table.bits), (Type::Word | Type::Ptr, _) | (Type::U64, 64) | (Type::U32, 32));
    match (&contract.params[..], &contract.results[..]) {
        ([param], [result]) => {
            wide(param.ty)
                && wide(result.ty)
                && result.high.is_none()
                && Some(&param.register) == table.arguments.first()
                && Some(&result.register) == table.results.first()
        }
        _ => false,
    }
}

/// The stub of the arch table, assembled with its fields left zero.
fn stub(arch: Arch) -> Stub {
    let options = pvc_asm::Options { mode: arch.mode(), syntax: pvc_asm::Syntax::Att };
    let text = arch.table().stub.join("\n");
    let code = pvc_asm::assemble(&text, &options).expect("the stub of the arch table assembles; a test does it");
    let mut bytes = code.bytes;
    for fixup in &code.fixups {
        bytes[fixup.offset as usize..][..usize::from(fixup.width)].fill(0);
    }
    let slot = code.fixups.iter().find(|fixup| fixup.symbol == "SLOT").expect("the stub calls through SLOT");
    Stub { bytes, call: slot.offset as usize - 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An op may promise to preserve the flags; so its sites must do so before they are patched.
    #[test]
    fn stubs_change_no_flag() {
        for arch in Arch::ALL {
            let code = stub(arch).bytes;
            let instructions = iced_x86::Decoder::new(arch.bits(), &code, iced_x86::DecoderOptions::NONE);
            for instruction in instructions {
                assert_eq!(instruction.rflags_modified(), 0, "{arch:?}: {:?}", instruction.code());
            }
        }
    }

    /// A row for each instruction, and one for what follows the direct call, which is a byte shorter, that the patcher writes.
    #[test]
    fn frames_of_stubs_have_a_row_for_each_instruction() {
        for arch in Arch::ALL {
            let stub = stub(arch);
            let instructions = iced_x86::Decoder::new(arch.bits(), &stub.bytes, iced_x86::DecoderOptions::NONE);
            let mut starts: Vec<usize> =
                instructions.into_iter().map(|instruction| instruction.ip() as usize).collect();
            starts.push(stub.call + 5);
            starts.sort_unstable();
            let rows = arch.table().stub_frame.rows.iter().map(|(at, _)| usize::from(*at));
            assert_eq!(rows.collect::<Vec<_>>(), starts, "{arch:?}");
        }
    }

    #[test]
    fn stubs_are_those_of_the_format() {
        let wide = stub(Arch::X86_64);
        assert_eq!((wide.bytes.len(), wide.call), (32, 12));
        assert_eq!(wide.bytes[12..18], [0xff, 0x15, 0, 0, 0, 0]);
        assert_eq!(wide.bytes[27..], [0xe9, 0, 0, 0, 0]);
        let narrow = stub(Arch::I386);
        assert_eq!((narrow.bytes.len(), narrow.call), (23, 11));
        assert_eq!(narrow.bytes[11..17], [0xff, 0x15, 0, 0, 0, 0]);
    }
}
