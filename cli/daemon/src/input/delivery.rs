//! An input on its way to Codex: begun with, or steered into a turn.
//!
//! What always holds: what is sent is the input as it was accepted or last changed; what came of it is
//! recorded; one whose answer was lost is unknown, never sent twice.

use super::message::{content, put_mode, put_settings};
use super::{lent, queue};
use crate::daemon::Daemon;
use crate::guard::guard;
use crate::problem::{Refusal, unknown_word};
use crate::said::{self, INVALID_REQUEST, OVERLOADED, is_unknown_method};
use crate::servers::pool::Server;
use crate::servers::resume;
use serde_json::{Value, json};
use sm_ingest::app_server::CallError;
use sm_projections::rows::{InputStatus, Session};
use sm_projections::tables::{Inputs, Sessions};
use sm_projections::views::{self, Selection};
use sm_protocol::synthetic::{InputAccepted, InputChanged, message_id};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to begin or steer a turn.
const BEGINNING: Duration = Duration::from_secs(60);

/// How long the answer may take once Codex has told of the message.
const ANSWERING: Duration = Duration::from_secs(2);

/// How long a begun turn may take to be told of.
const TELLING: Duration = Duration::from_secs(10);

/// What became of an input.
pub(super) enum Fate {
    Started(String),
    Steered(String),
    Queued(Option<String>),
    /// Queued behind others that are held, or held itself.
    Held,
    Refused(String),
    Failed(String),
    Unknown(String),
}

impl Fate {
    /// What is recorded of the input.
    fn of(self, input: u64) -> InputChanged {
        let is = |status| queue::now_is(input, status);
        let because = |reason, status| InputChanged { reason: Some(reason), ..is(status) };
        match self {
            Fate::Started(turn) => InputChanged { turn: Some(turn), ..is(InputStatus::Started) },
            Fate::Steered(turn) => InputChanged { turn: Some(turn), ..is(InputStatus::Steered) },
            Fate::Queued(reason) => InputChanged { reason, ..is(InputStatus::Queued) },
            Fate::Held => InputChanged { held: true, ..is(InputStatus::Queued) },
            Fate::Refused(reason) => because(reason, InputStatus::Refused),
            Fate::Failed(reason) => because(reason, InputStatus::Failed),
            Fate::Unknown(reason) => because(reason, InputStatus::Unknown),
        }
    }
}

/// An accepted input.
pub(super) struct Accepted<'a> {
    pub number: u64,
    pub message: &'a InputAccepted,
}

/// Records what became of an input, a turn that it began only once that is told of: until then the input
/// still waits, and nobody takes its session for idle. What Codex told of it counts for more than what it
/// answered. Returns what was recorded.
pub(super) async fn settle(
    daemon: &Daemon,
    thread: &str,
    number: u64,
    fate: Fate,
) -> Result<InputChanged, Refusal> {
    if let Fate::Started(turn) = &fate {
        // The turn has begun, whether the tables tell of it yet or not.
        let _ = told_of(daemon, thread, turn).await;
    }
    let heard = match fate {
        Fate::Started(_) | Fate::Steered(_) | Fate::Held => None,
        // Whatever was answered, if anything: Codex may have told of the message before.
        _ => heard(daemon, number).await,
    };
    let changed = heard.unwrap_or_else(|| fate.of(number));
    let (changed, receipt) = queue::note(daemon, thread, changed).await?;
    // It has come to that, however late the tables tell of it: an error here would have it sent again.
    let _ = daemon.folded_to(receipt.last).await;
    Ok(changed)
}

/// That a turn took the input, where Codex told of its message by now. Late tables may not tell of it yet; what
/// became of it is recorded all the same.
async fn heard(daemon: &Daemon, number: u64) -> Option<InputChanged> {
    let _ = daemon.caught_up().await;
    let row = daemon.look(|view| view.get::<Inputs>(&number)).ok()?;
    let taken = row.filter(|row| row.status.is_taken());
    taken.map(|row| InputChanged { turn: row.turn, ..queue::now_is(number, row.status) })
}

