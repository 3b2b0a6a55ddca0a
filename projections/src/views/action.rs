//! Actions as documents: what a session did, one each however many records told of it.

use super::{millis, request_id, time, who};
use crate::rows::{Action, ActionKind, RequestStatus, Sid, file_names};
use crate::store::{StoreError, View};
use crate::table::Key;
use crate::tables::{Actions, Requests, Sessions, Threads, Turns};
use serde::Serialize;
use std::borrow::Cow;

/// One action.
#[derive(Debug, Clone, Serialize)]
pub struct ActionDoc {
    /// The action's number: the seq of its first record.
    pub seq: u64,
    /// The record that ended it; it holds all that is not told here.
    pub end_seq: Option<u64>,
    /// Its turn's number.
    pub turn_seq: Option<u64>,
    /// Codex's id of the item.
    pub item_id: String,
    /// Codex's type of the item.
    pub item_type: String,
    /// `command`, `file_change`, `message` …
    pub kind: &'static str,
    /// `pre` while leave is waited for, `running`, `post`.
    pub phase: &'static str,
    /// `in_progress`, `completed`, `failed`, `declined`, `interrupted`, `lost`, or `runs_on`: a command in
    /// the background whose turn is over.
    pub status: &'static str,
    /// Its turn was taken out of its session's history.
    pub dropped: bool,
    /// One line.
    pub summary: String,
    /// A command, whole as far as a line goes; null for what is none.
    pub command: Option<String>,
    /// The folder it ran in.
    pub cwd: Option<String>,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// How many bytes it printed, or a message has.
    pub bytes: Option<u64>,
    /// A file change's files.
    pub files: Vec<FileDoc>,
    /// `+plus -minus` over all its files; null for what is none.
    pub diff_summary: Option<String>,
    /// Leave that was asked for it, oldest first.
    pub approvals: Vec<ApprovalDoc>,
    /// The sub-agents it is about.
    pub agents: Vec<String>,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// From its first record to its last, in milliseconds.
    pub elapsed_ms: Option<i64>,
    /// How long it took as Codex measured it, in milliseconds.
    pub duration_ms: Option<u64>,
    /// When it began, in Unix microseconds.
    #[serde(skip)]
    pub started_micros: i64,
    /// When it ended, in Unix microseconds.
    #[serde(skip)]
    pub ended_micros: Option<i64>,
}

/// One file of a file change.
#[derive(Debug, Clone, Serialize)]
pub struct FileDoc {
    /// The file, by the name that it had before.
    pub path: String,
    /// Where it was moved to; null where it was not.
    pub moved_to: Option<String>,
    /// `add`, `delete` or `update`.
    pub kind: String,
    /// Lines added.
    pub plus: u32,
    /// Lines taken away.
    pub minus: u32,
}

/// Leave that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct ApprovalDoc {
    /// The request's id.
    pub request_id: String,
    /// `pending`, `answered`, `cleared` or `orphaned`, as the request's own; null where it is not known.
    pub status: Option<&'static str>,
    /// `accept`, `acceptForSession`, `decline`, `cancel` …; null while it waits.
    pub decision: Option<String>,
    /// Who decided: `user`, `sm`, `demo`, or the short id of a session; null where that was not recorded.
    pub decided_by: Option<String>,
    /// That session's thread.
    pub decided_by_thread: Option<String>,
    /// When it was asked.
    pub asked_at: Option<String>,
    /// When it was decided.
    pub decided_at: Option<String>,
    /// From asking to deciding, in milliseconds.
    pub latency_ms: Option<i64>,
}

/// The newest `last` actions of a session that `keep` wants, oldest first.
pub fn actions(
    view: &View<'_>,
    sid: Sid,
    last: usize,
    mut keep: impl FnMut(&Action) -> bool,
) -> Result<Vec<ActionDoc>, StoreError> {
    let mut rows = Vec::new();
    if last > 0 {
        view.scan_back::<Actions>(&sid.to_bytes(), |(_, seq), action| {
            if keep(&action) {
                rows.push((seq, action));
            }
            rows.len() < last
        })?;
    }
    rows.reverse();
    rows.into_iter().map(|(seq, action)| action_doc(view, sid, seq, action)).collect()
}

