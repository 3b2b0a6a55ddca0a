//! A session: one thread of one provider.

use super::{ActionKind, ActionStatus, Micros, Outcome, Phase, RequestClass, Sid};
use crate::table::is_numbered;
use serde::{Deserialize, Serialize};
use sm_protocol::synthetic::Settings;

/// What a session is doing, told by evidence alone (the design's §6; first match wins).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum ActivityState {
    /// It was ended, or its server process is gone and it was not resumed.
    Stopped,
    /// It asked for leave and nobody answered.
    WaitingPermission,
    /// It asked a question and nobody answered.
    WaitingInput,
    /// A turn is open and a command, file change, tool call or answer text is in progress.
    Working,
    /// A turn is open and nothing of the above is.
    Thinking,
    /// No turn is open.
    #[default]
    Idle,
}

impl ActivityState {
    /// Every state, in the order of precedence.
    pub const ALL: [ActivityState; 6] = [
        ActivityState::Stopped,
        ActivityState::WaitingPermission,
        ActivityState::WaitingInput,
        ActivityState::Working,
        ActivityState::Thinking,
        ActivityState::Idle,
    ];

    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            ActivityState::Stopped => "stopped",
            ActivityState::WaitingPermission => "waiting_permission",
            ActivityState::WaitingInput => "waiting_input",
            ActivityState::Working => "working",
            ActivityState::Thinking => "thinking",
            ActivityState::Idle => "idle",
        }
    }

    /// Whether a human is waited for.
    pub fn is_waiting(self) -> bool {
        matches!(self, ActivityState::WaitingPermission | ActivityState::WaitingInput)
    }
}

/// Whether Codex reported the thread broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// Nothing was reported.
    #[default]
    Ok,
    /// Codex reported `systemError`, with the last error's words where there were any.
    Error(Option<String>),
}

/// A turn that has begun and not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTurn {
    /// The turn's number: the seq of its first record.
    pub seq: u64,
    /// Codex's id of it.
    pub id: String,
    /// `turn/started` told of it; false while only its items did.
    pub announced: bool,
    /// What it is taken up with.
    pub phase: Phase,
    /// The action or request that makes it so.
    pub about: Option<u64>,
    /// The span of that phase, by the record that began it.
    pub span: Option<u64>,
    /// The newest span in which the model was at work.
    pub model_span: Option<u64>,
}

/// An MCP server that did not start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpFailure {
    /// The server's name.
    pub name: String,
    /// Why, in one line.
    pub error: String,
}

/// An item that has begun and not ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenItem {
    /// The action's number: the seq of its first record.
    pub seq: u64,
    /// Its kind.
    pub kind: ActionKind,
}

/// The last thing a session did that an operator would name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastAction {
    /// The action's number; the request's, where leave is asked for an item that nobody told of yet.
    pub seq: u64,
    /// Its kind.
    pub kind: ActionKind,
    /// Its line.
    pub summary: String,
    /// Where it stands.
    pub status: ActionStatus,
    /// When that was last told.
    pub at: Micros,
}

/// How many there were; every item and turn counts once, however often it was told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that belong to the session: its highest revision.
    pub records: u64,
    /// Turns that began.
    pub turns: u64,
    /// Of those, ended well.
    pub turns_completed: u64,
    /// Of those, interrupted.
    pub turns_interrupted: u64,
    /// Of those, failed.
    pub turns_failed: u64,
    /// Of those, lost: with their process, or because nobody told how they ended.
    pub turns_lost: u64,
    /// Of those, taken out of the session's history again.
    pub turns_dropped: u64,
    /// Commands.
    pub commands: u64,
    /// Of those, ended well: with exit code 0.
    pub commands_completed: u64,
    /// Of those, failed.
    pub commands_failed: u64,
    /// Of those, declined.
    pub commands_declined: u64,
    /// File changes (one may touch many files).
    pub file_changes: u64,
    /// Of those, applied.
    pub file_changes_completed: u64,
    /// Of those, not applied.
    pub file_changes_failed: u64,
    /// Of those, declined.
    pub file_changes_declined: u64,
    /// Calls of MCP, dynamic and collaboration tools, and web searches.
    pub tool_calls: u64,
    /// Messages of the agent.
    pub messages: u64,
    /// Requests that a human, or a rule in the place of one, was to answer.
    pub requests: u64,
    /// Errors reported.
    pub errors: u64,
    /// Lines that are no message or could not be read.
    pub malformed: u64,
}

/// Token counts: what calls of the model read and wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// All of them.
    pub total: u64,
    /// Read by the model.
    pub input: u64,
    /// Of those, from a cache.
    pub cached: u64,
    /// Written by the model.
    pub output: u64,
    /// Of those, for reasoning.
    pub reasoning: u64,
    /// In the context after the last call.
    pub context: u64,
    /// What the model's context holds, if known.
    pub window: Option<u64>,
}

impl Tokens {
    /// What was spent since `before`; context and window are those of now.
    pub fn less(self, before: Tokens) -> Tokens {
        Tokens {
            total: self.total.saturating_sub(before.total),
            input: self.input.saturating_sub(before.input),
            cached: self.cached.saturating_sub(before.cached),
            output: self.output.saturating_sub(before.output),
            reasoning: self.reasoning.saturating_sub(before.reasoning),
            ..self
        }
    }

