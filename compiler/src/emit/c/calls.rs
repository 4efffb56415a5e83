//! How C calls an op: the inline asm of the wrapper.

use super::names::{self, Declared};
use super::sites::OpOn;
use crate::arch::{SiteOperand, register_name};
use crate::check::CheckedRow;
use crate::emit::text::{item, put};
use crate::model::{Abi, Clobber, Contract, Op, Set, Site, Type};
use iced_x86::Register;
use std::borrow::Cow;

/// Whether a plain C function keeps the contract, so that the slot can have its type.
pub(super) fn is_plain(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    contract.clobbers.caller_saved() && !op.preserves.flags && !op.preserves.vector && is_c_abi(contract)
}

/// Whether all operands sit where the C ABI puts them.
pub(super) fn is_c_abi(contract: &Contract<CheckedRow>) -> bool {
    let table = contract.arch.table();
    let params = contract.params.iter().map(|operand| operand.register);
    contract.params.len() <= table.arguments.len()
        && params.eq(table.arguments.iter().copied().take(contract.params.len()))
        && match contract.results.as_slice() {
            [] => true,
            [one] => Some(&one.register) == table.results.first(),
            _ => false,
        }
}

/// Whether the op has a wrapper: its site comes back, may call, and no operand is in a register that C cannot name.
pub(super) fn has_wrapper(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    let registers = contract.params.iter().chain(&contract.results).map(|operand| operand.register);
    let reserved =
        |register: Register| matches!(register, Register::RBP | Register::EBP | Register::RSP | Register::ESP);
    !op.diverges()
        && !op.nocall
        && contract.sites.first().is_some_and(|site| !site.kind.is_jump())
        && !registers.chain(contract.clobbers.registers(contract.arch)).any(reserved)
}

/// Whether the wrapper's site calls before it is patched, and so overwrites the red zone of its caller.
pub(super) fn endangers_red_zone(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    let calls = |site: &Site| !matches!(site.kind.operand, SiteOperand::None | SiteOperand::Stub);
    has_wrapper(op, contract) && calls(&contract.sites[0])
}

/// The return type of wrapper and backend.
pub(super) fn return_type(set: &Set, op: &Op<CheckedRow>) -> Cow<'static, str> {
    match op.results() {
        [] => "void".into(),
        [one] => names::ty(one.ty).into(),
        _ => {
            let mut text = String::from("struct ");
            put!(text, result_struct(set, op));
            text.into()
        }
    }
}

/// The struct of an op with several results.
pub(super) fn result_struct(set: &Set, op: &Op<CheckedRow>) -> String {
    format!("pv_{}_{}_result", set.name, op.ident())
}

/// The parameter list of the wrapper.
pub(super) fn parameters(op: &Op<CheckedRow>) -> String {
    if op.params.is_empty() {
        return "void".to_owned();
    }
    let mut list = String::new();
    for param in &op.params {
        item(&mut list, &[]);
        put!(list, names::declare(param));
    }
    list
}

/// The slot of an op that a plain function can serve, as a field.
pub(super) fn plain_slot(on: &OpOn<'_>, text: &mut String) {
    let (returned, parameters) = backend_signature(on.context.set, on.op);
    put!(*text, Declared(&returned, "(PV_CALL *"), on.ident, ")(", parameters, ");");
}

/// Return type and parameters of a backend. Several results come back through a pointer: in registers C has no way to
/// return them that fits every ABI.
pub(super) fn backend_signature(set: &Set, op: &Op<CheckedRow>) -> (Cow<'static, str>, String) {
    if op.results().len() < 2 {
        return (return_type(set, op), parameters(op));
    }
    let mut list = if op.params.is_empty() { String::new() } else { parameters(op) };
    item(&mut list, &["struct ", &result_struct(set, op), " *pv_results"]);
    ("void".into(), list)
}

