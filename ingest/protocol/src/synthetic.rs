//! The messages that `sm` itself writes into the log, in Codex's own form: `{"method","params"}`.
//!
//! What always holds: their methods begin with `sm/`, they never leave the log, and a fold needs no
//! other source to know what `sm` did. Fields are only ever added.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether the word recorded for who did something means the human, or the demo in the human's place;
/// all other words mean agents, or `sm` itself.
pub fn is_users_word(by: &str) -> bool {
    matches!(by, "user" | "demo")
}

/// A synthetic message. [`Synthetic::to_payload`] gives the bytes that are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params")]
pub enum Synthetic {
    /// See [`SourceOpened`].
    #[serde(rename = "sm/source/opened")]
    SourceOpened(SourceOpened),
    /// See [`SourceClosed`].
    #[serde(rename = "sm/source/closed")]
    SourceClosed(SourceClosed),
    /// See [`GenerationStarted`].
    #[serde(rename = "sm/generation/started")]
    GenerationStarted(GenerationStarted),
    /// See [`GenerationEnded`].
    #[serde(rename = "sm/generation/ended")]
    GenerationEnded(GenerationEnded),
    /// See [`SessionSpawned`].
    #[serde(rename = "sm/session/spawned")]
    SessionSpawned(SessionSpawned),
    /// See [`SessionEnded`].
    #[serde(rename = "sm/session/ended")]
    SessionEnded(SessionEnded),
    /// See [`SessionUnresumable`].
    #[serde(rename = "sm/session/unresumable")]
    SessionUnresumable(SessionUnresumable),
    /// See [`InputAccepted`].
    #[serde(rename = "sm/input/accepted")]
    InputAccepted(InputAccepted),
    /// See [`InputChanged`].
    #[serde(rename = "sm/input/changed")]
    InputChanged(InputChanged),
    /// See [`InputEdited`].
    #[serde(rename = "sm/input/edited")]
    InputEdited(InputEdited),
    /// See [`InputsHeld`].
    #[serde(rename = "sm/inputs/held")]
    InputsHeld(InputsHeld),
    /// See [`RequestDecided`].
    #[serde(rename = "sm/request/decided")]
    RequestDecided(RequestDecided),
    /// See [`SessionNamed`].
    #[serde(rename = "sm/session/named")]
    SessionNamed(SessionNamed),
    /// See [`SessionArchived`].
    #[serde(rename = "sm/session/archived")]
    SessionArchived(SessionArchived),
    /// See [`TurnsDropped`].
    #[serde(rename = "sm/turns/dropped")]
    TurnsDropped(TurnsDropped),
    /// See [`SessionSet`].
    #[serde(rename = "sm/session/set")]
    SessionSet(SessionSet),
    /// See [`SessionLabelled`].
    #[serde(rename = "sm/session/labelled")]
    SessionLabelled(SessionLabelled),
    /// See [`ParentTold`].
    #[serde(rename = "sm/parent/told")]
    ParentTold(ParentTold),
    /// See [`ReminderSet`].
    #[serde(rename = "sm/reminder/set")]
    ReminderSet(ReminderSet),
    /// See [`ReminderEnded`].
    #[serde(rename = "sm/reminder/ended")]
    ReminderEnded(ReminderEnded),
    /// See [`LogTrimmed`].
    #[serde(rename = "sm/log/trimmed")]
    LogTrimmed(LogTrimmed),
    /// See [`LogCapped`].
    #[serde(rename = "sm/log/capped")]
    LogCapped(LogCapped),
    /// See [`RulesChanged`].
    #[serde(rename = "sm/rules/changed")]
    RulesChanged(RulesChanged),
}

/// `sm` begins to read a source. The source's number is this record's own seq.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceOpened {
    /// `import` or `app-server`.
    pub kind: String,
    /// The provider whose messages it carries: `codex`.
    pub provider: String,
    /// The imported file, `-` for standard input, or the server's CODEX_HOME.
    pub path: Option<String>,
    /// BLAKE3 of an imported file's bytes, in hexadecimal.
    pub blake3: Option<String>,
    /// The size of an imported file, in bytes.
    pub bytes: Option<u64>,
    /// The version of a server's binary.
    pub codex_version: Option<String>,
    /// A server's binary.
    pub binary: Option<String>,
}

