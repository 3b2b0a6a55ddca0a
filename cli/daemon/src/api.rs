//! What goes over the daemon's HTTP: bodies and answers, JSON.
//!
//! What always holds: fields are only ever added; an unknown one is ignored. Documents of sessions,
//! turns, actions and requests are those of [`sm_projections::views`], as JSON values here, so that a
//! client shows what it was given.
//!
//! | route | body → answer |
//! | --- | --- |
//! | `GET /healthz` | [`Health`] |
//! | `GET /metrics` `/openapi.json` | Prometheus' text; every route, as OpenAPI |
//! | `GET /v1/sessions` `?limit=&before=&since_seq=` | `{"sessions":[…],"next":SEQ,"as_of":{…}}`, newest first; `before=NEXT` is the next page, `since_seq=` what has changed since |
//! | `GET /v1/sessions/stream` | server-sent events: `snapshot` (`{"sessions":[…],"cursor":…}`), then `session`: each row that changed, whole |
//! | `POST /v1/sessions` | [`Spawn`] → [`Spawned`] |
//! | `GET /v1/sessions/{id}` | a session |
//! | `GET /v1/sessions/{id}/turns` `/actions` `/children` `/messages` | lists |
//! | `GET /v1/sessions/{id}/events` `?since_seq=&limit=` | a page of events (also `/sessions/{id}/codex-events`) |
//! | `POST /v1/sessions/{id}/input` | [`Input`] → [`InputTaken`] |
//! | `POST /v1/sessions/{id}/queue` | [`Hold`] → a session |
//! | `POST /v1/sessions/{id}/keep` | [`Keep`] → a session |
//! | `GET /v1/queue` `?session=` | `{"inputs":[…],"undelivered":[…]}`: what waits; what failed or is unknown, newest first |
//! | `GET /v1/inputs/{id}` | an input, with its text |
//! | `POST /v1/inputs/{id}` | [`InputChange`] → an input |
//! | `POST /v1/sessions/{id}/interrupt` `/stop` `/resume` | [`Act`] → a session |
//! | `POST /v1/sessions/{id}/name` | [`Rename`] → [`Done`] |
//! | `POST /v1/sessions/{id}/archive` `/unarchive` `/compact` | [`Act`] → [`Done`] |
//! | `POST /v1/sessions/{id}/fork` | [`Fork`] → [`Forked`] |
//! | `POST /v1/sessions/{id}/review` | [`Review`] → [`Reviewing`] |
//! | `POST /v1/sessions/{id}/rollback` | [`Rollback`] → [`RolledBack`] |
//! | `POST /v1/sessions/{id}/goal` | [`Goal`] → [`GoalTold`] |
//! | `POST /v1/codex/models` `/mcp` `/limits` `/account` `/skills` | [`Ask`] → [`Told`] |
//! | `POST /v1/codex/rpc` | [`Rpc`] → [`Told`] |
//! | `GET /v1/requests` `?status=&limit=` | `{"requests":[…]}`: those that wait; of a status or `all`, newest first |
//! | `GET /v1/requests/{id}` | a request |
//! | `POST /v1/requests/{id}` | [`Answer`] → [`Answered`] |
//! | `GET /v1/rules` | `{"rules":[…],"expiry":…,"faults":[…]}` |
//! | `POST /v1/rules` | [`Grant`] → a rule |
//! | `POST /v1/rules/revoke` | [`Revoke`] → the rule that was |
//! | `GET /v1/events` `?after=`, `Last-Event-ID` | records as server-sent events |
//! | `POST /v1/import` | [`Import`] → [`Imported`] |
//! | `POST /v1/prune` | [`Prune`] → [`Pruned`] |
//! | `GET /v1/servers` | [`Servers`] |
//! | `POST /v1/drain` | [`Drain`] → [`Drained`] |
//! | `POST /v1/shutdown` | [`Shutdown`] → `{}`: the daemon ends cleanly |

