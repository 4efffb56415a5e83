//! Other names of the same lists: conditions, predicates, old spellings.

use super::names::Name;
use super::quirks::*;
use std::collections::BTreeMap;

fn alias(
    names: &mut BTreeMap<String, Name>,
    alias: &str,
    of: &str,
    immediate: Option<u8>,
    columns: std::ops::Range<usize>,
) {
    let Some(target) = names.get(of).cloned() else { return };
    let entry = names.entry(alias.to_string()).or_default();
    for column in columns {
        if entry.lists[column].forms.is_empty() {
            entry.lists[column] = target.lists[column].clone();
        }
    }
    entry.immediate = immediate;
}

/// Adds every alias of `quirks.rs`.
pub(crate) fn aliases(names: &mut BTreeMap<String, Name>) {
    for &(condition, others) in CONDITIONS {
        for &other in others {
            alias(names, &format!("j{other}"), &format!("j{condition}"), None, 0..6);
            for suffix in ["", "b"] {
                alias(names, &format!("set{other}{suffix}"), &format!("set{condition}{suffix}"), None, 0..6);
            }
            for suffix in ["", "w", "l", "q"] {
                alias(names, &format!("cmov{other}{suffix}"), &format!("cmov{condition}{suffix}"), None, 0..6);
            }
        }
        for &other in others.iter().chain([&condition]) {
            alias(names, &format!("cmp{other}xadd"), &format!("cmp{}xadd", iced_condition(condition)), None, 0..6);
        }
    }
    for &(predicate, value, legacy) in CMP_PREDICATES {
        for kind in ["ps", "pd", "ss", "sd", "ph", "sh"] {
            if legacy && kind.as_bytes()[1] != b'h' {
                alias(names, &format!("cmp{predicate}{kind}"), &format!("cmp{kind}"), Some(value), 0..6);
            }
            alias(names, &format!("vcmp{predicate}{kind}"), &format!("vcmp{kind}"), Some(value), 0..6);
        }
    }
    // cmpsd and movsd without operands are string instructions; the predicate names are not.
    for kind in ["b", "w", "d", "q", "ub", "uw", "ud", "uq"] {
        for &(predicate, value) in VPCMP_PREDICATES {
            let text = format!("vpcmp{predicate}{kind}");
            if !names.contains_key(&text) {
                alias(names, &text, &format!("vpcmp{kind}"), Some(value), 0..6);
            }
        }
        for &(predicate, value) in VPCOM_PREDICATES {
            alias(names, &format!("vpcom{predicate}{kind}"), &format!("vpcom{kind}"), Some(value), 0..6);
        }
    }
    for &(predicate, value) in CLMUL_PREDICATES {
        let (first, second) = predicate.split_at(2);
        alias(names, &format!("pclmul{first}{second}dq"), "pclmulqdq", Some(value), 0..6);
        alias(names, &format!("vpclmul{first}{second}dq"), "vpclmulqdq", Some(value), 0..6);
    }
    for &(text, of) in ALIASES {
        if text != of {
            alias(names, text, of, None, 0..6);
        }
    }
}

fn iced_condition(condition: &str) -> &str {
    match condition {
        "e" => "z",
        "ne" => "nz",
        "ae" => "nb",
        "a" => "nbe",
        "ge" => "nl",
        "g" => "nle",
        other => other,
    }
}
