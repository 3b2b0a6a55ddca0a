//! What sessions are told of each other, and at a moment named before.

use serde::{Deserialize, Serialize};

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
