//! Parents are told of their children: woken when one settles, waits for a human, or dies.
//!
//! What always holds: what a parent is told of is recorded with the message that tells it, so it is told
//! once, whatever dies in between. Only a session that is idle is woken, and none that was interrupted:
//! that one hears of it when its next turn ends.

use crate::api::Input;
use crate::daemon::{Caller, Daemon};
use crate::problem::Refusal;
use crate::{input, messages};
use sm_projections::rows::{Outcome, Session, Sid};
use sm_projections::tables::{Sessions, Threads};
use sm_projections::views::{self, NewsDoc, Standing, TurnChange};
use sm_protocol::synthetic::{News, ParentTold, Synthetic};
use std::fmt::Write;
use std::sync::Arc;

/// The last words of all children together, in characters; of one at least and at most.
const WORDS_ALL: usize = 24_000;
const WORDS_LEAST: usize = 400;
const WORDS_MOST: usize = 4_000;

/// How many files of a child are named.
const FILES_MAX: usize = 12;

/// The sender of what nobody sent.
pub(crate) const SENDER: &str = "sm";

/// Something happened in a session: it, and whoever is above it, may have something to hear. In a task
/// of its own.
pub(crate) fn look_soon(daemon: &Arc<Daemon>, thread: &str) {
    tokio::spawn(look(Arc::clone(daemon), thread.to_owned()));
}

/// The same, to its end: the nearest first, for a session that is woken has not settled.
pub(crate) async fn look(daemon: Arc<Daemon>, thread: String) {
    let above = match daemon.caught_up().await.and_then(|()| lineage(&daemon, &thread)) {
        Ok(above) => above,
        Err(error) => return daemon.say(&format!("no parent of {thread} was woken: {error}")),
    };
    for thread in above {
        if let Err(error) = wake(&daemon, &thread).await {
            daemon.say(&format!("session {thread} was not told of its children: {error}"));
        }
    }
}

/// The threads of a session and those above it, the nearest first.
fn lineage(daemon: &Daemon, thread: &str) -> Result<Vec<String>, Refusal> {
    let Some(sid) = daemon.look(|view| view.get::<Threads>(&thread.to_owned()))? else {
        return Ok(Vec::new());
    };
    let mut threads = vec![thread.to_owned()];
    for above in daemon.ancestors(sid)? {
        let session = daemon.look(|view| view.get::<Sessions>(&above))?;
        threads.extend(session.map(|session| session.thread_id));
    }
    Ok(threads)
}

/// Tells a session what is new of its children, if it is free to hear it.
async fn wake(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    // Most sessions have no children, or none with news.
    let sid = daemon.session(thread)?.sid;
    if daemon.is_stopping() || unheard(daemon, sid)?.is_empty() {
        return Ok(());
    }
    let _lock = daemon.lock(thread).await;
    daemon.caught_up().await?;
    let parent = daemon.session(thread)?.session;
    if !is_free(daemon, &parent) {
        return Ok(());
    }
    let news = unheard(daemon, sid)?;
    if news.is_empty() {
        return Ok(());
    }
    let told = news.iter().map(record).collect();
    let message = Input { text: words(daemon, &news)?, ..Input::default() };
    input::take_news(daemon, &parent, &message, told).await.map(drop)
}

/// Whether a message would begin a turn that nobody would mind.
fn is_free(daemon: &Daemon, parent: &Session) -> bool {
    views::can_hear(parent)
        && parent.unresumable.is_none()
        && parent.open_turn.is_none()
        && parent.pending.is_empty()
        && parent.queued == 0
        && parent.first_seq.is_some()
        && daemon.codex_home_of(parent).is_ok()
}

fn unheard(daemon: &Daemon, parent: Sid) -> Result<Vec<NewsDoc>, Refusal> {
    let answered = |number| daemon.rules.is_judged(number);
    daemon.look(|view| Ok(views::news(view, parent, &answered)?))
}

/// What of its children a caller is told of by an answer that says how they stand: noted once it has the
/// answer.
pub(crate) fn heard(
    daemon: &Daemon,
    caller: Sid,
    threads: &[String],
) -> Result<Vec<News>, Refusal> {
    let news = unheard(daemon, caller)?;
    Ok(news.iter().map(record).filter(|one| threads.contains(&one.thread)).collect())
}

/// What is recorded of news that are told.
fn record(one: &NewsDoc) -> News {
    News { thread: one.session.thread_id.clone(), seq: one.seq }
}

/// Notes what a caller was told of.
pub(crate) fn note(daemon: &Daemon, thread: &str, news: Vec<News>) {
    if news.is_empty() {
        return;
    }
    if let Err(error) = daemon.note(thread, &Synthetic::ParentTold(ParentTold { news })) {
        daemon.say(&format!("what session {thread} was told is not recorded: {error}"));
    }
}

/// An agent that is no sandboxed one has looked for itself, up to record `seq`.
pub(crate) async fn looked(
    daemon: &Daemon,
    word: &str,
    seq: u64,
    by: Option<&str>,
) -> Result<(), Refusal> {
    daemon.caught_up().await?;
    let child = daemon.find(word, by)?;
    let Caller::Agent(agent) = daemon.caller(by)? else { return Ok(()) };
    let mut news = heard(daemon, agent.sid, std::slice::from_ref(&child.session.thread_id))?;
    news.retain(|one| one.seq <= seq);
    note(daemon, &agent.session.thread_id, news);
    Ok(())
}

/// The news as the parent reads it.
fn words(daemon: &Daemon, news: &[NewsDoc]) -> Result<String, Refusal> {
    let most = (WORDS_ALL / news.len()).clamp(WORDS_LEAST, WORDS_MOST);
    let mut text = match news {
        [_] => "[sm] News of a child of yours:\n".to_owned(),
        _ => format!("[sm] News of {} children of yours:\n", news.len()),
    };
    for one in news {
        let upshot = messages::upshot(daemon, one.sid, &one.session)?;
        text.push('\n');
        text.push_str(&head(one, upshot.error.as_deref().unwrap_or_default()));
        if let Some(last) = upshot.words.filter(|_| one.standing == Standing::Settled) {
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
        let messages = count(one.held as usize, "message");
        _ = writeln!(
            text,
            "Its queue is held, {messages} in it: sm queue release {} is the user's to say.",
            session.id
        );
    }
    for (number, line) in &one.requests {
        _ = writeln!(text, "It asks ({}): {line}", views::request_id(*number));
    }
    let mut deeds = vec![count(one.turns.len(), "turn") + &other_ends(&one.turns)];
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
        deeds.push(count(one.commands as usize, "command") + &failed);
    }
    if one.commands_stopped > 0 {
        deeds.push(count(one.commands_stopped as usize, "command") + " declined or cut off");
    }
    _ = writeln!(text, "It did: {}.", deeds.join(", "));
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

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
