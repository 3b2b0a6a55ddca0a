//! Texts that a verb hands to Codex.
//!
//! What always holds: what could be no message is no goal and no review's prompt either.

use crate::input::message::check_text;
use crate::problem::Refusal;

/// A text as it is handed on: what a message may be.
pub(super) fn checked<'t>(what: &str, text: &'t str) -> Result<&'t str, Refusal> {
    check_text(text).map(|()| text).map_err(|mut refused| {
        refused.problem.message = format!("that cannot be {what}: {}", refused.problem.message);
        refused
    })
}

/// A word of one line: a branch, a commit, a model.
pub(crate) fn word<'t>(what: &str, text: &'t str) -> Result<&'t str, Refusal> {
    let shown: String = text.chars().take(80).collect();
    let wrong = |why: &str| {
        Err(Refusal::bad_request(format!("{shown:?} cannot be {what}: {why}"))
            .hint("one line of up to 1,024 bytes"))
    };
    match text {
        _ if text.trim().is_empty() => wrong("it is empty"),
        _ if text.len() > 1024 => wrong("it is too long"),
        _ if text.chars().any(char::is_control) => wrong("it has a control character"),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_not_empty_nor_endless_nor_moves_a_cursor() {
        // As many characters as a message may have, which are more bytes.
        for good in ["make it green\n\tall of it", &"ü".repeat(1 << 20)] {
            assert!(checked("a goal", good).is_ok());
        }
        for (bad, code) in [
            ("", "bad_request"),
            (" \n", "bad_request"),
            ("a\u{1b}[2J", "bad_text"),
            ("a\0b", "bad_text"),
            (&"ü".repeat((1 << 20) + 1), "too_long"),
        ] {
            let refused = checked("a goal", bad).unwrap_err().problem;
            assert_eq!(refused.code, code, "{refused:?}");
            assert!(
                refused.message.starts_with("that cannot be a goal: ")
                    && refused.message.len() < 200
            );
        }
        assert!(word("a branch", "feature/x").is_ok());
        for bad in ["", "a\nb", &"x".repeat(10 << 20)] {
            assert!(word("a branch", bad).unwrap_err().problem.message.len() < 400);
        }
    }
}
