//! The turns of a thread's history: as Codex has them, counted as `sm` counts them.
//!
//! What always holds: a turn that Codex lists twice (a review, under the id of its call and under that of
//! the turn inside it) is one.

use super::Scene;
use crate::problem::Refusal;
use crate::servers::pool::Server;
use serde_json::{Value, json};
use sm_projections::rows::Turn;
use sm_projections::views::{self, TurnDoc};
use std::sync::Arc;

/// A turn in Codex's list.
pub(super) struct Listed {
    /// The ids that it is listed under, oldest first; never none.
    pub ids: Vec<String>,
    /// Its number in the log, if the log knows it: a fork's inherited turns it does not.
    pub number: Option<u64>,
}

impl Listed {
    /// The id to cut before.
    pub fn first(&self) -> Option<&str> {
        self.ids.first().map(String::as_str)
    }

    /// The id to end with.
    pub fn last(&self) -> Option<&str> {
        self.ids.last().map(String::as_str)
    }
}

/// The turns of the session's history that the log knows, oldest first.
pub(super) fn own(scene: &Scene) -> Result<Vec<TurnDoc>, Refusal> {
    let is_there = |turn: &Turn| turn.dropped_seq.is_none();
    Ok(scene.daemon.look(|view| views::turns(view, scene.sid, usize::MAX, is_there))?)
}

/// The numbers of the newest of those that a user began: what old releases count.
pub(super) fn newest(own: &[TurnDoc], count: usize) -> Vec<u64> {
    let begun = own.iter().filter(|turn| turn.prompt.is_some()).map(|turn| turn.seq);
    let begun: Vec<u64> = begun.collect();
    begun[begun.len().saturating_sub(count)..].to_vec()
}

/// The turns as Codex lists them, oldest first; none where that release does not tell them.
pub(super) async fn listed(
    scene: &Scene,
    server: &Arc<Server>,
) -> Result<Option<Vec<Listed>>, Refusal> {
    let Some(ids) = ids(scene, server).await? else { return Ok(None) };
    let mut listed: Vec<Listed> = Vec::new();
    scene.daemon.look(|view| {
        for id in ids {
            let number = views::turn_number(view, scene.sid, &scene.session, &id)?;
            match listed.last_mut() {
                Some(turn) if number.is_some() && turn.number == number => turn.ids.push(id),
                _ => listed.push(Listed { ids: vec![id], number }),
            }
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(Some(listed))
}

async fn ids(scene: &Scene, server: &Arc<Server>) -> Result<Option<Vec<String>>, Refusal> {
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

/// Whether a release lists a turn under an id that it does not use elsewhere, `turn-3`.
pub(super) fn is_of_the_list_only(id: &str) -> bool {
    id.strip_prefix("turn-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}
