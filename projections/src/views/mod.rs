//! The questions that can be asked, and the documents that answer them.
//!
//! What always holds: a document is made of one [`View`], so all of it is of one moment; unknown
//! values are null and never missing; fields are only ever added. What needs a clock or a look at a
//! process is left to whoever shows it ([`SessionDoc::live`], how long a state has lasted).

mod action;
mod change;
mod hold;
mod input;
mod news;
mod phase;
mod request;
mod select;
mod session;
mod standing;
mod turn;

pub use action::{ActionDoc, ApprovalDoc, FileDoc, action_doc, actions, line_ended_by};
pub use change::{ChangeDoc, FromTo, TurnChange, changes};
pub use hold::{Hold, holds, newest_floor};
pub use input::{
    InputDoc, REMINDER_KEY, ReminderDoc, Undelivered, input_doc, input_id, input_reason,
    parse_input_id, parse_reminder_id, queue, reminder_doc, reminder_id, reminders, undelivered,
    waiting,
};
pub use news::{NewsDoc, news};
pub use phase::{PhaseAction, PhaseDoc, TimeIn, phases, time_in};
pub use request::{
    RequestDoc, parse_request_id, pending_requests, request_doc, request_id, requests_of,
};
pub use select::{SelectError, Selection, find};
pub use session::{
    BlockedOn, CountsDoc, LastActionDoc, SessionDoc, TokensDoc, children, descendants, heads,
    roots, session_doc, sessions,
};
pub use standing::{
    Answered, Standing, can_hear, comes_back, coming_back, settled_after, standing,
    waits_for_human, was_put_away,
};
pub use turn::{TurnDoc, last_turn, turn_doc, turn_number, turns};

use crate::rows::Micros;
use crate::store::{StoreError, View};
use crate::tables::{Gaps, Kinds, Methods, Partial, Sessions, Threads, Troubles};
use serde::Serialize;
use sm_protocol::Kind;

/// A moment as RFC 3339 in UTC with microseconds; null where none was told (0), and what does not fit a
/// calendar.
pub fn time(micros: Micros) -> Option<String> {
    let told = (micros != 0).then_some(micros)?;
    jiff::Timestamp::from_microsecond(told).ok().map(|time| format!("{time:.6}"))
}

/// From one moment to another, in milliseconds; 0 where times went back.
fn millis(from: Micros, to: Micros) -> i64 {
    (to - from).max(0) / 1000
}

/// Who did something, as it is shown: a session by its short id, beside it its thread; `user` and `sm`
/// as they are.
fn who(
    view: &View<'_>,
    by: Option<String>,
) -> Result<(Option<String>, Option<String>), StoreError> {
    let sid = match &by {
        Some(by) => view.get::<Threads>(by)?,
        None => None,
    };
    let session = match sid {
        Some(sid) => view.get::<Sessions>(&sid)?,
        None => None,
    };
    Ok(match session {
        Some(session) => (Some(session.id), by),
        None => (by, None),
    })
}

/// What the log holds, counted.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CensusDoc {
    /// Records of each known kind, by its label.
    pub kinds: std::collections::BTreeMap<String, u64>,
    /// Records of methods that this build does not know, by method.
    pub unknown_methods: std::collections::BTreeMap<String, u64>,
    /// What could not be folded, by reason.
    pub troubles: std::collections::BTreeMap<String, u64>,
    /// Records that are no messages.
    pub malformed: u64,
    /// Declared gaps: first and last seq.
    pub gaps: Vec<(u64, u64)>,
    /// What is known only of records from that seq on: older ones were trimmed.
    pub partial: std::collections::BTreeMap<String, u64>,
}

/// Counts what the log holds.
pub fn census(view: &View<'_>) -> Result<CensusDoc, StoreError> {
    let mut census = CensusDoc::default();
    view.scan::<Kinds>(&[], &[], |kind, count| {
        let kind = Kind(kind);
        if kind.is_malformed() {
            census.malformed += count;
        }
        *census.kinds.entry(kind.label().to_owned()).or_default() += count;
        true
    })?;
    view.scan::<Methods>(&[], &[], |method, count| {
        // Records from before a method had a number.
        if Kind::of_method(&method).is_none() {
            census.unknown_methods.insert(method, count);
        }
        true
    })?;
    view.scan::<Troubles>(&[], &[], |trouble, count| {
        census.troubles.insert(trouble, count);
        true
    })?;
    view.scan::<Gaps>(&[], &[], |first, last| {
        census.gaps.push((first, last));
        true
    })?;
    view.scan::<Partial>(&[], &[], |what, from| {
        census.partial.insert(what, from);
        true
    })?;
    Ok(census)
}
