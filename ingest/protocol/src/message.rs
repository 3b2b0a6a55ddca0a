//! The contents of the messages that folds read.
//!
//! What always holds: every field may be absent (see [`Text`] and its neighbours); names are Codex's own. Only
//! what is folded stands here, the rest of a message is skipped while parsing.

use crate::lenient::{Flag, Int, List, Obj, Tag, Text};
use serde::Deserialize;

/// A notification or request around its parameters.
#[derive(Deserialize, Debug)]
#[serde(bound(deserialize = "P: Deserialize<'de>"))]
pub struct Call<'a, P> {
    /// The JSON text of a request's id.
    #[serde(borrow, default)]
    pub id: Option<&'a serde_json::value::RawValue>,
    /// The parameters.
    #[serde(default)]
    pub params: Obj<P>,
}

/// A response around its result.
#[derive(Deserialize, Debug)]
#[serde(bound(deserialize = "R: Deserialize<'de>"))]
pub struct Answer<'a, R> {
    /// The JSON text of the request's id.
    #[serde(borrow, default)]
    pub id: Option<&'a serde_json::value::RawValue>,
    /// The result.
    #[serde(default)]
    pub result: Obj<R>,
}

/// Parameters that name an item: deltas, approvals and other requests about one item.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct AboutItem<'a> {
    /// The turn.
    #[serde(borrow)]
    pub turn_id: Text<'a>,
    /// The item.
    #[serde(borrow)]
    pub item_id: Text<'a>,
}

/// `thread/started`, and the result of starting, resuming or forking a thread.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct ThreadOpened<'a> {
    /// The thread.
    #[serde(borrow)]
    pub thread: Obj<Thread<'a>>,
    /// The model in use; stands only in results.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// The provider of the model; stands only in results.
    #[serde(borrow)]
    pub model_provider: Text<'a>,
    /// The folder commands run in; stands only in results.
    #[serde(borrow)]
    pub cwd: Text<'a>,
    /// When the user is asked.
    #[serde(borrow)]
    pub approval_policy: Tag<'a>,
    /// The sandbox, as it is told; stands only in results.
    #[serde(borrow)]
    pub sandbox: Option<&'a serde_json::value::RawValue>,
    /// The reasoning effort.
    #[serde(borrow)]
    pub reasoning_effort: Text<'a>,
    /// Whether its turns plan; in the answer to resuming it.
    #[serde(borrow)]
    pub collaboration_mode: Obj<Collaboration<'a>>,
}

/// A thread as Codex describes it.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Thread<'a> {
    /// The thread's id.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// The thread it was forked from.
    #[serde(borrow)]
    pub forked_from_id: Text<'a>,
    /// The thread whose agent spawned it.
    #[serde(borrow)]
    pub parent_thread_id: Text<'a>,
    /// The first words of the user.
    #[serde(borrow)]
    pub preview: Text<'a>,
    /// The provider of the model.
    #[serde(borrow)]
    pub model_provider: Text<'a>,
    /// The model.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// The reasoning effort.
    #[serde(borrow)]
    pub reasoning_effort: Text<'a>,
    /// The folder commands run in.
    #[serde(borrow)]
    pub cwd: Text<'a>,
    /// The Codex version that made the thread.
    #[serde(borrow)]
    pub cli_version: Text<'a>,
    /// A sub-agent's nickname.
    #[serde(borrow)]
    pub agent_nickname: Text<'a>,
    /// A sub-agent's role.
    #[serde(borrow)]
    pub agent_role: Text<'a>,
    /// The thread's name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// Where the thread came from: a word, or an object for a sub-agent.
    #[serde(borrow)]
    pub source: Obj<ThreadSource<'a>>,
    /// Its status.
    #[serde(borrow)]
    pub status: Obj<Status<'a>>,
}

