//! How a name of a patch set is spelled where an output wants another case. Two names must not meet there: the resolve phase
//! compares them by these functions, and the emitters use them.

/// `irq.save_fl` as the name of a Rust type: `IrqSaveFl`.
pub(crate) fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for part in name.split(['_', '.']) {
        let mut characters = part.chars();
        camel.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(characters.as_str());
    }
    camel
}

/// `sse4.1` as the name of a Rust constant: `SSE4_1`.
pub(crate) fn constant(name: &str) -> String {
    let upper = name.replace(|character: char| !character.is_ascii_alphanumeric(), "_").to_ascii_uppercase();
    if upper.starts_with(|first: char| first.is_ascii_digit()) { format!("_{upper}") } else { upper }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_cases_are_those_of_rust() {
        assert_eq!(camel("irq.save_fl"), "IrqSaveFl");
        assert_eq!(constant("sse4.1"), "SSE4_1");
        assert_eq!(constant("3dnow"), "_3DNOW");
    }
}
