//! What is needed to decide a request, beside its own row.
//!
//! What always holds: `shown` is another as soon as anything that was shown is.

use super::details::{Details, read};
use super::subject::{session_of, subject};
use crate::family;
use crate::records::LookError;
use crate::requests::real::real;
use serde::Serialize;
use serde_json::json;
use sm_log::Reader;
use sm_projections::rows::{ActivityState, Session, Sid};
use sm_projections::views::RequestDoc;
use sm_projections::{StoreError, View};
use sm_rules::Risk;

/// What is needed to decide a request, beside its own row.
#[derive(Debug, Clone, Serialize)]
pub struct Weighed {
    /// What it asks.
    pub details: Details,
    /// How risky that looks; null for what is no act.
    pub risk: Option<Risk>,
    /// The sessions above the one that asks that are in a turn: their work waits too.
    pub holds_up: Vec<HeldUp>,
    /// What was shown, in short: an answer that names it is refused once it no longer holds.
    pub shown: String,
}

/// A session that is held up.
#[derive(Debug, Clone, Serialize)]
pub struct HeldUp {
    /// Its short id.
    pub session_id: String,
    /// Its name.
    pub session_name: Option<String>,
    /// Its state.
    pub activity_state: &'static str,
}

/// Reads what `request` asks, and weighs it.
pub fn weigh(view: &View<'_>, log: &Reader, request: &RequestDoc) -> Result<Weighed, LookError> {
    let (params, details) = read(log, request)?;
    let (session, sid) = session_of(view, request)?;
    let subject = subject(request, &params, &details, session.as_ref());
    let shown =
        serde_json::to_vec(&json!([request.seq, request.status, request.decision, details]));
    let hash = blake3::hash(&shown.unwrap_or_default());
    Ok(Weighed {
        risk: sm_rules::risk(&subject, &real),
        holds_up: held_up(view, sid)?,
        shown: hash.to_hex()[..16].to_owned(),
        details,
    })
}

/// The sessions above one that are in a turn, the nearest first.
fn held_up(view: &View<'_>, sid: Option<Sid>) -> Result<Vec<HeldUp>, StoreError> {
    let above = sid.map_or(Ok(Vec::new()), |sid| family::above(view, sid))?;
    let is_held_up =
        |session: &Session| session.open_turn.is_some() && session.state != ActivityState::Stopped;
    let held_up = above.into_iter().filter(|(_, session)| is_held_up(session));
    Ok(held_up
        .map(|(_, session)| HeldUp {
            session_id: session.id,
            session_name: session.name,
            activity_state: session.state.as_str(),
        })
        .collect())
}
