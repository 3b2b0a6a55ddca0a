//! Who calls, by evidence: the process at the other end of the socket, and those above it.
//!
//! What always holds: what a caller says of itself counts only where no server of this daemon is above
//! it. Below one it is an agent, of the session whose thread Codex put into the environment of the
//! process that it started itself: whatever runs further down can change only its own. A process that
//! was given another parent (its own ended) has nobody above it and is not recognised.

use crate::daemon::Daemon;
use crate::pool::Server;
use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use sm_ingest::app_server::ProcessId;
use std::sync::Arc;
use tokio::net::UnixListener;

/// How far up processes are followed.
const ANCESTORS_MAX: usize = 256;

/// The variables by which a command of Codex knows its session.
const SESSION_VARIABLES: [&str; 2] = ["CODEX_THREAD_ID", "SM_SESSION_ID"];

/// The word for an agent whose session cannot be told, before its server's source.
const NAMELESS: &str = "agent of server ";

/// The process that connected and those above it, the nearest first; none where the system does not
/// tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer(Vec<ProcessId>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Peer {
        let credentials = stream.io().peer_cred().ok();
        let pid = credentials.and_then(|credentials| u32::try_from(credentials.pid()?).ok());
        Peer(pid.map(lineage).unwrap_or_default())
    }
}

/// A process and those above it.
fn lineage(pid: u32) -> Vec<ProcessId> {
    std::iter::successors(ProcessId::of(pid), ProcessId::parent).take(ANCESTORS_MAX).collect()
}

/// What names the session in the environment that a process was started with.
fn session_words(process: ProcessId) -> Vec<String> {
    let environment = std::fs::read(format!("/proc/{}/environ", process.pid));
    let environment = environment.ok().filter(|_| process.is_alive()).unwrap_or_default();
    let entries: Vec<_> =
        environment.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let value = |name: &&str| {
        let mut values = entries.iter().filter_map(|entry| entry.split_once('='));
        values.find(|(key, _)| key == name).map(|(_, value)| value.to_owned())
    };
    SESSION_VARIABLES.iter().filter_map(value).collect()
}

impl Peer {
    /// Who asks: as `claimed`, unless the peer is an agent of a server that this daemon runs.
    pub async fn by(&self, daemon: &Daemon, claimed: Option<String>) -> Option<String> {
        let Some((server, below)) = self.server(daemon) else { return claimed };
        let Some(top) = below else { return Some(nameless(server.source)) };
        daemon.fresh().await;
        let found = session_words(top).into_iter().find_map(|word| {
            let session = daemon.find(&word, None).ok()?.session;
            (session.source == server.source).then_some(session.thread_id)
        });
        Some(found.unwrap_or_else(|| nameless(server.source)))
    }

    /// The nearest server above, and the process next below it on the way to the peer.
    fn server(&self, daemon: &Daemon) -> Option<(Arc<Server>, Option<ProcessId>)> {
        let running = daemon.pool.running();
        self.0.iter().enumerate().find_map(|(at, process)| {
            let server = running.iter().find(|server| server.app.process() == *process)?;
            let below = at.checked_sub(1).and_then(|below| self.0.get(below));
            Some((Arc::clone(server), below.copied()))
        })
    }
}

/// What an agent is called whose session cannot be told.
pub(crate) fn nameless(source: u64) -> String {
    format!("{NAMELESS}{source}")
}

/// The server in such a word.
pub(crate) fn nameless_source(word: &str) -> Option<u64> {
    word.strip_prefix(NAMELESS)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_leads_from_a_process_to_those_above_it() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let lineage = lineage(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        let pids: Vec<u32> = lineage.iter().map(|process| process.pid).collect();
        assert_eq!(pids[..2], [child.id(), std::process::id()]);
        assert!(lineage.is_sorted_by(|below, above| below.started >= above.started));
        assert_eq!(nameless_source(&nameless(7)), Some(7));
        assert_eq!(nameless_source("agent of server x"), None);
    }
}
