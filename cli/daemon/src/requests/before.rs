//! An answer that a request got before.
//!
//! What always holds: another answer is compared with what was recorded and sent, and only looked at: so it can
//! be told without a daemon, too. A masked secret is equal to anything, and that is told.

use super::method::Method;
use super::verdict::{self, Verdict};
use super::{asked_by, decision, whole};
use crate::api::{Answer, Answered};
use crate::input::words::said;
use crate::records::{self, LookError};
use serde_json::Value;
use sm_ingest::MASK;
use sm_log::{Direction, ReadError, Reader};
use sm_projections::rows::{Outcome, Request, RequestStatus};
use sm_projections::tables::{Requests, Sessions, Sources, Turns};
use sm_projections::{StoreError, View, views};
use sm_protocol::Kind;

/// How an answer stands to the one before.
pub(super) struct Compared {
    /// Whether it decides the same.
    pub is_same: bool,
    /// Whether a secret is part of that, which is not kept.
    pub is_masked: bool,
    /// Whether the words along with it were said then.
    pub is_said: bool,
}

/// Compares an answer with what is recorded of `row`, request `number`.
pub(super) fn compared(
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
    let params = records::params(log, number)?.unwrap_or_default();
    let method = Method::of(&row.method);
    let Ok(verdict) = decision::verdict(method, &params, answer) else { return Ok(None) };
    let verdict = verdict::fit(verdict, method, asked_by(view, &row)?);
    let found = compared(view, log, (number, &row), &verdict, answer.say.as_deref())?;
    if !(found.is_same && found.is_said) {
        return Ok(None);
    }
    let note = unheard(view, &row)?;
    let request = whole(view, log, &views::request_doc(view, number, row)?)?;
    Ok(Some(Answered { request, repeated: true, secret_not_compared: found.is_masked, note }))
}

/// That nothing tells whether Codex heard the answer: the process that asked ended, and the turn was lost with it.
pub(super) fn unheard(view: &View<'_>, row: &Request) -> Result<Option<String>, StoreError> {
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
