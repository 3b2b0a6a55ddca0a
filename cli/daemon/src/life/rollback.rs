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
//!
//! Where the answer was lost with a process it is not known what went, until the thread is loaded again: then
//! Codex's list tells, see [`find_out`].

use super::fork::AT_A_TURN;
use super::history::{self, Asks, Entry, Listed, is_of_the_list_only};
use super::{Scene, scene};
use crate::api::{self, RolledBack};
use crate::counted;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use crate::servers::pool::Server;
use serde_json::{Value, json};
use sm_ingest::app_server::{Reply, Version};
use sm_projections::rows::{Cut, CutTurns};
use sm_projections::views::TurnDoc;
use sm_protocol::synthetic::{Synthetic, TurnsDropped};
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to list a thread's turns.
const LISTING: Duration = Duration::from_secs(30);

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
        if there == 0 {
            return Err(Refusal::conflict(format!("session {id} has no turn to drop"))
                .hint(format!("`sm send {id} TEXT` gives it its first"))
                .of_session(&scene.session));
        }
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
        match scene.call(&server, "thread/revert", params, Some(note.into())).await {
            Ok(_) => {
                let note = listed.as_deref().and_then(|listed| outside(&scene, listed, count));
                return told(&scene, &own, count, "thread/revert", note);
            }
            Err(refused) if said::is_in_one_piece(&refused.problem.message) => {
                // Which release has the other way, too, only it can say.
                if server.knows("thread/rollback").await == Some(false) {
                    let first = cut.iter().find_map(|turn| turn.number);
                    return Err(in_one_piece(&scene, &server, &own, first, count));
                }
            }
            Err(refused) if refused.problem.code == "unsupported" => {}
            Err(refused) if said::has_no_begin(&refused.problem.message) => {
                return Err(no_begin(&scene, count));
            }
            Err(refused) => return Err(maybe_done(&scene, refused)),
        }
    }
    let turns = plain(&scene, &server, &own, count).await?;
    let params = json!({ "threadId": scene.thread(), "numTurns": count });
    let note = dropped(turns, count).into();
    let called = scene.call(&server, "thread/rollback", params, Some(note)).await;
    called.map_err(|refused| maybe_done(&scene, refused))?;
    told(&scene, &own, count, "thread/rollback", None)
}

/// The refusal of a call that may have been carried out: who repeats it drops other turns.
fn maybe_done(scene: &Scene, mut refused: Refusal) -> Refusal {
    if refused.problem.details["answer_lost"] == true {
        let id = &scene.session.id;
        refused.problem.retryable = false;
        refused.problem.hint = Some(format!(
            "whether the turns went is not known yet: it is found out when the thread is loaded again \
             (`sm resume {id}`), and `sm turns {id}` marks what went; a second rollback takes others"
        ));
    }
    refused
}

/// Finds out what a rollback did that was never answered, and records it. The thread was just loaded again,
/// and the caller holds its session's lock.
pub(crate) async fn find_out(daemon: &Arc<Daemon>, server: &Arc<Server>, thread: &str) {
    match look(daemon, server, thread).await {
        Ok(None) => {}
        Ok(Some(why)) => daemon.say(&format!("{thread}: what a rollback took is not known: {why}")),
        Err(error) => {
            daemon.say(&format!("{thread}: what a rollback took is not known: {error}"));
        }
    }
}

/// Asks while its thread is being loaded.
struct Loading<'s>(&'s Server);

impl Asks for Loading<'_> {
    async fn call(&self, method: &str, params: Value) -> Result<Reply, Refusal> {
        let answer = self.0.app.call(method, params, LISTING).await;
        answer.map_err(|error| scene::refused(self.0.codex.version, error))
    }
}

/// See [`find_out`]. Returns why it stays unknown.
async fn look(
    daemon: &Arc<Daemon>,
    server: &Arc<Server>,
    thread: &str,
) -> Result<Option<&'static str>, Refusal> {
    let found = daemon.session(thread)?;
    let Some(turns) = found.session.cut.as_ref().and_then(Cut::unanswered) else { return Ok(None) };
    let Some(listed) = history::listed_by(daemon, &found, &Loading(server)).await? else {
        return Ok(Some("this release does not list its turns"));
    };
    let own = history::own_of(daemon, found.sid)?;
    let Some(turns) = gone(&own, &listed, turns) else {
        return Ok(Some("Codex lists other turns than the log knows"));
    };
    let count = u32::try_from(turns.len()).unwrap_or(u32::MAX);
    let dropped = TurnsDropped { turns, count, by: "codex".to_owned() };
    daemon.noted(thread, &Synthetic::TurnsDropped(dropped)).await?;
    Ok(None)
}

