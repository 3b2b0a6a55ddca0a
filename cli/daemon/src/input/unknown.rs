//! Inputs of which nobody knows whether they reached their thread: looked for in the thread itself.
//!
//! What always holds: an input whose answer was lost, or whose turn was cut off before it was told of, counts as
//! taken only if Codex's own account of the thread has it, by the name that it was sent under, or in what Codex
//! wrote down of a turn; one that is not found there is not sent again by itself, unless nobody would send it
//! again.

use super::{dispatch, queue, rollout};
use crate::daemon::{Daemon, blocking};
use crate::guard::guard;
use crate::problem::Refusal;
use crate::said::is_unknown_method;
use crate::servers::resume;
use serde_json::{Value, json};
use sm_ingest::app_server::Version;
use sm_log::{Direction, ReadError};
use sm_projections::rows::{self, InputStatus, Outcome, Sid, Turn};
use sm_projections::tables::{Inputs, Lost, Sessions, Sources, Turns};
use sm_projections::views::{self, Selection};
use sm_projections::{StoreError, View};
use sm_protocol::Kind;
use sm_protocol::synthetic::{InputChanged, input_of, message_id};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to tell a thread.
const TELLING: Duration = Duration::from_secs(60);

/// The first release whose threads keep the name that a message was sent under.
const NAMING: Version = Version::released(0, 136, 0);

/// Why one stays unknown; the record says that it was looked for besides.
const NOT_THERE: &str = "Codex's answer was lost, and the thread does not have it";

/// Why one that was taken is unknown.
const CUT_OFF: &str = "its turn was cut off before Codex told of the message";

/// Why it stays so.
const CUT_OFF_AND_NOT_THERE: &str =
    "its turn was cut off before Codex told of the message, and the thread does not have it";

/// A session was loaded again: what was lost on the way to it is looked for, then what waits is delivered.
pub(crate) fn resumed(daemon: &Arc<Daemon>, thread: &str) {
    let (daemon, thread) = (Arc::clone(daemon), thread.to_owned());
    tokio::spawn(async move {
        if let Err(error) = find_out(&daemon, &thread).await {
            daemon.say(&format!("lost messages of session {thread} were not looked for: {error}"));
        }
        dispatch::deliver_after(daemon, thread, 0).await;
    });
}

/// A turn ended: what it took and never told of, as it was cut off, is unknown from now on, and looked for.
pub(crate) async fn doubt_last(daemon: &Arc<Daemon>, thread: &str) {
    let _lock = daemon.lock(thread).await;
    if let Err(error) = doubt(daemon, thread).await {
        daemon.say(&format!("what session {thread} took was not looked through: {error}"));
    }
}

/// A session's server ended: what it took and never told of is unknown from now on. In a task of its own.
pub(crate) fn doubt_soon(daemon: &Arc<Daemon>, thread: &str) {
    let (daemon, thread) = (Arc::clone(daemon), thread.to_owned());
    tokio::spawn(async move {
        let _lock = daemon.lock(&thread).await;
        if let Err(error) = doubt_all(&daemon, &thread).await {
            daemon.say(&format!("what session {thread} took was not looked through: {error}"));
        }
    });
}

/// Doubts what is to be doubted, and looks for all that is lost. The caller holds no lock of the session.
async fn find_out(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    let _lock = daemon.lock(thread).await;
    doubt_all(daemon, thread).await?;
    find_out_all(daemon, thread).await.map(drop)
}

/// What the last turn took and never told of is unknown from now on, and looked for: before another turn begins,
/// for of that one nobody asks. The caller holds the session's lock.
pub(crate) async fn doubt(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    let Selection { sid, session } = daemon.session(thread)?;
    let last = daemon.look(|view| match session.last_turn_seq {
        Some(begin) => Ok(view.get::<Turns>(&(sid, begin))?),
        None => Ok::<_, Refusal>(None),
    })?;
    // Most turns end whole: nothing is read of those.
    let may_be = session.open_turn.is_none() && last.as_ref().is_some_and(is_cut_off);
    if may_be && doubt_all(daemon, thread).await? {
        resumed(daemon, thread);
    }
    Ok(())
}

