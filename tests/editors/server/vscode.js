// Run by vscode.rs: `node vscode.js CLIENT PVC FILE`. Loads the bundled client of the extension with a stand-in for the
// editor, lets it start `pvc lsp`, opens FILE, and prints what an editor would show: findings, then a hover.
'use strict';

const fs = require('fs');
const Module = require('module');
const path = require('path');
const { pathToFileURL } = require('url');
const [bundle, pvc, file] = process.argv.slice(2);

// ---- the editor ----

class Disposable {
  constructor(dispose = () => {}) { this.dispose = dispose; }
  static from(...all) { return new Disposable(() => all.forEach(one => one.dispose())); }
}
class EventEmitter {
  listeners = new Set();
  event = listener => { this.listeners.add(listener); return new Disposable(() => this.listeners.delete(listener)); };
  fire(value) { for (const listener of this.listeners) listener(value); }
  dispose() { this.listeners.clear(); }
}
class CancellationTokenSource {
  token = { isCancellationRequested: false, onCancellationRequested: () => new Disposable() };
  cancel() { this.token.isCancellationRequested = true; }
  dispose() {}
}
class Position { constructor(line, character) { Object.assign(this, { line, character }); } }
class Range {
  constructor(...all) {
    const [start, end] = all.length === 4 ? [new Position(all[0], all[1]), new Position(all[2], all[3])] : all;
    Object.assign(this, { start, end });
  }
}
class Diagnostic { constructor(range, message, severity) { Object.assign(this, { range, message, severity }); } }
class Uri {
  constructor(text) { this.text = text; this.scheme = text.split(':')[0]; this.fsPath = decodeURIComponent(new URL(text).pathname); this.path = this.fsPath; }
  static parse(text) { return new Uri(text); }
  static file(name) { return new Uri(pathToFileURL(name).href); }
  toString() { return this.text; }
}
class CodeActionKind {
  static Empty = new CodeActionKind('');
  constructor(value) { this.value = value; }
  append(part) { return new CodeActionKind(this.value ? `${this.value}.${part}` : part); }
}
class MarkdownString { constructor(value = '') { this.value = value; } }
class Hover { constructor(contents, range) { Object.assign(this, { contents, range }); } }

const shown = new Map();
const providers = {};
const errors = [];
const never = () => new Disposable();
const opened = new EventEmitter();
const document = {
  uri: Uri.file(file), languageId: 'pv', version: 1, isClosed: false, fileName: file, notebook: undefined,
  getText: () => fs.readFileSync(file, 'utf8'),
};

// What the client only registers or subclasses is one class that does nothing, under any name.
class Anything {
  constructor(...all) { this.arguments = all; }
  dispose() {}
}
const named = known => new Proxy(known, { get: (of, name) => (name in of ? of[name] : /^(on|register|create)/.test(String(name)) ? never : undefined) });
const settings = { path: pvc, 'server.enabled': true, get: name => settings[name] };
const vscode = new Proxy(
  {
    Disposable, EventEmitter, CancellationTokenSource, Position, Range, Diagnostic, Uri, MarkdownString, Hover,
    CodeActionKind,
    version: '1.91.0',
    env: { appName: 'stand-in', language: 'en', uriScheme: 'vscode', openExternal: async () => true },
    DiagnosticSeverity: { Error: 0, Warning: 1, Information: 2, Hint: 3 },
    DiagnosticTag: { Unnecessary: 1, Deprecated: 2 },
    StatusBarAlignment: { Left: 1, Right: 2 },
    extensions: named({ all: [], getExtension: () => undefined }),
    commands: named({ executeCommand: async () => undefined, registerCommand: never }),
    languages: named({
      match: selector => ([selector].flat().some(one => one === 'pv' || one.language === 'pv') ? 10 : 0),
      createDiagnosticCollection: name => ({
        name, set: (uri, list) => shown.set(String(uri), list), delete: uri => shown.delete(String(uri)), clear: () => shown.clear(),
        get: uri => shown.get(String(uri)), has: uri => shown.has(String(uri)), forEach: of => shown.forEach(of), dispose() {},
      }),
      registerHoverProvider: (selector, provider) => { providers.hover = provider; return new Disposable(); },
    }),
    workspace: named({
      textDocuments: [document], notebookDocuments: [], workspaceFolders: undefined, isTrusted: true,
      getConfiguration: section => (section === 'pvc' ? settings : { get: (name, value) => value, inspect: () => undefined }),
      onDidOpenTextDocument: opened.event, fs: {},
      createFileSystemWatcher: () => ({ onDidCreate: never, onDidChange: never, onDidDelete: never, dispose() {} }),
    }),
    window: named({
      visibleTextEditors: [{ document }], activeTextEditor: { document }, tabGroups: named({ all: [] }),
      createOutputChannel: () => ({ append() {}, appendLine() {}, clear() {}, show() {}, dispose() {} }),
      showErrorMessage: async message => { errors.push(message); },
    }),
  },
  { get: (of, name) => (name in of ? of[name] : Anything) },
);
const load = Module._load;
Module._load = (name, ...rest) => (name === 'vscode' ? vscode : load(name, ...rest));

// ---- what is to be seen ----

const fail = why => { console.error(why, errors); process.exit(1); };
setTimeout(() => fail('nothing came in a minute'), 60_000).unref();

async function main() {
  const extension = require(path.resolve(bundle));
  await extension.activate({ subscriptions: [], extension: { packageJSON: {} } });
  if (errors.length) fail('the server did not start');
  const uri = String(document.uri);
  while (!shown.get(uri)?.length) await new Promise(done => setTimeout(done, 20));
  for (const found of shown.get(uri)) {
    const code = found.code?.value ?? found.code;
    console.log(`${found.range.start.line + 1}:${found.range.start.character + 1} ${code} ${found.message.split('\n')[0]}`);
  }
  const line = document.getText().split('\n').findIndex(text => text.includes('{ cli'));
  const column = document.getText().split('\n')[line].indexOf('cli') + 1;
  const token = new CancellationTokenSource().token;
  const hover = await providers.hover.provideHover(document, new Position(line, column), token);
  console.log([hover.contents].flat().map(one => one.value ?? one).join('\n').split('\n')[0]);
  await extension.deactivate();
}
main().then(() => process.exit(0), error => fail(error));
