//! The daemon itself and its Codex servers.

use super::CodexSearch;
use crate::counted;
use serde::{Deserialize, Serialize};

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
    /// Why what was recorded last is not on the disk; null while all is well.
    pub not_written: Option<NotWritten>,
    /// Running Codex servers.
    pub servers: Vec<Server>,
    /// Where TCP is served, behind the token: `http://127.0.0.1:PORT`.
    pub tcp: Option<String>,
}

/// Records that the disk did not take: they are in memory, tried again, and seen by no reader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NotWritten {
    /// How many.
    pub records: u64,
    /// What the disk said last.
    pub why: String,
}

impl std::fmt::Display for NotWritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let records = counted(self.records, "record");
        write!(f, "{records} of now not yet on the disk, and not shown: {}", self.why)
    }
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
    /// Those that had no turn yet: they are nowhere but there, and cannot move before their first.
    pub unbegun: Vec<String>,
    /// It gives way and cannot let go of one session: all of them move once its last turn is over.
    pub moves_together: bool,
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
    /// Where the codex that is found is older than the one that wrote sessions last.
    pub older: Vec<OlderCodex>,
}

/// A codex that is found and is older than the one that wrote sessions last: they are not loaded on it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OlderCodex {
    /// The sessions' CODEX_HOME.
    pub codex_home: String,
    /// The version that is found.
    pub codex_version: String,
    /// Its binary.
    pub binary: String,
    /// The newest version that wrote one of them.
    pub wrote: String,
    /// How many they are, those that are loaded on another server, ended or archived left out.
    pub sessions: u64,
}

impl std::fmt::Display for OlderCodex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let OlderCodex { codex_version, binary, wrote, sessions, .. } = self;
        write!(
            f,
            "not loaded on codex {codex_version}, found at {binary}: {}, written by newer ones, up to {wrote}",
            counted(sessions, "session")
        )
    }
}

impl Servers {
    /// What keeps a thread that is to be resumed; all unknown where its daemon is only about to begin.
    pub fn comeback(&self, thread: &str) -> Comeback {
        Comeback::of(&self.resuming, thread)
    }
}

/// A session that lost its server and is to be resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Comeback {
    /// Why it failed last; null while it was not tried.
    pub reason: Option<String>,
    /// How often it was tried in vain.
    pub failures: u32,
    /// When it is tried next, in Unix microseconds; null while it is tried.
    pub next_at: Option<i64>,
}

impl Comeback {
    /// That of a thread, by the batches that wait.
    pub fn of<'r>(resuming: impl IntoIterator<Item = &'r Resuming>, thread: &str) -> Comeback {
        let mut resuming = resuming.into_iter();
        let batch = resuming.find(|batch| batch.threads.iter().any(|one| one == thread));
        batch.map_or_else(Comeback::default, |batch| Comeback {
            reason: batch.reason.clone(),
            failures: batch.failures,
            next_at: batch.next_at,
        })
    }
}

/// Sessions that lost their server together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Also servers whose codex is newer than the one found: what it wrote may not be read again.
    pub older_codex: bool,
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
    /// Servers that stay because the codex that is found is older than theirs.
    pub newer: Vec<Server>,
}

/// The daemon is to end.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Shutdown {
    /// Who asks: a session's id, or none for the user. Agents are refused.
    pub by: Option<String>,
}
