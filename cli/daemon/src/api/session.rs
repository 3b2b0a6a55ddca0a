//! Sessions: made, and what they keep.

use serde::{Deserialize, Serialize};
use sm_ingest::app_server::Search;
use sm_protocol::synthetic::Settings;
use std::collections::BTreeMap;
use std::path::PathBuf;

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
