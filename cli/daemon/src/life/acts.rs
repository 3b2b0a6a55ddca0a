//! `interrupt`, `stop` and `resume`: a session's turn ended, its thread put away, and loaded again.
//!
//! What always holds: messages that wait are held before a turn is ended, or its end would deliver them; a
//! session whose turn Codex does not end is not recorded as stopped.

use super::Scene;
use crate::api::Act;
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::servers::older::Older;
use crate::servers::resume;
use crate::sessions::interrupt::interrupt_turn;
use crate::{family, input};
use serde_json::{Value, json};
use sm_projections::rows::Session;
use sm_protocol::synthetic::{SessionEnded, Synthetic};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to let go of a thread.
const LETTING_GO: Duration = Duration::from_secs(30);

/// A verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Interrupt,
    Stop,
    Resume,
}

/// Does what the verb says to the session that `word` means. Returns it as it is then.
pub(crate) async fn act(
    daemon: &Arc<Daemon>,
    word: &str,
    verb: Verb,
    act: Act,
) -> Result<Value, Refusal> {
    let scene = Scene::set(daemon, word, &act).await?;
    scene.home()?;
    match verb {
        Verb::Interrupt => end_turn(daemon, &scene.session, Err).await?,
        Verb::Stop => {
            let cancelled = stop(daemon, &scene.session, &scene.caller).await?;
            let mut document = scene.document()?;
            document["cancelled_inputs"] = json!(cancelled);
            return Ok(document);
        }
        Verb::Resume => {
            scene.out_of_archive()?;
            let older = match (act.older_codex, scene.caller.is_user()) {
                (false, _) => Older::Refused,
                (true, true) => Older::Taken,
                (true, false) => {
                    return Err(Refusal::forbidden("an agent does not choose which Codex runs"));
                }
            };
            resume(daemon, &scene.session, older).await?;
        }
    }
    scene.document()
}

/// Holds what waits, and interrupts the open turn, if there is one. `failed` says whether a failure is one; then
/// all is as it was, unless Codex may still end the turn.
async fn end_turn(
    daemon: &Arc<Daemon>,
    session: &Session,
    failed: impl FnOnce(Refusal) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    // Held before the turn can end, or its end would deliver what waits.
    let held = input::hold(daemon, &session.thread_id).await?;
    let Some(turn) = &session.open_turn else { return Ok(()) };
    let Err(refusal) = interrupt_turn(daemon, session, &turn.id).await else { return Ok(()) };
    let may_still_end = refusal.problem.code == "timeout";
    let Err(refusal) = failed(refusal) else { return Ok(()) };
    if may_still_end {
        // Nothing is to begin then.
        let hint = refusal.problem.hint.clone().map_or(String::new(), |hint| format!("{hint}; "));
        let id = &session.id;
        return Err(refusal.hint(format!("{hint}what waits is held: `sm queue release {id}`")));
    }
    input::release(daemon, &session.thread_id, held).await?;
    Err(refusal)
}

/// Ends a session. Returns the ids of the messages that waited for it, and wait no more.
async fn stop(
    daemon: &Arc<Daemon>,
    session: &Session,
    by: &Caller,
) -> Result<Vec<String>, Refusal> {
    let thread = session.thread_id.as_str();
    let stopped = end(daemon, session, by).await;
    // Also where it failed: what came of it was no news until now.
    family::look_soon(daemon, thread);
    stopped
}

/// The stop itself.
async fn end(daemon: &Arc<Daemon>, session: &Session, by: &Caller) -> Result<Vec<String>, Refusal> {
    let thread = session.thread_id.as_str();
    let _stop = daemon.stops.begin(thread);
    end_turn(daemon, session, |error| goes_on(daemon, session, error)).await?;
    // Nothing begins after it that would ask.
    input::doubt_all(daemon, thread).await?;
    if let Some(server) = daemon.pool.by_source(session.source, session.generation) {
        let params = json!({ "threadId": thread });
        // Older releases do not know it; the thread stays loaded there, which does no harm.
        let _ = server.app.call("thread/unsubscribe", params, LETTING_GO).await;
    }
    let ended = Synthetic::SessionEnded(SessionEnded { by: by.word() });
    input::cancel_all(daemon, thread, "the session was stopped", Some(ended)).await
}

/// A turn that Codex does not end goes on, and is heard to its end: its session is not stopped. Where its
/// server is gone there is nothing left that could go on.
fn goes_on(daemon: &Daemon, session: &Session, error: Refusal) -> Result<(), Refusal> {
    let server = daemon.pool.by_source(session.source, session.generation);
    if server.is_none_or(|server| !server.app.is_running()) {
        return Ok(());
    }
    let id = &session.id;
    let why = &error.problem.message;
    Err(Refusal::new(502, "turn_running", format!("session {id} was not stopped: {why}"))
        .hint(format!("its turn goes on: `sm tail -f {id}` follows it; the same once more"))
        .of_session(session)
        .retryable())
}

async fn resume(daemon: &Arc<Daemon>, session: &Session, older: Older) -> Result<(), Refusal> {
    let server = resume::ensure_on(daemon, &session.thread_id, older).await?;
    if session.ended {
        let session = daemon.session(&session.thread_id)?.session;
        if session.ended {
            resume::load(daemon, &server, &session).await?;
        }
    }
    input::release_all(daemon, &session.thread_id).await?;
    input::deliver_soon(daemon, &session.thread_id);
    family::look_soon(daemon, &session.thread_id);
    Ok(())
}
