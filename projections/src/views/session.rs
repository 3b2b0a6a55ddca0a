//! Sessions as documents: one, all, or a family.

use super::{request_id, time, who};
use crate::rows::{
    ActionKind, ActionStatus, ActivityState, Counts, Goal, Health, McpFailure, Session,
    SessionHead, Sid, SourceKind, Tokens,
};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Actions, Children, Requests, Sessions, Sources, Threads};
use serde::Serialize;
use sm_protocol::synthetic::Settings;
use std::collections::HashMap;

/// One session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionDoc {
    /// The short id.
    pub id: String,
    /// Codex's thread id.
    pub thread_id: String,
    /// The name given to it.
    pub name: Option<String>,
    /// The first words of its first turn.
    pub title: Option<String>,
    /// `codex`.
    pub provider: String,
    /// `import` or `app-server`; null while only another session names it.
    pub source: Option<&'static str>,
    /// The version of the Codex that it was heard of by last, else of the one that made it.
    pub codex_version: Option<String>,
    /// The session that made it.
    pub parent_id: Option<String>,
    /// The session it was forked from, or that one's thread id where the log has no session of it.
    pub forked_from: Option<String>,
    /// A sub-agent's path, nickname or role.
    pub agent: Option<String>,
    /// Who asked for it: `user`, or the short id of a session.
    pub spawned_by: Option<String>,
    /// That session's thread.
    pub spawned_by_thread: Option<String>,
    /// `key=value`.
    pub labels: Vec<String>,
    /// `stopped`, `waiting_permission`, `waiting_input`, `working`, `thinking` or `idle`.
    pub activity_state: &'static str,
    /// When that began.
    pub since: Option<String>,
    /// The record that made it so.
    pub cause_seq: u64,
    /// How the last ended turn ended: `completed`, `interrupted`, `failed`, `lost`; null: none ended.
    pub outcome: Option<&'static str>,
    /// `ok` or `error`.
    pub health: &'static str,
    /// The last error told, in words.
    pub last_error: Option<String>,
    /// Why it could not be brought back; null: nothing says so.
    pub unresumable: Option<String>,
    /// What it waits for, where evidence tells.
    pub blocked_on: Option<BlockedOn>,
    /// Whether the process that would report a change is alive; null for imports and where nobody
    /// looked.
    pub live: Option<bool>,
    /// Settled, and not yet acknowledged.
    pub unread: bool,
    /// In Codex's archive.
    pub archived: bool,
    /// When it was put there; null where it is not, or nobody kept when.
    pub archived_since: Option<String>,
    /// The record that put it there.
    pub archived_cause_seq: Option<u64>,
    /// How many requests wait for an answer.
    pub pending_requests: usize,
    /// Their ids, oldest first.
    pub pending_request_ids: Vec<String>,
    /// Inputs that wait for their turn.
    pub queued: u32,
    /// Codex's id of the open turn.
    pub turn_id: Option<String>,
    /// The last thing it did.
    pub last_action: Option<LastActionDoc>,
    /// How many there were.
    pub counts: CountsDoc,
    /// What it cost: the sum of its turns', rolled back or not; context and window as Codex last told them.
    /// Null until told.
    pub tokens: Option<TokensDoc>,
    /// What Codex's totals of its thread began with: spent by the thread it was forked from, or by itself
    /// before the log knew of it. No part of `tokens`.
    pub tokens_inherited: u64,
    /// What it pursues turn after turn; null for nothing.
    pub goal: Option<Goal>,
    /// MCP servers that did not start when last tried: name and error.
    pub mcp_failed: Vec<McpFailure>,
    /// The folder it works in.
    pub cwd: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The model's provider.
    pub model_provider: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// When it asks.
    pub approval_policy: Option<String>,
    /// Its sandbox.
    pub sandbox: Option<String>,
    /// What `sm set` has it keep: in force from its next turn on at the latest.
    pub kept: Settings,
    /// Its first record; null while only another session names it.
    pub first_seq: Option<u64>,
    /// Its newest record.
    pub last_seq: Option<u64>,
    /// When the first came.
    pub first_at: Option<String>,
    /// When the newest came.
    pub last_at: Option<String>,
    /// When the newest came, in Unix microseconds: for whoever shows how long it has been quiet.
    #[serde(skip)]
    pub last_micros: i64,
    /// When the state began, in Unix microseconds.
    #[serde(skip)]
    pub since_micros: i64,
    /// When it was put into the archive, in Unix microseconds.
    #[serde(skip)]
    pub archived_micros: Option<i64>,
}

