//! What Codex asks: waits in the tables until a human answers, or is answered at once where none can.
//!
//! What always holds: the first answer wins, and what was decided, by whom, is recorded before the
//! answer is sent; nothing is approved but by the user or a rule of theirs; an agent never answers for
//! itself or for one above it.

pub mod asked;
pub(crate) mod automatic;
mod before;
mod decision;
mod elicitation;
pub(crate) mod form;
pub(crate) mod grants;
mod programs;
mod question;
mod raw;
pub(crate) mod rulebook;
mod verdict;

pub use before::same_before;

use crate::api::{Answer, Answered};
use crate::caller::Caller;
use crate::daemon::{Daemon, now, to_value};
use crate::problem::{METHOD_NOT_FOUND, Refusal};
use crate::records::LookError;
use crate::servers::pool::Server;
use crate::sessions::rights::Rights;
use crate::{family, input, records, tools};
use serde_json::{Value, json};
use sm_ingest::app_server::{ServerCall, Version};
use sm_log::{ReadError, Reader};
use sm_projections::rows::{InputStatus, Request, RequestStatus};
use sm_projections::tables::{Requests, Sessions, Sources};
use sm_projections::views::{self, RequestDoc, Selection};
use sm_projections::{StoreError, View};
use sm_protocol::synthetic::{InputAccepted, InputChanged, RequestDecided, Synthetic};
use sm_protocol::{Kind, RpcId};
use std::sync::Arc;
use verdict::Verdict;

/// Where a request may stand.
const STATUSES: [&str; 4] = ["pending", "answered", "cleared", "orphaned"];

/// What `sm` answers itself, at once.
enum Own {
    /// A new token for the account.
    Token,
    /// Proof of what runs Codex.
    Attestation,
    Time,
}

impl Own {
    fn of(method: &str) -> Option<Own> {
        match method {
            "account/chatgptAuthTokens/refresh" => Some(Own::Token),
            "attestation/generate" => Some(Own::Attestation),
            "currentTime/read" => Some(Own::Time),
            _ => None,
        }
    }

    /// The answer, or why there is none.
    fn answer(&self) -> Result<Value, &'static str> {
        match self {
            Own::Token => Err("sm holds no account: sign in with codex login"),
            Own::Attestation => Err("sm attests nothing"),
            Own::Time => Ok(json!({ "currentTimeAt": now() / 1_000_000 })),
        }
    }
}

/// Whether `sm` answers requests of that method itself, at once: they wait for nobody.
pub fn answers_itself(method: &str) -> bool {
    Own::of(method).is_some()
}

/// A server asked something. What no human can answer is answered here, what a rule decides a moment
/// later; all else waits.
pub(crate) fn arrived(daemon: &Arc<Daemon>, server: &Arc<Server>, call: ServerCall) {
    if call.kind == Kind::TOOL_CALL {
        tokio::spawn(tools::answer(Arc::clone(daemon), Arc::clone(server), call));
        return;
    }
    let Some(own) = Own::of(&call.method) else {
        return automatic::arrived(daemon, server, &call);
    };
    let sent = match own.answer() {
        Ok(answer) => server.app.respond(&call.id, &answer),
        Err(why) => server.app.refuse(&call.id, METHOD_NOT_FOUND, why),
    };
    if let Err(error) = sent {
        daemon.say(&format!("{} was not answered: {error}", call.method));
    }
}

/// A request and all that concerns it.
struct Asked {
    number: u64,
    row: Request,
    session: Option<Selection>,
    /// The request as it came.
    params: Value,
    /// The release that asked.
    asked_by: Option<Version>,
}

impl Asked {
    /// What is sent for an answer, in the form that this release reads.
    fn verdict(&self, answer: &Answer) -> Result<Verdict, Refusal> {
        let verdict = decision::verdict(&self.row.method, &self.params, answer)?;
        Ok(verdict::fit(verdict, &self.row.method, self.asked_by))
    }
}

/// Who may answer what an agent may not.
const OWN_TERMINAL: &str = "answer it from your own terminal";

/// One request as a document.
pub(crate) fn document(daemon: &Daemon, id: &str) -> Result<Value, Refusal> {
    let number = number_of(id)?;
    daemon.look(|view| match view.get::<Requests>(&number)? {
        Some(row) => Ok(whole(view, &daemon.reader, &views::request_doc(view, number, row)?)?),
        None => Err(unknown(id)),
    })
}