/// The wrapper: exactly the declared operands and clobbers round the first site.
pub(super) fn wrapper(on: &OpOn<'_>, text: &mut String) {
    let OpOn { context, op, ident, contract, .. } = on;
    let set = context.set;
    let destroyed = contract.clobbers.registers(contract.arch);
    put!(
        *text,
        "PV_WRAPPER ",
        Declared(&return_type(set, op), "pv_"),
        set.name,
        "_",
        ident,
        "(",
        parameters(op),
        ")\n{\n"
    );

    let (mut outputs, mut inputs, mut clobbers) = (String::new(), String::new(), String::new());
    put!(inputs, "\"m\"(pv_", set.name, "_ops.", ident, ")");
    let mut named = Vec::new();
    let result_registers: Vec<Register> =
        contract.results.iter().flat_map(|result| [Some(result.register), result.high]).flatten().collect();
    for (param, operand) in op.params.iter().zip(&contract.params) {
        let (name, register) = (register_name(operand.register), operand.register);
        // The site gets the whole register, so it is made whole here.
        let cast = if param.ty == Type::Word { "" } else { "(unsigned long)" };
        variable(name, &[" = ", cast, names::variable(param)], text);
        named.push(register);
        if result_registers.contains(&register) || destroyed.contains(&register) {
            item(&mut outputs, &["\"+", constraint(register), "\"(pv_", name, ")"]);
        } else {
            item(&mut inputs, &["\"", constraint(register), "\"(pv_", name, ")"]);
        }
    }
    for &register in &result_registers {
        if !named.contains(&register) {
            let name = register_name(register);
            variable(name, &[], text);
            item(&mut outputs, &["\"=", constraint(register), "\"(pv_", name, ")"]);
            named.push(register);
        }
    }
    for register in destroyed.iter().filter(|register| !named.contains(register)) {
        item(&mut clobbers, &["\"", register_name(*register), "\""]);
    }
    for clobber in &contract.clobbers.items {
        if let Clobber::Other(register) = clobber.what
            && let Some(name) = other(register)
        {
            item(&mut clobbers, &[&name]);
        }
    }
    item(&mut clobbers, &["\"cc\""]);
    if contract.clobbers.memory() {
        item(&mut clobbers, &["\"memory\""]);
    }
    let vector = (set.abi == Abi::User && !op.preserves.vector).then_some(" PV_VECTOR_STATE");

    let space = if outputs.is_empty() { "" } else { " " };
    put!(*text, "\tPV_ASM volatile(", on.site_macro(&contract.sites[0]), "\n\t\t:", space, outputs);
    put!(*text, "\n\t\t: ", inputs, "\n\t\t: ", clobbers, vector, ");\n");
    returns(on, text);
    text.push_str("}\n");
}

/// The variable that holds what a register shall hold, or will.
fn variable(register: &str, value: &[&str], text: &mut String) {
    if constraint_letter(register).is_some() {
        put!(*text, "\tunsigned long pv_", register);
    } else {
        put!(*text, "\tregister unsigned long pv_", register, " __asm__(\"", register, "\")");
    }
    value.iter().for_each(|piece| text.push_str(piece));
    text.push_str(";\n");
}

fn constraint(register: Register) -> &'static str {
    constraint_letter(register_name(register)).unwrap_or("r")
}

/// The registers that have a constraint of their own; the others need a register variable.
fn constraint_letter(register: &str) -> Option<&'static str> {
    Some(match register {
        "rax" | "eax" => "a",
        "rbx" | "ebx" => "b",
        "rcx" | "ecx" => "c",
        "rdx" | "edx" => "d",
        "rsi" | "esi" => "S",
        "rdi" | "edi" => "D",
        _ => return None,
    })
}

/// The name that compilers have for a register that is not a general one; `None`: it cannot be clobbered in C.
fn other(register: Register) -> Option<String> {
    let name = register_name(register);
    let number = |prefix: &str| name.strip_prefix(prefix).and_then(|rest| rest.parse::<u32>().ok());
    for prefix in ["xmm", "ymm", "zmm"] {
        if let Some(n) = number(prefix) {
            return Some(format!("\"xmm{n}\""));
        }
    }
    if let Some(n) = number("st") {
        return Some(if n == 0 { "\"st\"".into() } else { format!("\"st({n})\"") });
    }
    (number("mm").is_some() || number("k").is_some()).then(|| format!("\"{name}\""))
}

fn returns(on: &OpOn<'_>, text: &mut String) {
    let op = on.op;
    let value = |index: usize, text: &mut String| {
        let (result, operand) = (&op.results()[index], &on.contract.results[index]);
        let low = register_name(operand.register);
        match operand.high {
            Some(high) => put!(*text, "(uint64_t)pv_", register_name(high), " << 32 | pv_", low),
            None if result.ty == Type::Word => put!(*text, "pv_", low),
            None if result.ty == Type::Bool => put!(*text, "(uint8_t)pv_", low, " != 0"),
            None => put!(*text, "(", names::ty(result.ty), ")pv_", low),
        }
    };
    match op.results() {
        [] => {}
        [_] => {
            text.push_str("\treturn ");
            value(0, text);
            text.push_str(";\n");
        }
        several => {
            put!(*text, "\tstruct ", result_struct(on.context.set, op), " pv_results;\n");
            for (index, result) in several.iter().enumerate() {
                put!(*text, "\tpv_results.", names::variable(result), " = ");
                value(index, text);
                text.push_str(";\n");
            }
            text.push_str("\treturn pv_results;\n");
        }
    }
}
