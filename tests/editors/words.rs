//! The words of the language, which are the same in all grammars.

use crate::fixtures::read;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;

type Words = BTreeSet<String>;

fn words<'a>(list: impl IntoIterator<Item = &'a str>) -> Words {
    list.into_iter().map(str::to_owned).collect()
}

fn regex(text: &str) -> Regex {
    Regex::new(text).expect("a regular expression")
}

/// The keywords of the compiler's grammar.
pub(crate) fn keywords() -> Words {
    let pest = read("grammar/pv.pest");
    let list: Words =
        regex(r#"(?m)^kw_\w+\s*= @\{ "(\w+)""#).captures_iter(&pest).map(|found| found[1].to_owned()).collect();
    assert!(list.len() >= 19, "the keywords of pv.pest are {list:?}");
    list
}

/// The words that a rule of the reference's EBNF quotes.
fn reference(rule: &str) -> Words {
    let text = read("grammar/LANGUAGE.md");
    let start = regex(&format!(r"(?m)^{rule}\s+= ")).find(&text).unwrap_or_else(|| panic!("no rule `{rule}`")).end();
    let body = &text[start..];
    let end = regex(r"\n\S|\n\n").find(body).map_or(body.len(), |end| end.start());
    let list = regex(r#""(\w+)""#).captures_iter(&body[..end]).map(|found| found[1].to_owned()).collect();
    assert_ne!(list, Words::new(), "`{rule}` quotes no words");
    list
}

fn types() -> Words {
    reference("type")
}

fn arches() -> Words {
    reference("arch")
}

/// Clobbers besides registers, and what can be preserved.
fn effects() -> Words {
    let text = read("grammar/LANGUAGE.md");
    let preserves = regex(r#"(?m)^\s*\| "preserves" _ \(([^)]*)\)"#).captures(&text).expect("preserves in the EBNF");
    let preserved = regex(r#""(\w+)""#).captures_iter(&preserves[1]).map(|found| found[1].to_owned()).collect();
    &reference("clobber") | &preserved
}

/// Values of `abi` and `syntax`.
fn values() -> Words {
    let text = read("grammar/LANGUAGE.md");
    let clauses = regex(r#"(?m)"(?:abi|syntax)" _ \( "(\w+)" \| "(\w+)" \)"#);
    let list: Words =
        clauses.captures_iter(&text).flat_map(|found| [found[1].to_owned(), found[2].to_owned()]).collect();
    assert!(list.len() >= 4, "{list:?}");
    list
}

#[test]
fn tree_sitter() {
    let grammar: Value = serde_json::from_str(&read("grammar/tree-sitter-pv/src/grammar.json")).expect("JSON");
    let mut strings = Words::new();
    collect(&grammar["rules"], &mut |rule| {
        if rule["type"] == "STRING" {
            strings.extend(rule["value"].as_str().map(str::to_owned));
        }
    });
    strings.retain(|text| text.bytes().all(|byte| byte.is_ascii_lowercase()));
    assert_eq!(strings, keywords());

    let highlights = read("grammar/tree-sitter-pv/queries/highlights.scm");
    let listed = |capture: &str| {
        let pattern = format!(r#"#match\? @{} "\^\(([\w|]+)\)\$""#, regex::escape(capture));
        let lists: Vec<Words> =
            regex(&pattern).captures_iter(&highlights).map(|found| words(found[1].split('|'))).collect();
        lists
    };
    assert_eq!(listed("type.builtin"), [types()]);
    assert_eq!(listed("constant.builtin"), [effects()]);
}

/// Calls `see` on every object below `value`.
fn collect(value: &Value, see: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(map) => {
            see(value);
            map.values().for_each(|value| collect(value, see));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, see)),
        _ => {}
    }
}

#[test]
fn textmate() {
    let grammar: Value =
        serde_json::from_str(&read("grammar/vscode/syntaxes/pv.tmLanguage.json")).expect("the grammar is JSON");
    // A list of words as it stands in a regular expression.
    let list = regex(r"\(\??:?([a-z0-9_|]+)\)");
    let mut found = Words::new();
    let mut by_scope = |scope: &str, rule: &Value| {
        for (pattern, captures) in [("match", "captures"), ("begin", "beginCaptures")] {
            let Some(text) = rule[pattern].as_str() else { continue };
            let named = rule["name"].as_str().is_some_and(|name| name.starts_with(scope));
            let captured = rule[captures]["1"]["name"].as_str().is_some_and(|name| name.starts_with(scope));
            if (named && pattern == "match") || captured {
                let words = list.captures(text).unwrap_or_else(|| panic!("{text} begins with no list of words"));
                found.extend(words[1].split('|').map(str::to_owned));
            }
        }
        std::mem::take(&mut found)
    };
    let mut of = |scope: &str| {
        let mut all = Words::new();
        collect(&grammar, &mut |rule| all.extend(by_scope(scope, rule)));
        all
    };
    assert_eq!(of("keyword.other."), keywords());
    assert_eq!(of("support.type.pv"), types());
    assert_eq!(of("support.constant.arch."), arches());
    assert_eq!(of("constant.language.clobber."), effects());
    assert_eq!(of("constant.language.pv"), values());
}

#[test]
fn vim() {
    let syntax = read("grammar/vim/syntax/pv.vim");
    let of = |group: &str| -> Words {
        let lines = regex(&format!(r"(?m)^syn keyword {group}\s+contained ((?:\w+ ?)+)(?:$| nextgroup)"));
        lines.captures_iter(&syntax).flat_map(|found| words(found[1].split_whitespace())).collect()
    };
    let mut found = Words::new();
    for group in ["pvItem", "pvClause", "pvModifier"] {
        found.append(&mut of(group));
    }
    // `when` begins a region, `in` is a match.
    let others = regex(r#"(?m)(?:matchgroup=pvKeyword start=|^syn match\s+pvIn\s+contained )"\\<(\w+)\\>"#);
    found.extend(others.captures_iter(&syntax).map(|found| found[1].to_owned()));
    found.remove("nextgroup");
    assert_eq!(found, keywords());
    let without = |mut words: Words| {
        words.retain(|word| !["nextgroup", "skipwhite"].contains(&word.as_str()));
        words
    };
    assert_eq!(without(of("pvType")), types());
    assert_eq!(of("pvArch"), arches());
    assert_eq!(of("pvEffect"), effects());
    assert_eq!(of("pvValue"), values());
}

#[test]
fn emacs() {
    let mode = read("grammar/emacs/pv-mode.el");
    let of = |name: &str| -> Words {
        let list = regex(&format!(r"\(defconst pv-{name}\s+'\(([^)]*)\)"));
        let found = list.captures(&mode).unwrap_or_else(|| panic!("pv-{name} is not there"));
        words(found[1].split_whitespace().map(|word| word.trim_matches('"')))
    };
    let found = &(&of("item-keywords") | &of("clause-keywords")) | &of("row-keywords");
    assert_eq!(found, keywords());
    assert_eq!(of("types"), types());
    assert_eq!(of("arches"), arches());
    assert_eq!(of("effects"), effects());
    assert_eq!(of("values"), values());
}
