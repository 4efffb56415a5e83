//! The generated tree-sitter parser of `.pv` files, and the queries that go with it.

use tree_sitter_language::LanguageFn;

unsafe extern "C" {
    fn tree_sitter_pv() -> *const ();
}

/// The language: pass it to `tree_sitter::Parser::set_language`.
// SAFETY: src/parser.c defines the function with this signature, and what it returns is a language.
pub const LANGUAGE: LanguageFn = unsafe { LanguageFn::from_raw(tree_sitter_pv) };

/// What each node may hold, as JSON.
pub const NODE_TYPES: &str = include_str!("../../src/node-types.json");
/// Colours.
pub const HIGHLIGHTS_QUERY: &str = include_str!("../../queries/highlights.scm");
/// Languages inside of comments.
pub const INJECTIONS_QUERY: &str = include_str!("../../queries/injections.scm");
/// Operands and the roles that name them.
pub const LOCALS_QUERY: &str = include_str!("../../queries/locals.scm");
/// Ops and features, for lists of symbols.
pub const TAGS_QUERY: &str = include_str!("../../queries/tags.scm");
