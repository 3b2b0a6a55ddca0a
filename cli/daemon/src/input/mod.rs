//! The one path of an input: accepted, then started, steered, queued or refused.
//!
//! What always holds: an input is recorded before anything is done with it, also before its session's lock is
//! waited for, and everything that is done with it is recorded, by whoever has that lock; one whose answer was
//! lost is unknown, never sent twice. What waits is delivered in order when its session's turn ends, what is
//! urgent first. After an interrupt it is held until a release or a resume, and each held input says so; so is
//! what comes after it, unless it is urgent or steered.

mod delivery;
mod dispatch;
mod key;
mod lent;
pub(crate) mod message;
mod queue;
pub(crate) mod reminders;
mod rollout;
mod unknown;
pub(crate) mod words;

pub(crate) use dispatch::{deliver_after, deliver_soon, passes};
pub(crate) use lent::{put_back, put_back_after};
pub(crate) use queue::{
    act, cancel_all, change, document, hold, hold_or_release, list, now_is, release, release_all,
    waiting,
};
pub use queue::{told_by, whole};
pub(crate) use unknown::{doubt, doubt_all, doubt_last, doubt_soon, find_out_all, resumed};

use crate::api::{Input, InputTaken, Mode, Settings};
use crate::caller::{Caller, SENDER};
use crate::daemon::Daemon;
use crate::family;
use crate::problem::Refusal;
use crate::servers::{archive, older};
use crate::sessions::interrupt::interrupt_turn;
use delivery::{Accepted, Fate, settle, start, steer};
use serde_json::json;
use sm_ingest::aside;
use sm_projections::rows::{Input as Row, InputStatus, OpenTurn, Session, Sid, line};
use sm_projections::table::{Key, Table};
use sm_projections::tables::{Inputs, Requests};
use sm_projections::{View, views};
use sm_protocol::synthetic::{InputAccepted, InputChanged, News, Synthetic};
use std::sync::Arc;

