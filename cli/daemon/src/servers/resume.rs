//! Sessions whose server was lost or gives way: loaded again on another one, or declared stopped.
//!
//! What always holds: a session is resumed on its own thread or not at all, and no two servers have
//! it loaded: the one that has it lets go of it first. One is declared stopped only on words of Codex that
//! are known to be final; whatever else it says may pass, and is tried again.

use super::archive;
use super::holder;
use super::older::{self, Older};
use super::pool::Server;
use crate::daemon::Daemon;
use crate::input;
use crate::life;
use crate::problem::Refusal;
use crate::said::{self, OVERLOADED, is_unknown_method};
use crate::sessions::rights::{Approval, Sandbox};
use crate::sessions::{shell, trust};
use serde_json::{Value, json};
use sm_ingest::app_server::CallError;
use sm_projections::rows::{Session, Sid};
use sm_projections::table::Key;
use sm_projections::tables::{Attached, Sessions};
use sm_projections::views::{self, Selection};
use sm_protocol::synthetic::{SessionUnresumable, Synthetic};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long Codex may take to load a thread.
const LOADING: Duration = Duration::from_secs(120);

/// How long the process that held a thread before may take to let go of it.
pub(crate) const LETTING_GO: Duration = Duration::from_secs(3);

/// The sessions whose newest word came in that life of that source, and which were not ended.
pub(crate) fn attached(
    daemon: &Daemon,
    source: u64,
    generation: u32,
) -> Result<Vec<Selection>, Refusal> {
    let prefix = [source.to_bytes(), generation.to_bytes()].concat();
    daemon.look(|view| {
        let mut sids: Vec<Sid> = Vec::new();
        view.scan::<Attached>(&prefix, &[], |(_, _, sid), ()| {
            sids.push(sid);
            true
        })?;
        let mut sessions = Vec::new();
        for sid in sids {
            let row = view.get::<Sessions>(&sid)?.filter(|row| !row.ended && !row.archived);
            sessions.extend(row.map(|session| Selection { sid, session }));
        }
        Ok(sessions)
    })
}

/// The threads of those sessions.
pub(crate) fn threads(sessions: Vec<Selection>) -> Vec<String> {
    sessions.into_iter().map(|found| found.session.thread_id).collect()
}

/// The server that has the session's thread loaded, loaded now if need be: it stays where it is
/// loaded while that server runs and gives way to none, and goes to no older Codex than wrote it last. The
/// caller holds the session's lock.
pub(crate) async fn ensure(daemon: &Arc<Daemon>, thread: &str) -> Result<Arc<Server>, Refusal> {
    ensure_on(daemon, thread, Older::Refused).await
}

/// The same; its user may insist on an older one.
pub(crate) async fn ensure_on(
    daemon: &Arc<Daemon>,
    thread: &str,
    older: Older,
) -> Result<Arc<Server>, Refusal> {
    let found = daemon.session(thread)?;
    let home = daemon.codex_home_of(&found.session)?;
    let Session { source, generation, .. } = found.session;
    match daemon.pool.known(source, generation) {
        Some(server) if !server.app.is_running() => {
            // What its end means for the session is told before it is loaded elsewhere.
            daemon.recorded_end(&server).await?;
        }
        Some(server) if !found.session.gone => {
            if !server.is_draining() || is_busy(daemon, &server, &found)? {
                return Ok(server);
            }
            // The new one first: a codex that does not start leaves the session where it is.
            let to = older::server(daemon, &found.session, &home, Older::of(&server)).await?;
            unload(&server, thread).await?;
            load(daemon, &to, &daemon.session(thread)?.session).await?;
            return Ok(to);
        }
        _ => {}
    }
    let server = older::server(daemon, &found.session, &home, older).await?;
    load(daemon, &server, &daemon.session(thread)?.session).await?;
    Ok(server)
}

/// Whether a session had no turn yet: Codex writes a thread down with its first, or when it is forked, and before
/// that no other server could load it.
pub(crate) fn is_unbegun(session: &Session) -> bool {
    session.counts.turns == 0 && session.forked_from.is_none() && !is_sub_agent(session)
}

/// What sm made stands on its own; what Codex made lives and ends with its parent.
fn is_sub_agent(session: &Session) -> bool {
    session.spawned_by.is_none() && session.parent.is_some()
}

