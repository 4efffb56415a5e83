//! The tree-sitter parser and the queries of all editors that use it.

use crate::fixtures::{self, SAMPLE, golden, read, valid};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use tree_sitter::{Language, Node, Parser, Query, QueryCursor, StreamingIterator, Tree};

fn language() -> Language {
    tree_sitter_pv::LANGUAGE.into()
}

fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser.set_language(&language()).expect("the parser is of a version that the library knows");
    parser.parse(text, None).expect("parsing is neither cancelled nor limited")
}

/// The first node that is an error or was made up, with its line.
fn mistake(tree: &Tree) -> Option<String> {
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if node.is_error() || node.is_missing() {
            return Some(format!("line {}: {}", node.start_position().row + 1, node.to_sexp()));
        }
        if node.has_error() && cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return None;
            }
        }
    }
}

#[test]
fn valid_files_parse() {
    for fixture in valid() {
        if let Some(mistake) = mistake(&parse(&fixture.text)) {
            panic!("{}: {mistake}", fixture.name);
        }
    }
}

/// Neovim 0.7 reads versions 13 and 14.
#[test]
fn the_parser_suits_old_editors() {
    assert_eq!(language().abi_version(), 14);
}

/// What the compiler accepts this parser accepts, also where no fixture does it like that.
#[test]
fn variations_parse() {
    let mut random = Random(1);
    let mut compared = 0;
    let seeds: Vec<_> = valid().into_iter().filter(|fixture| fixture.text.len() < 2500).collect();
    for round in 0..800 {
        let fixture = &seeds[round % seeds.len()];
        let text = vary(&fixture.text, &mut random);
        let found = fixtures::findings(&text);
        if found.contains("error[") {
            continue;
        }
        compared += 1;
        if let Some(mistake) = mistake(&parse(&text)) {
            panic!("{} varied: {mistake}\n{text}", fixture.name);
        }
    }
    assert!(compared > 100, "only {compared} variations were valid");
}

/// Adds, drops, doubles or swaps a few tokens of `text`.
fn vary(text: &str, random: &mut Random) -> String {
    let mut tokens = tokens(text);
    for _ in 0..1 + random.below(3) {
        let at = random.below(tokens.len());
        let other = random.below(tokens.len());
        match random.below(8) {
            0 => drop(tokens.remove(at)),
            1 => tokens.swap(at, other),
            2 => tokens.insert(at, tokens[other]),
            _ => {
                let added = ["\n", " ", "\t", " // x }\n", " /* } */ ", "# {\n", "\r\n", ";", ",", "///\n", "////\n"];
                tokens.insert(at, added[random.below(added.len())]);
            }
        }
    }
    tokens.concat()
}

/// Words, runs of white space, and single other characters.
fn tokens(text: &str) -> Vec<&str> {
    let class = |c: char| match c {
        'A'..='Z' | 'a'..='z' | '0'..='9' | '_' => 1,
        ' ' => 2,
        _ => 0,
    };
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match class(first) {
            0 => first.len_utf8(),
            of => rest.find(|c| class(c) != of).unwrap_or(rest.len()),
        };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after;
    }
    tokens
}

/// Numbers that are the same on every run (Knuth, The Art of Computer Programming, vol. 2, 3.3.4: MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// The corpus in the form of `tree-sitter test`, which is not needed to run it.
#[test]
fn corpus() {
    let mut cases = 0;
    for entry in std::fs::read_dir(fixtures::root().join("grammar/tree-sitter-pv/test/corpus")).expect("the corpus") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a corpus file can be read");
        let rule = "=".repeat(80) + "\n";
        // Title, body, title, body, ...; the text before the first title is empty.
        let parts: Vec<_> = text.split(&rule).skip(1).collect();
        for case in parts.chunks(2) {
            let [title, body] = case else { panic!("{}: a title without a body", path.display()) };
            let (source, tree) = body.split_once(&("-".repeat(80) + "\n")).expect("a case has a line of dashes");
            let parsed = parse(source);
            if title.contains(":error") {
                assert!(parsed.root_node().has_error(), "{title} parses:\n{source}");
            } else {
                let wanted = tree.split_whitespace().collect::<Vec<_>>().join(" ");
                assert_eq!(shape(parsed.root_node()), wanted, "{title}");
            }
            cases += 1;
        }
    }
    assert!(cases >= 10, "the corpus has {cases} cases");
}