/// What a session waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockedOn {
    /// `request`, `retry`, `rate_limit`, `child` or `command`.
    pub kind: &'static str,
    /// In words: the request's id, the error (a limit's tells when it ends), the call, the command.
    pub what: String,
}

/// The last thing a session did.
#[derive(Debug, Clone, Serialize)]
pub struct LastActionDoc {
    /// What it was.
    pub kind: &'static str,
    /// In one line.
    pub summary: String,
    /// Where it stands.
    pub status: &'static str,
    /// `pre` while leave is waited for, `running`, `post`.
    pub phase: &'static str,
    /// When that was last told.
    pub at: Option<String>,
    /// The same in Unix microseconds.
    #[serde(skip)]
    pub at_micros: i64,
}

/// How many there were; see [`Counts`].
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields of Counts, described there")]
pub struct CountsDoc {
    pub turns: u64,
    pub turns_completed: u64,
    pub turns_interrupted: u64,
    pub turns_failed: u64,
    pub turns_lost: u64,
    pub turns_dropped: u64,
    pub commands: u64,
    pub commands_completed: u64,
    pub commands_failed: u64,
    pub commands_declined: u64,
    pub file_changes: u64,
    pub file_changes_completed: u64,
    pub file_changes_failed: u64,
    pub file_changes_declined: u64,
    pub tool_calls: u64,
    pub messages: u64,
    pub requests: u64,
    pub errors: u64,
    pub malformed: u64,
    pub records: u64,
}

impl From<&Counts> for CountsDoc {
    fn from(counts: &Counts) -> CountsDoc {
        CountsDoc {
            turns: counts.turns,
            turns_completed: counts.turns_completed,
            turns_interrupted: counts.turns_interrupted,
            turns_failed: counts.turns_failed,
            turns_lost: counts.turns_lost,
            turns_dropped: counts.turns_dropped,
            commands: counts.commands,
            commands_completed: counts.commands_completed,
            commands_failed: counts.commands_failed,
            commands_declined: counts.commands_declined,
            file_changes: counts.file_changes,
            file_changes_completed: counts.file_changes_completed,
            file_changes_failed: counts.file_changes_failed,
            file_changes_declined: counts.file_changes_declined,
            tool_calls: counts.tool_calls,
            messages: counts.messages,
            requests: counts.requests,
            errors: counts.errors,
            malformed: counts.malformed,
            records: counts.records,
        }
    }
}

/// Token counts; see [`Tokens`].
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the fields of Tokens, described there")]
pub struct TokensDoc {
    pub total: u64,
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
    pub context: u64,
    pub window: Option<u64>,
}

impl From<Tokens> for TokensDoc {
    fn from(tokens: Tokens) -> TokensDoc {
        let Tokens { total, input, cached, output, reasoning, context, window } = tokens;
        TokensDoc { total, input, cached, output, reasoning, context, window }
    }
}

/// Every session, those with the newest records first. `keep` sees the head of each row before its
/// document is made; at most `limit` are returned.
pub fn sessions(
    view: &View<'_>,
    limit: usize,
    mut keep: impl FnMut(&SessionHead) -> bool,
) -> Result<Vec<SessionDoc>, StoreError> {
    let mut heads: Vec<(std::cmp::Reverse<Option<u64>>, Sid)> = Vec::new();
    view.scan_as::<Sessions, SessionHead>(&[], &[], |sid, head| {
        if !head.unconfirmed && keep(&head) {
            heads.push((std::cmp::Reverse(head.last_seq), sid));
        }
        true
    })?;
    heads.sort_unstable();
    heads.truncate(limit);
    let mut rows = Vec::with_capacity(heads.len());
    for (_, sid) in heads {
        rows.extend(view.get::<Sessions>(&sid)?.map(|row| (sid, row)));
    }
    documents(view, rows)
}

