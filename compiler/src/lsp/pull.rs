//! Findings for clients that ask for them.

use super::uri;
use super::workspace::Workspace;
use gen_lsp_types::{
    Diagnostic, DocumentDiagnosticReport, FullDocumentDiagnosticReport, RelatedFullDocumentDiagnosticReport,
    RelatedUnchangedDocumentDiagnosticReport, UnchangedDocumentDiagnosticReport, Uri, WorkspaceDiagnosticParams,
    WorkspaceDiagnosticReport, WorkspaceFullDocumentDiagnosticReport, WorkspaceUnchangedDocumentDiagnosticReport,
};
use std::hash::{DefaultHasher, Hash, Hasher};

/// The findings of a document; those of what it includes belong to those files.
pub(super) fn document(workspace: &mut Workspace, uri: &Uri, previous: Option<&str>) -> DocumentDiagnosticReport {
    workspace.refresh();
    let path = uri::path(uri);
    let found = workspace.findings().remove(path.as_str()).unwrap_or_default();
    let items: Vec<Diagnostic> = found.into_iter().cloned().collect();
    let result_id = id(&items);
    if previous == Some(&result_id) {
        let report = UnchangedDocumentDiagnosticReport { result_id };
        return RelatedUnchangedDocumentDiagnosticReport {
            related_documents: None,
            unchanged_document_diagnostic_report: report,
        }
        .into();
    }
    let report = FullDocumentDiagnosticReport { result_id: Some(result_id), items };
    RelatedFullDocumentDiagnosticReport { related_documents: None, full_document_diagnostic_report: report }.into()
}

/// The findings of all files of the sets that are open.
pub(super) fn workspace(workspace: &mut Workspace, params: &WorkspaceDiagnosticParams) -> WorkspaceDiagnosticReport {
    workspace.refresh();
    let reports = workspace.findings().into_iter().map(|(path, found)| {
        let items: Vec<Diagnostic> = found.into_iter().cloned().collect();
        let (result_id, uri) = (id(&items), workspace.documents.uri(path));
        let version = workspace.documents.get(path).map(|document| document.version);
        let known = params.previous_result_ids.iter().any(|known| known.uri == uri && known.value == result_id);
        if known {
            let report = UnchangedDocumentDiagnosticReport { result_id };
            return WorkspaceUnchangedDocumentDiagnosticReport {
                uri,
                version,
                unchanged_document_diagnostic_report: report,
            }
            .into();
        }
        let report = FullDocumentDiagnosticReport { result_id: Some(result_id), items };
        WorkspaceFullDocumentDiagnosticReport { uri, version, full_document_diagnostic_report: report }.into()
    });
    WorkspaceDiagnosticReport { items: reports.collect() }
}

/// Names a list of findings by what is in it.
fn id(items: &[Diagnostic]) -> String {
    let mut hasher = DefaultHasher::new();
    items.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