use serde::{Deserialize, Serialize};
use sm_ingest::app_server::Search;
pub use sm_protocol::synthetic::Settings;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `GET /healthz`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The daemon's process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// The log's id.
    pub log_id: String,
    /// The last durable seq.
    pub watermark: u64,
    /// The last folded seq.
    pub checkpoint: u64,
    /// Writes that failed and were tried again.
    pub event_persist_errors: u64,
    /// Running Codex servers.
    pub servers: Vec<Server>,
    /// Where TCP is served, behind the token: `http://127.0.0.1:PORT`.
    pub tcp: Option<String>,
}

/// A running Codex server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Its source in the log.
    pub source: u64,
    /// Which life of it.
    pub generation: u32,
    /// Its process.
    pub pid: Option<u32>,
    /// Its CODEX_HOME.
    pub codex_home: String,
    /// Its version.
    pub codex_version: Option<String>,
    /// Its binary.
    pub binary: Option<String>,
    /// It takes no new turns and ends once it is empty.
    pub draining: bool,
    /// The version that takes its place, where it is drained.
    pub gives_way_to: Option<String>,
    /// How long it has run, in milliseconds.
    pub up_ms: Option<u64>,
    /// Sessions loaded there; null where they were not counted (`GET /healthz`).
    pub sessions: Option<u64>,
    /// Those of them with an open turn.
    pub busy: Option<u64>,
    /// How often in a row a server of that CODEX_HOME and version ended within a minute; null where
    /// nobody looked (`GET /healthz`).
    pub failures: Option<u32>,
}

/// `GET /v1/servers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Servers {
    /// Those that run, also those that give way.
    pub servers: Vec<Server>,
    /// Sessions that lost their server and wait to be resumed.
    pub resuming: Vec<Resuming>,
}

/// Sessions that lost their server together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resuming {
    /// Their threads.
    pub threads: Vec<String>,
    /// How often it was tried in vain, the early ends of their server counted.
    pub failures: u32,
    /// When it is tried next, in Unix microseconds; null while it is tried.
    pub next_at: Option<i64>,
    /// Why it failed last.
    pub reason: Option<String>,
}

/// `POST /v1/drain`: servers whose codex is not the one found now give way to it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Drain {
    /// Where to look for codex; none: where the daemon would.
    pub codex: Option<CodexSearch>,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// What a drain began.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Drained {
    /// Servers that give way by now, those of earlier drains too.
    pub draining: Vec<Server>,
    /// Servers that need not: they run the codex that is found.
    pub current: Vec<Server>,
}

/// Where a caller would look for codex.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CodexSearch {
    /// This one and no other (`SM_CODEX`), an absolute path.
    pub explicit: Option<String>,
    /// The caller's PATH.
    pub path: Option<String>,
    /// Tool folders.
    pub tools: Vec<String>,
}

impl CodexSearch {
    pub(crate) fn to_search(&self) -> Search {
        Search {
            explicit: self.explicit.as_ref().map(PathBuf::from),
            path: self.path.as_ref().map(Into::into),
            tools: self.tools.iter().map(PathBuf::from).collect(),
        }
    }
}

/// A new session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Spawn {
    /// The first input; none leaves the session idle.
    pub prompt: Option<String>,
    /// A name for it.
    pub name: Option<String>,
    /// The folder it works in.
    pub cwd: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// `untrusted`, `on-request`, `never` …, as that Codex knows them.
    pub approval: Option<String>,
    /// `read-only`, `workspace-write`, `danger-full-access`.
    pub sandbox: Option<String>,
    /// The session it hangs under: any word that finds one.
    pub parent: Option<String>,
    /// Its parent is not woken when it settles, waits for a human or dies.
    pub silent: bool,
    /// `key=value`.
    pub labels: Vec<String>,
    /// The caller's environment for the session's commands: PATH, VIRTUAL_ENV and the like.
    pub env: BTreeMap<String, String>,
    /// Which CODEX_HOME to run under; none: the daemon's own.
    pub codex_home: Option<String>,
    /// Whether its first turn is to plan (Codex's plan mode, where it may ask questions).
    pub plan: Option<bool>,
    /// Where to look for codex, if a server has to be started; none: where the daemon would.
    pub codex: Option<CodexSearch>,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// A session was made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Spawned {
    /// Its short id.
    pub id: String,
    /// Codex's thread id.
    pub thread_id: String,
    /// The turn its prompt began.
    pub turn_id: Option<String>,
    /// `LOGID:SEQ` before that turn: `sm wait --after` it.
    pub cursor: String,
    /// The session, whole.
    pub session: serde_json::Value,
}

