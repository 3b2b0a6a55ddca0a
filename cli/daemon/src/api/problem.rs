//! What is answered where something is not done.

use serde::{Deserialize, Serialize};

/// Why something was not done. The code is stable; the words are for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// `not_found`, `ambiguous`, `conflict`, `pending_structured_request`, `already_imported`,
    /// `already_answered`, `request_changed`, `forbidden`, `codex_missing`, `codex_too_old`,
    /// `codex_died`, `codex_error`, `session_dead`, `held`, `name_taken`, `bad_request`, `timeout`,
    /// `failed`, `unsupported`, `turn_running`, `session_archived`, `not_logged_in`, `bad_text`,
    /// `too_long`, `key_reused`, `turn_changed`, `turn_unsteerable`, `codex_overloaded`,
    /// `codex_home_missing`, `unauthorized`, `wrong_host`, `older_codex`.
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
