//! The one path of an input: accepted, then started, steered, queued or refused.
//!
//! What always holds: an input is recorded before anything is done with it, and everything that is
//! done with it is recorded; one whose answer was lost is unknown, never sent twice. What waits is
//! delivered in order when its session's turn ends. After an interrupt it is held until the next
//! input or a resume, and each held input says so.

use crate::api::{Input, InputTaken, Mode};
use crate::daemon::{Caller, Daemon};
use crate::interrupt::interrupt_turn;
use crate::pool::Server;
use crate::problem::Refusal;
use crate::resume;
use serde_json::{Value, json};
use sm_ingest::app_server::CallError;
use sm_projections::rows::{self, InputStatus, Session, Sid};
use sm_projections::table::{Key, id_hash};
use sm_projections::tables::{Inputs, Queue, Requests, Sessions, TurnIds};
use sm_projections::views;
use sm_protocol::synthetic::{InputAccepted, InputChanged, Synthetic};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to begin or steer a turn.
const BEGINNING: Duration = Duration::from_secs(60);

/// How long a begun turn may take to be told of.
const TELLING: Duration = Duration::from_secs(10);

/// Why an input waits although its session is idle.
const HELD: &str = "held: the turn was interrupted";

/// JSON-RPC's "invalid request": a turn that cannot be steered, among many other faults.
const INVALID_REQUEST: i64 = -32600;

/// What became of an input.
enum Fate {
    Started(String),
    Steered(String),
    Queued(Option<String>),
    Failed(String),
    Unknown(String),
}

impl Fate {
    fn parts(self) -> (InputStatus, Option<String>, Option<String>) {
        match self {
            Fate::Started(turn) => (InputStatus::Started, Some(turn), None),
            Fate::Steered(turn) => (InputStatus::Steered, Some(turn), None),
            Fate::Queued(reason) => (InputStatus::Queued, None, reason),
            Fate::Failed(reason) => (InputStatus::Failed, None, Some(reason)),
            Fate::Unknown(reason) => (InputStatus::Unknown, None, Some(reason)),
        }
    }
}

/// An accepted input.
struct Accepted<'a> {
    number: u64,
    text: &'a str,
    plan: Option<bool>,
}

/// Takes a message for the session that `word` means.
pub(crate) async fn take(
    daemon: &Arc<Daemon>,
    word: &str,
    input: Input,
) -> Result<InputTaken, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(input.by.as_deref())?;
    let target = daemon.find(word, input.by.as_deref())?;
    let mut input = input;
    match &caller {
        Caller::Agent(agent) => {
            input.text = from_agent(daemon, agent, &target, &input.text)?;
        }
        Caller::Nameless(_) => {
            return Err(Refusal::forbidden(
                "an agent sends to its own family only, and which session asks is not known",
            ));
        }
        Caller::User | Caller::Demo => {
            // One that has no server is refused where it is taken.
            if let Ok(home) = daemon.codex_home_of(&target.session) {
                daemon.keep_search(&caller, &home, input.codex.as_ref());
            }
        }
    }
    let _lock = daemon.lock(&target.session.thread_id).await;
    let taken = take_locked(daemon, &target.session, &input, &caller).await;
    taken.map_err(|refusal| refusal.of_session(&target.session))
}

/// What an agent may say: to its own family, and to whoever is not below it with a line on where it
/// comes from, because no agent speaks with the user's voice.
fn from_agent(
    daemon: &Daemon,
    agent: &views::Selection,
    target: &views::Selection,
    text: &str,
) -> Result<String, Refusal> {
    if agent.sid == target.sid {
        return Err(Refusal::forbidden("an agent sends nothing to itself")
            .hint("go on by yourself, or name another session of your family"));
    }
    if daemon.is_above(agent.sid, target.sid)? {
        return Ok(text.to_owned());
    }
    if !daemon.is_family(agent.sid, target.sid)? {
        let target = &target.session.id;
        return Err(Refusal::forbidden(format!(
            "an agent sends to its own family only: session {target} is none of it"
        ))
        .hint("`sm children` and the tool sm_children list it"));
    }
    let session = &agent.session;
    let name = session.name.as_deref().map_or(String::new(), |name| format!(" ({name})"));
    Ok(format!("[message of the agent in session {}{name}]\n{text}", session.id))
}

