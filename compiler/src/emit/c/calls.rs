//! How C calls an op and how an op calls C: the inline asm of the wrapper, the thunk of a backend.

use super::names;
use super::sites::{Context, word};
use crate::arch::{Arch, SiteOperand, register_name};
use crate::check::CheckedRow;
use crate::emit::text::put;
use crate::model::{Abi, Clobber, Contract, Op, Set, Site, Type};
use iced_x86::Register;
use std::fmt::Arguments;

/// Whether a plain C function keeps the contract, so that the slot can have its type.
pub(super) fn is_plain(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    contract.clobbers.caller_saved() && !op.preserves.flags && !op.preserves.vector && is_c_abi(contract)
}

/// Whether all operands sit where the C ABI puts them.
fn is_c_abi(contract: &Contract<CheckedRow>) -> bool {
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
pub(super) fn return_type(set: &Set, op: &Op<CheckedRow>) -> String {
    match op.results() {
        [] => "void".to_owned(),
        [one] => names::ty(one.ty).to_owned(),
        _ => format!("struct {}", result_struct(set, op)),
    }
}

/// The struct of an op with several results.
pub(super) fn result_struct(set: &Set, op: &Op<CheckedRow>) -> String {
    format!("pv_{}_{}_result", set.name, names::ident(op))
}

/// The parameter list of the wrapper.
pub(super) fn parameters(op: &Op<CheckedRow>) -> String {
    if op.params.is_empty() {
        return "void".to_owned();
    }
    op.params.iter().map(names::declare).collect::<Vec<_>>().join(", ")
}

/// The slot of an op that a plain function can serve, as a field.
pub(super) fn plain_slot(set: &Set, op: &Op<CheckedRow>) -> String {
    let (returned, parameters) = backend_signature(set, op);
    format!("{}({parameters});", spaced(&returned, &format!("(PV_CALL *{})", names::ident(op))))
}

fn spaced(ty: &str, name: &str) -> String {
    if ty.ends_with('*') { format!("{ty}{name}") } else { format!("{ty} {name}") }
}

/// Several results come back through a pointer: in registers C has no way to return them that fits every ABI.
fn backend_signature(set: &Set, op: &Op<CheckedRow>) -> (String, String) {
    if op.results().len() < 2 {
        return (return_type(set, op), parameters(op));
    }
    let mut list: Vec<String> = op.params.iter().map(names::declare).collect();
    list.push(format!("struct {} *pv_results", result_struct(set, op)));
    ("void".to_owned(), list.join(", "))
}

/// The wrapper: exactly the declared operands and clobbers round the site.
pub(super) fn wrapper(set: &Set, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>, site_macro: &str) -> String {
    let arch = contract.arch;
    let destroyed = contract.clobbers.registers(arch);
    let mut variables = Vec::new();
    let mut outputs = Vec::new();
    let mut inputs = vec![format!("\"m\"(pv_{}_ops.{})", set.name, names::ident(op))];
    let mut named = Vec::new();

    let result_registers: Vec<Register> =
        contract.results.iter().flat_map(|result| [Some(result.register), result.high]).flatten().collect();
    for (param, operand) in op.params.iter().zip(&contract.params) {
        let name = register_name(operand.register);
        let value = match param.ty {
            Type::Word => names::variable(param).to_owned(),
            // The site gets the whole register, so it is made whole here.
            _ => format!("(unsigned long){}", names::variable(param)),
        };
        variables.push(variable(name, Some(&value)));
        named.push(operand.register);
        if result_registers.contains(&operand.register) || destroyed.contains(&operand.register) {
            outputs.push(format!("\"+{}\"(pv_{name})", constraint(operand.register)));
        } else {
            inputs.push(format!("\"{}\"(pv_{name})", constraint(operand.register)));
        }
    }
    for &register in &result_registers {
        if !named.contains(&register) {
            let name = register_name(register);
            variables.push(variable(name, None));
            outputs.push(format!("\"={}\"(pv_{name})", constraint(register)));
            named.push(register);
        }
    }
    let mut clobbers: Vec<String> = destroyed
        .iter()
        .filter(|register| !named.contains(register))
        .map(|&register| format!("\"{}\"", register_name(register)))
        .collect();
    clobbers.extend(contract.clobbers.items.iter().filter_map(|item| match item.what {
        Clobber::Other(register) => other(register),
        _ => None,
    }));
    clobbers.push("\"cc\"".to_owned());
    if contract.clobbers.memory() {
        clobbers.push("\"memory\"".to_owned());
    }
    let vector = if set.abi == Abi::User && !op.preserves.vector { " PV_VECTOR_STATE" } else { "" };

    let mut text = format!(
        "PV_WRAPPER {}({})\n{{\n",
        spaced(&return_type(set, op), &format!("pv_{}_{}", set.name, names::ident(op))),
        parameters(op)
    );
    for line in variables {
        put!(text, "\t{line}\n");
    }
    put!(
        text,
        "\t__asm__ volatile({site_macro}\n\t\t: {}\n\t\t: {}\n\t\t: {}{vector});\n",
        outputs.join(", "),
        inputs.join(", "),
        clobbers.join(", ")
    );
    text.push_str(&returns(set, op, contract));
    text.push_str("}\n");
    text.replace("\t\t: \n", "\t\t:\n")
}

fn variable(register: &str, value: Option<&str>) -> String {
    let value = value.map(|value| format!(" = {value}")).unwrap_or_default();
    if constraint_letter(register).is_some() {
        format!("unsigned long pv_{register}{value};")
    } else {
        format!("register unsigned long pv_{register} __asm__(\"{register}\"){value};")
    }
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

fn returns(set: &Set, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> String {
    let value = |index: usize| {
        let (result, operand) = (&op.results()[index], &contract.results[index]);
        let low = format!("pv_{}", register_name(operand.register));
        match operand.high {
            Some(high) => format!("(uint64_t)pv_{} << 32 | {low}", register_name(high)),
            None if result.ty == Type::Word => low,
            None if result.ty == Type::Bool => format!("(uint8_t){low} != 0"),
            None => format!("({}){low}", names::ty(result.ty)),
        }
    };
    match op.results() {
        [] => String::new(),
        [_] => format!("\treturn {};\n", value(0)),
        several => {
            let mut text = format!("\tstruct {} pv_results;\n", result_struct(set, op));
            for (index, result) in several.iter().enumerate() {
                put!(text, "\tpv_results.{} = {};\n", names::variable(result), value(index));
            }
            text + "\treturn pv_results;\n"
        }
    }
}

/// The macro that turns the C function `pv_fn` into a backend of a narrow op: a thunk that keeps what the contract keeps.
pub(super) fn backend_macro(
    context: &Context<'_>,
    set: &Set,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
) -> String {
    let (ident, upper) = (names::ident(op), set.name.to_uppercase());
    let target = format!("pv_{}_{ident}_to_##pv_fn", set.name);
    let mut body = Body::new(format!("#define PV_{upper}_BACKEND_{ident}(pv_fn)"), " \\\n\t", " \\\n\t");
    for line in target_function(set, op, &target) {
        body.line(format_args!("{line}"));
    }
    body.line(format_args!("__attribute__((__naked__, __noinline__, __used__))"));
    body.line(format_args!("static void pv_{}_{ident}_thunk_##pv_fn(void)", set.name));
    thunk_body(context, op, contract, &target, &mut body);
    body.line(format_args!("struct pv_{}_{ident}_slot", set.name));
    body.finish()
}

/// Whether the op's external default (`default SYMBOL`) is a plain C function that needs a thunk to keep the contract.
/// Where nothing can be called from C the symbol is assembly that keeps it itself.
pub(super) fn wraps_default(op: &Op<CheckedRow>, contract: &Contract<CheckedRow>) -> bool {
    op.default.is_some() && !op.diverges() && !op.nocall && !is_plain(op, contract)
}

/// The declaration of the plain C function that is an op's external default.
pub(super) fn default_declaration(set: &Set, op: &Op<CheckedRow>, symbol: &str) -> String {
    let (returned, parameters) = backend_signature(set, op);
    format!("extern PV_CALL {}({parameters});\n", spaced(&returned, symbol))
}

/// The thunk around it, in the file of the table.
pub(super) fn default_thunk(
    context: &Context<'_>,
    set: &Set,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    symbol: &str,
) -> String {
    let ident = names::ident(op);
    let target = format!("pv_{}_{ident}_default_to", set.name);
    let comment = format!("/* {symbol}(), and what it may destroy of what the op keeps */");
    let mut body = Body::new(comment, "\n", "\n\t");
    for line in target_function(set, op, &target) {
        body.line(format_args!("{}", line.replace("pv_fn", symbol)));
    }
    body.line(format_args!("PV_CODE pv_{}_default_{ident}(void)", set.name));
    thunk_body(context, op, contract, &target, &mut body);
    body.finish()
}

/// Lines of C, in a macro or in a file.
struct Body {
    text: String,
    /// What comes before a line, and before a line of asm.
    line: &'static str,
    asm: &'static str,
    /// The last line is of pushes or pops: they share one.
    moves: bool,
}

impl Body {
    fn new(first: String, line: &'static str, asm: &'static str) -> Self {
        Self { text: first, line, asm, moves: false }
    }

    fn line(&mut self, line: Arguments<'_>) {
        self.moves = false;
        put!(self.text, "{}{line}", self.line);
    }

    /// A line of asm: string literals, macros that make some, or what stands behind them.
    fn asm(&mut self, line: Arguments<'_>) {
        self.moves = false;
        put!(self.text, "{}{line}", self.asm);
    }

    fn moves(&mut self, what: &str, register: &str, word: usize) {
        let before = if self.moves { " " } else { self.asm };
        put!(self.text, "{before}{what}(\"{register}\", \"{word}\")");
        self.moves = true;
    }

    fn push(&mut self, register: &str, word: usize) {
        self.moves("PV_PUSH", register, word);
    }

    fn pop(&mut self, register: &str, word: usize) {
        self.moves("PV_POP", register, word);
    }

    fn finish(mut self) -> String {
        self.text.push('\n');
        self.text
    }
}

/// A static function between thunk and `pv_fn`: the compiler lets asm name it in every code model, where an exported one
/// could be interposed, and it checks the type of `pv_fn`.
fn target_function(set: &Set, op: &Op<CheckedRow>, target: &str) -> [String; 2] {
    let (returned, parameters) = backend_signature(set, op);
    let mut arguments: Vec<String> = op.params.iter().map(|param| names::variable(param).to_owned()).collect();
    if op.results().len() > 1 {
        arguments.push("pv_results".to_owned());
    }
    let back = if returned == "void" { "" } else { "return " };
    [
        format!("__attribute__((__noinline__, __used__)) PV_CALL static {}({parameters})", spaced(&returned, target)),
        format!("{{ {back}pv_fn({}); }}", arguments.join(", ")),
    ]
}

fn thunk_body(
    context: &Context<'_>,
    op: &Op<CheckedRow>,
    contract: &Contract<CheckedRow>,
    target: &str,
    body: &mut Body,
) {
    body.line(format_args!("{{ __asm__ volatile("));
    if is_c_abi(contract) && !op.preserves.flags && !op.preserves.vector {
        simple_thunk(contract, body);
    } else {
        full_thunk(context, op, contract, body);
    }
    body.asm(format_args!("PV_RET : : \"i\"({target})); }}"));
}

/// Operands where C has them: only to save what C would destroy and the contract keeps.
fn simple_thunk(contract: &Contract<CheckedRow>, body: &mut Body) {
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
        body.asm(format_args!("\"sub ${pad}, %%{sp}\\n\" PV_CFI(\".cfi_adjust_cfa_offset {pad}\\n\")"));
    }
    body.asm(format_args!("\"call %P0\\n\""));
    if pad > 0 {
        body.asm(format_args!("\"add ${pad}, %%{sp}\\n\" PV_CFI(\".cfi_adjust_cfa_offset -{pad}\\n\")"));
    }
    saved.iter().rev().for_each(|&register| body.pop(register_name(register), word));
}

/// The general case. All caller-saved registers and all operands go into a frame; arguments are loaded from it, results
/// are stored into it, and the registers are loaded back.
fn full_thunk(context: &Context<'_>, op: &Op<CheckedRow>, contract: &Contract<CheckedRow>, body: &mut Body) {
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
        body.asm(format_args!("\"lahf; seto %%al\\n\""));
        body.push(ax, word);
    }
    body.push(bp, word);
    body.asm(format_args!(
        "\"mov %%{sp}, %%{bp}\\n\" PV_CFI(\".cfi_rel_offset {bp}, 0\\n.cfi_def_cfa_register {bp}\\n\")"
    ));

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
        (vector_at + VECTOR_STATE, 64)
    } else {
        ((results_at + results_len).next_multiple_of(16), 16)
    };
    if frame > 0 {
        body.asm(format_args!("\"sub ${frame}, %%{sp}\\n\""));
    }
    body.asm(format_args!("\"and $-{align}, %%{sp}\\n\""));
    let contract_symbol = context.contract;
    let vector = |what: &str| format!("\"lea {vector_at}(%%{sp}), %%{ax}; call {contract_symbol}_{what}_vectors\\n\"");
    if op.preserves.vector {
        body.asm(format_args!("{}", vector("save")));
    }
    // Stack arguments first: they pass through the accumulator.
    for (index, source) in sources.iter().enumerate().skip(in_registers) {
        match source {
            Some(register) => body.asm(format_args!("\"mov {}, %%{ax}\\n\"", slot(*register))),
            None => body.asm(format_args!("\"lea {results_at}(%%{sp}), %%{ax}\\n\"")),
        }
        body.asm(format_args!("\"mov %%{ax}, {}(%%{sp})\\n\"", (index - in_registers) * word));
    }
    for (source, argument) in sources.iter().zip(table.arguments) {
        let argument = register_name(*argument);
        match source {
            Some(register) => body.asm(format_args!("\"mov {}, %%{argument}\\n\"", slot(*register))),
            None => body.asm(format_args!("\"lea {results_at}(%%{sp}), %%{argument}\\n\"")),
        }
    }
    body.asm(format_args!("\"call %P0\\n\""));
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
            body.asm(format_args!("\"{load}; mov %%{ax}, {}\\n\"", slot(operand.register)));
            if let Some(high) = operand.high {
                body.asm(format_args!(
                    "\"mov {}(%%{sp}), %%eax; mov %%eax, {}\\n\"",
                    results_at + offset + 4,
                    slot(high)
                ));
            }
            offset += size;
        }
    } else if let Some(result) = contract.results.first() {
        body.asm(format_args!("\"mov %%{ax}, {}\\n\"", slot(result.register)));
        if let Some(high) = result.high {
            body.asm(format_args!("\"mov %%edx, {}\\n\"", slot(high)));
        }
    }
    if op.preserves.vector {
        body.asm(format_args!("{}", vector("load")));
    }
    let depth = (above + saved.len()) * word;
    body.asm(format_args!("\"leave\\n\" PV_CFI(\".cfi_def_cfa {sp}, {depth}\\n.cfi_restore {bp}\\n\")"));
    if op.preserves.flags {
        body.pop(ax, word);
        body.asm(format_args!("\"add $127, %%al; sahf\\n\""));
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
