//! The call wrappers: an inline function per op whose `asm!` has exactly the declared operands and clobbers.

use super::names::{Quoted, camel, ident, type_name};
use super::{Context, docs, safety, site};
use crate::arch::{SiteOperand, register_name};
use crate::check::CheckedRow;
use crate::emit::text::{Text, line};
use crate::model::{Abi, Clobber, Contract, Op, Type};
use iced_x86::Register;

/// How `asm!` uses a register.
#[derive(Default)]
struct Use {
    /// The value that goes in.
    input: Option<String>,
    /// The variable that takes what comes out.
    output: Option<String>,
    /// Whether the register is destroyed.
    clobbered: bool,
}

impl Use {
    fn text(&self, register: &str) -> String {
        match (&self.input, &self.output, self.clobbered) {
            (Some(input), Some(output), _) => format!("inlateout(\"{register}\") {input} => {output}"),
            (Some(input), None, true) => format!("inlateout(\"{register}\") {input} => _"),
            (Some(input), None, false) => format!("in(\"{register}\") {input}"),
            (None, Some(output), _) => format!("lateout(\"{register}\") {output}"),
            (None, None, _) => format!("lateout(\"{register}\") _"),
        }
    }
}

/// Whether an op has a wrapper: entry code (jumps, no stack, no return) places its sites itself.
pub(super) fn has_wrapper(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    !op.diverges() && !op.nocall && contract.sites.first().is_some_and(|site| !site.kind.is_jump())
}

/// The function of op `id`, which stands `depth` modules below the set's own.
pub(super) fn render(cx: &Context<'_>, id: usize, function: &str, depth: usize, text: &mut Text) {
    let entry = &cx.layout.ops[id];
    let (op, Some(contract)) = (entry.op, entry.contract) else { return };
    let danger = safety::danger(cx.abi(), op, contract);
    docs(text, &op.docs, format_args!("`{}`.", op.name));
    if let Some(reason) = danger {
        text.lines(["///", "/// # Safety", "///"]);
        line!(text, "/// ", reason);
    }
    text.line("#[inline(always)]");
    line!(text, head(contract, function, danger.is_some()), " {");
    text.nested(1, |text| {
        for (index, _) in contract.results.iter().enumerate() {
            line!(text, "let out", index, ": ", variable_type(contract, index), ";");
        }
        text.line(match danger {
            Some(_) => "// SAFETY: the caller's promise; operands and clobbers are the checked contract of the op.",
            None => "// SAFETY: no row of the op can do harm; operands and clobbers are its checked contract.",
        });
        text.line("unsafe {");
        text.nested(1, |text| asm(cx, id, op, contract, depth, text));
        text.line("}");
        value(contract, function, text);
    });
    text.line("}");
}

/// The function without its body.
pub(super) fn head(contract: &Contract<CheckedRow>, function: &str, is_unsafe: bool) -> String {
    let params: Vec<String> =
        contract.params.iter().map(|param| format!("{}: {}", ident(&param.name), type_name(param.ty))).collect();
    let returns = match return_type(contract, function) {
        Some(ty) => format!(" -> {ty}"),
        None => String::new(),
    };
    let unsafety = if is_unsafe { "unsafe " } else { "" };
    format!("pub {unsafety}fn {function}({}){returns}", params.join(", "))
}

