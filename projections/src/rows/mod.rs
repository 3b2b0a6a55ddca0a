//! What the tables hold: one noun a file.
//!
//! What always holds: a row is made of the log alone. It carries no clock, no path of this machine
//! and no text longer than a line: what is long stays in the log and is referred to by its seq.

mod action;
mod input;
mod reminder;
mod request;
mod session;
mod source;
mod span;
mod trim;
mod turn;

pub(crate) use action::file_names;
pub use action::{Action, ActionKind, ActionStatus, Approval, FileLines};
pub use input::{Input, InputStatus};
pub use reminder::Reminder;
pub use request::{Request, RequestClass, RequestStatus};
pub use session::{
    ActivityState, Counts, Cut, CutTurns, Goal, Health, LastAction, McpFailure, OpenItem, OpenTurn,
    Session, SessionHead, Start, Tokens,
};
pub use source::{Generation, Source, SourceKind, WITH_DAEMON};
pub use span::{Phase, Span};
pub use trim::Trim;
pub use turn::{Outcome, Turn};

/// A moment: Unix microseconds, UTC.
pub type Micros = i64;

/// A session's number: dense from 0, in the order in which the log first names their threads.
pub type Sid = u32;

/// How far up a family tree is followed; a longer one is a loop.
pub(crate) const ANCESTORS_MAX: usize = 64;

/// The longest text a row keeps, in bytes; a longer one is cut at a character and ends in `…`.
pub const LINE_BYTES_MAX: usize = 200;

/// The first line of `text`, cut to [`LINE_BYTES_MAX`].
pub fn line(text: &str) -> String {
    let text = text.trim();
    let first = text.lines().next().unwrap_or("").trim_end();
    let whole = first.len() == text.len();
    if whole && first.len() <= LINE_BYTES_MAX {
        return first.to_owned();
    }
    let mut end = first.len().min(LINE_BYTES_MAX - '…'.len_utf8());
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &first[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_whole_characters_and_says_when_it_was_cut() {
        assert_eq!(line("  one \n two"), "one…");
        assert_eq!(line("one"), "one");
        assert_eq!(line(""), "");
        let long = "ä".repeat(300);
        let cut = line(&long);
        assert!(cut.len() <= LINE_BYTES_MAX && cut.ends_with("ä…"));
    }
}
