//! What waits for a session: shown, held, changed, taken back.
//!
//! What always holds: after an interrupt it is held until a resume or a release, and each held input says so. An
//! input is changed or taken back only while it waits; one that failed, or is not known to have been taken, can
//! be taken off the list.

use super::dispatch::deliver_soon;
use super::{key, mode_word, unknown};
use crate::api::{InputAct, InputChange, Mode};
use crate::caller::Caller;
use crate::daemon::{Daemon, now, to_value};
use crate::family;
use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_log::{ReadError, Reader, Receipt};
use sm_projections::rows::{self, InputStatus, Sid};
use sm_projections::tables::{Inputs, Queue, Sessions};
use sm_projections::views::{self, Undelivered};
use sm_protocol::synthetic::{InputAccepted, InputChanged, InputEdited, InputsHeld, Synthetic};
use std::sync::Arc;

/// What waits for a session, oldest first.
pub(crate) fn waiting(daemon: &Daemon, thread: &str) -> Result<Vec<(u64, rows::Input)>, Refusal> {
    super::listed_in::<Queue>(daemon, thread)
}

/// What waits, and the newest `last` that were not taken: of one session, or of all.
pub(crate) fn list(daemon: &Daemon, of: Option<Sid>, last: usize) -> Result<Value, Refusal> {
    daemon.look(|view| {
        let waiting = views::queue(view, of)?;
        let Undelivered { newest, count } = views::undelivered(view, of, last)?;
        let mut warnings = Vec::new();
        if newest.len() < count {
            let shown = newest.len();
            warnings.push(format!("the newest {shown} of {count} that were not taken"));
        }
        Ok(json!({
            "inputs": waiting, "undelivered": newest, "warnings": warnings, "host_errors": [],
        }))
    })
}

/// That an input waits again: held, where others are.
pub(super) fn put_back(
    daemon: &Daemon,
    thread: &str,
    number: u64,
) -> Result<InputChanged, Refusal> {
    let held = are_others_held(daemon, thread, number)?;
    Ok(InputChanged { held, ..now_is(number, InputStatus::Queued) })
}

/// Records that an input waits which nothing was done with yet. The caller holds the session's lock.
pub(super) async fn put_in(daemon: &Daemon, thread: &str, number: u64) -> Result<(), Refusal> {
    daemon.caught_up().await?;
    let row = daemon.look(|view| view.get::<Inputs>(&number))?;
    if row.is_none_or(|row| row.status != InputStatus::Accepted) {
        return Ok(());
    }
    // It was put away while this was on its way.
    if let Err(refusal) = super::takes_messages(&daemon.session(thread)?.session) {
        let reason = Some(refusal.to_string());
        let cancelled = now_is(number, InputStatus::Cancelled);
        return change(daemon, thread, InputChanged { reason, ..cancelled }).await;
    }
    let (_, receipt) = note(daemon, thread, put_back(daemon, thread, number)?).await?;
    daemon.folded_to(receipt.last).await
}

/// Records what came of an input. One that goes on waiting stays held, where it was held meanwhile. Returns what was
/// recorded.
pub(super) async fn note(
    daemon: &Daemon,
    thread: &str,
    changed: InputChanged,
) -> Result<(InputChanged, Receipt), Refusal> {
    let waits = changed.status == InputStatus::Queued.as_str();
    // No hold comes between the look and the record.
    let _accepting = daemon.accepting.take(thread.to_owned()).await;
    let held = changed.held || waits && is_held(daemon, changed.input).await;
    let changed = InputChanged { held, ..changed };
    let receipt = daemon.note(thread, &Synthetic::InputChanged(changed.clone()))?;
    Ok((changed, receipt))
}

/// Whether an input is held by now. Late tables may not tell of it yet.
pub(super) async fn is_held(daemon: &Daemon, number: u64) -> bool {
    let _ = daemon.caught_up().await;
    let row = daemon.look(|view| view.get::<Inputs>(&number));
    row.is_ok_and(|row| row.is_some_and(|row| super::is_held(&row)))
}