pub(super) async fn steer(
    daemon: &Arc<Daemon>,
    session: &Session,
    turn: &str,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    let server = resume::ensure(daemon, &session.thread_id).await?;
    let params = json!({
        "threadId": session.thread_id,
        "expectedTurnId": turn,
        "input": content(&input.message.text, &input.message.images),
        "clientUserMessageId": message_id(input.number),
    });
    let answer = tokio::select! {
        answer = server.app.call("turn/steer", params, BEGINNING) => answer,
        turn = taken_unanswered(daemon, input.number) => return Ok(Fate::Steered(turn)),
    };
    match answer {
        Ok(reply) => {
            // Taken is taken, however late the tables tell of it.
            let _ = daemon.folded_to(reply.seq).await;
            let taken = reply.result.get("turnId").and_then(Value::as_str).unwrap_or(turn);
            Ok(Fate::Steered(taken.to_owned()))
        }
        Err(error) if is_unknown_method(&error) => {
            let version = server.codex.version;
            let why = format!("codex {version} takes no words into a turn that runs");
            waits_for_another(session, turn, input, why)
        }
        Err(CallError::Refused { code: INVALID_REQUEST, message, seq, .. }) => {
            daemon.folded_to(seq).await?;
            unsteerable(daemon, session, turn, input, message).await
        }
        // Nothing was sent, and the turn is lost with its server.
        Err(CallError::Gone { .. }) if input.message.expected_turn.is_some() => {
            Err(super::turn_changed(session, input, None))
        }
        // It begins one of its own.
        Err(error @ CallError::Gone { .. }) => {
            super::deliver_soon(daemon, &session.thread_id);
            Ok(Fate::Queued(Some(error.to_string())))
        }
        Err(error @ CallError::Refused { code: OVERLOADED, .. }) => Err(error.into()),
        Err(error) => {
            remember(daemon, &server, input.number, &error);
            Ok(fate_of(error))
        }
    }
}

/// The turn cannot be steered: it has just ended, so a new one is begun, once; or it is of a kind
/// that takes no words, so they wait.
async fn unsteerable(
    daemon: &Arc<Daemon>,
    session: &Session,
    turn: &str,
    input: &Accepted<'_>,
    message: String,
) -> Result<Fate, Refusal> {
    let over = daemon.until(Duration::from_millis(500), |view| {
        let row = view.get::<Sessions>(&super::session_sid(view, &session.thread_id)?)?;
        let open = row.and_then(|row| row.open_turn);
        Ok((open.is_none_or(|open| open.id != turn)).then_some(()))
    });
    let over = over.await?.is_some();
    let now = daemon.session(&session.thread_id)?.session;
    if over && input.message.expected_turn.is_some() {
        return Err(super::turn_changed(&now, input, now.open_turn.as_ref()));
    }
    if over && now.open_turn.is_none() {
        return start(daemon, &session.thread_id, input).await;
    }
    waits_for_another(&now, turn, input, message)
}

/// The open turn takes no words: they wait for the next one, unless they are meant for that one only.
fn waits_for_another(
    session: &Session,
    turn: &str,
    input: &Accepted<'_>,
    why: String,
) -> Result<Fate, Refusal> {
    if input.message.expected_turn.is_none() {
        return Ok(Fate::Queued(Some(why)));
    }
    let message = format!("turn {turn} takes no words: {why}");
    Err(Refusal::new(409, "turn_unsteerable", message)
        .hint(format!(
            "send it without the turn: it waits until that one is over; or end it: `sm interrupt {}`",
            session.id
        ))
        .details(json!({ "expected_turn": turn })))
}

