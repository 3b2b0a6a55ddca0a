//! A sender's own name for a message, by which a repeat is known.
//!
//! What always holds: a key names one message of a session for good, unless that one was not taken.

use super::queue::{accepted, whole};
use super::words;
use crate::api::{self, Settings};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::json;
use sm_projections::rows::{Input, InputStatus, Session};
use sm_projections::table::id_hash;
use sm_projections::tables::{InputKeys, Inputs};
use sm_projections::views;

/// The longest name that a sender may give an input.
const KEY_CHARS_MAX: usize = 200;

/// Refuses a name that is one of those that `sm` gives itself.
pub(super) fn check_senders(key: Option<&str>) -> Result<(), Refusal> {
    let own = [views::REMINDER_KEY, words::KEY];
    match key.and_then(|key| own.into_iter().find(|own| key.starts_with(own))) {
        Some(own) => Err(Refusal::bad_request(format!("a key does not begin with {own:?}"))
            .hint("such keys are sm's own, of reminders and of words along with an answer")),
        None => Ok(()),
    }
}

pub(super) fn check(key: &str) -> Result<(), Refusal> {
    let is_good = !key.is_empty()
        && key.chars().count() <= KEY_CHARS_MAX
        && !key.chars().any(char::is_control);
    match is_good {
        true => Ok(()),
        false => Err(Refusal::bad_request("the idempotency key cannot be used")
            .hint(format!("a key is 1 to {KEY_CHARS_MAX} characters of one line"))),
    }
}

/// The input that its sender gave the same key before.
pub(super) fn repeated(
    daemon: &Daemon,
    target: &Session,
    input: &api::Input,
    settings: &Settings,
) -> Result<Option<(u64, Input)>, Refusal> {
    let Some(key) = &input.key else { return Ok(None) };
    let found = daemon.look(|view| {
        let sid = super::session_sid(view, &target.thread_id)?;
        let Some(number) = view.get::<InputKeys>(&(sid, id_hash(&[key])))? else { return Ok(None) };
        Ok::<_, Refusal>(view.get::<Inputs>(&number)?.map(|row| (number, row)))
    })?;
    // One that was not taken stands in nobody's way.
    let was_taken = |row: &Input| !matches!(row.status, InputStatus::Refused | InputStatus::Failed);
    let Some((number, row)) = found.filter(|(_, row)| was_taken(row)) else { return Ok(None) };
    let id = views::input_id(number);
    // As it was sent: whoever changed its text since did not send it.
    let as_sent = Input { text_seq: number, ..row.clone() };
    let before = whole(&daemon.reader, number, &as_sent)?;
    // Of one whose records are gone it is not known what it was: it is that message all the same.
    let differs = before.iter().flat_map(|before| {
        [
            (before.text != input.text, "another text"),
            (before.images != input.images, "other pictures"),
            (before.settings != *settings, "other settings"),
            (before.output_schema != input.output_schema, "another output schema"),
            (before.plan != input.plan, "another plan mode"),
        ]
    });
    if let Some((_, what)) = differs.into_iter().find(|(differs, _)| *differs) {
        return Err(Refusal::new(
            409,
            "key_reused",
            format!("input {id} has the key {key:?} already, and {what}"),
        )
        .hint(format!(
            "a key names one message for good: take another; `sm queue show {id}` shows that one"
        ))
        .details(json!({ "input": number, "key": key })));
    }
    Ok(Some((number, row)))
}

/// Its sender may have sent one that failed again under its key: that one is the message then.
pub(super) fn is_kept(daemon: &Daemon, id: &str, number: u64, row: &Input) -> Result<(), Refusal> {
    let Some(key) = accepted(&daemon.reader, number, row)?.key else { return Ok(()) };
    let newest = (row.session, id_hash(&[&key]));
    match daemon.look(|view| Ok::<_, Refusal>(view.get::<InputKeys>(&newest)?))? {
        Some(newest) if newest != number => {
            let newest = views::input_id(newest);
            Err(Refusal::new(
                409,
                "key_reused",
                format!("input {id} was sent again under its key {key:?}, as {newest}"),
            )
            .hint(format!("`sm queue show {newest}` shows what became of that one")))
        }
        _ => Ok(()),
    }
}