/// Whether others than that input wait that are held.
pub(super) fn are_others_held(daemon: &Daemon, thread: &str, number: u64) -> Result<bool, Refusal> {
    let waiting = waiting(daemon, thread)?;
    Ok(waiting.iter().any(|(other, row)| *other != number && row.held))
}

/// That an input stands so now, and nothing more.
pub(crate) fn now_is(input: u64, status: InputStatus) -> InputChanged {
    InputChanged { input, status: status.as_str().to_owned(), ..InputChanged::default() }
}

/// Records that an input moved on.
pub(crate) async fn change(
    daemon: &Daemon,
    thread: &str,
    changed: InputChanged,
) -> Result<(), Refusal> {
    daemon.noted(thread, &Synthetic::InputChanged(changed)).await.map(drop)
}

/// Takes back all that waits for a session, which takes no more, in one frame with `since`, the record that says so
/// where there is none yet. Returns the inputs' ids.
pub(crate) async fn cancel_all(
    daemon: &Daemon,
    thread: &str,
    why: &str,
    since: Option<Synthetic>,
) -> Result<Vec<String>, Refusal> {
    daemon.caught_up().await?;
    let waiting = waiting(daemon, thread)?;
    if waiting.is_empty() && since.is_none() {
        return Ok(Vec::new());
    }
    // One whose sender still waits for its answer is refused, and may be sent again under its key.
    let is_unanswered = |row: &rows::Input| {
        row.status == InputStatus::Accepted && row.mode != mode_word(Mode::Queue)
    };
    let taken_back = waiting.iter().map(|(number, row)| {
        let status = match is_unanswered(row) {
            true => InputStatus::Refused,
            false => InputStatus::Cancelled,
        };
        let reason = Some(why.to_owned());
        Synthetic::InputChanged(InputChanged { reason, ..now_is(*number, status) })
    });
    let notes: Vec<_> = taken_back.chain(since).collect();
    let receipt = daemon.scribe.note_all(now(), thread, &notes)?;
    daemon.folded_to(receipt.last).await?;
    Ok(waiting.into_iter().map(|(number, _)| views::input_id(number)).collect())
}

/// Holds what waits for a session: its user has just interrupted it, or says so. Returns what was not held
/// before. It needs no lock of the session: one that no longer waits when this is recorded is not held.
pub(crate) async fn hold(daemon: &Daemon, thread: &str) -> Result<Vec<u64>, Refusal> {
    set_held(daemon, thread, true).await
}

/// Lets go on what was held.
pub(crate) async fn release_all(daemon: &Daemon, thread: &str) -> Result<(), Refusal> {
    set_held(daemon, thread, false).await.map(drop)
}

async fn set_held(daemon: &Daemon, thread: &str, held: bool) -> Result<Vec<u64>, Refusal> {
    let _accepting = daemon.accepting.take(thread.to_owned()).await;
    let others = waiting(daemon, thread)?.into_iter();
    let others = others.filter(|(_, row)| row.held != held && !(held && super::goes_past(row)));
    let inputs: Vec<u64> = others.map(|(number, _)| number).collect();
    note_held(daemon, thread, inputs.clone(), held).await?;
    Ok(inputs)
}

/// Lets go on what a hold had held that came to nothing.
pub(crate) async fn release(daemon: &Daemon, thread: &str, held: Vec<u64>) -> Result<(), Refusal> {
    note_held(daemon, thread, held, false).await
}

async fn note_held(
    daemon: &Daemon,
    thread: &str,
    inputs: Vec<u64>,
    held: bool,
) -> Result<(), Refusal> {
    if inputs.is_empty() {
        return Ok(());
    }
    let receipt = daemon.note(thread, &Synthetic::InputsHeld(InputsHeld { inputs, held }))?;
    // Held is held, however late the tables tell of it: an error would keep it from being undone.
    if let Err(late) = daemon.folded_to(receipt.last).await {
        daemon.say(&format!("what was held in session {thread} is not folded yet: {late}"));
    }
    Ok(())
}