/// The head of every session's row, in the order of their numbers.
pub fn heads(view: &View<'_>, mut each: impl FnMut(&SessionHead)) -> Result<(), StoreError> {
    view.scan_as::<Sessions, SessionHead>(&[], &[], |_, head| {
        if !head.unconfirmed {
            each(&head);
        }
        true
    })
}

/// The sessions that have children and are no children themselves, in the order of their numbers.
pub fn roots(view: &View<'_>) -> Result<Vec<(Sid, Session)>, StoreError> {
    let mut parents: Vec<Sid> = Vec::new();
    view.scan::<Children>(&[], &[], |(parent, _), ()| {
        if parents.last() != Some(&parent) {
            parents.push(parent);
        }
        true
    })?;
    let mut roots = Vec::new();
    for sid in parents {
        let row = view.get::<Sessions>(&sid)?.filter(|row| row.parent.is_none());
        roots.extend(row.map(|row| (sid, row)));
    }
    Ok(roots)
}

/// The children of a session, oldest first.
pub fn children(view: &View<'_>, parent: Sid) -> Result<Vec<SessionDoc>, StoreError> {
    let rows = family(view, parent, 1)?;
    documents(view, rows.into_iter().map(|(_, sid, row)| (sid, row)).collect())
}

/// All descendants of a session with their depth (1 for children), each after its parent.
pub fn descendants(view: &View<'_>, parent: Sid) -> Result<Vec<(usize, SessionDoc)>, StoreError> {
    let rows = family(view, parent, usize::MAX)?;
    let depths: Vec<usize> = rows.iter().map(|(depth, ..)| *depth).collect();
    let rows = rows.into_iter().map(|(_, sid, row)| (sid, row)).collect();
    Ok(depths.into_iter().zip(documents(view, rows)?).collect())
}

/// The sessions below one, down to `most` steps, each with its depth after its parent.
pub(super) fn family(
    view: &View<'_>,
    root: Sid,
    most: usize,
) -> Result<Vec<(usize, Sid, Session)>, StoreError> {
    let mut family = Vec::new();
    let mut open = vec![(0, root)];
    while let Some((depth, sid)) = open.pop() {
        if depth > 0
            && let Some(session) = view.get::<Sessions>(&sid)?
        {
            family.push((depth, sid, session));
        }
        if depth < most {
            let mut below = Vec::new();
            view.scan::<Children>(&sid.to_bytes(), &[], |(_, child), ()| {
                below.push((depth + 1, child));
                true
            })?;
            open.extend(below.into_iter().rev());
        }
    }
    Ok(family)
}

/// One session as a document.
pub fn session_doc(view: &View<'_>, sid: Sid) -> Result<Option<SessionDoc>, StoreError> {
    let Some(session) = view.get::<Sessions>(&sid)? else { return Ok(None) };
    Ok(documents(view, vec![(sid, session)])?.pop())
}

fn documents(view: &View<'_>, rows: Vec<(Sid, Session)>) -> Result<Vec<SessionDoc>, StoreError> {
    let mut sources: HashMap<u64, Option<(SourceKind, Option<String>)>> = HashMap::new();
    let mut docs = Vec::with_capacity(rows.len());
    for (sid, session) in rows {
        let source = match sources.get(&session.source) {
            Some(source) => source.clone(),
            None => {
                let row = view.get::<Sources>(&session.source)?;
                let source = row.map(|row| (row.kind, row.codex_version));
                sources.insert(session.source, source.clone());
                source
            }
        };
        docs.push(document(view, sid, session, source)?);
    }
    Ok(docs)
}

