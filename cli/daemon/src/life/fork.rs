//! `fork`: a copy of a session that goes its own way, from its end or from one of its turns.
//!
//! What always holds: Codex's answer that makes the fork and whose it is are recorded in one frame; a
//! fork at a turn has no turn beyond it, by Codex's own list, or it is put away and refused.
//!
//! Releases before 0.146.1 take no turn to fork at and say nothing about it: there the whole is forked,
//! and the fork rolled back, which is right where all that goes is plain (see [`super::history`]); where it
//! is not, nothing is forked.

use super::history::{self, Entry, Listed, ids_of, is_of_the_list_only};
use super::{Scene, words};
use crate::api::{self, Forked};
use crate::caller::Caller;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use crate::servers::pool::Server;
use crate::servers::resume;
use crate::sessions::rights::{Approval, Sandbox};
use crate::sessions::trust::{self, Choice};
use crate::sessions::{names, shell};
use serde_json::{Value, json};
use sm_ingest::app_server::{Reply, Version};
use sm_projections::views::TurnDoc;
use sm_protocol::synthetic::{SessionSpawned, Synthetic};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long Codex may take to name the fork, or to put it away.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// The first release that is known to take a turn to fork at.
pub(super) const AT_A_TURN: Version = Version::released(0, 146, 1);

/// Forks a session.
pub(crate) async fn fork(
    daemon: &Arc<Daemon>,
    word: &str,
    wish: api::Fork,
) -> Result<Forked, Refusal> {
    let scene = Scene::set(daemon, word, &wish.act).await?;
    scene.home()?;
    scene.out_of_archive()?;
    of_the_user(&scene.caller, &wish)?;
    let name = wish.name.clone().filter(|name| !name.trim().is_empty());
    let _reserved = match &name {
        Some(name) => Some(names::reserve(&daemon.given, &daemon.store, name)?),
        None => None,
    };
    fork_scene(&scene, &wish, name).await
}

/// What widens a fork's rights is not an agent's to give.
fn of_the_user(caller: &Caller, wish: &api::Fork) -> Result<(), Refusal> {
    let given = [("sandbox", &wish.sandbox), ("approval", &wish.approval), ("cwd", &wish.cwd)];
    let given = given.iter().find(|(_, given)| given.is_some());
    match (caller, given) {
        (Caller::Agent(_) | Caller::Nameless(_), Some((what, _))) => {
            Err(Refusal::forbidden(format!(
                "an agent's fork keeps the rights of what it forks: {what} is the user's to give"
            )))
        }
        _ => Ok(()),
    }
}

/// Forks the session at hand.
pub(super) async fn fork_scene(
    scene: &Scene,
    wish: &api::Fork,
    name: Option<String>,
) -> Result<Forked, Refusal> {
    let daemon = &scene.daemon;
    let own = history::own(scene)?;
    let at = match wish.turn {
        Some(number) => Some(turn(scene, &own, number)?),
        None => None,
    };
    let server = scene.server().await?;
    let last = match at {
        Some(turn) => {
            can_cut(scene, &server, &own, turn)?;
            Some(id_of(scene, &server, turn).await?)
        }
        None => None,
    };
    let env = shell::env_of(daemon, scene.thread())?;
    let params = params(scene, wish, last.as_deref(), &env)?;
    let spawned = Synthetic::SessionSpawned(SessionSpawned {
        name: name.clone(),
        parent: match &scene.caller {
            Caller::Agent(agent) => Some(agent.session.thread_id.clone()),
            _ => None,
        },
        labels: Vec::new(),
        by: scene.caller.word(),
        env,
        forked_from: Some(scene.thread().to_owned()),
        forked_at: last.clone(),
        silent: false,
    });
    let reply = match (scene.call(&server, "thread/fork", params, Some(spawned.into())).await, at) {
        (Ok(reply), _) => reply,
        // One whose end Codex did not live to see goes on for ever there.
        (Err(refused), Some(at)) if said::is_in_progress(&refused.problem.message) => {
            return Err(not_there(scene, &own, at.number, "it was lost with its process"));
        }
        (Err(refused), Some(at)) if said::is_none_to_fork_at(&refused.problem.message) => {
            return Err(not_at(scene, &server, at.number, "Codex keeps it as none to fork at"));
        }
        (Err(refused), _) => return Err(refused),
    };
    let thread = reply.result.pointer("/thread/id").and_then(Value::as_str);
    let (Some(thread), Some(made)) = (thread, reply.noted) else {
        let message = "Codex's answer to thread/fork names no thread, or was not recorded";
        return Err(Refusal::new(502, "codex_error", message)
            .hint("`sm replay -n 20` shows the answer; `sm doctor` the state of the disk"));
    };
    let mut way = vec!["thread/fork".to_owned()];
    if let (Some(turn), Some(last)) = (at, &last)
        && cut(scene, &server, thread, &reply, &own, turn, last).await?
    {
        way.push("thread/rollback".to_owned());
    }
    if let Some(name) = name {
        let params = json!({ "threadId": thread, "name": name });
        // Older releases know no names; sm's own is recorded by now.
        if let Ok(reply) = server.app.call("thread/name/set", params, AFTERWARDS).await {
            daemon.folded_to(reply.seq).await?;
        }
    }
    Ok(Forked {
        id: daemon.session(thread)?.session.id,
        thread_id: thread.to_owned(),
        forked_from: scene.session.id.clone(),
        turn: wish.turn,
        way,
        cursor: daemon.cursor(made),
        session: daemon.document(thread)?,
    })
}

