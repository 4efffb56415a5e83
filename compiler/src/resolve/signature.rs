//! Signatures: types, and the register of each operand on each arch.

use super::registers::{self, NoRegister};
use super::{Context, asm, names, quoted};
use crate::arch::{Arch, register_name};
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Operand, Parameter, Returns, Type};
use crate::source::Span;
use crate::suggest::{Near, nearest};
use crate::syntax::ast::{self, Word};
use iced_x86::Register;

/// The types by name.
const TYPES: [(&str, Type); 7] = [
    ("word", Type::Word),
    ("u8", Type::U8),
    ("u16", Type::U16),
    ("u32", Type::U32),
    ("u64", Type::U64),
    ("ptr", Type::Ptr),
    ("bool", Type::Bool),
];

/// The most parameters or results: no arch has registers for more.
const MAX_OPERANDS: usize = 16;

/// A signature, before its operands are placed.
pub(super) struct Draft<'a> {
    pub(super) params: Vec<Parameter>,
    pub(super) returns: Returns,
    source: &'a ast::Signature,
}

/// Resolves names and types; `None` if one is wrong, which has been reported.
pub(super) fn resolve<'a>(context: &mut Context<'_>, source: &'a ast::Signature) -> Option<Draft<'a>> {
    let results: &[ast::Param] = match &source.returns {
        ast::Returns::Values(results) => results,
        ast::Returns::Never(_) => &[],
    };
    if source.params.len() > MAX_OPERANDS || results.len() > MAX_OPERANDS {
        context.limit(source.span, format!("an op has at most {MAX_OPERANDS} parameters and as many results"));
        return None;
    }
    let params = parameters(context, &source.params);
    let returned = parameters(context, results);
    let mut good = unnamed(context, results);
    let named: Vec<&Word> = source.params.iter().chain(results).filter_map(|param| param.name.as_ref()).collect();
    for (at, name) in named.iter().enumerate() {
        good &= names::check_operand(context, name);
        if let Some(first) = named[..at].iter().find(|first| first.text == name.text) {
            good = false;
            context.report(
                Diagnostic::new(Code::DUPLICATE, name.span, format!("two operands are called `{}`", name.text))
                    .also(first.span, "first here"),
            );
        }
    }
    let returns = match source.returns {
        ast::Returns::Never(_) => Returns::Never,
        ast::Returns::Values(_) => Returns::Values(returned?),
    };
    Some(Draft { params: params?, returns, source }).filter(|_| good)
}

/// Several results need names: the outputs make a struct of them.
fn unnamed(context: &mut Context<'_>, results: &[ast::Param]) -> bool {
    let mut good = true;
    if results.len() > 1 {
        for result in results.iter().filter(|result| result.name.is_none()) {
            good = false;
            context.report(
                Diagnostic::new(Code::SIGNATURE, result.span, "one of several results has no name")
                    .help("write `NAME: TYPE` for each"),
            );
        }
    }
    good
}

fn parameters(context: &mut Context<'_>, params: &[ast::Param]) -> Option<Vec<Parameter>> {
    let mut good = true;
    let mut list = Vec::new();
    for param in params {
        let Some((_, ty)) = TYPES.iter().find(|(name, _)| *name == param.ty.text) else {
            good = false;
            context.report(unknown_type(&param.ty));
            continue;
        };
        let name = param.name.as_ref().map_or_else(String::new, |name| name.text.clone());
        list.push(Parameter { name, ty: *ty, span: param.span });
    }
    good.then_some(list)
}

fn unknown_type(word: &Word) -> Diagnostic {
    let found = Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("no type is called `{}`", word.text));
    let names = TYPES.iter().map(|(name, _)| *name);
    let near = match word.text.as_str() {
        "usize" | "ulong" | "uintptr_t" | "size_t" | "long" | "unsigned" => Some(Near::sure("word")),
        "uint8_t" | "byte" | "char" => Some(Near::sure("u8")),
        "uint16_t" => Some(Near::sure("u16")),
        "uint32_t" | "int" | "uint" => Some(Near::sure("u32")),
        "uint64_t" => Some(Near::sure("u64")),
        "void" => {
            return found.help("an op without results has no `->`; `-> !` says that control does not come back");
        }
        other => nearest(other, names.clone()),
    };
    match near {
        Some(near) => near.offer(found, word.span),
        None => found.note(format!("the types are {}, and `!`", quoted(&names.collect::<Vec<_>>()))),
    }
}

/// Parameters and results of one arch.
pub(super) struct Placed {
    pub(super) params: Vec<Operand>,
    pub(super) results: Vec<Operand>,
}

impl Draft<'_> {
    /// Places the operands on `arch`; `None` if they cannot be, which has been reported.
    pub(super) fn place(&self, context: &mut Context<'_>, arch: Arch) -> Option<Placed> {
        let results: &[ast::Param] = match &self.source.returns {
            ast::Returns::Values(results) => results,
            ast::Returns::Never(_) => &[],
        };
        let returned: &[Parameter] = match &self.returns {
            Returns::Values(returned) => returned,
            Returns::Never => &[],
        };
        let params = place(context, arch, &self.params, &self.source.params, Role::Parameter);
        let results = place(context, arch, returned, results, Role::Result);
        Some(Placed { params: params?, results: results? })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Parameter,
    Result,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Parameter => "parameter",
            Self::Result => "result",
        }
    }
}