/// All requests that wait, oldest first, each with what was asked.
pub(crate) fn waiting(daemon: &Daemon) -> Result<Vec<Value>, Refusal> {
    daemon.look(|view| {
        let waiting = views::pending_requests(view)?.into_iter();
        let waiting = waiting.filter(|doc| waits_for_somebody(daemon, doc));
        waiting.map(|doc| Ok(whole(view, &daemon.reader, &doc)?)).collect()
    })
}

/// How many requests wait.
pub(crate) fn count_waiting(daemon: &Daemon) -> Result<usize, Refusal> {
    let waiting = daemon.look(views::pending_requests)?;
    Ok(waiting.iter().filter(|doc| waits_for_somebody(daemon, doc)).count())
}

/// Whether anybody is waited for: what `sm` answers itself, or a rule is about to, waits for nobody.
fn waits_for_somebody(daemon: &Daemon, doc: &RequestDoc) -> bool {
    doc.decision.is_none() && !answers_itself(&doc.method) && !daemon.rules.is_judged(doc.seq)
}

/// A request with what was asked, and what its answer needs.
fn whole(view: &View<'_>, log: &Reader, doc: &RequestDoc) -> Result<Value, LookError> {
    let mut value = to_value(doc);
    value["params"] = params(log, doc.seq)?;
    let weighed = to_value(&asked::weigh(view, log, doc)?);
    if let (Some(value), Value::Object(weighed)) = (value.as_object_mut(), weighed) {
        value.extend(weighed);
    }
    let waited = (doc.asked_micros > 0 && doc.status == "pending")
        .then(|| (now() - doc.asked_micros) / 1000);
    value["waiting_ms"] = json!(waited);
    Ok(value)
}

/// The newest `last` requests to a human that stand so (`None`: however they stand), newest first.
pub fn newest_requests(
    view: &View<'_>,
    status: Option<&str>,
    last: usize,
) -> Result<Vec<RequestDoc>, StoreError> {
    let mut rows = Vec::new();
    if last > 0 {
        view.scan_back::<Requests>(&[], |number, row| {
            let is_wanted = status.is_none_or(|status| row.status.as_str() == status);
            if row.class.asks_human() && is_wanted {
                rows.push((number, row));
            }
            rows.len() < last
        })?;
    }
    rows.into_iter().map(|(number, row)| views::request_doc(view, number, row)).collect()
}

/// The newest requests that stand so, each with what was asked.
pub(crate) fn standing(daemon: &Daemon, status: &str, last: usize) -> Result<Vec<Value>, Refusal> {
    let status = match status {
        "all" => None,
        word if STATUSES.contains(&word) => Some(word),
        word => {
            let words = STATUSES.join(", ");
            return Err(Refusal::bad_request(format!("no request has the status {word:?}"))
                .hint(format!("one of {words}, all")));
        }
    };
    daemon.look(|view| {
        let documents = newest_requests(view, status, last)?;
        documents.iter().map(|doc| Ok(whole(view, &daemon.reader, doc)?)).collect()
    })
}

