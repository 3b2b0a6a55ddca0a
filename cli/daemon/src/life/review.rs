//! `review`: Codex's reviewer looks at the work, in the session itself or in one of its own.
//!
//! What always holds: a review in a session of its own is one of sm's sessions, told whose work it is
//! about, and it has that session's folder and rights: where the release would take its own settings
//! instead, or reviews only in place, the session is forked for it.

use super::fork::fork_scene;
use super::{Scene, revision, words};
use crate::api::{self, Act, ReviewOf, Reviewing};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use crate::servers::pool::Server;
use serde_json::{Value, json};
use sm_ingest::app_server::{Note, Reply, Version};
use sm_projections::tables::Sessions;
use sm_projections::views;
use sm_protocol::synthetic::{SessionSpawned, Synthetic};
use std::sync::Arc;
use std::time::Duration;

/// How long a begun review may take to be told of.
const TELLING: Duration = Duration::from_secs(10);

/// The first of the recorded releases whose detached review keeps the session's folder, sandbox and approvals.
/// Those before it (0.98.0, 0.115.0, 0.142.5) give it what their configuration says.
const KEEPS_RIGHTS: &str = "0.155.1";

/// Begins a review.
pub(crate) async fn review(
    daemon: &Arc<Daemon>,
    word: &str,
    wish: api::Review,
) -> Result<Reviewing, Refusal> {
    let target = target(&wish.of)?;
    let scene = Scene::set(daemon, word, &wish.act).await?;
    scene.may_lead()?;
    scene.not_stopped()?;
    if !wish.detached {
        scene.between_turns("be reviewed")?;
    }
    let cwd = scene.session.cwd.as_deref();
    // Codex would review against whatever it makes of the name.
    match &wish.of {
        ReviewOf::Base(branch) => revision::check(cwd, "branch", branch).await?,
        ReviewOf::Commit(sha) => revision::check(cwd, "commit", sha).await?,
        ReviewOf::Uncommitted | ReviewOf::Prompt(_) => {}
    }
    let server = scene.loaded().await?;
    scene.with_own_settings(&server).await?;
    if !wish.detached {
        return inline(&scene, &server, &target, &scene.session.id, Vec::new()).await;
    }
    if Version::find(KEEPS_RIGHTS).is_none_or(|first| server.codex.version < first) {
        return in_fork(&scene, &target, &wish.act).await;
    }
    let params = json!({ "threadId": scene.thread(), "target": target, "delivery": "detached" });
    // Noted along with Codex's answer: nobody ever sees the review without its maker.
    let note =
        Note { said: Synthetic::SessionSpawned(spawned(&scene)), member: Some("reviewThreadId") };
    match scene.call(&server, "review/start", params, Some(note)).await {
        Ok(reply) => detached(&scene, &reply).await,
        Err(refused) if said::has_no_detached(&refused.problem.message) => {
            in_fork(&scene, &target, &wish.act).await
        }
        Err(refused) => Err(refused),
    }
}

/// Whose the thread of a detached review is.
fn spawned(scene: &Scene) -> SessionSpawned {
    SessionSpawned {
        parent: match &scene.caller {
            Caller::Agent(agent) => Some(agent.session.thread_id.clone()),
            _ => None,
        },
        by: scene.caller.word(),
        forked_from: Some(scene.thread().to_owned()),
        ..SessionSpawned::default()
    }
}

fn target(of: &ReviewOf) -> Result<Value, Refusal> {
    Ok(match of {
        ReviewOf::Uncommitted => json!({ "type": "uncommittedChanges" }),
        ReviewOf::Base(branch) => {
            json!({ "type": "baseBranch", "branch": words::word("a branch", branch)? })
        }
        ReviewOf::Commit(sha) => {
            json!({ "type": "commit", "sha": words::word("a commit", sha)?, "title": null })
        }
        ReviewOf::Prompt(text) => {
            json!({ "type": "custom", "instructions": words::checked("a prompt", text)? })
        }
    })
}

/// A review in the session at hand.
async fn inline(
    scene: &Scene,
    server: &Arc<Server>,
    target: &Value,
    reviewed: &str,
    mut way: Vec<String>,
) -> Result<Reviewing, Refusal> {
    let params = json!({ "threadId": scene.thread(), "target": target, "delivery": "inline" });
    let before = scene.session.counts.turns;
    let reply = scene.call(server, "review/start", params, None).await?;
    way.push("review/start".to_owned());
    begun(&scene.daemon, scene.thread(), before, &reply, reviewed, way).await
}

/// A review in a thread that Codex made for it.
async fn detached(scene: &Scene, reply: &Reply) -> Result<Reviewing, Refusal> {
    let thread = reply.result.get("reviewThreadId").and_then(Value::as_str);
    let (Some(thread), Some(_)) = (thread, reply.noted) else {
        let message = "Codex's answer to review/start names no thread of its own for the review";
        return Err(Refusal::new(502, "codex_error", message));
    };
    let way = vec!["review/start detached".to_owned()];
    begun(&scene.daemon, thread, 0, reply, &scene.session.id, way).await
}

/// A review in a fork of the session.
async fn in_fork(scene: &Scene, target: &Value, act: &Act) -> Result<Reviewing, Refusal> {
    let forked = fork_scene(scene, &api::Fork::default(), None).await?;
    let fork = Scene::set(&scene.daemon, &forked.thread_id, act).await?;
    let server = fork.loaded().await?;
    inline(&fork, &server, target, &scene.session.id, forked.way).await
}

/// Waits until the review is told of, so that nobody takes its session, which had `before` turns, for idle.
async fn begun(
    daemon: &Arc<Daemon>,
    thread: &str,
    before: u64,
    reply: &Reply,
    reviewed: &str,
    way: Vec<String>,
) -> Result<Reviewing, Refusal> {
    let turn = reply.result.pointer("/turn/id").and_then(Value::as_str).map(str::to_owned);
    let found = daemon.session(thread)?;
    // Releases that number their turns call a review by a name that they do not tell again: one more turn is it.
    let by_name = turn.as_deref().filter(|turn| turn.len() > 10);
    let told = daemon.until(TELLING, |view| match by_name {
        Some(turn) => Ok(views::turn_number(view, found.sid, &found.session, turn)?.map(drop)),
        None => {
            let row = view.get::<Sessions>(&found.sid)?;
            Ok(row.filter(|row| row.counts.turns > before).map(drop))
        }
    });
    told.await?;
    Ok(Reviewing {
        session_id: found.session.id,
        reviewed_id: reviewed.to_owned(),
        turn_id: turn,
        way,
        cursor: daemon.cursor(reply.seq),
        session: daemon.document(thread)?,
    })
}
