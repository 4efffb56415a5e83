//! Names that the outputs can use: identifiers of C, C++ and Rust at once, no two of which collide.

use super::Context;
use super::asm::is_decorator;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::spelling::{camel, constant};
use crate::syntax::ast::Word;
use std::collections::BTreeMap;

/// The longest name, in bytes.
pub(super) const MAX_NAME: usize = 120;

/// Keywords of C (C11 and C23), of C++ with its alternative tokens, and names that compilers or the standard headers
/// define as macros. A generated identifier that is one of these whole does not compile.
const C_WORDS: &[&str] = &[
    "EOF",
    "FALSE",
    "I",
    "NAN",
    "NULL",
    "TRUE",
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "assert",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "char16_t",
    "char32_t",
    "char8_t",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "compl",
    "complex",
    "concept",
    "const",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "errno",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "i386",
    "if",
    "inline",
    "int",
    "linux",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "noreturn",
    "not",
    "not_eq",
    "nullptr",
    "offsetof",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "requires",
    "restrict",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "stderr",
    "stdin",
    "stdout",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "typeof_unqual",
    "union",
    "unix",
    "unsigned",
    "using",
    "va_arg",
    "va_end",
    "va_list",
    "va_start",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
];

/// Keywords of Rust in any edition, reserved ones included. Outputs write them as raw identifiers, except the last
/// five, which cannot be raw.
const RUST_WORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "self", "Self", "super", "crate", "_",
];

/// Keywords of Rust that cannot be written as raw identifiers.
const RUST_NEVER: &[&str] = &["self", "Self", "super", "crate", "_"];

/// What the outputs call `pv_SET_...` themselves.
const OWN_NAMES: &[&str] = &["op", "ops", "set", "identity", "nop"];

/// The finding for a name that cannot be used.
fn reserved(span: Span, name: &str, why: &str, help: String) -> Diagnostic {
    Diagnostic::new(Code::RESERVED_NAME, span, format!("`{name}` cannot be used as a name: {why}")).help(help)
}

/// Why an identifier that is prefixed and suffixed with `_` in the outputs cannot be used.
fn underscores(name: &str) -> Option<&'static str> {
    (name.contains("__") || name.starts_with('_') || name.ends_with('_')).then_some(
        "with the prefixes of generated names it makes two underscores in a row, which C++ reserves for the compiler",
    )
}

/// Checks the name of a set.
pub(super) fn check_set(context: &mut Context<'_>, name: &Word) {
    let text = name.text.as_str();
    let why = if RUST_WORDS.contains(&text) {
        Some("it is a keyword of Rust, where it names a module")
    } else if text.starts_with("pv_") || text == "pv" {
        Some("generated names begin with `pv_` already")
    } else {
        underscores(text)
    };
    check_len(context, name);
    if let Some(why) = why {
        context.report(reserved(name.span, text, why, "choose another name".to_owned()));
    }
}

/// Checks the name of a declared feature.
pub(super) fn check_feature(context: &mut Context<'_>, name: &Word) -> bool {
    let why = if RUST_NEVER.contains(&name.text.as_str()) {
        Some("it is a keyword of Rust that no spelling makes a name")
    } else {
        underscores(&name.text)
    };
    if let Some(why) = why {
        context.report(reserved(name.span, &name.text, why, "choose another name".to_owned()));
    }
    check_len(context, name) && why.is_none()
}

/// Checks the name of a parameter or result.
pub(super) fn check_operand(context: &mut Context<'_>, name: &Word) -> bool {
    let text = name.text.as_str();
    let why = if C_WORDS.contains(&text) {
        "it is a keyword or macro of C or C++, where it names a parameter"
    } else if RUST_NEVER.contains(&text) {
        "it is a keyword of Rust that no spelling makes a name"
    } else if is_decorator(text) {
        "in asm these braces are a decorator or prefix of the assembler"
    } else if text.starts_with("pv_") {
        "generated code uses names with `pv_` for its own variables"
    } else if text.contains("__") || text.starts_with('_') {
        "C and C++ reserve such names for the compiler"
    } else {
        return check_len(context, name);
    };
    let base = text.trim_matches('_').replace("__", "_");
    let help = match base.strip_prefix("pv_").unwrap_or(&base) {
        "" => "choose another name".to_owned(),
        other if other == text => format!("write `{other}_value`, for example"),
        other => format!("write `{other}`, for example"),
    };
    context.report(reserved(name.span, text, why, help));
    false
}

/// Checks the name of an external function.
pub(super) fn check_symbol(context: &mut Context<'_>, name: &Word) -> bool {
    let why = C_WORDS.contains(&name.text.as_str()).then_some("it is a keyword or macro of C or C++");
    let why = why.or(RUST_NEVER
        .contains(&name.text.as_str())
        .then_some("it is a keyword of Rust that no spelling makes a name"));
    if let Some(why) = why {
        context.report(reserved(name.span, &name.text, why, "name the function that is linked in".to_owned()));
    }
    check_len(context, name) && why.is_none()
}

fn check_len(context: &mut Context<'_>, name: &Word) -> bool {
    if name.text.len() > MAX_NAME {
        context.limit(name.span, format!("a name has at most {MAX_NAME} letters"));
    }
    name.text.len() <= MAX_NAME
}

/// What a dotted name stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Op,
    Branch,
}

impl What {
    fn noun(self) -> &'static str {
        match self {
            Self::Op => "op",
            Self::Branch => "branch",
        }
    }
}