/// All that was sent since a message last began a turn, and was not told of by a turn that was cut off, is unknown
/// from now on: others may have begun without a message since. Whether there was any.
pub(crate) async fn doubt_all(daemon: &Arc<Daemon>, thread: &str) -> Result<bool, Refusal> {
    let unheard = unheard(daemon, thread)?;
    let are_any = !unheard.is_empty();
    for (number, turn) in unheard {
        let reason = Some(CUT_OFF.to_owned());
        let unknown = queue::now_is(number, InputStatus::Unknown);
        let unknown = InputChanged { turn: Some(turn), reason, turn_over: true, ..unknown };
        queue::change(daemon, thread, unknown).await?;
    }
    Ok(are_any)
}

fn is_cut_off(turn: &Turn) -> bool {
    matches!(turn.outcome, Outcome::Interrupted | Outcome::Lost | Outcome::Failed)
}

/// The inputs that were sent since one last began a turn, that no user message of Codex's names, and whose turn
/// did not end whole; with its id.
fn unheard(daemon: &Daemon, thread: &str) -> Result<Vec<(u64, String)>, Refusal> {
    let Selection { sid, session } = daemon.session(thread)?;
    let Some(begin) = session.last_turn_seq else { return Ok(Vec::new()) };
    let source = daemon.look(|view| Ok::<_, Refusal>(view.get::<Sources>(&session.source)?))?;
    // Others do not say which message they tell of.
    let version = source.and_then(|source| Version::find(&source.codex_version?));
    if !version.is_some_and(|version| version.has(NAMING)) {
        return Ok(Vec::new());
    }
    let (mut sent, mut heard) = (BTreeSet::new(), BTreeSet::new());
    let total = daemon.reader.revisions(thread.as_bytes())?;
    let mut records = daemon.reader.session(thread.as_bytes(), total + 1)?;
    let read = |payload: &[u8]| serde_json::from_slice::<Value>(payload).unwrap_or_default();
    loop {
        let (_, record) = match records.next_back() {
            Ok(Some(record)) => record,
            Ok(None) => break,
            // What is no longer there proves nothing.
            Err(ReadError::Gap(_) | ReadError::BelowFloor { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        match (record.direction, Kind(record.kind)) {
            (Direction::Client, kind @ (Kind::TURN_START | Kind::TURN_STEER)) => {
                let call = read(record.payload);
                let name = call.pointer("/params/clientUserMessageId").and_then(Value::as_str);
                sent.extend(name.and_then(input_of));
                if kind == Kind::TURN_START && record.seq <= begin {
                    break;
                }
            }
            (Direction::Server, Kind::ITEM_STARTED | Kind::ITEM_COMPLETED) => {
                let told = read(record.payload);
                let name = told.pointer("/params/item/clientId").and_then(Value::as_str);
                heard.extend(name.and_then(input_of));
            }
            _ => {}
        }
    }
    daemon.look(|view| {
        let mut unheard = Vec::new();
        for number in sent.difference(&heard) {
            let row = view.get::<Inputs>(number)?;
            let row = row.filter(|row| row.status.is_taken() && !row.sought);
            let Some(id) = row.and_then(|row| row.turn) else { continue };
            let Some(turn) = views::turn_number(view, sid, &session, &id)? else { continue };
            if view.get::<Turns>(&(sid, turn))?.is_some_and(|turn| is_cut_off(&turn)) {
                unheard.push((*number, id));
            }
        }
        Ok(unheard)
    })
}

/// Looks for all lost inputs of a session that were not looked for yet. The caller holds its lock. Whether there
/// was one.
pub(crate) async fn find_out_all(daemon: &Arc<Daemon>, thread: &str) -> Result<bool, Refusal> {
    let mut lost = super::listed_in::<Lost>(daemon, thread)?;
    lost.retain(|(number, row)| !(super::has_no_sender(row) && may_still_come(daemon, *number)));
    find_out_each(daemon, thread, &lost).await?;
    Ok(!lost.is_empty())
}

/// Looks for those of them that are lost, and records what is found. The caller holds the session's lock.
pub(super) async fn find_out_each(
    daemon: &Arc<Daemon>,
    thread: &str,
    inputs: &[(u64, rows::Input)],
) -> Result<(), Refusal> {
    if inputs.iter().all(|(_, row)| row.status != InputStatus::Unknown) {
        return Ok(());
    }
    let server = resume::ensure(daemon, thread).await?;
    let params = json!({ "threadId": thread, "includeTurns": true });
    let told = match server.app.call("thread/read", params, TELLING).await {
        Ok(told) => told.result,
        // An old release, which tells of no thread.
        Err(error) if is_unknown_method(&error) => Value::Null,
        Err(error) => return Err(error.into()),
    };
    for (number, row) in inputs {
        if row.status == InputStatus::Unknown {
            find_out_by(daemon, thread, (*number, row), &told, server.codex.version).await?;
        }
    }
    Ok(())
}

/// Looks for one in what Codex told of its thread.
async fn find_out_by(
    daemon: &Arc<Daemon>,
    thread: &str,
    (number, row): (u64, &rows::Input),
    told: &Value,
    version: Version,
) -> Result<(), Refusal> {
    let turns = told.pointer("/thread/turns").and_then(Value::as_array);
    let turns = turns.map(Vec::as_slice).unwrap_or_default();
    let named = daemon.look(|view| named_turns(view, row.session, number))?;
    let found = match carried_by(turns, number) {
        Some((status, turn)) => Found::Taken(status, turn.to_owned()),
        None if told.is_null() => Found::Unsure,
        None => {
            let accepted_at = row.accepted_at.div_euclid(1_000_000);
            let text = queue::accepted(&daemon.reader, number, row).map(|accepted| accepted.text);
            let file = told.pointer("/thread/path").and_then(Value::as_str);
            match (may_hold(turns, accepted_at, &named), text, file) {
                (turns, _, _) if turns.is_empty() => Found::Absent,
                (turns, Ok(text), Some(file)) => {
                    let told = turns.iter().map(|turn| told_in(turn, &text)).collect();
                    let file = PathBuf::from(file);
                    blocking(move || rollout::find(&file, told, &text)).await?
                }
                _ => Found::Unsure,
            }
        }
    };
    let changed = match found {
        Found::Taken(status, turn) => InputChanged {
            turn: Some(turn),
            sought: true,
            turn_over: true,
            ..queue::now_is(number, status)
        },
        // It never came there, and whoever sent it hears of no failure.
        // What nobody else would send again is looked for once more when that server ends.
        Found::Absent if super::has_no_sender(row) && may_still_come(daemon, number) => {
            return Ok(());
        }
        Found::Absent if super::has_no_sender(row) && version.has(NAMING) => {
            let reason = Some("it did not reach the thread: sent again".to_owned());
            InputChanged { reason, ..queue::put_back(daemon, thread, number)? }
        }
        _ if row.sought => return Ok(()),
        Found::Absent | Found::Unsure => {
            let unknown = queue::now_is(number, InputStatus::Unknown);
            let reason = match row.reason.as_deref() {
                Some(CUT_OFF) => CUT_OFF_AND_NOT_THERE,
                _ => NOT_THERE,
            };
            InputChanged { reason: Some(reason.to_owned()), sought: true, ..unknown }
        }
    };
    queue::change(daemon, thread, changed).await
}

/// Whether the server that an input was sent to, and that did not answer, lives: it may still take it, and tells of
/// that.
fn may_still_come(daemon: &Daemon, number: u64) -> bool {
    let mut unanswered = guard(&daemon.unanswered);
    let Some((source, generation)) = unanswered.get(&number) else { return false };
    let server = daemon.pool.by_source(*source, *generation);
    let lives = server.is_some_and(|server| server.app.is_running());
    if !lives {
        unanswered.remove(&number);
    }
    lives
}

/// What a thread tells of an input.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// A turn of that id has it.
    Taken(InputStatus, String),
    /// It never came there.
    Absent,
    /// Codex does not tell enough.
    Unsure,
}

/// The turns that the other inputs of a session are known to have begun: one that is lost, too, is not known to.
fn named_turns(view: &View<'_>, sid: Sid, but: u64) -> Result<BTreeSet<String>, StoreError> {
    let began = began(view, sid)?;
    let mut named = BTreeSet::new();
    // All of them, however many: a turn of one that is left out would be taken for the lost one's.
    view.scan_back::<Inputs>(&[], |number, row| {
        let is_others = row.session == sid && number != but;
        named.extend(row.turn.filter(|_| is_others && row.status == InputStatus::Started));
        number >= began
    })?;
    Ok(named)
}

/// The session's first record: no input of it is older.
fn began(view: &View<'_>, sid: Sid) -> Result<u64, StoreError> {
    Ok(view.get::<Sessions>(&sid)?.and_then(|session| session.first_seq).unwrap_or_default())
}

/// How an input was taken, and by which of the turns that Codex tells of.
fn carried_by(turns: &[Value], number: u64) -> Option<(InputStatus, &str)> {
    let name = message_id(number);
    turns.iter().find_map(|turn| {
        let items = turn.get("items").and_then(Value::as_array).into_iter().flatten();
        let mut messages = items.filter(|item| item["type"] == "userMessage");
        let place = messages.position(|item| item["clientId"].as_str() == Some(&name))?;
        let status = if place == 0 { InputStatus::Started } else { InputStatus::Steered };
        Some((status, turn.get("id").and_then(Value::as_str)?))
    })
}

/// The turns that may hold a message that none of their items names: a server that died may have written it
/// down for the model, and not the item. Those that ran at a moment (Unix seconds) or later and did not end whole;
/// without those that have no item and that another input began.
fn may_hold<'t>(turns: &'t [Value], since: i64, named: &BTreeSet<String>) -> Vec<&'t Value> {
    let began = |turn: &Value| turn.get("startedAt").and_then(Value::as_i64);
    let is_earlier = |turn: &Value| began(turn).is_some_and(|began| began < since);
    // The last that began before may have run on.
    let first = turns.iter().rposition(is_earlier).unwrap_or(0);
    let may_hold = |turn: &&Value| {
        let is_bare = turn["items"].as_array().is_some_and(Vec::is_empty);
        let is_anothers = turn["id"].as_str().is_none_or(|id| named.contains(id));
        match is_bare {
            true => !is_anothers && !is_earlier(turn),
            false => turn["status"] != "completed",
        }
    };
    turns[first..].iter().filter(may_hold).collect()
}