/// Holds or releases what waits for the session that `word` means. A hold waits for nobody: what is on its way by then
/// goes. Returns the session.
pub(crate) async fn hold_or_release(
    daemon: &Arc<Daemon>,
    word: &str,
    holds: bool,
    by: Option<&str>,
) -> Result<Value, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(by)?;
    let target = daemon.find(word, by)?;
    family::may_act(daemon, &caller, &target)?;
    let thread = target.session.thread_id;
    if holds {
        hold(daemon, &thread).await?;
        // What is held no longer keeps its session from having settled.
        family::look_soon(daemon, &thread);
    } else {
        let _lock = daemon.lock(&thread).await;
        release_all(daemon, &thread).await?;
        deliver_soon(daemon, &thread);
    }
    daemon.document(&thread)
}

/// An input as a document, with its text.
pub(crate) fn document(daemon: &Daemon, id: &str) -> Result<Value, Refusal> {
    let (number, row) = find(daemon, id)?;
    let thread = thread_of(daemon, row.session)?;
    let whole = whole(&daemon.reader, number, &row)?;
    let text_trimmed = whole.is_none();
    let accepted = whole.unwrap_or_else(|| told_by(&row));
    let document = daemon.look(|view| views::input_doc(view, number, row));
    let mut document =
        to_value(&document.map_err(|error: sm_projections::StoreError| Refusal::from(error))?);
    document["text"] = json!(accepted.text);
    document["text_trimmed"] = json!(text_trimmed);
    document["images"] = json!(accepted.images);
    document["settings"] = json!(accepted.settings);
    document["thread_id"] = json!(thread);
    Ok(document)
}

/// Changes an input that waits, takes it back, or has one tried again whose way was lost.
pub(crate) async fn act(
    daemon: &Arc<Daemon>,
    id: &str,
    change: InputChange,
) -> Result<Value, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(change.by.as_deref())?;
    let (number, row) = find(daemon, id)?;
    let thread = thread_of(daemon, row.session)?;
    may_change(&caller, &row)?;
    let _lock = daemon.lock(&thread).await;
    daemon.caught_up().await?;
    let (_, row) = find(daemon, id)?;
    match change.act {
        InputAct::Cancel => {
            if !matches!(row.status, InputStatus::Failed | InputStatus::Unknown) {
                waits(id, &row)?;
            }
            let by = Some(caller.word());
            let taken_back = InputChanged { by, ..now_is(number, InputStatus::Cancelled) };
            self::change(daemon, &thread, taken_back).await?;
            // What waited no more keeps its session from having settled.
            family::look_soon(daemon, &thread);
        }
        InputAct::Edit => {
            waits(id, &row)?;
            let mut text = change.text.unwrap_or_default();
            super::message::check_text(&text)?;
            if let Caller::Agent(agent) = &caller {
                text = family::from_agent(daemon, agent, &daemon.session(&thread)?, &text)?;
            }
            let edited = InputEdited { input: number, text, by: caller.word() };
            daemon.noted(&thread, &Synthetic::InputEdited(edited)).await?;
        }
        InputAct::Find => {
            let row = doubted(daemon, &thread, id, row).await?;
            unknown::find_out_each(daemon, &thread, &[(number, row)]).await?;
        }
        InputAct::Retry => {
            let row = doubted(daemon, &thread, id, row).await?;
            if !matches!(row.status, InputStatus::Unknown | InputStatus::Failed) {
                return Err(Refusal::conflict(format!(
                    "input {id} is {}: only one that failed, or whose way is unknown, is tried again",
                    row.status.as_str()
                ))
                .hint("`sm queue` lists both kinds"));
            }
            // Whoever refuses a message refuses one that is sent again, too.
            super::takes_messages(&daemon.session(&thread)?.session)?;
            // One that is found in its thread after all is not sent twice.
            if row.status == InputStatus::Unknown {
                unknown::find_out_each(daemon, &thread, &[(number, row.clone())]).await?;
            }
            if find(daemon, id)?.1.status.is_taken() {
                return document(daemon, id);
            }
            key::is_kept(daemon, id, number, &row)?;
            let by = Some(caller.word());
            let again = InputChanged { by, ..put_back(daemon, &thread, number)? };
            self::change(daemon, &thread, again).await?;
            deliver_soon(daemon, &thread);
        }
    }
    document(daemon, id)
}