/// The turns of `own` that went, where `asked` were to go and Codex lists those; none where it cannot be told.
fn gone(own: &[TurnDoc], listed: &[Listed], asked: CutTurns) -> Option<Vec<u64>> {
    let from = match asked {
        CutTurns::From(first) => own.partition_point(|turn| turn.seq < first),
        CutTurns::FromUnknown { .. } => 0,
        CutTurns::Newest(_) => return None,
    };
    let (before, after) = own.split_at(from);
    if listed.iter().flat_map(|turn| &turn.ids).any(|id| is_of_the_list_only(id)) {
        // Such a list is counted.
        let begun = |turns: &[TurnDoc]| turns.iter().filter(|turn| turn.prompt.is_some()).count();
        return match listed.len() {
            left if left == begun(own) => Some(Vec::new()),
            left if left == begun(before) => Some(after.iter().map(|turn| turn.seq).collect()),
            _ => None,
        };
    }
    let is_left = |turn: &TurnDoc| listed.iter().any(|listed| listed.number == Some(turn.seq));
    Some(match (asked, after.first()) {
        // All of them went, or none; what began since is there.
        (CutTurns::From(_), Some(first)) if is_left(first) => Vec::new(),
        _ => after.iter().filter(|turn| !is_left(turn)).map(|turn| turn.seq).collect(),
    })
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
    // In a list with ids that were never told the log is looked at as far as it reaches.
    let looked_at = match first {
        first if first < own.len() => &own[first..],
        _ => &own[own.len().saturating_sub(count)..],
    };
    let left = &own[..own.len() - looked_at.len()];
    let what_can = fork_instead(scene, server.codex.version, left);
    if let Some((number, why)) = history::not_plain(scene, looked_at)? {
        let after = own.iter().filter(|turn| turn.number > number).count();
        let id = &scene.session.id;
        let hint = match after {
            0 => what_can,
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

/// A thread that an older release began, where the way back that those had is gone. `first`: of the turns that
/// were to go the first that the log knows.
fn in_one_piece(
    scene: &Scene,
    server: &Server,
    own: &[TurnDoc],
    first: Option<u64>,
    count: usize,
) -> Refusal {
    let first = first.or_else(|| history::newest(own, count).first().copied());
    let left = own.partition_point(|turn| turn.seq < first.unwrap_or_default());
    let version = server.codex.version;
    let message = format!(
        "the thread of session {} was begun by an older Codex, which keeps it in one piece: codex {version} \
         cannot cut such a thread",
        scene.session.id
    );
    Refusal::new(501, "unsupported", message)
        .hint(fork_instead(scene, version, &own[..left]))
        .details(json!({ "method": "thread/revert", "codex_version": version.to_string() }))
        .of_session(&scene.session)
}

/// What does for a session whose history is not taken back to the turns of `left`.
fn fork_instead(scene: &Scene, version: Version, left: &[TurnDoc]) -> String {
    let id = &scene.session.id;
    let ends = left.last().filter(|turn| !history::is_numbered(&turn.turn_id));
    match ends.map(|turn| turn.number) {
        None => format!("`sm handoff {id}` makes a brief of it for a new session"),
        Some(last) if version.has(AT_A_TURN) => {
            format!("`sm fork {id} --turn {last}` makes a session that ends there")
        }
        Some(last) => format!(
            "`sm fork {id} --turn {last}` makes a session that ends there, once it is on codex 0.155.1 or a \
             newer one: `npm install -g @openai/codex`, `sm serve --drain`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(seq: u64) -> TurnDoc {
        TurnDoc { seq, prompt: Some("say: so".to_owned()), ..TurnDoc::default() }
    }

    fn listed(ids: &[(&str, Option<u64>)]) -> Vec<Listed> {
        let listed =
            ids.iter().map(|(id, number)| Listed { ids: vec![(*id).to_owned()], number: *number });
        listed.collect()
    }

    #[test]
    fn what_went_is_what_codex_does_not_list_any_more() {
        let own = [turn(10), turn(20), turn(30)];
        let (a, b, c) = (("a", Some(10)), ("b", Some(20)), ("c", Some(30)));
        let from = CutTurns::From(20);
        assert_eq!(gone(&own, &listed(&[a]), from), Some(vec![20, 30]));
        assert_eq!(gone(&own, &listed(&[a, b, c]), from), Some(vec![]));
        // One that began since, and one that Codex never stored.
        assert_eq!(gone(&own, &listed(&[a, c]), from), Some(vec![20]));
        assert_eq!(gone(&own, &listed(&[a, b]), from), Some(vec![]));
        let unknown = CutTurns::FromUnknown { half_told: false };
        assert_eq!(gone(&own, &listed(&[("x", None)]), unknown), Some(vec![10, 20, 30]));
        assert_eq!(gone(&own, &listed(&[("x", None), a, b, c]), unknown), Some(vec![]));
    }

    #[test]
    fn a_list_with_ids_of_its_own_is_counted() {
        let own = [turn(10), turn(20), turn(30)];
        let list = |count: u32| {
            let ids: Vec<String> = (0..count).map(|id| format!("turn-{id}")).collect();
            listed(&ids.iter().map(|id| (id.as_str(), None)).collect::<Vec<_>>())
        };
        assert_eq!(gone(&own, &list(2), CutTurns::From(30)), Some(vec![30]));
        assert_eq!(gone(&own, &list(3), CutTurns::From(30)), Some(vec![]));
        assert_eq!(gone(&own, &list(1), CutTurns::From(30)), None);
    }
}
