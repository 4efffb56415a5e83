// Run by textmate.rs: `node scopes.js PACKAGES VALID`. VALID is JSON: a list of [name, text]. Fails at the first word
// without a scope of its own; prints the sample's tokens, each with its innermost scope.
'use strict';

const fs = require('fs');
const path = require('path');
const [packages, valid] = process.argv.slice(2);
const load = name => require(path.join(path.resolve(packages), 'node_modules', name));
const textmate = load('vscode-textmate');
const oniguruma = load('vscode-oniguruma');

async function main() {
  const wasm = path.join(path.resolve(packages), 'node_modules/vscode-oniguruma/release/onig.wasm');
  await oniguruma.loadWASM(fs.readFileSync(wasm).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: patterns => new oniguruma.OnigScanner(patterns),
      createOnigString: text => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => {
      const file = 'grammar/vscode/syntaxes/pv.tmLanguage.json';
      return textmate.parseRawGrammar(fs.readFileSync(file, 'utf8'), file);
    },
  });
  const grammar = await registry.loadGrammar('source.pv');
  for (const [name, text] of JSON.parse(fs.readFileSync(valid, 'utf8'))) {
    let stack = textmate.INITIAL;
    for (const [at, line] of text.split('\n').entries()) {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      for (const token of result.tokens) {
        const word = line.slice(token.startIndex, token.endIndex).trim();
        const scope = token.scopes[token.scopes.length - 1];
        if (/\w/.test(word) && /^(source|meta)\./.test(scope)) {
          throw new Error(`${name}:${at + 1}: \`${word}\` has no scope`);
        }
        if (name.endsWith('/sample.pv') && word !== '') console.log(`${at + 1}:${word} ${scope}`);
      }
    }
  }
}

main().catch(error => {
  console.error(error.message);
  process.exit(1);
});