/// How an input is to be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Begins a turn when the session is idle, is queued when it is busy, is refused while a request
    /// waits for a human.
    #[default]
    Start,
    /// Goes into the running turn.
    Steer,
    /// Interrupts the running turn, then begins one.
    Urgent,
    /// Is queued, also while a request waits.
    Queue,
}

/// A message for a session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Input {
    /// The text.
    pub text: String,
    /// How to take it.
    pub mode: Mode,
    /// Whether the turn is to plan; none leaves the session's mode as it is.
    pub plan: Option<bool>,
    /// The sender's own name for it: the same key again, with the same text, is the same input.
    pub key: Option<String>,
    /// Pictures that go along: absolute paths, or `http`, `https` and `data` addresses.
    pub images: Vec<String>,
    /// What is to be different for its turn alone.
    pub settings: Settings,
    /// The JSON schema that the turn's last message is to keep to.
    pub output_schema: Option<serde_json::Value>,
    /// With the mode `steer`: the turn that it is to go into; another one is refused.
    pub expected_turn: Option<String>,
    /// Where to look for codex, if a server has to be started; none: where the daemon would.
    pub codex: Option<CodexSearch>,
    /// Who sends it: a session's id, or none for the user.
    pub by: Option<String>,
}

/// A message was taken, or refused with the reason.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InputTaken {
    /// The session's short id.
    pub session_id: String,
    /// The input's number.
    pub input: u64,
    /// Its permanent id: `i` and the number.
    pub id: String,
    /// `started`, `steered`, `queued`, `failed` or `unknown`.
    pub status: String,
    /// The turn that took it.
    pub turn_id: Option<String>,
    /// Why it was not taken, or waits.
    pub reason: Option<String>,
    /// It waits behind others that are held, until somebody lets them go on.
    pub held: bool,
    /// `LOGID:SEQ` of its acceptance: `sm wait --after` it.
    pub cursor: String,
    /// An input with the same key was taken before: this is what became of that one.
    pub repeated: bool,
}

/// What to do with an input that was accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputAct {
    /// Takes back one that waits.
    #[default]
    Cancel,
    /// Gives one that waits another text.
    Edit,
    /// Looks for one whose answer was lost in Codex's own account of the thread.
    Find,
    /// Delivers one again that failed, or that is not found.
    Retry,
}

/// A change of an input.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InputChange {
    /// What to do.
    pub act: InputAct,
    /// Its new text, with [`InputAct::Edit`].
    pub text: Option<String>,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// Holds what waits for a session, or lets it go on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hold {
    /// Whether to hold it.
    pub hold: bool,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// What a session is to keep from now on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    /// Settings, in force from the next turn on at the latest.
    pub settings: Settings,
    /// `key=value`: set.
    pub labels: Vec<String>,
    /// Keys of labels to take away.
    pub unlabel: Vec<String>,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// A message for a session at a moment to come: `at` or `in_seconds`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Remind {
    /// The message.
    pub text: String,
    /// When, in Unix microseconds.
    pub at: Option<i64>,
    /// When, in seconds from now.
    pub in_seconds: Option<f64>,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// Takes something back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cancel {
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// An agent has looked for itself how a child of its own stands.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Looked {
    /// Up to which record.
    pub seq: u64,
    /// Who: a session's id.
    pub by: Option<String>,
}

