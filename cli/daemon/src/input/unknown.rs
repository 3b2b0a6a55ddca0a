//! Inputs whose answer was lost: looked for in the thread itself.
//!
//! What always holds: an input counts as taken only if Codex's own account of the thread has it, by the
//! name that it was sent under; one that is not found there is not sent again by itself.

use super::delivery::message_id;
use super::queue;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::resume;
use serde_json::{Value, json};
use sm_projections::rows::{self, InputStatus};
use sm_projections::tables::Inputs;
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to tell a thread.
const TELLING: Duration = Duration::from_secs(60);

/// How far back lost inputs of a session are looked for, in inputs of all sessions.
const INPUTS_MAX: usize = 1000;

/// Why one stays unknown.
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
    for (number, row) in lost(daemon, thread)? {
        find_out_one(daemon, thread, number, &row).await?;
    }
    Ok(())
}

fn lost(daemon: &Daemon, thread: &str) -> Result<Vec<(u64, rows::Input)>, Refusal> {
    daemon.look(|view| {
        let sid = super::session_sid(view, thread)?;
        let (mut lost, mut seen) = (Vec::new(), 0);
        view.scan_back::<Inputs>(&[], |number, row| {
            seen += 1;
            let is_lost = row.session == sid && row.status == InputStatus::Unknown;
            if is_lost && row.reason.as_deref() != Some(NOT_THERE) {
                lost.push((number, row));
            }
            seen < INPUTS_MAX
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
    match turns.into_iter().flatten().find(|turn| has_input(turn, number)) {
        Some(turn) => {
            let turn = turn.get("id").and_then(Value::as_str);
            queue::change(daemon, thread, number, InputStatus::Started, turn, None).await
        }
        None if row.reason.as_deref() == Some(NOT_THERE) => Ok(()),
        None => {
            let reason = Some(NOT_THERE.to_owned());
            queue::change(daemon, thread, number, InputStatus::Unknown, None, reason).await
        }
    }
}

/// Whether a turn, as Codex tells it, began with the input or took it in.
fn has_input(turn: &Value, number: u64) -> bool {
    let id = message_id(number);
    let items = turn.get("items").and_then(Value::as_array);
    items.into_iter().flatten().any(|item| {
        item.get("type").and_then(Value::as_str) == Some("userMessage")
            && item.get("clientId").and_then(Value::as_str) == Some(&id)
    })
}