/// The `source` of a sub-agent's thread.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct ThreadSource<'a> {
    /// Set for sub-agents.
    #[serde(borrow, rename = "subAgent", alias = "subagent")]
    pub sub_agent: Obj<SubAgentSource<'a>>,
}

/// How a sub-agent came to be.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct SubAgentSource<'a> {
    /// Spawned by another thread.
    #[serde(borrow, alias = "threadSpawn")]
    pub thread_spawn: Obj<ThreadSpawn<'a>>,
}

/// Which thread spawned a sub-agent.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct ThreadSpawn<'a> {
    /// The spawning thread.
    #[serde(borrow, alias = "parentThreadId")]
    pub parent_thread_id: Text<'a>,
}

/// An object told apart by its `type`.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Typed<'a> {
    /// The variant's name.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
}

/// `thread/status/changed`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusChanged<'a> {
    /// The new status.
    #[serde(borrow)]
    pub status: Obj<Status<'a>>,
}

/// A thread's status.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Status<'a> {
    /// `idle`, `active`, `systemError` or `notLoaded`.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// `waitingOnApproval`, `waitingOnUserInput`.
    #[serde(borrow)]
    pub active_flags: List<Text<'a>>,
}

/// `thread/name/updated`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct NameUpdated<'a> {
    /// The new name; `null` takes it away.
    #[serde(borrow)]
    pub thread_name: Text<'a>,
}

/// `thread/goal/updated`.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct GoalUpdated<'a> {
    /// The goal as it is now.
    #[serde(borrow)]
    pub goal: Obj<Goal<'a>>,
}

/// What a thread pursues turn after turn.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Goal<'a> {
    /// In words.
    #[serde(borrow)]
    pub objective: Text<'a>,
    /// `active`, `paused`, `blocked`, `usageLimited`, `budgetLimited` or `complete`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// What it may cost.
    pub token_budget: Int,
    /// What it cost so far.
    pub tokens_used: Int,
}

/// `hook/started` and `hook/completed`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct HookEvent<'a> {
    /// The turn that it is run in.
    #[serde(borrow)]
    pub turn_id: Text<'a>,
    /// The run as it is now.
    #[serde(borrow)]
    pub run: Obj<HookRun<'a>>,
}

/// One run of a hook.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct HookRun<'a> {
    /// The hook's id: the same in each of its runs, but for those about one tool call.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// `preToolUse`, `stop` …
    #[serde(borrow)]
    pub event_name: Text<'a>,
    /// `running`, `completed`, `failed`, `blocked` or `stopped`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// When it began, in Unix seconds.
    pub started_at: Int,
    /// How long it took, in milliseconds.
    pub duration_ms: Int,
    /// What it said.
    #[serde(borrow)]
    pub entries: List<Obj<ContentPart<'a>>>,
}

/// `model/rerouted`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct ModelRerouted<'a> {
    /// The turn.
    #[serde(borrow)]
    pub turn_id: Text<'a>,
    /// The model that answers it from now on.
    #[serde(borrow)]
    pub to_model: Text<'a>,
}

/// `thread/settings/updated`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct SettingsUpdated<'a> {
    /// The settings now in force.
    #[serde(borrow)]
    pub thread_settings: Obj<Settings<'a>>,
}

/// A thread's settings.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Settings<'a> {
    /// The folder commands run in.
    #[serde(borrow)]
    pub cwd: Text<'a>,
    /// The model.
    #[serde(borrow)]
    pub model: Text<'a>,
    /// The provider of the model.
    #[serde(borrow)]
    pub model_provider: Text<'a>,
    /// The reasoning effort.
    #[serde(borrow)]
    pub effort: Text<'a>,
    /// When the user is asked.
    #[serde(borrow)]
    pub approval_policy: Tag<'a>,
    /// The sandbox.
    #[serde(borrow)]
    pub sandbox_policy: Obj<Typed<'a>>,
    /// Whether turns plan.
    #[serde(borrow)]
    pub collaboration_mode: Obj<Collaboration<'a>>,
}