/// The `asm!` statement.
fn asm(
    cx: &Context<'_>,
    id: usize,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    depth: usize,
    text: &mut Text,
) {
    let whole_abi = clobbers_whole_abi(cx.abi(), op, contract);
    let vectors = cx.abi() == Abi::User && !op.preserves.vector && !whole_abi;
    let mut uses = uses(contract, whole_abi);
    let (before, after) = move_reserved(&mut uses);
    let class = site::wrapper_class(&contract.sites[0]);

    let options = options(op, contract).join(", ");
    if vectors {
        text.line("::pvc_runtime::vector_asm!(");
        line!(text, "    options(", options, "),");
    } else {
        text.line("::core::arch::asm!(");
    }
    text.nested(1, |text| {
        text.lines(before.iter().map(String::as_str));
        let (kind, body) = (class.code | site::flags(op), site::body(cx, id, class));
        let site = site::macro_name(cx);
        line!(text, site, "!(\"", id, "\", \"", class.len, "\", \"", kind, "\", \"", Quoted(&body), "\"),");
        text.lines(after.iter().map(String::as_str));
        let root = "super::".repeat(depth);
        match class.operand {
            SiteOperand::SlotRel | SiteOperand::SlotAbs => line!(text, "pv_ops = sym ", root, "OPS,"),
            SiteOperand::Trampoline => line!(text, "pv_call = sym ", root, "table::call_", op.ident(), ","),
            SiteOperand::None | SiteOperand::Stub => {}
        }
        for (register, usage) in &uses {
            line!(text, usage.text(register_name(*register)), ",");
        }
        if whole_abi {
            text.line("clobber_abi(\"sysv64\"),");
        } else if !vectors {
            other_clobbers(contract, text);
        }
        if !vectors {
            line!(text, "options(", options, "),");
        }
    });
    text.line(");");
}

/// `att_syntax`, and what the contract lets the compiler assume. Never `nomem`: the compiler would drop the store that
/// installs a backend. Never `nostack`: it keeps the red zone clear and the stack aligned for the call.
fn options(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> Vec<&'static str> {
    let mut options = vec!["att_syntax"];
    let by_pointer = contract.params.iter().any(|param| param.ty == Type::Ptr);
    if !contract.clobbers.memory() && !by_pointer {
        options.push("readonly");
    }
    if op.preserves.flags {
        options.push("preserves_flags");
    }
    options
}

/// Whether `clobber_abi` says all: the registers of a call, vector state included.
fn clobbers_whole_abi(abi: Abi, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    abi == Abi::User && contract.clobbers.caller_saved() && !op.preserves.vector
}

/// The general registers of the statement, in the order of the arch table.
fn uses(contract: &Contract<CheckedRow>, whole_abi: bool) -> Vec<(Register, Use)> {
    let table = contract.arch.table();
    let destroyed = contract.clobbers.registers(contract.arch);
    let mut uses = Vec::new();
    for &register in table.caller_saved.iter().chain(table.callee_saved) {
        let mut usage = Use { clobbered: destroyed.contains(&register), ..Use::default() };
        let output = contract.results.iter().position(|result| result.register == register);
        usage.output = output.map(|index| format!("out{index}"));
        if let Some(param) = contract.params.iter().find(|param| param.register == register) {
            let name = ident(&param.name);
            usage.input = Some(match param.ty {
                // Sub-word arguments arrive zero-extended.
                Type::U8 | Type::U16 | Type::U32 | Type::Bool => format!("{name} as u64"),
                Type::Word | Type::U64 | Type::Ptr => name,
            });
        }
        if whole_abi && table.caller_saved.contains(&register) {
            usage.clobbered = false;
        }
        if usage.clobbered || usage.input.is_some() || usage.output.is_some() {
            uses.push((register, usage));
        }
    }
    uses
}

