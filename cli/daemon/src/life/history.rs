//! The turns of a thread's history: as Codex has them, counted as `sm` counts them.
//!
//! What always holds: a turn that Codex lists twice (a review, under the id of its call and under that of
//! the turn inside it) is one.
//!
//! `thread/rollback` is given a number of turns, and takes out of what the model is told as many of the
//! user's messages, with all that followed the oldest. Its list of turns loses as many turns. The two agree
//! where each turn is plain: begun by one message, and no more in it. Measured with 0.98.0, 0.106.0, 0.128.0
//! and 0.146.1:
//!
//! | turn | model | list |
//! | --- | --- | --- |
//! | plain, also one that was interrupted | 1 | 1 |
//! | review | 1 | 2 |
//! | compaction | 1 for its summary, 1 for each message that it kept | 1; 0 in 0.98.0 |
//! | with a message steered into it | 2 | 1 |

use super::Scene;
use crate::daemon::Daemon;
use crate::problem::Refusal;
use crate::said;
use crate::servers::pool::Server;
use serde_json::{Value, json};
use sm_ingest::app_server::Reply;
use sm_projections::rows::{Action, ActionKind, Sid, Turn};
use sm_projections::views::{self, Selection, TurnDoc};
use std::fmt;
use std::sync::Arc;

/// Who asks Codex about a thread.
pub(super) trait Asks: Sync {
    /// Calls a method about it.
    fn call(
        &self,
        method: &str,
        params: Value,
    ) -> impl Future<Output = Result<Reply, Refusal>> + Send;
}

/// A verb at work, which has the thread loaded where need be.
struct Verb<'v> {
    scene: &'v Scene,
    server: &'v Arc<Server>,
}

impl Asks for Verb<'_> {
    async fn call(&self, method: &str, params: Value) -> Result<Reply, Refusal> {
        self.scene.call(self.server, method, params, None).await
    }
}

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
    own_of(&scene.daemon, scene.sid)
}

/// The same of any session.
pub(super) fn own_of(daemon: &Daemon, sid: Sid) -> Result<Vec<TurnDoc>, Refusal> {
    let is_there = |turn: &Turn| turn.dropped_seq.is_none();
    Ok(daemon.look(|view| views::turns(view, sid, usize::MAX, is_there))?)
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
    let of = Selection { sid: scene.sid, session: scene.session.clone() };
    listed_by(&scene.daemon, &of, &Verb { scene, server }).await
}

/// The same of any session.
pub(super) async fn listed_by(
    daemon: &Daemon,
    of: &Selection,
    asks: &impl Asks,
) -> Result<Option<Vec<Listed>>, Refusal> {
    let Some(ids) = ids(&of.session.thread_id, asks).await? else { return Ok(None) };
    let mut listed: Vec<Listed> = Vec::new();
    daemon.look(|view| {
        for id in ids {
            let number = views::turn_number(view, of.sid, &of.session, &id)?;
            match listed.last_mut() {
                Some(turn) if number.is_some() && turn.number == number => turn.ids.push(id),
                _ => listed.push(Listed { ids: vec![id], number }),
            }
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(Some(listed))
}

/// A turn in Codex's list, with what is in it.
pub(super) struct Entry {
    /// Its id.
    pub id: String,
    /// The types of its items.
    items: Vec<String>,
}

impl Entry {
    /// Whether it is one of the user's messages and what followed.
    pub fn is_plain(&self) -> bool {
        let begins = self.items.iter().filter(|item| *item == "userMessage").count();
        begins == 1 && !self.items.iter().any(|item| is_odd(item))
    }

    /// Whether it is what releases leave of a review that they cut away: its begin, and nothing else.
    pub fn is_of_cut_review(&self) -> bool {
        !self.items.is_empty() && self.items.iter().all(|item| item == "enteredReviewMode")
    }
}

fn is_odd(item: &str) -> bool {
    matches!(item, "enteredReviewMode" | "exitedReviewMode" | "contextCompaction")
}

/// A list of turns.
pub(super) fn entries(turns: Option<&Value>) -> Option<Vec<Entry>> {
    let word = |value: &Value, name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let entry = |turn: &Value| {
        let items = turn.get("items").and_then(Value::as_array);
        let items = items.into_iter().flatten().filter_map(|item| word(item, "type"));
        Some(Entry { id: word(turn, "id")?, items: items.collect() })
    };
    turns?.as_array()?.iter().map(entry).collect()
}

/// The turns as Codex lists them with what is in them, oldest first; none where that release does not tell
/// them.
pub(super) async fn full(
    scene: &Scene,
    server: &Arc<Server>,
) -> Result<Option<Vec<Entry>>, Refusal> {
    full_by(scene.thread(), &Verb { scene, server }).await
}

async fn full_by(thread: &str, asks: &impl Asks) -> Result<Option<Vec<Entry>>, Refusal> {
    let params = json!({ "threadId": thread, "includeTurns": true });
    match asks.call("thread/read", params).await {
        Ok(reply) => Ok(entries(reply.result.pointer("/thread/turns"))),
        Err(refused) if refused.problem.code == "unsupported" => Ok(None),
        // No turn has begun.
        Err(refused) if said::has_not_begun(&refused.problem.message) => Ok(Some(Vec::new())),
        Err(refused) => Err(refused),
    }
}

/// The newest of those turns that is not plain, as the log knows it, and what it is.
pub(super) fn not_plain(
    scene: &Scene,
    turns: &[TurnDoc],
) -> Result<Option<(u32, Oddity)>, Refusal> {
    for turn in turns.iter().rev() {
        if let Some(oddity) = oddity(scene, turn)? {
            return Ok(Some((turn.number, oddity)));
        }
    }
    Ok(None)
}

/// Why a turn is not plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    Review,
    Compaction,
    ManyMessages,
}

/// The end of "turn 3 …".
impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Oddity::Review => "is a review",
            Oddity::Compaction => "compacted the history",
            Oddity::ManyMessages => "was given more than one message",
        })
    }
}

