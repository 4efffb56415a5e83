// The extension: starts `pvc lsp` for .pv files and hands it to the editor. All that it knows of the language comes
// from the compiler; colours come from syntaxes/.
'use strict';

const vscode = require('vscode');
const { LanguageClient, TransportKind } = require('vscode-languageclient/node');

/** @type {LanguageClient | undefined} */
let client;

/** Starts the server. A missing or older `pvc` costs the server only: colours and tasks stay. */
async function start() {
  const settings = vscode.workspace.getConfiguration('pvc');
  if (!settings.get('server.enabled')) return;
  const command = settings.get('path') || 'pvc';
  // The client is named `pvc`: it reads `pvc.trace.server` for itself.
  client = new LanguageClient(
    'pvc',
    'pvc',
    { command, args: ['lsp'], transport: TransportKind.stdio },
    {
      documentSelector: [{ language: 'pv', scheme: 'file' }, { language: 'pv', scheme: 'untitled' }],
      initializationOptions: settings,
      synchronize: {
        configurationSection: 'pvc',
        fileEvents: vscode.workspace.createFileSystemWatcher('**/*.pv'),
      },
    },
  );
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    const choice = await vscode.window.showErrorMessage(
      `\`${command} lsp\` does not run: ${error instanceof Error ? error.message : error}`,
      'Open settings',
    );
    if (choice) await vscode.commands.executeCommand('workbench.action.openSettings', 'pvc.path');
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.dispose();
}

async function restart() {
  await stop();
  await start();
}

/** @param {vscode.ExtensionContext} context */
function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand('pvc.restart', restart),
    vscode.workspace.onDidChangeConfiguration(change => {
      if (change.affectsConfiguration('pvc.path') || change.affectsConfiguration('pvc.server')) return restart();
    }),
  );
  return start();
}

module.exports = { activate, deactivate: stop };
