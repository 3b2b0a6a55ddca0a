//! An action: one item of a turn, however many records told of it.

use super::{Micros, Sid};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What an item is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum ActionKind {
    /// An item of a type this build does not know.
    #[default]
    Other,
    /// `commandExecution`.
    Command,
    /// `fileChange`.
    FileChange,
    /// `mcpToolCall`.
    McpTool,
    /// `dynamicToolCall`.
    DynamicTool,
    /// `collabAgentToolCall`: a call that concerns sub-agents.
    Collab,
    /// `subAgentActivity`.
    SubAgent,
    /// `webSearch`.
    WebSearch,
    /// `agentMessage`.
    Message,
    /// `userMessage`.
    UserMessage,
    /// `reasoning`.
    Reasoning,
    /// `plan`, `todoList`.
    Plan,
    /// `imageView`, `imageGeneration`.
    Image,
    /// `enteredReviewMode`, `exitedReviewMode`.
    Review,
    /// `contextCompaction`.
    Compaction,
    /// `hookPrompt` and other hooks.
    Hook,
    /// `sleep`.
    Sleep,
    /// `functionCallOutput`: what a function call gave whose call is no item.
    ToolOutput,
}

impl ActionKind {
    /// The kind of Codex's item type.
    pub fn of_item(item_type: &str) -> ActionKind {
        match item_type {
            "commandExecution" => ActionKind::Command,
            "fileChange" => ActionKind::FileChange,
            "mcpToolCall" => ActionKind::McpTool,
            "dynamicToolCall" => ActionKind::DynamicTool,
            "collabAgentToolCall" | "collabToolCall" => ActionKind::Collab,
            "subAgentActivity" => ActionKind::SubAgent,
            "webSearch" => ActionKind::WebSearch,
            "agentMessage" => ActionKind::Message,
            "userMessage" => ActionKind::UserMessage,
            "reasoning" => ActionKind::Reasoning,
            "plan" | "todoList" => ActionKind::Plan,
            "imageView" | "imageGeneration" => ActionKind::Image,
            "enteredReviewMode" | "exitedReviewMode" => ActionKind::Review,
            "contextCompaction" => ActionKind::Compaction,
            "hookPrompt" | "hook" => ActionKind::Hook,
            "sleep" => ActionKind::Sleep,
            "functionCallOutput" => ActionKind::ToolOutput,
            _ => ActionKind::Other,
        }
    }

    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionKind::Other => "other",
            ActionKind::Command => "command",
            ActionKind::FileChange => "file_change",
            ActionKind::McpTool => "mcp_tool",
            ActionKind::DynamicTool => "dynamic_tool",
            ActionKind::Collab => "collab",
            ActionKind::SubAgent => "sub_agent",
            ActionKind::WebSearch => "web_search",
            ActionKind::Message => "message",
            ActionKind::UserMessage => "user_message",
            ActionKind::Reasoning => "reasoning",
            ActionKind::Plan => "plan",
            ActionKind::Image => "image",
            ActionKind::Review => "review",
            ActionKind::Compaction => "compaction",
            ActionKind::Hook => "hook",
            ActionKind::Sleep => "sleep",
            ActionKind::ToolOutput => "tool_output",
        }
    }

    /// Whether it counts as a tool call.
    pub fn is_tool_call(self) -> bool {
        matches!(
            self,
            ActionKind::McpTool
                | ActionKind::DynamicTool
                | ActionKind::Collab
                | ActionKind::WebSearch
        )
    }

    /// Whether it is a tool at work other than a command or a file change.
    pub fn is_tool(self) -> bool {
        self.is_tool_call()
            || matches!(self, ActionKind::Image | ActionKind::SubAgent | ActionKind::Sleep)
    }

    /// Whether a session with one in progress is working rather than thinking.
    pub fn is_work(self) -> bool {
        self.is_tool_call()
            || matches!(
                self,
                ActionKind::Command
                    | ActionKind::FileChange
                    | ActionKind::Message
                    | ActionKind::Image
            )
    }

    /// Whether an operator would name it as the last thing the session did.
    pub fn is_nameable(self) -> bool {
        !matches!(self, ActionKind::UserMessage | ActionKind::Reasoning | ActionKind::Hook)
    }
}

/// Where an action stands.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum ActionStatus {
    /// It began and has not ended.
    #[default]
    InProgress,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// It was not allowed.
    Declined,
    /// Its turn ended first.
    Interrupted,
    /// Its process ended first.
    Lost,
    /// A command that goes on in the background: its turn ended first.
    RunsOn,
}

impl ActionStatus {
    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionStatus::InProgress => "in_progress",
            ActionStatus::Completed => "completed",
            ActionStatus::Failed => "failed",
            ActionStatus::Declined => "declined",
            ActionStatus::Interrupted => "interrupted",
            ActionStatus::Lost => "lost",
            ActionStatus::RunsOn => "runs_on",
        }
    }
}

/// One file of a file change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileLines {
    /// The file, by the name that it had before.
    pub path: String,
    /// `add`, `delete`, `update`, or as Codex names it.
    pub kind: String,
    /// Lines added.
    pub plus: u32,
    /// Lines taken away.
    pub minus: u32,
    /// Where it was moved to.
    pub moved_to: Option<String>,
}

impl FileLines {
    /// Its name, or both where it was moved.
    pub fn names(&self) -> Cow<'_, str> {
        file_names(&self.path, self.moved_to.as_deref())
    }
}

/// A file's name, or both where it was moved.
pub(crate) fn file_names<'n>(path: &'n str, moved_to: Option<&str>) -> Cow<'n, str> {
    match moved_to {
        Some(moved_to) => Cow::Owned(format!("{path} → {moved_to}")),
        None => Cow::Borrowed(path),
    }
}

/// Leave that was asked for an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The request's number.
    pub request: u64,
    /// When it was asked.
    pub asked_at: Micros,
    /// `accept`, `acceptForSession`, `decline`, `cancel` …; `None` while it waits.
    pub decision: Option<String>,
    /// When it was decided.
    pub decided_at: Option<Micros>,
    /// Who decided, where that was recorded.
    pub decided_by: Option<String>,
}

/// One row an action; its number is the seq of its first record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The turn's number; `None` where no turn was known.
    pub turn: Option<u64>,
    /// Codex's id of the item.
    pub item_id: String,
    /// Codex's type of the item.
    pub item_type: String,
    /// What it is.
    pub kind: ActionKind,
    /// Where it stands.
    pub status: ActionStatus,
    /// One line: the command, the files, the tool, the first words.
    pub summary: String,
    /// When it began.
    pub started_at: Micros,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// The record that ended it: the authority for all that is not kept here.
    pub end_seq: Option<u64>,
    /// How long it took as Codex measured it, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The folder a command ran in.
    pub cwd: Option<String>,
    /// A command's exit code.
    pub exit_code: Option<i64>,
    /// How many bytes a command printed, or a message has.
    pub bytes: Option<u64>,
    /// A file change's files.
    pub files: Vec<FileLines>,
    /// Leave that was asked for it, newest last.
    pub approvals: Vec<Approval>,
    /// The sub-agents it is about.
    pub agents: Vec<Sid>,
}
