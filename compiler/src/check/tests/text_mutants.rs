//! The shipped patch sets as texts, each with one thing taken away or changed: a clobber, an input, a condition, a
//! fallback, room in the site, an operand. Each mutant has to be reported, or to do the same as the original.

use super::*;
use std::ops::Range;

/// The most mutants that nothing reports. Each is printed with what shows that it is no mistake.
const MOST_EQUIVALENT: usize = 64;

#[test]
fn mutants_of_the_texts_are_reported() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../patchsets");
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the sets").map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pv"));
    paths.sort();
    let (mut total, mut equivalent, mut alive) = (0, Vec::new(), Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a set");
        let ops = ops(&text);
        let first = ops.first().expect("an op").start;
        for range in ops {
            let op = &text[range.clone()];
            // The op alone, which is quicker, unless it needs the others.
            let alone = |op: &str| format!("{}\n{op}\n", &text[..first]);
            let among_all = |op: &str| format!("{}{op}{}", &text[..range.start], &text[range.end..]);
            let set: &dyn Fn(&str) -> String = if found(&alone(op)).1.is_some() { &alone } else { &among_all };
            let original = found(&set(op)).1.unwrap_or_else(|| panic!("{} is sound", path.display()));
            for (what, mutant) in mutants(op) {
                total += 1;
                let (reported, bytes) = found(&set(&mutant));
                if reported {
                    continue;
                }
                let name = format!("{}: {}: {what}", path.file_name().unwrap().display(), op.lines().next().unwrap());
                match bytes {
                    // What is promised for the backends' sake is not for the rows to need.
                    Some(bytes) if bytes == original => equivalent.push(format!("{name}: the same bytes")),
                    _ => alive.push(name),
                }
            }
        }
    }
    println!("{total} mutants; nothing reports these, which are the same code:\n{}", equivalent.join("\n"));
    assert!(total > 400, "{total} mutants");
    assert!(equivalent.len() <= MOST_EQUIVALENT, "{} mutants with the same bytes", equivalent.len());
    assert!(alive.len() * 100 <= total, "{} of {total} mutants live:\n{}", alive.len(), alive.join("\n"));
}

/// Whether a set gives findings (but for what only follows from its ops being alone), and the bytes of its rows.
fn found(text: &str) -> (bool, Option<Vec<Vec<u8>>>) {
    let compilation = compile("t.pv", &MemoryLoader::from_iter([("t.pv", text)]));
    let unused = crate::diagnostics::Code::UNUSED_FEATURE;
    let reported = compilation.diagnostics.list().iter().any(|finding| finding.code != unused);
    let bytes = compilation.checked.map(|checked| {
        let contracts = checked.unit().ops.iter().flat_map(|op| &op.contracts);
        contracts.flat_map(|contract| &contract.rows).map(|row| row.code.bytes.clone()).collect()
    });
    (reported, bytes)
}

/// The ops of a laid out text: from a line that begins with `op` to one that ends it.
fn ops(text: &str) -> Vec<Range<usize>> {
    let starts = text.match_indices("\nop ").map(|(at, _)| at + 1);
    starts.map(|start| start..start + text[start..].find("\n}").expect("its end") + 2).collect()
}