/// The names of the ops and branches so far, by their identifier in C. The two share one space, because in Rust an op and a
/// branch of one name would be one function.
#[derive(Default)]
pub(super) struct Names {
    idents: BTreeMap<String, (What, Word)>,
    /// What Rust calls them: the types of the backends of ops, the handles of branches.
    in_rust: BTreeMap<(What, String), Word>,
}

impl Names {
    /// Checks the name of an op or branch and keeps it; `false` if it cannot be used.
    pub(super) fn add(&mut self, context: &mut Context<'_>, what: What, name: &Word) -> bool {
        let text = name.text.as_str();
        let noun = what.noun();
        let ident = text.replace('.', "_");
        if let Some((other, first)) = self.idents.get(&ident) {
            let found = if first.text == name.text && *other == what {
                Diagnostic::new(Code::DUPLICATE, name.span, format!("{noun} `{text}` is defined twice"))
            } else if first.text == name.text {
                let message = format!("`{text}` is the name of an op and of a branch: both would be one function");
                Diagnostic::new(Code::RESERVED_NAME, name.span, message).help("rename one of them")
            } else {
                let message = format!("{} `{}` and {noun} `{text}` are both `{ident}` in C", other.noun(), first.text);
                Diagnostic::new(Code::RESERVED_NAME, name.span, message).help("rename one of them")
            };
            context.report(found.also(first.span, "first here"));
            return false;
        }
        let in_rust = match what {
            What::Op => camel(text),
            What::Branch => constant(text),
        };
        if let Some(first) = self.in_rust.get(&(what, in_rust.clone())) {
            let message = format!("{noun} `{}` and {noun} `{text}` are both `{in_rust}` in Rust", first.text);
            context.report(
                Diagnostic::new(Code::RESERVED_NAME, name.span, message)
                    .also(first.span, "first here")
                    .help("rename one of them: names must differ in more than case"),
            );
            return false;
        }
        self.in_rust.insert((what, in_rust), name.clone());
        if !check_len(context, name) {
            return false;
        }
        self.idents.insert(ident.clone(), (what, name.clone()));
        let family = |suffix: &str| format!("write `{text}_{suffix}` or give it a family: `family.{text}`");
        let problem = if let Some(part) = text.split('.').find(|part| RUST_NEVER.contains(part)) {
            let why = format!("`{part}` is a keyword of Rust that no spelling makes a name");
            Some((why, "choose another name for this part".to_owned()))
        } else if what == What::Op && C_WORDS.contains(&ident.as_str()) {
            let why =
                format!("`{ident}` is a keyword or macro of C or C++, where it names a field of the ops structure");
            Some((why, family("op")))
        } else if what == What::Op && OWN_NAMES.contains(&ident.as_str()) {
            Some((format!("`pv_SET_{ident}` is what the outputs call something of their own"), family("op")))
        } else if hash_like(&ident) {
            Some(("`pv_SET_contract_...` is the symbol that guards the contract".to_owned(), family("op")))
        } else {
            underscores(&ident).map(|why| (why.to_owned(), format!("write `{}`", tidy(text))))
        };
        if let Some((why, help)) = problem {
            context.report(reserved(name.span, text, &why, help));
            return false;
        }
        true
    }

    /// Reports names that collide with what the outputs derive from another op's name.
    pub(super) fn check_derived(&self, context: &mut Context<'_>) {
        for (ident, (what, name)) in &self.idents {
            if *what == What::Branch {
                continue;
            }
            let of = |what: What, base: &str| self.idents.get(base).filter(|(other, _)| *other == what);
            if let Some((_, other)) = ident.strip_prefix("branch_").and_then(|base| of(What::Branch, base)) {
                context.report(
                    Diagnostic::new(
                        Code::RESERVED_NAME,
                        name.span,
                        format!(
                            "`{}` collides with a name that the outputs derive from branch `{}`",
                            name.text, other.text
                        ),
                    )
                    .label(format!("`{ident}` in C"))
                    .also(other.span, "this branch")
                    .help("rename one of them"),
                );
            }
            // `trait IrqSaveBackend` stands beside the types of the backends.
            let of_trait = camel(&name.text).strip_suffix("Backend").map(|base| (What::Op, base.to_owned()));
            if let Some(other) = of_trait.and_then(|base| self.in_rust.get(&base)) {
                let message =
                    format!("`{}` collides with a name that the outputs derive from op `{}`", name.text, other.text);
                context.report(
                    Diagnostic::new(Code::RESERVED_NAME, name.span, message)
                        .label(format!("`{}` in Rust", camel(&name.text)))
                        .also(other.span, "this op")
                        .help("rename one of them"),
                );
                continue;
            }
            let prefixed = ["default_", "call_"].iter().find_map(|prefix| ident.strip_prefix(prefix));
            let row = ident.rsplit_once("_row").filter(|(_, n)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            let base = prefixed.or(row.map(|(base, _)| base));
            let Some((_, other)) = base.and_then(|base| of(What::Op, base)) else {
                continue;
            };
            let message =
                format!("`{}` collides with a name that the outputs derive from op `{}`", name.text, other.text);
            context.report(
                Diagnostic::new(Code::RESERVED_NAME, name.span, message)
                    .label(format!("`{ident}` in C"))
                    .also(other.span, "this op")
                    .help("rename one of them"),
            );
        }
    }
}

/// Whether a name looks like `contract_HASH`.
fn hash_like(ident: &str) -> bool {
    ident.strip_prefix("contract_").is_some_and(|hash| hash.len() >= 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The name without needless underscores.
fn tidy(name: &str) -> String {
    let parts =
        name.split('.').map(|part| part.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_"));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}