/// How a thread's turns go.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Collaboration<'a> {
    /// `plan`, or `default`.
    #[serde(borrow)]
    pub mode: Text<'a>,
}

impl Collaboration<'_> {
    /// Whether turns plan; `None` where it is not told.
    pub fn plans(&self) -> Option<bool> {
        self.mode.filled().map(|mode| mode == "plan")
    }
}

/// `thread/tokenUsage/updated`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct TokenUsageUpdated {
    /// Totals of the thread, and its window.
    pub token_usage: Obj<TokenUsage>,
}

/// Totals of a thread.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct TokenUsage {
    /// Since the thread began.
    pub total: Obj<Tokens>,
    /// Of the last model call.
    pub last: Obj<Tokens>,
    /// How many tokens fit the model's window.
    pub model_context_window: Int,
}

/// Token counts.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Tokens {
    /// All of them.
    pub total_tokens: Int,
    /// Read by the model.
    pub input_tokens: Int,
    /// Of those, read from a cache.
    pub cached_input_tokens: Int,
    /// Written by the model.
    pub output_tokens: Int,
    /// Of those, spent on reasoning.
    pub reasoning_output_tokens: Int,
}

/// `mcpServer/startupStatus/updated`.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct McpStartup<'a> {
    /// The server's name.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// `starting`, `ready`, `failed` or `cancelled`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// Why it failed.
    #[serde(borrow)]
    pub error: Text<'a>,
}

/// `turn/started` and `turn/completed`.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct TurnEvent<'a> {
    /// The turn.
    #[serde(borrow)]
    pub turn: Obj<Turn<'a>>,
}

/// A turn as Codex describes it; its items are not read here.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Turn<'a> {
    /// The turn's id; old releases count from "0" in each thread and life of the server.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// The turn that caused it: itself, a review's turn, or a turn of a sub-agent's root.
    #[serde(borrow, rename = "rootTurnId")]
    pub root_turn_id: Text<'a>,
    /// `inProgress`, `completed`, `interrupted` or `failed`.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// Why it failed.
    #[serde(borrow)]
    pub error: Obj<TurnError<'a>>,
}

/// Why a turn failed.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct TurnError<'a> {
    /// In words.
    #[serde(borrow)]
    pub message: Text<'a>,
    /// What lies behind it, where that says more.
    #[serde(borrow, rename = "additionalDetails")]
    pub details: Text<'a>,
    /// Its kind, where that is one word.
    #[serde(borrow, rename = "codexErrorInfo")]
    pub info: Text<'a>,
}

impl TurnError<'_> {
    /// Whether the account has used up what it may use for now.
    pub fn is_limit(&self) -> bool {
        matches!(self.info.get(), Some("usageLimitExceeded" | "rateLimitExceeded"))
    }
}

/// A refused request.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Refused<'a> {
    /// Why.
    #[serde(borrow)]
    pub error: Obj<TurnError<'a>>,
}

/// The `error` notification.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct ErrorEvent<'a> {
    /// What happened.
    #[serde(borrow)]
    pub error: Obj<TurnError<'a>>,
    /// Whether the turn goes on by itself.
    pub will_retry: Flag,
    /// The turn.
    #[serde(borrow)]
    pub turn_id: Text<'a>,
}

/// `serverRequest/resolved`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct RequestResolved<'a> {
    /// The id the request came under.
    #[serde(borrow)]
    pub request_id: Option<&'a serde_json::value::RawValue>,
}

/// `item/started` and `item/completed`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct ItemEvent<'a> {
    /// The item.
    #[serde(borrow)]
    pub item: Obj<Item<'a>>,
    /// The turn.
    #[serde(borrow)]
    pub turn_id: Text<'a>,
}

