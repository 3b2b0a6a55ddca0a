//! A source: where records come from, and the lives of its process.

use super::Micros;
use serde::{Deserialize, Serialize};

/// What a source is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SourceKind {
    /// A captured transcript.
    #[default]
    Import,
    /// A `codex app-server` that the daemon runs.
    AppServer,
}

impl SourceKind {
    /// The word users see.
    pub fn as_str(self) -> &'static str {
        match self {
            SourceKind::Import => "import",
            SourceKind::AppServer => "app-server",
        }
    }
}

/// Why a life ended that its daemon ended when it ended itself, in order.
pub const WITH_DAEMON: &str = "ended with the daemon";

/// One life of a source's process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// The process, if there is one.
    pub pid: Option<u32>,
    /// The process's start time in clock ticks since boot.
    pub pid_started: Option<u64>,
    /// When it began.
    pub started_at: Micros,
    /// The record that told its begin.
    pub started_seq: Option<u64>,
    /// When it ended.
    pub ended_at: Option<Micros>,
    /// The record that told its end.
    pub ended_seq: Option<u64>,
    /// Why it ended.
    pub reason: Option<String>,
}

impl Generation {
    /// Whether its daemon ended it when it ended itself, in order: what was loaded there was put away, not
    /// lost.
    pub fn ended_with_daemon(&self) -> bool {
        self.reason.as_deref() == Some(WITH_DAEMON)
    }
}

/// One row a source; its number is the seq of its first record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What it is.
    pub kind: SourceKind,
    /// `codex`.
    pub provider: String,
    /// The file, or the server's CODEX_HOME.
    pub path: Option<String>,
    /// An imported file's BLAKE3, in hexadecimal.
    pub blake3: Option<String>,
    /// The Codex version, as told by the server or by its own greeting.
    pub codex_version: Option<String>,
    /// The server's greeting that told it.
    pub greeted_seq: Option<u64>,
    /// A server's binary.
    pub binary: Option<String>,
    /// When it was opened.
    pub opened_at: Micros,
    /// Its messages and other lines, `sm`'s own notes not counted.
    pub records: u64,
    /// The first of them.
    pub first_seq: Option<u64>,
    /// The newest of them.
    pub last_seq: Option<u64>,
    /// Read to its end.
    pub closed: bool,
    /// Records that are no messages, once closed.
    pub malformed: u64,
    /// Its lives, oldest first.
    pub generations: Vec<Generation>,
}
