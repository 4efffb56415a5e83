//! Names in the Rust output.

pub(super) use crate::spelling::constant;

use crate::emit::text::Piece;
use crate::model::Type;
use crate::spelling;

/// Words that are reserved in some edition from 2015 to 2024 (Rust reference, "Keywords").
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Words that not even a raw identifier can spell.
const NEVER: &[&str] = &["self", "Self", "super", "crate", "_"];

/// Names that every generated module has itself.
const OWN: &[&str] = &["features", "branches", "backends", "sites", "table", "identity", "nop", "Ops", "OPS", "SET"];

/// `name` as an identifier.
pub(super) fn ident(name: &str) -> String {
    if NEVER.contains(&name) {
        format!("{name}_")
    } else if KEYWORDS.contains(&name) {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}

/// The modules and the function of an op: `irq.save_fl` gives `["irq"]` and `save_fl`.
pub(super) fn path(op: &str) -> (Vec<String>, String) {
    let mut parts: Vec<String> = op.split('.').map(ident).collect();
    if let Some(first) = parts.first_mut()
        && OWN.contains(&first.as_str())
    {
        first.push('_');
    }
    let function = parts.pop().unwrap_or_default();
    (parts, function)
}

/// `irq_save_fl` as `IrqSaveFl`.
pub(super) fn camel(name: &str) -> String {
    ident(&spelling::camel(name))
}

/// The Rust type of an operand.
pub(super) fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Word => "usize",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::Ptr => "*mut ::core::ffi::c_void",
        Type::Bool => "bool",
    }
}

/// Bytes of an operand.
pub(super) fn type_size(ty: Type) -> u32 {
    match ty {
        Type::U8 | Type::Bool => 1,
        Type::U16 => 2,
        Type::U32 => 4,
        Type::Word | Type::U64 | Type::Ptr => 8,
    }
}

/// Text as the content of a Rust string literal.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl Piece for Quoted<'_> {
    fn append(&self, text: &mut String) {
        // Character by character only where there is something to escape.
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
        match self.0.bytes().all(plain) {
            true => text.push_str(self.0),
            false => text.extend(self.0.escape_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_handled_and_not_emitted() {
        assert_eq!(path("type.match"), (vec!["r#type".to_owned()], "r#match".to_owned()));
        assert_eq!(path("self.super"), (vec!["self_".to_owned()], "super_".to_owned()));
        assert_eq!(path("sites.fn"), (vec!["sites_".to_owned()], "r#fn".to_owned()));
        assert_eq!(path("nop"), (vec![], "nop_".to_owned()));
        assert_eq!(path("cpu.nop"), (vec!["cpu".to_owned()], "nop".to_owned()));
        assert_eq!(camel("self"), "Self_");
    }
}
