//! How things are called and typed in C.

use crate::model::{Op, Operand, Parameter, Site, Type};

/// The identifier of an op in C: its name with `_` for `.`, and one more `_` where that would be a keyword of C or C++
/// or the name of something that every set has.
pub(super) fn ident<R>(op: &Op<R>) -> String {
    let ident = op.ident();
    let taken = KEYWORDS.binary_search(&ident.as_str()).is_ok()
        || OWN_NAMES.contains(&ident.as_str())
        || OWN_PREFIXES.iter().any(|prefix| ident.starts_with(prefix));
    if taken { ident + "_" } else { ident }
}

/// A parameter's or field's name.
pub(super) fn variable(parameter: &Parameter) -> String {
    match parameter.name.as_str() {
        "" => "result".to_owned(),
        name if KEYWORDS.binary_search(&name).is_ok() => format!("{name}_"),
        name => name.to_owned(),
    }
}

/// `call.mem` as part of a macro's name: `call_mem`; `nop(5)`: `nop5`.
pub(super) fn kind(site: &Site) -> String {
    site.label().replace('.', "_").replace(['(', ')'], "")
}

/// The type of an operand.
pub(super) fn ty(ty: Type) -> &'static str {
    match ty {
        Type::Word => "unsigned long",
        Type::U8 => "uint8_t",
        Type::U16 => "uint16_t",
        Type::U32 => "uint32_t",
        Type::U64 => "uint64_t",
        Type::Ptr => "void *",
        Type::Bool => "bool",
    }
}

/// `TYPE NAME`, with the star at the name.
pub(super) fn declare(parameter: &Parameter) -> String {
    match ty(parameter.ty) {
        pointer if pointer.ends_with('*') => format!("{pointer}{}", variable(parameter)),
        plain => format!("{plain} {}", variable(parameter)),
    }
}

/// The lower-case name of an operand's register: `rdi`.
pub(super) fn register(operand: &Operand) -> String {
    crate::arch::register_name(operand.register)
}

/// Text that may stand between the marks of a C comment.
pub(super) fn comment(text: &str) -> String {
    text.replace("*/", "* /").replace("/*", "/ *")
}

/// What every generated header declares as `pv_NAME_…` besides the wrappers.
const OWN_NAMES: &[&str] = &["identity", "nop", "op", "ops", "set"];
const OWN_PREFIXES: &[&str] = &["call_", "contract_", "default_"];

/// Keywords and predefined macros of C11, C++20 and GNU mode, sorted.
const KEYWORDS: &[&str] = &[
    "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char",
    "char16_t", "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept", "const",
    "const_cast", "consteval", "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "i386",
    "if", "inline", "int", "linux", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast", "requires", "restrict",
    "return", "short", "signed", "sizeof", "static", "static_assert", "static_cast", "struct", "switch", "template",
    "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "typeof", "typeof_unqual", "union",
    "unix", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_can_be_searched() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn comments_do_not_end_early() {
        assert_eq!(comment("a */ b /* c"), "a * / b / * c");
    }
}