fn oddity(scene: &Scene, turn: &TurnDoc) -> Result<Option<Oddity>, Refusal> {
    let (mut review, mut compaction, mut messages) = (false, false, 0);
    let look = |action: &Action| {
        if action.turn == Some(turn.seq) {
            match action.kind {
                ActionKind::Review => review = true,
                ActionKind::Compaction => compaction = true,
                ActionKind::UserMessage => messages += 1,
                _ => {}
            }
        }
        false
    };
    scene.daemon.look(|view| views::actions(view, scene.sid, 1, look))?;
    Ok(match () {
        () if review => Some(Oddity::Review),
        () if compaction => Some(Oddity::Compaction),
        () if messages > 1 => Some(Oddity::ManyMessages),
        () => None,
    })
}

/// Whether a turn is a review.
pub(super) fn is_review(scene: &Scene, turn: &TurnDoc) -> Result<bool, Refusal> {
    Ok(oddity(scene, turn)? == Some(Oddity::Review))
}

async fn ids(thread: &str, asks: &impl Asks) -> Result<Option<Vec<String>>, Refusal> {
    let mut ids = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let params = json!({
            "threadId": thread, "cursor": cursor, "limit": 100, "sortDirection": "desc",
            "itemsView": "notLoaded",
        });
        let page = match asks.call("thread/turns/list", params).await {
            Ok(reply) => reply.result,
            Err(refused) if refused.problem.code == "unsupported" => break,
            // No turn has begun.
            Err(refused) if said::has_not_begun(&refused.problem.message) => {
                return Ok(Some(Vec::new()));
            }
            Err(refused) => return Err(refused),
        };
        // To count on without some of them would cut at another turn.
        let Some(page_ids) = ids_of(page.get("data")) else {
            return Err(Refusal::new(502, "codex_error", "Codex's list of turns cannot be read")
                .hint("`sm replay -n 5` shows it"));
        };
        ids.extend(page_ids);
        cursor = page.get("nextCursor").cloned().unwrap_or_default();
        if cursor.is_null() {
            ids.reverse();
            return Ok(Some(ids));
        }
    }
    // The begin of a review is listed as a turn of its own there; the next one is the rest of it.
    let entries = full_by(thread, asks).await?;
    Ok(entries.map(|entries| {
        let turns = entries.into_iter().filter(|entry| !entry.is_of_cut_review());
        turns.map(|entry| entry.id).collect()
    }))
}

/// The ids in a list of turns.
pub(super) fn ids_of(turns: Option<&Value>) -> Option<Vec<String>> {
    let id = |turn: &Value| Some(turn.get("id")?.as_str()?.to_owned());
    turns?.as_array()?.iter().map(id).collect()
}

/// Whether a turn has the id of a release that numbers its turns, `3`: later ones keep it under none that they take
/// to fork at.
pub(super) fn is_numbered(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a release lists a turn under an id that it does not use elsewhere, `turn-3`.
pub(super) fn is_of_the_list_only(id: &str) -> bool {
    id.strip_prefix("turn-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}