fn number_of(id: &str) -> Result<u64, Refusal> {
    views::parse_request_id(id).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Refusal {
    let short: String = id.chars().take(40).collect();
    Refusal::not_found(format!("no request {short:?}")).hint("`sm inbox` lists those that wait")
}

/// What a request asked, from its record; null where that is not there any more. None is trimmed while it
/// waits.
fn params(log: &Reader, number: u64) -> Result<Value, ReadError> {
    Ok(records::params(log, number)?.unwrap_or_default())
}

/// The release that asked.
fn asked_by(view: &View<'_>, row: &Request) -> Result<Option<Version>, StoreError> {
    let source = view.get::<Sources>(&row.source)?;
    Ok(source.and_then(|source| Version::find(&source.codex_version?)))
}

fn find(daemon: &Daemon, id: &str) -> Result<Asked, Refusal> {
    let number = number_of(id)?;
    let (row, session, asked_by) = daemon.look(|view| {
        let row = view.get::<Requests>(&number)?.ok_or_else(|| unknown(id))?;
        let session = match row.session {
            Some(sid) => view.get::<Sessions>(&sid)?.map(|session| Selection { sid, session }),
            None => None,
        };
        let asked_by = asked_by(view, &row)?;
        Ok::<_, Refusal>((row, session, asked_by))
    })?;
    Ok(Asked { number, row, session, params: params(&daemon.reader, number)?, asked_by })
}

/// Answers a request.
pub(crate) async fn answer(
    daemon: &Arc<Daemon>,
    id: &str,
    answer: Answer,
) -> Result<Answered, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(answer.by.as_deref())?;
    let answering = daemon.answering.lock().await;
    daemon.caught_up().await?;
    let asked = find(daemon, id)?;
    // What waits no more takes no answer, whether it would have fitted or not.
    waits_no_more(&asked)?;
    let verdict = asked.verdict(&answer).or_else(|refusal| {
        // Whatever the answer is, it comes too late.
        let is_over = asked.row.status == RequestStatus::Answered;
        Err(if is_over { conflict(daemon, &asked, false)? } else { refusal })
    });
    let verdict = verdict.map_err(|mut refusal| {
        let hint = refusal.problem.hint.take();
        refusal.problem.hint = hint.map(|hint| hint.replace("REQUEST", id));
        refusal
    })?;
    may(daemon, &caller, &asked, &verdict, &answer)?;
    if let Some(say) = &answer.say {
        can_be_said(&asked, &verdict, say)?;
    }
    match asked.row.status {
        RequestStatus::Pending => unchanged(daemon, &asked, answer.expected.as_deref())?,
        RequestStatus::Answered => {
            return repeated(daemon, &asked, &verdict, answer.say.as_deref());
        }
        RequestStatus::Cleared | RequestStatus::Orphaned => {}
    }
    if let Some(asking) = &asked.session {
        // Nobody waits behind a transcript.
        daemon.codex_home_of(&asking.session)?;
    }
    let server = daemon.pool.by_source(asked.row.source, asked.row.generation);
    let server = server.ok_or_else(|| {
        Refusal::conflict(format!("the Codex process that asked request {id} is ending"))
            .hint("`sm inbox` shows what waits once it is gone")
    })?;
    let by = caller.word();
    let words = words(&asked, answer.say.as_deref(), &by);
    let said = send(daemon, &server, &asked, &verdict, &by, words).await?;
    drop(answering);
    say_along(daemon, &asked, said).await?;
    Ok(Answered { request: document(daemon, id)?, ..Answered::default() })
}

/// Refuses an answer to what ended before anybody answered it.
fn waits_no_more(asked: &Asked) -> Result<(), Refusal> {
    let id = views::request_id(asked.number);
    match asked.row.status {
        RequestStatus::Pending | RequestStatus::Answered => Ok(()),
        RequestStatus::Cleared => Err(Refusal::conflict(format!(
            "request {id} no longer waits: its item or turn has ended"
        ))
        .hint("nothing is left to answer; `sm inbox` lists what waits")),
        RequestStatus::Orphaned => Err(Refusal::conflict(format!(
            "request {id} no longer waits: the Codex process that asked it is gone"
        ))
        .hint(match &asked.session {
            Some(asking) => format!(
                "the session asks anew where it still needs to: `sm send {} 'go on'`, then `sm inbox`",
                asking.session.id
            ),
            None => "`sm inbox` lists what waits".to_owned(),
        })),
    }
}

/// Answers a request that still waits in the name of a rule; one that does not was decided by another.
pub(crate) async fn decide(
    daemon: &Arc<Daemon>,
    server: &Server,
    number: u64,
    answer: &Answer,
    by: &str,
) -> Result<(), Refusal> {
    let answering = daemon.answering.lock().await;
    daemon.caught_up().await?;
    let asked = find(daemon, &views::request_id(number))?;
    if asked.row.status != RequestStatus::Pending {
        return Ok(());
    }
    let verdict = asked.verdict(answer)?;
    // A rule decides also where its words are none that could be said.
    let say = answer.say.as_deref().filter(|say| input::message::check_text(say).is_ok());
    let words = words(&asked, say, &automatic::VOICE.word());
    let said = send(daemon, server, &asked, &verdict, by, words).await?;
    drop(answering);
    say_along(daemon, &asked, said).await
}