    /// What was spent with `more` besides; context and window are those of `more`.
    pub fn plus(self, more: Tokens) -> Tokens {
        Tokens {
            total: self.total.saturating_add(more.total),
            input: self.input.saturating_add(more.input),
            cached: self.cached.saturating_add(more.cached),
            output: self.output.saturating_add(more.output),
            reasoning: self.reasoning.saturating_add(more.reasoning),
            ..more
        }
    }
}

/// A client's wish to take a thread's newest turns back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The JSON text of its request's id; empty where no answer to it can come.
    pub rpc_id: String,
    /// Which turns.
    pub turns: CutTurns,
}

impl Cut {
    /// The turns, where the process that was to answer ended first.
    pub fn unanswered(&self) -> Option<CutTurns> {
        let is_answered = matches!(self.turns, CutTurns::FromUnknown { half_told: true });
        (self.rpc_id.is_empty() && !is_answered).then_some(self.turns)
    }
}

/// Which turns are to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CutTurns {
    /// This one and all after it.
    From(u64),
    /// So many of those that a user began.
    Newest(u64),
    /// Those from one on that is not known here: another process of Codex began it, or a fork inherited
    /// it. `half_told`: one of its answer and `thread/reverted` was told.
    FromUnknown {
        /// See above.
        half_told: bool,
    },
}

/// A client's wish to begin a turn under settings of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The JSON text of its request's id.
    pub rpc_id: String,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// When it asks.
    pub approval_policy: Option<String>,
    /// Its sandbox.
    pub sandbox: Option<String>,
}

/// What a thread pursues turn after turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Goal {
    /// In one line.
    pub objective: String,
    /// `active`, `paused`, `blocked`, `usageLimited`, `budgetLimited` or `complete`, as Codex says it.
    pub status: String,
    /// The tokens it may cost.
    pub token_budget: Option<u64>,
    /// Those it cost so far.
    pub tokens_used: u64,
    /// The record that told of it last; its whole text is there.
    pub seq: u64,
}

/// The first fields of [`Session`], in its order: what a list needs of the sessions that are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionHead {
    /// See [`Session::first_seq`].
    pub first_seq: Option<u64>,
    /// See [`Session::last_seq`].
    pub last_seq: Option<u64>,
    /// See [`Session::parent`].
    pub parent: Option<Sid>,
    /// See [`Session::state`].
    pub state: ActivityState,
    /// See [`Session::unconfirmed`].
    pub unconfirmed: bool,
    /// See [`Session::archived`].
    pub archived: bool,
    /// See [`Session::ended`].
    pub ended: bool,
    /// See [`Session::source`].
    pub source: u64,
    /// See [`Session::generation`].
    pub generation: u32,
}

