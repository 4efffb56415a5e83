//! Thunks: they let a plain function stand behind a contract that is narrower than the ABI of a call.
//!
//! The frame, below the saved rbp: the registers to keep, the flags, room for results that come in memory, vector state.
//! The stack is aligned whatever the site's was.

use super::Context;
use super::names::type_size;
use crate::arch::register_name;
use crate::check::CheckedRow;
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
) -> Vec<String> {
    let frame = Frame::new(cx.abi(), op, contract);
    let asm = [frame.enter(), frame.arguments(), vec!["call {pv_backend}".to_owned()], frame.results(), frame.leave()];
    let mut lines = vec!["::core::arch::naked_asm!(".to_owned()];
    lines.extend(asm.concat().iter().map(|line| format!("    \"{line}\",")));
    lines.push(format!("    pv_backend = sym {callee},"));
    if frame.vectors {
        lines.push("    pv_area = sym ::pvc_runtime::vector::save_area,".to_owned());
    }
    lines.push("    options(att_syntax)".to_owned());
    lines.push(")".to_owned());
    lines
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
    fn place(&self, register: Register) -> String {
        if register == Register::RBP {
            return "(%rbp)".to_owned();
        }
        match self.kept.iter().position(|&other| other == register) {
            Some(index) => format!("-{}(%rbp)", 8 * (index + 1)),
            None => name(register),
        }
    }

    fn enter(&self) -> Vec<String> {
        let mut asm = owned(&[
            ".cfi_startproc",
            "endbr64",
            "push %rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset %rbp, -16",
            "mov %rsp, %rbp",
            ".cfi_def_cfa_register %rbp",
        ]);
        asm.extend(self.kept.iter().map(|&register| format!("push {}", name(register))));
        if self.flags.is_some() {
            // Not pushf and popf: popf would undo what the op does to the interrupt flag.
            asm.extend(owned(&["lahf", "seto %al", "push %rax"]));
        }
        if let Some(at) = self.memory {
            asm.push(format!("lea -{at}(%rbp), %rsp"));
        }
        asm.extend(if self.vectors { owned(&SAVE_VECTORS) } else { owned(&["and $-16, %rsp"]) });
        asm
    }

    /// From the frame, so that no argument overwrites another.
    fn arguments(&self) -> Vec<String> {
        let mut homes = ARGUMENTS.into_iter();
        let memory = self.memory.map(|at| format!("lea -{at}(%rbp), {}", homes.next().map_or(String::new(), name)));
        let moves = self.contract.params.iter().zip(homes);
        let moves = moves.map(|(param, home)| format!("mov {}, {}", self.place(param.register), name(home)));
        memory.into_iter().chain(moves).collect()
    }

    /// What brings each result to its place: a single one from rax, others by way of rcx and zero-extended.
    fn results(&self) -> Vec<String> {
        if let [result] = &self.contract.results[..] {
            return vec![format!("mov %rax, {}", self.place(result.register))];
        }
        let mut asm = Vec::new();
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
                    asm.push(format!("{load} -{}(%rbp), {to}", at - offset));
                }
                None => {
                    asm.push(format!("mov {}, %rcx", if offset < 8 { "%rax" } else { "%rdx" }));
                    if offset % 8 > 0 {
                        asm.push(format!("shr ${}, %rcx", offset % 8 * 8));
                    }
                    asm.extend(match size {
                        8 => None,
                        4 => Some("mov %ecx, %ecx".to_owned()),
                        2 => Some("movzwl %cx, %ecx".to_owned()),
                        _ => Some("movzbl %cl, %ecx".to_owned()),
                    });
                }
            }
            asm.push(format!("mov %rcx, {}", self.place(result.register)));
        }
        asm
    }

    fn leave(&self) -> Vec<String> {
        let mut asm = if self.vectors { owned(&RESTORE_VECTORS) } else { Vec::new() };
        if let Some(at) = self.flags {
            asm.push(format!("mov -{at}(%rbp), %rax"));
            asm.extend(owned(&["add $127, %al", "sahf"])); // the sum overflows, and so sets OF, if seto stored 1
        }
        for &register in &self.kept {
            let is_result = self.contract.results.iter().any(|result| result.register == register);
            if is_result || !self.clobbered.contains(&register) {
                asm.push(format!("mov {}, {}", self.place(register), name(register)));
            }
        }
        asm.extend(owned(&["leave", ".cfi_def_cfa %rsp, 8", "ret", ".cfi_endproc"]));
        asm
    }
}

fn name(register: Register) -> String {
    format!("%{}", register_name(register))
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
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
