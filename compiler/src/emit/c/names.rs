//! How things are called and typed in C. That no two names collide, and none is a keyword, the resolve phase has seen to.

use crate::model::{Op, Parameter, Site, Type};

/// The identifier of an op: its name with `_` for `.`.
pub(super) fn ident<R>(op: &Op<R>) -> String {
    op.ident()
}

/// A parameter's or field's name.
pub(super) fn variable(parameter: &Parameter) -> &str {
    if parameter.name.is_empty() { "result" } else { &parameter.name }
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

/// Text that may stand between the marks of a C comment.
pub(super) fn comment(text: &str) -> String {
    // Most texts have none of it, and need not be looked at twice.
    if text.contains('*') { text.replace("*/", "* /").replace("/*", "/ *") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_do_not_end_early() {
        assert_eq!(comment("a */ b /* c"), "a * / b / * c");
    }
}
