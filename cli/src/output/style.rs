//! Colours by role, of the terminal's own sixteen; never colour alone: a state has glyph and word.

use std::fmt::Display;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Names and headings.
    Strong,
    /// What matters less.
    Dim,
    /// A human is waited for: the brightest.
    NeedsHuman,
    /// Something is going on.
    Active,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
}

/// Whether and how to mark.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Colours may be used.
    pub colour: bool,
}

impl Style {
    /// `text` marked as `role`.
    pub fn paint(self, role: Role, text: impl Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match role {
            Role::Strong => "1",
            Role::Dim => "2",
            Role::NeedsHuman => "1;33",
            Role::Active => "36",
            Role::Good => "32",
            Role::Bad => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A state's role, glyph and words. One whose process is gone, or of which only a transcript is
/// known, is never shown as plainly working.
pub fn state(word: &str, live: Option<bool>) -> (Role, &'static str, String) {
    let (role, glyph) = match word {
        "waiting_permission" => (Role::NeedsHuman, "▲"),
        "waiting_input" => (Role::NeedsHuman, "?"),
        "working" => (Role::Active, "●"),
        "thinking" => (Role::Active, "◐"),
        "idle" => (Role::Good, "○"),
        _ => (Role::Dim, "■"),
    };
    let open = matches!(word, "working" | "thinking" | "waiting_permission" | "waiting_input");
    match live {
        Some(false) if open => (Role::Bad, "✗", format!("{word} when its process ended")),
        None if open => (Role::Dim, "◌", format!("{word} at its last record")),
        _ => (role, glyph, word.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_live_is_never_plainly_working() {
        assert_eq!(state("working", Some(true)).2, "working");
        assert_ne!(state("working", Some(false)).2, "working");
        assert_ne!(state("thinking", None).2, "thinking");
        assert_eq!(state("idle", None).2, "idle");
    }

    #[test]
    fn no_colour_where_none_is_wanted() {
        assert_eq!(Style { colour: false }.paint(Role::Bad, "x"), "x");
    }
}
