//! How an op calls C: the thunk of a backend, which keeps what the op's contract keeps and C does not.

use super::calls::{backend_signature, is_c_abi, is_plain};
use super::names::{self, Declared};
use super::sites::{OpOn, word};
use crate::arch::{Arch, register_name};
use crate::check::CheckedRow;
use crate::emit::text::{Piece, item, put};
use crate::model::{Contract, Op, Type};
use iced_x86::Register;

/// The macro that turns the C function `pv_fn` into a backend of a narrow op.
pub(super) fn backend_macro(on: &OpOn<'_>, text: &mut String) {
    let OpOn { context, ident, .. } = on;
    let set = &context.set.name;
    let target = format!("pv_{set}_{ident}_to_##pv_fn");
    put!(*text, "#define PV_", context.upper, "_BACKEND_", ident, "(pv_fn)");
    let mut body = Body::new(text, " \\\n\t", " \\\n\t");
    target_function(on, &target, "pv_fn", &mut body);
    body.line(&[&"__attribute__((__naked__, __noinline__, __used__))"]);
    body.line(&[&"static void pv_", set, &"_", ident, &"_thunk_##pv_fn(void)"]);
    thunk_body(on, &target, &mut body);
    body.line(&[&"struct pv_", set, &"_", ident, &"_slot\n"]);
}

/// Whether the op's external default (`default SYMBOL`) is a plain C function that needs a thunk to keep the contract.
/// Where nothing can be called from C the symbol is assembly that keeps it itself.
pub(super) fn wraps_default(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    op.default.is_some() && !op.diverges() && !op.nocall && !is_plain(op, contract)
}

/// The declaration of the plain C function that is an op's external default.
pub(super) fn default_declaration(on: &OpOn<'_>, symbol: &str, text: &mut String) {
    let (returned, parameters) = backend_signature(on.context.set, on.op);
    put!(*text, "extern PV_CALL ", Declared(&returned, symbol), "(", parameters, ");\n");
}

/// The thunk around it, in the file of the table.
pub(super) fn default_thunk(on: &OpOn<'_>, symbol: &str, text: &mut String) {
    let (set, ident) = (&on.context.set.name, on.ident);
    let target = format!("pv_{set}_{ident}_default_to");
    put!(*text, "/* ", symbol, "(), and what it may destroy of what the op keeps */");
    let mut body = Body::new(text, "\n", "\n\t");
    target_function(on, &target, symbol, &mut body);
    body.line(&[&"PV_CODE pv_", set, &"_default_", &ident, &"(void)"]);
    thunk_body(on, &target, &mut body);
    text.push('\n');
}

/// Lines of C, in a macro or in a file.
struct Body<'t> {
    text: &'t mut String,
    /// What comes before a line, and before a line of asm.
    line: &'static str,
    asm: &'static str,
    /// The last line is of pushes or pops: they share one.
    moves: bool,
}

impl<'t> Body<'t> {
    fn new(text: &'t mut String, line: &'static str, asm: &'static str) -> Self {
        Self { text, line, asm, moves: false }
    }

    fn line(&mut self, line: &[&dyn Piece]) {
        self.moves = false;
        self.text.push_str(self.line);
        line.iter().for_each(|piece| piece.append(self.text));
    }

    /// A line of asm: string literals, macros that make some, or what stands behind them.
    fn asm(&mut self, line: &[&dyn Piece]) {
        self.moves = false;
        self.text.push_str(self.asm);
        line.iter().for_each(|piece| piece.append(self.text));
    }

    fn moves(&mut self, what: &str, register: &str, word: usize) {
        let before = if self.moves { " " } else { self.asm };
        put!(*self.text, before, what, "(\"", register, "\", \"", word, "\")");
        self.moves = true;
    }

    fn push(&mut self, register: &str, word: usize) {
        self.moves("PV_PUSH", register, word);
    }

    fn pop(&mut self, register: &str, word: usize) {
        self.moves("PV_POP", register, word);
    }
}