/// An act on a session: interrupt, stop, resume.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Act {
    /// Where to look for codex, if a server has to be started; none: where the daemon would.
    pub codex: Option<CodexSearch>,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// A name for a session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rename {
    /// The name.
    pub name: String,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A verb was carried out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Done {
    /// The session as it is then.
    pub session: serde_json::Value,
    /// `LOGID:SEQ` of Codex's answer: where the verb began a turn, `sm wait --after` it.
    pub cursor: String,
    /// What there is to know about how it was done.
    pub note: Option<String>,
}

/// A copy of a session, which goes its own way from there. What is not given stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Fork {
    /// The last turn that it takes over, by its number; none: all of them.
    pub turn: Option<u32>,
    /// A name for it.
    pub name: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// When it asks. The user's to give.
    pub approval: Option<String>,
    /// How far its commands reach. The user's to give.
    pub sandbox: Option<String>,
    /// The folder it works in, an absolute path. The user's to give.
    pub cwd: Option<String>,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A session was forked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Forked {
    /// The fork's short id.
    pub id: String,
    /// Codex's thread id of it.
    pub thread_id: String,
    /// The session that it was forked from.
    pub forked_from: String,
    /// The last turn that it took over; null: all of them.
    pub turn: Option<u32>,
    /// The methods by which that release does it.
    pub way: Vec<String>,
    /// `LOGID:SEQ` of its making.
    pub cursor: String,
    /// The fork, whole.
    pub session: serde_json::Value,
}

/// What a review looks at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewOf {
    /// What is changed in the folder and not committed.
    #[default]
    Uncommitted,
    /// What is there beyond a branch.
    Base(String),
    /// A commit.
    Commit(String),
    /// What these words say.
    Prompt(String),
}

/// A review by Codex's reviewer.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Review {
    /// What it looks at.
    pub of: ReviewOf,
    /// In a session of its own, so that this one can go on.
    pub detached: bool,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A review has begun.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reviewing {
    /// The session that reviews.
    pub session_id: String,
    /// The session whose work is reviewed.
    pub reviewed_id: String,
    /// The turn that it runs as.
    pub turn_id: Option<String>,
    /// The methods by which that release does it.
    pub way: Vec<String>,
    /// `LOGID:SEQ` of its begin: `sm wait --after` it.
    pub cursor: String,
    /// The reviewing session, whole.
    pub session: serde_json::Value,
}

/// The newest turns are to be taken out of a session's history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rollback {
    /// How many.
    pub turns: u32,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// Turns were taken out of a session's history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RolledBack {
    /// How many Codex dropped.
    pub count: u32,
    /// The numbers of those that the log knows.
    pub turns: Vec<u32>,
    /// The methods by which that release does it.
    pub way: Vec<String>,
    /// Always false: Codex takes back words, not what was done to files.
    pub files_reverted: bool,
    /// The session as it is then.
    pub session: serde_json::Value,
}

/// What becomes of a session's goal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GoalVerb {
    /// Nothing: it is only told.
    #[default]
    Show,
    /// It is set, and pursued.
    Set,
    /// It is not pursued for now.
    Pause,
    /// It is pursued again.
    Resume,
    /// It is taken away.
    Clear,
}

/// A session's goal: what it pursues turn after turn, by itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Goal {
    /// What becomes of it.
    pub verb: GoalVerb,
    /// In words, where it is set.
    pub objective: Option<String>,
    /// How many tokens it may cost.
    pub token_budget: Option<u64>,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A session's goal, as Codex tells it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GoalTold {
    /// Null: it has none.
    pub goal: serde_json::Value,
    /// The session as it is then.
    pub session: serde_json::Value,
}

/// A question that Codex itself answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Ask {
    /// The session whose server is asked; none: that of the CODEX_HOME.
    pub session: Option<String>,
    /// Which CODEX_HOME's server; none: the daemon's own.
    pub codex_home: Option<String>,
    /// The folder that is asked about.
    pub cwd: Option<String>,
    /// How long Codex may take for each call; none: 15 s, 40 s where it starts MCP servers, 120 s for
    /// a method of the caller's own.
    pub timeout_seconds: Option<f64>,
    /// Who asks, and where to look for codex.
    #[serde(flatten)]
    pub act: Act,
}

