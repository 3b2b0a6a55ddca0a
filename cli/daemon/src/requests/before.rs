//! An answer that a request got before.
//!
//! What always holds: another answer is compared with what was recorded and sent, and only looked at: so it can
//! be told without a daemon, too. A masked secret is equal to anything, and that is told.

use super::list::{document, whole};
use super::request::{Asked, asked_by, params, verdict_of};
use super::verdict::{self, Verdict};
use crate::api::{Answer, Answered};
use crate::daemon::Daemon;
use crate::input::words::said;
use crate::problem::Refusal;
use crate::records::{self, LookError};
use serde_json::{Value, json};
use sm_ingest::MASK;
use sm_log::{Direction, ReadError, Reader};
use sm_projections::rows::{Outcome, Request, RequestStatus};
use sm_projections::tables::{Requests, Sessions, Sources, Turns};
use sm_projections::views::{self, Selection};
use sm_projections::{StoreError, View};
use sm_protocol::Kind;

/// How an answer stands to the one before.
struct Compared {
    /// Whether it decides the same.
    is_same: bool,
    /// Whether a secret is part of that, which is not kept.
    is_masked: bool,
    /// Whether the words along with it were said then.
    is_said: bool,
}

/// Compares an answer with what is recorded of `row`, request `number`.
fn compared(
    view: &View<'_>,
    log: &Reader,
    (number, row): (u64, &Request),
    verdict: &Verdict,
    say: Option<&str>,
) -> Result<Compared, LookError> {
    let recorded = recorded_result(log, row)?;
    let is_same = match &recorded {
        Some(recorded) => verdict::is_same(recorded, &verdict.result, MASK),
        None => row.decision.as_deref() == Some(&verdict.word),
    };
    let was_said = match (say, row.session) {
        (Some(_), Some(sid)) => said(view, log, sid, number)?,
        _ => None,
    };
    Ok(Compared {
        is_same,
        is_masked: recorded.is_some_and(|recorded| verdict::holds(&recorded, MASK)),
        is_said: say.is_none() || was_said.as_deref() == say,
    })
}

/// What is told of an answer that a request got before, where that is the same; `None`: it got none, or
/// another, or nothing tells. For who has no daemon to ask.
///
/// # Errors
/// Tables or log cannot be read.
pub fn same_before(
    view: &View<'_>,
    log: &Reader,
    number: u64,
    answer: &Answer,
) -> Result<Option<Answered>, LookError> {
    let row = view.get::<Requests>(&number)?;
    let Some(row) = row.filter(|row| row.status == RequestStatus::Answered) else {
        return Ok(None);
    };
    let params = params(log, number)?;
    let asked_by = asked_by(view, &row)?;
    let Ok(verdict) = verdict_of(&row, &params, asked_by, answer) else { return Ok(None) };
    let found = compared(view, log, (number, &row), &verdict, answer.say.as_deref())?;
    if !(found.is_same && found.is_said) {
        return Ok(None);
    }
    let note = unheard(view, &row)?;
    let request = whole(view, log, &views::request_doc(view, number, row)?)?;
    Ok(Some(Answered { request, repeated: true, secret_not_compared: found.is_masked, note }))
}

/// That nothing tells whether Codex heard the answer: the process that asked ended, and the turn was lost with it.
fn unheard(view: &View<'_>, row: &Request) -> Result<Option<String>, StoreError> {
    let Some(sid) = row.session else { return Ok(None) };
    let Some(session) = view.get::<Sessions>(&sid)? else { return Ok(None) };
    let source = view.get::<Sources>(&row.source)?;
    let turn = row.turn.map(|turn| view.get::<Turns>(&(sid, turn))).transpose()?.flatten();
    let lives = source.map(|source| source.generations).unwrap_or_default();
    let has_ended = lives.get(row.generation as usize).is_some_and(|life| life.ended_at.is_some());
    let is_lost = turn.is_some_and(|turn| turn.outcome == Outcome::Lost);
    Ok((has_ended && is_lost).then(|| {
        format!(
            "the Codex process that asked ended, and its turn was lost: nothing tells that it heard the \
             answer; `sm send {} …` goes on",
            session.id
        )
    }))
}

/// What was sent for an answer, with its secrets masked; `None` where its record is not there any more.
fn recorded_result(log: &Reader, row: &Request) -> Result<Option<Value>, ReadError> {
    let Some(seq) = row.end_seq else { return Ok(None) };
    let Some(record) = records::get(log, seq)? else { return Ok(None) };
    let record = record.record();
    if record.direction != Direction::Client || Kind(record.kind) != Kind::RESPONSE {
        return Ok(None);
    }
    let mut message: Value = serde_json::from_slice(record.payload).unwrap_or_default();
    Ok(message.get_mut("result").map(Value::take))
}

/// The request was answered before: the same way, or another.
pub(super) fn repeated(
    daemon: &Daemon,
    asked: &Asked,
    verdict: &Verdict,
    say: Option<&str>,
) -> Result<Answered, Refusal> {
    let id = views::request_id(asked.number);
    let row = (asked.number, &asked.row);
    let found = daemon.look(|view| compared(view, &daemon.reader, row, verdict, say))?;
    let document = document(daemon, &id)?;
    if found.is_same && found.is_said {
        return Ok(Answered {
            request: document,
            repeated: true,
            secret_not_compared: found.is_masked,
            note: daemon.look(|view| unheard(view, &asked.row))?,
        });
    }
    Err(conflict(daemon, asked, found.is_same)?)
}

/// The refusal of another answer to a request that has one; of the same with other words where `is_same`.
pub(super) fn conflict(daemon: &Daemon, asked: &Asked, is_same: bool) -> Result<Refusal, Refusal> {
    let id = views::request_id(asked.number);
    let document = document(daemon, &id)?;
    let text = |name: &str, else_: &'static str| match document[name].as_str() {
        Some(text) => text.to_owned(),
        None => else_.to_owned(),
    };
    let (decided, by) =
        (text("decision", "answered elsewhere"), text("decided_by", "somebody else"));
    let (words, hint) = match (is_same, &asked.session) {
        (true, Some(Selection { session, .. })) => (
            ", without these words: they were not sent",
            format!("`sm send {} …` sends them", session.id),
        ),
        _ => ("", what_is_left(asked)),
    };
    Ok(Refusal::new(
        409,
        "already_answered",
        format!("request {id} was decided: {decided}, by {by}{words}"),
    )
    .hint(hint)
    .details(json!({
        "decision": document["decision"],
        "decided_by": document["decided_by"],
        "decided_by_thread": document["decided_by_thread"],
    })))
}

/// What can still be done about a decision that was made: the turn that it is of may be over.
fn what_is_left(asked: &Asked) -> String {
    let Some(Selection { session, .. }) = &asked.session else {
        return "`sm inbox` lists what waits".to_owned();
    };
    match session.open_turn.as_ref().is_some_and(|open| Some(open.seq) == asked.row.turn) {
        true => format!("`sm interrupt {}` stops what came of it", session.id),
        false => format!("its turn is over; `sm tail {}` shows what came of it", session.id),
    }
}