/// A static function between thunk and `function`: the compiler lets asm name it in every code model, where an exported one
/// could be interposed, and it checks the type of `function`.
fn target_function(on: &OpOn<'_>, target: &str, function: &str, body: &mut Body<'_>) {
    let op = on.op;
    let (returned, parameters) = backend_signature(on.context.set, op);
    let mut arguments = String::new();
    op.params.iter().for_each(|param| item(&mut arguments, &[names::variable(param)]));
    if op.results().len() > 1 {
        item(&mut arguments, &["pv_results"]);
    }
    let attributes = "__attribute__((__noinline__, __used__)) PV_CALL static ";
    body.line(&[&attributes, &Declared(&returned, target), &"(", &parameters, &")"]);
    let back = if returned == "void" { "" } else { "return " };
    body.line(&[&"{ ", &back, &function, &"(", &arguments, &"); }"]);
}

fn thunk_body(on: &OpOn<'_>, target: &str, body: &mut Body<'_>) {
    let (op, contract) = (on.op, on.contract);
    body.line(&[&"{ __asm__ volatile("]);
    if is_c_abi(contract) && !op.preserves.flags && !op.preserves.vector {
        simple_thunk(contract, body);
    } else {
        full_thunk(on, body);
    }
    body.asm(&[&"PV_RET : : \"i\"(", &target, &")); }"]);
}

/// Operands where C has them: only to save what C would destroy and the contract keeps.
fn simple_thunk(contract: &Contract<CheckedRow>, body: &mut Body<'_>) {
    let arch = contract.arch;
    let word = word(arch);
    let destroyed = contract.clobbers.registers(arch);
    let is_result = |register| contract.results.iter().any(|r| r.register == register || r.high == Some(register));
    let saved: Vec<Register> = arch
        .table()
        .caller_saved
        .iter()
        .copied()
        .filter(|&register| !destroyed.contains(&register) && !is_result(register))
        .collect();
    saved.iter().for_each(|&register| body.push(register_name(register), word));
    // At entry the stack is one return address off a multiple of 16.
    let pad = (16 - (word * (saved.len() + 1)) % 16) % 16;
    let sp = stack_pointer(arch);
    if pad > 0 {
        body.asm(&[&"\"sub $", &pad, &", %%", &sp, &"\\n\" PV_CFI(\".cfi_adjust_cfa_offset ", &pad, &"\\n\")"]);
    }
    body.asm(&[&"\"call %P0\\n\""]);
    if pad > 0 {
        body.asm(&[&"\"add $", &pad, &", %%", &sp, &"\\n\" PV_CFI(\".cfi_adjust_cfa_offset -", &pad, &"\\n\")"]);
    }
    saved.iter().rev().for_each(|&register| body.pop(register_name(register), word));
}

