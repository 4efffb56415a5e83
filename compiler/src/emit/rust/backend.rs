//! Backends: what may be installed in the slot of an op, and the thunks that let a plain function stand behind a contract
//! that is narrower than the ABI of a call.

use super::names::{camel, ident, type_name, type_size};
use super::{Context, docs, safety};
use crate::arch::register_name;
use crate::check::CheckedRow;
use crate::model::{Abi, Contract, Op, Operand};
use iced_x86::Register;

/// What kind of function an op's slot holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// A function of the System V ABI keeps the contract.
    Plain,
    /// Such a function behind a thunk.
    Thunk,
    /// A routine written by hand: entry code, or more than an ordinary function takes.
    Routine,
}

const ARGUMENTS: [Register; 6] =
    [Register::RDI, Register::RSI, Register::RDX, Register::RCX, Register::R8, Register::R9];

pub(super) fn slot_kind(abi: Abi, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> SlotKind {
    let from_memory = bytes_of_results(contract) > 16;
    if !super::wrapper::has_wrapper(op, contract) || contract.params.len() + usize::from(from_memory) > ARGUMENTS.len()
    {
        return SlotKind::Routine;
    }
    let at_home = contract.params.iter().zip(ARGUMENTS).all(|(param, home)| param.register == home);
    let returns_at_home = match &contract.results[..] {
        [] => true,
        [result] => result.register == Register::RAX,
        _ => false,
    };
    let keeps = op.preserves.flags || (op.preserves.vector && abi == Abi::User);
    if contract.clobbers.caller_saved() && at_home && returns_at_home && !keeps {
        SlotKind::Plain
    } else {
        SlotKind::Thunk
    }
}

/// The function type of an op's backend.
fn signature(contract: &Contract<CheckedRow>, result: &str, names: bool) -> String {
    let params: Vec<String> = contract
        .params
        .iter()
        .map(|param| match names {
            true => format!("{}: {}", ident(&param.name), type_name(param.ty)),
            false => type_name(param.ty).to_owned(),
        })
        .collect();
    let returns = match &contract.results[..] {
        [] => String::new(),
        [one] => format!(" -> {}", type_name(one.ty)),
        _ => format!(" -> {result}"),
    };
    format!("({}){returns}", params.join(", "))
}

/// The signature of the external function behind an op's default, from inside `table`.
pub(super) fn external_signature(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> String {
    signature(contract, &results_path(op), true)
}

/// Path of the struct of several results, from inside `backends`.
fn results_path(op: &Op<CheckedRow>) -> String {
    let (modules, function) = super::names::path(&op.name);
    let mut path = vec!["super".to_owned()];
    path.extend(modules);
    path.push(super::wrapper::struct_name(&function));
    path.join("::")
}

/// The type of an op's slot. An op that x86_64 does not have keeps its place in the structure.
pub(super) fn slot_type(op: &Op<CheckedRow>, contract: Option<&Contract<CheckedRow>>) -> String {
    match contract {
        Some(_) => format!("::pvc_runtime::Slot<backends::{}>", camel(&op.ident())),
        None => "::pvc_runtime::Slot<unsafe extern \"sysv64\" fn()>".to_owned(),
    }
}

/// The content of `mod backends`.
pub(super) fn render(cx: &Context<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in &cx.layout.ops {
        let (op, Some(contract)) = (entry.op, entry.contract) else { continue };
        let name = camel(&op.ident());
        let unsafety = if safety::danger(cx.abi(), op, contract).is_some() { "unsafe " } else { "" };
        match slot_kind(cx.abi(), op, contract) {
            SlotKind::Plain => {
                lines.push(format!("/// A backend of `{}`: a plain function.", op.name));
                let signature = signature(contract, &results_path(op), false);
                lines.push(format!("pub type {name} = {unsafety}extern \"sysv64\" fn{signature};"));
            }
            SlotKind::Routine => lines.extend(routine(op, &name)),
            SlotKind::Thunk => lines.extend(thunk(cx, op, contract, &name, unsafety)),
        }
    }
    lines
}

fn address_type(name: &str) -> Vec<String> {
    vec![
        "#[repr(transparent)]".to_owned(),
        "#[derive(Clone, Copy, Debug)]".to_owned(),
        format!("pub struct {name}(*const ::core::ffi::c_void);"),
    ]
}

fn routine(op: &Op<CheckedRow>, name: &str) -> Vec<String> {
    let mut lines = vec![format!("/// A backend of `{}`: a routine that keeps its contract by itself.", op.name)];
    lines.extend(address_type(name));
    lines.extend([
        format!("impl {name} {{"),
        "    /// Takes the routine at `address` on trust.".to_owned(),
        "    ///".to_owned(),
        "    /// # Safety".to_owned(),
        "    ///".to_owned(),
        "    /// The code there keeps the contract of the op: operands, clobbers, and how it leaves.".to_owned(),
        "    pub const unsafe fn new(address: *const ::core::ffi::c_void) -> Self {".to_owned(),
        "        Self(address)".to_owned(),
        "    }".to_owned(),
        "}".to_owned(),
    ]);
    lines
}

fn thunk(
    cx: &Context<'_>,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    name: &str,
    unsafety: &str,
) -> Vec<String> {
    let signature = signature(contract, &results_path(op), true);
    let mut lines = vec![
        format!(
            "/// A backend of `{}` behind its thunk; made by [`{name}::of`], so that a plain function, which would",
            op.name
        ),
        "/// destroy registers that call sites keep values in, cannot be installed by mistake.".to_owned(),
    ];
    lines.extend(address_type(name));
    lines.push(format!("/// A plain function that does the work of `{}`.", op.name));
    lines.push(format!("pub trait {name}Backend {{"));
    lines.extend(docs(&op.docs, &format!("`{}`.", op.name)).into_iter().map(|line| format!("    {line}")));
    if !unsafety.is_empty() {
        lines.extend(
            ["///", "/// # Safety", "///", "/// Called under the promises of the op's own callers."]
                .map(|line| format!("    {line}")),
        );
    }
    lines.push(format!("    {unsafety}extern \"sysv64\" fn call{signature};"));
    lines.push("}".to_owned());
    lines.push(format!("impl {name} {{"));
    lines.push("    /// The backend `B`, behind the thunk that saves what the op does not clobber.".to_owned());
    lines.push(format!("    pub fn of<B: {name}Backend>() -> Self {{"));
    lines.push("        #[unsafe(naked)]".to_owned());
    lines.push(format!("        unsafe extern \"sysv64\" fn thunk<B: {name}Backend>() {{"));
    lines.extend(body(cx, op, contract, "B::call").into_iter().map(|line| format!("            {line}")));
    lines.push("        }".to_owned());
    lines.push("        Self(thunk::<B> as *const ::core::ffi::c_void)".to_owned());
    lines.push("    }".to_owned());
    lines.push("}".to_owned());
    lines
}

/// Offset and register of each field of a struct of results, as the System V ABI returns it: in rax and rdx up to 16 bytes.
fn fields(contract: &Contract<CheckedRow>) -> Vec<(u32, &Operand)> {
    let mut offset = 0;
    contract
        .results
        .iter()
        .map(|result| {
            let size = type_size(result.ty);
            offset = u32::next_multiple_of(offset, size);
            let field = (offset, result);
            offset += size;
            field
        })
        .collect()
}

fn bytes_of_results(contract: &Contract<CheckedRow>) -> u32 {
    let align = contract.results.iter().map(|result| type_size(result.ty)).max().unwrap_or(1);
    fields(contract).last().map_or(0, |(offset, last)| (offset + type_size(last.ty)).next_multiple_of(align))
}

/// The `naked_asm!` statement of a thunk that calls `callee`.
///
/// Its frame, below the saved rbp: the registers to keep, the flags, room for results returned in memory, vector state. The
/// stack is aligned whatever the site's was.
pub(super) fn body(
    cx: &Context<'_>,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    callee: &str,
) -> Vec<String> {
    let table = contract.arch.table();
    let destroyed = contract.clobbers.registers(contract.arch);
    let operand = |register: Register, operands: &[Operand]| operands.iter().any(|o| o.register == register);
    let kept: Vec<Register> = table
        .caller_saved
        .iter()
        .copied()
        .filter(|&register| {
            !destroyed.contains(&register)
                || operand(register, &contract.params)
                || operand(register, &contract.results)
        })
        .collect();
    let name = |register: Register| format!("%{}", register_name(register));
    let place = |register: Register| -> Option<String> {
        if register == Register::RBP {
            return Some("(%rbp)".to_owned());
        }
        let index = kept.iter().position(|&other| other == register)?;
        Some(format!("-{}(%rbp)", 8 * (index + 1)))
    };
    let mut asm: Vec<String> = Vec::new();
    let mut push = |line: &str| asm.push(line.to_owned());
    for line in [
        ".cfi_startproc",
        "endbr64",
        "push %rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset %rbp, -16",
        "mov %rsp, %rbp",
        ".cfi_def_cfa_register %rbp",
    ] {
        push(line);
    }
    for &register in &kept {
        push(&format!("push {}", name(register)));
    }
    let mut depth = 8 * kept.len() as u32;
    if op.preserves.flags {
        // Not pushf and popf: popf would undo what the op does to the interrupt flag.
        push("lahf");
        push("seto %al");
        push("push %rax");
        depth += 8;
    }
    let flags_at = format!("-{depth}(%rbp)");
    let size = bytes_of_results(contract);
    let from_memory = size > 16;
    if from_memory {
        depth += size.next_multiple_of(8);
        push(&format!("lea -{depth}(%rbp), %rsp"));
    }
    let results_at = depth;
    let vectors = cx.abi() == Abi::User && op.preserves.vector;
    if vectors {
        for line in SAVE_VECTORS {
            push(line);
        }
    } else {
        push("and $-16, %rsp");
    }
    if from_memory {
        push(&format!("lea -{results_at}(%rbp), %rdi"));
    }
    for (param, home) in contract.params.iter().zip(ARGUMENTS.into_iter().skip(usize::from(from_memory))) {
        match place(param.register) {
            Some(place) => push(&format!("mov {place}, {}", name(home))),
            None => push(&format!("mov {}, {}", name(param.register), name(home))),
        }
    }
    push("call {pv_backend}");
    for (from, register) in results(contract, from_memory, results_at) {
        for line in from {
            push(&line);
        }
        let to = place(register).unwrap_or_else(|| name(register));
        push(&format!("mov {}, {to}", if contract.results.len() == 1 { "%rax" } else { "%rcx" }));
    }
    if vectors {
        for line in RESTORE_VECTORS {
            push(line);
        }
    }
    if op.preserves.flags {
        push(&format!("mov {flags_at}, %rax"));
        push("add $127, %al"); // overflows, and so sets OF, if seto stored 1
        push("sahf");
    }
    for &register in &kept {
        let wanted = !destroyed.contains(&register) || operand(register, &contract.results);
        if let (true, Some(place)) = (wanted, place(register)) {
            push(&format!("mov {place}, {}", name(register)));
        }
    }
    push("leave");
    push(".cfi_def_cfa %rsp, 8");
    push("ret");
    push(".cfi_endproc");
    let mut lines = vec!["::core::arch::naked_asm!(".to_owned()];
    lines.extend(asm.iter().map(|line| format!("    \"{line}\",")));
    lines.push(format!("    pv_backend = sym {callee},"));
    if vectors {
        lines.push("    pv_area = sym ::pvc_runtime::vector::save_area,".to_owned());
    }
    lines.push("    options(att_syntax)".to_owned());
    lines.push(")".to_owned());
    lines
}

/// What brings each result into rax (a single one) or rcx, zero-extended, and the register that it belongs into.
fn results(contract: &Contract<CheckedRow>, from_memory: bool, at: u32) -> Vec<(Vec<String>, Register)> {
    if let [result] = &contract.results[..] {
        return vec![(Vec::new(), result.register)];
    }
    let bring = |(offset, result): (u32, &Operand)| {
        let size = type_size(result.ty);
        let mut lines = Vec::new();
        if from_memory {
            let (load, to) = match size {
                8 => ("mov", "%rcx"),
                4 => ("mov", "%ecx"),
                2 => ("movzwl", "%ecx"),
                _ => ("movzbl", "%ecx"),
            };
            lines.push(format!("{load} -{}(%rbp), {to}", at - offset));
        } else {
            lines.push(format!("mov {}, %rcx", if offset < 8 { "%rax" } else { "%rdx" }));
            if offset % 8 > 0 {
                lines.push(format!("shr ${}, %rcx", offset % 8 * 8));
            }
            match size {
                8 => {}
                4 => lines.push("mov %ecx, %ecx".to_owned()),
                2 => lines.push("movzwl %cx, %ecx".to_owned()),
                _ => lines.push("movzbl %cl, %ecx".to_owned()),
            }
        }
        (lines, result.register)
    };
    fields(contract).into_iter().map(bring).collect()
}

/// All vector state below the stack pointer: FXSAVE's 512 bytes, or XSAVE's area, whose header must be zero before.
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
