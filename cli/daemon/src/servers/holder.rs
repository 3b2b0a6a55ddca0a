//! Who holds a thread that Codex will not load because it has an active writer.
//!
//! What always holds: a process is named only if it has the thread's lock or rollout file open now;
//! what it is to this daemon is told by its pid and start time and by the mark in its environment,
//! never by its name.

use super::pool::{MARK, Server};
use crate::daemon::{Daemon, blocking};
use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_ingest::app_server::{ProcessId, with_open};
use sm_projections::rows::Session;
use std::path::Path;

/// Where a CODEX_HOME keeps the locks of its threads' writers, and what they wrote.
const LOCKS: &str = "thread-writer-locks";
const ROLLOUTS: &str = "sessions";

/// What a process is to this daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A server of it.
    Server,
    /// Left behind by an earlier life of it.
    Orphan,
    /// A server of another data directory's daemon.
    OtherDaemon,
    /// Somebody's own: a TUI, an editor's.
    Own,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Server => "server",
            Kind::Orphan => "orphan",
            Kind::OtherDaemon => "other_daemon",
            Kind::Own => "own",
        }
    }

    fn of(daemon: &Daemon, process: ProcessId) -> Kind {
        if daemon.pool.running().iter().any(|server| server.app.process() == process) {
            return Kind::Server;
        }
        let log = daemon.log().id().to_string();
        let mark = process.variable(MARK);
        match mark.as_deref().and_then(|mark| mark.split_once(':')) {
            Some((of, _)) if of == log => Kind::Orphan,
            Some(_) => Kind::OtherDaemon,
            None => Kind::Own,
        }
    }
}

/// Whether a file is what a writer of the thread has open.
fn is_of(codex_home: &Path, thread: &str, file: &Path) -> bool {
    let Ok(below) = file.strip_prefix(codex_home) else { return false };
    let name = below.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match below.iter().next().and_then(|folder| folder.to_str()) {
        Some(LOCKS) => name.strip_suffix(".lock") == Some(thread),
        Some(ROLLOUTS) => name.ends_with(&format!("-{thread}.jsonl")),
        _ => false,
    }
}

/// The refusal that names whoever holds the session's thread, and what to do about it.
pub(crate) async fn held(daemon: &Daemon, server: &Server, session: &Session) -> Refusal {
    let (home, thread) = (server.codex_home.clone(), session.thread_id.clone());
    let home = home.canonicalize().unwrap_or(home);
    let found = blocking(move || {
        let holders = with_open(|file| is_of(&home, &thread, file));
        let line = |process: ProcessId| (process, process.command_line().unwrap_or_default());
        holders.into_iter().map(line).collect::<Vec<_>>()
    });
    let mut found = found.await.unwrap_or_default();
    // The one that refuses has looked into the files, too.
    found.retain(|(process, _)| *process != server.app.process());
    let holders: Vec<Value> = found
        .iter()
        .map(|(process, line)| {
            json!({
                "pid": process.pid,
                "command": line,
                "kind": Kind::of(daemon, *process).as_str(),
            })
        })
        .collect();
    let id = &session.id;
    let (who, remedy) = match found.first() {
        None => (
            "a process that cannot be seen from here".to_owned(),
            "it may be another user's, or on another machine that shares CODEX_HOME: end it there"
                .to_owned(),
        ),
        Some((process, line)) => told(Kind::of(daemon, *process), process.pid, line),
    };
    Refusal::new(
        409,
        "held",
        format!("session {id} is held by {who}: Codex lets one process write"),
    )
    .hint(format!("{remedy}; then `sm resume {id}`"))
    .retryable()
    .details(json!({ "holders": holders }))
    .of_session(session)
}

/// The holder in words, and the remedy.
fn told(kind: Kind, pid: u32, line: &str) -> (String, String) {
    let named = |what: &str| format!("{what}, process {pid} ({line})");
    match kind {
        Kind::Server => (
            named("another server of this daemon"),
            "`sm serve --status` shows what it does; it lets go when its turn ends".to_owned(),
        ),
        Kind::Orphan => (
            named("a server that an earlier daemon left behind"),
            format!("`sm serve --stop` and the next start end it, or: kill {pid}"),
        ),
        Kind::OtherDaemon => (
            named("a server of another data directory's daemon"),
            "stop the session there (`sm --home DIR stop`), or that daemon".to_owned(),
        ),
        Kind::Own => {
            (named("a Codex of its own"), format!("close it where it runs, or: kill {pid}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_threads_writer_are_its_lock_and_its_rollout() {
        let home = Path::new("/home/u/.codex");
        let is = |file: &str| is_of(home, "01-ab", Path::new(file));
        assert!(is("/home/u/.codex/thread-writer-locks/01-ab.lock"));
        assert!(is("/home/u/.codex/sessions/2026/11/21/rollout-2026-11-21T12-11-28-01-ab.jsonl"));
        for other in [
            "/home/u/.codex/thread-writer-locks/.coordination.lock",
            "/home/u/.codex/thread-writer-locks/01-abc.lock",
            "/home/u/.codex/sessions/2026/11/21/rollout-2026-11-21T12-11-28-01-abc.jsonl",
            "/home/u/.codex/state_5.sqlite",
            "/home/v/.codex/thread-writer-locks/01-ab.lock",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
