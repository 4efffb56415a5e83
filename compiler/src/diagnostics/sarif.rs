//! Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"): what code scanning services read.

use super::{Applicability, CODES, Code, Diagnostic, Diagnostics, Severity};
use crate::source::{SourceMap, Span};
use serde_json::{Value, json};

/// A SARIF log of one run, into which the findings of each root file are put.
///
/// ```
/// use pvc::diagnostics::Sarif;
/// use pvc::source::MemoryLoader;
/// let files = MemoryLoader::from_iter([("a.pv", "patchset a { arch x86_64 }\nfeature xenpv\n")]);
/// let compilation = pvc::compile("a.pv", &files);
/// let mut log = Sarif::default();
/// log.add(&compilation.diagnostics, &compilation.sources);
/// assert!(log.finish().contains("\"ruleId\": \"PV0208\""));
/// ```
#[derive(Clone, Default, Debug)]
pub struct Sarif {
    artifacts: Vec<String>,
    results: Vec<Value>,
    troubles: Vec<Value>,
}

impl Sarif {
    /// Puts in the findings of a compilation.
    pub fn add(&mut self, diagnostics: &Diagnostics, sources: &SourceMap) {
        for (_, file) in sources.files() {
            self.artifact(&file.path);
        }
        for found in diagnostics.list() {
            let result = self.result(found, sources);
            self.results.push(result);
        }
        if diagnostics.left_out() > 0 {
            let message = format!("{} more findings are not shown", diagnostics.left_out());
            self.troubles.push(json!({ "level": "warning", "message": { "text": message } }));
        }
    }

    /// Puts in a message that is about no place of a source file: an I/O error, say.
    pub fn trouble(&mut self, message: &str) {
        self.troubles.push(json!({ "level": "error", "message": { "text": message } }));
    }

    /// The log as text.
    #[must_use]
    pub fn finish(self) -> String {
        let artifacts: Vec<Value> = self
            .artifacts
            .iter()
            .map(|path| json!({ "location": { "uri": uri(path) }, "mimeType": "text/plain" }))
            .collect();
        let successful = !self.troubles.iter().any(|trouble| trouble["level"] == "error");
        let log = json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "pvc",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": CODES.iter().map(|info| rule(info.code)).collect::<Vec<Value>>(),
                } },
                "columnKind": "unicodeCodePoints",
                "invocations": [{ "executionSuccessful": successful, "toolExecutionNotifications": self.troubles }],
                "artifacts": artifacts,
                "results": self.results,
            }],
        });
        // A tree of strings and numbers has no way to fail.
        serde_json::to_string_pretty(&log).expect("plain data") + "\n"
    }

    /// The index of a file among the artifacts.
    fn artifact(&mut self, path: &str) -> usize {
        self.artifacts.iter().position(|known| known == path).unwrap_or_else(|| {
            self.artifacts.push(path.to_owned());
            self.artifacts.len() - 1
        })
    }

    fn result(&mut self, found: &Diagnostic, sources: &SourceMap) -> Value {
        let mut text = vec![found.message.clone()];
        text.extend(found.notes.iter().cloned());
        text.extend(found.help.iter().cloned());
        let related: Vec<Value> = found
            .secondary
            .iter()
            .enumerate()
            .map(|(id, label)| {
                let mut location = self.location(label.span, sources);
                location["id"] = json!(id);
                if !label.text.is_empty() {
                    location["message"] = json!({ "text": label.text });
                }
                location
            })
            .collect();
        let mut location = self.location(found.primary.span, sources);
        if !found.primary.text.is_empty() {
            location["message"] = json!({ "text": found.primary.text });
        }
        let index = CODES.iter().position(|info| info.code == found.code);
        let mut result = json!({
            "ruleId": found.code.to_string(),
            "ruleIndex": index,
            "level": found.severity.name(),
            "message": { "text": text.join("\n") },
            "locations": [location],
        });
        if !related.is_empty() {
            result["relatedLocations"] = Value::Array(related);
        }
        if let Some(fix) = &found.fix {
            let sure = match fix.applicability {
                Applicability::Safe => "",
                Applicability::Maybe => " (a guess)",
            };
            result["fixes"] = json!([{
                "description": { "text": format!("{}{sure}", fix.title) },
                "artifactChanges": [{
                    "artifactLocation": self.artifact_location(fix.span, sources),
                    "replacements": [{
                        "deletedRegion": region(fix.span, sources),
                        "insertedContent": { "text": fix.text },
                    }],
                }],
            }]);
        }
        result
    }

    fn location(&mut self, span: Span, sources: &SourceMap) -> Value {
        let artifact = self.artifact_location(span, sources);
        json!({ "physicalLocation": { "artifactLocation": artifact, "region": region(span, sources) } })
    }

    fn artifact_location(&mut self, span: Span, sources: &SourceMap) -> Value {
        let path = &sources.file(span.file).path;
        let index = self.artifact(path);
        json!({ "uri": uri(path), "index": index })
    }
}

fn rule(code: Code) -> Value {
    let info = code.info();
    let level = info.severity.name();
    json!({
        "id": code.to_string(),
        "shortDescription": { "text": info.title },
        "help": { "text": info.page, "markdown": info.page },
        "defaultConfiguration": { "level": level },
        "properties": { "tags": [if info.severity == Severity::Error { "correctness" } else { "lint" }] },
    })
}

fn region(span: Span, sources: &SourceMap) -> Value {
    let file = sources.file(span.file);
    let (start_line, start_column) = file.line_column(span.start);
    let (end_line, end_column) = file.line_column(span.end);
    json!({ "startLine": start_line, "startColumn": start_column, "endLine": end_line, "endColumn": end_column })
}

/// A path as a URI reference (RFC 3986): absolute ones get the `file` scheme, the others stay relative.
fn uri(path: &str) -> String {
    let scheme = if path.starts_with('/') { "file://" } else { "" };
    let mut uri = scheme.to_owned();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("sets/a b.pv"), "sets/a%20b.pv");
        assert_eq!(uri("/sets/ä.pv"), "file:///sets/%C3%A4.pv");
        assert_eq!(uri("../a:b.pv"), "../a%3Ab.pv");
    }
}
