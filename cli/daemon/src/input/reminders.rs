//! Reminders: words that a session is sent at a moment that was named before.
//!
//! What always holds: a reminder is a record from its making to its end, and so outlives any process;
//! its words go the one path of all inputs, under a key of their own, so they are sent once. One that is
//! due while no daemon runs is sent by the next. One that is refused at its moment is a message that was
//! refused, and listed with those. No session waits for another's reminders; its own come in
//! the order in which they are due.

use super::message;
use crate::api::{Cancel, Input, Mode, Remind};
use crate::caller::{Caller, SENDER};
use crate::daemon::{Daemon, now, to_value};
use crate::family;
use crate::problem::Refusal;
use crate::records;
use serde_json::Value;
use sm_projections::rows::{InputStatus, Reminder, Session, Sid};
use sm_projections::table::id_hash;
use sm_projections::tables::{InputKeys, Reminders, Sessions};
use sm_projections::{StoreError, views};
use sm_protocol::synthetic::{InputAccepted, InputChanged, ReminderEnded, ReminderSet, Synthetic};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};

/// How a reminder's moment is named.
pub(crate) const MOMENTS: &str =
    r#"{"text":…,"in_seconds":600}, or {"text":…,"at":UNIX_MICROSECONDS}"#;

/// How long the clock is believed to run as fast as the timer does: the machine may sleep, its clock be
/// set.
const LOOK: Duration = Duration::from_secs(30);

/// Has a session reminded. Returns the reminder.
pub(crate) async fn set(daemon: &Daemon, word: &str, wish: Remind) -> Result<Value, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(wish.by.as_deref())?;
    let target = daemon.find(word, wish.by.as_deref())?;
    let is_own = matches!(&caller, Caller::Agent(agent) if agent.sid == target.sid);
    if !is_own {
        family::may_act(daemon, &caller, &target)?;
        family::may_still_lead(daemon, &caller, &target.session)?;
    }
    message::check_text(&wish.text)?;
    let due = match (wish.at, wish.in_seconds) {
        (Some(at), None) => at,
        (None, Some(seconds)) if seconds.is_finite() && seconds >= 0.0 => {
            now().saturating_add((seconds * 1e6) as i64)
        }
        _ => {
            return Err(
                Refusal::bad_request("a reminder has one moment, now or to come").hint(MOMENTS)
            );
        }
    };
    if jiff::Timestamp::from_microsecond(due).is_err() {
        return Err(Refusal::bad_request("that lies beyond the year 9999"));
    }
    // Nothing will ever be told to a transcript.
    daemon.codex_home_of(&target.session)?;
    super::takes_messages(&target.session)?;
    let text = match is_own {
        true => format!("[reminder that you set for yourself]\n{}", wish.text),
        false => wish.text,
    };
    let set = ReminderSet { at: due, text, by: caller.word() };
    let receipt = daemon.noted(&target.session.thread_id, &Synthetic::ReminderSet(set)).await?;
    daemon.reminding.notify_one();
    let id = views::reminder_id(receipt.first);
    let made = daemon.look(|view| match view.get::<Reminders>(&receipt.first)? {
        Some(row) => views::reminder_doc(view, receipt.first, row).map(Some),
        None => Ok::<_, StoreError>(None),
    })?;
    let made = made.as_ref().map(to_value);
    made.ok_or_else(|| Refusal::not_found(format!("reminder {id} is over already")))
}

/// All that are to come, the next one first.
pub(crate) fn list(daemon: &Daemon) -> Result<Vec<Value>, Refusal> {
    let reminders = daemon.look(views::reminders)?;
    Ok(reminders.iter().map(to_value).collect())
}

/// Takes a reminder back. Returns it as it was.
pub(crate) async fn cancel(daemon: &Daemon, id: &str, wish: Cancel) -> Result<Value, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(wish.by.as_deref())?;
    let unknown = || {
        Refusal::not_found(format!("no reminder {id} is to come")).hint("`sm remind` lists them")
    };
    let number = views::parse_reminder_id(id).ok_or_else(unknown)?;
    let row = daemon.look(|view| view.get::<Reminders>(&number))?.ok_or_else(unknown)?;
    let session = session(daemon, &row)?;
    match &caller {
        Caller::User | Caller::Demo => {}
        Caller::Agent(agent) if agent.session.thread_id == row.by => {}
        _ => return Err(Refusal::forbidden("an agent takes back only what it set itself")),
    }
    let _lock = daemon.lock(&session.thread_id).await;
    daemon.caught_up().await?;
    // It may have been sent meanwhile.
    let row = daemon.look(|view| view.get::<Reminders>(&number))?.ok_or_else(unknown)?;
    let was = daemon.look(|view| views::reminder_doc(view, number, row))?;
    end(daemon, &session, number, "cancelled", caller.word(), None).await?;
    Ok(to_value(&was))
}

