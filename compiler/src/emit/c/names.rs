//! How things are called and typed in C. That no two names collide, and none is a keyword, the resolve phase has seen to.

use crate::emit::text::{Piece, put};
use crate::model::{Parameter, Site, Type};
use std::borrow::Cow;

/// A parameter's or field's name.
pub(super) fn variable(parameter: &Parameter) -> &str {
    if parameter.name.is_empty() { "result" } else { &parameter.name }
}

/// `PV_SITE_SET_IDENT_kind`; the kind `call.mem` is there `call_mem`, and `nop(5)` is `nop5`.
pub(super) struct SiteMacro<'a> {
    pub(super) set: &'a str,
    pub(super) ident: &'a str,
    pub(super) site: &'a Site,
}

impl Piece for SiteMacro<'_> {
    fn append(&self, text: &mut String) {
        put!(*text, "PV_SITE_", self.set, "_", self.ident, "_");
        text.extend(self.site.kind.name.chars().map(|c| if c == '.' { '_' } else { c }));
        if self.site.kind.len.is_none() && self.site.kind.name == "nop" {
            put!(*text, self.site.len);
        }
    }
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
pub(super) struct Declared<'a>(pub(super) &'a str, pub(super) &'a str);

impl Piece for Declared<'_> {
    fn append(&self, text: &mut String) {
        put!(*text, self.0, (!self.0.ends_with('*')).then_some(" "), self.1);
    }
}

/// The declaration of a parameter or field.
pub(super) fn declare(parameter: &Parameter) -> Declared<'_> {
    Declared(ty(parameter.ty), variable(parameter))
}

/// Text that may stand between the marks of a C comment.
pub(super) fn comment(text: &str) -> Cow<'_, str> {
    // Most texts have none of it, and need not be looked at twice.
    if text.contains('*') { text.replace("*/", "* /").replace("/*", "/ *").into() } else { text.into() }
}

/// What is documented, behind the words that open its comment.
pub(super) fn doc_lines(docs: &[String], text: &mut String) {
    for (index, line) in docs.iter().enumerate() {
        let line = comment(line.trim());
        match index {
            0 => put!(*text, ": ", line),
            _ if line.is_empty() => text.push_str("\n *"),
            _ => put!(*text, "\n * ", line),
        }
    }
    text.push_str(" */\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_do_not_end_early() {
        assert_eq!(comment("a */ b /* c"), "a * / b / * c");
    }
}