/// The same for whoever holds the session's lock.
pub(crate) async fn take_locked(
    daemon: &Arc<Daemon>,
    target: &Session,
    input: &Input,
    caller: &Caller,
) -> Result<InputTaken, Refusal> {
    if input.text.trim().is_empty() {
        return Err(Refusal::bad_request("the message is empty"));
    }
    // One that nothing could ever take is not accepted.
    daemon.codex_home_of(target)?;
    let thread = target.thread_id.as_str();
    let accepted = Synthetic::InputAccepted(InputAccepted {
        text: input.text.clone(),
        mode: mode_word(input.mode).to_owned(),
        by: caller.word(),
        plan: input.plan,
    });
    let receipt = daemon.note(thread, &accepted)?;
    let number = receipt.first;
    daemon.folded_to(number).await?;
    let session = daemon.session(thread)?.session;
    let accepted = Accepted { number, text: &input.text, plan: input.plan };
    let fate = match decide(daemon, &session, input.mode, &accepted).await {
        Ok(fate) => fate,
        Err(refusal) => {
            let refused = match refusal.status {
                409 => InputStatus::Refused,
                _ => InputStatus::Failed,
            };
            let reason = Some(refusal.to_string());
            change(daemon, thread, number, refused, None, reason).await?;
            return Err(refusal);
        }
    };
    let (status, turn, reason) = fate.parts();
    change(daemon, thread, number, status, turn.as_deref(), reason.clone()).await?;
    if let (InputStatus::Started, Some(turn)) = (status, &turn) {
        told_of(daemon, thread, turn).await?;
    }
    Ok(InputTaken {
        session_id: session.id,
        input: number,
        status: status.as_str().to_owned(),
        turn_id: turn,
        reason,
        cursor: daemon.cursor(number),
    })
}

async fn decide(
    daemon: &Arc<Daemon>,
    session: &Session,
    mode: Mode,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    if session.ended {
        return Err(Refusal::dead(format!("session {} was stopped", session.id))
            .hint(format!("`sm resume {}` loads it again", session.id)));
    }
    let asked = session.pending.iter().find(|(_, class)| class.asks_human()).map(|(seq, _)| *seq);
    match (mode, asked, &session.open_turn) {
        (Mode::Queue, Some(request), _) => {
            Ok(Fate::Queued(Some(format!("request {} waits", views::request_id(request)))))
        }
        (_, Some(request), _) => Err(pending(daemon, session, request)?),
        (Mode::Start | Mode::Queue, None, Some(_)) => Ok(Fate::Queued(None)),
        (Mode::Steer, None, Some(turn)) => steer(daemon, session, &turn.id, input).await,
        (Mode::Urgent, None, Some(turn)) => {
            interrupt_turn(daemon, session, &turn.id).await?;
            start(daemon, &session.thread_id, input).await
        }
        (_, None, None) => begin(daemon, session, mode, input).await,
    }
}

/// An input for an idle session: it begins a turn, unless others came first.
async fn begin(
    daemon: &Arc<Daemon>,
    session: &Session,
    mode: Mode,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    let earlier = waiting(daemon, &session.thread_id)?;
    let earlier = earlier.iter().filter(|(number, _)| *number != input.number);
    let (held, ahead): (Vec<_>, Vec<_>) = earlier.partition(|(_, row)| is_held(row));
    // The next input ends a hold. One that is told to queue stays behind the others.
    release(daemon, &session.thread_id, held.iter().map(|(number, _)| *number)).await?;
    let queues = mode == Mode::Queue && !held.is_empty();
    if ahead.is_empty() && !queues {
        return start(daemon, &session.thread_id, input).await;
    }
    deliver_soon(daemon, &session.thread_id);
    Ok(Fate::Queued(None))
}

/// The refusal of an input while a human is waited for.
fn pending(daemon: &Daemon, session: &Session, request: u64) -> Result<Refusal, Refusal> {
    let id = views::request_id(request);
    let document = daemon.look(|view| match view.get::<Requests>(&request)? {
        Some(row) => views::request_doc(view, request, row).map(Some),
        None => Ok(None),
    })?;
    let (kind, asked_at, summary) = document
        .map_or((None, None, None), |doc| (Some(doc.kind), doc.asked_at, Some(doc.summary)));
    let message = format!("session {} waits for an answer to request {id}", session.id);
    Ok(Refusal::new(409, "pending_structured_request", message)
        .hint(match kind {
            Some("user_input" | "elicitation") => {
                format!("`sm inbox` shows it, `sm answer {id} …` answers it; or send with --queue")
            }
            _ => format!(
                "`sm inbox` shows it, `sm approve {id}` or `sm deny {id}` decides it; or send \
                 with --queue"
            ),
        })
        .retryable()
        .details(json!({
            "request_id": id, "type": kind, "asked_at": asked_at, "summary": summary,
            "session_id": session.id,
        })))
}

