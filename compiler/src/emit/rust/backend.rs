//! Backends: what may be installed in the slot of an op.

use super::names::{camel, ident, type_name};
use super::thunk::{self, ARGUMENTS, Frame};
use super::{Context, docs, safety};
use crate::check::CheckedRow;
use crate::emit::text::{Text, line};
use crate::model::{Abi, Contract, Op};
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

pub(super) fn slot_kind(abi: Abi, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> SlotKind {
    let arguments = contract.params.len() + usize::from(Frame::returns_in_memory(contract));
    if !super::wrapper::has_wrapper(op, contract) || arguments > ARGUMENTS.len() {
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
pub(super) fn render(cx: &Context<'_>, text: &mut Text) {
    for entry in &cx.layout.ops {
        let (op, Some(contract)) = (entry.op, entry.contract) else { continue };
        let name = camel(&op.ident());
        let unsafety = if safety::danger(cx.abi(), op, contract).is_some() { "unsafe " } else { "" };
        match slot_kind(cx.abi(), op, contract) {
            SlotKind::Plain => {
                line!(text, "/// A backend of `", op.name, "`: a plain function.");
                let signature = signature(contract, &results_path(op), false);
                line!(text, "pub type ", name, " = ", unsafety, "extern \"sysv64\" fn", signature, ";");
            }
            SlotKind::Routine => routine(op, &name, text),
            SlotKind::Thunk => behind_thunk(cx, op, contract, &name, unsafety, text),
        }
    }
}

fn address_type(name: &str, text: &mut Text) {
    text.lines(["#[repr(transparent)]", "#[derive(Clone, Copy, Debug)]"]);
    line!(text, "pub struct ", name, "(*const ::core::ffi::c_void);");
}

fn routine(op: &Op<CheckedRow>, name: &str, text: &mut Text) {
    line!(text, "/// A backend of `", op.name, "`: a routine that keeps its contract by itself.");
    address_type(name, text);
    line!(text, "impl ", name, " {");
    text.lines([
        "    /// Takes the routine at `address` on trust.",
        "    ///",
        "    /// # Safety",
        "    ///",
        "    /// The code there keeps the contract of the op: operands, clobbers, and how it leaves.",
        "    pub const unsafe fn new(address: *const ::core::ffi::c_void) -> Self {",
        "        Self(address)",
        "    }",
        "}",
    ]);
}

fn behind_thunk(
    cx: &Context<'_>,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    name: &str,
    unsafety: &str,
    text: &mut Text,
) {
    let signature = signature(contract, &results_path(op), true);
    line!(
        text,
        "/// A backend of `",
        op.name,
        "` behind its thunk; made by [`",
        name,
        "::of`], so that a plain function, which would"
    );
    text.line("/// destroy registers that call sites keep values in, cannot be installed by mistake.");
    address_type(name, text);
    line!(text, "/// A plain function that does the work of `", op.name, "`.");
    line!(text, "pub trait ", name, "Backend {");
    text.nested(1, |text| {
        docs(text, &op.docs, format_args!("`{}`.", op.name));
        if !unsafety.is_empty() {
            text.lines(["///", "/// # Safety", "///", "/// Called under the promises of the op's own callers."]);
        }
        line!(text, unsafety, "extern \"sysv64\" fn call", signature, ";");
    });
    text.line("}");
    line!(text, "impl ", name, " {");
    text.nested(1, |text| {
        text.line("/// The backend `B`, behind the thunk that saves what the op does not clobber.");
        line!(text, "pub fn of<B: ", name, "Backend>() -> Self {");
        text.line("    #[unsafe(naked)]");
        line!(text, "    unsafe extern \"sysv64\" fn thunk<B: ", name, "Backend>() {");
        text.nested(2, |text| thunk::render(cx, op, contract, "B::call", text));
        text.lines(["    }", "    Self(thunk::<B> as *const ::core::ffi::c_void)", "}"]);
    });
    text.line("}");
}
