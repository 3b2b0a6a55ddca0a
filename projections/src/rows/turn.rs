//! A turn: one answer of the agent to one input, from `turn/started` to `turn/completed`.

use super::{Micros, Tokens};
use serde::{Deserialize, Serialize};

/// How a turn ended.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Outcome {
    /// It has not ended; of a session: no turn has ended.
    #[default]
    None,
    /// It ran to its end.
    Completed,
    /// It was interrupted.
    Interrupted,
    /// It failed.
    Failed,
    /// Its process ended first, or the next turn began and nobody told how this one ended.
    Lost,
}

impl Outcome {
    /// The word users see; `None` while there is no outcome.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Outcome::None => None,
            Outcome::Completed => Some("completed"),
            Outcome::Interrupted => Some("interrupted"),
            Outcome::Failed => Some("failed"),
            Outcome::Lost => Some("lost"),
        }
    }
}

/// One row a turn; its number is the seq of its first record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Codex's id of it.
    pub id: String,
    /// Which turn of its session it is, from 1.
    pub number: u32,
    /// Its input's first line.
    pub prompt: Option<String>,
    /// When it began.
    pub started_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// The record that ended it.
    pub end_seq: Option<u64>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed or was lost.
    pub error: Option<String>,
    /// Errors that Codex retried by itself.
    pub retries: u32,
    /// The model it ran on.
    pub model: Option<String>,
    /// Commands.
    pub commands: u32,
    /// File changes.
    pub file_changes: u32,
    /// Tool calls.
    pub tool_calls: u32,
    /// Messages of the agent.
    pub messages: u32,
    /// Requests that a human, or a rule in the place of one, was to answer.
    pub requests: u32,
    /// What it cost, a rewound thread's calls included; `None` until told.
    pub spent: Option<Tokens>,
    /// The record of its last plan.
    pub plan_seq: Option<u64>,
    /// The record of its last diff.
    pub diff_seq: Option<u64>,
    /// The record that completed its last agent message.
    pub message_seq: Option<u64>,
    /// The record that took it out of its session's history.
    pub dropped_seq: Option<u64>,
}
