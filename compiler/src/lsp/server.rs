//! The loop: takes messages in order, answers each request once, and pushes findings when nothing else waits.

use super::capabilities::{self, Client};
use super::workspace::Workspace;
use super::{actions, completion, format, hover, inlay, lens, pull, references, structure, symbols, tokens, uri};
use crossbeam_channel::{Receiver, Sender};
use gen_lsp_types::{
    CodeActionRequest, CodeLensRequest, CompletionRequest, DefinitionRequest, Diagnostic, DidChangeConfigurationParams,
    DidChangeTextDocumentParams, DidChangeWatchedFilesParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams,
    DocumentDiagnosticRequest, DocumentFormattingRequest, DocumentHighlightRequest, DocumentRangeFormattingRequest,
    DocumentSymbolRequest, ExecuteCommandRequest, FileChangeType, FoldingRangeRequest, HoverRequest, InitializeParams,
    InlayHintRequest, PrepareRenameRequest, PublishDiagnosticsParams, ReferencesRequest, RenameRequest,
    SelectionRangeRequest, SemanticTokensRangeRequest, SemanticTokensRequest, WorkspaceDiagnosticRequest,
    WorkspaceSymbolRequest,
};
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response, ResponseError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// After so many messages findings are sent even if more are waiting.
const MAX_BATCH: usize = 64;

/// Where the client is in the life of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    Running,
    ShutDown,
}

/// The server of one client.
pub(super) struct Server {
    out: Sender<Message>,
    phase: Phase,
    client: Option<Client>,
    workspace: Workspace,
    /// What was pushed last, by path: the version and the findings.
    pushed: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)>,
    /// Whether something changed since the last push.
    changed: bool,
    /// Number of the last request to the client.
    requests: i32,
}

impl Server {
    pub(super) fn new(out: Sender<Message>) -> Self {
        Self {
            out,
            phase: Phase::New,
            client: None,
            workspace: Workspace::new(),
            pushed: BTreeMap::new(),
            changed: false,
            requests: 0,
        }
    }

    /// Serves until `exit` or the end of the messages; whether `shutdown` came before.
    pub(super) fn run(mut self, messages: &Receiver<Message>) -> bool {
        let mut waiting = VecDeque::new();
        let mut batch = 0;
        loop {
            if waiting.is_empty() {
                self.push();
                batch = 0;
                match messages.recv() {
                    Ok(message) => waiting.push_back(message),
                    Err(_) => return self.phase == Phase::ShutDown,
                }
            }
            // All that has arrived, so that a cancellation is seen before its request is worked on.
            waiting.extend(messages.try_iter());
            let Some(message) = waiting.pop_front() else { continue };
            batch += 1;
            if batch > MAX_BATCH {
                self.push();
                batch = 0;
            }
            match message {
                Message::Request(request) => {
                    let response = match cancelled(&request.id, &waiting) {
                        true => refuse(&request, ErrorCode::RequestCanceled, "cancelled by the client"),
                        false => self.answer(request),
                    };
                    self.send(response.into());
                }
                Message::Notification(note) if note.method == "exit" => return self.phase == Phase::ShutDown,
                Message::Notification(note) => self.note(note),
                // Answers to what the server asks change nothing.
                Message::Response(_) => {}
            }
        }
    }

    fn send(&self, message: Message) {
        // A client that is gone is noticed where messages come from.
        let _ = self.out.send(message);
    }

    fn notify(&self, method: &str, params: Value) {
        self.send(Notification { method: method.to_owned(), params }.into());
    }

    fn ask(&mut self, method: &str, params: Value) {
        self.requests += 1;
        let id = RequestId::from(format!("pvc-{}", self.requests));
        self.send(Request { id, method: method.to_owned(), params }.into());
    }

    fn log(&self, message: &str) {
        eprintln!("pvc lsp: {message}");
        self.notify("window/logMessage", json!({ "type": 1, "message": message }));
    }