async fn steer(
    daemon: &Arc<Daemon>,
    session: &Session,
    turn: &str,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    let server = resume::ensure(daemon, &session.thread_id).await?;
    let params = json!({
        "threadId": session.thread_id,
        "expectedTurnId": turn,
        "input": words(input.text),
        "clientUserMessageId": message_id(input.number),
    });
    match server.app.call("turn/steer", params, BEGINNING).await {
        Ok(reply) => {
            daemon.folded_to(reply.seq).await?;
            let taken = reply.result.get("turnId").and_then(Value::as_str).unwrap_or(turn);
            Ok(Fate::Steered(taken.to_owned()))
        }
        Err(CallError::Refused { code: INVALID_REQUEST, message, seq, .. }) => {
            daemon.folded_to(seq).await?;
            unsteerable(daemon, session, turn, input, message).await
        }
        Err(error) => Ok(fate_of(error)),
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
        let row = view.get::<Sessions>(&session_sid(view, &session.thread_id)?)?;
        let open = row.and_then(|row| row.open_turn);
        Ok((open.is_none_or(|open| open.id != turn)).then_some(()))
    });
    let over = over.await?.is_some();
    let now = daemon.session(&session.thread_id)?.session;
    if over && now.open_turn.is_none() {
        return start(daemon, &session.thread_id, input).await;
    }
    Ok(Fate::Queued(Some(message)))
}

fn session_sid(view: &sm_projections::View<'_>, thread: &str) -> Result<Sid, Refusal> {
    let sid = view.get::<sm_projections::tables::Threads>(&thread.to_owned())?;
    sid.ok_or_else(|| Refusal::not_found(format!("no session has thread {thread}")))
}

/// Begins a turn, on a server started and a thread loaded for it if need be.
async fn start(daemon: &Arc<Daemon>, thread: &str, input: &Accepted<'_>) -> Result<Fate, Refusal> {
    let server = resume::ensure(daemon, thread).await?;
    let begun = match turn_start(daemon, &server, thread, input).await? {
        // It ended before anything was said to it: once more, on another one.
        Err(CallError::Gone { .. }) => {
            let server = resume::ensure(daemon, thread).await?;
            turn_start(daemon, &server, thread, input).await?
        }
        // Codex unloaded the thread behind our back: nothing was begun.
        Err(error) if is_not_loaded(&error) => {
            resume::load(daemon, &server, &daemon.session(thread)?.session).await?;
            turn_start(daemon, &server, thread, input).await?
        }
        begun => begun,
    };
    Ok(begun.map_or_else(fate_of, Fate::Started))
}

/// Whether Codex says that it does not have the thread. The code is shared by many faults.
fn is_not_loaded(error: &CallError) -> bool {
    error.refusal().is_some_and(|(_, words)| {
        words.contains("thread not found") || words.contains("not loaded")
    })
}

async fn turn_start(
    daemon: &Daemon,
    server: &Server,
    thread: &str,
    input: &Accepted<'_>,
) -> Result<Result<String, CallError>, Refusal> {
    let mut params = json!({
        "threadId": thread,
        "input": words(input.text),
        "clientUserMessageId": message_id(input.number),
    });
    if let Some(plan) = input.plan {
        let session = daemon.session(thread)?.session;
        params["collaborationMode"] = json!({
            "mode": if plan { "plan" } else { "default" },
            "settings": {
                "model": session.model.unwrap_or_default(),
                "reasoning_effort": session.effort,
                "developer_instructions": null,
            },
        });
    }
    let reply = match server.app.call("turn/start", params, BEGINNING).await {
        Ok(reply) => reply,
        Err(error) => return Ok(Err(error)),
    };
    daemon.folded_to(reply.seq).await?;
    let turn = reply.result.pointer("/turn/id").and_then(Value::as_str);
    Ok(turn.map(str::to_owned).ok_or_else(|| CallError::Refused {
        method: "turn/start".to_owned(),
        code: 0,
        message: "the answer names no turn".to_owned(),
        seq: reply.seq,
    }))
}

/// Waits until the turn is told of, so that nobody takes its session for idle.
async fn told_of(daemon: &Daemon, thread: &str, turn: &str) -> Result<(), Refusal> {
    let sid = daemon.session(thread)?.sid;
    let key = (sid, id_hash(&[turn]));
    daemon.until(TELLING, |view| Ok(view.get::<TurnIds>(&key)?)).await.map(drop)
}

fn fate_of(error: CallError) -> Fate {
    match error.is_unknown() {
        true => Fate::Unknown(error.to_string()),
        false => Fate::Failed(error.to_string()),
    }
}

fn words(text: &str) -> Value {
    json!([{ "type": "text", "text": text, "text_elements": [] }])
}

/// What ties a turn of Codex's to the input that began it; Codex gives it back as the user message's
/// `clientId` where it knows the field.
pub(crate) fn message_id(input: u64) -> String {
    format!("sm-input-{input}")
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Start => "start",
        Mode::Steer => "steer",
        Mode::Urgent => "urgent",
        Mode::Queue => "queue",
    }
}