/// A source was read to its end; a repeated import of the same bytes is now refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceClosed {
    /// The source's number.
    pub source: u64,
    /// How many records it gave.
    pub records: u64,
    /// How many of them are no messages.
    pub malformed: u64,
}

/// A life of a source's process begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationStarted {
    /// The source's number.
    pub source: u64,
    /// Which life, from 0.
    pub generation: u32,
    /// The process, leader of its own group.
    pub pid: Option<u32>,
    /// The process's start time in clock ticks since boot: with the pid it names one process for good.
    pub pid_started: Option<u64>,
}

/// A life of a source's process ended: its open turns are lost, its requests orphaned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GenerationEnded {
    /// The source's number.
    pub source: u64,
    /// Which life.
    pub generation: u32,
    /// In words: exited with 1, killed by signal 9, ended by `sm serve --stop`, …
    pub reason: String,
    /// When it was seen to end, in Unix microseconds; null where nobody looked then, or it was not told.
    pub seen_at: Option<i64>,
}

/// `sm` made a session, or tells who made it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSpawned {
    /// The name given by its maker.
    pub name: Option<String>,
    /// The thread of the session that asked for it.
    pub parent: Option<String>,
    /// `key=value` labels.
    pub labels: Vec<String>,
    /// Who asked: `user`, or the thread of a session.
    pub by: String,
    /// The environment handed to the session's commands, to be handed again when it is resumed.
    pub env: BTreeMap<String, String>,
    /// The thread it was forked from; old releases do not tell it themselves.
    pub forked_from: Option<String>,
    /// Codex's id of the last turn that the fork took over; `None`: all of them.
    pub forked_at: Option<String>,
    /// Its parent is not woken when it settles, waits for a human or dies.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// A session was ended on purpose.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionEnded {
    /// Who asked.
    pub by: String,
}

/// A session could not be resumed on a new server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionUnresumable {
    /// What Codex answered.
    pub reason: String,
}

/// An input was taken in. The input's number is this record's own seq.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputAccepted {
    /// The text.
    pub text: String,
    /// `start`, `steer`, `urgent` or `queue`.
    pub mode: String,
    /// Who sent it: `user`, or the thread of a session.
    pub by: String,
    /// Whether the turn is to plan; `None` leaves the session's mode as it is.
    pub plan: Option<bool>,
    /// Its sender's own name for it: the same one again is the same input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Pictures that go along: absolute paths, or `http`, `https` and `data` addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// What is to be different for its turn.
    #[serde(skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// The JSON schema that the turn's last message is to keep to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Codex's id of the turn that it is to go into; `None`: whichever is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_turn: Option<String>,
    /// What it tells its session of its children.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub news: Vec<News>,
}

/// How far a session was told of one of its children.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct News {
    /// The child's thread.
    pub thread: String,
    /// The newest record that was told of: the end of a turn, a request to a human, the session's end.
    pub seq: u64,
}

/// What of a session's settings can be changed. `None` leaves a setting as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The model.
    pub model: Option<String>,
    /// The reasoning effort.
    pub effort: Option<String>,
    /// `untrusted`, `on-request`, `on-failure`, `never`.
    pub approval: Option<String>,
    /// `read-only`, `workspace-write`, `danger-full-access`.
    pub sandbox: Option<String>,
}

impl Settings {
    /// Whether they leave all as it is.
    pub fn is_empty(&self) -> bool {
        *self == Settings::default()
    }

    /// These, and where they leave a setting as it is, that of `others`.
    #[must_use]
    pub fn or(self, others: Settings) -> Settings {
        Settings {
            model: self.model.or(others.model),
            effort: self.effort.or(others.effort),
            approval: self.approval.or(others.approval),
            sandbox: self.sandbox.or(others.sandbox),
        }
    }
}

/// The text of an input that waits was changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputEdited {
    /// The input's number.
    pub input: u64,
    /// Its text from now on.
    pub text: String,
    /// Who changed it.
    pub by: String,
}