/// An input as it is once it was looked whether its turn told of it.
async fn doubted(
    daemon: &Arc<Daemon>,
    thread: &str,
    id: &str,
    row: rows::Input,
) -> Result<rows::Input, Refusal> {
    match row.status.is_taken() && unknown::doubt_all(daemon, thread).await? {
        true => Ok(find(daemon, id)?.1),
        false => Ok(row),
    }
}

fn waits(id: &str, row: &rows::Input) -> Result<(), Refusal> {
    match row.status.waits() {
        true => Ok(()),
        false => Err(Refusal::conflict(format!(
            "input {id} no longer waits: it is {}",
            row.status.as_str()
        ))
        .hint(
            "`sm queue` lists what waits; `sm send SESSION TEXT --steer` adds to a running turn",
        )),
    }
}

fn find(daemon: &Daemon, id: &str) -> Result<(u64, rows::Input), Refusal> {
    let unknown =
        || Refusal::not_found(format!("no input {id}")).hint("`sm queue` lists what waits");
    let number = views::parse_input_id(id).ok_or_else(unknown)?;
    let row = daemon.look(|view| Ok::<_, Refusal>(view.get::<Inputs>(&number)?))?;
    Ok((number, row.ok_or_else(unknown)?))
}

fn thread_of(daemon: &Daemon, sid: Sid) -> Result<String, Refusal> {
    let session = daemon.look(|view| Ok::<_, Refusal>(view.get::<Sessions>(&sid)?))?;
    let session = session.ok_or_else(|| Refusal::not_found("the input's session is not known"))?;
    Ok(session.thread_id)
}

/// An agent changes what it sent itself.
fn may_change(caller: &Caller, row: &rows::Input) -> Result<(), Refusal> {
    match caller {
        Caller::User | Caller::Demo => Ok(()),
        Caller::Agent(agent) if agent.session.thread_id == row.by => Ok(()),
        _ => Err(Refusal::forbidden("an agent changes only the messages that it sent itself")),
    }
}

/// An input whole: from the record of its acceptance, its text from that of its last change. `None` where they are
/// no longer there.
///
/// # Errors
/// Those of reading the log.
pub fn whole(
    log: &Reader,
    number: u64,
    row: &rows::Input,
) -> Result<Option<InputAccepted>, ReadError> {
    match accepted(log, number, row) {
        Ok(accepted) => Ok(Some(accepted)),
        Err(ReadError::Gap(_) | ReadError::BelowFloor { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is left of an input where its records cannot be read: the first line of its text.
pub fn told_by(row: &rows::Input) -> InputAccepted {
    InputAccepted { text: row.summary.clone(), ..InputAccepted::default() }
}

/// An input whole; that its records are no longer there is an error.
pub(super) fn accepted(
    log: &Reader,
    number: u64,
    row: &rows::Input,
) -> Result<InputAccepted, ReadError> {
    let read = |seq: u64| {
        let record = log.get(seq)?;
        Ok::<_, ReadError>(Synthetic::from_payload(record.record().payload))
    };
    let mut accepted = match read(number)? {
        Some(Synthetic::InputAccepted(accepted)) => accepted,
        // Of a newer sm: what the row tells is all there is.
        _ => told_by(row),
    };
    if row.text_seq != number
        && let Some(Synthetic::InputEdited(edited)) = read(row.text_seq)?
    {
        accepted.text = edited.text;
    }
    Ok(accepted)
}
