//! An answer on its way: by whoever may give it, or in the name of a rule.
//!
//! What always holds: the first answer wins; what was decided, by whom, is recorded before the answer is
//! sent, in one frame with what is said along. What comes to nothing leaves nothing held.

use super::asked;
use super::before::{conflict, repeated};
use super::list::document;
use super::may::may;
use super::request::{Asked, find};
use super::verdict::Verdict;
use crate::api::{Answer, Answered};
use crate::caller::Caller;
use crate::daemon::{Daemon, now};
use crate::input;
use crate::problem::Refusal;
use crate::records::LookError;
use crate::servers::pool::Server;
use serde_json::json;
use sm_log::Receipt;
use sm_projections::rows::{InputStatus, RequestStatus};
use sm_projections::views::{self, Selection};
use sm_protocol::RpcId;
use sm_protocol::synthetic::{InputAccepted, InputChanged, RequestDecided, Synthetic};
use std::sync::Arc;

/// Answers a request.
pub(crate) async fn answer(
    daemon: &Arc<Daemon>,
    id: &str,
    answer: Answer,
) -> Result<Answered, Refusal> {
    daemon.caught_up().await?;
    let caller = daemon.caller(answer.by.as_deref())?;
    let told = answer.answers.values().flatten();
    told.into_iter().try_for_each(|told| input::message::check_words("an answer", told))?;
    let answering = daemon.answering.take(find(daemon, id)?.number).await;
    // Whoever had the lock may have answered it.
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

/// Answers a request that still waits in the name of a rule; one that does not was decided by another.
pub(crate) async fn decide(
    daemon: &Arc<Daemon>,
    server: &Server,
    number: u64,
    answer: &Answer,
    by: &str,
) -> Result<(), Refusal> {
    let answering = daemon.answering.take(number).await;
    daemon.caught_up().await?;
    let asked = find(daemon, &views::request_id(number))?;
    if asked.row.status != RequestStatus::Pending {
        return Ok(());
    }
    let verdict = asked.verdict(answer)?;
    // A rule decides also where its words are none that could be said.
    let say = answer.say.as_deref().filter(|say| input::message::check_text(say).is_ok());
    let words = words(&asked, say, &VOICE.word());
    let said = send(daemon, server, &asked, &verdict, by, words).await?;
    drop(answering);
    say_along(daemon, &asked, said).await
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
    let noted = record(daemon, thread, &notes, &held).await?;
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

/// Records a decision. Where that fails it was never made, and `held`, what was held for it, goes on.
async fn record(
    daemon: &Daemon,
    thread: &str,
    notes: &[Synthetic],
    held: &[u64],
) -> Result<Receipt, Refusal> {
    let error = match daemon.scribe.note_all(now(), thread, notes) {
        Ok(receipt) => return Ok(receipt),
        Err(error) => error,
    };
    if let Err(also) = input::release(daemon, thread, held.to_vec()).await {
        daemon.say(&format!("what waits for {thread} may stay held: {also}"));
    }
    Err(error.into())
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

/// Whose voice a rule's words have: the user wrote them.
const VOICE: Caller = Caller::User;

#[cfg(test)]
mod tests {
    use super::super::bench::Bench;
    use super::*;
    use sm_log::{Item, Options};
    use sm_protocol::synthetic::InputsHeld;
    use std::time::Duration;

    #[tokio::test]
    async fn what_was_held_for_a_decision_that_is_not_recorded_goes_on() {
        // Nothing is written, and the little that may wait for it has no room for the decision.
        let options = Options::default().without_background().with_ring_bytes(512);
        let bench = Bench::new(options.with_patience(Duration::ZERO));
        let daemon = &bench.daemon;
        let held = Synthetic::InputsHeld(InputsHeld { inputs: vec![7], held: true });
        daemon.note("t", &held).unwrap();
        let decided = Synthetic::RequestDecided(RequestDecided {
            decision: "cancel".to_owned(),
            say: Some("x".repeat(1024)),
            ..RequestDecided::default()
        });
        let refused = record(daemon, "t", &[decided], &[7]).await.unwrap_err();
        assert!(refused.to_string().contains("lost"), "{refused}");
        daemon.log().sync().unwrap();
        let mut cursor = daemon.reader.cursor(1).unwrap();
        let mut last = Vec::new();
        while let Some(item) = cursor.next().unwrap() {
            if let Item::Record(record) = item {
                last = record.to_owned().payload;
            }
        }
        let released = Synthetic::InputsHeld(InputsHeld { inputs: vec![7], held: false });
        assert_eq!(last, released.to_payload());
    }
}
