//! Inputs: sent, and what waits.

use super::CodexSearch;
use serde::{Deserialize, Serialize};
use sm_protocol::synthetic::Settings;

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