/// The general case. All caller-saved registers and all operands go into a frame; arguments are loaded from it, results
/// are stored into it, and the registers are loaded back.
fn full_thunk(on: &OpOn<'_>, body: &mut Body<'_>) {
    let (op, contract) = (on.op, on.contract);
    let arch = contract.arch;
    let word = word(arch);
    let (sp, bp, ax) = match arch {
        Arch::X86_64 => ("rsp", "rbp", "rax"),
        Arch::I386 => ("esp", "ebp", "eax"),
    };
    let mut saved = arch.table().caller_saved.to_vec();
    let operands = contract.params.iter().chain(&contract.results);
    for register in operands.flat_map(|operand| [Some(operand.register), operand.high]).flatten() {
        if !saved.contains(&register) {
            saved.push(register);
        }
    }
    // %bp points at its own saved value; above it the flags, if kept, then `saved` from last to first.
    let above = 1 + usize::from(op.preserves.flags);
    let slot = |register: Register| {
        let index = saved.iter().rev().position(|&other| other == register).unwrap_or_default();
        format!("{}(%%{bp})", (above + index) * word)
    };
    saved.iter().for_each(|&register| body.push(register_name(register), word));
    if op.preserves.flags {
        // Not pushf and popf: they would bring back IF too. `add` sets OF again from the bit that seto kept.
        body.asm(&[&"\"lahf; seto %%al\\n\""]);
        body.push(ax, word);
    }
    body.push(bp, word);
    body.asm(&[
        &"\"mov %%",
        &sp,
        &", %%",
        &bp,
        &"\\n\" PV_CFI(\".cfi_rel_offset ",
        &bp,
        &", 0\\n.cfi_def_cfa_register ",
        &bp,
        &"\\n\")",
    ]);

    let table = arch.table();
    let by_pointer = op.results().len() > 1;
    let sources: Vec<Option<Register>> =
        contract.params.iter().map(|p| Some(p.register)).chain(by_pointer.then_some(None)).collect();
    let in_registers = sources.len().min(table.arguments.len());
    let on_stack = sources.len() - in_registers;
    // From the stack pointer up: arguments, results, vector state; the latter wants a multiple of 64.
    let results_at = on_stack * word;
    let results_len = if by_pointer { op.results().len() * 8 } else { 0 };
    let vector_at = (results_at + results_len).next_multiple_of(64);
    let (frame, align) = if op.preserves.vector {
        (vector_at + VECTOR_STATE, 64_usize)
    } else {
        ((results_at + results_len).next_multiple_of(16), 16)
    };
    if frame > 0 {
        body.asm(&[&"\"sub $", &frame, &", %%", &sp, &"\\n\""]);
    }
    body.asm(&[&"\"and $-", &align, &", %%", &sp, &"\\n\""]);
    let contract_symbol = on.context.contract;
    let vector = |what: &str| format!("\"lea {vector_at}(%%{sp}), %%{ax}; call {contract_symbol}_{what}_vectors\\n\"");
    if op.preserves.vector {
        body.asm(&[&vector("save")]);
    }
    // Stack arguments first: they pass through the accumulator.
    for (index, source) in sources.iter().enumerate().skip(in_registers) {
        match source {
            Some(register) => body.asm(&[&"\"mov ", &slot(*register), &", %%", &ax, &"\\n\""]),
            None => body.asm(&[&"\"lea ", &results_at, &"(%%", &sp, &"), %%", &ax, &"\\n\""]),
        }
        body.asm(&[&"\"mov %%", &ax, &", ", &((index - in_registers) * word), &"(%%", &sp, &")\\n\""]);
    }
    for (source, argument) in sources.iter().zip(table.arguments) {
        let argument = register_name(*argument);
        match source {
            Some(register) => body.asm(&[&"\"mov ", &slot(*register), &", %%", &argument, &"\\n\""]),
            None => body.asm(&[&"\"lea ", &results_at, &"(%%", &sp, &"), %%", &argument, &"\\n\""]),
        }
    }
    body.asm(&[&"\"call %P0\\n\""]);
    if by_pointer {
        let mut offset = 0;
        for (result, operand) in op.results().iter().zip(&contract.results) {
            let size = size(result.ty, arch);
            offset = usize::next_multiple_of(offset, size.min(word));
            let load = match size {
                1 => format!("movzbl {}(%%{sp}), %%eax", results_at + offset),
                2 => format!("movzwl {}(%%{sp}), %%eax", results_at + offset),
                4 => format!("mov {}(%%{sp}), %%eax", results_at + offset),
                _ => format!("mov {}(%%{sp}), %%{ax}", results_at + offset),
            };
            body.asm(&[&"\"", &load, &"; mov %%", &ax, &", ", &slot(operand.register), &"\\n\""]);
            if let Some(high) = operand.high {
                body.asm(&[
                    &"\"mov ",
                    &(results_at + offset + 4),
                    &"(%%",
                    &sp,
                    &"), %%eax; mov %%eax, ",
                    &slot(high),
                    &"\\n\"",
                ]);
            }
            offset += size;
        }
    } else if let Some(result) = contract.results.first() {
        body.asm(&[&"\"mov %%", &ax, &", ", &slot(result.register), &"\\n\""]);
        if let Some(high) = result.high {
            body.asm(&[&"\"mov %%edx, ", &slot(high), &"\\n\""]);
        }
    }
    if op.preserves.vector {
        body.asm(&[&vector("load")]);
    }
    let depth = (above + saved.len()) * word;
    body.asm(&[&"\"leave\\n\" PV_CFI(\".cfi_def_cfa ", &sp, &", ", &depth, &"\\n.cfi_restore ", &bp, &"\\n\")"]);
    if op.preserves.flags {
        body.pop(ax, word);
        body.asm(&[&"\"add $127, %%al; sahf\\n\""]);
    }
    saved.iter().rev().for_each(|&register| body.pop(register_name(register), word));
}

/// Bytes of an XSAVE area for x87, SSE, AVX, masks and the 512-bit registers in the standard format, at most.
const VECTOR_STATE: usize = 2688;

fn size(ty: Type, arch: Arch) -> usize {
    match ty {
        Type::U8 | Type::Bool => 1,
        Type::U16 => 2,
        Type::U32 => 4,
        Type::U64 => 8,
        Type::Word | Type::Ptr => word(arch),
    }
}

fn stack_pointer(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "rsp",
        Arch::I386 => "esp",
    }
}
