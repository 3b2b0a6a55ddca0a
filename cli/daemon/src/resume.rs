//! Sessions whose server was lost: loaded again on another one, or declared stopped.
//!
//! What always holds: a session is resumed on its own thread or not at all.

use crate::daemon::Daemon;
use crate::pool::Server;
use crate::problem::Refusal;
use crate::rights::{Approval, Sandbox};
use crate::shell;
use serde_json::json;
use sm_ingest::app_server::CallError;
use sm_projections::rows::Session;
use sm_projections::table::Key;
use sm_projections::tables::{Attached, Sessions};
use sm_protocol::synthetic::{SessionUnresumable, Synthetic};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long Codex may take to load a thread.
const LOADING: Duration = Duration::from_secs(120);

/// How long the process that held a thread before may take to let go of it.
const LETTING_GO: Duration = Duration::from_secs(10);

/// The threads whose newest word came in that life of that source, and which were not ended.
pub(crate) fn attached(
    daemon: &Daemon,
    source: u64,
    generation: u32,
) -> Result<Vec<String>, Refusal> {
    let prefix = [source.to_bytes(), generation.to_bytes()].concat();
    daemon.look(|view| {
        let mut sids = Vec::new();
        view.scan::<Attached>(&prefix, &[], |(_, _, sid), ()| {
            sids.push(sid);
            true
        })?;
        let mut threads = Vec::new();
        for sid in sids {
            let row = view.get::<Sessions>(&sid)?;
            threads.extend(row.filter(|row| !row.ended && !row.archived).map(|row| row.thread_id));
        }
        Ok(threads)
    })
}

/// The server that has the session's thread loaded, loaded now if need be. The caller holds the
/// session's lock.
pub(crate) async fn ensure(daemon: &Arc<Daemon>, thread: &str) -> Result<Arc<Server>, Refusal> {
    let session = daemon.session(thread)?.session;
    let home = daemon.codex_home_of(&session)?;
    let server = daemon.server(&home).await?;
    let session = daemon.session(thread)?.session;
    let is_loaded =
        !session.gone && (session.source, session.generation) == (server.source, server.generation);
    if !is_loaded {
        load(daemon, &server, &session).await?;
    }
    Ok(server)
}

/// Has the server load the session's thread.
pub(crate) async fn load(
    daemon: &Arc<Daemon>,
    server: &Arc<Server>,
    session: &Session,
) -> Result<(), Refusal> {
    let thread = &session.thread_id;
    let env = shell::env_of(daemon, thread)?;
    let mut params = json!({
        "threadId": thread,
        "excludeTurns": true,
        "config": shell::config(daemon, &env, Some(&session.id)),
    });
    for (name, value) in in_force(session) {
        params[name] = json!(value);
    }
    let begun = Instant::now();
    let error = loop {
        match server.app.call("thread/resume", params.clone(), LOADING).await {
            Ok(reply) => return daemon.folded_to(reply.seq).await,
            Err(error) if is_held(&error) && begun.elapsed() < LETTING_GO => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => break error,
        }
    };
    let Some((_, reason)) = error.refusal() else { return Err(error.into()) };
    let given_up = SessionUnresumable { reason: reason.to_owned() };
    let receipt = daemon.note(thread, &Synthetic::SessionUnresumable(given_up))?;
    daemon.folded_to(receipt.last).await?;
    Err(Refusal::dead(format!("Codex cannot resume session {}: {reason}", session.id))
        .hint("`sm tail` and `sm turns` still show it; spawn another one"))
}

/// The settings that were in force when the session was last heard of. Releases before 0.169 forget
/// some of them, and would give a session other rights than it had.
pub(crate) fn in_force(session: &Session) -> Vec<(&'static str, &str)> {
    let sandbox = session.sandbox.as_deref().and_then(Sandbox::of_word).map(Sandbox::as_str);
    let approval = session.approval_policy.as_deref().and_then(Approval::of_word);
    let told = [
        ("cwd", session.cwd.as_deref()),
        ("model", session.model.as_deref()),
        ("modelProvider", session.model_provider.as_deref()),
        ("sandbox", sandbox),
        ("approvalPolicy", approval.map(Approval::as_str)),
    ];
    told.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Whether another process still holds the thread. The code is shared by many faults.
fn is_held(error: &CallError) -> bool {
    error.refusal().is_some_and(|(_, words)| words.contains("active writer"))
}
