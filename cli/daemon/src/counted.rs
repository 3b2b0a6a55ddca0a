//! How many of what, in words.

use std::fmt::Display;

/// `1 turn`, `2 turns`, `0 retries`: regular nouns only.
pub fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    match (count.as_str(), noun.strip_suffix('y')) {
        ("1", _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_in_the_singular() {
        let said = [counted(1, "turn"), counted(2, "turn"), counted(0, "retry")];
        assert_eq!(said, ["1 turn", "2 turns", "0 retries"]);
    }
}
