//! The messages that `sm` itself writes into the log, in Codex's own form: `{"method","params"}`.
//!
//! What always holds: their methods begin with `sm/`, they never leave the log, and a fold needs no
//! other source to know what `sm` did. Fields are only ever added.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// See [`RequestDecided`].
    #[serde(rename = "sm/request/decided")]
    RequestDecided(RequestDecided),
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
            Synthetic::RequestDecided(_) => Kind::SM_REQUEST_DECIDED,
            Synthetic::RulesChanged(_) => Kind::SM_RULES_CHANGED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_reads_back_and_its_method_is_its_kinds() {
        let message = Synthetic::GenerationEnded(GenerationEnded {
            source: 3,
            generation: 1,
            reason: "killed by signal 9".into(),
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