fn document(
    view: &View<'_>,
    sid: Sid,
    session: Session,
    source: Option<(SourceKind, Option<String>)>,
) -> Result<SessionDoc, StoreError> {
    let parent_id = match session.parent {
        Some(parent) => view.get::<Sessions>(&parent)?.map(|parent| parent.id),
        None => None,
    };
    let forked_from = match session.forked_from.clone() {
        Some(thread) => match view.get::<Threads>(&thread)? {
            Some(origin) => view.get::<Sessions>(&origin)?.map(|origin| origin.id),
            None => Some(thread),
        },
        None => None,
    };
    let (kind, told_version) = source.map_or((None, None), |(kind, version)| (Some(kind), version));
    let blocked_on = blocked_on(view, sid, &session)?;
    let last_action = last_action(view, &session)?;
    let spent = session.tokens();
    let (spawned_by, spawned_by_thread) = who(view, session.spawned_by)?;
    let unread = session.open_turn.is_none()
        && session.settled_seq.is_some_and(|settled| settled > session.acked_seq);
    Ok(SessionDoc {
        id: session.id,
        thread_id: session.thread_id,
        name: session.name,
        title: session.title,
        provider: session.provider,
        source: kind.map(SourceKind::as_str),
        codex_version: told_version.or(session.cli_version),
        parent_id,
        forked_from,
        agent: session.agent,
        spawned_by,
        spawned_by_thread,
        labels: session.labels,
        activity_state: session.state.as_str(),
        since: time(session.since),
        cause_seq: session.cause_seq,
        outcome: session.outcome.as_str(),
        health: match session.health {
            Health::Ok => "ok",
            Health::Error(_) => "error",
        },
        last_error: session.last_error,
        unresumable: session.unresumable,
        blocked_on,
        live: None,
        unread,
        archived: session.archived,
        archived_since: session.archived_by.and_then(|(_, at)| time(at)),
        archived_cause_seq: session.archived_by.map(|(seq, _)| seq),
        pending_requests: session.pending.len(),
        pending_request_ids: session.pending.iter().map(|(seq, _)| request_id(*seq)).collect(),
        queued: session.queued,
        turn_id: session.open_turn.map(|turn| turn.id),
        last_action,
        counts: CountsDoc::from(&session.counts),
        tokens: spent.map(TokensDoc::from),
        tokens_inherited: session.tokens_inherited,
        goal: session.goal,
        mcp_failed: session.mcp_failed,
        cwd: session.cwd,
        model: session.model,
        model_provider: session.model_provider,
        effort: session.effort,
        approval_policy: session.approval_policy,
        sandbox: session.sandbox,
        kept: session.kept,
        first_seq: session.first_seq,
        last_seq: session.last_seq,
        first_at: session.first_seq.and_then(|_| time(session.first_at)),
        last_at: session.last_seq.and_then(|_| time(session.last_at)),
        last_micros: session.last_at,
        since_micros: session.since,
        archived_micros: session.archived_by.map(|(_, at)| at),
    })
}

fn last_action(view: &View<'_>, session: &Session) -> Result<Option<LastActionDoc>, StoreError> {
    let Some(last) = &session.last_action else { return Ok(None) };
    let mut waits = false;
    for (number, _) in &session.pending {
        waits |= view.get::<Requests>(number)?.is_some_and(|row| row.action == Some(last.seq));
    }
    Ok(Some(LastActionDoc {
        kind: last.kind.as_str(),
        summary: last.summary.clone(),
        status: last.status.as_str(),
        phase: match last.status {
            ActionStatus::InProgress if waits => "pre",
            ActionStatus::InProgress | ActionStatus::RunsOn => "running",
            _ => "post",
        },
        at: time(last.at),
        at_micros: last.at,
    }))
}

fn blocked_on(
    view: &View<'_>,
    sid: Sid,
    session: &Session,
) -> Result<Option<BlockedOn>, StoreError> {
    if let Some((seq, _)) = session.pending.iter().find(|(_, class)| class.asks_human()) {
        return Ok(Some(BlockedOn { kind: "request", what: request_id(*seq) }));
    }
    if let Some(error) = &session.retrying {
        return Ok(Some(BlockedOn { kind: "retry", what: error.clone() }));
    }
    if let Some(limit) = session.limited.as_ref().filter(|_| session.state == ActivityState::Idle) {
        return Ok(Some(BlockedOn { kind: "rate_limit", what: limit.clone() }));
    }
    let Some(newest) = session.open_items.last() else { return Ok(None) };
    let kind = match newest.kind {
        ActionKind::Command => "command",
        ActionKind::Collab => "child",
        _ => return Ok(None),
    };
    let action = view.get::<Actions>(&(sid, newest.seq))?;
    Ok(Some(BlockedOn { kind, what: action.map(|action| action.summary).unwrap_or_default() }))
}