/// A call of any method.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rpc {
    /// Codex's name of it.
    pub method: String,
    /// Its parameters; a session fills in `threadId`.
    pub params: serde_json::Value,
    /// Whom it is asked of.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What Codex answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The version that answered.
    pub codex_version: String,
    /// Its CODEX_HOME.
    pub codex_home: String,
    /// The session that was asked about.
    pub session_id: Option<String>,
    /// The result, in Codex's own form; the pages of a list in one.
    pub answer: serde_json::Value,
    /// `LOGID:SEQ` of the answer's record.
    pub cursor: String,
}

impl AsMut<Act> for Act {
    fn as_mut(&mut self) -> &mut Act {
        self
    }
}

/// Bodies that say who asks.
macro_rules! acts {
    ($($body:ident: $($act:ident).+;)*) => {
        $(impl AsMut<Act> for $body {
            fn as_mut(&mut self) -> &mut Act {
                &mut self.$($act).+
            }
        })*
    };
}

acts! {
    Rename: act;
    Fork: act;
    Review: act;
    Rollback: act;
    Goal: act;
    Ask: act;
    Rpc: ask.act;
}

/// An answer to a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// `accept`, `acceptForSession`, `decline`, `cancel`; for questions none is needed.
    pub decision: Option<String>,
    /// The answers to questions, by their ids.
    pub answers: BTreeMap<String, Vec<String>>,
    /// Words to go along: a reason to decline.
    pub say: Option<String>,
    /// The answer in Codex's own form, for requests of unknown kinds.
    pub raw: Option<serde_json::Value>,
    /// What was shown (a request's `shown`): the answer is refused once that no longer holds.
    pub expected: Option<String>,
    /// Who answers: a session's id, or none for the user.
    pub by: Option<String>,
}

/// A request was answered, now or before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Answered {
    /// The request, whole.
    pub request: serde_json::Value,
    /// It had been answered the same way before.
    pub repeated: bool,
    /// A secret is part of that answer. Secrets are not kept, so whether this one is the same is not known.
    pub secret_not_compared: bool,
}

/// What the log shall keep. Without any limit the defaults hold; with one, that one alone.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Prune {
    /// Segments go whose newest record was appended longer ago, in milliseconds.
    pub older_than_ms: Option<u64>,
    /// The oldest go until the log takes no more bytes than this.
    pub max_bytes: Option<u64>,
    /// Sessions serve no more than so many of their newest records.
    pub max_records_per_session: Option<u64>,
    /// What stands open at the end of a transcript that was read to its end holds nothing.
    pub past_imports: bool,
    /// Do it; else only say what would be done.
    pub apply: bool,
    /// Who asks: a session's id, or none for the user.
    pub by: Option<String>,
}

/// What went, or would go.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pruned {
    /// It was done.
    pub applied: bool,
    /// The age that was asked for, or is the default.
    pub older_than_ms: Option<u64>,
    /// The size that was asked for, or is the default.
    pub max_bytes: Option<u64>,
    /// The oldest seq kept before.
    pub floor_before: u64,
    /// The oldest seq kept.
    pub floor: u64,
    /// How many segments go.
    pub segments: u64,
    /// How many seqs.
    pub records: u64,
    /// How many bytes of files.
    pub bytes: u64,
    /// How many bytes of files are left.
    pub kept_bytes: u64,
    /// What still needs the oldest segment that would go, too; null where nothing does.
    pub held_by: Option<sm_projections::views::Hold>,
    /// How many sessions serve fewer records from now on.
    pub capped_sessions: u64,
    /// What is kept of the folds; null where nothing goes, and before it is done.
    pub snapshot: Option<Kept>,
    /// The record that tells of it.
    pub trim_seq: Option<u64>,
}