/// Begins a turn, on a server started and a thread loaded for it if need be.
pub(super) async fn start(
    daemon: &Arc<Daemon>,
    thread: &str,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    super::unknown::doubt(daemon, thread).await?;
    let server = resume::ensure(daemon, thread).await?;
    lent::note_own(daemon, &server, thread, &input.message.settings).await?;
    // That may have taken long.
    if queue::is_held(daemon, input.number).await {
        return Ok(Fate::Held);
    }
    let begun = match turn_start(daemon, &server, thread, input).await? {
        // It ended before anything was said to it: once more, on another one.
        Err(CallError::Gone { .. }) => {
            let server = resume::ensure(daemon, thread).await?;
            turn_start(daemon, &server, thread, input).await?
        }
        // Codex unloaded the thread behind our back: nothing was begun.
        Err(error) if said::is_not_loaded(said::words(&error)) => {
            resume::load(daemon, &server, &daemon.session(thread)?.session).await?;
            turn_start(daemon, &server, thread, input).await?
        }
        begun => begun,
    };
    match begun {
        Ok(Some(turn)) => Ok(Fate::Started(turn)),
        // Taken, as what?
        Ok(None) => Ok(Fate::Unknown("the answer to turn/start names no turn".to_owned())),
        Err(error @ CallError::Refused { code: OVERLOADED, .. }) => Err(error.into()),
        // Twice in a row: nothing was sent, and Codex does not stay.
        Err(error @ CallError::Gone { .. }) => Err(error.into()),
        Err(error) => Ok(fate_of(error)),
    }
}

async fn turn_start(
    daemon: &Daemon,
    server: &Server,
    thread: &str,
    input: &Accepted<'_>,
) -> Result<Result<Option<String>, CallError>, Refusal> {
    let session = daemon.session(thread)?.session;
    let mut params = json!({
        "threadId": thread,
        "input": content(&input.message.text, &input.message.images),
        "clientUserMessageId": message_id(input.number),
    });
    let settings = input.message.settings.clone().or(session.kept.clone());
    put_settings(&mut params, &settings, &session);
    if let Some(schema) = &input.message.output_schema {
        params["outputSchema"] = schema.clone();
    }
    // One that is told nothing plans as little as the session does.
    if let Some(plans) = input.message.plan.or(session.plans.then_some(false)) {
        put_mode(&mut params, plans, &settings, &session);
    }
    let reply = tokio::select! {
        answer = server.app.call("turn/start", params, BEGINNING) => match answer {
            Ok(reply) => reply,
            Err(error) => {
                remember(daemon, server, input.number, &error);
                return Ok(Err(error));
            }
        },
        turn = taken_unanswered(daemon, input.number) => return Ok(Ok(Some(turn))),
    };
    // Taken is taken, however late the tables tell of it: an error here would have it sent again.
    let _ = daemon.folded_to(reply.seq).await;
    let turn = reply.result.pointer("/turn/id").and_then(Value::as_str);
    Ok(Ok(turn.map(str::to_owned)))
}

/// Remembers who has an input and did not answer: it may still take it.
fn remember(daemon: &Daemon, server: &Server, number: u64, error: &CallError) {
    if matches!(error, CallError::NoAnswer { .. }) {
        guard(&daemon.unanswered).insert(number, (server.source, server.generation));
    }
}

/// Waits until Codex has told of the message, and for the answer a while beyond: whoever sends it waits no
/// longer, and no verb behind it. Returns the turn.
async fn taken_unanswered(daemon: &Daemon, number: u64) -> String {
    loop {
        let told = daemon.until(BEGINNING, |view| {
            let row = view.get::<Inputs>(&number)?.filter(|row| row.status.is_taken());
            Ok(row.and_then(|row| row.turn))
        });
        let told = told.await;
        tokio::time::sleep(ANSWERING).await;
        if let Ok(Some(turn)) = told {
            return turn;
        }
    }
}

/// Waits until the turn is told of.
async fn told_of(daemon: &Daemon, thread: &str, turn: &str) -> Result<(), Refusal> {
    let Selection { sid, session } = daemon.session(thread)?;
    let patience = TELLING.min(daemon.config.fold_patience);
    let told = daemon.until(patience, |view| {
        // A server that is gone tells of nothing any more.
        let is_gone = view.get::<Sessions>(&sid)?.is_some_and(|session| session.gone);
        Ok((is_gone || views::turn_number(view, sid, &session, turn)?.is_some()).then_some(()))
    });
    told.await.map(drop)
}

fn fate_of(error: CallError) -> Fate {
    match error.is_unknown() {
        true => Fate::Unknown(error.to_string()),
        false => Fate::Failed(
            unknown_word(&error).map_or_else(|| error.to_string(), |told| told.to_string()),
        ),
    }
}