/// An accepted input moved on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputChanged {
    /// The input's number: the seq of its acceptance.
    pub input: u64,
    /// `queued`, `started`, `steered`, `refused`, `failed`, `unknown` or `cancelled`.
    pub status: String,
    /// The turn that took it.
    pub turn: Option<String>,
    /// Why, where it was not taken.
    pub reason: Option<String>,
    /// Who moved it, where somebody did: cancelled it, or had it tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// It was queued behind others that are held, and is held with them.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// It was looked for in Codex's own account of the thread: what is said here is what that tells.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sought: bool,
    /// The turn that took it is over: with that, also one that was taken may become `unknown`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub turn_over: bool,
}

/// Inputs that wait were held, or may go on. Those among them that wait no more stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputsHeld {
    /// The inputs' numbers.
    pub inputs: Vec<u64>,
    /// Whether they are held from now on.
    pub held: bool,
}

/// Settings that a session is to keep: given to every turn and at every resume from now on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionSet {
    /// The settings.
    pub settings: Settings,
    /// Who asked; `sm` where an input's own settings are to end with its turn.
    pub by: String,
}

/// A session's labels were changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionLabelled {
    /// All of them from now on, `key=value`.
    pub labels: Vec<String>,
    /// Those of them that the user gave; the others are an agent's.
    pub users: Vec<String>,
    /// Who asked.
    pub by: String,
}

/// A session was told of its children otherwise than by an input: it waited for them itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ParentTold {
    /// Of which, and how far.
    pub news: Vec<News>,
}

/// A session is to be reminded. The reminder's number is this record's own seq.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReminderSet {
    /// When, in Unix microseconds.
    pub at: i64,
    /// Of what.
    pub text: String,
    /// Who asked.
    pub by: String,
}

/// A reminder came to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReminderEnded {
    /// Its number: the seq of its making.
    pub reminder: u64,
    /// `sent`, `cancelled`, or `failed`: its session could not take it.
    pub status: String,
    /// Who, where somebody did; `sm` for one that was sent.
    pub by: String,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Somebody decided a request. Stands before the answer itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestDecided {
    /// The request's number: the seq of the record that asked.
    pub request: u64,
    /// `accept`, `acceptForSession`, `decline`, `cancel`, `answer` …
    pub decision: String,
    /// Who: `user`, `sm`, the thread of a session, `rule: NAME (FILE:LINE)` or `expiry (FILE:LINE)`.
    pub by: String,
    /// What was said along with it.
    pub say: Option<String>,
}

/// Somebody named a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionNamed {
    /// The name.
    pub name: String,
    /// Who: `user`, or the thread of a session.
    pub by: String,
    /// Whether Codex was told too; its older releases know no names.
    pub told_codex: bool,
}

/// A session was put into Codex's archive, or taken out of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionArchived {
    /// Whether it is in the archive now.
    pub archived: bool,
    /// Who: `user`, or the thread of a session; `codex`: somebody else, and it was found so.
    pub by: String,
}

/// A session's newest turns were taken out of its history. What they did to files stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TurnsDropped {
    /// The numbers of those that the log knows: the seq of each one's first record.
    pub turns: Vec<u64>,
    /// How many Codex dropped; more than those where a fork's inherited turns are among them.
    pub count: u32,
    /// Who: `user`, or the thread of a session; `codex`: whoever asked for it was not answered, and Codex's
    /// own list showed what went, if anything did.
    pub by: String,
}

/// The oldest records are dropped. Stands before they go, and after the snapshot of what the folds had
/// made of them: whoever finds it and them still there drops them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogTrimmed {
    /// The oldest seq kept.
    pub floor: u64,
    /// How many seqs go.
    pub records: u64,
    /// The bytes of their segments.
    pub bytes: u64,
    /// How many segments.
    pub segments: u64,
    /// The snapshot's BLAKE3, in hexadecimal.
    pub snapshot: String,
    /// Who asked: `user`, or the thread of a session.
    pub by: String,
}

/// Sessions serve only their newest records; the others' bytes go with their segments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogCapped {
    /// How many records each is left.
    pub records: u64,
    /// Thread → the oldest revision served, and its seq.
    pub sessions: BTreeMap<String, (u64, u64)>,
    /// Who asked: `user`, or the thread of a session.
    pub by: String,
}

