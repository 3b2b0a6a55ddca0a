//! Inputs whose answer was lost: looked for in the thread itself.
//!
//! What always holds: an input counts as taken only if Codex's own account of the thread has it, by the
//! name that it was sent under, or in a turn that nothing else can have begun; one that is not found there
//! is not sent again by itself, unless nobody would send it again.

use super::delivery::message_id;
use super::queue;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::servers::resume;
use serde_json::{Value, json};
use sm_ingest::app_server::Version;
use sm_projections::rows::{self, InputStatus, Sid};
use sm_projections::tables::{Inputs, Sessions};
use sm_projections::views;
use sm_projections::{StoreError, View};
use sm_protocol::synthetic::InputChanged;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to tell a thread.
const TELLING: Duration = Duration::from_secs(60);

/// How far back lost inputs of a session are looked for whenever it is loaded, in inputs of all sessions.
const INPUTS_MAX: usize = 20_000;

/// The first release whose threads keep the name that a message was sent under.
const NAMING: &str = "0.142.0";

/// Why one stays unknown; the record says that it was looked for besides.
const NOT_THERE: &str = "Codex's answer was lost, and the thread does not have it";

/// A session was loaded again: what was lost on the way to it is looked for, then what waits is delivered.
pub(crate) fn resumed(daemon: &Arc<Daemon>, thread: &str) {
    let (daemon, thread) = (Arc::clone(daemon), thread.to_owned());
    tokio::spawn(async move {
        if let Err(error) = find_out(&daemon, &thread).await {
            daemon.say(&format!("lost messages of session {thread} were not looked for: {error}"));
        }
        queue::deliver_after(daemon, thread, 0).await;
    });
}

/// Looks for all lost inputs of a session that were not looked for yet. The caller holds no lock of it.
async fn find_out(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    // Most sessions have none.
    if lost(daemon, thread)?.is_empty() {
        return Ok(());
    }
    let _lock = daemon.lock(thread).await;
    find_out_all(daemon, thread).await.map(drop)
}

/// The same for whoever holds the session's lock. Whether there was one.
pub(super) async fn find_out_all(daemon: &Arc<Daemon>, thread: &str) -> Result<bool, Refusal> {
    let lost = lost(daemon, thread)?;
    for (number, row) in &lost {
        find_out_one(daemon, thread, *number, row).await?;
    }
    Ok(!lost.is_empty())
}

fn lost(daemon: &Daemon, thread: &str) -> Result<Vec<(u64, rows::Input)>, Refusal> {
    daemon.look(|view| {
        let sid = super::session_sid(view, thread)?;
        let began = began(view, sid)?;
        let (mut lost, mut seen) = (Vec::new(), 0);
        view.scan_back::<Inputs>(&[], |number, row| {
            seen += 1;
            let is_lost = row.session == sid && row.status == InputStatus::Unknown;
            if is_lost && !row.sought {
                lost.push((number, row));
            }
            number >= began && seen < INPUTS_MAX
        })?;
        Ok(lost)
    })
}

/// Looks for one, and records what is found. The caller holds the session's lock.
pub(super) async fn find_out_one(
    daemon: &Arc<Daemon>,
    thread: &str,
    number: u64,
    row: &rows::Input,
) -> Result<(), Refusal> {
    if row.status != InputStatus::Unknown {
        return Ok(());
    }
    let server = resume::ensure(daemon, thread).await?;
    let params = json!({ "threadId": thread, "includeTurns": true });
    let told = server.app.call("thread/read", params, TELLING).await?;
    let turns = told.result.pointer("/thread/turns").and_then(Value::as_array);
    let turns = turns.map(Vec::as_slice).unwrap_or_default();
    let accepted_at = row.accepted_at.div_euclid(1_000_000);
    let session = daemon.session(thread)?.session;
    let named = daemon.look(|view| named_turns(view, row.session))?;
    let is_known = |turn: &str| {
        named.contains(turn)
            || daemon
                .look(|view| views::turn_number(view, row.session, &session, turn))
                .is_ok_and(|known| known.is_some())
    };
    match taken_by(turns, number, accepted_at, is_known) {
        Some((status, turn)) => {
            let turn = Some(turn.to_owned());
            let found = InputChanged { turn, ..queue::now_is(number, status) };
            queue::change(daemon, thread, found).await
        }
        // It never came there, and whoever sent it hears of no failure.
        None if super::has_no_sender(row) && keeps_names(server.codex.version) => {
            let reason = Some("it did not reach the thread: sent again".to_owned());
            let queued = queue::now_is(number, InputStatus::Queued);
            queue::change(daemon, thread, InputChanged { reason, ..queued }).await
        }
        None if row.sought => Ok(()),
        None => {
            let unknown = queue::now_is(number, InputStatus::Unknown);
            let reason = Some(NOT_THERE.to_owned());
            queue::change(daemon, thread, InputChanged { reason, sought: true, ..unknown }).await
        }
    }
}

