//! `rollback`: a session's newest turns taken out of its history, by whichever way its release knows.
//!
//! What always holds: which turns were dropped is recorded together with Codex's answer where it could
//! be told before, else right after it; what they did to files stays.
//!
//! | release | way |
//! | --- | --- |
//! | to 0.142.5 | `thread/rollback` {numTurns}, whose answer holds the turns that are left |
//! | 0.155.1 | the same, or, where it keeps the thread in pages, `thread/revert` {beforeTurnId} |
//! | 0.169.0 | `thread/revert` |

use super::Scene;
use crate::api::{self, RolledBack};
use crate::daemon::Daemon;
use crate::pool::Server;
use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_projections::rows::Turn;
use sm_projections::views::{self, TurnDoc};
use sm_protocol::synthetic::{Synthetic, TurnsDropped};
use std::sync::Arc;

/// Drops the newest turns.
pub(crate) async fn rollback(
    daemon: &Arc<Daemon>,
    word: &str,
    wish: api::Rollback,
) -> Result<RolledBack, Refusal> {
    if wish.turns == 0 {
        return Err(Refusal::bad_request("a rollback drops at least one turn")
            .hint("say how many, from 1: --turns 1"));
    }
    let scene = Scene::set(daemon, word, &wish.act).await?;
    scene.not_stopped()?;
    scene.between_turns("be rolled back")?;
    let server = scene.loaded().await?;
    let own = own_turns(&scene)?;
    let known = known_turns(&scene, &server).await?;
    let count = wish.turns as usize;
    let there = known.as_ref().map_or(own.len(), Vec::len);
    if count > there {
        let id = &scene.session.id;
        return Err(Refusal::bad_request(format!("session {id} has only {there} turns to drop"))
            .hint(format!("`sm turns {id}` shows them"))
            .of_session(&scene.session));
    }
    let by = scene.caller.word();
    let dropped = |turns: Vec<u64>, count: usize| {
        let (by, count) = (by.clone(), u32::try_from(count).unwrap_or(u32::MAX));
        Synthetic::TurnsDropped(TurnsDropped { turns, count, by })
    };
    let before = known.as_ref().and_then(|known| known.get(known.len() - count));
    if let (Some(known), Some(before)) = (&known, before) {
        let ids = &known[known.len() - count..];
        let turns = numbers(&own, ids, count);
        let params = json!({ "threadId": scene.thread(), "beforeTurnId": before });
        let note = dropped(turns.clone(), count);
        match scene.call(&server, "thread/revert", params, Some(note)).await {
            Ok(_) => return told(&scene, &own, &turns, count, "thread/revert"),
            Err(refused) if is_other_way(&refused) => {}
            Err(refused) => return Err(refused),
        }
    }
    let params = json!({ "threadId": scene.thread(), "numTurns": count });
    let reply = scene.call(&server, "thread/rollback", params, None).await?;
    let left = ids_of(reply.result.pointer("/thread/turns"));
    let (turns, count) = match (&known, left) {
        (Some(known), Some(left)) => {
            let gone: Vec<String> = known.iter().filter(|id| !left.contains(id)).cloned().collect();
            (numbers(&own, &gone, gone.len()), gone.len())
        }
        (None, Some(left)) => {
            let count = own.len().saturating_sub(left.len());
            (numbers(&own, &[], count), count)
        }
        _ => (numbers(&own, &[], count), count),
    };
    scene.note(&dropped(turns.clone(), count)).await?;
    told(&scene, &own, &turns, count, "thread/rollback")
}

fn told(
    scene: &Scene,
    own: &[TurnDoc],
    turns: &[u64],
    count: usize,
    way: &str,
) -> Result<RolledBack, Refusal> {
    let shown = own.iter().filter(|turn| turns.contains(&turn.seq)).map(|turn| turn.number);
    Ok(RolledBack {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        turns: shown.collect(),
        way: vec![way.to_owned()],
        files_reverted: false,
        session: scene.document()?,
    })
}

/// Whether the thread is to be taken back the other way: the release knows no `thread/revert`, or not
/// for a thread that it keeps in one piece.
fn is_other_way(refused: &Refusal) -> bool {
    refused.problem.code == "unsupported" || refused.problem.message.contains("paginated")
}

/// The turns of the session's history that the log knows, oldest first.
pub(super) fn own_turns(scene: &Scene) -> Result<Vec<TurnDoc>, Refusal> {
    let is_there = |turn: &Turn| turn.dropped_seq.is_none();
    Ok(scene.daemon.look(|view| views::turns(view, scene.sid, usize::MAX, is_there))?)
}

/// The ids of the turns of the thread's history as Codex has it, oldest first; none where that release
/// does not tell them.
async fn known_turns(scene: &Scene, server: &Arc<Server>) -> Result<Option<Vec<String>>, Refusal> {
    let mut ids = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let params = json!({
            "threadId": scene.thread(), "cursor": cursor, "limit": 100, "sortDirection": "desc",
            "itemsView": "notLoaded",
        });
        let page = match scene.call(server, "thread/turns/list", params, None).await {
            Ok(reply) => reply.result,
            Err(refused) if refused.problem.code == "unsupported" => break,
            Err(refused) => return Err(refused),
        };
        ids.extend(ids_of(page.get("data")).unwrap_or_default());
        cursor = page.get("nextCursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            ids.reverse();
            return Ok(Some(ids));
        }
    }
    let params = json!({ "threadId": scene.thread(), "includeTurns": true });
    match scene.call(server, "thread/read", params, None).await {
        Ok(reply) => Ok(ids_of(reply.result.pointer("/thread/turns"))),
        Err(refused) if refused.problem.code == "unsupported" => Ok(None),
        // No turn has begun.
        Err(refused) if refused.problem.message.contains("not materialized") => {
            Ok(Some(Vec::new()))
        }
        Err(refused) => Err(refused),
    }
}

/// The ids in a list of turns.
pub(super) fn ids_of(turns: Option<&Value>) -> Option<Vec<String>> {
    let id = |turn: &Value| Some(turn.get("id")?.as_str()?.to_owned());
    turns?.as_array()?.iter().map(id).collect()
}

/// The numbers of the dropped turns: those of these ids, or, where a release lists turns under ids
/// that it does not use elsewhere, the newest that a user began.
fn numbers(own: &[TurnDoc], ids: &[String], count: usize) -> Vec<u64> {
    let named: Vec<u64> =
        own.iter().filter(|turn| ids.contains(&turn.turn_id)).map(|turn| turn.seq).collect();
    if !named.is_empty() || ids.iter().any(|id| id.len() > "turn-99999999".len()) {
        return named;
    }
    let begun = own.iter().filter(|turn| turn.prompt.is_some()).map(|turn| turn.seq);
    let begun: Vec<u64> = begun.collect();
    begun[begun.len().saturating_sub(count)..].to_vec()
}
