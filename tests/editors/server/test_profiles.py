"""`pvc lsp` and clients with the capabilities of several editors, by pytest-lsp. Run by main.rs: $PVC is the server, $PV_DIR
a scratch directory."""

import asyncio
import os
import pathlib

import pytest
import pytest_lsp
from lsprotocol import types
from pytest_lsp import ClientServerConfig, LanguageClient, client_capabilities

WRONG = "patchset demo { arch x86_64 }\n\nop irq.disable() {\n    clobbers barrier\n    x86_64 { cli } = fb\n}\n"
URI = (pathlib.Path(os.environ["PV_DIR"]) / "demo.pv").as_uri()


@pytest_lsp.fixture(
    config=ClientServerConfig(server_command=[os.environ["PVC"], "lsp"]),
    params=["neovim", "visual_studio_code", "emacs"],
)
async def client(request, lsp_client: LanguageClient):
    capabilities = client_capabilities(request.param)
    registered = []

    @lsp_client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams):
        registered.extend(one.method for one in params.registrations)

    result = await lsp_client.initialize_session(
        types.InitializeParams(capabilities=capabilities, process_id=os.getpid(), root_uri=None)
    )
    lsp_client.server_capabilities = result.capabilities
    lsp_client.pulls = bool(capabilities.text_document and capabilities.text_document.diagnostic)
    yield
    watched = capabilities.workspace and capabilities.workspace.did_change_watched_files
    watches = bool(watched and watched.dynamic_registration)
    assert registered == ([types.WORKSPACE_DID_CHANGE_WATCHED_FILES] if watches else [])
    await lsp_client.shutdown_session()


async def findings(client: LanguageClient):
    if not client.pulls:
        await client.wait_for_notification(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        return client.diagnostics[URI]
    report = await client.text_document_diagnostic_async(
        types.DocumentDiagnosticParams(text_document=types.TextDocumentIdentifier(URI))
    )
    return report.items


@pytest.mark.asyncio
async def test_session(client: LanguageClient):
    await asyncio.wait_for(session(client), timeout=120)


async def session(client: LanguageClient):
    document = types.TextDocumentIdentifier(URI)
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(uri=URI, language_id="pv", version=1, text=WRONG))
    )
    found = await findings(client)
    assert [one.code for one in found] == ["PV0303"]
    assert found[0].code_description.href.startswith("file://")

    actions = await client.text_document_code_action_async(
        types.CodeActionParams(document, found[0].range, types.CodeActionContext(diagnostics=list(found)))
    )
    fix = next(action for action in actions if action.kind == types.CodeActionKind.QuickFix)
    (edit,) = fix.edit.changes[URI]
    assert edit.new_text == "fa"

    hover = await client.text_document_hover_async(types.HoverParams(document, types.Position(4, 14)))
    assert "**cli** on x86_64" in hover.contents.value
    items = await client.text_document_completion_async(types.CompletionParams(document, types.Position(4, 14)))
    assert "cli" in [item.label for item in items.items]
    symbols = await client.text_document_document_symbol_async(types.DocumentSymbolParams(document))
    assert [symbol.name for symbol in symbols] == ["demo", "irq.disable"]
    tokens = await client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(document))
    assert len(tokens.data) % 5 == 0 and tokens.data
    hints = await client.text_document_inlay_hint_async(
        types.InlayHintParams(document, types.Range(types.Position(0, 0), types.Position(9, 0)))
    )
    assert [hint.label for hint in hints] == ["1/6 bytes"]

    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version=2, uri=URI),
            [types.TextDocumentContentChangePartial(range=edit.range, text=edit.new_text)],
        )
    )
    assert list(await findings(client)) == []
