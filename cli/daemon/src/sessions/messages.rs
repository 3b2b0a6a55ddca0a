//! The words of a session, whole, from the records that hold them.

use crate::daemon::{Daemon, to_value};
use crate::problem::Refusal;
use crate::records;
use serde_json::{Value, json};
use sm_projections::rows::{ActionKind, Session, Sid};
use sm_projections::views;

/// A session's last message, its first line where its record is gone; `None` where there is none.
pub(crate) fn last(daemon: &Daemon, session: &Session) -> Result<Option<String>, Refusal> {
    match session.last_message_seq {
        Some(seq) => said(daemon, session, seq),
        None => Ok(None),
    }
}

/// The message that record `seq` completed, its first line where the record is gone.
fn said(daemon: &Daemon, session: &Session, seq: u64) -> Result<Option<String>, Refusal> {
    match text(daemon, seq)? {
        Some(text) => Ok(Some(text)),
        None => Ok(daemon.look(|view| views::line_ended_by(view, &session.thread_id, seq))?),
    }
}

/// What a session's last turn came to: its last message, and why it ended as it did; `None` where there
/// is none. What an older turn said or suffered is no result of it.
pub(crate) struct Upshot {
    pub words: Option<String>,
    pub error: Option<String>,
}

/// What the last turn of `session` came to.
pub(crate) fn upshot(daemon: &Daemon, sid: Sid, session: &Session) -> Result<Upshot, Refusal> {
    let turn = daemon.look(|view| views::last_turn(view, sid, session))?.unwrap_or_default();
    let words = match turn.message_seq {
        Some(seq) => said(daemon, session, seq)?,
        None => None,
    };
    Ok(Upshot { words, error: turn.error.or(session.retrying.clone()) })
}

/// The newest `limit` messages of a session, the user's and the agent's, oldest first.
pub(crate) fn list(daemon: &Daemon, sid: Sid, limit: usize) -> Result<Vec<Value>, Refusal> {
    let actions = daemon.look(|view| {
        views::actions(view, sid, limit, |action| {
            matches!(action.kind, ActionKind::Message | ActionKind::UserMessage)
        })
    })?;
    let messages = actions.iter().map(|action| {
        let action_value = to_value(action);
        let whole = text(daemon, action.end_seq.unwrap_or(action.seq))?;
        Ok(json!({
            "seq": action.seq,
            "end_seq": action.end_seq,
            "turn_seq": action.turn_seq,
            "item_id": action.item_id,
            "role": if action.kind == "message" { "agent" } else { "user" },
            "status": action.status,
            "at": action_value["ended_at"].as_str().or(action_value["started_at"].as_str()),
            "text_trimmed": whole.is_none(),
            "text": whole.unwrap_or_else(|| action.summary.clone()),
        }))
    });
    messages.collect()
}

/// The text of the item that record `seq` tells of.
fn text(daemon: &Daemon, seq: u64) -> Result<Option<String>, Refusal> {
    let Some(message) = records::message(&daemon.reader, seq)? else { return Ok(None) };
    let Some(item) = message.pointer("/params/item") else { return Ok(None) };
    if let Some(text) = item.get("text").and_then(Value::as_str) {
        return Ok(Some(text.to_owned()));
    }
    let parts = item.get("content").and_then(Value::as_array);
    let texts = parts.into_iter().flatten();
    let texts: Vec<&str> = texts.filter_map(|part| part.get("text")?.as_str()).collect();
    Ok((!texts.is_empty()).then(|| texts.join("\n")))
}