/// The rules by which requests are answered without a human are others from here on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RulesChanged {
    /// `read`: a file was read, as it was changed; `granted`; `revoked`.
    pub what: String,
    /// Who, where that is known: `user`.
    pub by: Option<String>,
    /// The grant's name.
    pub name: Option<String>,
    /// The files' text, or the grant's.
    pub text: String,
    /// What is wrong in the files: while anything is, no rule applies.
    pub faults: Vec<String>,
}

impl Synthetic {
    /// The bytes to record.
    pub fn to_payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a recorded payload back; `None` for one that a newer `sm` wrote.
    pub fn from_payload(payload: &[u8]) -> Option<Synthetic> {
        serde_json::from_slice(payload).ok()
    }

    /// The kind to record it under.
    pub fn kind(&self) -> crate::Kind {
        use crate::Kind;
        match self {
            Synthetic::SourceOpened(_) => Kind::SM_SOURCE_OPENED,
            Synthetic::SourceClosed(_) => Kind::SM_SOURCE_CLOSED,
            Synthetic::GenerationStarted(_) => Kind::SM_GENERATION_STARTED,
            Synthetic::GenerationEnded(_) => Kind::SM_GENERATION_ENDED,
            Synthetic::SessionSpawned(_) => Kind::SM_SESSION_SPAWNED,
            Synthetic::SessionEnded(_) => Kind::SM_SESSION_ENDED,
            Synthetic::SessionUnresumable(_) => Kind::SM_SESSION_UNRESUMABLE,
            Synthetic::InputAccepted(_) => Kind::SM_INPUT_ACCEPTED,
            Synthetic::InputChanged(_) => Kind::SM_INPUT_CHANGED,
            Synthetic::InputEdited(_) => Kind::SM_INPUT_EDITED,
            Synthetic::InputsHeld(_) => Kind::SM_INPUTS_HELD,
            Synthetic::RequestDecided(_) => Kind::SM_REQUEST_DECIDED,
            Synthetic::SessionNamed(_) => Kind::SM_SESSION_NAMED,
            Synthetic::SessionArchived(_) => Kind::SM_SESSION_ARCHIVED,
            Synthetic::TurnsDropped(_) => Kind::SM_TURNS_DROPPED,
            Synthetic::SessionSet(_) => Kind::SM_SESSION_SET,
            Synthetic::SessionLabelled(_) => Kind::SM_SESSION_LABELLED,
            Synthetic::ParentTold(_) => Kind::SM_PARENT_TOLD,
            Synthetic::ReminderSet(_) => Kind::SM_REMINDER_SET,
            Synthetic::ReminderEnded(_) => Kind::SM_REMINDER_ENDED,
            Synthetic::LogTrimmed(_) => Kind::SM_LOG_TRIMMED,
            Synthetic::LogCapped(_) => Kind::SM_LOG_CAPPED,
            Synthetic::RulesChanged(_) => Kind::SM_RULES_CHANGED,
        }
    }
}

/// What ties a turn of Codex's to the input that began it, or went into it: Codex gives it back as the user
/// message's `clientId` where it knows the field.
pub fn message_id(input: u64) -> String {
    format!("{MESSAGE}{input}")
}

/// The input of which that is the [`message_id`].
pub fn input_of(message: &str) -> Option<u64> {
    message.strip_prefix(MESSAGE)?.parse().ok()
}

const MESSAGE: &str = "sm-input-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_reads_back_and_its_method_is_its_kinds() {
        let message = Synthetic::GenerationEnded(GenerationEnded {
            source: 3,
            generation: 1,
            reason: "killed by signal 9".into(),
            seen_at: Some(7),
        });
        let payload = message.to_payload();
        assert_eq!(Synthetic::from_payload(&payload), Some(message.clone()));
        let value: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(value["method"].as_str(), message.kind().method());
    }

    #[test]
    fn a_newer_message_is_no_error() {
        assert_eq!(Synthetic::from_payload(br#"{"method":"sm/later","params":{}}"#), None);
        let wider = br#"{"method":"sm/session/ended","params":{"by":"user","new":1}}"#;
        assert!(Synthetic::from_payload(wider).is_some());
    }
}