/// Takes a message for the session that `word` means.
pub(crate) async fn take(
    daemon: &Arc<Daemon>,
    word: &str,
    input: Input,
) -> Result<InputTaken, Refusal> {
    key::check_senders(input.key.as_deref())?;
    daemon.caught_up().await?;
    let caller = daemon.caller(input.by.as_deref())?;
    let target = daemon.find(word, input.by.as_deref())?;
    let mut input = input;
    match &caller {
        Caller::Agent(agent) => {
            input.text = family::from_agent(daemon, agent, &target, &input.text)?;
            family::may_send(daemon, agent, &target, &input)?;
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
    let taken = take_in_line(daemon, &target.session, &input, &caller).await;
    taken.map_err(|refusal| refusal.of_session(&target.session))
}

/// Accepts a message, and does with it what is to be done as soon as the session's lock is free: whoever has it may
/// wait for Codex. What is to be queued needs no Codex, and waits for nobody.
async fn take_in_line(
    daemon: &Arc<Daemon>,
    target: &Session,
    input: &Input,
    caller: &Caller,
) -> Result<InputTaken, Refusal> {
    let sender = Sender::of_message(caller, target, input)?;
    let thread = target.thread_id.as_str();
    let is_patient = input.mode != Mode::Queue || takes_messages(target).is_err();
    match record(daemon, target, input, &sender).await? {
        // It is on its way.
        Recorded::Before(number, row) if is_patient && row.status == InputStatus::Accepted => {
            let _lock = daemon.lock(thread).await;
            daemon.caught_up().await?;
            let row = daemon.look(|view| view.get::<Inputs>(&number))?.unwrap_or(row);
            if row.status != InputStatus::Accepted {
                return repeated(daemon, target, number, row);
            }
            // Whoever has the lock first does it, for both.
            let message = queue::accepted(&daemon.reader, number, &row)?;
            let message = Accepted { number, message: &message };
            let taken = go_on(daemon, target, mode_of(&row.mode), &message, &sender).await?;
            Ok(InputTaken { repeated: true, ..taken })
        }
        Recorded::Before(number, row) => repeated(daemon, target, number, row),
        Recorded::Now(number, message) => {
            let _lock = match daemon.try_lock(thread) {
                Some(lock) => lock,
                None if is_patient => daemon.lock(thread).await,
                None => {
                    tokio::spawn(dispatch::queue_up(Arc::clone(daemon), thread.to_owned(), number));
                    // It is told once it is safe.
                    let now = match daemon.folded_to(number).await {
                        Ok(()) => queue::put_back(daemon, thread, number)
                            .unwrap_or_else(|_| now_is(number, InputStatus::Queued)),
                        Err(late) => not_told_yet(daemon, number, &late),
                    };
                    return Ok(taken(daemon, target, now, false));
                }
            };
            go_on(daemon, target, input.mode, &Accepted { number, message: &message }, &sender)
                .await
        }
    }
}

/// Takes a message for whoever holds the session's lock.
pub(crate) async fn take_locked(
    daemon: &Arc<Daemon>,
    target: &Session,
    input: &Input,
    caller: &Caller,
) -> Result<InputTaken, Refusal> {
    let sender = Sender::of_message(caller, target, input)?;
    accept(daemon, target, input, &sender).await
}

/// The words of a reminder, of which nobody would be told that they failed. The caller holds the session's
/// lock.
pub(crate) async fn take_reminder(
    daemon: &Arc<Daemon>,
    target: &Session,
    input: &Input,
    caller: &Caller,
) -> Result<InputTaken, Refusal> {
    aside(|| message::check(input))?;
    accept(daemon, target, input, &Sender::new(caller.word(), WaitsOut::Anything)).await
}

/// What a session is told of its children. The caller holds its lock.
pub(crate) async fn take_news(
    daemon: &Arc<Daemon>,
    target: &Session,
    input: &Input,
    news: Vec<News>,
) -> Result<InputTaken, Refusal> {
    let sender = Sender::new(SENDER.to_owned(), WaitsOut::Anything);
    accept(daemon, target, input, &Sender { news, ..sender }).await
}

/// Whether nobody hears that it failed, to send it again: news of children, reminders, and the words that
/// went with an answer.
fn has_no_sender(row: &Row) -> bool {
    let is_named =
        |key: &String| key.starts_with(views::REMINDER_KEY) || key.starts_with(words::KEY);
    row.by == SENDER || row.key.as_ref().is_some_and(is_named)
}

/// Who sends an input, and what its being accepted says besides.
struct Sender {
    by: String,
    settings: Settings,
    news: Vec<News>,
    waits_out: WaitsOut,
}

impl Sender {
    fn new(by: String, waits_out: WaitsOut) -> Sender {
        Sender { by, settings: Settings::default(), news: Vec::new(), waits_out }
    }

    /// Who is told of a failure, and sends again.
    fn of_message(caller: &Caller, target: &Session, input: &Input) -> Result<Sender, Refusal> {
        aside(|| message::check(input))?;
        let settings = message::settings(caller, target, &input.settings)?;
        Ok(Sender { settings, ..Sender::new(caller.word(), WaitsOut::Away) })
    }
}

/// What came of recording an input.
enum Recorded {
    /// Its number, and its acceptance.
    Now(u64, InputAccepted),
    /// Its key names this one.
    Before(u64, Row),
}

/// Records that an input is accepted, unless its key names one already. That waits for nothing but log and tables.
async fn record(
    daemon: &Daemon,
    target: &Session,
    input: &Input,
    sender: &Sender,
) -> Result<Recorded, Refusal> {
    // One that nothing could ever take is not accepted.
    daemon.codex_home_of(target)?;
    let thread = target.thread_id.as_str();
    let _accepting = daemon.accepting.take(thread.to_owned()).await;
    if input.key.is_some() {
        // Whoever came first may have given the same one.
        daemon.caught_up().await?;
    }
    if let Some((number, before)) = key::repeated(daemon, target, input, &sender.settings)? {
        return Ok(Recorded::Before(number, before));
    }
    let accepted = InputAccepted {
        text: input.text.clone(),
        mode: mode_word(input.mode).to_owned(),
        by: sender.by.clone(),
        plan: input.plan,
        key: input.key.clone(),
        images: input.images.clone(),
        settings: sender.settings.clone(),
        output_schema: input.output_schema.clone(),
        expected_turn: input.expected_turn.clone(),
        news: sender.news.clone(),
    };
    let number = daemon.note(thread, &Synthetic::InputAccepted(accepted.clone()))?.first;
    Ok(Recorded::Now(number, accepted))
}

/// Records an input, and does with it what is to be done. The caller holds the session's lock.
async fn accept(
    daemon: &Arc<Daemon>,
    target: &Session,
    input: &Input,
    sender: &Sender,
) -> Result<InputTaken, Refusal> {
    match record(daemon, target, input, sender).await? {
        Recorded::Before(number, row) => repeated(daemon, target, number, row),
        Recorded::Now(number, message) => {
            go_on(daemon, target, input.mode, &Accepted { number, message: &message }, sender).await
        }
    }
}

/// Does with an input that was just accepted what is to be done. The caller holds the session's lock.
async fn go_on(
    daemon: &Arc<Daemon>,
    target: &Session,
    mode: Mode,
    input: &Accepted<'_>,
    sender: &Sender,
) -> Result<InputTaken, Refusal> {
    let (thread, number) = (target.thread_id.as_str(), input.number);
    let Told { session, row, edited } = match once_told(daemon, thread, number).await {
        Ok(told) => told,
        // One that is meant for a certain turn is of no use in another: it is not sent any more.
        Err(refusal) if input.message.expected_turn.is_some() => {
            let reason = Some(refusal.to_string());
            let failed = InputChanged { reason, ..now_is(number, InputStatus::Failed) };
            daemon.note(thread, &Synthetic::InputChanged(failed))?;
            return Err(refusal);
        }
        // It is in the log: whoever is told of an error would send it again.
        Err(refusal) => {
            tokio::spawn(deliver_after(Arc::clone(daemon), thread.to_owned(), number));
            let now = not_told_yet(daemon, number, &refusal);
            return Ok(taken(daemon, target, now, false));
        }
    };
    // Whoever had the lock before may have delivered it, held it, or taken it back.
    match row.status {
        InputStatus::Refused | InputStatus::Failed if input.message.expected_turn.is_some() => {
            return Err(turn_changed(&session, input, session.open_turn.as_ref()));
        }
        InputStatus::Refused | InputStatus::Failed | InputStatus::Cancelled => {
            takes_messages(&session)?;
            return Err(not_taken(number, &row));
        }
        InputStatus::Accepted if is_held(&row) => {
            let held = settle(daemon, thread, number, Fate::Held).await?;
            return Ok(taken(daemon, target, held, false));
        }
        status if !status.waits() || is_held(&row) => {
            return Ok(taken(daemon, target, as_it_is(number, row), false));
        }
        _ => {}
    }
    let input = Accepted { number, message: edited.as_ref().unwrap_or(input.message) };
    let sent = send(daemon, &session, mode, &input, sender.waits_out).await?;
    Ok(taken(daemon, target, sent, false))
}

/// What the tables tell once they tell of an input.
struct Told {
    session: Session,
    row: Row,
    /// The input, where it was changed since.
    edited: Option<InputAccepted>,
}

async fn once_told(daemon: &Daemon, thread: &str, number: u64) -> Result<Told, Refusal> {
    daemon.caught_up().await?;
    archive::came_out(daemon, &daemon.session(thread)?.session).await?;
    let session = daemon.session(thread)?.session;
    let row = daemon.look(|view| view.get::<Inputs>(&number))?;
    let row = row.ok_or_else(|| Refusal::not_found("the input is not in the tables"))?;
    let edited = match row.text_seq == number {
        true => None,
        false => Some(queue::accepted(&daemon.reader, number, &row)?),
    };
    Ok(Told { session, row, edited })
}

/// Whether an input goes nowhere until somebody lets it.
fn is_held(row: &Row) -> bool {
    row.held && !goes_past(row)
}

/// Whether an input is still on its way, and waits behind none that is held.
fn goes_past(row: &Row) -> bool {
    let modes = [Mode::Steer, Mode::Urgent].map(mode_word);
    row.status == InputStatus::Accepted && modes.contains(&row.mode.as_str())
}

/// What the sender of an input is told that was sent before.
fn repeated(
    daemon: &Daemon,
    target: &Session,
    number: u64,
    row: Row,
) -> Result<InputTaken, Refusal> {
    match row.status {
        InputStatus::Refused | InputStatus::Failed => Err(not_taken(number, &row)),
        // It waits for whoever has the session's lock.
        InputStatus::Accepted => {
            let queued = queue::put_back(daemon, &target.thread_id, number)?;
            let held = queued.held || is_held(&row);
            Ok(taken(daemon, target, InputChanged { held, ..queued }, true))
        }
        _ => Ok(taken(daemon, target, as_it_is(number, row), true)),
    }
}

/// The refusal of an input that somebody else refused while its sender waited.
fn not_taken(number: u64, row: &Row) -> Refusal {
    let (id, status) = (views::input_id(number), row.status.as_str());
    let reason = row.reason.as_deref().map_or(String::new(), |reason| format!(": {reason}"));
    Refusal::conflict(format!("input {id} was {status}{reason}"))
        .hint(format!("`sm queue show {id}` tells of it"))
}

/// That an input was accepted, where the tables do not tell of it yet.
fn not_told_yet(daemon: &Daemon, number: u64, late: &Refusal) -> InputChanged {
    match daemon.log().watermark() >= number {
        true => not_yet(number, late),
        false => InputChanged {
            reason: Some(format!("the disk does not hold it yet: {late}")),
            ..now_is(number, InputStatus::Unknown)
        },
    }
}

/// How an input stands.
fn as_it_is(number: u64, row: Row) -> InputChanged {
    let now = now_is(number, row.status);
    InputChanged { turn: row.turn, reason: row.reason, held: row.held, ..now }
}

/// That an input goes on waiting, and for what.
fn not_yet(number: u64, refusal: &Refusal) -> InputChanged {
    let reason = Some(line(&format!("not delivered yet: {refusal}")));
    InputChanged { reason, ..now_is(number, InputStatus::Queued) }
}

/// What the sender of an input is told. `repeated`: it was sent before.
fn taken(daemon: &Daemon, target: &Session, now: InputChanged, repeated: bool) -> InputTaken {
    let session = daemon.session(&target.thread_id).map(|found| found.session).ok();
    let waits = now.status == InputStatus::Queued.as_str();
    InputTaken {
        session_id: target.id.clone(),
        input: now.input,
        id: views::input_id(now.input),
        status: now.status,
        turn_id: now.turn,
        held: now.held,
        reason: views::input_reason(session.as_ref(), (waits, now.held), now.reason),
        cursor: daemon.cursor(now.input),
        repeated,
    }
}

/// What keeps an input waiting, to be tried again, instead of failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsOut {
    /// Codex is away or has too much to do: of all else its sender is told.
    Away,
    /// Whatever may pass: nobody would send it again.
    Anything,
}

impl WaitsOut {
    fn covers(self, refusal: &Refusal) -> bool {
        match self {
            WaitsOut::Away => is_away(refusal),
            WaitsOut::Anything => is_away(refusal) || passes(refusal) || older::is_older(refusal),
        }
    }
}

/// Does with an accepted input what is to be done with it, and records what came of it. The caller holds
/// the session's lock.
async fn send(
    daemon: &Arc<Daemon>,
    session: &Session,
    mode: Mode,
    input: &Accepted<'_>,
    waits_out: WaitsOut,
) -> Result<InputChanged, Refusal> {
    let (thread, number) = (session.thread_id.as_str(), input.number);
    let waits_out = |refusal: &Refusal| {
        waits_out.covers(refusal) || mode == Mode::Queue && older::is_older(refusal)
    };
    let fate = match decide(daemon, session, mode, input).await {
        Ok(fate) => fate,
        // One that is meant for a certain turn is of no use in another.
        Err(refusal) if waits_out(&refusal) && input.message.expected_turn.is_none() => {
            deliver_soon(daemon, thread);
            Fate::Queued(Some(format!("not delivered yet: {refusal}")))
        }
        Err(refusal) => {
            let fate = match refusal.status {
                409 => Fate::Refused(refusal.to_string()),
                _ => Fate::Failed(refusal.to_string()),
            };
            let settled = settle(daemon, thread, number, fate).await?;
            return settled.turn.is_some().then_some(settled).ok_or(refusal);
        }
    };
    settle(daemon, thread, number, fate).await
}

/// Refuses for a session that is in the archive, was stopped, or has no thread any more.
pub(crate) fn takes_messages(session: &Session) -> Result<(), Refusal> {
    if session.archived {
        return Err(Refusal::archived(session));
    }
    match session.ended {
        true => Err(Refusal::over(session)),
        false => Ok(()),
    }
}

/// Whether Codex is away or has too much to do, and nothing of the message was sent: it is tried again then, as
/// what waits is.
fn is_away(refusal: &Refusal) -> bool {
    let code = refusal.problem.code.as_str();
    matches!(
        code,
        "codex_overloaded" | "codex_missing" | "codex_too_old" | "codex_died" | "codex_home_missing"
    )
        // The server is still putting the thread away.
        || code == "held" && refusal.status == 503
}

async fn decide(
    daemon: &Arc<Daemon>,
    session: &Session,
    mode: Mode,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    takes_messages(session)?;
    lent::may_take(session, &input.message.settings)?;
    let asked = session.pending.iter().find(|(_, class)| class.asks_human()).map(|(seq, _)| *seq);
    let queues = mode == Mode::Queue || mode == Mode::Start && asked.is_none();
    if queues && queue::are_others_held(daemon, &session.thread_id, input.number)? {
        // What came first goes first, and its user has yet to let it go on.
        return Ok(Fate::Held);
    }
    match (mode, asked, &session.open_turn) {
        (Mode::Queue, Some(_), _) => Ok(Fate::Queued(None)),
        (_, Some(request), _) => Err(pending(daemon, session, request)?),
        (Mode::Start | Mode::Queue, None, Some(_)) => Ok(Fate::Queued(None)),
        (Mode::Steer, None, open) if is_another_turn(input, open.as_ref()) => {
            Err(turn_changed(session, input, open.as_ref()))
        }
        (Mode::Steer, None, Some(turn)) => steer(daemon, session, &turn.id, input).await,
        (Mode::Urgent, None, Some(turn)) => {
            interrupt_turn(daemon, session, &turn.id).await?;
            start(daemon, &session.thread_id, input).await
        }
        (_, None, None) => begin(daemon, session, mode, input).await,
    }
}

/// An input for an idle session: it begins a turn, unless it is not urgent and others came first that are about to.
async fn begin(
    daemon: &Arc<Daemon>,
    session: &Session,
    mode: Mode,
    input: &Accepted<'_>,
) -> Result<Fate, Refusal> {
    let thread = session.thread_id.as_str();
    let mut earlier = waiting(daemon, thread)?.into_iter();
    let is_earlier = |(number, row): (u64, Row)| number < input.number && !row.held;
    let goes_first = mode == Mode::Urgent || !earlier.any(is_earlier);
    let waits_for = match goes_first {
        // What was lost on its way may have begun a turn, which is not to be talked over.
        true => match unknown::find_out_all(daemon, thread).await {
            Ok(false) => return start(daemon, thread, input).await,
            Ok(true) => None,
            Err(refusal) if refusal.problem.code == "session_dead" => return Err(refusal),
            Err(refusal) => Some(format!("not delivered yet: {refusal}")),
        },
        false => None,
    };
    deliver_soon(daemon, thread);
    Ok(Fate::Queued(waits_for))
}

fn is_another_turn(input: &Accepted<'_>, open: Option<&OpenTurn>) -> bool {
    let expected = input.message.expected_turn.as_deref();
    expected.is_some_and(|expected| open.is_none_or(|open| open.id != expected))
}

fn turn_changed(session: &Session, input: &Accepted<'_>, open: Option<&OpenTurn>) -> Refusal {
    let expected = input.message.expected_turn.as_deref().unwrap_or_default();
    let now = open.map(|open| open.id.as_str());
    let words = now.map_or("none is open".to_owned(), |now| format!("{now} is open"));
    Refusal::new(409, "turn_changed", format!("turn {expected} is over: {words}"))
        .hint(format!(
            "`sm tail {}` shows what it came to; send it again without the turn if it still holds",
            session.id
        ))
        .details(json!({ "expected_turn": expected, "open_turn": now }))
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

/// The inputs of a session that table `T` lists, oldest first.
fn listed_in<T: Table<Key = (Sid, u64), Row = ()>>(
    daemon: &Daemon,
    thread: &str,
) -> Result<Vec<(u64, Row)>, Refusal> {
    daemon.look(|view| {
        let mut numbers = Vec::new();
        view.scan::<T>(&session_sid(view, thread)?.to_bytes(), &[], |(_, number), ()| {
            numbers.push(number);
            true
        })?;
        let row = |number| Ok(view.get::<Inputs>(&number)?.map(|row| (number, row)));
        numbers.into_iter().filter_map(|number| row(number).transpose()).collect()
    })
}

pub(crate) fn session_sid(view: &View<'_>, thread: &str) -> Result<Sid, Refusal> {
    let sid = view.get::<sm_projections::tables::Threads>(&thread.to_owned())?;
    sid.ok_or_else(|| Refusal::not_found(format!("no session has thread {thread}")))
}

/// The mode that a record names.
fn mode_of(word: &str) -> Mode {
    let modes = [Mode::Steer, Mode::Urgent, Mode::Queue];
    modes.into_iter().find(|mode| mode_word(*mode) == word).unwrap_or_default()
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Start => "start",
        Mode::Steer => "steer",
        Mode::Urgent => "urgent",
        Mode::Queue => "queue",
    }
}
