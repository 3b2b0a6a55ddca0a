//! News of children, as their parent reads them.
//!
//! What always holds: each child is named by its id, and whatever a child said stands behind a mark, so that
//! nobody takes it for the reader's own orders.

use crate::counted;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::sessions::messages;
use sm_projections::rows::Outcome;
use sm_projections::views::{self, NewsDoc, Standing, TurnChange};
use std::fmt::Write;

/// The last words of all children together, in characters; of one at least and at most.
const WORDS_ALL: usize = 24_000;
const WORDS_LEAST: usize = 400;
const WORDS_MOST: usize = 4_000;

/// How many files of a child are named.
const FILES_MAX: usize = 12;

/// The news as the parent reads it.
pub(crate) fn words(daemon: &Daemon, news: &[NewsDoc]) -> Result<String, Refusal> {
    let most = (WORDS_ALL / news.len()).clamp(WORDS_LEAST, WORDS_MOST);
    let mut text = match news {
        [_] => "[sm] News of a child of yours:\n".to_owned(),
        _ => format!("[sm] News of {} children of yours:\n", news.len()),
    };
    for one in news {
        let upshot = messages::upshot(daemon, one.sid, &one.session)?;
        text.push('\n');
        text.push_str(&head(one, upshot.error.as_deref().unwrap_or_default()));
        let is_told = one.standing == Standing::Settled && !is_undone(one);
        if let Some(last) = upshot.words.filter(|_| is_told) {
            text.push_str("Its last words:\n");
            text.push_str(&quoted(&last, most, &one.session.id));
        }
    }
    Ok(text)
}

/// Where a child stands and what it did, in lines.
fn head(one: &NewsDoc, error: &str) -> String {
    let session = &one.session;
    let name = session.name.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    let mut text = format!("{}{name} ", session.id);
    match one.standing {
        Standing::Settled if is_undone(one) => {
            text.push_str("is idle; what it was told since was rolled back");
        }
        Standing::Settled => match session.outcome {
            Outcome::Completed => text.push_str("has finished"),
            Outcome::None => text.push_str("is idle; how its turn ended was not told"),
            Outcome::Interrupted => text.push_str("was interrupted"),
            Outcome::Failed if error.is_empty() => text.push_str("failed"),
            Outcome::Failed => _ = write!(text, "failed: {error}"),
            Outcome::Lost => text.push_str("lost its turn with its server; it is loaded again"),
        },
        Standing::Waiting => text.push_str("waits for a human"),
        Standing::WaitingBelow => text.push_str("has a child that waits for a human"),
        Standing::Gone if session.ended && session.unresumable.is_none() => {
            text.push_str("was stopped");
        }
        Standing::Gone => {
            let why = session.unresumable.as_deref().unwrap_or("its server ended");
            _ = write!(text, "is dead: {why}");
        }
    }
    text.push_str(".\n");
    if one.held > 0 {
        let messages = counted(one.held as usize, "message");
        _ = writeln!(
            text,
            "Its queue is held, {messages} in it: sm queue release {} is the user's to say.",
            session.id
        );
    }
    for (number, line) in &one.requests {
        _ = writeln!(text, "It asks ({}): {line}", views::request_id(*number));
    }
    let mut deeds = Vec::new();
    if !one.turns.is_empty() {
        deeds.push(counted(one.turns.len(), "turn") + &other_ends(&one.turns));
    }
    if one.turns_dropped > 0 {
        deeds.push(counted(one.turns_dropped, "turn") + " rolled back since");
    }
    if one.micros > 0 {
        deeds.push(time(one.micros));
    }
    if one.tokens > 0 {
        deeds.push(format!("{} tokens", one.tokens));
    }
    if one.commands > 0 {
        let failed = match one.commands_failed {
            0 => String::new(),
            failed => format!(" ({failed} failed)"),
        };
        deeds.push(counted(one.commands as usize, "command") + &failed);
    }
    if one.commands_stopped > 0 {
        deeds.push(counted(one.commands_stopped as usize, "command") + " declined or cut off");
    }
    if !deeds.is_empty() {
        _ = writeln!(text, "It did: {}.", deeds.join(", "));
    }
    for command in &one.running {
        _ = writeln!(text, "Still running in the background: {command}");
    }
    if !one.files.is_empty() {
        let named = one.files.iter().take(FILES_MAX);
        let named: Vec<String> = named
            .map(|file| format!("{} (+{} -{})", file.names(), file.plus, file.minus))
            .collect();
        let more = match one.files.len().saturating_sub(FILES_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        _ = writeln!(text, "Files changed: {}{more}.", named.join(", "));
    }
    text
}

/// Whether no turn is left of those that there would be to tell of.
fn is_undone(one: &NewsDoc) -> bool {
    one.turns.is_empty() && one.turns_dropped > 0
}

/// How those turns ended that did not end well: ` (1 lost)`.
fn other_ends(turns: &[TurnChange]) -> String {
    let ends = ["failed", "interrupted", "lost"].map(|end| {
        let count = turns.iter().filter(|turn| turn.outcome == Some(end)).count();
        (count > 0).then(|| format!("{count} {end}"))
    });
    match ends.into_iter().flatten().collect::<Vec<_>>().join(", ") {
        ends if ends.is_empty() => ends,
        ends => format!(" ({ends})"),
    }
}

/// Somebody else's words, each line marked, so that they are not taken for the reader's own orders.
fn quoted(words: &str, most: usize, id: &str) -> String {
    let cut = words.char_indices().nth(most).map(|(at, _)| at);
    let mut text = String::new();
    for line in words[..cut.unwrap_or(words.len())].lines() {
        _ = writeln!(text, "> {line}");
    }
    if cut.is_some() {
        _ = writeln!(text, "(cut here; sm_result {id} gives all of it)");
    }
    text
}

/// A time in words: `3m 12s`.
fn time(micros: i64) -> String {
    let seconds = micros.max(0) / 1_000_000;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => format!("{:.1}s", micros.max(0) as f64 / 1e6),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let told: Vec<String> =
            [1, 400_000, 59_940_000, 192_000_000, 7_500_000_000].map(time).to_vec();
        assert_eq!(told, ["0.0s", "0.4s", "59.9s", "3m 12s", "2h 5m"]);
    }

    #[test]
    fn words_are_marked_and_cut_between_characters() {
        assert_eq!(quoted("a\nb", 10, "s1"), "> a\n> b\n");
        assert_eq!(quoted("üüü", 2, "s1"), "> üü\n(cut here; sm_result s1 gives all of it)\n");
    }
}
