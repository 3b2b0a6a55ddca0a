//! What goes over the daemon's HTTP: bodies and answers, JSON.
//!
//! What always holds: fields are only ever added; an unknown one is ignored. Documents of sessions,
//! turns, actions and requests are those of [`sm_projections::views`], as JSON values here, so that a
//! client shows what it was given.
//!
//! | route | body → answer |
//! | --- | --- |
//! | `GET /healthz` | [`Health`] |
//! | `GET /v1/sessions` `?limit=` | `{"sessions":[…],"as_of":{…}}` |
//! | `POST /v1/sessions` | [`Spawn`] → [`Spawned`] |
//! | `GET /v1/sessions/{id}` | a session |
//! | `GET /v1/sessions/{id}/turns` `/actions` `/children` `/messages` | lists |
//! | `GET /v1/sessions/{id}/events` `?since_seq=&limit=` | a page of events (also `/sessions/{id}/codex-events`) |
//! | `POST /v1/sessions/{id}/input` | [`Input`] → [`InputTaken`] |
//! | `POST /v1/sessions/{id}/interrupt` `/stop` `/resume` | [`Act`] → a session |
//! | `GET /v1/requests` `?status=&limit=` | `{"requests":[…]}`: those that wait; of a status or `all`, newest first |
//! | `GET /v1/requests/{id}` | a request |
//! | `POST /v1/requests/{id}` | [`Answer`] → [`Answered`] |
//! | `GET /v1/rules` | `{"rules":[…],"expiry":…,"faults":[…]}` |
//! | `POST /v1/rules` | [`Grant`] → a rule |
//! | `POST /v1/rules/revoke` | [`Revoke`] → the rule that was |
//! | `GET /v1/events` `?after=`, `Last-Event-ID` | records as server-sent events |
//! | `POST /v1/import` | [`Import`] → [`Imported`] |
//! | `POST /v1/shutdown` | `{}` → `{}`: the daemon ends cleanly |

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// `started`, `steered`, `queued`, `failed` or `unknown`.
    pub status: String,
    /// The turn that took it.
    pub turn_id: Option<String>,
    /// Why it was not taken.
    pub reason: Option<String>,
    /// `LOGID:SEQ` of its acceptance: `sm wait --after` it.
    pub cursor: String,
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
    /// `already_answered`, `request_changed`, `forbidden`, `codex_missing`, `codex_too_old`, `codex_died`,
    /// `codex_error`, `session_dead`, `name_taken`, `bad_request`, `timeout`, `failed`.
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