/// The mutants of an op, each with what was done.
fn mutants(op: &str) -> Vec<(String, String)> {
    let mut mutants = Vec::new();
    let replace = |range: Range<usize>, with: &str| format!("{}{with}{}", &op[..range.start], &op[range.end..]);
    for (start, line) in lines(op) {
        let body = line.trim_start();
        let at = start + (line.len() - body.len());
        if let Some(list) = body.strip_prefix("clobbers ") {
            for (word, rest) in without_each(list) {
                let clause = if rest.is_empty() { String::new() } else { format!("clobbers {rest}") };
                mutants.push((format!("without {word}"), replace(at..at + body.len(), &clause)));
            }
        }
        let Some(brace) = body.find('{').filter(|_| body.starts_with("x86") || body.starts_with("i386")) else {
            continue;
        };
        let when = body[..brace].find(" when ").map(|when| at + when..at + brace - 1);
        match when {
            Some(when) => mutants.push(("without its condition".to_owned(), replace(when, ""))),
            // The only row of one arch of several is no fallback: without it the op is one of the other arch.
            None if is_only_row_of_its_arch(op, body) => {}
            None => mutants.push(("without its fallback".to_owned(), replace(at..at + body.len(), ""))),
        }
        let Some(end) = body.rfind('}') else { continue };
        // The bytes beside it would tell what the site does not.
        mutants.push(("grown".to_owned(), replace(at + end..at + body.len(), "; .skip 65, 0x90 }")));
        let asm = at + brace..at + end;
        for operand in operands(&op[asm.clone()]) {
            let range = asm.start + operand.start..asm.start + operand.end;
            let flipped = flip(&op[range.clone()]);
            mutants.push((format!("{} for {}", flipped, &op[range.clone()]), replace(range, &flipped)));
        }
    }
    let signature = op.find('(').expect("a signature") + 1;
    let list = &op[signature..signature + op[signature..].find(')').expect("its end")];
    for (word, rest) in without_each(list) {
        mutants.push((format!("without the input {word}"), replace(signature..signature + list.len(), &rest)));
    }
    mutants
}

/// Whether `row` is the only row of its arch, and there are rows of the other.
fn is_only_row_of_its_arch(op: &str, row: &str) -> bool {
    let arches =
        |line: &str| ["x86_64", "i386"].map(|arch| line.split('{').next().is_some_and(|head| head.contains(arch)));
    let others: Vec<_> = op
        .lines()
        .map(str::trim_start)
        .filter(|line| *line != row && line.contains('{') && (line.starts_with("x86") || line.starts_with("i386")))
        .map(arches)
        .collect();
    let own = arches(row);
    !others.is_empty() && !others.iter().any(|other| own[0] && other[0] || own[1] && other[1])
}

/// The lines of a text with their offsets.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split('\n').map(move |line| {
        let start = at;
        at += line.len() + 1;
        (start, line)
    })
}

/// A list of groups (`x86_64: rax, rbx; flags`) without each of its words in turn.
fn without_each(list: &str) -> Vec<(String, String)> {
    let groups: Vec<Vec<&str>> = list.split(';').map(|group| group.split(',').map(str::trim).collect()).collect();
    let mut lists = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        for (index, word) in group.iter().enumerate().filter(|(_, word)| !word.is_empty()) {
            let mut rest = groups.clone();
            let prefix = word.split_once(": ").filter(|(arch, _)| *arch == "x86_64" || *arch == "i386");
            rest[at].remove(index);
            let mut parts: Vec<String> = rest.iter().map(|group| group.join(", ")).collect();
            if let Some((arch, _)) = prefix.filter(|_| !rest[at].is_empty()) {
                parts[at] = format!("{arch}: {}", parts[at]);
            }
            parts.retain(|part| !part.is_empty());
            lists.push(((*word).to_owned(), parts.join("; ")));
        }
    }
    lists
}

/// Registers, roles and immediates of an asm body.
fn operands(asm: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, mark) in asm.char_indices().skip(1).filter(|(_, mark)| "%${".contains(*mark)) {
        let word = asm[at + 1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(asm.len() - at - 1);
        found.push(at..at + 1 + word + usize::from(mark == '{'));
    }
    found
}

/// Another operand of the same kind.
fn flip(operand: &str) -> String {
    if operand.starts_with('$') {
        return "$85".to_owned();
    }
    const PAIRS: [(&str, &str); 12] = [
        ("%rax", "%rbx"),
        ("%rdi", "%rbx"),
        ("%rsi", "%rbx"),
        ("%rcx", "%rbx"),
        ("%rdx", "%rbx"),
        ("%eax", "%ebx"),
        ("%ecx", "%ebx"),
        ("%edx", "%ebx"),
        ("%edi", "%ebx"),
        ("%cr2", "%cr4"),
        ("%cr3", "%cr4"),
        ("%cr0", "%cr4"),
    ];
    let pair = PAIRS.iter().find(|(one, _)| *one == operand);
    pair.map_or_else(|| if operand.starts_with('{') { "%ebx" } else { "%ecx" }, |(_, other)| other).to_owned()
}
