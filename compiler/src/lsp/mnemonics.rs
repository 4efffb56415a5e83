//! What an instruction does, in one sentence: looked up in the table `mnemonics.txt`, whose head tells its form.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Size suffixes, integer and x87, of AT&T syntax and (`d`) of Intel; the longer one first.
const SUFFIXES: [&str; 8] = ["ll", "b", "w", "l", "d", "q", "s", "t"];

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::read(include_str!("mnemonics.txt")));

/// What the instruction of that name does. `name` may have the size suffix of AT&T syntax.
pub(super) fn sentence(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let shorter = SUFFIXES.iter().filter_map(|suffix| name.strip_suffix(suffix));
    std::iter::once(name.as_str()).chain(shorter).find_map(|name| {
        let legacy = name.strip_prefix('v').and_then(|name| TABLE.find(name));
        TABLE.find(name).or(legacy)
    })
}

/// A word that may stand for a class, and what it means.
type Member = (&'static str, &'static str);

struct Table {
    classes: HashMap<&'static str, Vec<Member>>,
    exact: HashMap<&'static str, &'static str>,
    /// Names with classes in them, and their sentences.
    families: Vec<(&'static str, &'static str)>,
}

impl Table {
    fn read(text: &'static str) -> Self {
        let mut table = Self { classes: HashMap::new(), exact: HashMap::new(), families: Vec::new() };
        for line in text.lines() {
            if let Some((class, members)) = line.strip_prefix('@').and_then(|line| line.split_once(' ')) {
                let members = members.split(" | ").filter_map(|member| member.split_once(' '));
                table.classes.insert(class, members.collect());
            } else if let Some((names, sentence)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                for name in names.split_whitespace() {
                    if name.contains('{') {
                        table.families.push((name, sentence));
                    } else {
                        table.exact.insert(name, sentence);
                    }
                }
            }
        }
        table
    }

    fn find(&self, name: &str) -> Option<String> {
        if let Some(sentence) = self.exact.get(name) {
            return Some((*sentence).to_owned());
        }
        self.families.iter().find_map(|(family, sentence)| {
            let mut meanings = Vec::new();
            let matches = self.matches(name, family, &mut meanings);
            matches.then(|| {
                let numbered = meanings.iter().rev().enumerate();
                numbered.fold((*sentence).to_owned(), |sentence, (index, meaning)| {
                    sentence.replace(&format!("{{{}}}", index + 1), meaning)
                })
            })
        })
    }

    /// Whether a name is of a family; what its classes mean is added to `meanings`, the last one first.
    fn matches(&self, name: &str, family: &str, meanings: &mut Vec<&'static str>) -> bool {
        let Some((literal, rest)) = family.split_once('{') else { return name == family };
        let Some(name) = name.strip_prefix(literal) else { return false };
        let Some((class, rest)) = rest.split_once('}') else { return false };
        let members = self.classes.get(class).map(Vec::as_slice).unwrap_or_default();
        members.iter().any(|(word, meaning)| {
            let matches = name.strip_prefix(word).is_some_and(|name| self.matches(name, rest, meanings));
            if matches {
                meanings.push(meaning);
            }
            matches
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pvc_asm::{Mode, Syntax};

    #[test]
    fn every_mnemonic_has_a_sentence() {
        for (mode, syntax) in [(Mode::Bits64, Syntax::Att), (Mode::Bits32, Syntax::Att), (Mode::Bits64, Syntax::Intel)]
        {
            for name in pvc_asm::mnemonics(mode, syntax) {
                let sentence = sentence(&name).unwrap_or_else(|| panic!("`{name}` has a sentence"));
                assert!(sentence.ends_with('.') && !sentence.contains(['{', '}']), "{name}: {sentence}");
            }
        }
    }

    #[test]
    fn families() {
        for (name, wanted) in [
            ("vpaddd", "Adds packed 32-bit integers, wrapping around."),
            ("vfnmadd231sd", "rounding once: second * third + destination, the product negated."),
            ("setnae", "not above or equal (CF=1)"),
            ("cvttsd2siq", "Converts a scalar double to a signed 64-bit integer, rounding towards zero."),
            ("addq", "Adds the source to the destination."),
            ("ADDQ", "Adds the source to the destination."),
            ("fildll", "Pushes an integer."),
            ("verr", "Sets ZF if the segment can be read."),
        ] {
            let found = sentence(name).expect(name);
            assert!(found.contains(wanted), "{name}: {found}");
        }
        assert_eq!(sentence("frobnicate"), None);
    }

    #[test]
    fn every_class_is_known() {
        for (name, _) in &TABLE.families {
            for class in name.split('{').skip(1) {
                let class = class.split('}').next().unwrap_or_default();
                assert!(TABLE.classes.contains_key(class), "{name}");
            }
        }
    }
}