/// Whether what is asked is still what was shown.
fn unchanged(daemon: &Daemon, asked: &Asked, expected: Option<&str>) -> Result<(), Refusal> {
    let Some(expected) = expected else { return Ok(()) };
    let shown = daemon.look(|view| {
        let doc = views::request_doc(view, asked.number, asked.row.clone())?;
        asked::weigh(view, &daemon.reader, &doc).map(|weighed| weighed.shown)
    });
    let shown = shown.map_err(|error: LookError| Refusal::from(error))?;
    if shown == expected {
        return Ok(());
    }
    let id = views::request_id(asked.number);
    let message = format!("request {id} is no longer what was shown: it was changed since");
    Err(Refusal::new(409, "request_changed", message)
        .hint(format!("look again: `sm inbox`; then answer {id}@{shown}"))
        .details(json!({ "expected": expected, "shown": shown })))
}

/// What `by` says along with an answer, if there is a session to hear it.
fn words(asked: &Asked, say: Option<&str>, by: &str) -> Option<InputAccepted> {
    let say = say.filter(|_| asked.session.is_some());
    say.map(|say| input::words::accepted(asked.number, say, by))
}

/// Records who decided what, in one frame with what is said along; then sends the answer. Returns the
/// number of what is said.
async fn send(
    daemon: &Arc<Daemon>,
    server: &Server,
    asked: &Asked,
    verdict: &Verdict,
    by: &str,
    words: Option<InputAccepted>,
) -> Result<Option<u64>, Refusal> {
    let thread = asked.session.as_ref().map_or("", |asked| asked.session.thread_id.as_str());
    let held = match verdict.interrupts && !thread.is_empty() {
        true => input::hold(daemon, thread).await?,
        false => Vec::new(),
    };
    let decided = Synthetic::RequestDecided(RequestDecided {
        request: asked.number,
        decision: verdict.word.clone(),
        by: by.to_owned(),
        say: words.as_ref().map(|words| words.text.clone()),
    });
    let words = words.map(Synthetic::InputAccepted);
    let has_words = words.is_some();
    let notes: Vec<Synthetic> = std::iter::once(decided).chain(words).collect();
    let noted = daemon.scribe.note_all(now(), thread, &notes)?;
    let said = has_words.then_some(noted.last);
    let error = match server.app.respond(&RpcId(asked.row.rpc_id.clone()), &verdict.result) {
        Ok(seq) => return daemon.folded_to(seq).await.map(|()| said),
        Err(error) => error,
    };
    input::release(daemon, thread, held).await?;
    if let Some(said) = said {
        let reason = Some(format!("the answer that it goes with was not sent: {error}"));
        let refused = InputChanged { reason, ..input::now_is(said, InputStatus::Refused) };
        input::change(daemon, thread, refused).await?;
    }
    Err(error.into())
}

/// Refuses words that nobody would hear, before anything is decided.
fn can_be_said(asked: &Asked, verdict: &Verdict, say: &str) -> Result<(), Refusal> {
    let id = views::request_id(asked.number);
    input::message::check_text(say)?;
    let Some(Selection { session, .. }) = &asked.session else {
        return Err(Refusal::bad_request(format!("no session asks {id}: nobody hears the words"))
            .hint("answer it without words"));
    };
    match verdict.interrupts {
        true => Err(Refusal::bad_request(format!(
            "{} ends the turn: nobody is left to hear the words",
            verdict.word
        ))
        .hint(format!(
            "`sm deny {id} --say …` lets the turn go on with them; or without them, then `sm send {} …`",
            session.id
        ))),
        false => Ok(()),
    }
}

/// Sends what was said along with an answer.
async fn say_along(daemon: &Arc<Daemon>, asked: &Asked, words: Option<u64>) -> Result<(), Refusal> {
    match (&asked.session, words) {
        (Some(asking), Some(words)) => {
            input::words::send(daemon, &asking.session.thread_id, words).await
        }
        _ => Ok(()),
    }
}