/// The turn of that number, if a fork can end with it.
fn turn<'t>(scene: &Scene, own: &'t [TurnDoc], number: u32) -> Result<&'t TurnDoc, Refusal> {
    let id = &scene.session.id;
    let Some(turn) = own.iter().find(|turn| turn.number == number) else {
        return Err(Refusal::not_found(format!("session {id} has no turn {number} to fork at"))
            .hint(format!(
                "`sm turns {id}` shows them; a turn that was dropped cannot be forked at"
            ))
            .of_session(&scene.session));
    };
    let is_open = scene.session.open_turn.as_ref().is_some_and(|open| open.seq == turn.seq);
    if !is_open && history::is_review(scene, turn)? {
        return Err(at_review(scene, own, number));
    }
    match is_open {
        true => Err(Refusal::new(
            409,
            "turn_running",
            format!("turn {number} of session {id} still runs"),
        )
        .hint(format!("`sm wait {id}` waits for its end; or name the turn before it"))
        .of_session(&scene.session)
        .retryable()),
        false => Ok(turn),
    }
}

/// Codex does not end a history with a review, whatever the release.
fn at_review(scene: &Scene, own: &[TurnDoc], number: u32) -> Refusal {
    not_there(scene, own, number, "it is a review")
}

/// A fork ends with another turn, and which.
fn not_there(scene: &Scene, own: &[TurnDoc], number: u32, why: &str) -> Refusal {
    let id = &scene.session.id;
    let before = own.iter().rfind(|turn| turn.number < number);
    let after = own.iter().find(|turn| turn.number > number);
    let near = [before, after].map(|turn| turn.map(|turn| turn.number.to_string()));
    let near: Vec<String> = near.into_iter().flatten().collect();
    let hint = match near.is_empty() {
        true => format!("`sm fork {id}` forks the whole"),
        false => format!("take turn {}; without --turn the whole is forked", near.join(" or ")),
    };
    Refusal::conflict(format!("cannot fork session {id} at turn {number}: {why}"))
        .hint(hint)
        .of_session(&scene.session)
}

/// Whether a fork can be made to end with that turn: by the release, or as all after it is plain.
fn can_cut(
    scene: &Scene,
    server: &Arc<Server>,
    own: &[TurnDoc],
    at: &TurnDoc,
) -> Result<(), Refusal> {
    if server.codex.version.has(AT_A_TURN) {
        return Ok(());
    }
    let after: Vec<TurnDoc> = own.iter().filter(|turn| turn.seq > at.seq).cloned().collect();
    match history::not_plain(scene, &after)? {
        Some((number, why)) => {
            let why = format!("turn {number} {why}, and the fork could not be rolled back over it");
            Err(not_at(scene, server, at.number, &why))
        }
        None => Ok(()),
    }
}

/// The id that the turn ends under in Codex's list.
async fn id_of(scene: &Scene, server: &Arc<Server>, turn: &TurnDoc) -> Result<String, Refusal> {
    let listed = history::listed(scene, server).await?.unwrap_or_default();
    let found = listed.iter().find(|listed| listed.number == Some(turn.seq));
    Ok(found.and_then(Listed::last).unwrap_or(&turn.turn_id).to_owned())
}

