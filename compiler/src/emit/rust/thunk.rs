//! Thunks: they let a plain function stand behind a contract that is narrower than the ABI of a call.
//!
//! The frame, below the saved rbp: the registers to keep, the flags, room for results that come in memory, vector state.
//! The stack is aligned whatever the site's was.

use super::Context;
use super::names::type_size;
use crate::arch::register_name;
use crate::check::CheckedRow;
use crate::emit::text::{Piece, Text, line, put};
use crate::model::{Abi, Contract, Op, Operand};
use iced_x86::Register;

/// Where a plain function has its arguments (System V psABI, 3.2.3).
pub(super) const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

/// Results up to this many bytes come in rax and rdx, more in memory (psABI, 3.2.3, "Returning of Values").
const IN_REGISTERS: u32 = 16;

/// The `naked_asm!` statement of a thunk that calls `callee`.
pub(super) fn render(
    cx: &Context<'_>,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    callee: &str,
    text: &mut Text,
) {
    let frame = Frame::new(cx.abi(), op, contract);
    text.line("::core::arch::naked_asm!(");
    text.nested(1, |text| {
        frame.enter(text);
        frame.arguments(text);
        text.line(r#""call {pv_backend}","#);
        frame.results(text);
        frame.leave(text);
        line!(text, "pv_backend = sym ", callee, ",");
        if frame.vectors {
            text.line("pv_area = sym ::pvc_runtime::vector::save_area,");
        }
        text.line("options(att_syntax)");
    });
    text.line(")");
}

/// Appends a line of asm as a string literal.
macro_rules! asm {
    ($text:expr, $($piece:expr),+) => {
        line!($text, "\"", $($piece),+, "\",")
    };
}

/// The frame of a thunk.
pub(super) struct Frame<'a> {
    contract: &'a Contract<CheckedRow>,
    /// Caller-saved registers that have a place in the frame: what the op must keep, and its operands.
    kept: Vec<Register>,
    /// Which registers the op clobbers.
    clobbered: Vec<Register>,
    /// Distance of the flags from rbp.
    flags: Option<u32>,
    /// Distance of the results from rbp, if they come in memory.
    memory: Option<u32>,
    /// Whether vector state is saved.
    vectors: bool,
}

impl<'a> Frame<'a> {
    /// Whether a plain function returns the op's results in memory.
    pub(super) fn returns_in_memory(contract: &Contract<CheckedRow>) -> bool {
        bytes_of_results(contract) > IN_REGISTERS
    }

    fn new(abi: Abi, op: &Op<CheckedRow>, contract: &'a Contract<CheckedRow>) -> Self {
        let clobbered = contract.clobbers.registers(contract.arch);
        let is_operand =
            |register| contract.params.iter().chain(&contract.results).any(|operand| operand.register == register);
        let mut kept = contract.arch.table().caller_saved.to_vec();
        kept.retain(|&register| !clobbered.contains(&register) || is_operand(register));
        let mut depth = 8 * kept.len() as u32;
        let mut below = |bytes: u32| {
            depth += bytes;
            depth
        };
        let flags = op.preserves.flags.then(|| below(8));
        let memory = Self::returns_in_memory(contract).then(|| below(bytes_of_results(contract).next_multiple_of(8)));
        Self { contract, kept, clobbered, flags, memory, vectors: abi == Abi::User && op.preserves.vector }
    }

    /// Where the value of a register of the site is, or goes.
    fn place(&self, register: Register) -> Place {
        if register == Register::RBP {
            return Place::Frame(0);
        }
        match self.kept.iter().position(|&other| other == register) {
            Some(index) => Place::Frame(8 * (index as u32 + 1)),
            None => Place::Register(register),
        }
    }

