//! Inputs and reminders as documents.

use super::{request_id, time, who};
use crate::rows::{Input, InputStatus, Reminder, Session, Sid};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Inputs, Queue, Reminders, Sessions};
use serde::Serialize;
use std::collections::HashSet;

/// An input.
#[derive(Debug, Clone, Default, Serialize)]
pub struct InputDoc {
    /// Its permanent id.
    pub id: String,
    /// The record of its acceptance.
    pub seq: u64,
    /// The session it is for.
    pub session_id: String,
    /// That session's name.
    pub session_name: Option<String>,
    /// Its first line.
    pub summary: String,
    /// `start`, `steer`, `urgent` or `queue`.
    pub mode: String,
    /// `accepted`, `queued`, `started`, `steered`, `refused`, `failed`, `unknown` or `cancelled`.
    pub status: &'static str,
    /// It waits until a release or a resume: its session's turn was interrupted, or somebody holds it.
    pub held: bool,
    /// Why it waits, or was not taken.
    pub reason: Option<String>,
    /// Codex's id of the turn that took it.
    pub turn_id: Option<String>,
    /// Its sender's own name for it.
    pub key: Option<String>,
    /// Who sent it: `user`, or the short id of a session.
    pub by: Option<String>,
    /// When it was accepted.
    pub accepted_at: Option<String>,
    /// When it last moved on.
    pub changed_at: Option<String>,
    /// The record that has its text whole.
    #[serde(skip)]
    pub text_seq: u64,
    /// When it was accepted, in Unix microseconds.
    #[serde(skip)]
    pub accepted_micros: i64,
}

/// A reminder.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReminderDoc {
    /// Its permanent id.
    pub id: String,
    /// The record of its making.
    pub seq: u64,
    /// The session that is to be reminded.
    pub session_id: String,
    /// That session's name.
    pub session_name: Option<String>,
    /// Its first line.
    pub summary: String,
    /// When it is due.
    pub due_at: Option<String>,
    /// Who asked: `user`, or the short id of a session.
    pub by: Option<String>,
    /// When it is due, in Unix microseconds.
    #[serde(skip)]
    pub due_micros: i64,
}

/// An input's id, from its number: `i12`.
pub fn input_id(seq: u64) -> String {
    format!("i{seq}")
}

/// The number in an input's id.
pub fn parse_input_id(id: &str) -> Option<u64> {
    id.strip_prefix('i').unwrap_or(id).parse().ok()
}

/// A reminder's id, from its number: `m12`.
pub fn reminder_id(seq: u64) -> String {
    format!("m{seq}")
}

/// The number in a reminder's id.
pub fn parse_reminder_id(id: &str) -> Option<u64> {
    id.strip_prefix('m').unwrap_or(id).parse().ok()
}

/// How the keys begin under which reminders are sent.
pub const REMINDER_KEY: &str = "reminder:";

/// Why an input waits or was not taken, as `reason` tells. Where that tells nothing: one that is held, for that; one
/// that waits, for the request that its session has open now.
pub fn input_reason(
    session: Option<&Session>,
    (waits, held): (bool, bool),
    reason: Option<String>,
) -> Option<String> {
    let asked = || session?.pending.iter().find(|(_, class)| class.asks_human());
    let waits_for = || {
        let request = asked().filter(|_| waits)?.0;
        Some(format!("request {} waits", request_id(request)))
    };
    match held {
        true => reason.or_else(|| Some("held until somebody lets it go on".to_owned())),
        false => reason.or_else(waits_for),
    }
}

/// An input as a document.
pub fn input_doc(view: &View<'_>, seq: u64, row: Input) -> Result<InputDoc, StoreError> {
    let session = view.get::<Sessions>(&row.session)?;
    let stands = (row.status == InputStatus::Queued, row.held);
    Ok(InputDoc {
        id: input_id(seq),
        seq,
        reason: input_reason(session.as_ref(), stands, row.reason),
        session_name: session.as_ref().and_then(|session| session.name.clone()),
        session_id: session.map_or(String::new(), |session| session.id),
        summary: row.summary,
        mode: row.mode,
        status: row.status.as_str(),
        held: row.held,
        turn_id: row.turn,
        key: row.key,
        by: who(view, Some(row.by))?.0,
        accepted_at: time(row.accepted_at),
        changed_at: time(row.changed_at),
        text_seq: row.text_seq,
        accepted_micros: row.accepted_at,
    })
}

