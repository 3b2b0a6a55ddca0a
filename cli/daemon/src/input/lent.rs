//! Settings that one turn is given, and its session has not.
//!
//! What always holds: Codex gives what a turn was given to the turns after it, also to those that sm does not
//! begin (a goal's, a review's, a compaction's). So what the session has of its own is noted before such a turn
//! begins, and put back once it is over; and none begins in a session that goes on by itself.

use super::message::{put_mode, put_settings};
use crate::api::Settings;
use crate::caller::SENDER;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said::is_unknown_method;
use crate::servers::pool::Server;
use crate::sessions::rights::{Approval, Sandbox};
use serde_json::{Value, json};
use sm_projections::rows::Session;
use sm_projections::views::Selection;
use sm_protocol::synthetic::{SessionSet, Synthetic};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to change a thread's settings, or to list its models.
const TAKING_OVER: Duration = Duration::from_secs(30);

/// The status of a goal that Codex pursues.
const PURSUED: &str = "active";

/// Notes what the session has of its own, before a turn is begun there with others.
pub(super) async fn note_own(
    daemon: &Daemon,
    server: &Server,
    thread: &str,
    lent: &Settings,
) -> Result<(), Refusal> {
    if lent.is_empty() {
        return Ok(());
    }
    let session = daemon.session(thread)?.session;
    may_take(&session, lent)?;
    let (sandbox, approval) = in_force(&session);
    let kinds = [
        ("approvals", &lent.approval, &session.kept.approval, &approval, &session.approval_policy),
        ("sandbox", &lent.sandbox, &session.kept.sandbox, &sandbox, &session.sandbox),
    ];
    for (what, lent, kept, in_force, told) in kinds {
        if lent.is_some() && kept.is_none() && in_force.is_none() {
            return Err(not_given_back(&session, what, told.as_deref()));
        }
    }
    let own = |lent: &Option<String>, kept: &Option<String>, in_force: Option<String>| {
        in_force.filter(|_| lent.is_some() && kept.is_none())
    };
    let kept = &session.kept;
    let effort = match &session.effort {
        None if lent.effort.is_some() && kept.effort.is_none() => {
            default_effort(server, session.model.as_deref()).await
        }
        effort => effort.clone(),
    };
    let own = Settings {
        model: own(&lent.model, &kept.model, session.model.clone()),
        effort: own(&lent.effort, &kept.effort, effort),
        approval: own(&lent.approval, &kept.approval, approval),
        sandbox: own(&lent.sandbox, &kept.sandbox, sandbox),
    };
    if own.is_empty() {
        return Ok(());
    }
    let set = SessionSet { settings: own, by: SENDER.to_owned() };
    daemon.noted(thread, &Synthetic::SessionSet(set)).await.map(drop)
}

/// The refusal to give a turn what its session could not be freed of.
fn not_given_back(session: &Session, what: &str, own: Option<&str>) -> Refusal {
    let (id, own) = (&session.id, own.unwrap_or("not known"));
    let message = format!(
        "session {id} could not get its own {what} back after that turn: they are {own}, which has no word"
    );
    Refusal::new(501, "unsupported", message)
        .hint(format!("send it without; or give the session others for good: `sm set {id} …`"))
        .of_session(session)
}

/// Refuses settings for one turn where others begin by themselves.
pub(super) fn may_take(session: &Session, lent: &Settings) -> Result<(), Refusal> {
    if lent.is_empty() || !pursues_goal(session) {
        return Ok(());
    }
    let id = &session.id;
    let message =
        format!("session {id} pursues a goal: what one turn is given all later ones would have");
    Err(Refusal::new(409, "goal_active", message)
        .hint(format!(
            "send it without settings; or `sm goal {id} pause` first; or for good: `sm set {id} …`"
        ))
        .of_session(session))
}

/// The effort of a model where none is chosen: Codex can be told another one, and not to have none.
async fn default_effort(server: &Server, model: Option<&str>) -> Option<String> {
    let listed = server.app.call("model/list", json!({}), TAKING_OVER).await.ok()?.result;
    let models = listed.get("data").and_then(Value::as_array)?;
    let found = models.iter().find(|found| found["model"].as_str() == model)?;
    found.get("defaultReasoningEffort")?.as_str().map(str::to_owned)
}

/// The sandbox and the approvals in force, in the words of [`Settings`].
fn in_force(session: &Session) -> (Option<String>, Option<String>) {
    let sandbox = session.sandbox.as_deref().and_then(Sandbox::of_word);
    let approval = session.approval_policy.as_deref().and_then(Approval::of_word);
    (sandbox.map(|word| word.as_str().to_owned()), approval.map(|word| word.as_str().to_owned()))
}

/// What the session keeps and other settings are in force for.
fn lent(session: &Session) -> Settings {
    let (sandbox, approval) = in_force(session);
    let differs = |kept: &Option<String>, in_force: &Option<String>| {
        kept.clone().filter(|kept| in_force.as_ref() != Some(kept))
    };
    Settings {
        model: differs(&session.kept.model, &session.model),
        effort: differs(&session.kept.effort, &session.effort),
        approval: differs(&session.kept.approval, &approval),
        sandbox: differs(&session.kept.sandbox, &sandbox),
    }
}

/// Whether its last turn was given something that the session has not. None plans of its own.
fn is_lent(session: &Session) -> bool {
    session.plans || !lent(session).is_empty()
}

/// Gives a session back what it keeps, where its last turn was given something else. False where its release
/// knows no call for that. The caller holds the session's lock.
pub(crate) async fn put_back(daemon: &Daemon, thread: &str) -> Result<bool, Refusal> {
    let session = daemon.session(thread)?.session;
    if !is_lent(&session) || session.ended || session.gone {
        // Whatever loads it gives it what it keeps.
        return Ok(true);
    }
    let Some(server) = daemon.pool.by_source(session.source, session.generation) else {
        return Ok(true);
    };
    let mut params = json!({ "threadId": thread });
    put_settings(&mut params, &lent(&session), &session);
    if session.plans {
        put_mode(&mut params, false, &session.kept, &session);
    }
    match server.app.call("thread/settings/update", params, TAKING_OVER).await {
        Ok(reply) => daemon.folded_to(reply.seq).await.map(|()| true),
        Err(error) if is_unknown_method(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The same, in a task of its own, once a turn is over or its session goes on by itself.
pub(crate) async fn put_back_after(daemon: Arc<Daemon>, thread: String, seq: u64) {
    if !daemon.folded_at_last(seq).await {
        return;
    }
    // The turn that runs has what it was given to its end, whatever is put back meanwhile.
    let is_due = || {
        daemon.session(&thread).is_ok_and(|Selection { session, .. }| {
            is_lent(&session) && (session.open_turn.is_none() || pursues_goal(&session))
        })
    };
    if !is_due() {
        return;
    }
    let _lock = daemon.lock(&thread).await;
    let done = match daemon.caught_up().await {
        Ok(()) if is_due() => put_back(&daemon, &thread).await.map(drop),
        late => late,
    };
    if let Err(error) = done {
        daemon.say(&format!("session {thread} has not got its settings back yet: {error}"));
    }
}

fn pursues_goal(session: &Session) -> bool {
    session.goal.as_ref().is_some_and(|goal| goal.status == PURSUED)
}
