//! Conditions: from text to disjunctive normal form over the features of the set.

use super::Context;
use super::features::Features;
use crate::diagnostics::{Code, Diagnostic};
use crate::model::{Term, When};
use crate::source::Span;
use crate::syntax::ast::Word;
use crate::syntax::{PvParser, Rule, condition_text};
use pest::Parser;
use pest::error::InputLocation;
use pest::iterators::Pair;

/// The deepest nesting of parentheses and `!`.
pub(super) const MAX_DEPTH: usize = 64;
/// The longest condition, in bytes.
pub(super) const MAX_LEN: usize = 4096;
/// The most terms of a condition in normal form: the product of alternatives grows fast.
pub(super) const MAX_TERMS: usize = 64;

/// Resolves a condition; `None` if it makes no sense, which has been reported.
pub(super) fn resolve(context: &mut Context<'_>, text: &Word, features: &mut Features) -> Option<When> {
    if text.text.len() > MAX_LEN {
        context.limit(text.span, format!("a condition has at most {MAX_LEN} bytes"));
        return None;
    }
    if nesting(&text.text) > MAX_DEPTH {
        context.limit(text.span, format!("a condition is nested at most {MAX_DEPTH} deep"));
        return None;
    }
    let pair = match PvParser::parse(Rule::condition, &text.text) {
        Ok(mut pairs) => pairs.next()?.into_inner().next()?,
        Err(error) => {
            let at = match error.location {
                InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
            };
            context.report(explain(text, at));
            return None;
        }
    };
    let mut reader = Reader { context, features, start: text.span, good: true };
    let tree = reader.any_of(pair);
    if !reader.good {
        return None;
    }
    let Some(terms) = terms(&tree, true) else {
        context.report(
            Diagnostic::new(
                Code::LIMIT,
                text.span,
                format!("this condition has more than {MAX_TERMS} alternatives when it is multiplied out"),
            )
            .help("write several rows with simpler conditions"),
        );
        return None;
    };
    if terms.is_empty() {
        context.report(
            Diagnostic::new(Code::UNREACHABLE_ROW, text.span, "this condition can never hold")
                .label("demands that a feature is there and is not"),
        );
        return None;
    }
    Some(When { text: condition_text(&text.text), terms, span: text.span })
}

/// How deep parentheses and `!` are nested: both make the parser recurse.
fn nesting(text: &str) -> usize {
    let (mut depth, mut nots, mut most) = (0_usize, 0, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b'!' => nots += 1,
            b'|' | b'&' => nots = 0,
            _ => {}
        }
        most = most.max(depth + nots);
    }
    most
}

/// The finding for a condition that breaks off at `at`.
fn explain(text: &Word, at: usize) -> Diagnostic {
    let rest = &text.text[at..];
    let word_len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let len = word_len.max(rest.chars().next().map_or(0, char::len_utf8));
    let start = text.span.start + at as u32;
    let span = Span { file: text.span.file, start, end: start + len as u32 };
    let found = |message: String| Diagnostic::new(Code::SYNTAX, span, message);
    let replace = |wrong: &str, right: &str| {
        found(format!("`{wrong}` is no operator of conditions")).fix(format!("write `{right}`"), span, right)
    };
    match &rest[..len] {
        "and" => replace("and", "&&"),
        "or" => replace("or", "||"),
        "not" => replace("not", "!"),
        "&" => replace("&", "&&"),
        "|" => replace("|", "||"),
        "~" => replace("~", "!"),
        "" => found("the condition breaks off".to_owned()).label("expected a feature or `)`"),
        ")" => found("this `)` closes nothing".to_owned()).label("no parenthesis is open here"),
        other => {
            found(format!("found `{other}` in a condition")).label("expected a feature, `&&`, `||`, `!` or parentheses")
        }
    }
}

/// A condition as a tree.
enum Tree {
    Feature(u32),
    Not(Box<Tree>),
    All(Vec<Tree>),
    Any(Vec<Tree>),
}

struct Reader<'a, 'b> {
    context: &'a mut Context<'b>,
    features: &'a mut Features,
    /// Span of the whole condition.
    start: Span,
    good: bool,
}

impl Reader<'_, '_> {
    fn any_of(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let parts = pair.into_inner().filter(|part| part.as_rule() == Rule::all_of);
        Tree::Any(parts.map(|part| self.all_of(part)).collect())
    }

    fn all_of(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let parts = pair.into_inner().filter(|part| part.as_rule() == Rule::factor);
        Tree::All(parts.map(|part| self.factor(part)).collect())
    }

    fn factor(&mut self, pair: Pair<'_, Rule>) -> Tree {
        let mut negate = false;
        let mut tree = Tree::Any(Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::not => negate = true,
                Rule::factor => tree = self.factor(part),
                Rule::any_of => tree = self.any_of(part),
                Rule::feature_name => {
                    let place = part.as_span();
                    let at = |offset: usize| self.start.start + offset as u32;
                    let span = Span { start: at(place.start()), end: at(place.end()), ..self.start };
                    match self.features.used(self.context, part.as_str(), span) {
                        Some(index) => tree = Tree::Feature(index),
                        None => self.good = false,
                    }
                }
                _ => {}
            }
        }
        if negate { Tree::Not(Box::new(tree)) } else { tree }
    }
}

/// The terms of `tree`, or of its contrary; `None` if there are too many.
fn terms(tree: &Tree, wanted: bool) -> Option<Vec<Term>> {
    match tree {
        Tree::Feature(index) => {
            let bit = 1 << index;
            Some(vec![if wanted { Term { all: bit, none: 0 } } else { Term { all: 0, none: bit } }])
        }
        Tree::Not(inner) => terms(inner, !wanted),
        Tree::Any(parts) if wanted => sum(parts, wanted),
        Tree::All(parts) if !wanted => sum(parts, wanted),
        Tree::Any(parts) | Tree::All(parts) => {
            let mut product = vec![Term { all: 0, none: 0 }];
            for part in parts {
                let factor = terms(part, wanted)?;
                let mut next = Vec::new();
                for a in &product {
                    for b in &factor {
                        add(&mut next, Term { all: a.all | b.all, none: a.none | b.none })?;
                    }
                }
                product = next;
            }
            Some(product)
        }
    }
}

fn sum(parts: &[Tree], wanted: bool) -> Option<Vec<Term>> {
    let mut sum = Vec::new();
    for part in parts {
        for term in terms(part, wanted)? {
            add(&mut sum, term)?;
        }
    }
    Some(sum)
}

/// Adds a term unless it can never hold or another covers it, and drops those that it covers.
fn add(terms: &mut Vec<Term>, new: Term) -> Option<()> {
    let covers = |a: &Term, b: &Term| a.all & b.all == a.all && a.none & b.none == a.none;
    if new.all & new.none != 0 || terms.iter().any(|old| covers(old, &new)) {
        return Some(());
    }
    terms.retain(|old| !covers(&new, old));
    terms.push(new);
    (terms.len() <= MAX_TERMS).then_some(())
}