    /// Runs `work`; a panic in it is logged, what was computed so far is dropped, and its message comes back.
    fn guard<T>(&mut self, what: &str, work: impl FnOnce(&mut Self) -> T) -> Result<T, String> {
        catch_unwind(AssertUnwindSafe(|| work(self))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            self.workspace.forget();
            self.log(&format!("{what} failed, which is a defect of pvc: {text}"));
            text.to_owned()
        })
    }

    // ---- requests ----

    fn answer(&mut self, request: Request) -> Response {
        match (self.phase, request.method.as_str()) {
            (Phase::New, "initialize") => return self.initialize(request),
            (Phase::New, _) => return refuse(&request, ErrorCode::ServerNotInitialized, "`initialize` comes first"),
            (Phase::ShutDown, _) => return refuse(&request, ErrorCode::InvalidRequest, "the server is shut down"),
            (Phase::Running, "initialize") => {
                return refuse(&request, ErrorCode::InvalidRequest, "`initialize` was sent before");
            }
            (Phase::Running, "shutdown") => {
                self.phase = Phase::ShutDown;
                return Response::new_ok(request.id, Value::Null);
            }
            (Phase::Running, _) => {}
        }
        let Request { id, method, params } = request;
        let response_result = match self.guard(&method, |server| server.dispatch(&method, params)) {
            Ok(result) => result,
            Err(panic) => Err(error(ErrorCode::InternalError, &format!("`{method}` failed: {panic}"))),
        };
        Response { id, response_result }
    }

    fn initialize(&mut self, request: Request) -> Response {
        let params: InitializeParams = match serde_json::from_value(request.params.clone()) {
            Ok(params) => params,
            Err(error) => return refuse(&request, ErrorCode::InvalidParams, &error.to_string()),
        };
        let client = Client::read(&params);
        self.workspace.encoding = client.encoding;
        let folders = request.params.get("workspaceFolders").and_then(Value::as_array);
        let uris = folders.into_iter().flatten().filter_map(|folder| folder.get("uri"));
        let root = request.params.get("rootUri").into_iter().filter(|_| folders.is_none_or(Vec::is_empty));
        let uris = uris.chain(root).filter_map(Value::as_str);
        self.workspace.folders = uris.map(|text| uri::path(&text.into())).collect();
        let result = json!({
            "capabilities": capabilities::server(client.encoding),
            "serverInfo": { "name": "pvc", "version": env!("CARGO_PKG_VERSION") },
        });
        self.client = Some(client);
        self.phase = Phase::Running;
        Response::new_ok(request.id, result)
    }

    fn dispatch(&mut self, method: &str, params: Value) -> Result<Value, ResponseError> {
        let settings = self.client.as_ref().map(|client| client.settings.clone()).unwrap_or_default();
        let workspace = &mut self.workspace;
        match method {
            "textDocument/hover" => reply::<HoverRequest>(params, |params| {
                let at = params.text_document_position_params;
                Ok(workspace.view(&at.text_document.uri).and_then(|view| hover::hover(view, at.position)))
            }),
            "textDocument/inlayHint" => reply::<InlayHintRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).map(|view| inlay::hints(view, params.range, &settings)))
            }),
            "textDocument/completion" => reply::<CompletionRequest>(params, |params| {
                let at = params.text_document_position_params;
                Ok(workspace.view(&at.text_document.uri).map(|view| completion::complete(&view, at.position).into()))
            }),
            "textDocument/definition" => reply::<DefinitionRequest>(params, |params| {
                let at = params.text_document_position_params;
                Ok(workspace.view(&at.text_document.uri).and_then(|view| references::definition(&view, at.position)))
            }),
            "textDocument/references" => reply::<ReferencesRequest>(params, |params| {
                let at = params.text_document_position_params;
                let declaration = params.context.include_declaration;
                let view = workspace.view(&at.text_document.uri);
                Ok(view.map(|view| references::references(&view, at.position, declaration)))
            }),
            "textDocument/documentHighlight" => reply::<DocumentHighlightRequest>(params, |params| {
                let at = params.text_document_position_params;
                Ok(workspace.view(&at.text_document.uri).map(|view| references::highlights(&view, at.position)))
            }),
            "textDocument/prepareRename" => reply::<PrepareRenameRequest>(params, |params| {
                let at = params.text_document_position_params;
                Ok(workspace.view(&at.text_document.uri).and_then(|view| references::prepare(&view, at.position)))
            }),
            "textDocument/rename" => reply::<RenameRequest>(params, |params| {
                let at = params.text_document_position_params;
                let Some(view) = workspace.view(&at.text_document.uri) else { return Ok(None) };
                references::rename(&view, at.position, &params.new_name)
                    .map(Some)
                    .map_err(|why| error(ErrorCode::RequestFailed, &why))
            }),
            "textDocument/documentSymbol" => reply::<DocumentSymbolRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).map(|view| symbols::of_document(&view).into()))
            }),
            "workspace/symbol" => reply::<WorkspaceSymbolRequest>(params, |params| {
                Ok(Some(symbols::of_workspace(workspace, &params.query).into()))
            }),
            "textDocument/foldingRange" => reply::<FoldingRangeRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).map(|view| structure::folds(&view)))
            }),
            "textDocument/selectionRange" => reply::<SelectionRangeRequest>(params, |params| {
                let view = workspace.view(&params.text_document.uri);
                Ok(view.map(|view| structure::selections(&view, &params.positions)))
            }),
            "textDocument/semanticTokens/full" => reply::<SemanticTokensRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).map(|view| tokens::tokens(&view, None)))
            }),
            "textDocument/semanticTokens/range" => reply::<SemanticTokensRangeRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).map(|view| tokens::tokens(&view, Some(params.range))))
            }),
            "textDocument/codeAction" => reply::<CodeActionRequest>(params, |params| {
                let uri = params.text_document.uri;
                Ok(workspace.view(&uri).map(|view| actions::actions(view, params.range, &params.context)))
            }),
            "textDocument/codeLens" => reply::<CodeLensRequest>(params, |params| {
                let view = workspace.view(&params.text_document.uri).filter(|_| settings.lenses);
                Ok(view.map(|view| lens::lenses(&view)))
            }),
            "textDocument/formatting" => reply::<DocumentFormattingRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).and_then(|view| format::whole(&view)))
            }),
            "textDocument/rangeFormatting" => reply::<DocumentRangeFormattingRequest>(params, |params| {
                Ok(workspace.view(&params.text_document.uri).and_then(|view| format::range(&view, params.range)))
            }),
            "textDocument/diagnostic" => reply::<DocumentDiagnosticRequest>(params, |params| {
                let related = self.client.as_ref().is_some_and(|client| client.related_findings);
                Ok(pull::document(workspace, &params.text_document.uri, params.previous_result_id.as_deref(), related))
            }),
            "workspace/diagnostic" => {
                reply::<WorkspaceDiagnosticRequest>(params, |params| Ok(pull::workspace(workspace, &params)))
            }
            "workspace/executeCommand" => reply::<ExecuteCommandRequest>(params, |params| {
                let shown =
                    lens::execute(&mut self.workspace, &params).map_err(|why| error(ErrorCode::RequestFailed, &why))?;
                let page = self.workspace.pages.show(&shown.file_name, &shown.text);
                let opens = self.client.as_ref().is_some_and(|client| client.shows_documents);
                if let Some(page) = page.filter(|_| opens) {
                    self.ask("window/showDocument", json!({ "uri": page, "takeFocus": true }));
                }
                Ok(Some(json!({ "title": shown.file_name, "text": shown.text })))
            }),
            #[cfg(test)]
            "pvc/panic" => panic!("as the test wants it"),
            _ => Err(error(ErrorCode::MethodNotFound, &format!("`{method}` is not served"))),
        }
    }

    // ---- notifications ----

    fn note(&mut self, note: Notification) {
        if self.phase != Phase::Running {
            return;
        }
        let Notification { method, params } = note;
        // What a panic leaves undone is done by the next push, which starts from the documents.
        let result = self.guard(&method, |server| server.take(&method, params));
        if let Ok(Err(error)) = result {
            self.log(&format!("`{method}` makes no sense: {error}"));
        }
    }

    fn take(&mut self, method: &str, params: Value) -> Result<(), serde_json::Error> {
        let workspace = &mut self.workspace;
        match method {
            "initialized" if self.client.as_ref().is_some_and(|client| client.watches_on_demand) => {
                let watchers = json!({ "watchers": [{ "globPattern": "**/*.pv" }] });
                let method = "workspace/didChangeWatchedFiles";
                let registration = json!({ "id": "files", "method": method, "registerOptions": watchers });
                self.ask("client/registerCapability", json!({ "registrations": [registration] }));
            }
            "textDocument/didOpen" => {
                let document = serde_json::from_value::<DidOpenTextDocumentParams>(params)?.text_document;
                let path = workspace.documents.open(document.uri, document.version, document.text);
                workspace.opened(&path);
                self.changed = true;
            }
            "textDocument/didChange" => {
                let params: DidChangeTextDocumentParams = serde_json::from_value(params)?;
                let version = params.text_document.version;
                let uri = &params.text_document.text_document_identifier.uri;
                let encoding = workspace.encoding;
                if let Some(path) = workspace.documents.change(uri, version, params.content_changes, encoding) {
                    workspace.changed(&path);
                }
                self.changed = true;
            }
            "textDocument/didClose" => {
                let params: DidCloseTextDocumentParams = serde_json::from_value(params)?;
                let path = workspace.documents.close(&params.text_document.uri);
                workspace.closed(&path);
                self.changed = true;
            }
            "workspace/didChangeWatchedFiles" => {
                let params: DidChangeWatchedFilesParams = serde_json::from_value(params)?;
                for change in params.changes {
                    let path = uri::path(&change.uri);
                    if change.kind != FileChangeType::Changed {
                        workspace.folders_changed();
                    }
                    if workspace.documents.get(&path).is_none() {
                        workspace.changed(&path);
                        self.changed = true;
                    }
                }
            }
            "workspace/didChangeConfiguration" => {
                let params: DidChangeConfigurationParams = serde_json::from_value(params)?;
                if let Some(client) = &mut self.client {
                    let settings = client.settings.with(&params.settings);
                    let news = std::mem::replace(&mut client.settings, settings.clone()) != settings;
                    if news && client.refreshes_hints {
                        self.ask("workspace/inlayHint/refresh", Value::Null);
                    }
                }
            }
            // Cancellations were looked for when their request came up; the rest asks for nothing.
            _ => {}
        }
        Ok(())
    }

    // ---- findings ----

    /// Sends the findings of what changed.
    fn push(&mut self) {
        // A request may have met a file that changed on disk.
        let changed = std::mem::take(&mut self.changed) | std::mem::take(&mut self.workspace.compiled);
        if !changed {
            return;
        }
        if self.guard("compiling", |server| server.workspace.refresh()).is_err() {
            // Better no findings than old ones.
            for path in self.pushed.keys() {
                let uri = self.workspace.documents.uri(path);
                self.notify("textDocument/publishDiagnostics", json!({ "uri": uri, "diagnostics": [] }));
            }
            self.pushed.clear();
            return;
        }
        self.workspace.compiled = false;
        let Some(client) = &self.client else { return };
        if client.pulls {
            if client.refreshes_findings {
                self.refresh_others();
            }
            return;
        }
        let mut pushed = BTreeMap::new();
        for (path, found) in self.workspace.findings() {
            let document = self.workspace.documents.get(path);
            let version = document.map(|document| document.version);
            let diagnostics: Vec<Diagnostic> = found.into_iter().cloned().collect();
            let known = self.pushed.remove(path);
            // A file that was never open and has no findings is not worth a word.
            let news = match &known {
                Some((old_version, old)) => *old_version != version || *old != diagnostics,
                None => document.is_some() || !diagnostics.is_empty(),
            };
            if news {
                let uri = self.workspace.documents.uri(path);
                let params = PublishDiagnosticsParams { uri, version, diagnostics: diagnostics.clone() };
                self.notify("textDocument/publishDiagnostics", json!(params));
            }
            if known.is_some() || news {
                pushed.insert(path.to_owned(), (version, diagnostics));
            }
        }
        for path in std::mem::replace(&mut self.pushed, pushed).into_keys() {
            let uri = self.workspace.documents.uri(&path);
            self.notify("textDocument/publishDiagnostics", json!({ "uri": uri, "diagnostics": [] }));
        }
    }

    /// Asks a client that pulls to do so again if the findings of a file changed that it did not edit.
    fn refresh_others(&mut self) {
        let now = self.workspace.findings();
        let others = now.iter().map(|(path, found)| {
            let version = self.workspace.documents.get(path).map(|document| document.version);
            ((*path).to_owned(), (version, found.iter().map(|found| (*found).clone()).collect()))
        });
        let now: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)> = others.collect();
        let stale = now.iter().any(|(path, (version, found))| {
            self.pushed.get(path).is_some_and(|(old_version, old)| old_version == version && old != found)
        });
        self.pushed = now;
        if stale {
            self.ask("workspace/diagnostic/refresh", Value::Null);
        }
    }
}

/// Whether a request was cancelled by one of the messages behind it.
fn cancelled(id: &RequestId, waiting: &VecDeque<Message>) -> bool {
    waiting.iter().any(|message| match message {
        Message::Notification(note) if note.method == "$/cancelRequest" => {
            let of = note.params.get("id").cloned().unwrap_or_default();
            serde_json::from_value::<RequestId>(of).is_ok_and(|of| of == *id)
        }
        _ => false,
    })
}

/// Reads the parameters of a request and writes its result.
fn reply<R: gen_lsp_types::Request>(
    params: Value,
    work: impl FnOnce(R::Params) -> Result<R::Result, ResponseError>,
) -> Result<Value, ResponseError> {
    let params = serde_json::from_value(params).map_err(|why| error(ErrorCode::InvalidParams, &why.to_string()))?;
    serde_json::to_value(work(params)?).map_err(|why| error(ErrorCode::InternalError, &why.to_string()))
}

fn error(code: ErrorCode, message: &str) -> ResponseError {
    ResponseError { code: code as i32, message: message.to_owned(), data: None }
}

fn refuse(request: &Request, code: ErrorCode, message: &str) -> Response {
    Response { id: request.id.clone(), response_result: Err(error(code, message)) }
}