/// `asm!` takes neither rbx nor rbp: their values travel in other registers and are exchanged around the site, which also
/// puts back what the compiler keeps there.
fn move_reserved(uses: &mut [(Register, Use)]) -> (Vec<String>, Vec<String>) {
    const FREE: [Register; 13] = [
        Register::R15,
        Register::R14,
        Register::R13,
        Register::R12,
        Register::R11,
        Register::R10,
        Register::R9,
        Register::R8,
        Register::RDI,
        Register::RSI,
        Register::RDX,
        Register::RCX,
        Register::RAX,
    ];
    let mut exchanges = Vec::new();
    for reserved in [Register::RBX, Register::RBP] {
        let taken = |free: &Register| uses.iter().any(|(register, _)| register == free);
        let Some(free) = FREE.into_iter().find(|free| !taken(free)) else { continue };
        if let Some((register, usage)) = uses.iter_mut().find(|(register, _)| *register == reserved) {
            *register = free;
            // The stand-in holds the compiler's own value while the site runs, so the site cannot destroy that.
            if usage.input.is_some() && usage.output.is_none() {
                usage.clobbered = true;
            }
            exchanges.push(format!("\"xchg %{}, %{}\",", register_name(reserved), register_name(free)));
        }
    }
    let after = exchanges.iter().rev().cloned().collect();
    (exchanges, after)
}

/// Declared clobbers that are not general registers.
fn other_clobbers(contract: &Contract<CheckedRow>, text: &mut Text) {
    for item in &contract.clobbers.items {
        let Clobber::Other(register) = item.what else { continue };
        if register.is_st() {
            line!(text, "out(\"st(", register.number(), ")\") _,");
        } else if register.is_vector_register() {
            line!(text, "out(\"xmm", register.number(), "\") _,");
        } else if register.is_mm() || register.is_k() || register.is_tmm() {
            line!(text, "out(\"", register_name(register), "\") _,");
        }
    }
}

/// Type of the variable that takes result `index` out of its register: `asm!` has no 8-bit form of a named register, and one
/// register in and out has one width.
fn variable_type(contract: &Contract<CheckedRow>, index: usize) -> &'static str {
    let result = &contract.results[index];
    let also_in = contract.params.iter().find(|param| param.register == result.register);
    match (result.ty, also_in) {
        (Type::Word | Type::Ptr | Type::U64, _) => type_name(result.ty),
        (_, Some(_)) => "u64",
        (Type::U16 | Type::U32, None) => type_name(result.ty),
        (Type::U8 | Type::Bool, None) => "u32",
    }
}

fn converted(contract: &Contract<CheckedRow>, index: usize) -> String {
    let (variable, wanted) = (variable_type(contract, index), contract.results[index].ty);
    match wanted {
        Type::Bool => format!("out{index} as u8 != 0"),
        _ if type_name(wanted) == variable => format!("out{index}"),
        _ => format!("out{index} as {}", type_name(wanted)),
    }
}

fn return_type(contract: &Contract<CheckedRow>, function: &str) -> Option<String> {
    match &contract.results[..] {
        [] => None,
        [result] => Some(type_name(result.ty).to_owned()),
        _ => Some(struct_name(function)),
    }
}

/// The struct of several results stands beside the function.
pub(super) fn struct_name(function: &str) -> String {
    camel(function.trim_start_matches("r#"))
}

/// The expression that the function ends with.
fn value(contract: &Contract<CheckedRow>, function: &str, text: &mut Text) {
    match &contract.results[..] {
        [] => {}
        [_] => text.line(&converted(contract, 0)),
        results => {
            let fields = results.iter().enumerate().map(|(index, result)| {
                let (name, value) = (ident(&result.name), converted(contract, index));
                format!("{name}: {value}")
            });
            let fields: Vec<String> = fields.collect();
            line!(text, struct_name(function), " { ", fields.join(", "), " }");
        }
    }
}

/// The struct of several results, if there are several.
pub(super) fn results_struct(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>, function: &str, text: &mut Text) {
    if contract.results.len() < 2 {
        return;
    }
    line!(text, "/// What `", op.name, "` returns.");
    text.lines(["#[repr(C)]", "#[derive(Clone, Copy, Debug, PartialEq, Eq)]"]);
    line!(text, "pub struct ", struct_name(function), " {");
    for result in &contract.results {
        line!(text, "    /// In ", register_name(result.register), ".");
        line!(text, "    pub ", ident(&result.name), ": ", type_name(result.ty), ",");
    }
    text.line("}");
}
