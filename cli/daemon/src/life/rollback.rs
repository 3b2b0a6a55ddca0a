//! `rollback`: a session's newest turns taken out of its history, by whichever way its release knows.
//!
//! What always holds: which turns were dropped is recorded together with Codex's answer where it could
//! be told before, else right after it; all that the tables mark as dropped are told, and what they did to
//! files stays.
//!
//! A compaction replaces what the agent knows by a summary, and `thread/rollback` cuts before a turn that a
//! user began: releases differ in what is then left of the summary, and tell nothing of it.
//!
//! | release | way |
//! | --- | --- |
//! | to 0.142.5 | `thread/rollback` {numTurns}, whose answer holds the turns that are left |
//! | 0.155.1 | the same, or, where it keeps the thread in pages, `thread/revert` {beforeTurnId} |
//! | 0.169.0 | `thread/revert` |

use super::Scene;
use super::history::{self, Listed, ids_of, is_of_the_list_only};
use crate::api::{self, RolledBack};
use crate::daemon::Daemon;
use crate::problem::Refusal;
use serde_json::json;
use sm_projections::rows::{Action, ActionKind};
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
    let own = history::own(&scene)?;
    let listed = history::listed(&scene, &server).await?;
    let count = wish.turns as usize;
    let there = listed.as_ref().map_or(own.len(), Vec::len);
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
    let cut = listed.as_ref().map(|listed| &listed[listed.len() - count..]);
    if let Some(cut) = cut
        && let Some(before) = cut.first().and_then(Listed::first)
    {
        let turns = numbers(&own, cut);
        let params = json!({ "threadId": scene.thread(), "beforeTurnId": before });
        let note = dropped(turns, count);
        match scene.call(&server, "thread/revert", params, Some(note)).await {
            Ok(_) => return told(&scene, &own, count, "thread/revert", None),
            Err(refused) if is_other_way(&refused) => {}
            Err(refused) if refused.problem.message.contains("start boundary") => {
                return Err(no_begin(&scene, count));
            }
            Err(refused) => return Err(refused),
        }
    }
    let params = json!({ "threadId": scene.thread(), "numTurns": count });
    let reply = scene.call(&server, "thread/rollback", params, None).await?;
    let left = ids_of(reply.result.pointer("/thread/turns"));
    let (turns, count) = match (listed, left) {
        (Some(mut listed), Some(left)) => {
            listed.retain(|turn| !turn.ids.iter().any(|id| left.contains(id)));
            (numbers(&own, &listed), listed.len())
        }
        (None, Some(left)) => {
            let count = own.len().saturating_sub(left.len());
            (history::newest(&own, count), count)
        }
        (_, None) => (history::newest(&own, count), count),
    };
    scene.note(&dropped(turns, count)).await?;
    let version = server.codex.version;
    let note = is_compacted(&scene, &own)?.then(|| {
        format!(
            "the history was compacted: codex {version} may keep or lose more of what the agent knows than \
             the turns show; ask it, or tell it again"
        )
    });
    told(&scene, &own, count, "thread/rollback", note)
}

/// Whether one of those turns made the history short.
fn is_compacted(scene: &Scene, own: &[TurnDoc]) -> Result<bool, Refusal> {
    let is_there = |action: &Action| {
        action.kind == ActionKind::Compaction
            && own.iter().any(|turn| action.turn == Some(turn.seq))
    };
    let newest = scene.daemon.look(|view| views::actions(view, scene.sid, 1, is_there))?;
    Ok(!newest.is_empty())
}

/// The numbers of those turns, as far as the log knows them. Old releases list turns under ids that they
/// use nowhere else: there it is the newest ones.
fn numbers(own: &[TurnDoc], turns: &[Listed]) -> Vec<u64> {
    match turns.iter().flat_map(|turn| &turn.ids).all(|id| is_of_the_list_only(id)) {
        true => history::newest(own, turns.len()),
        false => turns.iter().filter_map(|turn| turn.number).collect(),
    }
}

/// What was done to a history that had the turns of `own`.
fn told(
    scene: &Scene,
    own: &[TurnDoc],
    count: usize,
    way: &str,
    note: Option<String>,
) -> Result<RolledBack, Refusal> {
    let left = history::own(scene)?;
    let is_left = |turn: &&TurnDoc| left.iter().any(|left| left.seq == turn.seq);
    let gone = own.iter().filter(|turn| !is_left(turn)).map(|turn| turn.number);
    Ok(RolledBack {
        count: u32::try_from(count).unwrap_or(u32::MAX),
        turns: gone.collect(),
        way: vec![way.to_owned()],
        files_reverted: false,
        note,
        session: scene.document()?,
    })
}

/// Codex keeps no begin of some turns, and cuts before none of them.
fn no_begin(scene: &Scene, count: usize) -> Refusal {
    let id = &scene.session.id;
    let message = format!(
        "Codex cannot cut the history of session {id} {count} turns back: it keeps no begin of that \
         turn"
    );
    Refusal::conflict(message)
        .hint(format!("`sm rollback {id} --turns {}` drops the one before it, too", count + 1))
        .of_session(&scene.session)
}

/// Whether the thread is to be taken back the other way: the release knows no `thread/revert`, or not
/// for a thread that it keeps in one piece.
fn is_other_way(refused: &Refusal) -> bool {
    refused.problem.code == "unsupported" || refused.problem.message.contains("paginated")
}
