//! `compact`: a session's history made short, by a turn of its own.

use super::Scene;
use crate::api::{Act, Done};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::json;
use sm_projections::tables::Sessions;
use std::sync::Arc;
use std::time::Duration;

/// How long a begun compaction may take to be told of.
const TELLING: Duration = Duration::from_secs(10);

/// Begins it; returns once it is told of, so that nobody takes the session for idle.
pub(crate) async fn compact(daemon: &Arc<Daemon>, word: &str, act: Act) -> Result<Done, Refusal> {
    let scene = Scene::set(daemon, word, &act).await?;
    scene.may_lead()?;
    scene.not_stopped()?;
    scene.between_turns("be compacted")?;
    let server = scene.loaded().await?;
    scene.with_own_settings(&server).await?;
    let before = scene.session.counts.turns;
    let params = json!({ "threadId": scene.thread() });
    let reply = scene.call(&server, "thread/compact/start", params, None).await?;
    let begun = daemon.until(TELLING, |view| {
        let row = view.get::<Sessions>(&scene.sid)?;
        Ok(row.filter(|row| row.counts.turns > before).map(drop))
    });
    let note = begun.await?.is_none().then(|| "Codex has not told of its begin yet".to_owned());
    Ok(Done { session: scene.document()?, cursor: daemon.cursor(reply.seq), note })
}
