//! Texts that a verb hands to Codex.

use crate::problem::Refusal;

/// The longest, in bytes: Codex takes no longer message either.
const BYTES_MAX: usize = 1 << 20;

/// A text as it is handed on: not empty, not endless, and nothing in it that moves a cursor.
pub(super) fn checked<'t>(what: &str, text: &'t str) -> Result<&'t str, Refusal> {
    let wrong = |why: String| {
        let message = format!("that cannot be {what}: {why}");
        Err(Refusal::bad_request(message)
            .hint("text of up to 1 MiB, with no control characters but new lines and tabs"))
    };
    let odd = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    match odd {
        _ if text.trim().is_empty() => wrong("it is empty".to_owned()),
        _ if text.len() > BYTES_MAX => wrong(format!("it has {} bytes", text.len())),
        Some(odd) => wrong(format!("it has the control character U+{:04X}", u32::from(odd))),
        None => Ok(text),
    }
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
        assert!(checked("a goal", "make it green\n\tall of it").is_ok());
        for bad in ["", " \n", "a\u{1b}[2J", "a\0b", &"x".repeat(BYTES_MAX + 1)] {
            let refused = checked("a goal", bad).unwrap_err();
            assert_eq!(refused.status, 400);
            assert!(refused.problem.message.len() < 200 && refused.problem.hint.is_some());
        }
        assert!(word("a branch", "feature/x").is_ok());
        for bad in ["", "a\nb", &"x".repeat(10 << 20)] {
            assert!(word("a branch", bad).unwrap_err().problem.message.len() < 400);
        }
    }
}