/// The snapshot of the folds below the floor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// The last seq folded.
    pub seq: u64,
    /// The size of its tables.
    pub bytes: u64,
    /// Its BLAKE3, in hexadecimal.
    pub blake3: String,
}

/// A rule with an end, of the user's making.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// What it is called; none: `grant-N`.
    pub name: Option<String>,
    /// The first words of the commands that are granted; none: file changes are.
    pub command: Vec<String>,
    /// A folder or file, from the root: where they may run, what may be changed.
    pub path: Option<String>,
    /// The one session that it is for: its name, id or thread.
    pub session: Option<String>,
    /// When it ends, in Unix microseconds.
    pub until: Option<i64>,
    /// Why.
    pub note: Option<String>,
    /// Who asks: a session's id, or none for the user. Agents are refused.
    pub by: Option<String>,
}

/// A grant to take back.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Revoke {
    /// Its name.
    pub name: String,
    /// Who asks: a session's id, or none for the user. Agents are refused.
    pub by: Option<String>,
}

/// A transcript to import.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// The file, an absolute path that the daemon's user can read.
    pub path: String,
    /// What to call it in the log, if not by its path.
    pub name: Option<String>,
    /// Also when the same bytes were imported before.
    pub again: bool,
    /// Who asks: a session's id, or none for the user. Agents are refused.
    pub by: Option<String>,
}

/// The daemon is to end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Shutdown {
    /// Who asks: a session's id, or none for the user. Agents are refused.
    pub by: Option<String>,
}

/// A transcript was imported.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Imported {
    /// The source's number.
    pub source: u64,
    /// What the transcript is called in the log.
    pub path: String,
    /// The BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
    /// Bytes read.
    pub bytes: u64,
    /// Lines, and so records.
    pub records: u64,
    /// How many of them were recorded by an import of the same bytes that was cut off; null where
    /// there was none.
    pub continued_after: Option<u64>,
    /// Lines that are no messages.
    pub malformed: u64,
    /// The first of them: line, seq, why.
    pub malformed_lines: Vec<Malformed>,
    /// Lines that are kept as they came and are odd: cut, of another line end, or long.
    pub marked: u64,
    /// The first of them: line, seq, why.
    pub marked_lines: Vec<Malformed>,
    /// The first line's record.
    pub first_seq: Option<u64>,
    /// The last line's record.
    pub last_seq: Option<u64>,
    /// The sessions it concerns.
    pub sessions: Vec<serde_json::Value>,
    /// Those of them that a server runs: what a file says of such a session changes nothing.
    pub not_folded: Vec<NotFolded>,
}

/// Records of a transcript that are kept and change nothing, because a server runs their session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NotFolded {
    /// The session's short id.
    pub session_id: String,
    /// Its thread.
    pub thread_id: String,
    /// How many.
    pub records: u64,
}

/// A line that is no message, or odd.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Malformed {
    /// Its number, from 1.
    pub line: u64,
    /// Its record; null where the import that was cut off made it.
    pub seq: Option<u64>,
    /// Why.
    pub why: String,
}

/// Why something was not done. The code is stable; the words are for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// `not_found`, `ambiguous`, `conflict`, `pending_structured_request`, `already_imported`,
    /// `already_answered`, `request_changed`, `forbidden`, `codex_missing`, `codex_too_old`,
    /// `codex_died`, `codex_error`, `session_dead`, `held`, `name_taken`, `bad_request`, `timeout`,
    /// `failed`, `unsupported`, `turn_running`, `session_archived`, `not_logged_in`, `bad_text`,
    /// `too_long`, `key_reused`, `turn_changed`, `codex_overloaded`, `codex_home_missing`, `unauthorized`,
    /// `wrong_host`.
    pub code: String,
    /// What failed and why.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Facts that depend on the code.
    pub details: serde_json::Value,
}

/// The body of every answer that is not 2xx.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemBody {
    /// Why.
    pub error: Problem,
}
