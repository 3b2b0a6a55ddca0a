//! Requests and what decides them: answers and grants.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// The answer in Codex's own form, for requests of unknown kinds. Null is one where nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// What else is to be known of it: that nothing tells whether Codex heard it.
    pub note: Option<String>,
}

/// A rule with an end, of the user's making.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// What it is called; none: `grant-N`.
    pub name: Option<String>,
    /// The first words of the commands that are granted; none: file changes are.
    pub command: Vec<String>,
    /// Whether these words alone are: no further ones, no file that the shell opens.
    pub exact: bool,
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
