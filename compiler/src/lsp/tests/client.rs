//! A client.

use crate::lsp::server::Server;
use lsp_server::{Connection, Message, Notification, Request, RequestId, Response};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::thread::JoinHandle;
use std::time::Duration;

pub(super) struct Client {
    connection: Connection,
    server: JoinHandle<bool>,
    /// What came and was not asked for yet.
    inbox: VecDeque<Message>,
    last: i32,
    pub(super) capabilities: Value,
}

impl Client {
    /// A client that pushes no wishes: UTF-16, pushed findings.
    pub(super) fn plain() -> Self {
        Self::start(json!({}), Value::Null)
    }

    pub(super) fn start(capabilities: Value, options: Value) -> Self {
        Self::initialized(json!({ "processId": null, "rootUri": null, "capabilities": capabilities,
            "initializationOptions": options }))
    }

    /// A client that has a folder open.
    pub(super) fn in_folder(uri: &str, capabilities: Value) -> Self {
        let folders = json!([{ "uri": uri, "name": "folder" }]);
        Self::initialized(json!({ "processId": null, "rootUri": null, "capabilities": capabilities,
            "workspaceFolders": folders }))
    }

    fn initialized(params: Value) -> Self {
        let mut client = Self::connect();
        client.capabilities = client.request("initialize", params).expect("it starts")["capabilities"].clone();
        client.notify("initialized", json!({}));
        client
    }

    /// A connection over which nothing was said yet.
    pub(super) fn connect() -> Self {
        let (ours, theirs) = Connection::memory();
        let server = std::thread::spawn(move || Server::new(theirs.sender.clone()).run(&theirs.receiver));
        Self { connection: ours, server, inbox: VecDeque::new(), last: 0, capabilities: Value::Null }
    }

    pub(super) fn send(&self, message: impl Into<Message>) {
        self.connection.sender.send(message.into()).expect("the server runs");
    }

    pub(super) fn notify(&self, method: &str, params: Value) {
        self.send(Notification { method: method.to_owned(), params });
    }

    /// Sends a request and does not wait.
    pub(super) fn ask(&mut self, method: &str, params: Value) -> RequestId {
        self.last += 1;
        let id = RequestId::from(self.last);
        self.send(Request { id: id.clone(), method: method.to_owned(), params });
        id
    }

    pub(super) fn request(&mut self, method: &str, params: Value) -> Result<Value, (i32, String)> {
        let id = self.ask(method, params);
        self.answer(&id)
    }

    /// The result of a request that must succeed.
    pub(super) fn result(&mut self, method: &str, params: Value) -> Value {
        self.request(method, params).unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    pub(super) fn answer(&mut self, id: &RequestId) -> Result<Value, (i32, String)> {
        let message = self.take(|message| matches!(message, Message::Response(response) if response.id == *id));
        let Message::Response(Response { response_result, .. }) = message else { unreachable!() };
        response_result.map_err(|error| (error.code, error.message))
    }

    /// The next notification of that method.
    pub(super) fn told(&mut self, method: &str) -> Value {
        match self.take(|message| matches!(message, Message::Notification(note) if note.method == method)) {
            Message::Notification(note) => note.params,
            _ => unreachable!(),
        }
    }

    /// Answers the next request of that method; its parameters.
    pub(super) fn asked(&mut self, method: &str) -> Value {
        match self.take(|message| matches!(message, Message::Request(request) if request.method == method)) {
            Message::Request(request) => {
                self.send(Response::new_ok(request.id, Value::Null));
                request.params
            }
            _ => unreachable!(),
        }
    }

    /// The next findings; they must be of this version of the document.
    pub(super) fn findings(&mut self, uri: &str, version: i32) -> Vec<Value> {
        let is_it = |message: &Message| match message {
            Message::Notification(note) => {
                note.method == "textDocument/publishDiagnostics" && note.params["uri"] == *uri
            }
            _ => false,
        };
        let Message::Notification(note) = self.take(is_it) else { unreachable!() };
        assert_eq!(note.params["version"], version, "{}", note.params);
        note.params["diagnostics"].as_array().expect("a list").clone()
    }

    /// The last findings that were sent of a document, once those of `version` are there.
    pub(super) fn last_findings(&mut self, uri: &str, version: i32) -> Vec<Value> {
        loop {
            let found = self.take(|message| match message {
                Message::Notification(note) => {
                    note.method == "textDocument/publishDiagnostics" && note.params["uri"] == *uri
                }
                _ => false,
            });
            let Message::Notification(note) = found else { unreachable!() };
            if note.params["version"] == version {
                return note.params["diagnostics"].as_array().expect("a list").clone();
            }
        }
    }

    fn take(&mut self, wanted: impl Fn(&Message) -> bool) -> Message {
        if let Some(at) = self.inbox.iter().position(&wanted) {
            return self.inbox.remove(at).expect("it is there");
        }
        loop {
            let message = self.connection.receiver.recv_timeout(Duration::from_secs(120));
            let message = message.unwrap_or_else(|error| panic!("{error}; waiting: {:?}", self.inbox));
            if wanted(&message) {
                return message;
            }
            self.inbox.push_back(message);
        }
    }

    pub(super) fn open(&mut self, uri: &str, text: &str) -> Vec<Value> {
        let document = json!({ "uri": uri, "languageId": "pv", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
        self.findings(uri, 1)
    }

    /// Replaces a range.
    pub(super) fn change(&mut self, uri: &str, version: i32, range: Value, text: &str) {
        let change = json!({ "range": range, "text": text });
        let document = json!({ "uri": uri, "version": version });
        self.notify("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [change] }));
    }

    /// Replaces the whole text.
    pub(super) fn replace(&mut self, uri: &str, version: i32, text: &str) {
        let document = json!({ "uri": uri, "version": version });
        self.notify(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [{ "text": text }] }),
        );
    }

    /// Ends the connection; nothing may be left over.
    pub(super) fn finish(mut self) {
        assert_eq!(self.result("shutdown", Value::Null), Value::Null);
        self.notify("exit", Value::Null);
        assert!(self.server.join().expect("the server does not panic"), "it saw the shutdown");
        self.inbox.extend(self.connection.receiver.try_iter());
        assert!(self.inbox.is_empty(), "nobody asked for {:?}", self.inbox);
    }

    /// Ends the connection whatever was sent.
    pub(super) fn abandon(mut self) {
        self.result("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        assert!(self.server.join().expect("the server does not panic"));
    }
}
