//! What the server can do, and what it needs to know of the client.

use super::position::Encoding;
use super::{lens, tokens};
use gen_lsp_types::{
    CodeActionKind, CodeActionOptions, CodeLensOptions, CompletionOptions, DiagnosticOptions, ExecuteCommandOptions,
    Full, InitializeParams, RenameOptions, SemanticTokensLegend, SemanticTokensOptions, ServerCapabilities,
    TextDocumentSyncKind, TextDocumentSyncOptions, WorkDoneProgressOptions,
};
use serde_json::Value;

/// What the client can do and wants.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) encoding: Encoding,
    /// It asks for findings itself: then they are not pushed.
    pub(super) pulls: bool,
    pub(super) refreshes_findings: bool,
    /// It takes the findings of other files with those of the one that it asks for.
    pub(super) related_findings: bool,
    /// It reports changes of files on disk if it is asked to.
    pub(super) watches_on_demand: bool,
    pub(super) refreshes_hints: bool,
    pub(super) shows_documents: bool,
    pub(super) settings: Settings,
}

/// What the user can choose, as `initializationOptions` or as the settings of the section `pvc`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Settings {
    /// `inlayHints.length`: show `3/6 bytes` beside each row.
    pub(super) length_hints: bool,
    /// `inlayHints.bytes`: show the bytes of rows that have none beside them.
    pub(super) byte_hints: bool,
    /// `codeLens`: show the lenses above each op.
    pub(super) lenses: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { length_hints: true, byte_hints: false, lenses: true }
    }
}

impl Settings {
    /// These settings with what `options` say otherwise.
    pub(super) fn with(&self, options: &Value) -> Self {
        let options = options.get("pvc").unwrap_or(options);
        let flag = |pointer, default| options.pointer(pointer).and_then(Value::as_bool).unwrap_or(default);
        Self {
            length_hints: flag("/inlayHints/length", self.length_hints),
            byte_hints: flag("/inlayHints/bytes", self.byte_hints),
            lenses: flag("/codeLens", self.lenses),
        }
    }
}

impl Client {
    pub(super) fn read(params: &InitializeParams) -> Self {
        // As JSON, so that what is missing on the way is simply not there.
        let capabilities = serde_json::to_value(&params.capabilities).unwrap_or_default();
        let flag = |pointer: &str| capabilities.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
        let offered = capabilities.pointer("/general/positionEncodings").cloned().unwrap_or_default();
        let offered: Vec<_> = serde_json::from_value(offered).unwrap_or_default();
        Self {
            encoding: Encoding::negotiate(&offered),
            pulls: capabilities.pointer("/textDocument/diagnostic").is_some(),
            refreshes_findings: flag("/workspace/diagnostics/refreshSupport"),
            related_findings: flag("/textDocument/diagnostic/relatedDocumentSupport"),
            watches_on_demand: flag("/workspace/didChangeWatchedFiles/dynamicRegistration"),
            refreshes_hints: flag("/workspace/inlayHint/refreshSupport"),
            shows_documents: flag("/window/showDocument/support"),
            settings: Settings::default().with(params.initialization_options.as_ref().unwrap_or(&Value::Null)),
        }
    }
}

/// What the server can do.
pub(super) fn server(encoding: Encoding) -> ServerCapabilities {
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(
            TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::Incremental),
                ..Default::default()
            }
            .into(),
        ),
        hover_provider: Some(true.into()),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some(["%", "{", " ", ":", "\"", "."].map(str::to_owned).to_vec()),
            ..Default::default()
        }),
        definition_provider: Some(true.into()),
        references_provider: Some(true.into()),
        document_highlight_provider: Some(true.into()),
        document_symbol_provider: Some(true.into()),
        workspace_symbol_provider: Some(true.into()),
        code_action_provider: Some(
            CodeActionOptions {
                code_action_kinds: Some(vec![
                    CodeActionKind::QuickFix,
                    CodeActionKind::RefactorRewrite,
                    CodeActionKind::SourceFixAll,
                ]),
                ..Default::default()
            }
            .into(),
        ),
        code_lens_provider: Some(CodeLensOptions::default()),
        execute_command_provider: Some(ExecuteCommandOptions {
            commands: lens::COMMANDS.map(str::to_owned).to_vec(),
            ..Default::default()
        }),
        rename_provider: Some(RenameOptions { prepare_provider: Some(true), ..Default::default() }.into()),
        folding_range_provider: Some(true.into()),
        selection_range_provider: Some(true.into()),
        document_formatting_provider: Some(true.into()),
        document_range_formatting_provider: Some(true.into()),
        inlay_hint_provider: Some(true.into()),
        semantic_tokens_provider: Some(
            SemanticTokensOptions {
                legend: SemanticTokensLegend {
                    token_types: tokens::TYPES.map(str::to_owned).to_vec(),
                    token_modifiers: tokens::MODIFIERS.map(str::to_owned).to_vec(),
                },
                range: Some(true.into()),
                full: Some(Full::Bool(true)),
                work_done_progress_options: WorkDoneProgressOptions::default(),
            }
            .into(),
        ),
        diagnostic_provider: Some(
            DiagnosticOptions {
                identifier: Some("pvc".to_owned()),
                inter_file_dependencies: true,
                workspace_diagnostics: true,
                ..Default::default()
            }
            .into(),
        ),
        ..Default::default()
    }
}