/// Whether a message that came to a thread of that release would be found there.
fn keeps_names(version: Version) -> bool {
    Version::find(NAMING).is_some_and(|first| version >= first)
}

/// The turns that the inputs of a session are known to have begun or gone into.
fn named_turns(view: &View<'_>, sid: Sid) -> Result<BTreeSet<String>, StoreError> {
    let began = began(view, sid)?;
    let mut named = BTreeSet::new();
    // All of them, however many: a turn of one that is left out would be taken for the lost one's.
    view.scan_back::<Inputs>(&[], |number, row| {
        named.extend(row.turn.filter(|_| row.session == sid));
        number >= began
    })?;
    Ok(named)
}

/// The session's first record: no input of it is older.
fn began(view: &View<'_>, sid: Sid) -> Result<u64, StoreError> {
    Ok(view.get::<Sessions>(&sid)?.and_then(|session| session.first_seq).unwrap_or_default())
}

/// How an input was taken, and by which of the turns that Codex tells of.
///
/// A server that dies as a turn begins may have written down the turn, and the message for the model, but
/// not yet the item that names the message. Such a turn has no item, and the log does not know it: it is
/// the input's, for whoever sends holds the session, and nobody else begins its turns.
fn taken_by<'t>(
    turns: &'t [Value],
    number: u64,
    accepted_at: i64,
    is_known: impl Fn(&str) -> bool,
) -> Option<(InputStatus, &'t str)> {
    let name = message_id(number);
    let messages = |turn: &'t Value| {
        let items = turn.get("items").and_then(Value::as_array).into_iter().flatten();
        let is_message = |item: &&Value| item["type"] == "userMessage";
        items.filter(is_message).map(|item| item.get("clientId").and_then(Value::as_str))
    };
    let id = |turn: &'t Value| turn.get("id").and_then(Value::as_str);
    let carries = turns.iter().find_map(|turn| {
        let place = messages(turn).position(|client| client == Some(&name))?;
        let status = if place == 0 { InputStatus::Started } else { InputStatus::Steered };
        Some((status, id(turn)?))
    });
    carries.or_else(|| {
        let is_its = |turn: &&'t Value| {
            let began = turn.get("startedAt").and_then(Value::as_i64);
            turn["items"].as_array().is_some_and(Vec::is_empty)
                && began.is_some_and(|began| began >= accepted_at)
                && id(turn).is_some_and(|id| !is_known(id))
        };
        Some((InputStatus::Started, id(turns.iter().find(is_its)?)?))
    })
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
        let known = |_: &str| true;
        assert_eq!(taken_by(&turns, 5, 9, known), Some((InputStatus::Started, "a")));
        assert_eq!(taken_by(&turns, 7, 9, known), Some((InputStatus::Steered, "a")));
        assert_eq!(taken_by(&turns, 8, 9, known), None);
    }

    #[test]
    fn a_turn_that_nobody_knows_and_that_has_no_message_is_the_lost_ones() {
        let turns = [
            turn("before", 10, &[]),
            turn("known", 20, &[]),
            turn("others", 20, &[None]),
            turn("its", 21, &[]),
            turn("later", 30, &[]),
        ];
        let known = |id: &str| id == "known";
        assert_eq!(taken_by(&turns, 5, 20, known), Some((InputStatus::Started, "its")));
        assert_eq!(taken_by(&turns, 5, 31, known), None);
    }
}
