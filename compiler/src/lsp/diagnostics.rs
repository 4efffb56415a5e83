//! Findings in the protocol's shape.

use super::documents::Documents;
use super::pages::Pages;
use super::position::{Encoding, Text};
use super::workspace::location;
use crate::diagnostics::{Code, Diagnostic as Finding, Severity};
use crate::incremental::Analysis;
use gen_lsp_types::{
    Code as LspCode, CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    Message,
};
use std::collections::BTreeMap;

/// What the text under such a finding is good for: nothing.
const UNNECESSARY: [Code; 5] =
    [Code::UNUSED_FEATURE, Code::UNUSED_ALLOW, Code::NEEDLESS_CLOBBER, Code::UNREACHABLE_ROW, Code::CONSTANT_CONDITION];

/// The findings of each file of a set, by its path.
pub(super) fn by_file(
    analysis: &Analysis,
    documents: &Documents,
    encoding: Encoding,
    pages: &mut Pages,
) -> BTreeMap<String, Vec<Diagnostic>> {
    let files = analysis.sources.files();
    let mut found: BTreeMap<String, Vec<Diagnostic>> = files.map(|(_, file)| (file.path.clone(), Vec::new())).collect();
    for finding in analysis.diagnostics.list() {
        let file = analysis.sources.file(finding.primary.span.file);
        let page = pages.explain(finding.code);
        let mut diagnostic = shape(finding, Text { file, encoding });
        diagnostic.code_description = page.map(|href| CodeDescription { href });
        let related = finding.secondary.iter().filter(|label| !label.text.is_empty());
        let related = related.map(|label| DiagnosticRelatedInformation {
            location: location(analysis, documents, encoding, label.span),
            message: label.text.clone(),
        });
        diagnostic.related_information = Some(related.collect()).filter(|list: &Vec<_>| !list.is_empty());
        found.entry(file.path.clone()).or_default().push(diagnostic);
    }
    found
}

fn shape(finding: &Finding, text: Text<'_>) -> Diagnostic {
    Diagnostic {
        range: text.range(finding.primary.span),
        severity: Some(match finding.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
        }),
        code: Some(LspCode::String(finding.code.to_string())),
        code_description: None,
        source: Some("pvc".to_owned()),
        message: Message::String(message(finding)),
        tags: UNNECESSARY.contains(&finding.code).then(|| vec![DiagnosticTag::Unnecessary]),
        related_information: None,
        data: None,
    }
}

/// All that there is to say, a line each.
fn message(finding: &Finding) -> String {
    let mut lines = vec![finding.message.clone()];
    lines.extend(Some(&finding.primary.text).filter(|label| !label.is_empty()).cloned());
    lines.extend(finding.notes.iter().cloned());
    lines.extend(finding.help.iter().map(|help| format!("help: {help}")));
    lines.join("\n")
}