/// The line of the action that record `seq` ended, in the session of `thread`: what is left of a text
/// whose record was trimmed.
pub fn line_ended_by(
    view: &View<'_>,
    thread: &str,
    seq: u64,
) -> Result<Option<String>, StoreError> {
    let Some(sid) = view.get::<Threads>(&thread.to_owned())? else { return Ok(None) };
    let ended = actions(view, sid, 1, |action| action.end_seq == Some(seq))?;
    Ok(ended.into_iter().next().map(|action| action.summary))
}

/// One action as a document.
pub fn action_doc(
    view: &View<'_>,
    sid: Sid,
    seq: u64,
    action: Action,
) -> Result<ActionDoc, StoreError> {
    let turn = match action.turn {
        Some(turn) => view.get::<Turns>(&(sid, turn))?,
        None => None,
    };
    let mut agents = Vec::new();
    for agent in &action.agents {
        agents.extend(view.get::<Sessions>(agent)?.map(|session| session.id));
    }
    // What ended a wait need not tell the decision, so the request itself is asked.
    let waits = match action.approvals.last() {
        Some(approval) if approval.decided_at.is_none() => view
            .get::<Requests>(&approval.request)?
            .is_some_and(|request| request.status == RequestStatus::Pending),
        _ => false,
    };
    let approvals: Result<Vec<ApprovalDoc>, StoreError> =
        action.approvals.into_iter().map(|approval| approval_doc(view, approval)).collect();
    let is_files = action.kind == ActionKind::FileChange;
    let (plus, minus) =
        action.files.iter().fold((0, 0), |(plus, minus), f| (plus + f.plus, minus + f.minus));
    Ok(ActionDoc {
        seq,
        end_seq: action.end_seq,
        turn_seq: action.turn,
        item_id: action.item_id,
        item_type: action.item_type,
        kind: action.kind.as_str(),
        phase: match action.ended_at {
            Some(_) => "post",
            None if waits => "pre",
            None => "running",
        },
        status: action.status.as_str(),
        dropped: turn.is_some_and(|turn| turn.dropped_seq.is_some()),
        command: (action.kind == ActionKind::Command).then(|| action.summary.clone()),
        summary: action.summary,
        cwd: action.cwd,
        exit_code: action.exit_code,
        bytes: action.bytes,
        files: action.files.into_iter().map(FileDoc::from).collect(),
        diff_summary: is_files.then(|| format!("+{plus} -{minus}")),
        approvals: approvals?,
        agents,
        started_at: time(action.started_at),
        ended_at: action.ended_at.and_then(time),
        elapsed_ms: action.ended_at.map(|ended| millis(action.started_at, ended)),
        duration_ms: action.duration_ms,
        started_micros: action.started_at,
        ended_micros: action.ended_at,
    })
}

impl From<crate::rows::FileLines> for FileDoc {
    fn from(file: crate::rows::FileLines) -> FileDoc {
        let crate::rows::FileLines { path, kind, plus, minus, moved_to } = file;
        FileDoc { path, moved_to, kind, plus, minus }
    }
}

impl FileDoc {
    /// What it is called after the change.
    pub fn name_now(&self) -> &str {
        self.moved_to.as_deref().unwrap_or(&self.path)
    }

    /// Its name, or both where it was moved.
    pub fn names(&self) -> Cow<'_, str> {
        file_names(&self.path, self.moved_to.as_deref())
    }
}

fn approval_doc(
    view: &View<'_>,
    approval: crate::rows::Approval,
) -> Result<ApprovalDoc, StoreError> {
    let (decided_by, decided_by_thread) = who(view, approval.decided_by)?;
    let request = view.get::<Requests>(&approval.request)?;
    Ok(ApprovalDoc {
        request_id: request_id(approval.request),
        status: request.map(|request| request.status.as_str()),
        decision: approval.decision,
        decided_by,
        decided_by_thread,
        asked_at: time(approval.asked_at),
        decided_at: approval.decided_at.and_then(time),
        latency_ms: approval.decided_at.map(|at| millis(approval.asked_at, at)),
    })
}
