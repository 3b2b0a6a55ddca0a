//! `archive` and `unarchive`: out of Codex's lists, and back.
//!
//! What always holds: what waits for a session that goes into the archive is cancelled, by record.

use super::{Scene, releases};
use crate::api::{Act, Done};
use crate::daemon::Daemon;
use crate::input;
use crate::problem::Refusal;
use crate::said;
use crate::servers::archive as shelf;
use crate::servers::pool::Server;
use serde_json::json;
use sm_protocol::synthetic::{SessionArchived, Synthetic};
use std::sync::Arc;

/// What takes a thread out.
const UNARCHIVE: &str = "thread/unarchive";

/// Puts a session into the archive; one that is there stays there.
pub(crate) async fn archive(daemon: &Arc<Daemon>, word: &str, act: Act) -> Result<Done, Refusal> {
    let scene = Scene::set(daemon, word, &act).await?;
    scene.home()?;
    scene.between_turns("be archived")?;
    let (seq, note) = match scene.session.archived {
        true => (
            scene.session.last_seq.unwrap_or_default(),
            Some("it was in the archive already".to_owned()),
        ),
        false => {
            let server = scene.server().await?;
            let seq = moved(&scene, "thread/archive", true).await?;
            (seq, stays_there(&server).await)
        }
    };
    // Also where it was there already: whoever put it there may not have got so far.
    let cancelled =
        input::cancel_all(daemon, scene.thread(), "the session was archived", None).await?;
    let dropped = (!cancelled.is_empty())
        .then(|| format!("messages that waited were taken back: {}", cancelled.join(", ")));
    let notes: Vec<String> = note.into_iter().chain(dropped).collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    Ok(Done { session: scene.document()?, cursor: daemon.cursor(seq), note })
}

/// What is said of the archive where its release does not take a session out again.
async fn stays_there(server: &Server) -> Option<String> {
    let version = server.codex.version;
    let later = releases::later(version, UNARCHIVE)?;
    // One between the recorded releases may know it.
    let knows = server.knows(UNARCHIVE).await != Some(false);
    (!knows).then(|| format!("codex {version} does not take it out again; {later} does"))
}

/// Takes a session out of the archive; the next input loads it, unless it had been stopped.
pub(crate) async fn unarchive(daemon: &Arc<Daemon>, word: &str, act: Act) -> Result<Done, Refusal> {
    let scene = Scene::set(daemon, word, &act).await?;
    scene.home()?;
    let given_up = scene.session.unresumable.as_deref();
    if !scene.session.archived && !given_up.is_some_and(said::is_archived) {
        return match given_up {
            Some(_) => Err(Refusal::over(&scene.session)),
            None => already(&scene, "it was not in the archive"),
        };
    }
    let seq = match moved(&scene, UNARCHIVE, false).await {
        Ok(seq) => seq,
        Err(refusal) if said::is_not_archived(&refusal.problem.message) => {
            is_out(&scene, refusal).await?
        }
        Err(refusal) => return Err(refusal),
    };
    // Of what was archived elsewhere nothing was taken back.
    input::deliver_soon(daemon, scene.thread());
    let id = &scene.session.id;
    let note = scene.session.ended.then(|| format!("it was stopped: sm resume {id} loads it"));
    Ok(Done { session: scene.document()?, cursor: daemon.cursor(seq), note })
}

/// Codex does not have it in the archive: where it can be read, somebody else took it out, which is recorded.
async fn is_out(scene: &Scene, refusal: Refusal) -> Result<u64, Refusal> {
    let params = json!({ "threadId": scene.thread() });
    let server = scene.server().await?;
    match scene.call(&server, "thread/read", params, None).await {
        Ok(_) => shelf::note(&scene.daemon, scene.thread(), false).await,
        Err(_) => Err(refusal),
    }
}

async fn moved(scene: &Scene, method: &str, archived: bool) -> Result<u64, Refusal> {
    let server = scene.server().await?;
    let by = scene.caller.word();
    let note = Synthetic::SessionArchived(SessionArchived { archived, by });
    let params = json!({ "threadId": scene.thread() });
    Ok(scene.call(&server, method, params, Some(note.into())).await?.seq)
}

fn already(scene: &Scene, note: &str) -> Result<Done, Refusal> {
    let cursor = scene.daemon.cursor(scene.session.last_seq.unwrap_or_default());
    Ok(Done { session: scene.document()?, cursor, note: Some(note.to_owned()) })
}