/// What Codex tells of the messages of such a turn.
fn told_in(turn: &Value, text: &str) -> rollout::Told {
    let items = turn["items"].as_array().into_iter().flatten();
    let messages: Vec<_> = items.filter(|item| item["type"] == "userMessage").collect();
    let has_text = |item: &&&Value| {
        item["content"].as_array().into_iter().flatten().any(|part| part["text"] == text)
    };
    rollout::Told {
        turn: turn["id"].as_str().unwrap_or_default().to_owned(),
        messages: messages.len(),
        with_text: messages.iter().filter(has_text).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn as `thread/read` tells it.
    fn turn(id: &str, began: i64, clients: &[Option<&str>]) -> Value {
        let items: Vec<Value> = clients
            .iter()
            .map(|client| json!({ "type": "userMessage", "clientId": client, "content": [] }))
            .collect();
        json!({ "id": id, "items": items, "status": "interrupted", "startedAt": began })
    }

    #[test]
    fn what_begins_a_turn_is_started_and_what_comes_later_was_steered() {
        let turns = [turn("a", 10, &[Some("sm-input-5"), Some("sm-input-7")])];
        assert_eq!(carried_by(&turns, 5), Some((InputStatus::Started, "a")));
        assert_eq!(carried_by(&turns, 7), Some((InputStatus::Steered, "a")));
        assert_eq!(carried_by(&turns, 8), None);
    }

    #[test]
    fn a_turn_that_was_cut_off_may_hold_what_no_item_of_it_names() {
        let mut whole = turn("whole", 20, &[None]);
        whole["status"] = json!("completed");
        let turns = [
            turn("before", 9, &[None]),
            turn("empty", 10, &[]),
            turn("anothers", 20, &[]),
            whole,
            turn("told", 20, &[None]),
            turn("its", 21, &[]),
        ];
        let named = BTreeSet::from(["anothers".to_owned(), "told".to_owned()]);
        let ids = |since| {
            let turns = may_hold(&turns, since, &named);
            turns.iter().map(|turn| turn["id"].as_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(ids(20), ["told", "its"]);
        assert_eq!(ids(10), ["before", "empty", "told", "its"]);
        // It may have been steered into the last.
        assert_eq!(ids(31), [""; 0]);
        let told = told_in(&turn("a", 1, &[Some("sm-input-5"), None]), "one");
        assert_eq!((told.messages, told.with_text), (2, 0));
    }
}