/// Whether the caller may decide that.
fn may(
    daemon: &Daemon,
    caller: &Caller,
    asked: &Asked,
    verdict: &Verdict,
    answer: &Answer,
) -> Result<(), Refusal> {
    let id = views::request_id(asked.number);
    let agent = match caller {
        Caller::User | Caller::Demo => return Ok(()),
        Caller::Agent(agent) => agent,
        Caller::Nameless(_) => {
            return Err(Refusal::forbidden(format!(
                "{} answers nothing: which session asks is not known, and request {id} may be its own",
                caller.word()
            ))
            .hint(OWN_TERMINAL));
        }
    };
    let Some(session) = &asked.session else {
        return Err(
            Refusal::forbidden(format!("request {id} is the user's to answer")).hint(OWN_TERMINAL)
        );
    };
    if session.sid == agent.sid {
        let message = format!("request {id} is your own: a human answers it");
        return Err(Refusal::forbidden(message).hint(OWN_TERMINAL));
    }
    if !daemon.is_above(agent.sid, session.sid)? {
        return Err(Refusal::forbidden(format!(
            "request {id} is of session {}, which is no child of yours: a human answers it",
            session.session.id
        ))
        .hint(OWN_TERMINAL));
    }
    let asks_leave = decision::asks_leave(&asked.row.method, &asked.params);
    let declines = matches!(verdict.word.as_str(), "decline" | "cancel" | "denied" | "abort");
    // A turn goes on with what is answered to its questions, and with what is said along.
    if !asks_leave && !declines || answer.say.is_some() {
        family::may_still_lead(daemon, caller, &session.session)?;
    }
    if !asks_leave {
        return Ok(());
    }
    // Words of Codex's own may make a rule for good, and that is nobody's but the user's.
    let is_plain = answer.decision.as_deref().is_none_or(|word| verdict::WORDS.contains(&word));
    if answer.raw.is_some() || !is_plain {
        return Err(Refusal::forbidden(format!(
            "request {id} asks for leave: an agent answers that in plain words only"
        ))
        .hint(format!("`sm deny {id}`; or answer it from your own terminal")));
    }
    // What rights do not tell of, such as a tool of an MCP server, is nobody's but the user's to give.
    let has_right = asked.row.class.asks_permission() && Rights::of(&agent.session).are_full();
    if !declines && !has_right {
        return Err(Refusal::forbidden(format!(
            "request {id} asks for more than you may give: a human accepts it, you may decline"
        ))
        .hint(format!("`sm deny {id}`; or answer it from your own terminal")));
    }
    Ok(())
}

/// The request was answered before: the same way, or another.
fn repeated(
    daemon: &Daemon,
    asked: &Asked,
    verdict: &Verdict,
    say: Option<&str>,
) -> Result<Answered, Refusal> {
    let id = views::request_id(asked.number);
    let row = (asked.number, &asked.row);
    let found = daemon.look(|view| before::compared(view, &daemon.reader, row, verdict, say))?;
    let document = document(daemon, &id)?;
    if found.is_same && found.is_said {
        return Ok(Answered {
            request: document,
            repeated: true,
            secret_not_compared: found.is_masked,
            note: daemon.look(|view| before::unheard(view, &asked.row))?,
        });
    }
    Err(conflict(daemon, asked, found.is_same)?)
}

/// The refusal of another answer to a request that has one; of the same with other words where `is_same`.
fn conflict(daemon: &Daemon, asked: &Asked, is_same: bool) -> Result<Refusal, Refusal> {
    let id = views::request_id(asked.number);
    let document = document(daemon, &id)?;
    let text = |name: &str, else_: &'static str| match document[name].as_str() {
        Some(text) => text.to_owned(),
        None => else_.to_owned(),
    };
    let (decided, by) =
        (text("decision", "answered elsewhere"), text("decided_by", "somebody else"));
    let (words, hint) = match (is_same, &asked.session) {
        (true, Some(Selection { session, .. })) => (
            ", without these words: they were not sent",
            format!("`sm send {} …` sends them", session.id),
        ),
        _ => ("", what_is_left(asked)),
    };
    Ok(Refusal::new(
        409,
        "already_answered",
        format!("request {id} was decided: {decided}, by {by}{words}"),
    )
    .hint(hint)
    .details(json!({
        "decision": document["decision"],
        "decided_by": document["decided_by"],
        "decided_by_thread": document["decided_by_thread"],
    })))
}

/// What can still be done about a decision that was made: the turn that it is of may be over.
fn what_is_left(asked: &Asked) -> String {
    let Some(Selection { session, .. }) = &asked.session else {
        return "`sm inbox` lists what waits".to_owned();
    };
    match session.open_turn.as_ref().is_some_and(|open| Some(open.seq) == asked.row.turn) {
        true => format!("`sm interrupt {}` stops what came of it", session.id),
        false => format!("its turn is over; `sm tail {}` shows what came of it", session.id),
    }
}
