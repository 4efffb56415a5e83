//! Findings for clients that ask for them.

use super::uri;
use super::workspace::Workspace;
use gen_lsp_types::{
    Diagnostic, DocumentDiagnosticReport, FullDocumentDiagnosticReport, RelatedFullDocumentDiagnosticReport,
    RelatedUnchangedDocumentDiagnosticReport, UnchangedDocumentDiagnosticReport, Uri, WorkspaceDiagnosticParams,
    WorkspaceDiagnosticReport, WorkspaceFullDocumentDiagnosticReport, WorkspaceUnchangedDocumentDiagnosticReport,
};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The findings of a document, and with `related` those of the other files of its sets.
pub(super) fn document(
    workspace: &mut Workspace,
    uri: &Uri,
    previous: Option<&str>,
    related: bool,
) -> DocumentDiagnosticReport {
    workspace.refresh();
    let path = uri::path(uri);
    let found = workspace.findings();
    let report = |path: &str| report(found.get(path).map(Vec::as_slice).unwrap_or_default());
    let others = related.then(|| {
        let others = workspace.related(&path).into_iter();
        others.map(|other| (workspace.documents.uri(&other), report(&other).into())).collect()
    });
    let report = report(&path);
    if previous.is_some() && previous == report.result_id.as_deref() {
        let unchanged = UnchangedDocumentDiagnosticReport { result_id: report.result_id.unwrap_or_default() };
        return RelatedUnchangedDocumentDiagnosticReport {
            related_documents: others,
            unchanged_document_diagnostic_report: unchanged,
        }
        .into();
    }
    RelatedFullDocumentDiagnosticReport { related_documents: others, full_document_diagnostic_report: report }.into()
}

/// The findings of all files of the sets that are open or lie in the client's folders.
pub(super) fn workspace(workspace: &mut Workspace, params: &WorkspaceDiagnosticParams) -> WorkspaceDiagnosticReport {
    workspace.survey();
    workspace.refresh();
    let reports = workspace.all_findings().into_iter().map(|(path, found)| {
        let report = report(&found);
        let uri = workspace.documents.uri(path);
        let version = workspace.documents.get(path).map(|document| document.version);
        let value = report.result_id.as_deref();
        if params.previous_result_ids.iter().any(|known| known.uri == uri && Some(known.value.as_str()) == value) {
            let result_id = report.result_id.unwrap_or_default();
            return WorkspaceUnchangedDocumentDiagnosticReport {
                uri,
                version,
                unchanged_document_diagnostic_report: UnchangedDocumentDiagnosticReport { result_id },
            }
            .into();
        }
        WorkspaceFullDocumentDiagnosticReport { uri, version, full_document_diagnostic_report: report }.into()
    });
    WorkspaceDiagnosticReport { items: reports.collect() }
}

/// A list of findings with its name.
fn report(found: &[&Diagnostic]) -> FullDocumentDiagnosticReport {
    let items: Vec<Diagnostic> = found.iter().map(|found| (*found).clone()).collect();
    FullDocumentDiagnosticReport { result_id: Some(id(&items)), items }
}

/// Names a list of findings by what is in it.
fn id(items: &[Diagnostic]) -> String {
    let mut hasher = DefaultHasher::new();
    items.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