fn place(
    context: &mut Context<'_>,
    arch: Arch,
    params: &[Parameter],
    sources: &[ast::Param],
    role: Role,
) -> Option<Vec<Operand>> {
    let mut good = true;
    let mut placed: Vec<(Operand, Span)> = Vec::new();
    for (index, (param, source)) in params.iter().zip(sources).enumerate() {
        let Some(operand) = operand(context, arch, param, source, index, role) else {
            good = false;
            continue;
        };
        let uses = |other: &Operand| {
            [Some(operand.register), operand.high]
                .into_iter()
                .flatten()
                .find(|&register| other.register == register || other.high == Some(register))
        };
        if let Some((first, register)) = placed.iter().find_map(|(other, span)| Some((*span, uses(other)?))) {
            good = false;
            let name = register_name(register);
            let message = format!("two {}s sit in {name} on {}", role.name(), arch.name());
            context.report(
                Diagnostic::new(Code::SIGNATURE, source.span, message)
                    .label(format!("in {name} too"))
                    .also(first, format!("in {name}"))
                    .help("give one of them another place: `in REG`"),
            );
            continue;
        }
        placed.push((operand, source.span));
    }
    good.then(|| placed.into_iter().map(|(operand, _)| operand).collect())
}

/// Where one operand sits.
fn operand(
    context: &mut Context<'_>,
    arch: Arch,
    param: &Parameter,
    source: &ast::Param,
    index: usize,
    role: Role,
) -> Option<Operand> {
    let table = arch.table();
    let wide = param.ty == Type::U64 && arch.bits() == 32;
    let error = |message: String| Diagnostic::new(Code::SIGNATURE, source.span, message);
    let operand = |register, high| Operand { name: param.name.clone(), ty: param.ty, register, high };
    if wide && (role == Role::Parameter || source.place.is_some()) {
        context.report(
            error(format!("{} has no place for a u64 {}", arch.name(), role.name()))
                .help("on i386 a u64 is a result in edx:eax only; pass two u32, or `word`"),
        );
        return None;
    }
    if wide {
        if index > 0 {
            context.report(error("a u64 result on i386 takes edx:eax, which are in use".to_owned()));
            return None;
        }
        return Some(operand(Register::EAX, Some(Register::EDX)));
    }
    if let Some(place) = &source.place {
        return Some(operand(explicit(context, arch, param.ty, place)?, None));
    }
    let registers = match role {
        Role::Parameter => &table.arguments,
        Role::Result => &table.results,
    };
    let Some(&register) = registers.get(index) else {
        let names: Vec<_> = registers.iter().map(|&register| register_name(register)).collect();
        context.report(
            error(format!(
                "{} has registers for {} {}s, this is number {}",
                arch.name(),
                registers.len(),
                role.name(),
                index + 1
            ))
            .note(format!("they are {}", names.join(", ")))
            .help("say where it sits: `in REG`"),
        );
        return None;
    };
    Some(operand(register, None))
}

/// The register that `in` names.
fn explicit(context: &mut Context<'_>, arch: Arch, ty: Type, place: &Word) -> Option<Register> {
    let error = |message: String| Diagnostic::new(Code::SIGNATURE, place.span, message);
    let name = place.text.as_str();
    let named = match registers::find(name, arch) {
        Ok(register) => register,
        Err(problem) => {
            context.report(no_register(place, arch, problem, Code::SIGNATURE));
            return None;
        }
    };
    if !named.is_gpr() {
        context.report(error(format!("`{name}` is no general register: an operand cannot sit there")));
        return None;
    }
    let whole = registers::full(named, arch);
    if forbidden(whole) {
        context.report(
            error(format!("an operand cannot sit in {}", register_name(whole)))
                .label("the stack or frame pointer of the code around the site"),
        );
        return None;
    }
    if registers::is_high_byte(named) {
        context.report(error(format!("`{name}` is the second byte of a register: operands sit in the low bits")));
        return None;
    }
    let bits = asm::bits(ty, arch);
    // A 32-bit name stands for the whole register, so that one line can serve both arches.
    let named_bits = named.size() as u32 * 8;
    if named_bits < bits && !(matches!(ty, Type::Word | Type::Ptr) && named_bits == 32) {
        let right = registers::part(whole, bits, arch).unwrap_or_else(|| register_name(whole).to_owned());
        context.report(error(format!("`{name}` has {named_bits} bits, the operand {bits}")).fix(
            format!("write `{right}`"),
            place.span,
            right,
        ));
        return None;
    }
    if registers::part(whole, bits, arch).is_none() {
        context.report(
            error(format!("the low {bits} bits of {} have no name on {}", register_name(whole), arch.name()))
                .help("choose eax, ebx, ecx or edx, or a wider type"),
        );
        return None;
    }
    Some(whole)
}

/// Whether operands and clobbers cannot be in it: the code around a site needs it to find its stack.
pub(super) fn forbidden(whole: Register) -> bool {
    matches!(whole, Register::RSP | Register::ESP | Register::RBP | Register::EBP)
}

/// The finding for a name that is no register of `arch`.
pub(super) fn no_register(word: &Word, arch: Arch, problem: NoRegister, code: Code) -> Diagnostic {
    let name = word.text.as_str();
    match problem {
        NoRegister::Elsewhere(here) => {
            let found = Diagnostic::new(code, word.span, format!("{} has no register `{name}`", arch.name()));
            match here {
                Some(here) => found.note(format!("`{here}` stands for the whole register on every arch")).fix(
                    format!("write `{here}`"),
                    word.span,
                    here,
                ),
                None => found,
            }
        }
        NoRegister::Unknown => {
            let table = arch.table();
            let general = table.caller_saved.iter().chain(table.callee_saved);
            let known: Vec<String> = general
                .flat_map(|&register| [64, 32].map(|bits| registers::part(register, bits, arch)))
                .flatten()
                .collect();
            let found = Diagnostic::new(Code::UNKNOWN_NAME, word.span, format!("no register is called `{name}`"));
            match nearest(name, known.iter().map(String::as_str)) {
                Some(near) => near.offer(found, word.span),
                None => found,
            }
        }
    }
}