/// An item of any type: the fields of all types side by side.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Item<'a> {
    /// `commandExecution`, `fileChange`, `agentMessage` …
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// The item's id.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// `inProgress`, `completed`, `failed` or `declined`; messages have none.
    #[serde(borrow)]
    pub status: Text<'a>,
    /// A message's text.
    #[serde(borrow)]
    pub text: Text<'a>,
    /// What its sender called a user message.
    #[serde(borrow)]
    pub client_id: Text<'a>,
    /// A user message's parts.
    #[serde(borrow)]
    pub content: List<Obj<ContentPart<'a>>>,
    /// A reasoning item's summary.
    #[serde(borrow)]
    pub summary: List<Text<'a>>,
    /// A command, as one shell line.
    #[serde(borrow)]
    pub command: Text<'a>,
    /// The folder a command runs in.
    #[serde(borrow)]
    pub cwd: Text<'a>,
    /// The process of a command that need not end with its turn (Codex's unified exec); others have none.
    #[serde(borrow)]
    pub process_id: Text<'a>,
    /// A command's exit code.
    pub exit_code: Int,
    /// How long it took, as Codex measured it.
    pub duration_ms: Int,
    /// All that a command printed.
    #[serde(borrow)]
    pub aggregated_output: Text<'a>,
    /// A file change's files.
    #[serde(borrow)]
    pub changes: List<Obj<Change<'a>>>,
    /// An MCP tool's server.
    #[serde(borrow)]
    pub server: Text<'a>,
    /// A dynamic tool's namespace.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// A tool's name.
    #[serde(borrow)]
    pub tool: Text<'a>,
    /// Whether a dynamic tool call succeeded.
    pub success: Flag,
    /// A web search's words.
    #[serde(borrow)]
    pub query: Text<'a>,
    /// A review's subject.
    #[serde(borrow)]
    pub review: Text<'a>,
    /// A path, of an image say.
    #[serde(borrow)]
    pub path: Text<'a>,
    /// What a sub-agent did: `started`, `completed` …
    #[serde(borrow, rename = "kind")]
    pub activity: Text<'a>,
    /// The sub-agent's thread.
    #[serde(borrow)]
    pub agent_thread_id: Text<'a>,
    /// The sub-agent's path in its tree.
    #[serde(borrow)]
    pub agent_path: Text<'a>,
    /// The prompt given to a sub-agent.
    #[serde(borrow)]
    pub prompt: Text<'a>,
    /// A function's name, where only its output is an item.
    #[serde(borrow)]
    pub name: Text<'a>,
    /// What a web search does, where it does not look for words.
    #[serde(borrow)]
    pub action: Obj<SearchAction<'a>>,
    /// What an image shows, in the words that the model was given.
    #[serde(borrow)]
    pub revised_prompt: Text<'a>,
    /// What a hook says to the agent.
    #[serde(borrow)]
    pub fragments: List<Obj<ContentPart<'a>>>,
    /// Why an MCP tool could not be called.
    #[serde(borrow)]
    pub error: Obj<TurnError<'a>>,
    /// What an MCP tool gave.
    #[serde(borrow)]
    pub result: Obj<ToolResult<'a>>,
    /// What a dynamic tool gave.
    #[serde(borrow)]
    pub content_items: List<Obj<ContentPart<'a>>>,
    /// The sub-agents a collaboration call is about.
    #[serde(borrow)]
    pub receiver_thread_ids: List<Text<'a>>,
    /// The same, in releases that had one only.
    #[serde(borrow)]
    pub receiver_thread_id: Text<'a>,
    /// The sub-agent a collaboration call made.
    #[serde(borrow)]
    pub new_thread_id: Text<'a>,
}

/// What a web search does: opens a page, or looks for words in one.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct SearchAction<'a> {
    /// The page.
    #[serde(borrow)]
    pub url: Text<'a>,
    /// The words looked for in it.
    #[serde(borrow)]
    pub pattern: Text<'a>,
}

/// What an MCP tool gave.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct ToolResult<'a> {
    /// Its parts.
    #[serde(borrow)]
    pub content: List<Obj<ContentPart<'a>>>,
}