/// The inputs that wait: those of one session, or all, each session's in the order of their delivery.
pub fn queue(view: &View<'_>, of: Option<Sid>) -> Result<Vec<InputDoc>, StoreError> {
    let prefix = of.map(|sid| sid.to_bytes()).unwrap_or_default();
    let mut numbers = Vec::new();
    view.scan::<Queue>(&prefix, &[], |(_, number), ()| {
        numbers.push(number);
        true
    })?;
    let mut rows = Vec::with_capacity(numbers.len());
    for number in numbers {
        rows.extend(view.get::<Inputs>(&number)?.map(|row| (number, row)));
    }
    // What is urgent goes first; the others stand as they were accepted already.
    rows.sort_by_key(|(_, row)| (row.session, row.held || row.mode != URGENT));
    rows.into_iter().map(|(number, row)| input_doc(view, number, row)).collect()
}

/// The mode of what ends the open turn, and goes before all that waits.
const URGENT: &str = "urgent";

/// How many inputs of a session go on by themselves once it is free, and how many are held until somebody lets
/// them go on.
pub fn waiting(view: &View<'_>, sid: Sid, session: &Session) -> Result<(u32, u32), StoreError> {
    let (mut queued, mut held) = (0, 0);
    // Most sessions have none.
    if session.queued > 0 {
        let mut numbers = Vec::new();
        view.scan::<Queue>(&sid.to_bytes(), &[], |(_, number), ()| {
            numbers.push(number);
            true
        })?;
        for number in numbers {
            match view.get::<Inputs>(&number)? {
                Some(row) if row.held => held += 1,
                _ => queued += 1,
            }
        }
    }
    Ok((queued, held))
}

/// Inputs that were not taken, or may not have been.
#[derive(Debug)]
pub struct Undelivered {
    /// The newest of them, newest first.
    pub newest: Vec<InputDoc>,
    /// How many there are.
    pub count: usize,
}

/// The newest `last` inputs that were not taken, or may not have been: those of one session, or of all.
/// One that failed and was sent again under its key is no more among them.
pub fn undelivered(
    view: &View<'_>,
    of: Option<Sid>,
    last: usize,
) -> Result<Undelivered, StoreError> {
    use crate::rows::InputStatus::{Failed, Refused, Unknown};
    let (mut rows, mut count, mut again) = (Vec::new(), 0, HashSet::new());
    view.scan_back::<Inputs>(&[], |number, row| {
        let key = row.key.as_ref().map(|key| (row.session, key.clone()));
        let is_newest = key.is_none_or(|key| again.insert(key));
        // Of a reminder that was refused nobody else is told, and of what waited its sender no more.
        let is_reminder = row.key.as_ref().is_some_and(|key| key.starts_with(REMINDER_KEY));
        let is_meant = row.status == Unknown
            || row.status == Failed && is_newest
            || row.status == Refused && (is_reminder || row.has_waited);
        if is_meant && of.is_none_or(|sid| sid == row.session) {
            count += 1;
            if count <= last {
                rows.push((number, row));
            }
        }
        true
    })?;
    let newest = rows.into_iter().map(|(number, row)| input_doc(view, number, row));
    Ok(Undelivered { newest: newest.collect::<Result<_, _>>()?, count })
}

/// The reminders that have not come to their end, the next one first.
pub fn reminders(view: &View<'_>) -> Result<Vec<ReminderDoc>, StoreError> {
    let mut rows: Vec<(u64, Reminder)> = Vec::new();
    view.scan::<Reminders>(&[], &[], |number, row| {
        rows.push((number, row));
        true
    })?;
    rows.sort_by_key(|(number, row)| (row.due, *number));
    rows.into_iter().map(|(seq, row)| reminder_doc(view, seq, row)).collect()
}

/// One reminder as a document.
pub fn reminder_doc(view: &View<'_>, seq: u64, row: Reminder) -> Result<ReminderDoc, StoreError> {
    let (session_id, session_name) = named(view, row.session)?;
    Ok(ReminderDoc {
        id: reminder_id(seq),
        seq,
        session_id,
        session_name,
        summary: row.summary,
        due_at: time(row.due),
        by: who(view, Some(row.by))?.0,
        due_micros: row.due,
    })
}

/// A session's short id and name.
fn named(view: &View<'_>, sid: Sid) -> Result<(String, Option<String>), StoreError> {
    let session = view.get::<Sessions>(&sid)?;
    Ok(session.map_or((String::new(), None), |session| (session.id, session.name)))
}