/// One row a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    // What lists are made by stands first: see SessionHead.
    /// Its first record; `None` while it is only named by another session.
    pub first_seq: Option<u64>,
    /// Its newest record.
    pub last_seq: Option<u64>,
    /// The session that made it.
    pub parent: Option<Sid>,
    /// What it is doing.
    pub state: ActivityState,
    /// Only a client named its thread, and no server ever did: nothing tells that there is one. Such a
    /// row counts its records and is in no list.
    pub unconfirmed: bool,
    /// It is in the archive.
    pub archived: bool,
    /// It was ended on purpose.
    pub ended: bool,
    /// The source of its newest record: the seq of that source's first record.
    pub source: u64,
    /// The life of that source.
    pub generation: u32,

    /// The short id, derived from provider and thread.
    pub id: String,
    /// Codex's thread id.
    pub thread_id: String,
    /// `codex`.
    pub provider: String,
    /// The name given by its maker or by `thread/name/set`.
    pub name: Option<String>,
    /// `key=value` labels.
    pub labels: Vec<String>,
    /// The first words of its first turn.
    pub title: Option<String>,
    /// Who asked for it: `user`, or the thread of a session; `None` where nobody recorded it.
    pub spawned_by: Option<String>,
    /// A sub-agent's path, nickname or role, whatever Codex names it by.
    pub agent: Option<String>,
    /// The thread it was forked from.
    pub forked_from: Option<String>,
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
    /// What it is to keep of these, whatever a turn of its own was given.
    pub kept: Settings,
    /// The Codex version that made it.
    pub cli_version: Option<String>,

    /// Since when.
    pub since: Micros,
    /// The record that made it so.
    pub cause_seq: u64,
    /// How its last ended turn ended.
    pub outcome: Outcome,
    /// Whether Codex reported it broken.
    pub health: Health,
    /// The last error that Codex told, in words.
    pub last_error: Option<String>,
    /// Its server's life ended and no record of a later life names it.
    pub gone: bool,
    /// Codex's flag `waitingOnApproval`.
    pub flag_approval: bool,
    /// Codex's flag `waitingOnUserInput`.
    pub flag_input: bool,
    /// An error was told with `willRetry`, and nothing has come since.
    pub retrying: Option<String>,
    /// The open turn.
    pub open_turn: Option<OpenTurn>,
    /// The open items of any turn, oldest first.
    pub open_items: Vec<OpenItem>,
    /// Requests that wait, by the seq of the record that asked, oldest first.
    pub pending: Vec<(u64, RequestClass)>,
    /// Requests of the open turn about items that nobody told of yet.
    pub unlinked: Vec<u64>,
    /// MCP servers that are being started, oldest first.
    pub mcp_starting: Vec<String>,
    /// MCP servers that did not start when last tried.
    pub mcp_failed: Vec<McpFailure>,
    /// Accepted inputs that wait for their turn.
    pub queued: u32,

    /// Its last nameable action.
    pub last_action: Option<LastAction>,
    /// The record that completed its last agent message.
    pub last_message_seq: Option<u64>,
    /// Its newest turn's number.
    pub last_turn_seq: Option<u64>,
    /// How many there were.
    pub counts: Counts,
    /// Its thread's totals, as Codex last told them: they begin with its origin's, and go back with it.
    pub totals: Option<Tokens>,
    /// What those began with: spent by the thread it was forked from, or by itself before the log.
    pub tokens_inherited: u64,
    /// When its first record came.
    pub first_at: Micros,
    /// When its newest record came.
    pub last_at: Micros,
    /// The record that ended its last ended turn.
    pub settled_seq: Option<u64>,
    /// The newest record of its own that a user acknowledged.
    pub acked_seq: u64,
    /// What it pursues.
    pub goal: Option<Goal>,
    /// Its records before this one are not served any more: revision and seq.
    pub floor: Option<(u64, u64)>,
    /// The newest of its records that its parent was told of.
    pub told_seq: u64,
    /// Its parent wants to be told of nothing.
    pub silent: bool,
    /// Why it could not be brought back to a new server.
    pub unresumable: Option<String>,

    /// The labels that the user gave: rules go by no others.
    pub users_labels: Vec<String>,
    /// The record with which a server last loaded its thread.
    pub loaded_seq: u64,
    /// The JSON text of that answer's id: the same answer told again loads nothing.
    pub loaded_by: String,
    /// What a client wants taken out of its history, while Codex has not answered.
    pub cut: Option<Cut>,
    /// The user gave it its name: rules accept nothing on any other.
    pub is_users_name: bool,
    /// What a client wants a turn to begin with, while Codex has not answered.
    pub start: Option<Start>,
    /// Commands that need not end with their turn: those of the open turn, and those that run on after
    /// theirs.
    pub may_run_on: Vec<u64>,

    /// What it cost: all that its turns spent, and what was told between two.
    pub spent: Tokens,
    /// Turns were taken back since a call was told: Codex may count on from an earlier total.
    pub is_cut: bool,
    /// The record that put it into the archive, and when; `None` too where that was not kept.
    pub archived_by: Option<(u64, Micros)>,
    /// Why its newest turn failed, where that was a limit on what its account may use.
    pub limited: Option<String>,
    /// The model has answered in its newest turn.
    pub is_answered: bool,
    /// The JSON text of the `workspaceWrite` policy that its thread was last loaded with: what its configuration adds to
    /// the bare one.
    pub workspace: Option<String>,
    /// Its turns plan until one is told not to.
    pub plans: bool,
    /// Whether the turn of `start` is to plan.
    pub start_plans: Option<bool>,
}

impl Session {
    /// Whether the turn that this session's server calls `id` is another than the one that ended with
    /// record `end_seq`: old releases number a thread's turns from 0 again each time they load it.
    pub fn has_renumbered(&self, id: &str, end_seq: Option<u64>) -> bool {
        is_numbered(id) && end_seq.is_some_and(|end| end < self.loaded_seq)
    }

    /// What it cost, beside Codex's context and window; `None` until told.
    pub fn tokens(&self) -> Option<Tokens> {
        self.totals.map(|Tokens { context, window, .. }| Tokens { context, window, ..self.spent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_the_first_fields_of_its_row() {
        for bits in 0..512u32 {
            let bit = |n: u32| bits & (1 << n) != 0;
            let row = Session {
                first_seq: bit(0).then_some(70_000),
                last_seq: bit(1).then_some(900_000),
                parent: bit(2).then_some(300),
                state: if bit(3) { ActivityState::Stopped } else { ActivityState::Thinking },
                unconfirmed: bit(4),
                archived: bit(5),
                ended: bit(6),
                source: if bit(7) { 80_000 } else { 1 },
                generation: u32::from(bit(8)) * 300,
                thread_id: "a thread".to_owned(),
                ..Session::default()
            };
            let bytes = postcard::to_stdvec(&row).expect("a row can be encoded");
            let head: SessionHead = postcard::from_bytes(&bytes).expect("a head can be read");
            let Session { first_seq, last_seq, parent, state, unconfirmed, archived, .. } = row;
            let (ended, source, generation) = (row.ended, row.source, row.generation);
            let expected = SessionHead {
                first_seq,
                last_seq,
                parent,
                state,
                unconfirmed,
                archived,
                ended,
                source,
                generation,
            };
            assert_eq!(head, expected);
        }
    }
}
