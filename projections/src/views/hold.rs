//! What is still needed of the log: the records that something open refers to.

use crate::rows::{Session, Sid, SourceKind};
use crate::store::{StoreError, View};
use crate::tables::{Pending, Queue, Reminders, Requests, Sessions, Sources, Trims};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Something open, and the oldest record that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The record.
    pub seq: u64,
    /// `turn`, `request`, `input` or `reminder`.
    pub kind: String,
    /// The session's short id; null for a request of a server itself.
    pub session_id: Option<String>,
    /// It stands open at the end of a transcript that was read to its end: nothing will close it.
    pub imported: bool,
    /// The session's number.
    #[serde(skip)]
    pub sid: Option<Sid>,
}

/// All that is open: turns, requests that wait, inputs that were not delivered, reminders; the oldest first.
pub fn holds(view: &View<'_>) -> Result<Vec<Hold>, StoreError> {
    let mut found: Vec<(u64, &'static str, Option<Sid>)> = Vec::new();
    view.scan::<Sessions>(&[], &[], |sid, session| {
        let items = session.open_items.iter().map(|item| item.seq);
        let turn = session.open_turn.as_ref().map(|turn| turn.seq);
        found.extend(items.chain(turn).min().map(|seq| (seq, "turn", Some(sid))));
        true
    })?;
    let mut requests = Vec::new();
    view.scan::<Pending>(&[], &[], |seq, ()| {
        requests.push(seq);
        true
    })?;
    for seq in requests {
        let session = view.get::<Requests>(&seq)?.and_then(|request| request.session);
        found.push((seq, "request", session));
    }
    view.scan::<Queue>(&[], &[], |(sid, seq), ()| {
        found.push((seq, "input", Some(sid)));
        true
    })?;
    // Its words stand in its record.
    view.scan::<Reminders>(&[], &[], |seq, reminder| {
        found.push((seq, "reminder", Some(reminder.session)));
        true
    })?;
    found.sort_unstable();
    let mut over = HashMap::new();
    let mut holds = Vec::with_capacity(found.len());
    for (seq, kind, sid) in found {
        let session = match sid {
            Some(sid) => view.get::<Sessions>(&sid)?,
            None => None,
        };
        holds.push(Hold {
            seq,
            kind: kind.to_owned(),
            imported: match &session {
                Some(session) => is_over(view, session, &mut over)?,
                None => false,
            },
            session_id: session.map(|session| session.id),
            sid,
        });
    }
    Ok(holds)
}

/// Whether the session's source is a transcript that was read to its end.
fn is_over(
    view: &View<'_>,
    session: &Session,
    known: &mut HashMap<u64, bool>,
) -> Result<bool, StoreError> {
    if let Some(over) = known.get(&session.source) {
        return Ok(*over);
    }
    let source = view.get::<Sources>(&session.source)?;
    let over = source.is_some_and(|source| source.kind == SourceKind::Import && source.closed);
    known.insert(session.source, over);
    Ok(over)
}

/// The floor that the newest trim's record tells of; `None` where nothing was ever trimmed.
pub fn newest_floor(view: &View<'_>) -> Result<Option<u64>, StoreError> {
    let mut floor = None;
    view.scan_back::<Trims>(&[], |_, trim| {
        floor = Some(trim.floor);
        false
    })?;
    Ok(floor)
}
