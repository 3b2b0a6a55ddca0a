//! Turns as documents.

use super::{PhaseDoc, TimeIn, TokensDoc, millis, phases, time, time_in};
use crate::rows::{Session, Sid, Turn};
use crate::store::{StoreError, View};
use crate::table::{Key, turn_key};
use crate::tables::{TurnIds, Turns};
use serde::Serialize;

/// One turn.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TurnDoc {
    /// Which turn of its session, from 1.
    pub number: u32,
    /// Codex's id.
    pub turn_id: String,
    /// The turn's first record.
    pub seq: u64,
    /// The record that ended it.
    pub end_seq: Option<u64>,
    /// Its input's first line.
    pub prompt: Option<String>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<i64>,
    /// `completed`, `interrupted`, `failed`, `lost`; null while it is open.
    pub outcome: Option<&'static str>,
    /// Why it failed or was lost.
    pub error: Option<String>,
    /// Errors that Codex retried by itself.
    pub retries: u32,
    /// The model.
    pub model: Option<String>,
    /// Commands.
    pub commands: u32,
    /// File changes.
    pub file_changes: u32,
    /// Tool calls.
    pub tool_calls: u32,
    /// Messages of the agent.
    pub messages: u32,
    /// Requests to the client.
    pub requests: u32,
    /// Tokens spent in it: what the thread's totals rose by, and the calls since they were rewound.
    pub tokens: Option<TokensDoc>,
    /// How long it was in each phase.
    pub time_in: Vec<TimeIn>,
    /// Its phases, oldest first.
    pub phases: Vec<PhaseDoc>,
    /// The record of its last plan.
    pub plan_seq: Option<u64>,
    /// The record of its last diff.
    pub diff_seq: Option<u64>,
    /// The record that completed its last agent message.
    pub message_seq: Option<u64>,
    /// The record that took it out of its session's history (a rollback); what it did to files stays.
    pub dropped_seq: Option<u64>,
    /// When it began, in Unix microseconds.
    #[serde(skip)]
    pub started_micros: i64,
    /// When it ended, in Unix microseconds.
    #[serde(skip)]
    pub ended_micros: Option<i64>,
}

/// The number of the turn that the newest server of a session calls `id`, if it was ever told of.
pub fn turn_number(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
    id: &str,
) -> Result<Option<u64>, StoreError> {
    let key = (sid, turn_key(id, session.source, session.generation));
    let Some(number) = view.get::<TurnIds>(&key)? else { return Ok(None) };
    let turn = view.get::<Turns>(&(sid, number))?;
    let is_older = turn.is_some_and(|turn| session.has_renumbered(id, turn.end_seq));
    Ok((!is_older).then_some(number))
}

/// The newest `last` turns of a session that `keep` wants, oldest first. Phases are looked up for these
/// alone.
pub fn turns(
    view: &View<'_>,
    sid: Sid,
    last: usize,
    mut keep: impl FnMut(&Turn) -> bool,
) -> Result<Vec<TurnDoc>, StoreError> {
    let mut rows = Vec::new();
    if last > 0 {
        view.scan_back::<Turns>(&sid.to_bytes(), |(_, seq), turn| {
            if keep(&turn) {
                rows.push((seq, turn));
            }
            rows.len() < last
        })?;
    }
    rows.into_iter().rev().map(|(seq, turn)| turn_doc(view, sid, seq, turn)).collect()
}

/// The newest turn of a session's history.
pub fn last_turn(view: &View<'_>, sid: Sid, session: &Session) -> Result<Option<Turn>, StoreError> {
    let Some(newest) = session.last_turn_seq else { return Ok(None) };
    let newest = view.get::<Turns>(&(sid, newest))?;
    if newest.as_ref().is_none_or(|turn| turn.dropped_seq.is_none()) {
        return Ok(newest);
    }
    let mut kept = None;
    view.scan_back::<Turns>(&sid.to_bytes(), |_, turn| {
        kept = Some(turn).filter(|turn| turn.dropped_seq.is_none());
        kept.is_none()
    })?;
    Ok(kept)
}

/// One turn as a document.
pub fn turn_doc(view: &View<'_>, sid: Sid, seq: u64, turn: Turn) -> Result<TurnDoc, StoreError> {
    let phases = phases(view, sid, seq, &turn)?;
    Ok(TurnDoc {
        number: turn.number,
        turn_id: turn.id,
        seq,
        end_seq: turn.end_seq,
        prompt: turn.prompt,
        started_at: time(turn.started_at),
        ended_at: turn.ended_at.and_then(time),
        duration_ms: turn.ended_at.map(|ended| millis(turn.started_at, ended)),
        outcome: turn.outcome.as_str(),
        error: turn.error,
        retries: turn.retries,
        model: turn.model,
        commands: turn.commands,
        file_changes: turn.file_changes,
        tool_calls: turn.tool_calls,
        messages: turn.messages,
        requests: turn.requests,
        tokens: turn.spent.map(TokensDoc::from),
        plan_seq: turn.plan_seq,
        diff_seq: turn.diff_seq,
        message_seq: turn.message_seq,
        dropped_seq: turn.dropped_seq,
        started_micros: turn.started_at,
        ended_micros: turn.ended_at,
        time_in: time_in(&phases),
        phases,
    })
}
