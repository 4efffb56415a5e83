//! `allow(PVnnnn, "reason")`: one finding silenced on one op.

use super::Context;
use crate::diagnostics::{CODES, Code, CodeInfo, Diagnostic, Diagnostics, Severity};
use crate::model::Allow;
use crate::source::SourceMap;
use crate::suggest::nearest;
use crate::syntax::Ast;
use crate::syntax::ast::{ClauseKind, Item, Op};

/// The `allow` clauses of an op; a code that cannot be silenced is reported.
pub(super) fn resolve(context: &mut Context<'_>, op: &Op) -> Vec<Allow> {
    let mut allows: Vec<Allow> = Vec::new();
    for clause in &op.clauses {
        let ClauseKind::Allow { code, reason } = &clause.kind else { continue };
        let Some(info) = find(&code.text) else {
            let codes: Vec<String> = CODES.iter().map(|info| info.code.to_string()).collect();
            let found =
                Diagnostic::new(Code::UNKNOWN_NAME, code.span, format!("no finding has the code `{}`", code.text));
            context.report(match nearest(&code.text, codes.iter().map(String::as_str)) {
                Some(near) => found.label(format!("did you mean `{}`?", near.name)),
                None => found.help("codes are written as messages show them: `PV0504`"),
            });
            continue;
        };
        if info.severity == Severity::Error {
            context.report(
                Diagnostic::new(Code::CONTRACT, code.span, format!("{} is an error and cannot be silenced", info.code))
                    .label(info.title)
                    .help("only warnings can be: after an error the outputs would be wrong")
                    .guess("drop the line", context.sources.cut(clause.span), ""),
            );
            continue;
        }
        if reason.text.trim().is_empty() {
            context.report(
                Diagnostic::new(Code::SYNTAX, reason.span, "an `allow` without a reason")
                    .help("say why the finding does not matter here: the next reader will ask"),
            );
            continue;
        }
        if let Some(first) = allows.iter().find(|first| first.code == info.code) {
            context.report(
                Diagnostic::new(Code::DUPLICATE, clause.span, format!("{} is allowed twice", info.code))
                    .also(first.span, "first here")
                    .fix("drop the second", context.sources.cut(clause.span), ""),
            );
            continue;
        }
        allows.push(Allow { code: info.code, reason: reason.text.clone(), span: clause.span });
    }
    allows
}

fn find(text: &str) -> Option<&'static CodeInfo> {
    CODES.iter().find(|info| info.code.to_string() == text)
}

/// Drops the findings that `allow` clauses silence, and warns of clauses that silence nothing. To be called after the
/// last phase. A finding belongs to the op in whose text its primary span stands; only warnings can be silenced.
pub fn apply_allows(ast: &Ast, sources: &SourceMap, diagnostics: &mut Diagnostics) {
    let mut unused = Vec::new();
    for item in &ast.items {
        let Item::Op(op) = item else { continue };
        for clause in &op.clauses {
            let ClauseKind::Allow { code, .. } = &clause.kind else { continue };
            let Some(info) = find(&code.text).filter(|info| info.severity == Severity::Warning) else { continue };
            let before = diagnostics.list().len();
            diagnostics.retain(|found| {
                let inside = found.primary.span.file == op.span.file
                    && op.span.start <= found.primary.span.start
                    && found.primary.span.end <= op.span.end;
                !(inside && found.code == info.code && found.severity == Severity::Warning)
            });
            if diagnostics.list().len() == before {
                unused.push((info.code, clause.span));
            }
        }
    }
    // After an error a later phase may not have come to look for the warning.
    if diagnostics.has_errors() || diagnostics.left_out() > 0 {
        return;
    }
    for (code, span) in unused {
        diagnostics.push(
            Diagnostic::new(
                Code::UNUSED_ALLOW,
                span,
                format!("this `allow` silences nothing: no {code} is found here"),
            )
            .fix("drop the line", sources.cut(span), ""),
        );
    }
}