/// A tree of named nodes without the names of fields.
fn shape(node: Node<'_>) -> String {
    let mut cursor = node.walk();
    let children: Vec<_> = node.named_children(&mut cursor).map(shape).collect();
    let kind = node.kind();
    if children.is_empty() { format!("({kind})") } else { format!("({kind} {})", children.join(" ")) }
}

/// Every query file, with the parser's names of nodes and fields.
#[test]
fn queries_fit() {
    let mut files = 0;
    for dir in ["tree-sitter-pv/queries", "neovim/queries/pv", "helix/queries/pv"] {
        for entry in std::fs::read_dir(fixtures::root().join("grammar").join(dir)).expect("a directory of queries") {
            let path = entry.expect("an entry").path();
            let text = std::fs::read_to_string(&path).expect("a query can be read");
            if let Err(error) = Query::new(&language(), &text) {
                panic!("{}: {error}", path.display());
            }
            files += 1;
        }
    }
    assert!(files >= 12);
}

/// One set of colours under the names that each editor has for them.
#[test]
fn highlights_are_the_same_everywhere() {
    let ours = read("grammar/tree-sitter-pv/queries/highlights.scm");
    assert_eq!(read("grammar/neovim/queries/pv/highlights.scm"), ours);
    let helix = ours
        .replace("@module", "@namespace")
        .replace("@number", "@constant.numeric")
        .replace("@comment.documentation", "@comment.line.documentation");
    assert_eq!(read("grammar/helix/queries/pv/highlights.scm"), helix);
}

/// The colours of `text`: range and capture, in the order of the text; of several captures of a node the last.
fn colours(text: &str) -> Vec<(std::ops::Range<usize>, String)> {
    let tree = parse(text);
    let query = Query::new(&language(), tree_sitter_pv::HIGHLIGHTS_QUERY).expect("the query fits");
    let mut cursor = QueryCursor::new();
    let mut captures = cursor.captures(&query, tree.root_node(), text.as_bytes());
    let mut list: Vec<(std::ops::Range<usize>, usize, String)> = Vec::new();
    while let Some((found, at)) = captures.next() {
        let capture = found.captures[*at];
        list.push((
            capture.node.byte_range(),
            found.pattern_index,
            query.capture_names()[capture.index as usize].to_owned(),
        ));
    }
    list.sort_by_key(|(range, pattern, _)| (range.start, range.end, *pattern));
    let mut colours: Vec<(std::ops::Range<usize>, String)> = Vec::new();
    for (range, _, name) in list {
        match colours.last_mut() {
            Some(last) if last.0 == range => last.1 = name,
            _ => colours.push((range, name)),
        }
    }
    colours
}

#[test]
fn highlights() {
    let text = read(SAMPLE);
    let mut shown = String::new();
    for (range, name) in colours(&text) {
        let line = text[..range.start].matches('\n').count() + 1;
        shown.push_str(&format!("{line}:{} {name}\n", text[range].trim_end()));
    }
    golden("tree-sitter.txt", &shown);
}

/// No word of a valid file is left without a colour.
#[test]
fn highlights_are_complete() {
    for fixture in valid() {
        let coloured = colours(&fixture.text);
        let tree = parse(&fixture.text);
        let walked = leaves(tree.root_node(), &mut |leaf| {
            let range = leaf.byte_range();
            let word = fixture.text[range.clone()].starts_with(|c: char| c.is_ascii_alphanumeric());
            match !word || coloured.iter().any(|(of, _)| of.start <= range.start && range.end <= of.end) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(fixture.text[range].to_owned()),
            }
        });
        if let ControlFlow::Break(word) = walked {
            panic!("{}: `{word}` has no colour", fixture.name);
        }
    }
}

fn leaves<B>(node: Node<'_>, see: &mut impl FnMut(Node<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
    if node.child_count() == 0 {
        return see(node);
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        leaves(child, see)?;
    }
    ControlFlow::Continue(())
}

/// The keywords, and nothing else, have the colour of keywords.
#[test]
fn highlights_know_the_keywords() {
    let text = read(SAMPLE);
    let found: BTreeSet<String> = colours(&text)
        .into_iter()
        .filter(|(_, name)| name == "keyword")
        .map(|(range, _)| text[range].to_owned())
        .collect();
    assert_eq!(found, crate::words::keywords());
}