fn params(
    scene: &Scene,
    wish: &api::Fork,
    last: Option<&str>,
    env: &std::collections::BTreeMap<String, String>,
) -> Result<Value, Refusal> {
    let mut config = shell::config(&scene.daemon, env, None);
    let own = scene.session.cwd.as_deref().unwrap_or_default();
    config.extend(trust::config(
        &scene.daemon,
        &Choice {
            by_agent: !scene.caller.is_user(),
            origin: Some(&scene.session),
            cwd: wish.cwd.as_deref().unwrap_or(own),
        },
    )?);
    // Another model may not know it.
    if wish.model.is_none() {
        config.extend(resume::effort_in_force(&scene.session));
    }
    if let Some(effort) = &wish.effort {
        let effort = words::word("a reasoning effort", effort)?;
        config.insert("model_reasoning_effort".to_owned(), json!(effort));
    }
    let mut params = json!({
        "threadId": scene.thread(), "config": config, "excludeTurns": last.is_none(),
    });
    for (name, value) in resume::in_force(&scene.session) {
        params[name] = json!(value);
    }
    if let Some(model) = &wish.model {
        params["model"] = json!(words::word("a model", model)?);
    }
    if let Some(sandbox) = Sandbox::wished(wish.sandbox.as_deref())? {
        params["sandbox"] = json!(sandbox.as_str());
    }
    if let Some(approval) = Approval::wished(wish.approval.as_deref())? {
        params["approvalPolicy"] = json!(approval.as_str());
    }
    if let Some(cwd) = &wish.cwd {
        if !Path::new(cwd).is_absolute() || !Path::new(cwd).is_dir() {
            return Err(Refusal::bad_request(format!("{cwd:?} is no folder (absolute path)")));
        }
        params["cwd"] = json!(cwd);
    }
    if let Some(last) = last {
        params["lastTurnId"] = json!(last);
    }
    Ok(params)
}

/// Sees to it that the fork ends with that turn. Returns whether it had to be rolled back for it.
async fn cut(
    scene: &Scene,
    server: &Arc<Server>,
    fork: &str,
    reply: &Reply,
    own: &[TurnDoc],
    at: &TurnDoc,
    last: &str,
) -> Result<bool, Refusal> {
    let turns = history::entries(reply.result.pointer("/thread/turns")).unwrap_or_default();
    let ids: Vec<String> = turns.iter().map(|turn| turn.id.clone()).collect();
    let Some(kept) = kept(&ids, own, at, last) else {
        let why = "its turns, as Codex lists them, are not those that the log knows";
        return Err(put_away(scene, server, fork, at.number, why).await);
    };
    // Where Codex cut it, the begin of a review may be left in the list, and only there.
    if turns[kept..].iter().all(Entry::is_of_cut_review) {
        return Ok(false);
    }
    if !turns[kept..].iter().all(Entry::is_plain) {
        let why = "what is to go is more than messages and their answers";
        return Err(put_away(scene, server, fork, at.number, why).await);
    }
    let params = json!({ "threadId": fork, "numTurns": ids.len() - kept });
    let left = match server.app.call("thread/rollback", params, AFTERWARDS).await {
        Ok(reply) => ids_of(reply.result.pointer("/thread/turns")),
        Err(error) => {
            return Err(put_away(scene, server, fork, at.number, &error.to_string()).await);
        }
    };
    match left.map(|left| left.len()) {
        Some(left) if left == kept => Ok(true),
        _ => Err(put_away(scene, server, fork, at.number, "it was not rolled back to it").await),
    }
}

/// How many of the turns that Codex lists end with that one; none where that cannot be told. Releases
/// that list turns under ids of that list only are counted, if they list as many as a user began.
fn kept(ids: &[String], own: &[TurnDoc], at: &TurnDoc, last: &str) -> Option<usize> {
    if let Some(place) = ids.iter().position(|id| id == last) {
        return Some(place + 1);
    }
    let begun: Vec<&TurnDoc> = own.iter().filter(|turn| turn.prompt.is_some()).collect();
    let is_counted = ids.len() == begun.len() && ids.iter().all(|id| is_of_the_list_only(id));
    let place = begun.iter().position(|turn| turn.seq == at.seq);
    place.filter(|_| is_counted).map(|place| place + 1)
}

/// Archives a fork that is not what was asked for, and says so.
async fn put_away(
    scene: &Scene,
    server: &Arc<Server>,
    fork: &str,
    number: u32,
    why: &str,
) -> Refusal {
    let params = json!({ "threadId": fork });
    // It is of no use to anybody; where it cannot be put away it stays in the lists.
    let _ = server.app.call("thread/archive", params, AFTERWARDS).await;
    let mut refusal = not_at(scene, server, number, why);
    refusal.problem.details["archived_fork"] = json!(fork);
    refusal
}

/// That release cannot fork there.
fn not_at(scene: &Scene, server: &Arc<Server>, number: u32, why: &str) -> Refusal {
    let version = server.codex.version;
    let message =
        format!("codex {version} cannot fork session {} at turn {number}: {why}", scene.session.id);
    let hint = match version.has(AT_A_TURN) {
        false => {
            "0.155.1 is the first of the recorded releases that forks at a turn; without --turn the whole is forked"
        }
        true => "another turn may do; without --turn the whole is forked",
    };
    Refusal::new(501, "unsupported", message)
        .hint(hint)
        .details(json!({ "codex_version": version.to_string(), "first_release": "0.155.1" }))
        .of_session(&scene.session)
}