/// Whether a session cannot be moved from its server: it or a sub-agent of its own has an open turn, it had none
/// yet, or it is itself a sub-agent whose parent is still there.
pub(crate) fn is_busy(
    daemon: &Daemon,
    server: &Server,
    found: &Selection,
) -> Result<bool, Refusal> {
    if found.session.open_turn.is_some() || is_unbegun(&found.session) {
        return Ok(true);
    }
    let here = attached(daemon, server.source, server.generation)?;
    let parent = found.session.parent.filter(|_| is_sub_agent(&found.session));
    if parent.is_some_and(|parent| here.iter().any(|other| other.sid == parent)) {
        return Ok(true);
    }
    for other in &here {
        if other.session.open_turn.is_some()
            && is_sub_agent(&other.session)
            && daemon.is_above(found.sid, other.sid)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds out whether a server lets go of one thread at all, before it is asked to. One that says nothing is taken
/// for one that does.
pub(crate) async fn ask_unloads(server: &Server) {
    if server.knows("thread/unsubscribe").await == Some(false) {
        server.cannot_unload();
    }
}

/// Has a server let go of a thread.
pub(crate) async fn unload(server: &Server, thread: &str) -> Result<(), Refusal> {
    if server.keeps_threads() {
        return Err(held_by(server));
    }
    server.forget(thread);
    let params = json!({ "threadId": thread });
    let left = match server.app.call("thread/unsubscribe", params, LETTING_GO).await {
        Ok(reply) => match reply.result.get("status").and_then(Value::as_str) {
            Some("unsubscribed") => server.unloaded(thread, LETTING_GO).await,
            // It was not loaded any more.
            _ => true,
        },
        Err(CallError::Lost { .. } | CallError::Gone { .. }) => true,
        Err(error @ CallError::Refused { code: OVERLOADED, .. }) => return Err(error.into()),
        Err(error @ CallError::Refused { .. }) => {
            if is_unknown_method(&error) {
                server.cannot_unload();
            }
            false
        }
        Err(error) => return Err(error.into()),
    };
    match left {
        true => Ok(()),
        false => Err(held_by(server)),
    }
}

/// It passes by itself when the server ends: a message waits for that.
fn held_by(server: &Server) -> Refusal {
    let message = format!(
        "codex {}, process {}, gives way to another one and cannot let go of one thread: it is ended once its \
         turns are over",
        server.codex.version,
        server.app.process().pid
    );
    Refusal::new(503, "held", message)
        .hint("`sm serve --status` shows what it still does; the same once more then")
        .retryable()
}

/// Has the server load the session's thread.
pub(crate) async fn load(
    daemon: &Arc<Daemon>,
    server: &Arc<Server>,
    session: &Session,
) -> Result<(), Refusal> {
    let thread = &session.thread_id;
    let env = shell::env_of(daemon, thread)?;
    let mut config = shell::config(daemon, &env, Some(&session.id));
    config.extend(trust::config_of(daemon, session)?);
    config.extend(effort_in_force(session));
    let mut params = json!({ "threadId": thread, "excludeTurns": true, "config": config });
    for (name, value) in in_force(session) {
        params[name] = json!(value);
    }
    server.forget(thread);
    let begun = Instant::now();
    let error = loop {
        match server.app.call("thread/resume", params.clone(), LOADING).await {
            Ok(reply) => {
                let folded = daemon.folded_to(reply.seq).await;
                life::find_out(daemon, server, thread).await;
                // Whoever had it loaded, and for whatever.
                input::resumed(daemon, thread);
                return folded;
            }
            Err(error) if is_anothers(&error) && begun.elapsed() < LETTING_GO => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => break error,
        }
    };
    let words = said::words(&error);
    if said::is_held(words) {
        return Err(holder::held(daemon, server, session).await);
    }
    if said::is_closing(words) {
        return Err(Refusal::new(503, "held", error.to_string())
            .hint("the server is still putting the thread away: the same once more")
            .retryable());
    }
    // Somebody else put it there: it is loaded again once it is taken out.
    if said::is_archived(words) {
        archive::note(daemon, thread, true).await?;
        return Err(Refusal::archived(session));
    }
    if !said::is_final(words) {
        return Err(error.into());
    }
    let reason = words;
    if said::comes_with_its_parent(reason) && comes_after_its_parent(daemon, session)? {
        return Err(error.into());
    }
    // Releases before 0.125 say of one in the archive only that it is not where it was.
    if session.archived && said::has_no_rollout(reason) {
        return Err(Refusal::archived(session));
    }
    // Why there is no file any more says more than that there is none.
    if session.ended && session.unresumable.is_some() && said::has_no_rollout(reason) {
        return Err(Refusal::over(session));
    }
    let given_up = SessionUnresumable { reason: reason.to_owned() };
    daemon.noted(thread, &Synthetic::SessionUnresumable(given_up)).await?;
    let dead = Refusal::dead(format!("Codex cannot resume session {}: {reason}", session.id));
    Err(match said::is_of_unknown_word(reason) {
        true => dead.hint(format!(
            "give it another: sm set {0} --approval … (or --sandbox, --effort), then sm resume {0}",
            session.id
        )),
        false => dead.hint("`sm tail` and `sm turns` still show it; spawn another one"),
    })
}

/// The settings that the session keeps, else those in force when it was last heard of. Releases before 0.169 forget
/// some of them, and would give a session other rights than it had.
pub(crate) fn in_force(session: &Session) -> Vec<(&'static str, &str)> {
    let kept = &session.kept;
    let sandbox = kept.sandbox.as_deref().or(session.sandbox.as_deref());
    let sandbox = sandbox.and_then(Sandbox::of_word).map(Sandbox::as_str);
    let approval = kept.approval.as_deref().or(session.approval_policy.as_deref());
    let approval = approval.and_then(Approval::of_word);
    let told = [
        ("cwd", session.cwd.as_deref()),
        ("model", kept.model.as_deref().or(session.model.as_deref())),
        ("modelProvider", session.model_provider.as_deref()),
        ("sandbox", sandbox),
        ("approvalPolicy", approval.map(Approval::as_str)),
    ];
    told.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Whether a sub-agent's parent is still to be brought back.
fn comes_after_its_parent(daemon: &Daemon, session: &Session) -> Result<bool, Refusal> {
    let Some(parent) = session.parent else { return Ok(false) };
    let comes_back = daemon.look(|view| match view.get::<Sessions>(&parent)? {
        Some(parent) => views::comes_back(view, &parent),
        None => Ok(false),
    });
    Ok(comes_back?)
}

/// The reasoning effort in force: no release takes it otherwise than as a part of its configuration.
pub(crate) fn effort_in_force(session: &Session) -> Option<(String, Value)> {
    let effort = session.kept.effort.as_ref().or(session.effort.as_ref())?;
    Some(("model_reasoning_effort".to_owned(), json!(effort)))
}

/// Whether somebody still has the thread, who may let go of it in a moment.
fn is_anothers(error: &CallError) -> bool {
    let words = said::words(error);
    said::is_held(words) || said::is_closing(words)
}
