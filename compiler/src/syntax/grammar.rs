//! The parser that pest makes of `grammar/pv.pest`, and what its rules are called in messages.

/// The parser.
#[derive(pest_derive::Parser)]
#[grammar = "../../grammar/pv.pest"]
pub(crate) struct PvParser;

/// What a string is called in messages.
pub(super) const STRING: &str = "a string in double quotes";

/// What a rule is called where it was expected; `None` for what is not worth naming (space, comments, helpers).
pub(super) fn name(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::open => "`{`",
        Rule::close | Rule::unclosed => "`}`",
        Rule::lparen => "`(`",
        Rule::rparen => "`)`",
        Rule::comma => "`,`",
        Rule::colon => "`:`",
        Rule::semi => "`;`",
        Rule::arrow => "`->`",
        Rule::equals => "`=`",
        Rule::never => "`!`",
        Rule::ident | Rule::word | Rule::dotted => "a name",
        Rule::number => "a number",
        Rule::string => STRING,
        Rule::string_text => "the rest of the string",
        Rule::kw_patchset => "`patchset`",
        Rule::kw_feature => "`feature`",
        Rule::kw_include => "`include`",
        Rule::kw_op => "`op`",
        Rule::kw_branch => "`branch`",
        Rule::kw_arch => "`arch`",
        Rule::kw_abi => "`abi`",
        Rule::kw_baseline => "`baseline`",
        Rule::kw_syntax => "`syntax`",
        Rule::kw_site => "`site`",
        Rule::kw_clobbers => "`clobbers`",
        Rule::kw_preserves => "`preserves`",
        Rule::kw_default => "`default`",
        Rule::kw_allow => "`allow`",
        Rule::kw_live => "`live`",
        Rule::kw_nocall => "`nocall`",
        Rule::kw_partial => "`partial`",
        Rule::kw_when | Rule::when => "`when`",
        Rule::kw_identity => "`identity`",
        Rule::kw_in | Rule::place => "`in`",
        Rule::kw_true => "`true`",
        Rule::kw_false => "`false`",
        Rule::truth => "`true` or `false`",
        Rule::patchset | Rule::feature | Rule::include | Rule::op | Rule::branch | Rule::item => "an item",
        Rule::arch_clause
        | Rule::abi_clause
        | Rule::baseline_clause
        | Rule::syntax_clause
        | Rule::clobbers
        | Rule::preserves
        | Rule::default
        | Rule::allow
        | Rule::live
        | Rule::nocall
        | Rule::partial => "a clause",
        Rule::site_clause => "`site`",
        Rule::site_group | Rule::site_kind => "a site kind",
        Rule::clobber_group => "a clobber",
        Rule::signature | Rule::only_signature => "a name and its parameters",
        Rule::param => "`NAME: TYPE`",
        Rule::returns | Rule::bare_result => "a result type",
        Rule::row => "a row",
        Rule::asm => "`{`",
        Rule::asm_text => "asm",
        Rule::bytes => "bytes in hex",
        Rule::condition_text | Rule::condition => "a condition",
        Rule::feature_name => "a feature",
        Rule::any_of | Rule::all_of | Rule::factor => "a feature, `!` or `(`",
        Rule::or => "`||`",
        Rule::and => "`&&`",
        Rule::not => "`!`",
        Rule::line_end => "the end of the line",
        Rule::sp
        | Rule::spaces
        | Rule::blank
        | Rule::newline
        | Rule::comment
        | Rule::gap
        | Rule::ident_char
        | Rule::doc
        | Rule::inner_doc
        | Rule::clause_keyword
        | Rule::preamble
        | Rule::rest
        | Rule::set_clause
        | Rule::result
        | Rule::EOI
        | Rule::for_arches
        | Rule::op_start
        | Rule::branch_head
        | Rule::branch_clause
        | Rule::bad_signature
        | Rule::op_clause
        | Rule::condition_end
        | Rule::asm_string
        | Rule::asm_char
        | Rule::asm_comment
        | Rule::asm_brace
        | Rule::bad_clause
        | Rule::bad_body
        | Rule::only_op_head
        | Rule::only_arch
        | Rule::only_abi
        | Rule::only_baseline
        | Rule::only_syntax
        | Rule::only_site
        | Rule::only_clobbers
        | Rule::only_preserves
        | Rule::only_default
        | Rule::only_allow
        | Rule::only_live
        | Rule::only_nocall
        | Rule::only_partial
        | Rule::only_row
        | Rule::only_patchset
        | Rule::only_feature
        | Rule::only_branch
        | Rule::only_include
        | Rule::space => return None,
    })
}