/// Sends what is due, as long as the daemon runs.
pub(crate) async fn keep(daemon: Arc<Daemon>) {
    let mut sending = Sending::default();
    loop {
        let pause = match send_due(&daemon, &mut sending) {
            Ok(next) => next.map_or(LOOK, |next| next.min(LOOK)),
            Err(error) => {
                daemon.say(&format!("reminders were not looked at: {error}"));
                LOOK
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = daemon.reminding.notified() => {}
            Some(_) = sending.tasks.join_next() => {}
            () = daemon.stopped() => return sending.tasks.detach_all(),
        }
    }
}

/// The sessions whose reminders are being sent.
#[derive(Default)]
struct Sending {
    tasks: JoinSet<()>,
    sessions: HashMap<Sid, AbortHandle>,
}

/// Sends what is due, each session's in a task of its own. Returns how long the next one still has.
fn send_due(daemon: &Arc<Daemon>, sending: &mut Sending) -> Result<Option<Duration>, Refusal> {
    sending.sessions.retain(|_, task| !task.is_finished());
    let (mut due, mut next) = (HashMap::<Sid, Vec<(u64, Reminder)>>::new(), None::<Duration>);
    daemon.look(|view| {
        view.scan::<Reminders>(&[], &[], |number, row| {
            match u64::try_from(row.due.saturating_sub(now())) {
                Ok(left) if left > 0 => {
                    let left = Duration::from_micros(left);
                    next = Some(next.map_or(left, |next| next.min(left)));
                }
                _ => due.entry(row.session).or_default().push((number, row)),
            }
            true
        })
    })?;
    for (session, mut reminders) in due {
        reminders.sort_unstable_by_key(|(number, row)| (row.due, *number));
        if let Entry::Vacant(free) = sending.sessions.entry(session) {
            free.insert(sending.tasks.spawn(send_all(Arc::clone(daemon), reminders)));
        }
    }
    Ok(next)
}

/// Sends a session's reminders, one after another. One that fails stays, and is tried again after a while.
async fn send_all(daemon: Arc<Daemon>, reminders: Vec<(u64, Reminder)>) {
    let mut are_sent = true;
    for (number, row) in reminders {
        if let Err(error) = send(&daemon, number, &row).await {
            let id = views::reminder_id(number);
            daemon.say(&format!("reminder {id} was not sent yet: {error}"));
            are_sent = false;
        }
    }
    if !are_sent {
        tokio::time::sleep(LOOK).await;
    }
}

async fn send(daemon: &Arc<Daemon>, number: u64, row: &Reminder) -> Result<(), Refusal> {
    let session = session(daemon, row)?;
    let _lock = daemon.lock(&session.thread_id).await;
    daemon.caught_up().await?;
    if daemon.look(|view| view.get::<Reminders>(&number))?.is_none() {
        return Ok(());
    }
    let caller = daemon.caller(Some(&row.by))?;
    let message = Input {
        text: text(daemon, number, row)?,
        // One that comes while a request waits is delivered when that is answered.
        mode: Mode::Queue,
        key: Some(format!("{}{}", views::REMINDER_KEY, views::reminder_id(number))),
        ..Input::default()
    };
    let session = daemon.session(&session.thread_id)?.session;
    let sent = match family::may_still_lead(daemon, &caller, &session) {
        Ok(()) => super::take_reminder(daemon, &session, &message, &caller).await.map(drop),
        Err(refusal) => Err(refusal),
    };
    // What was accepted is an input like any other: whatever keeps it waiting, it is not sent again.
    let (status, reason) = match sent {
        Ok(()) => ("sent", None),
        Err(refusal) if super::passes(&refusal) => return Err(refusal),
        Err(refusal) => {
            refused(daemon, &session, row.session, &message, &caller, &refusal).await?;
            ("failed", Some(refusal.to_string()))
        }
    };
    end(daemon, &session, number, status, SENDER.to_owned(), reason).await
}

/// Records the words as a message that was refused, unless they were accepted before that: then they are one
/// already. Nobody else would be told that they never came.
async fn refused(
    daemon: &Daemon,
    session: &Session,
    sid: Sid,
    message: &Input,
    caller: &Caller,
    refusal: &Refusal,
) -> Result<(), Refusal> {
    let key = message.key.clone().unwrap_or_default();
    if daemon.look(|view| view.get::<InputKeys>(&(sid, id_hash(&[&key]))))?.is_some() {
        return Ok(());
    }
    let accepted = InputAccepted {
        text: message.text.clone(),
        mode: super::mode_word(message.mode).to_owned(),
        by: caller.word(),
        key: Some(key),
        ..InputAccepted::default()
    };
    let thread = session.thread_id.as_str();
    let number = daemon.note(thread, &Synthetic::InputAccepted(accepted))?.first;
    let reason = Some(refusal.to_string());
    let refused = InputChanged { reason, ..super::now_is(number, InputStatus::Refused) };
    super::change(daemon, thread, refused).await
}

async fn end(
    daemon: &Daemon,
    session: &Session,
    reminder: u64,
    status: &str,
    by: String,
    reason: Option<String>,
) -> Result<(), Refusal> {
    let ended = ReminderEnded { reminder, status: status.to_owned(), by, reason };
    daemon.noted(&session.thread_id, &Synthetic::ReminderEnded(ended)).await.map(drop)
}

/// The words, whole: a record that something open needs is not trimmed. Their beginning where it is damaged.
fn text(daemon: &Daemon, number: u64, row: &Reminder) -> Result<String, Refusal> {
    Ok(match records::note(&daemon.reader, number)? {
        Some(Synthetic::ReminderSet(set)) => set.text,
        _ => row.summary.clone(),
    })
}

fn session(daemon: &Daemon, row: &Reminder) -> Result<Session, Refusal> {
    let session = daemon.look(|view| view.get::<Sessions>(&row.session))?;
    session.ok_or_else(|| Refusal::not_found("the reminder's session is not known"))
}
