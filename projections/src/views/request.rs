//! Requests as documents. A request's id is `r` and the seq of the record that asked.

use super::{time, who};
use crate::rows::{Request, Sid};
use crate::store::{StoreError, View};
use crate::tables::{Pending, Requests, Sessions};
use serde::Serialize;

/// One request.
#[derive(Debug, Clone, Serialize)]
pub struct RequestDoc {
    /// Its permanent id.
    pub id: String,
    /// The record that asked; it holds the request whole.
    pub seq: u64,
    /// The session that asks; null for a request of the server itself.
    pub session_id: Option<String>,
    /// That session's name.
    pub session_name: Option<String>,
    /// `command`, `file_change`, `permissions`, `user_input`, `elicitation`, `tool` or `other`.
    pub kind: &'static str,
    /// Codex's method.
    pub method: String,
    /// One line: the command, the files, the question.
    pub summary: String,
    /// The agent's reason.
    pub reason: Option<String>,
    /// `pending`, `answered`, `cleared` or `orphaned`.
    pub status: &'static str,
    /// What was decided; null while it waits or where nothing tells.
    pub decision: Option<String>,
    /// Who decided: `user`, `sm`, or the short id of a session; null where that was not recorded.
    pub decided_by: Option<String>,
    /// That session's thread.
    pub decided_by_thread: Option<String>,
    /// What was said along with it.
    pub say: Option<String>,
    /// Codex's id of the item that waits.
    pub item_id: Option<String>,
    /// The action that waits.
    pub action_seq: Option<u64>,
    /// The turn that waits.
    pub turn_seq: Option<u64>,
    /// When it was asked.
    pub asked_at: Option<String>,
    /// When it stopped waiting.
    pub ended_at: Option<String>,
    /// The record that ended the wait.
    pub end_seq: Option<u64>,
    /// Whether a human must answer.
    pub asks_human: bool,
    /// When it was asked, in Unix microseconds.
    #[serde(skip)]
    pub asked_micros: i64,
}

/// The id of the request asked by record `seq`.
pub fn request_id(seq: u64) -> String {
    format!("r{seq}")
}

/// The seq in a request's id.
pub fn parse_request_id(id: &str) -> Option<u64> {
    id.strip_prefix('r').unwrap_or(id).parse().ok()
}

/// All requests that wait, oldest first.
pub fn pending_requests(view: &View<'_>) -> Result<Vec<RequestDoc>, StoreError> {
    let mut numbers = Vec::new();
    view.scan::<Pending>(&[], &[], |number, ()| {
        numbers.push(number);
        true
    })?;
    let mut docs = Vec::with_capacity(numbers.len());
    for number in numbers {
        if let Some(request) = view.get::<Requests>(&number)? {
            docs.push(request_doc(view, number, request)?);
        }
    }
    Ok(docs)
}

/// All that a session ever asked, oldest first.
pub fn requests_of(view: &View<'_>, sid: Sid) -> Result<Vec<RequestDoc>, StoreError> {
    let mut rows = Vec::new();
    view.scan::<Requests>(&[], &[], |seq, row| {
        if row.session == Some(sid) {
            rows.push((seq, row));
        }
        true
    })?;
    rows.into_iter().map(|(seq, row)| request_doc(view, seq, row)).collect()
}

/// One request as a document.
pub fn request_doc(view: &View<'_>, seq: u64, row: Request) -> Result<RequestDoc, StoreError> {
    let session = match row.session {
        Some(sid) => view.get::<Sessions>(&sid)?,
        None => None,
    };
    let (session_id, session_name) =
        session.map_or((None, None), |session| (Some(session.id), session.name));
    let (decided_by, decided_by_thread) = who(view, row.decided_by)?;
    Ok(RequestDoc {
        id: request_id(seq),
        seq,
        session_id,
        session_name,
        kind: row.class.as_str(),
        method: row.method,
        summary: row.summary,
        reason: row.reason,
        status: row.status.as_str(),
        decision: row.decision,
        decided_by,
        decided_by_thread,
        say: row.say,
        item_id: row.item_id,
        action_seq: row.action,
        turn_seq: row.turn,
        asked_at: time(row.asked_at),
        ended_at: row.ended_at.and_then(time),
        end_seq: row.end_seq,
        asks_human: row.class.asks_human(),
        asked_micros: row.asked_at,
    })
}