    fn enter(&self, text: &mut Text) {
        text.lines([
            r#"".cfi_startproc","#,
            r#""endbr64","#,
            r#""push %rbp","#,
            r#"".cfi_def_cfa_offset 16","#,
            r#"".cfi_offset %rbp, -16","#,
            r#""mov %rsp, %rbp","#,
            r#"".cfi_def_cfa_register %rbp","#,
        ]);
        for &register in &self.kept {
            asm!(text, "push %", register_name(register));
        }
        if self.flags.is_some() {
            // Not pushf and popf: popf would undo what the op does to the interrupt flag.
            text.lines([r#""lahf","#, r#""seto %al","#, r#""push %rax","#]);
        }
        if let Some(at) = self.memory {
            asm!(text, "lea -", at, "(%rbp), %rsp");
        }
        if self.vectors {
            SAVE_VECTORS.iter().for_each(|line| asm!(text, line));
        } else {
            asm!(text, "and $-16, %rsp");
        }
    }

    /// From the frame, so that no argument overwrites another.
    fn arguments(&self, text: &mut Text) {
        let mut homes = ARGUMENTS.into_iter();
        if let Some(at) = self.memory
            && let Some(home) = homes.next()
        {
            asm!(text, "lea -", at, "(%rbp), ", Place::Register(home));
        }
        for (param, home) in self.contract.params.iter().zip(homes) {
            asm!(text, "mov ", self.place(param.register), ", ", Place::Register(home));
        }
    }

    /// What brings each result to its place: a single one from rax, others by way of rcx and zero-extended.
    fn results(&self, text: &mut Text) {
        if let [result] = &self.contract.results[..] {
            asm!(text, "mov %rax, ", self.place(result.register));
            return;
        }
        for (offset, result) in fields(self.contract) {
            let size = type_size(result.ty);
            match self.memory {
                Some(at) => {
                    let (load, to) = match size {
                        8 => ("mov", "%rcx"),
                        4 => ("mov", "%ecx"),
                        2 => ("movzwl", "%ecx"),
                        _ => ("movzbl", "%ecx"),
                    };
                    asm!(text, load, " -", at - offset, "(%rbp), ", to);
                }
                None => {
                    asm!(text, "mov ", if offset < 8 { "%rax" } else { "%rdx" }, ", %rcx");
                    if offset % 8 > 0 {
                        asm!(text, "shr $", offset % 8 * 8, ", %rcx");
                    }
                    match size {
                        8 => {}
                        4 => asm!(text, "mov %ecx, %ecx"),
                        2 => asm!(text, "movzwl %cx, %ecx"),
                        _ => asm!(text, "movzbl %cl, %ecx"),
                    }
                }
            }
            asm!(text, "mov %rcx, ", self.place(result.register));
        }
    }

    fn leave(&self, text: &mut Text) {
        if self.vectors {
            RESTORE_VECTORS.iter().for_each(|line| asm!(text, line));
        }
        if let Some(at) = self.flags {
            asm!(text, "mov -", at, "(%rbp), %rax");
            // The sum overflows, and so sets OF, if seto stored 1.
            text.lines([r#""add $127, %al","#, r#""sahf","#]);
        }
        for &register in &self.kept {
            let is_result = self.contract.results.iter().any(|result| result.register == register);
            if is_result || !self.clobbered.contains(&register) {
                asm!(text, "mov ", self.place(register), ", ", Place::Register(register));
            }
        }
        text.lines([r#""leave","#, r#"".cfi_def_cfa %rsp, 8","#, r#""ret","#, r#"".cfi_endproc","#]);
    }
}

/// Where a value is while a thunk runs.
enum Place {
    Register(Register),
    /// That far below rbp.
    Frame(u32),
}

impl Piece for Place {
    fn append(&self, text: &mut String) {
        match *self {
            Self::Register(register) => put!(*text, "%", register_name(register)),
            Self::Frame(0) => put!(*text, "(%rbp)"),
            Self::Frame(below) => put!(*text, "-", below, "(%rbp)"),
        }
    }
}

/// The results as fields of a C struct, with their offsets.
fn fields(contract: &Contract<CheckedRow>) -> Vec<(u32, &Operand)> {
    let mut end = 0u32;
    let mut fields = Vec::new();
    for result in &contract.results {
        let size = type_size(result.ty);
        let offset = end.next_multiple_of(size);
        end = offset + size;
        fields.push((offset, result));
    }
    fields
}

fn bytes_of_results(contract: &Contract<CheckedRow>) -> u32 {
    let align = contract.results.iter().map(|result| type_size(result.ty)).max().unwrap_or(1);
    fields(contract).last().map_or(0, |(offset, last)| (offset + type_size(last.ty)).next_multiple_of(align))
}

/// All vector state below the stack pointer: FXSAVE's 512 bytes, or XSAVE's area, whose header must be zero before (Intel SDM
/// vol. 1, 13.7).
const SAVE_VECTORS: [&str; 20] = [
    "call {pv_area}",
    "sub %rax, %rsp",
    "and $-64, %rsp",
    "cmp $512, %eax",
    "jne 2f",
    "fxsave64 (%rsp)",
    "jmp 3f",
    "2: xor %ecx, %ecx",
    "mov %rcx, 512(%rsp)",
    "mov %rcx, 520(%rsp)",
    "mov %rcx, 528(%rsp)",
    "mov %rcx, 536(%rsp)",
    "mov %rcx, 544(%rsp)",
    "mov %rcx, 552(%rsp)",
    "mov %rcx, 560(%rsp)",
    "mov %rcx, 568(%rsp)",
    "mov $-1, %eax",
    "mov $-1, %edx",
    "xsave64 (%rsp)",
    "3:",
];

const RESTORE_VECTORS: [&str; 9] = [
    "call {pv_area}",
    "cmp $512, %eax",
    "jne 4f",
    "fxrstor64 (%rsp)",
    "jmp 5f",
    "4: mov $-1, %eax",
    "mov $-1, %edx",
    "xrstor64 (%rsp)",
    "5:",
];
