//! A span: a stretch of a turn in one phase.

use super::Micros;
use serde::{Deserialize, Serialize};

/// What a turn is taken up with, told by evidence alone; first match wins.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Phase {
    /// It asked for leave and nobody answered.
    WaitingPermission,
    /// It asked a question and nobody answered.
    WaitingInput,
    /// The model's answer failed, and Codex tries again by itself.
    Retrying,
    /// The context is being compacted.
    Compacting,
    /// Files are being changed.
    ChangingFiles,
    /// A command runs.
    Running,
    /// Another tool works: MCP, dynamic, web search, image, sub-agent.
    CallingTool,
    /// The agent writes its answer.
    Writing,
    /// MCP servers are being started.
    StartingMcp,
    /// A review is under way, and nothing of the above is.
    Reviewing,
    /// Nothing of the above.
    #[default]
    Thinking,
}

impl Phase {
    /// Every phase, in the order of precedence.
    pub const ALL: [Phase; 11] = [
        Phase::WaitingPermission,
        Phase::WaitingInput,
        Phase::Retrying,
        Phase::Compacting,
        Phase::ChangingFiles,
        Phase::Running,
        Phase::CallingTool,
        Phase::Writing,
        Phase::StartingMcp,
        Phase::Reviewing,
        Phase::Thinking,
    ];

    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::WaitingPermission => "waiting_permission",
            Phase::WaitingInput => "waiting_input",
            Phase::Retrying => "retrying",
            Phase::Compacting => "compacting",
            Phase::ChangingFiles => "changing_files",
            Phase::Running => "running",
            Phase::CallingTool => "calling_tool",
            Phase::Writing => "writing",
            Phase::StartingMcp => "starting_mcp",
            Phase::Reviewing => "reviewing",
            Phase::Thinking => "thinking",
        }
    }

    /// Whether a human is waited for.
    pub fn is_waiting(self) -> bool {
        matches!(self, Phase::WaitingPermission | Phase::WaitingInput)
    }

    /// Whether the model is at work, and so spends tokens.
    pub fn is_model(self) -> bool {
        matches!(self, Phase::Compacting | Phase::Writing | Phase::Reviewing | Phase::Thinking)
    }
}

/// One row a span, under (session, seq of the record that began it). It ends where the session's next
/// span begins, or with its turn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The turn's number.
    pub turn: u64,
    /// The phase.
    pub phase: Phase,
    /// The action or request that makes it so, by its number.
    pub about: Option<u64>,
    /// When it began.
    pub began_at: Micros,
    /// Tokens that were told to be spent while it was the newest in which the model was at work.
    pub tokens: u64,
}