/// Records that an input moved on.
pub(crate) async fn change(
    daemon: &Daemon,
    thread: &str,
    input: u64,
    status: InputStatus,
    turn: Option<&str>,
    reason: Option<String>,
) -> Result<(), Refusal> {
    let changed = Synthetic::InputChanged(InputChanged {
        input,
        status: status.as_str().to_owned(),
        turn: turn.map(str::to_owned),
        reason,
    });
    let receipt = daemon.note(thread, &changed)?;
    daemon.folded_to(receipt.last).await
}

/// What waits for a session, oldest first.
pub(crate) fn waiting(daemon: &Daemon, thread: &str) -> Result<Vec<(u64, rows::Input)>, Refusal> {
    daemon.look(|view| {
        let sid = session_sid(view, thread)?;
        let mut numbers = Vec::new();
        view.scan::<Queue>(&sid.to_bytes(), &[], |(_, number), ()| {
            numbers.push(number);
            true
        })?;
        let mut inputs = Vec::new();
        for number in numbers {
            inputs.extend(view.get::<Inputs>(&number)?.map(|row| (number, row)));
        }
        Ok(inputs)
    })
}

fn is_held(row: &rows::Input) -> bool {
    row.reason.as_deref() == Some(HELD)
}

/// Holds what waits for a session: its user has just interrupted it.
pub(crate) async fn hold(daemon: &Daemon, thread: &str) -> Result<(), Refusal> {
    for (number, row) in waiting(daemon, thread)? {
        if !is_held(&row) {
            let reason = Some(HELD.to_owned());
            change(daemon, thread, number, InputStatus::Queued, None, reason).await?;
        }
    }
    Ok(())
}

/// Ends a hold.
pub(crate) async fn release_all(daemon: &Daemon, thread: &str) -> Result<(), Refusal> {
    let held = waiting(daemon, thread)?;
    let held = held.iter().filter(|(_, row)| is_held(row)).map(|(number, _)| *number);
    release(daemon, thread, held).await
}

async fn release(
    daemon: &Daemon,
    thread: &str,
    held: impl Iterator<Item = u64>,
) -> Result<(), Refusal> {
    for number in held {
        change(daemon, thread, number, InputStatus::Queued, None, None).await?;
    }
    Ok(())
}

/// Delivers what waits, once record `seq` is folded.
pub(crate) async fn deliver_after(daemon: Arc<Daemon>, thread: String, seq: u64) {
    if thread.is_empty() || daemon.folded_to(seq).await.is_err() {
        return;
    }
    if let Err(error) = deliver(&daemon, &thread).await {
        daemon.say(&format!("what waits for session {thread} was not delivered: {error}"));
    }
}

/// Delivers what waits, in a task of its own.
pub(crate) fn deliver_soon(daemon: &Arc<Daemon>, thread: &str) {
    tokio::spawn(deliver_after(Arc::clone(daemon), thread.to_owned(), 0));
}

/// Begins a turn with the oldest input that waits, if the session is free for it.
async fn deliver(daemon: &Arc<Daemon>, thread: &str) -> Result<(), Refusal> {
    // Most turns end with nothing waiting.
    if waiting(daemon, thread)?.is_empty() {
        return Ok(());
    }
    let _lock = daemon.lock(thread).await;
    loop {
        daemon.caught_up().await?;
        let session = daemon.session(thread)?.session;
        let is_free = session.open_turn.is_none()
            && !session.ended
            && !session.pending.iter().any(|(_, class)| class.asks_human());
        let next = waiting(daemon, thread)?.into_iter().find(|(_, row)| !is_held(row));
        let (true, Some((number, _))) = (is_free && !daemon.is_stopping(), next) else {
            return Ok(());
        };
        let (text, plan) = accepted(daemon, number)?;
        // Where Codex is away the input goes on waiting.
        let fate = start(daemon, thread, &Accepted { number, text: &text, plan }).await?;
        let (status, turn, reason) = fate.parts();
        change(daemon, thread, number, status, turn.as_deref(), reason).await?;
        if let Some(turn) = turn {
            return told_of(daemon, thread, &turn).await;
        }
    }
}

/// An input's text, whole, from the record of its acceptance.
fn accepted(daemon: &Daemon, number: u64) -> Result<(String, Option<bool>), Refusal> {
    let record = daemon.reader.get(number)?;
    match Synthetic::from_payload(record.record().payload) {
        Some(Synthetic::InputAccepted(accepted)) => Ok((accepted.text, accepted.plan)),
        _ => Err(Refusal::new(500, "failed", format!("record {number} is no accepted input"))),
    }
}
