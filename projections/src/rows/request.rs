//! A request: something Codex asked its client and waits for.

use super::{Micros, Sid};
use serde::{Deserialize, Serialize};

/// What kind of answer is waited for.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum RequestClass {
    /// Leave to run a command.
    Command,
    /// Leave to change files.
    FileChange,
    /// More permissions.
    Permissions,
    /// Answers to questions.
    UserInput,
    /// An MCP server's question.
    Elicitation,
    /// The result of a tool that `sm` offers; no human is waited for.
    Tool,
    /// Anything else.
    #[default]
    Other,
    /// What the client knows by itself, and no human: a token, what time it is.
    Client,
}

impl RequestClass {
    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestClass::Command => "command",
            RequestClass::FileChange => "file_change",
            RequestClass::Permissions => "permissions",
            RequestClass::UserInput => "user_input",
            RequestClass::Elicitation => "elicitation",
            RequestClass::Tool => "tool",
            RequestClass::Other => "other",
            RequestClass::Client => "client",
        }
    }

    /// Whether its session waits for permission.
    pub fn asks_permission(self) -> bool {
        matches!(self, RequestClass::Command | RequestClass::FileChange | RequestClass::Permissions)
    }

    /// Whether its session waits for input: what nobody knows waits for a human's word, too.
    pub fn asks_input(self) -> bool {
        matches!(self, RequestClass::UserInput | RequestClass::Elicitation | RequestClass::Other)
    }

    /// Whether a human must answer: what nobody knows stalls its turn as much as an approval does.
    pub fn asks_human(self) -> bool {
        !matches!(self, RequestClass::Tool | RequestClass::Client)
    }
}

/// Where a request stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum RequestStatus {
    /// Nobody answered yet.
    #[default]
    Pending,
    /// The answer is in the log, or follows from what came after.
    Answered,
    /// Its item or turn ended without an answer.
    Cleared,
    /// Its process ended first.
    Orphaned,
}

impl RequestStatus {
    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            RequestStatus::Pending => "pending",
            RequestStatus::Answered => "answered",
            RequestStatus::Cleared => "cleared",
            RequestStatus::Orphaned => "orphaned",
        }
    }
}

/// One row a request; its number, permanent and global, is the seq of the record that asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The session that asks; `None` for a request of the server itself.
    pub session: Option<Sid>,
    /// The turn that waits.
    pub turn: Option<u64>,
    /// The action that waits.
    pub action: Option<u64>,
    /// Codex's id of the item.
    pub item_id: Option<String>,
    /// The JSON text of the request's own id, unique in its source's generation while it waits.
    pub rpc_id: String,
    /// The source it came from.
    pub source: u64,
    /// The life of that source.
    pub generation: u32,
    /// What it asks.
    pub class: RequestClass,
    /// Codex's method.
    pub method: String,
    /// One line: the command, the files, the question.
    pub summary: String,
    /// The agent's reason.
    pub reason: Option<String>,
    /// When it was asked.
    pub asked_at: Micros,
    /// Where it stands.
    pub status: RequestStatus,
    /// `accept`, `decline`, `answer` …; `None` while it waits or where nothing tells.
    pub decision: Option<String>,
    /// Who decided, where that was recorded.
    pub decided_by: Option<String>,
    /// What was said along with it.
    pub say: Option<String>,
    /// When it stopped waiting.
    pub ended_at: Option<Micros>,
    /// The record that ended the wait.
    pub end_seq: Option<u64>,
}
