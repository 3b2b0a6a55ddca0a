//! `rollback`: a session's newest turns taken out of its history, by whichever way its release knows.
//!
//! What always holds: which turns were dropped is recorded together with Codex's answer where it could
//! be told before, else right after it; all that the tables mark as dropped are told, and what they did to
//! files stays.
//!
//! `thread/rollback` counts otherwise than its list of turns where a turn is not plain (see
//! [`super::history`]): there it is refused before anything is changed.
//!
//! | release | way |
//! | --- | --- |
//! | to 0.142.5 | `thread/rollback` {numTurns}, whose answer holds the turns that are left |
//! | 0.155.1 | the same, or, where it keeps the thread in pages, `thread/revert` {beforeTurnId} |
//! | 0.169.0 | `thread/revert` |

use super::Scene;
use super::history::{self, Entry, Listed, is_of_the_list_only};
use crate::api::{self, RolledBack};
use crate::counted;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::servers::pool::Server;
use serde_json::json;
use sm_ingest::app_server::Version;
use sm_projections::views::TurnDoc;
use sm_protocol::synthetic::{Synthetic, TurnsDropped};
use std::sync::Arc;

/// The first of the recorded releases that goes by its turns.
const BY_TURNS: Version = Version::released(0, 155, 1);

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
        // Older lists hold the begin of a review once more.
        let full = history::full(&scene, &server).await.ok().flatten();
        let full = full.map(|full| full.iter().filter(|turn| !turn.is_of_cut_review()).count());
        let there = full.filter(|full| *full > 0).map_or(there, |full| full.min(there));
        let there = counted(there, "turn");
        return Err(Refusal::bad_request(format!("session {id} has only {there} to drop"))
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
        let turns = cut.iter().filter_map(|turn| turn.number).collect();
        let params = json!({ "threadId": scene.thread(), "beforeTurnId": before });
        let note = dropped(turns, count);
        match scene.call(&server, "thread/revert", params, Some(note)).await {
            Ok(_) => {
                let note = listed.as_deref().and_then(|listed| outside(&scene, listed, count));
                return told(&scene, &own, count, "thread/revert", note);
            }
            Err(refused) if is_other_way(&refused) => {}
            Err(refused) if refused.problem.message.contains("start boundary") => {
                return Err(no_begin(&scene, count));
            }
            Err(refused) => return Err(refused),
        }
    }
    let turns = plain(&scene, &server, &own, count).await?;
    let params = json!({ "threadId": scene.thread(), "numTurns": count });
    scene.call(&server, "thread/rollback", params, Some(dropped(turns, count))).await?;
    told(&scene, &own, count, "thread/rollback", None)
}

/// The numbers of the newest turns, where `thread/rollback` takes just them out of the history.
async fn plain(
    scene: &Scene,
    server: &Arc<Server>,
    own: &[TurnDoc],
    count: usize,
) -> Result<Vec<u64>, Refusal> {
    let listed = history::full(scene, server).await?;
    let listed = listed.as_deref().map(|listed| &listed[listed.len().saturating_sub(count)..]);
    let has_ids = listed.is_some_and(|tail| !tail.iter().any(|turn| is_of_the_list_only(&turn.id)));
    let turns = match listed {
        Some(tail) if has_ids => {
            let is_there = |turn: &&TurnDoc| tail.iter().any(|entry| entry.id == turn.turn_id);
            own.iter().filter(is_there).map(|turn| turn.seq).collect()
        }
        _ => history::newest(own, count),
    };
    let from = turns.first().copied().unwrap_or(u64::MAX);
    let first = own.partition_point(|turn| turn.seq < from);
    let unsure = |which: String| {
        let id = &scene.session.id;
        let version = server.codex.version;
        let message = format!(
            "codex {version} cannot roll session {id} back by {count}: {which}, and what the agent knows would \
             not be what the turns show"
        );
        Refusal::new(501, "unsupported", message)
            .details(json!({ "codex_version": version.to_string(), "first_release": "0.155.1" }))
            .of_session(&scene.session)
    };
    let what_can = match !server.codex.version.has(BY_TURNS) {
        true => "0.155.1 is the first of the recorded releases that takes such a turn back",
        false => "a session that this release began itself takes such a turn back",
    };
    // In a list with ids that were never told the log is looked at as far as it reaches.
    let looked_at = match first {
        first if first < own.len() => &own[first..],
        _ => &own[own.len().saturating_sub(count)..],
    };
    if let Some((number, why)) = history::not_plain(scene, looked_at)? {
        let after = own.iter().filter(|turn| turn.number > number).count();
        let id = &scene.session.id;
        let hint = match after {
            0 => what_can.to_owned(),
            after => {
                format!("`sm rollback {id} --turns {after}` drops what came after it; {what_can}")
            }
        };
        return Err(unsure(format!("turn {number} {why}")).hint(hint));
    }
    let is_plain = match listed {
        Some(tail) if has_ids => tail.iter().all(Entry::is_plain),
        // What an older list does not show, only the log tells.
        Some(tail) => turns.len() == count && tail.iter().all(Entry::is_plain),
        None => turns.len() == count,
    };
    match is_plain {
        true => Ok(turns),
        false => {
            Err(unsure("one of them is not known to be one message and its answer".to_owned())
                .hint(format!("fewer turns may do; {what_can}")))
        }
    }
}

/// What is said of turns that another process of Codex began in the thread: those after one that is known.
fn outside(scene: &Scene, listed: &[Listed], count: usize) -> Option<String> {
    let (left, cut) = listed.split_at(listed.len() - count);
    let is_known = |turn: &Listed| turn.number.is_some();
    // Those of a fork's origin come first, and may be all.
    let none = if scene.session.forked_from.is_some() { listed.len() } else { 0 };
    let known = listed.iter().position(is_known).unwrap_or(none);
    let unknown = |turns: &[Listed]| turns.iter().filter(|turn| !is_known(turn)).count();
    let left = unknown(left.get(known..).unwrap_or_default());
    let cut = unknown(cut.get(known.saturating_sub(listed.len() - count)..).unwrap_or_default());
    let id = &scene.session.id;
    (left + cut > 0).then(|| {
        format!(
            "another Codex process used this thread: of its turns {cut} went and {left} stay; `sm turns {id}` \
             shows none of them"
        )
    })
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
        "Codex cannot cut the history of session {id} {} back: it keeps no begin of that turn",
        counted(count, "turn")
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