/// A part of a user message, a hook's words or a tool's result.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct ContentPart<'a> {
    /// Its text, if it is text.
    #[serde(borrow)]
    pub text: Text<'a>,
}

/// One file of a file change.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Change<'a> {
    /// The file.
    #[serde(borrow)]
    pub path: Text<'a>,
    /// `add`, `delete` or `update`.
    #[serde(borrow)]
    pub kind: Obj<ChangeKind<'a>>,
    /// An update's unified diff; an added or deleted file's whole text.
    #[serde(borrow)]
    pub diff: Text<'a>,
}

/// How a file changes.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct ChangeKind<'a> {
    /// `add`, `delete` or `update`.
    #[serde(borrow, rename = "type")]
    pub kind: Text<'a>,
    /// Where an update moves the file to.
    #[serde(borrow)]
    pub move_path: Text<'a>,
}

/// The parameters of every server request, side by side.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct ServerRequest<'a> {
    /// The turn that waits.
    #[serde(borrow)]
    pub turn_id: Text<'a>,
    /// The item that waits.
    #[serde(borrow)]
    pub item_id: Text<'a>,
    /// Old and dynamic forms name the call instead.
    #[serde(borrow)]
    pub call_id: Text<'a>,
    /// Told apart from others of the same item.
    #[serde(borrow)]
    pub approval_id: Text<'a>,
    /// Why the agent asks.
    #[serde(borrow)]
    pub reason: Text<'a>,
    /// The command, as one shell line.
    #[serde(borrow)]
    pub command: Text<'a>,
    /// The folder it would run in.
    #[serde(borrow)]
    pub cwd: Text<'a>,
    /// The questions put to the user.
    #[serde(borrow)]
    pub questions: List<Obj<Question<'a>>>,
    /// A dynamic tool's name.
    #[serde(borrow)]
    pub tool: Text<'a>,
    /// A dynamic tool's namespace.
    #[serde(borrow)]
    pub namespace: Text<'a>,
    /// The MCP server that asks.
    #[serde(borrow)]
    pub server_name: Text<'a>,
    /// What the MCP server asks.
    #[serde(borrow)]
    pub message: Text<'a>,
    /// The skill that is to be used.
    #[serde(borrow)]
    pub skill_name: Text<'a>,
}

/// A question put to the user.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Question<'a> {
    /// Its id; answers go under it.
    #[serde(borrow)]
    pub id: Text<'a>,
    /// A word or two.
    #[serde(borrow)]
    pub header: Text<'a>,
    /// The question.
    #[serde(borrow)]
    pub question: Text<'a>,
    /// Whether the answer must not be stored.
    pub is_secret: Flag,
}

/// A client's `thread/revert` or `thread/rollback`.
#[derive(Deserialize, Debug, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct CutRequest<'a> {
    /// The first turn that goes.
    #[serde(borrow)]
    pub before_turn_id: Text<'a>,
    /// How many go.
    pub num_turns: Int,
}

/// The answer to it.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct CutAnswer<'a> {
    /// The thread without them.
    #[serde(borrow)]
    pub thread: Obj<CutThread<'a>>,
}

/// A thread with its turns; none stand there where they are read page by page.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct CutThread<'a> {
    /// Those that are left, oldest first.
    #[serde(borrow)]
    pub turns: List<Obj<Turn<'a>>>,
}

/// A client's answer to an approval or to questions.
#[derive(Deserialize, Debug, Default)]
#[serde(default)]
pub struct Decision<'a> {
    /// A word, or an object whose only key is the word.
    #[serde(borrow)]
    pub decision: Option<&'a serde_json::value::RawValue>,
    /// Whether questions were answered.
    pub answers: Option<serde::de::IgnoredAny>,
    /// An elicitation's answer: `accept`, `decline` or `cancel`.
    #[serde(borrow)]
    pub action: Text<'a>,
}
